//! The decapsulator of `relvs realserver`, pinned in the run directory.

use crate::realserver::{Decapsulation, Decapsulator, DecapsulatorError};
use relvs_core::decapsulate::ends;
use relvs_dataplane::{Decapsulator as Program, Mode, object};
use relvs_model::Tunnel;
use relvs_net::Network;
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
};

/// The pinned decapsulator of a run directory.
#[derive(Clone, Debug)]
pub struct Pinned {
    run_dir: PathBuf,
}

impl Pinned {
    /// Of this run directory.
    pub fn new(run_dir: PathBuf) -> Self {
        Pinned { run_dir }
    }
}

impl Decapsulator for Pinned {
    fn current(&mut self) -> Result<Decapsulation, DecapsulatorError> {
        if !Program::exists(&self.run_dir) {
            return Ok(Decapsulation::default());
        }
        let program = Program::open(&self.run_dir, object::embedded())?;
        let attached: BTreeSet<u32> = program.attached()?.into_iter().map(|(index, _)| index).collect();
        let links = Network::open()?.links()?;
        let interfaces = links.into_iter().filter(|l| attached.contains(&l.index)).map(|l| l.name).collect();
        Ok(Decapsulation {
            interfaces,
            vips: program.vips().into_iter().map(|(vip, ends)| (address(vip), tunnel(ends))).collect(),
        })
    }

    fn set(&mut self, wanted: &Decapsulation) -> Result<(), DecapsulatorError> {
        if wanted.is_empty() {
            if Program::exists(&self.run_dir) {
                Program::open(&self.run_dir, object::embedded())?.close()?;
            }
            return Ok(());
        }
        let links = Network::open()?.links()?;
        let mut program = Program::open(&self.run_dir, object::embedded())?;
        // What is there stays until everything new is there.
        for name in &wanted.interfaces {
            let link = links.iter().find(|l| l.name == *name).ok_or_else(|| format!("interface {name} is gone"))?;
            program.attach(name, link.index, modes(link))?;
        }
        for (vip, tunnel) in &wanted.vips {
            program.add(words(*vip), ends_of(*tunnel))?;
        }
        for (vip, _) in program.vips() {
            if !wanted.vips.contains_key(&address(vip)) {
                program.remove(vip);
            }
        }
        let kept = |index: u32| links.iter().any(|l| l.index == index && wanted.interfaces.contains(&l.name));
        for (index, _) in program.attached()? {
            if !kept(index) {
                program.detach(index)?;
            }
        }
        Ok(())
    }
}

/// The modes to try. A frame that leaves this program goes to the stack, which any mode can do; only a veth's native
/// mode changes what its peer may send, and so is left alone.
fn modes(link: &relvs_net::Link) -> &'static [Mode] {
    if link.is_veth() { &[Mode::Generic] } else { &[Mode::Native, Mode::Generic] }
}

/// A tunnel as the decapsulator has it, which takes those with and without a checksum.
const fn ends_of(tunnel: Tunnel) -> u32 {
    match tunnel {
        Tunnel::Ipip => ends::IPIP,
        Tunnel::Gre { .. } => ends::GRE,
        Tunnel::Gue { port, .. } => ends::GUE | (port as u32) << 16,
    }
}

/// The other way.
const fn tunnel(ends: u32) -> Tunnel {
    if ends & ends::GUE != 0 {
        Tunnel::Gue { port: (ends >> 16) as u16, checksum: false }
    } else if ends & ends::GRE != 0 {
        Tunnel::Gre { checksum: false }
    } else {
        Tunnel::Ipip
    }
}

/// An address as it stands in the tables.
pub(crate) fn words(address: IpAddr) -> [u64; 2] {
    match address {
        IpAddr::V4(v4) => [u64::from(u32::from_ne_bytes(v4.octets())), 0],
        IpAddr::V6(v6) => {
            let bits = u128::from_ne_bytes(v6.octets());
            [bits as u64, (bits >> 64) as u64]
        }
    }
}

/// An address from the tables. One of 32 bits is IPv4: no VIP is in ::/32.
pub(crate) fn address(words: [u64; 2]) -> IpAddr {
    match (u32::try_from(words[0]), words[1]) {
        (Ok(v4), 0) => IpAddr::V4(Ipv4Addr::from(v4.to_ne_bytes())),
        _ => {
            let bits = u128::from(words[0]) | u128::from(words[1]) << 64;
            IpAddr::V6(Ipv6Addr::from(bits.to_ne_bytes()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_back_from_the_tables() {
        for text in ["192.0.2.100", "255.255.255.255", "2001:db8::100", "fd00::1"] {
            let there: IpAddr = text.parse().unwrap();
            assert_eq!(address(words(there)), there);
        }
    }

    #[test]
    fn tunnels_come_back_from_the_tables() {
        for text in ["ipip", "gre", "gue:1", "gue:65535"] {
            let there: Tunnel = text.parse().unwrap();
            assert_eq!(tunnel(ends_of(there)), there);
        }
        assert_eq!(tunnel(ends_of("gre+checksum".parse().unwrap())), "gre".parse().unwrap());
    }
}
