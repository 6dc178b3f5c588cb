//! The states of an SCTP association, as IPVS keeps them (net/netfilter/ipvs/ip_vs_proto_sctp.c: tables and timeouts).
//!
//! They are the server's of RFC 9260's diagram, with more of them before an association is up. Knows nothing of
//! verification tags and cookies: IPVS does not look at them either. Not every packet may be counted twice: a repeated
//! INIT, INIT ACK or ABORT can go a state further. A row is a 64-bit constant: no memory is read.

use super::Direction;

/// Types of the chunks that decide more than "something came" (RFC 9260, section 3.2).
pub mod chunk {
    /// Initiation.
    pub const INIT: u8 = 1;
    /// Its acknowledgement.
    pub const INIT_ACK: u8 = 2;
    /// The end at once.
    pub const ABORT: u8 = 6;
    /// The end, when all data are acknowledged.
    pub const SHUTDOWN: u8 = 7;
    /// Its acknowledgement.
    pub const SHUTDOWN_ACK: u8 = 8;
    /// An error of operation.
    pub const ERROR: u8 = 9;
    /// The server's cookie, given back.
    pub const COOKIE_ECHO: u8 = 10;
    /// Its acknowledgement.
    pub const COOKIE_ACK: u8 = 11;
    /// The end of the end.
    pub const SHUTDOWN_COMPLETE: u8 = 14;
}

/// What a packet means to an association's state; fits in four bits.
pub mod event {
    /// DATA, SACK, HEARTBEAT, and every chunk without an event of its own.
    pub const DATA: u8 = 0;
    /// INIT.
    pub const INIT: u8 = 1;
    /// INIT ACK.
    pub const INIT_ACK: u8 = 2;
    /// COOKIE ECHO.
    pub const COOKIE_ECHO: u8 = 3;
    /// COOKIE ACK.
    pub const COOKIE_ACK: u8 = 4;
    /// SHUTDOWN.
    pub const SHUTDOWN: u8 = 5;
    /// SHUTDOWN ACK.
    pub const SHUTDOWN_ACK: u8 = 6;
    /// SHUTDOWN COMPLETE.
    pub const SHUTDOWN_COMPLETE: u8 = 7;
    /// ERROR.
    pub const ERROR: u8 = 8;
    /// ABORT.
    pub const ABORT: u8 = 9;
    /// A packet without a whole chunk header: the state stays.
    pub const NONE: u8 = 15;
}

/// An association's state by its number in a control word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "RFC 9260 and IPVS name them")]
pub enum State {
    None = 0,
    Init1,
    Init,
    CookieSent,
    CookieReplied,
    CookieWait,
    Cookie,
    CookieEchoed,
    Established,
    ShutdownSent,
    ShutdownReceived,
    ShutdownAckSent,
    Rejected,
    Closed,
}

impl State {
    /// All of them, by number.
    pub const ALL: [State; 14] = [
        State::None,
        State::Init1,
        State::Init,
        State::CookieSent,
        State::CookieReplied,
        State::CookieWait,
        State::Cookie,
        State::CookieEchoed,
        State::Established,
        State::ShutdownSent,
        State::ShutdownReceived,
        State::ShutdownAckSent,
        State::Rejected,
        State::Closed,
    ];

    /// The name in IPVS's listings.
    pub const fn name(self) -> &'static str {
        match self {
            State::None => "NONE",
            State::Init1 => "INIT1",
            State::Init => "INIT",
            State::CookieSent => "C-SENT",
            State::CookieReplied => "C-REPLIED",
            State::CookieWait => "C-WAIT",
            State::Cookie => "COOKIE",
            State::CookieEchoed => "C-ECHOED",
            State::Established => "ESTABLISHED",
            State::ShutdownSent => "S-SENT",
            State::ShutdownReceived => "S-RECEIVED",
            State::ShutdownAckSent => "S-ACK-SENT",
            State::Rejected => "REJECTED",
            State::Closed => "CLOSED",
        }
    }

    /// Seconds without a packet until the flow is forgotten. `ipvsadm --set` changes none of them.
    pub const fn timeout_s(self) -> u32 {
        match self {
            State::None => 2,
            State::Init1 | State::Rejected => 4,
            State::Established => 900,
            State::Init
            | State::CookieSent
            | State::CookieReplied
            | State::CookieWait
            | State::Cookie
            | State::CookieEchoed
            | State::ShutdownSent
            | State::ShutdownReceived
            | State::ShutdownAckSent
            | State::Closed => 61,
        }
    }

    /// Whether the flow counts as active in listings and schedulers.
    pub const fn active(self) -> bool {
        matches!(self, State::Established)
    }
}

