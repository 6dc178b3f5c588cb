//! The real server's side of a tunnel: the outer headers of a packet for one of its VIPs are taken off.
//!
//! It stands in for the kernel's ipip, gre, sit, ip6tnl and fou devices, and needs none. What is no tunnel for a VIP of
//! this server, of a kind that ends here, is left alone; so is an outer packet in fragments, which the stack must put
//! together first. Sources: RFC 2003, RFC 2473, RFC 4213, RFC 2784, draft-ietf-intarea-gue-09 (variant 0).

use crate::{
    table::destination::tunnel::{GRE_CHECKSUM, GRE_HEADER, GUE_HEADER},
    verdict::{Reason, Verdict},
    wire::{self, checksum, ethertype, fragment, protocol, set_u16, set_u32, set_u64, u16_at, u32_at, u64_at},
    world::{Frame, Tables},
};

const NOT_OURS: Verdict = Verdict::Pass(Reason::NotOurs);
const NO_ROOM: Verdict = Verdict::Drop(Reason::NoRoom);

/// Which tunnels to a VIP end here: bits, and in the high half the port of GUE, in host order.
pub mod ends {
    /// IP in IP, of whatever families.
    pub const IPIP: u32 = 1;
    /// GRE.
    pub const GRE: u32 = 2;
    /// GUE, to the port in the high half.
    pub const GUE: u32 = 4;
}

/// A frame that a real server receives.
#[inline(always)]
pub fn decapsulate<F: Frame, T: Tables>(frame: &mut F, t: &T) -> Verdict {
    match strip(frame, t) {
        Ok(()) => Verdict::Pass(Reason::Decapsulated),
        Err(verdict) => verdict,
    }
}

/// What an outer IP header says.
#[derive(Clone, Copy)]
struct Outer {
    /// What it carries.
    protocol: u8,
    /// Where that begins.
    at: usize,
    /// Where the packet ends.
    end: usize,
    /// The sum of its addresses.
    addresses: u64,
}

#[inline(always)]
fn outer<F: Frame>(frame: &F, kind: u16, ip: usize) -> Result<Outer, Verdict> {
    match kind {
        ethertype::IPV4 => {
            let header = frame.view::<20>(ip).ok_or(NOT_OURS)?;
            let parts = u16_at(header, 6) & (fragment::MORE | fragment::OFFSET);
            let size = usize::from(header[0] & 15) * 4;
            if header[0] >> 4 != 4 || size < 20 || parts != 0 {
                return Err(NOT_OURS);
            }
            let end = ip + usize::from(u16::from_be(u16_at(header, 2)));
            let addresses = u64::from(u32_at(header, 12)) + u64::from(u32_at(header, 16));
            Ok(Outer { protocol: header[9], at: ip + size, end, addresses })
        }
        ethertype::IPV6 => {
            let header = frame.view::<40>(ip).ok_or(NOT_OURS)?;
            let halves = |at| (u64_at(header, at) & 0xffff_ffff) + (u64_at(header, at) >> 32);
            let end = ip + 40 + usize::from(u16::from_be(u16_at(header, 4)));
            let addresses = halves(8) + halves(16) + halves(24) + halves(32);
            Ok(Outer { protocol: header[6], at: ip + 40, end, addresses })
        }
        _ => Err(NOT_OURS),
    }
}

/// What a tunnel's headers say.
#[derive(Clone, Copy)]
struct Inside {
    /// What the VIP must let end here.
    wanted: u32,
    /// Whether it is IPv6.
    six: bool,
    /// Where the packet inside begins.
    at: usize,
    /// What a checksum covers beside the bytes from the outer header's end on, if there is one.
    covered: Option<u64>,
}

