//! The real server's side of a tunnel: the outer header of a packet for one of its VIPs is taken off.
//!
//! It stands in for the kernel's ipip device, and needs none. What is not IP in IP for a VIP of this server is left
//! alone; so is an outer packet in fragments, which the stack must put together first.

use crate::{
    verdict::{Reason, Verdict},
    wire::{self, ethertype, fragment, protocol, set_u16, set_u32, set_u64, u16_at, u32_at, u64_at},
    world::{Frame, Tables},
};

const NOT_OURS: Verdict = Verdict::Pass(Reason::NotOurs);
const NO_ROOM: Verdict = Verdict::Drop(Reason::NoRoom);

/// A frame that a real server receives.
#[inline(always)]
pub fn decapsulate<F: Frame, T: Tables>(frame: &mut F, t: &T) -> Verdict {
    match strip(frame, t) {
        Ok(()) => Verdict::Pass(Reason::Decapsulated),
        Err(verdict) => verdict,
    }
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
    let (outer, vip) = match kind {
        ethertype::IPV4 => {
            let header = frame.view::<20>(ip).ok_or(NOT_OURS)?;
            let parts = u16_at(header, 6) & (fragment::MORE | fragment::OFFSET);
            let size = usize::from(header[0] & 15) * 4;
            if header[0] >> 4 != 4 || size < 20 || header[9] != protocol::IPV4 || parts != 0 {
                return Err(NOT_OURS);
            }
            let inner = frame.view::<20>(ip + size).ok_or(NOT_OURS)?;
            if inner[0] >> 4 != 4 {
                return Err(NOT_OURS);
            }
            (size, [u64::from(u32_at(inner, 16)), 0])
        }
        ethertype::IPV6 => {
            let header = frame.view::<40>(ip).ok_or(NOT_OURS)?;
            if header[6] != protocol::IPV6 {
                return Err(NOT_OURS);
            }
            let inner = frame.view::<40>(ip + 40).ok_or(NOT_OURS)?;
            if inner[0] >> 4 != 6 {
                return Err(NOT_OURS);
            }
            (40, [u64_at(inner, 24), u64_at(inner, 32)])
        }
        _ => return Err(NOT_OURS),
    };
    if !t.decapsulates(vip) {
        return Err(NOT_OURS);
    }
    let header = frame.view::<12>(0).ok_or(NOT_OURS)?;
    let (macs, rest) = (u64_at(header, 0), u32_at(header, 8));
    frame.grow_front(-(outer as i32)).ok_or(NO_ROOM)?;
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
