//! TCP's and SCTP's states against those that a real kernel IPVS reached: every packet in every state that packets lead
//! to, from either side, for NAT and DR (golden/transitions.jsonl, recorded by golden/transitions.py in ipvs-oracle;
//! `RELVS_GOLDEN` names a folder with more of them).
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test ends at what it did not expect")]

use relvs_core::{
    state::{Direction, SCTP, TCP, active_of, name_of, next_of, over_of, sctp, timeout_of},
    wire::tcp,
};
use std::{collections::BTreeSet, env, fs, path::Path};

/// Flags, or what the chunks of a packet mean: `10+6` is a COOKIE ECHO and an ABORT behind it.
fn seen(kind: u64, what: &str) -> u8 {
    let values: Vec<u8> = what.split('+').map(|value| value.parse().unwrap()).collect();
    if kind == TCP {
        return values[0];
    }
    // Seven bytes each, so that the next begins at eight.
    let header = u32::from_ne_bytes([values[0], 0, 0, 7]);
    match (sctp::second(header), values.get(1)) {
        (8, Some(&sctp::chunk::ABORT)) => sctp::event::ABORT,
        (0 | 8, _) => sctp::event(values[0]),
        (at, _) => panic!("{what}: {at}"),
    }
}

/// Where these packets lead a new flow, and none if the first opens none: everything but a reset does, as the
/// sloppy_tcp and sloppy_sctp of the record say.
fn led(kind: u64, method: &str, reuse: bool, packets: &str) -> Option<u8> {
    let mut flow = None;
    for packet in packets.split(' ') {
        let (side, what) = packet.split_at(1);
        let seen = seen(kind, what);
        let direction = match (method, side) {
            ("NAT", "c") => Direction::Input,
            ("NAT", "s") => Direction::Output,
            ("DR", "c") => Direction::InputOnly,
            other => panic!("{other:?}"),
        };
        let begins = if kind == TCP { seen & tcp::SYN != 0 } else { sctp::begins(seen) };
        let reset = if kind == TCP { seen & tcp::RST != 0 } else { what == "6" };
        let state = match flow {
            Some(state) if !(reuse && side == "c" && begins && over_of(kind, state)) => state,
            Some(_) => 0,
            None if reset => return None,
            None => 0,
        };
        flow = Some(next_of(kind, state, seen, direction));
    }
    flow
}

/// Checks the records of a file; gives how many of flows, and the states of each kind and method that they reach.
fn records(path: &Path) -> (usize, BTreeSet<String>) {
    let Ok(text) = fs::read_to_string(path) else {
        println!("{}: none", path.display());
        return (0, BTreeSet::new());
    };
    let (mut flows, mut reached) = (0, BTreeSet::new());
    // Of the flows last recorded, for the counts that follow them.
    let mut last = Vec::new();
    for line in text.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let kind = if record["protocol"] == "TCP" { TCP } else { SCTP };
        if let Some(count) = record["flows"].as_u64() {
            let shown = last.split_off(last.len() - count as usize);
            let active = shown.iter().filter(|state| active_of(kind, **state)).count();
            assert_eq!(record["active"], active, "{line}");
            assert_eq!(record["inactive"], shown.len() - active, "{line}");
            continue;
        }
        let method = record["method"].as_str().unwrap();
        match led(kind, method, record["reuse"] == 1, record["packets"].as_str().unwrap()) {
            None => assert_eq!(record["state"], "-", "{line}"),
            Some(state) => {
                assert_eq!(record["state"], name_of(kind, state), "{line}");
                // Some packets are a second or two older than the record.
                let left = record["left"].as_u64().unwrap() as u32;
                let timeout = timeout_of(kind, state);
                assert!(left < timeout && left + 3 >= timeout, "{line}: of {timeout}");
                let protocol = record["protocol"].as_str().unwrap();
                reached.insert(format!("{protocol} {method} {}", name_of(kind, state)));
                last.push(state);
            }
        }
        flows += 1;
    }
    println!("{}: {flows} flows", path.display());
    (flows, reached)
}

#[test]
fn every_packet_in_every_state() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/transitions.jsonl");
    let (flows, reached) = records(&own);
    assert_eq!(flows, 1143);
    let count = |of: &str| reached.iter().filter(|name| name.starts_with(of)).count();
    // No packet leads to the others: to TCP's NONE, LAST_ACK, LISTEN and SYNACK, to SCTP's NONE.
    assert_eq!(["TCP NAT", "TCP DR", "SCTP NAT", "SCTP DR"].map(count), [7, 5, 13, 6]);
    if let Some(folder) = env::var_os("RELVS_GOLDEN") {
        records(&Path::new(&folder).join("transitions.jsonl"));
    }
}