#[inline(always)]
fn inside<F: Frame>(frame: &F, outer: &Outer) -> Result<Inside, Verdict> {
    let at = outer.at;
    match outer.protocol {
        protocol::IPV4 => Ok(Inside { wanted: ends::IPIP, six: false, at, covered: None }),
        protocol::IPV6 => Ok(Inside { wanted: ends::IPIP, six: true, at, covered: None }),
        protocol::GRE => {
            let header = frame.view::<GRE_HEADER>(at).ok_or(NOT_OURS)?;
            let six = match u16_at(header, 2) {
                ethertype::IPV4 => false,
                ethertype::IPV6 => true,
                _ => return Err(NOT_OURS),
            };
            // Keys, sequence numbers and what was before RFC 2784 are not for us.
            match u16_at(header, 0) {
                0 => Ok(Inside { wanted: ends::GRE, six, at: at + GRE_HEADER, covered: None }),
                wire::GRE_CHECKSUM => {
                    Ok(Inside { wanted: ends::GRE, six, at: at + GRE_HEADER + GRE_CHECKSUM, covered: Some(0) })
                }
                _ => Err(NOT_OURS),
            }
        }
        protocol::UDP => {
            let header = frame.view::<GUE_HEADER>(at).ok_or(NOT_OURS)?;
            // Variant 0 without options or flags, and the datagram fills its packet.
            let length = u16::from_be(u16_at(header, 4));
            if u32_at(header, 8) & !0xff00 != 0 || at + usize::from(length) != outer.end {
                return Err(NOT_OURS);
            }
            let six = match header[9] {
                protocol::IPV4 => false,
                protocol::IPV6 => true,
                _ => return Err(NOT_OURS),
            };
            let wanted = ends::GUE | u32::from(u16::from_be(u16_at(header, 2))) << 16;
            let pseudo = outer.addresses + u64::from(length.to_be()) + u64::from(u16::from(protocol::UDP).to_be());
            let covered = if u16_at(header, 6) != 0 { Some(pseudo) } else { None };
            Ok(Inside { wanted, six, at: at + GUE_HEADER, covered })
        }
        _ => Err(NOT_OURS),
    }
}

/// Whether tunnels that end here (`ending`) are among what is wanted.
#[inline(always)]
const fn takes(ending: u32, wanted: u32) -> bool {
    ending & wanted & 0xffff != 0 && (wanted & ends::GUE == 0 || ending >> 16 == wanted >> 16)
}

#[inline(always)]
fn strip<F: Frame, T: Tables>(frame: &mut F, t: &T) -> Result<(), Verdict> {
    let header = frame.view::<{ wire::ETHERNET }>(0).ok_or(NOT_OURS)?;
    let mut kind = u16_at(header, 12);
    let mut ip = wire::ETHERNET;
    let mut tags = [0u32; 2];
    let mut i = 0;
    while i < 2 && (kind == ethertype::VLAN || kind == ethertype::PROVIDER_VLAN) {
        let tag = frame.view::<{ wire::VLAN }>(ip).ok_or(NOT_OURS)?;
        tags[i] = u32::from(kind) | u32::from(u16_at(tag, 0)) << 16;
        kind = u16_at(tag, 2);
        ip += wire::VLAN;
        i += 1;
    }
    let outer = outer(frame, kind, ip)?;
    let inside = inside(frame, &outer)?;
    let vip = if inside.six {
        let inner = frame.view::<40>(inside.at).ok_or(NOT_OURS)?;
        if inner[0] >> 4 != 6 {
            return Err(NOT_OURS);
        }
        [u64_at(inner, 24), u64_at(inner, 32)]
    } else {
        let inner = frame.view::<20>(inside.at).ok_or(NOT_OURS)?;
        if inner[0] >> 4 != 4 {
            return Err(NOT_OURS);
        }
        [u64::from(u32_at(inner, 16)), 0]
    };
    if !takes(t.decapsulates(vip), inside.wanted) {
        return Err(NOT_OURS);
    }
    if let Some(covered) = inside.covered {
        let length = outer.end.checked_sub(outer.at).ok_or(NOT_OURS)?;
        let sum = frame.sum(outer.at, length).ok_or(NOT_OURS)?;
        if checksum::fold(covered + sum) != 0xffff {
            return Err(Verdict::Drop(Reason::TunnelChecksum));
        }
    }
    let header = frame.view::<12>(0).ok_or(NOT_OURS)?;
    let (macs, rest) = (u64_at(header, 0), u32_at(header, 8));
    frame.grow_front(-((inside.at - ip) as i32)).ok_or(NO_ROOM)?;
    let kind = if inside.six { ethertype::IPV6 } else { ethertype::IPV4 };
    let header = frame.view_mut::<{ wire::ETHERNET }>(0).ok_or(NO_ROOM)?;
    set_u64(header, 0, macs);
    set_u32(header, 8, rest);
    if ip == wire::ETHERNET {
        set_u16(header, 12, kind);
    } else if ip == wire::ETHERNET + wire::VLAN {
        let header = frame.view_mut::<18>(0).ok_or(NO_ROOM)?;
        set_u32(header, 12, tags[0]);
        set_u16(header, 16, kind);
    } else {
        let header = frame.view_mut::<22>(0).ok_or(NO_ROOM)?;
        set_u32(header, 12, tags[0]);
        set_u32(header, 16, tags[1]);
        set_u16(header, 20, kind);
    }
    Ok(())
}
