//! SCTP's states against IPVS: its tables entered anew as what they change, its timeouts, names and chunk types.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at what it did not expect")]

use relvs_core::state::{
    Direction,
    sctp::{State, begins, chunk, event, next, over, second, settled},
};

/// ip_vs_proto_sctp.c, by direction: the chunk, then each state that it changes, by the new one. `*` is all others.
const INPUT: &str = "
    data              ES:NO
    init              I1:NO IN:I1,RJ,CL
    init-ack          CW:NO,I1,IN CO:CW
    cookie-echo       CR:NO,CS IN:I1
    cookie-ack        ES:NO,CE
    shutdown          SR:NO,ES
    shutdown-ack      CL:NO,SS,SA IN:I1
    shutdown-complete CL:NO,I1,IN,SA
    error             CL:NO,CE
    abort             RJ:CW CL:*";
const OUTPUT: &str = "
    data              ES:NO
    init              ES:ES CW:*
    init-ack          CS:NO,I1,IN
    cookie-echo       CE:NO,I1,IN,CS,CR,CW,CO
    cookie-ack        ES:NO,I1,IN,CS,CR,CW,CO,CE
    shutdown          SS:NO,I1,IN,CS,CR,CW,CO,CE,ES
    shutdown-ack      SA:NO,I1,IN,CS,CR,SS,SR
    shutdown-complete CL:NO
    error             CL:NO,I1,IN,CS,CR
    abort             RJ:I1 CL:*";
const INPUT_ONLY: &str = "
    data              ES:NO,CW
    init              I1:NO IN:I1,CS,CR,CW,RJ,CL
    init-ack          CE:NO,I1,IN,CS,CR,CW
    cookie-echo       ES:NO,I1,IN,CS,CR,CW
    cookie-ack        ES:NO,CS,CR,CO,CE
    shutdown          SR:NO,ES
    shutdown-ack      CL:NO,ES,SS,SA IN:I1
    shutdown-complete CL:NO,I1,IN,CS,CR,SR,SA
    error             CL:NO
    abort             RJ:CW CL:*";
const TABLES: [(Direction, &str); 3] =
    [(Direction::Input, INPUT), (Direction::Output, OUTPUT), (Direction::InputOnly, INPUT_ONLY)];

/// The states by number: IPVS's abbreviation, name in listings, seconds, whether active.
const STATES: [(&str, State, &str, u32, bool); 14] = [
    ("NO", State::None, "NONE", 2, false),
    ("I1", State::Init1, "INIT1", 4, false),
    ("IN", State::Init, "INIT", 61, false),
    ("CS", State::CookieSent, "C-SENT", 61, false),
    ("CR", State::CookieReplied, "C-REPLIED", 61, false),
    ("CW", State::CookieWait, "C-WAIT", 61, false),
    ("CO", State::Cookie, "COOKIE", 61, false),
    ("CE", State::CookieEchoed, "C-ECHOED", 61, false),
    ("ES", State::Established, "ESTABLISHED", 900, true),
    ("SS", State::ShutdownSent, "S-SENT", 61, false),
    ("SR", State::ShutdownReceived, "S-RECEIVED", 61, false),
    ("SA", State::ShutdownAckSent, "S-ACK-SENT", 61, false),
    ("RJ", State::Rejected, "REJECTED", 4, false),
    ("CL", State::Closed, "CLOSED", 61, false),
];

fn number(abbreviation: &str) -> u8 {
    STATES.iter().position(|known| known.0 == abbreviation).unwrap() as u8
}

/// RFC 9260's types, by the words of the tables above.
fn types(word: &str) -> &'static [u8] {
    match word {
        // DATA, SACK, HEARTBEAT and its ACK, ECNE, CWR; and those of extensions: AUTH, I-DATA, ASCONF, FORWARD-TSN.
        "data" => &[0, 3, 4, 5, 12, 13, 15, 16, 17, 63, 64, 128, 129, 130, 192, 193, 255],
        "init" => &[1],
        "init-ack" => &[2],
        "abort" => &[6],
        "shutdown" => &[7],
        "shutdown-ack" => &[8],
        "error" => &[9],
        "cookie-echo" => &[10],
        "cookie-ack" => &[11],
        "shutdown-complete" => &[14],
        other => panic!("{other}"),
    }
}

