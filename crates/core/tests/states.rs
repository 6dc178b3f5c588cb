//! TCP's states against IPVS: its tables and timeouts entered anew, and what a real kernel showed after the events of a
//! connection's life (golden/states.jsonl; `RELVS_GOLDEN` names a folder with more of them).
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test ends at what it did not expect")]

use relvs_core::{
    state::{
        Direction, SCTP, State, TCP, TEMPLATE, UDP, UDP_TIMEOUT_S, active_of, name_of, next, next_of, over, over_of,
        sctp, settled, settled_of, timeout_of,
    },
    wire::tcp::{ACK, FIN, RST, SYN},
};
use std::{env, fs, path::Path};

/// ip_vs_proto_tcp.c, by direction: the packet, then the state that follows each of these.
const COLUMNS: &str = "NO ES SS SR FW TW CL CW LA LI SA";
const INPUT: [&str; 4] = [
    "syn SR ES ES SR SR SR SR SR SR SR SR",
    "fin CL CW SS TW TW TW CL CW LA LI TW",
    "ack ES ES SS ES FW TW CL CW CL LI ES",
    "rst CL CL CL SR CL CL CL CL LA LI SR",
];
const OUTPUT: [&str; 4] = [
    "syn SS ES SS SR SS SS SS SS SS LI SR",
    "fin TW FW SS TW FW TW CL TW LA LI TW",
    "ack ES ES SS ES FW TW CL CW LA ES ES",
    "rst CL CL SS CL CL TW CL CL CL CL CL",
];
const INPUT_ONLY: [&str; 4] = [
    "syn SR ES ES SR SR SR SR SR SR SR SR",
    "fin CL FW SS TW FW TW CL CW LA LI TW",
    "ack ES ES SS ES FW TW CL CW CL LI ES",
    "rst CL CL CL SR CL CL CL CL LA LI CL",
];
const TABLES: [(Direction, [&str; 4]); 3] =
    [(Direction::Input, INPUT), (Direction::Output, OUTPUT), (Direction::InputOnly, INPUT_ONLY)];

fn state(name: &str) -> State {
    match name {
        "NO" => State::None,
        "ES" => State::Established,
        "SS" => State::SynSent,
        "SR" => State::SynReceived,
        "FW" => State::FinWait,
        "TW" => State::TimeWait,
        "CL" => State::Close,
        "CW" => State::CloseWait,
        "LA" => State::LastAck,
        "LI" => State::Listen,
        "SA" => State::SynAck,
        other => panic!("{other}"),
    }
}

