//! "Too big" about a packet of the director's own tunnel: the path behind it is smaller than was thought (RFC 1191, RFC
//! 8201; ip_vs_in_icmp in ip_vs_core.c). The destination's MTU becomes less; its client hears of it when its next packet is
//! too big. Nothing is believed that does not quote a packet of a flow, in the tunnel that its destination has.

use super::{
    Outcome,
    icmp::{Quoted, quoted},
    packet::Packet,
    reply,
};
use crate::{
    family::{Family, V4, V6},
    flow::{Key, control},
    table::destination::{self, tunnel},
    verdict::{Reason, Verdict},
    wire::{self, ethertype, protocol, u16_at, u32_at},
    world::{Block, Frame, Tables},
};

const UNRELATED: Verdict = Verdict::Pass(Reason::IcmpUnrelated);
/// Path MTUs below these are not believed (Linux's min_pmtu; RFC 8200 section 5).
const FLOOR: [u16; 2] = [552, 1280];

/// The tunnel of a quoted packet.
#[derive(Clone, Copy)]
struct Around {
    /// Its addresses, as a destination has them: RIP and DIP.
    ends: [[u64; 2]; 2],
    /// The kind, without the checksum.
    kind: u8,
    /// The port of GUE.
    port: u16,
    /// Where the packet inside begins.
    inner: usize,
    /// Where the error ends.
    end: usize,
    /// What the way carries.
    mtu: u32,
}

/// An error that quotes what may be a packet of a tunnel of this family.
#[inline(always)]
pub(super) fn route<F: Frame, T: Tables, A: Family>(frame: &F, t: &T, p: &Packet<A>) -> Outcome {
    let header = frame.view::<8>(p.transport).ok_or(UNRELATED)?;
    // RFC 1191: the last two bytes; RFC 4443: all four.
    let mtu = u32::from_be(u32_at(header, 4)) & if A::SIX { u32::MAX } else { 0xffff };
    let outer: Quoted<A> = quoted(frame, p.transport + 8)?;
    let (kind, port, inner, six) = match outer.protocol {
        protocol::IPV4 => (0, 0, outer.transport, false),
        protocol::IPV6 => (0, 0, outer.transport, true),
        protocol::GRE => {
            let header = frame.view::<4>(outer.transport).ok_or(UNRELATED)?;
            let size = match u16_at(header, 0) {
                0 => 4,
                wire::GRE_CHECKSUM => 8,
                _ => return Err(UNRELATED),
            };
            (tunnel::GRE, 0, outer.transport + size, u16_at(header, 2) == ethertype::IPV6)
        }
        protocol::UDP => {
            let header = frame.view::<12>(outer.transport).ok_or(UNRELATED)?;
            if u32_at(header, 8) & !0xff00 != 0 {
                return Err(UNRELATED);
            }
            (tunnel::GUE, u16_at(header, 2), outer.transport + 12, header[9] == protocol::IPV6)
        }
        _ => return Err(UNRELATED),
    };
    let other = if six == A::SIX { 0 } else { tunnel::OTHER_FAMILY };
    let ends = [A::words(outer.destination), A::words(outer.source)];
    let around = Around { ends, kind: kind | other, port, inner, end: p.ip + usize::from(p.length), mtu };
    if six { learn::<F, T, V6>(frame, t, &around) } else { learn::<F, T, V4>(frame, t, &around) }
}

/// Learns, if the packet inside is of a flow whose destination has this tunnel.
#[inline(always)]
fn learn<F: Frame, T: Tables, A: Family>(frame: &F, t: &T, around: &Around) -> Outcome {
    let inner = quoted::<F, A>(frame, around.inner)?;
    if inner.transport + 8 > around.end || !inner.has_ports() || around.mtu > 0xffff {
        return Err(UNRELATED);
    }
    let key = Key::<A>::new(&t.constants(), inner.source, inner.destination, inner.ports, inner.protocol, false);
    let (found, _) = reply::locate(t, &key);
    if !found.exists() {
        return Err(UNRELATED);
    }
    let record = t.destination(control::destination(found.control)).ok_or(UNRELATED)?;
    let meta = record.load(destination::META);
    let method = destination::method_of(meta);
    let six = A::SIX != (method & tunnel::OTHER_FAMILY != 0);
    let same = |word: usize, end: [u64; 2]| record.load(word) == end[0] && (!six || record.load(word + 1) == end[1]);
    let ours = destination::tunnels(method)
        && method & (tunnel::TYPE | tunnel::OTHER_FAMILY) == around.kind
        && (around.kind & tunnel::TYPE != tunnel::GUE
            || destination::tunnel_port(record.load(destination::PORTS)) == around.port)
        && same(destination::RIP, around.ends[0])
        && same(destination::DIP, around.ends[1]);
    if !ours {
        return Err(UNRELATED);
    }
    let left = (around.mtu as u16).saturating_sub(destination::overhead(method, six)).max(FLOOR[usize::from(A::SIX)]);
    if left < destination::mtu(meta) {
        let flag = u64::from(destination::LEARNED_MTU) << 8;
        let _ = record.compare_exchange(destination::META, meta, destination::with_mtu(meta, left) | flag);
    }
    Err(Verdict::Pass(Reason::PathMtu))
}