#[test]
fn every_cell() {
    let mut cells = 0;
    for (direction, table) in TABLES {
        for line in table.lines().filter(|line| !line.is_empty()) {
            let mut words = line.split_whitespace();
            let word = words.next().unwrap();
            let mut follows: [Option<u8>; 14] = [None; 14];
            for change in words {
                let (to, from) = change.split_once(':').unwrap();
                for state in 0..14 {
                    let named = from.split(',').any(|name| name == "*" || number(name) == state);
                    let cell = &mut follows[usize::from(state)];
                    if named && cell.is_none() {
                        *cell = Some(number(to));
                    }
                }
            }
            for (state, to) in (0..).zip(follows) {
                for kind in types(word) {
                    let reached = next(state, event(*kind), direction);
                    let (was, is) = (STATES[usize::from(state)].0, STATES[usize::from(reached)].0);
                    assert_eq!(reached, to.unwrap_or(state), "{direction:?} {word} ({kind}) in {was}: {is}");
                    cells += usize::from(*kind == types(word)[0]);
                }
            }
        }
    }
    assert_eq!(cells, 3 * 10 * 14);
}

#[test]
fn names_timeouts_and_what_counts_as_active() {
    assert_eq!(STATES.map(|known| known.1), State::ALL);
    for (number, (_, state, name, timeout, active)) in (0..).zip(STATES) {
        assert_eq!((state as u8, state.name(), state.timeout_s(), state.active()), (number, name, timeout, active));
    }
}

#[test]
fn events_fit_their_bits_and_none_changes_nothing() {
    for kind in 0..=255 {
        assert!(event(kind) < 10, "{kind}");
        assert_eq!(begins(event(kind)), kind == 1);
    }
    for (direction, _) in TABLES {
        for state in 0..14 {
            for nothing in 10..=event::NONE {
                assert_eq!(next(state, nothing, direction), state);
            }
        }
        // No flow has these numbers; they lead back to one that some have.
        for state in 14..=255 {
            for some in 0..10 {
                assert!(next(state, some, direction) < 14);
            }
        }
    }
}

/// These packets must not be counted twice, neither when they are repeated nor by two ways through the director: all
/// the others may be.
#[test]
fn what_goes_further_when_it_comes_twice() {
    let mut further = Vec::new();
    for (direction, _) in TABLES {
        for state in 0..14 {
            for some in 0..10 {
                let once = next(state, some, direction);
                if next(once, some, direction) != once {
                    further.push((direction, some, STATES[usize::from(state)].0));
                }
            }
        }
    }
    assert_eq!(
        further,
        [
            (Direction::Input, event::INIT, "NO"),
            (Direction::Input, event::INIT_ACK, "NO"),
            (Direction::Input, event::INIT_ACK, "I1"),
            (Direction::Input, event::INIT_ACK, "IN"),
            (Direction::Input, event::ABORT, "CW"),
            (Direction::Output, event::ABORT, "I1"),
            (Direction::InputOnly, event::INIT, "NO"),
            (Direction::InputOnly, event::ABORT, "CW"),
        ]
    );
}

#[test]
fn an_abort_behind_a_cookie_is_looked_for() {
    let header = |kind: u8, length: u16| u32::from_ne_bytes([kind, 0xff, (length >> 8) as u8, length as u8]);
    for kind in [chunk::COOKIE_ECHO, chunk::COOKIE_ACK] {
        for (length, at) in [(4, 4), (5, 8), (8, 8), (258, 260), (1021, 1024), (0x3ffc, 0x3ffc)] {
            assert_eq!(second(header(kind, length)), at, "{kind}, {length} bytes");
        }
        // Shorter than a chunk's header, and longer than any frame.
        for length in [0, 1, 2, 3, 0x3ffd, 0x4000, 0xffff] {
            assert_eq!(second(header(kind, length)), 0, "{kind}, {length} bytes");
        }
    }
    for kind in (0..=255).filter(|kind| ![10, 11].contains(kind)) {
        assert_eq!(second(header(kind, 16)), 0, "{kind}");
    }
}

/// The handshake, and that no flood of made-up packets settles a flow whose server's answers are seen.
#[test]
fn only_the_server_settles() {
    let mut state = next(0, event::INIT, Direction::Input);
    assert_eq!(state, State::Init1 as u8);
    for (some, direction, name) in [
        (event::INIT_ACK, Direction::Output, "C-SENT"),
        (event::COOKIE_ECHO, Direction::Input, "C-REPLIED"),
        (event::COOKIE_ACK, Direction::Output, "ESTABLISHED"),
    ] {
        assert!(!settled(state));
        for first in 0..10 {
            for second in 0..10 {
                let forged = next(next(state, first, Direction::Input), second, Direction::Input);
                assert!(!settled(forged), "{first} and {second} in {state}");
            }
        }
        state = next(state, some, direction);
        assert_eq!(State::ALL[usize::from(state)].name(), name);
    }
    assert!(settled(state));
    // Where they are not seen, the cookie is all that there is.
    let opened = next(0, event::INIT, Direction::InputOnly);
    assert!(!settled(opened) && settled(next(opened, event::COOKIE_ECHO, Direction::InputOnly)));
    for state in 0..16 {
        assert_eq!(settled(state), (8..12).contains(&state), "{state}");
        assert_eq!(over(state), state == 13, "{state}");
    }
}
