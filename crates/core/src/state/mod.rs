//! The states of a flow, as IPVS keeps them (net/netfilter/ipvs/ip_vs_proto_tcp.c, ip_vs_proto_udp.c and
//! ip_vs_proto_sctp.c), whatever its protocol.
//!
//! The director watches and takes no part. NAT sees both directions; DR and TUN see the client's alone, and have a
//! table of their own for it.

pub mod sctp;
pub mod tcp;

pub use tcp::{State, next, over, settled};

/// How a flow's two bits say the protocol.
pub const TCP: u64 = 0;
/// See [`TCP`].
pub const UDP: u64 = 1;
/// See [`TCP`].
pub const SCTP: u64 = 2;
/// Not a flow but a persistence template: which server a client belongs to.
pub const TEMPLATE: u64 = 3;

/// Seconds without a packet until a UDP flow is forgotten.
pub const UDP_TIMEOUT_S: u32 = 300;

/// Whose packet it is, and what of the flow is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The client's, of a flow whose replies are seen too.
    Input,
    /// The server's.
    Output,
    /// The client's, of a flow whose replies are not.
    InputOnly,
}

/// A question about a state, answered for every kind: a bit for each of its sixteen numbers, a kind after the other.
#[derive(Clone, Copy)]
struct Answers(u64);

impl Answers {
    const fn with(self, kind: u64, state: u8, answer: bool) -> Self {
        Answers(self.0 | (answer as u64) << Self::place(kind, state))
    }

    /// The bits of a control word between its time and its phase, which stand side by side.
    #[inline(always)]
    const fn place(kind: u64, state: u8) -> u64 {
        (kind & 3) << 4 | (state & 15) as u64
    }

    #[inline(always)]
    const fn of(self, kind: u64, state: u8) -> bool {
        self.0 >> Self::place(kind, state) & 1 != 0
    }
}

const ACTIVE: Answers = {
    let mut answers = Answers(0);
    let mut state = 0;
    while state < 16 {
        if state < State::ALL.len() {
            answers = answers.with(TCP, state as u8, State::ALL[state].active());
        }
        if state < sctp::State::ALL.len() {
            answers = answers.with(SCTP, state as u8, sctp::State::ALL[state].active());
        }
        state += 1;
    }
    answers
};
const SETTLED: Answers = {
    let mut answers = Answers(0);
    let mut state = 0;
    while state < 16 {
        answers = answers.with(TCP, state, settled(state)).with(SCTP, state, sctp::settled(state));
        answers = answers.with(UDP, state, true);
        state += 1;
    }
    answers
};
const OVER: Answers = {
    let mut answers = Answers(0);
    let mut state = 0;
    while state < 16 {
        answers = answers.with(TCP, state, over(state)).with(SCTP, state, sctp::over(state));
        state += 1;
    }
    answers
};

/// The state of a flow of this kind after a packet with these TCP flags, or this event of SCTP. Others' stays.
#[inline(always)]
pub fn next_of(kind: u64, state: u8, flags_or_event: u8, direction: Direction) -> u8 {
    if kind == TCP {
        return next(state, flags_or_event, direction);
    }
    if kind == SCTP {
        return sctp::next(state, flags_or_event, direction);
    }
    state
}

/// Whether a flow of this kind and state has shown that both sides want it. A second datagram is all that UDP has.
#[inline(always)]
pub const fn settled_of(kind: u64, state: u8) -> bool {
    SETTLED.of(kind, state)
}

/// Whether a connection of this kind and state is over, so that its client may use the ports again. UDP's never is.
#[inline(always)]
pub const fn over_of(kind: u64, state: u8) -> bool {
    OVER.of(kind, state)
}

/// Whether a flow of this kind and state counts as active in listings and schedulers. UDP's never does.
#[inline(always)]
pub const fn active_of(kind: u64, state: u8) -> bool {
    ACTIVE.of(kind, state)
}

/// Whether a TCP or SCTP flow is established: the one state that is both.
#[inline(always)]
pub const fn established_of(kind: u64, state: u8) -> bool {
    active_of(kind, state) && settled_of(kind, state)
}

/// Seconds without a packet until a flow of this kind and state is forgotten, if nobody set other ones. A template's
/// are its service's: 0 here.
pub fn timeout_of(kind: u64, state: u8) -> u32 {
    // A number without a state has two seconds in IPVS's tables.
    match kind {
        TCP => State::ALL.get(usize::from(state)).map_or(2, |state| state.timeout_s()),
        SCTP => sctp::State::ALL.get(usize::from(state)).map_or(2, |state| state.timeout_s()),
        UDP => UDP_TIMEOUT_S,
        _ => 0,
    }
}

/// The name of a state of this kind in IPVS's listings. A template is assured once a flow of it has settled.
pub fn name_of(kind: u64, state: u8) -> &'static str {
    match kind {
        TCP => State::ALL.get(usize::from(state)).map_or("ERR!", |state| state.name()),
        SCTP => sctp::State::ALL.get(usize::from(state)).map_or("ERR!", |state| state.name()),
        UDP => "UDP",
        _ if state & 1 != 0 => "ASSURED",
        _ => "NONE",
    }
}
