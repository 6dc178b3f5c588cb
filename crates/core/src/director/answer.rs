//! What the director answers itself: ICMP errors to the sender of a packet (RFC 792, RFC 4443, RFC 1812 4.3.2).
//!
//! The answer goes back the way the packet came: MACs and addresses change places. Its source is the address that the
//! packet was sent to, as the kernel's would be; for a server's packet it is the director's address towards it.
//! Never about an ICMP error or a later fragment, and no more than [`LIMIT`] a second on each CPU.

use super::{
    DETAIL, Outcome, deliver,
    packet::{Fragment, Packet},
    reply,
};
use crate::{
    family::Family,
    verdict::{Reason, Stage, Verdict},
    wire::{checksum, fragment, protocol, set_u16, set_u32, set_u64, u32_at, u64_at},
    world::{Block, Frame, Tables},
};

/// Answers a second on each CPU.
pub(super) const LIMIT: u64 = 1000;
/// Bytes of a packet that are quoted at the most; a multiple of four.
const QUOTE: usize = 128;
/// Bytes of an ICMP header.
const ICMP: usize = 8;

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The hop limit ran out.
    TimeExceeded,
    /// The same to a server, from the director's address towards the destination of this number.
    TimeExceededReply(u32),
    /// Port unreachable: no destination is available.
    NoDestination,
    /// The packet may have so many bytes.
    TooBig(u16),
    /// The same to a server.
    TooBigReply(u16, u32),
    /// Port unreachable, to a server: its packet is of no flow.
    NoFlowReply(u32),
}

impl Answer {
    #[inline(always)]
    fn reason(self) -> Reason {
        match self {
            Answer::TimeExceeded | Answer::TimeExceededReply(_) => Reason::TimeExceeded,
            Answer::NoDestination => Reason::NoDestination,
            Answer::TooBig(_) | Answer::TooBigReply(..) => Reason::TooBigAnswered,
            Answer::NoFlowReply(_) => Reason::NoFlowAnswered,
        }
    }

    /// Type, code, and the last four bytes of the ICMP header.
    #[inline(always)]
    fn header<A: Family>(self) -> ([u8; 2], u32) {
        match (self, A::SIX) {
            (Answer::TimeExceeded | Answer::TimeExceededReply(_), false) => ([11, 0], 0),
            (Answer::TimeExceeded | Answer::TimeExceededReply(_), true) => ([3, 0], 0),
            (Answer::NoDestination | Answer::NoFlowReply(_), false) => ([3, 3], 0),
            (Answer::NoDestination | Answer::NoFlowReply(_), true) => ([1, 4], 0),
            (Answer::TooBig(mtu) | Answer::TooBigReply(mtu, _), false) => ([3, 4], u32::from(mtu).to_be()),
            (Answer::TooBig(mtu) | Answer::TooBigReply(mtu, _), true) => ([2, 0], u32::from(mtu).to_be()),
        }
    }
}

impl Answer {
    /// Which (8), MTU (16, from bit 8), destination (from bit 32).
    #[inline(always)]
    fn pack(self) -> u64 {
        match self {
            Answer::TimeExceeded => 0,
            Answer::NoDestination => 1,
            Answer::TooBig(mtu) => 2 | u64::from(mtu) << 8,
            Answer::TooBigReply(mtu, number) => 3 | u64::from(mtu) << 8 | u64::from(number) << 32,
            Answer::TimeExceededReply(number) => 4 | u64::from(number) << 32,
            Answer::NoFlowReply(number) => 5 | u64::from(number) << 32,
        }
    }

    #[inline(always)]
    fn unpack(word: u64) -> Self {
        let mtu = (word >> 8) as u16;
        match word as u8 {
            0 => Answer::TimeExceeded,
            1 => Answer::NoDestination,
            2 => Answer::TooBig(mtu),
            3 => Answer::TooBigReply(mtu, (word >> 32) as u32),
            4 => Answer::TimeExceededReply((word >> 32) as u32),
            _ => Answer::NoFlowReply((word >> 32) as u32),
        }
    }
}

