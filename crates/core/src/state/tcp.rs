//! The states of a TCP flow, as IPVS keeps them (net/netfilter/ipvs/ip_vs_proto_tcp.c: tables and timeouts).
//!
//! A row is a 64-bit constant: no memory is read. Knows nothing of sequence numbers: IPVS does not look at them either.

use super::Direction;
use crate::wire::tcp::{ACK, FIN, RST, SYN};

/// A TCP state's number in a control word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "RFC 9293 and IPVS name them")]
pub enum State {
    None = 0,
    Established,
    SynSent,
    SynReceived,
    FinWait,
    TimeWait,
    Close,
    CloseWait,
    LastAck,
    Listen,
    SynAck,
}

impl State {
    /// All of them, by number.
    pub const ALL: [State; 11] = [
        State::None,
        State::Established,
        State::SynSent,
        State::SynReceived,
        State::FinWait,
        State::TimeWait,
        State::Close,
        State::CloseWait,
        State::LastAck,
        State::Listen,
        State::SynAck,
    ];

    /// The name in IPVS's listings.
    pub const fn name(self) -> &'static str {
        match self {
            State::None => "NONE",
            State::Established => "ESTABLISHED",
            State::SynSent => "SYN_SENT",
            State::SynReceived => "SYN_RECV",
            State::FinWait => "FIN_WAIT",
            State::TimeWait => "TIME_WAIT",
            State::Close => "CLOSE",
            State::CloseWait => "CLOSE_WAIT",
            State::LastAck => "LAST_ACK",
            State::Listen => "LISTEN",
            State::SynAck => "SYNACK",
        }
    }

    /// Seconds without a packet until the flow is forgotten; IPVS's defaults.
    pub const fn timeout_s(self) -> u32 {
        match self {
            State::None => 2,
            State::Established => 900,
            State::SynReceived | State::CloseWait => 60,
            State::SynSent | State::FinWait | State::TimeWait | State::Listen | State::SynAck => 120,
            State::Close => 10,
            State::LastAck => 30,
        }
    }

    /// Whether the flow counts as active in listings and schedulers.
    pub const fn active(self) -> bool {
        matches!(self, State::Established | State::SynSent | State::SynReceived | State::SynAck)
    }
}

/// A row from its states as IPVS abbreviates them; the columns are the present state, by number.
const fn row(states: &[u8; 32]) -> u64 {
    let mut packed = 0;
    let mut i = 0;
    while i < 11 {
        let next = match [states[i * 3], states[i * 3 + 1]] {
            [b'N', b'O'] => State::None,
            [b'E', b'S'] => State::Established,
            [b'S', b'S'] => State::SynSent,
            [b'S', b'R'] => State::SynReceived,
            [b'F', b'W'] => State::FinWait,
            [b'T', b'W'] => State::TimeWait,
            [b'C', b'L'] => State::Close,
            [b'C', b'W'] => State::CloseWait,
            [b'L', b'A'] => State::LastAck,
            [b'L', b'I'] => State::Listen,
            _ => State::SynAck,
        };
        packed |= (next as u64) << (4 * i);
        i += 1;
    }
    packed
}

//                                  NO ES SS SR FW TW CL CW LA LI SA
const INPUT_SYN: u64 = row(b"SR ES ES SR SR SR SR SR SR SR SR");
const INPUT_FIN: u64 = row(b"CL CW SS TW TW TW CL CW LA LI TW");
const INPUT_ACK: u64 = row(b"ES ES SS ES FW TW CL CW CL LI ES");
const INPUT_RST: u64 = row(b"CL CL CL SR CL CL CL CL LA LI SR");
const OUTPUT_SYN: u64 = row(b"SS ES SS SR SS SS SS SS SS LI SR");
const OUTPUT_FIN: u64 = row(b"TW FW SS TW FW TW CL TW LA LI TW");
const OUTPUT_ACK: u64 = row(b"ES ES SS ES FW TW CL CW LA ES ES");
const OUTPUT_RST: u64 = row(b"CL CL SS CL CL TW CL CL CL CL CL");
const ONLY_FIN: u64 = row(b"CL FW SS TW FW TW CL CW LA LI TW");
const ONLY_RST: u64 = row(b"CL CL CL SR CL CL CL CL LA LI CL");

/// The state after a segment with these flags. RST counts before SYN, SYN before FIN, FIN before ACK; one with none of
/// them closes.
#[inline(always)]
pub fn next(state: u8, flags: u8, direction: Direction) -> u8 {
    if flags & (RST | SYN | FIN | ACK) == ACK && state == State::Established as u8 {
        return state;
    }
    let row = if flags & RST != 0 {
        match direction {
            Direction::Input => INPUT_RST,
            Direction::Output => OUTPUT_RST,
            Direction::InputOnly => ONLY_RST,
        }
    } else if flags & SYN != 0 {
        match direction {
            Direction::Output => OUTPUT_SYN,
            Direction::Input | Direction::InputOnly => INPUT_SYN,
        }
    } else if flags & FIN != 0 {
        match direction {
            Direction::Input => INPUT_FIN,
            Direction::Output => OUTPUT_FIN,
            Direction::InputOnly => ONLY_FIN,
        }
    } else if flags & ACK != 0 {
        match direction {
            Direction::Output => OUTPUT_ACK,
            Direction::Input | Direction::InputOnly => INPUT_ACK,
        }
    } else {
        return State::Close as u8;
    };
    (row >> (4 * (state & 15))) as u8 & 15
}

/// Whether a flow in this state has shown that both sides want it.
#[inline(always)]
pub const fn settled(state: u8) -> bool {
    !(state == State::None as u8
        || state == State::SynSent as u8
        || state == State::SynReceived as u8
        || state == State::SynAck as u8
        || state == State::Close as u8)
}

/// Whether a connection in this state is over, so that its client may use the ports again (IPVS's conn_reuse_mode 1).
#[inline(always)]
pub const fn over(state: u8) -> bool {
    state == State::TimeWait as u8 || state == State::Close as u8
}