#[test]
fn every_cell() {
    let columns: Vec<State> = COLUMNS.split(' ').map(state).collect();
    assert_eq!(columns, State::ALL);
    for (direction, rows) in TABLES {
        for row in rows {
            let mut cells = row.split(' ');
            let packet = cells.next().unwrap();
            for (from, to) in columns.iter().zip(cells.map(state)) {
                for flags in 0..=255u8 {
                    // RST counts before SYN, SYN before FIN, FIN before ACK.
                    let seen = match flags {
                        f if f & RST != 0 => "rst",
                        f if f & SYN != 0 => "syn",
                        f if f & FIN != 0 => "fin",
                        f if f & ACK != 0 => "ack",
                        _ => continue,
                    };
                    if seen == packet {
                        let reached = next(*from as u8, flags, direction);
                        assert_eq!(reached, to as u8, "{direction:?} {packet} ({flags:#04x}) in {from:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_segment_without_flags_closes() {
    for (direction, _) in TABLES {
        for from in State::ALL {
            for flags in [0, 0x08, 0x20, 0xc0, 0xe8] {
                assert_eq!(next(from as u8, flags, direction), State::Close as u8);
            }
        }
    }
}

/// A segment that the fast way leaves to the slow one is counted twice, and one that is repeated too.
#[test]
fn a_segment_twice_is_a_segment_once() {
    for (direction, _) in TABLES {
        for from in State::ALL {
            for flags in [0, SYN, FIN, ACK, RST, SYN | ACK, FIN | ACK] {
                let once = next(from as u8, flags, direction);
                assert_eq!(next(once, flags, direction), once, "{direction:?} {flags:#04x} in {from:?}");
            }
        }
    }
}

#[test]
fn timeouts_names_and_what_counts_as_active() {
    let known = [
        (State::None, "NONE", 2, false),
        (State::Established, "ESTABLISHED", 900, true),
        (State::SynSent, "SYN_SENT", 120, true),
        (State::SynReceived, "SYN_RECV", 60, true),
        (State::FinWait, "FIN_WAIT", 120, false),
        (State::TimeWait, "TIME_WAIT", 120, false),
        (State::Close, "CLOSE", 10, false),
        (State::CloseWait, "CLOSE_WAIT", 60, false),
        (State::LastAck, "LAST_ACK", 30, false),
        (State::Listen, "LISTEN", 120, false),
        (State::SynAck, "SYNACK", 120, true),
    ];
    assert_eq!(known.len(), State::ALL.len());
    for (state, name, timeout, active) in known {
        assert_eq!((state.name(), state.timeout_s(), state.active()), (name, timeout, active));
    }
    assert_eq!(UDP_TIMEOUT_S, 300);
}

/// What is asked of every kind is what the kind itself says.
#[test]
fn a_question_to_all_kinds() {
    for number in 0..16 {
        let (tcp, sctp) = (State::ALL.get(usize::from(number)), sctp::State::ALL.get(usize::from(number)));
        let told = |kind| {
            let truths = (active_of(kind, number), settled_of(kind, number), over_of(kind, number));
            (truths, timeout_of(kind, number), name_of(kind, number))
        };
        let expected = tcp.map_or(((false, settled(number), over(number)), 2, "ERR!"), |state| {
            ((state.active(), settled(number), over(number)), state.timeout_s(), state.name())
        });
        assert_eq!(told(TCP), expected, "TCP {number}");
        let expected = sctp.map_or(((false, false, false), 2, "ERR!"), |state| {
            let truths = (state.active(), sctp::settled(number), sctp::over(number));
            (truths, state.timeout_s(), state.name())
        });
        assert_eq!(told(SCTP), expected, "SCTP {number}");
        assert_eq!(told(UDP), ((false, true, false), 300, "UDP"));
        let name = if number % 2 == 1 { "ASSURED" } else { "NONE" };
        assert_eq!(told(TEMPLATE), ((false, false, false), 0, name));
        for (direction, _) in TABLES {
            for seen in 0..=255 {
                assert_eq!(next_of(TCP, number, seen, direction), next(number, seen, direction));
                assert_eq!(next_of(SCTP, number, seen, direction), sctp::next(number, seen, direction));
                assert_eq!(next_of(UDP, number, seen, direction), number);
                assert_eq!(next_of(TEMPLATE, number, seen, direction), number);
            }
        }
    }
    let counts = |answer: fn(u64, u8) -> bool| {
        [TCP, UDP, SCTP].map(|kind| (0..16).filter(|number| answer(kind, *number)).count())
    };
    // ESTABLISHED, SYN_SENT, SYN_RECV, SYNACK; ESTABLISHED.
    assert_eq!(counts(active_of), [4, 0, 1]);
    // TIME_WAIT, CLOSE; CLOSED.
    assert_eq!(counts(over_of), [2, 0, 1]);
    assert!(over_of(TCP, State::TimeWait as u8) && over_of(TCP, State::Close as u8) && over_of(SCTP, 13));
}

/// A flood of SYNs, of whatever else or of resets settles nothing: the client has to answer what it was sent.
#[test]
fn only_an_answer_settles() {
    for (direction, _) in [TABLES[0], TABLES[2]] {
        let opened = next(State::None as u8, SYN, direction);
        assert_eq!(opened, State::SynReceived as u8);
        assert!(!settled(opened));
        for flags in [SYN, RST, SYN | RST, SYN | ACK] {
            assert!(!settled(next(opened, flags, direction)), "{flags:#04x}");
        }
        assert!(settled(next(opened, ACK, direction)));
        // NAT sees the server's answer, which settles nothing either.
        assert!(!settled(next(opened, SYN | ACK, Direction::Output)));
    }
}

/// A connection's segments: whose, and their flags.
type Life = &'static [(Side, u8)];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}
use Side::{Client, Server};

const OPEN: [(Side, u8); 3] = [(Client, SYN), (Server, SYN | ACK), (Client, ACK)];

/// What happened before the record of this tag was taken.
fn life(tag: &str) -> Option<(bool, Life)> {
    Some(match tag.split_once(' ')?.1 {
        "established" => (true, &[]),
        "client FIN (half closed)" => (true, &[(Client, FIN | ACK), (Server, ACK)]),
        "client RST" => (true, &[(Client, RST | ACK)]),
        "http/1.0 server closes first" => {
            (true, &[(Client, ACK), (Server, FIN | ACK), (Client, ACK), (Client, FIN | ACK), (Server, ACK)])
        }
        "server FIN, both closed" => (true, &[(Client, FIN | ACK), (Server, ACK), (Server, FIN | ACK), (Client, ACK)]),
        "SYN, silent server" => (false, &[(Client, SYN), (Client, SYN)]),
        "SYN to closed port (server RST)" => (false, &[(Client, SYN), (Server, RST | ACK)]),
        _ => return None,
    })
}

/// Checks the records of a file, and gives how many.
fn records(path: &Path) -> usize {
    let Ok(text) = fs::read_to_string(path) else {
        println!("{}: none", path.display());
        return 0;
    };
    let mut checked = 0;
    for line in text.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let tag = record["tag"].as_str().unwrap();
        let method = tag.split(' ').next().unwrap();
        let (Some(shown), true) = (record["proc"][0].as_str(), ["NAT", "DR", "TUN"].contains(&method)) else {
            println!("{tag}: about something else");
            continue;
        };
        // Protocol, three addresses with their ports, the state, seconds left.
        let fields: Vec<&str> = shown.split_whitespace().collect();
        let left: u32 = fields[8].parse().unwrap();
        let timeout = if fields[0] == "UDP" {
            assert_eq!(fields[7], "UDP", "{tag}");
            UDP_TIMEOUT_S
        } else {
            let Some((opened, more)) = life(tag) else {
                println!("{tag}: events unknown");
                continue;
            };
            let segments = OPEN.iter().filter(|_| opened).chain(more);
            let mut at = State::None as u8;
            for (side, flags) in segments {
                at = match (method, side) {
                    ("NAT", Client) => next(at, *flags, Direction::Input),
                    ("NAT", Server) => next(at, *flags, Direction::Output),
                    (_, Client) => next(at, *flags, Direction::InputOnly),
                    // Goes to the client directly: nobody sees it.
                    (_, Server) => at,
                };
            }
            let state = State::ALL[usize::from(at)];
            assert_eq!(state.name(), fields[7], "{tag}");
            state.timeout_s()
        };
        assert!(left < timeout && left + 2 >= timeout, "{tag}: {left} of {timeout} s left");
        checked += 1;
    }
    println!("{}: {checked} records", path.display());
    checked
}

#[test]
fn what_a_kernel_showed() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/states.jsonl");
    assert_eq!(records(&own), 16);
    if let Some(folder) = env::var_os("RELVS_GOLDEN") {
        records(&Path::new(&folder).join("states.jsonl"));
    }
}