/// Events by chunk type, four bits each; the types above are data.
const EVENTS: u64 = (event::INIT as u64) << (4 * chunk::INIT)
    | (event::INIT_ACK as u64) << (4 * chunk::INIT_ACK)
    | (event::ABORT as u64) << (4 * chunk::ABORT)
    | (event::SHUTDOWN as u64) << (4 * chunk::SHUTDOWN)
    | (event::SHUTDOWN_ACK as u64) << (4 * chunk::SHUTDOWN_ACK)
    | (event::ERROR as u64) << (4 * chunk::ERROR)
    | (event::COOKIE_ECHO as u64) << (4 * chunk::COOKIE_ECHO)
    | (event::COOKIE_ACK as u64) << (4 * chunk::COOKIE_ACK)
    | (event::SHUTDOWN_COMPLETE as u64) << (4 * chunk::SHUTDOWN_COMPLETE);

/// What a packet with this first chunk means.
#[inline(always)]
pub const fn event(chunk_type: u8) -> u8 {
    if chunk_type < 16 { (EVENTS >> (4 * chunk_type)) as u8 & 15 } else { event::DATA }
}

/// Longer cookies are not looked behind: no frame holds them.
const LONGEST: u16 = 0x3ffc;

/// Where a second chunk stands, in bytes from the first one's beginning, if it is to be looked at: behind COOKIE ECHO
/// and COOKIE ACK an ABORT decides. Else 0. `header` is the first chunk's: type, flags, length, in memory order.
#[inline(always)]
pub const fn second(header: u32) -> u16 {
    let kind = header as u8;
    let length = ((header >> 16) as u16).swap_bytes();
    if (kind == chunk::COOKIE_ECHO || kind == chunk::COOKIE_ACK) && length >= 4 && length <= LONGEST {
        (length + 3) & !3
    } else {
        0
    }
}

/// A row from its states as IPVS abbreviates them; the columns are the present state, by number.
const fn row(states: &[u8; 41]) -> u64 {
    let mut packed = 0;
    let mut i = 0;
    while i < 14 {
        let next = match [states[i * 3], states[i * 3 + 1]] {
            [b'N', b'O'] => State::None,
            [b'I', b'1'] => State::Init1,
            [b'I', b'N'] => State::Init,
            [b'C', b'S'] => State::CookieSent,
            [b'C', b'R'] => State::CookieReplied,
            [b'C', b'W'] => State::CookieWait,
            [b'C', b'O'] => State::Cookie,
            [b'C', b'E'] => State::CookieEchoed,
            [b'E', b'S'] => State::Established,
            [b'S', b'S'] => State::ShutdownSent,
            [b'S', b'R'] => State::ShutdownReceived,
            [b'S', b'A'] => State::ShutdownAckSent,
            [b'R', b'J'] => State::Rejected,
            _ => State::Closed,
        };
        packed |= (next as u64) << (4 * i);
        i += 1;
    }
    packed
}

/// By event.
type Table = [u64; 10];