/// Why the answer that the request line describes is given.
#[inline(always)]
pub(super) fn reason_of(word: u64) -> Reason {
    Answer::unpack(word).reason()
}

/// An answer is due: the next stage gives it. The fast way does not leave it to the slow one to find out: to a flow
/// that has just opened that would be its second packet.
#[inline(always)]
pub(super) fn due<T: Tables, A: Family>(t: &T, p: &Packet<A>, answer: Answer) -> Outcome {
    Err(verdict::<T, A>(t, p, answer))
}

/// The same, only the verdict.
#[inline(always)]
pub(super) fn verdict<T: Tables, A: Family>(t: &T, p: &Packet<A>, answer: Answer) -> Verdict {
    let Some(line) = t.request() else { return Verdict::Drop(Reason::Inconsistent) };
    p.store(line);
    line.store(DETAIL, answer.pack());
    Verdict::Next(if A::SIX { Stage::Answer6 } else { Stage::Answer4 })
}

/// Gives the answer that the request line describes.
#[inline(always)]
pub(super) fn route<F: Frame, T: Tables, A: Family>(frame: &mut F, t: &T, p: &Packet<A>) -> Outcome {
    let line = t.request().ok_or(Verdict::Drop(Reason::Inconsistent))?;
    send(frame, t, p, Answer::unpack(line.load(DETAIL)))
}

#[inline(always)]
fn send<F: Frame, T: Tables, A: Family>(frame: &mut F, t: &T, p: &Packet<A>, answer: Answer) -> Outcome {
    if p.fragment == Fragment::Later || p.is_icmp() || A::martian(p.source) {
        let reason = if answer.reason() == Reason::TooBigAnswered { Reason::TooBig } else { answer.reason() };
        return Err(Verdict::Drop(reason));
    }
    let from = match answer {
        Answer::TooBigReply(_, number) | Answer::TimeExceededReply(number) | Answer::NoFlowReply(number) => {
            reply::director_address::<T, A>(t, number).ok_or(Verdict::Drop(Reason::Inconsistent))?
        }
        Answer::TimeExceeded | Answer::NoDestination | Answer::TooBig(_) => p.destination,
    };
    if !allowed(t) {
        return Err(Verdict::Drop(Reason::AnswerLimited));
    }
    let quote = usize::from(p.length).min(QUOTE) & !3;
    frame.truncate(p.ip + quote).ok_or(Verdict::Drop(Reason::NoRoom))?;
    let added = A::HEADER + ICMP;
    deliver::shift(frame, added as i32)?;
    turn_around(frame, p.ip, added)?;
    icmp::<F, A>(frame, p, answer, from, quote)?;
    ip::<F, A>(frame, p, from, quote)?;
    t.note(answer.reason());
    Ok(Verdict::Transmit)
}

/// Whether another answer may be sent this second.
#[inline(always)]
fn allowed<T: Tables>(t: &T) -> bool {
    let Some(line) = t.answers() else { return false };
    let now = u64::from(t.now());
    let seen = line.load(0);
    let sent = if seen >> 32 == now { seen & 0xffff_ffff } else { 0 };
    line.store(0, now << 32 | (sent + 1));
    sent < LIMIT
}

