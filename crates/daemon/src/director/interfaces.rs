//! Attaching to the interfaces that are to be served, and telling the tables their MACs.

use super::{Director, Error, ways::number};
use crate::keepalived::needed;
use relvs_dataplane::{Mode, forget_interface, serve_interface};
use relvs_model::{Director as Wanted, State, XdpMode};
use relvs_net::Link;
use std::collections::BTreeSet;

/// An interface that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) index: u32,
    pub(super) name: String,
    pub(super) mac: relvs_net::Mac,
    pub(super) mode: Mode,
}

impl Director {
    /// Serves exactly the interfaces that are wanted. One that went away is served again when it is back. If one is
    /// refused, those that were served still are.
    pub(super) fn serve(&mut self, wanted: &Wanted) -> Result<(), Error> {
        let links: Vec<Link> =
            self.ways.links().filter(|link| wanted.interfaces.contains(&link.name)).cloned().collect();
        // Those that are gone for good make room first: another interface may have their place in the tables.
        let existing = self.ways.links().map(|link| link.index).collect();
        self.leave_all_but(&existing)?;
        for link in &links {
            self.serve_one(link, wanted.xdp_mode)?;
        }
        self.leave_all_but(&links.iter().map(|link| link.index).collect())
    }

    /// Serves the interfaces that have become needed as well, as one that came up after the start. None is given up before the next
    /// reload.
    pub(super) fn find_interfaces(&mut self) -> Result<(), Error> {
        let mut state = State { vrrp: self.routers()?.0.clone(), ..State::default() };
        let desired = self.configured();
        desired.clone().put_into(&mut state);
        let mut own = self.own.clone();
        for (name, why) in needed(&state)? {
            if !own.interfaces.contains(&name) {
                tracing::info!("interface {name}: needed now ({why})");
                own.interfaces.push(name);
            }
        }
        if own == self.own {
            return Ok(());
        }
        let served = self.serve(&own);
        served.and_then(|()| self.bring_about(&own, &desired, &[]))?;
        if let Some((loaded, _)) = &mut self.loaded {
            loaded.interfaces = own.interfaces;
        }
        Ok(())
    }

    /// Leaves every interface but these, those of an earlier daemon too.
    fn leave_all_but(&mut self, kept: &BTreeSet<u32>) -> Result<(), Error> {
        let attached = self.kernel.attached()?.into_iter().map(|(index, _)| index);
        let all: BTreeSet<u32> = attached.chain(self.served.iter().map(|s| s.index)).collect();
        for index in all.difference(kept).copied() {
            self.kernel.detach(index)?;
            forget_interface(&self.kernel, index);
            if let Some(at) = self.served.iter().position(|s| s.index == index) {
                tracing::info!("interface {}: no longer served", self.served.remove(at).name);
            }
        }
        Ok(())
    }

    fn serve_one(&mut self, link: &Link, wanted: XdpMode) -> Result<(), Error> {
        let refused = |why: &str| Error::Interface { name: link.name.clone(), why: why.to_owned() };
        let mac = link.mac.ok_or_else(|| refused("carries no Ethernet frames, so it cannot be served"))?;
        let stays = |mode: Mode| match wanted {
            XdpMode::Auto => true,
            XdpMode::Native => mode == Mode::Native,
            XdpMode::Generic => mode == Mode::Generic,
        };
        if self.served.iter().any(|s| s.index == link.index && s.mac == mac && stays(s.mode)) {
            return Ok(());
        }
        serve_interface(&self.kernel, link.index, number(mac)).map_err(|other| {
            refused(&format!("its index shares a place with that of interface {other}; serve only one of them"))
        })?;
        if let Some(served) = self.served.iter_mut().find(|s| s.index == link.index && stays(s.mode)) {
            served.mac = mac;
            return Ok(());
        }
        self.served.retain(|s| s.index != link.index);
        let mode = self.attach(link, wanted)?;
        self.served.push(Served { index: link.index, name: link.name.clone(), mac, mode });
        tracing::info!("interface {}: served in {mode} mode", link.name);
        Ok(())
    }

    fn attach(&mut self, link: &Link, wanted: XdpMode) -> Result<Mode, Error> {
        let (name, index) = (link.name.as_str(), link.index);
        let earlier = self.kernel.attached()?.into_iter().find(|(i, _)| *i == index).map(|(_, mode)| mode);
        let modes: &[Mode] = match (wanted, earlier) {
            (XdpMode::Native, _) => &[Mode::Native],
            (XdpMode::Generic, _) => &[Mode::Generic],
            (XdpMode::Auto, Some(Mode::Native)) => &[Mode::Native, Mode::Generic],
            (XdpMode::Auto, Some(Mode::Generic)) => &[Mode::Generic],
            (XdpMode::Auto, None) if link.is_veth() => {
                tracing::info!(
                    "interface {name}: a veth; in native mode what is sent back on it arrives only if its peer has an XDP \
                     program too, so generic mode is taken"
                );
                &[Mode::Generic]
            }
            (XdpMode::Auto, None) => &[Mode::Native, Mode::Generic],
        };
        // Two programs cannot be attached in different modes.
        if let Some(other) = earlier.filter(|mode| !modes.contains(mode)) {
            tracing::info!("interface {name}: leaves {other} mode");
            self.kernel.detach(index)?;
        }
        let mut last = None;
        for mode in modes {
            match self.kernel.attach(name, index, *mode) {
                Ok(()) => return Ok(*mode),
                Err(error) => {
                    if modes.len() > 1 && *mode == Mode::Native {
                        tracing::warn!("{error}; generic mode is slower, but every driver has it");
                    }
                    last = Some(error);
                }
            }
        }
        Err(last.map_or_else(
            || Error::Interface { name: name.to_owned(), why: "no mode to attach in".to_owned() },
            Error::from,
        ))
    }
}