const INPUT: Table = [
    //     NO I1 IN CS CR CW CO CE ES SS SR SA RJ CL
    row(b"ES I1 IN CS CR CW CO CE ES SS SR SA RJ CL"),
    row(b"I1 IN IN CS CR CW CO CE ES SS SR SA IN IN"),
    row(b"CW CW CW CS CR CO CO CE ES SS SR SA RJ CL"),
    row(b"CR IN IN CR CR CW CO CE ES SS SR SA RJ CL"),
    row(b"ES I1 IN CS CR CW CO ES ES SS SR SA RJ CL"),
    row(b"SR I1 IN CS CR CW CO CE SR SS SR SA RJ CL"),
    row(b"CL IN IN CS CR CW CO CE ES CL SR CL RJ CL"),
    row(b"CL CL CL CS CR CW CO CE ES SS SR CL RJ CL"),
    row(b"CL I1 IN CS CR CW CO CL ES SS SR SA RJ CL"),
    row(b"CL CL CL CL CL RJ CL CL CL CL CL CL CL CL"),
];
const OUTPUT: Table = [
    //     NO I1 IN CS CR CW CO CE ES SS SR SA RJ CL
    row(b"ES I1 IN CS CR CW CO CE ES SS SR SA RJ CL"),
    row(b"CW CW CW CW CW CW CW CW ES CW CW CW CW CW"),
    row(b"CS CS CS CS CR CW CO CE ES SS SR SA RJ CL"),
    row(b"CE CE CE CE CE CE CE CE ES SS SR SA RJ CL"),
    row(b"ES ES ES ES ES ES ES ES ES SS SR SA RJ CL"),
    row(b"SS SS SS SS SS SS SS SS SS SS SR SA RJ CL"),
    row(b"SA SA SA SA SA CW CO CE ES SA SA SA RJ CL"),
    row(b"CL I1 IN CS CR CW CO CE ES SS SR SA RJ CL"),
    row(b"CL CL CL CL CL CW CO CE ES SS SR SA RJ CL"),
    row(b"CL RJ CL CL CL CL CL CL CL CL CL CL CL CL"),
];
const ONLY: Table = [
    //     NO I1 IN CS CR CW CO CE ES SS SR SA RJ CL
    row(b"ES I1 IN CS CR ES CO CE ES SS SR SA RJ CL"),
    row(b"I1 IN IN IN IN IN CO CE ES SS SR SA IN IN"),
    row(b"CE CE CE CE CE CE CO CE ES SS SR SA RJ CL"),
    row(b"ES ES ES ES ES ES CO CE ES SS SR SA RJ CL"),
    row(b"ES I1 IN ES ES CW ES ES ES SS SR SA RJ CL"),
    row(b"SR I1 IN CS CR CW CO CE SR SS SR SA RJ CL"),
    row(b"CL IN IN CS CR CW CO CE CL CL SR CL RJ CL"),
    row(b"CL CL CL CL CL CW CO CE ES SS CL CL RJ CL"),
    row(b"CL I1 IN CS CR CW CO CE ES SS SR SA RJ CL"),
    row(b"CL CL CL CL CL RJ CL CL CL CL CL CL CL CL"),
];

/// The row of an event: an immediate, as the index is a constant.
#[inline(always)]
const fn of<const EVENT: u8>(direction: Direction) -> u64 {
    match direction {
        Direction::Input => const { INPUT[EVENT as usize] },
        Direction::Output => const { OUTPUT[EVENT as usize] },
        Direction::InputOnly => const { ONLY[EVENT as usize] },
    }
}

/// The state after a packet with this event.
#[inline(always)]
pub const fn next(state: u8, event: u8, direction: Direction) -> u8 {
    if event == event::DATA && state == State::Established as u8 {
        return state;
    }
    let row = match event {
        event::DATA => of::<{ event::DATA }>(direction),
        event::INIT => of::<{ event::INIT }>(direction),
        event::INIT_ACK => of::<{ event::INIT_ACK }>(direction),
        event::COOKIE_ECHO => of::<{ event::COOKIE_ECHO }>(direction),
        event::COOKIE_ACK => of::<{ event::COOKIE_ACK }>(direction),
        event::SHUTDOWN => of::<{ event::SHUTDOWN }>(direction),
        event::SHUTDOWN_ACK => of::<{ event::SHUTDOWN_ACK }>(direction),
        event::SHUTDOWN_COMPLETE => of::<{ event::SHUTDOWN_COMPLETE }>(direction),
        event::ERROR => of::<{ event::ERROR }>(direction),
        event::ABORT => of::<{ event::ABORT }>(direction),
        _ => return state,
    };
    (row >> (4 * (state & 15))) as u8 & 15
}

/// Whether this event opens a flow, and uses the ports of one that is over again.
#[inline(always)]
pub const fn begins(event: u8) -> bool {
    event == event::INIT
}

/// Whether a flow in this state has shown that both sides want it. A cookie given back does not where the server's
/// answer to it is seen: it may be made up.
#[inline(always)]
pub const fn settled(state: u8) -> bool {
    state >= State::Established as u8 && state <= State::ShutdownAckSent as u8
}

/// Whether an association in this state is over, so that its client may use the ports again (IPVS's conn_reuse_mode 1).
#[inline(always)]
pub const fn over(state: u8) -> bool {
    state == State::Closed as u8
}