/// The Ethernet header to the front of the frame, with its MACs exchanged and its tags as they are.
#[inline(always)]
fn turn_around<F: Frame>(frame: &mut F, link: usize, added: usize) -> Result<(), Verdict> {
    const NO_ROOM: Verdict = Verdict::Drop(Reason::NoRoom);
    let old = frame.view::<12>(added).ok_or(NO_ROOM)?;
    let (to, from) = (u64_at(old, 0), u64_at(old, 4));
    // `from` holds the last two bytes of the destination and the source.
    let (destination, source) = (to & crate::wire::MAC, from >> 16);
    let mut words = [0u32; 2];
    if link > 18 {
        let rest = frame.view::<8>(added + 14).ok_or(NO_ROOM)?;
        words = [u32_at(rest, 0), u32_at(rest, 4)];
    } else if link > 14 {
        words[0] = u32_at(frame.view::<4>(added + 14).ok_or(NO_ROOM)?, 0);
    }
    let kind = crate::wire::u16_at(frame.view::<2>(added + 12).ok_or(NO_ROOM)?, 0);
    let header = frame.view_mut::<14>(0).ok_or(NO_ROOM)?;
    set_u64(header, 0, source | destination << 48);
    set_u32(header, 8, (destination >> 16) as u32);
    set_u16(header, 12, kind);
    if link > 18 {
        let rest = frame.view_mut::<8>(14).ok_or(NO_ROOM)?;
        set_u32(rest, 0, words[0]);
        set_u32(rest, 4, words[1]);
    } else if link > 14 {
        set_u32(frame.view_mut::<4>(14).ok_or(NO_ROOM)?, 0, words[0]);
    }
    Ok(())
}

/// The ICMP header, over the quoted packet behind it.
#[inline(always)]
fn icmp<F: Frame, A: Family>(
    frame: &mut F,
    p: &Packet<A>,
    answer: Answer,
    from: A::Address,
    quote: usize,
) -> Result<(), Verdict> {
    let at = p.ip + A::HEADER;
    let (kind, rest) = answer.header::<A>();
    let kind = u16::from_ne_bytes(kind);
    let mut sum = u64::from(kind) + u64::from(rest);
    let mut i = 0;
    while i < QUOTE / 4 && i * 4 < quote {
        let word = frame.view::<4>(at + ICMP + i * 4).ok_or(Verdict::Drop(Reason::NoRoom))?;
        sum += u64::from(u32_at(word, 0));
        i += 1;
    }
    if A::SIX {
        // The pseudo header of RFC 8200 8.1: a change from nothing adds an address and all ones.
        let none = A::address([0; 2]);
        sum += A::change(none, from) + A::change(none, p.source);
        sum +=
            u64::from(((ICMP + quote) as u16).to_be()) + u64::from(u16::from_be_bytes([0, protocol::ICMPV6]).to_be());
    }
    let header = frame.view_mut::<ICMP>(at).ok_or(Verdict::Drop(Reason::NoRoom))?;
    set_u16(header, 0, kind);
    set_u16(header, 2, !checksum::fold(sum));
    set_u32(header, 4, rest);
    Ok(())
}

/// The IP header in front of it.
#[inline(always)]
fn ip<F: Frame, A: Family>(frame: &mut F, p: &Packet<A>, from: A::Address, quote: usize) -> Result<(), Verdict> {
    let (source, destination) = (A::words(from), A::words(p.source));
    if A::SIX {
        let header = frame.view_mut::<40>(p.ip).ok_or(Verdict::Drop(Reason::NoRoom))?;
        set_u32(header, 0, 0x60);
        set_u16(header, 4, ((ICMP + quote) as u16).to_be());
        set_u16(header, 6, u16::from_ne_bytes([protocol::ICMPV6, 64]));
        set_u64(header, 8, source[0]);
        set_u64(header, 16, source[1]);
        set_u64(header, 24, destination[0]);
        set_u64(header, 32, destination[1]);
    } else {
        let header = frame.view_mut::<20>(p.ip).ok_or(Verdict::Drop(Reason::NoRoom))?;
        let length = ((20 + ICMP + quote) as u16).to_be();
        // Precedence 6, internetwork control, as RFC 1812 4.3.2.5 asks for.
        set_u32(header, 0, 0xc045 | u32::from(length) << 16);
        set_u32(header, 4, u32::from(fragment::DONT) << 16);
        set_u32(header, 8, u32::from(u16::from_ne_bytes([64, protocol::ICMP])));
        set_u32(header, 12, source[0] as u32);
        set_u32(header, 16, destination[0] as u32);
        let sum = !checksum::fold(checksum::header(header));
        set_u16(header, 10, sum);
    }
    Ok(())
}
