//! Frames into the core, as any host can send them: the fast way and the slow one decide the same, and nothing panics
//! (in the kernel, what would be a panic here cannot be: the verifier refuses the program).
//!
//! The bytes are a sequence of frames: a byte of flags, two of the length, and the frame. Two directors get the same,
//! one by the slow way alone.

use super::api::LIMITS;
use relvs_config::parse_toml;
use relvs_control::{Control, Desired, Prepared};
use relvs_core::{Route, Verdict, decapsulate::ends, table::destination};
use relvs_dataplane::{
    Area, Before, Bytes, Entries, Half, HopTable, Memory, Neighbour, Side as _, Sizes, answer_for, install,
    serve_interface, write_destination, write_load,
};
use relvs_model::Server;
use std::{
    net::IpAddr,
    sync::{OnceLock, atomic::Ordering::Relaxed},
};

/// More frames only make it slow.
const FRAMES: usize = 64;
const LONGEST: usize = 2048;
/// Longer by a tunnel's headers and two tags.
const GROWTH: usize = 40 + 12 + 8;
/// Flags of a frame: its IPv4 header checksum is made right; it comes from the servers' side; a real server gets it, out
/// of a tunnel; the upper half is seconds that pass before.
const CHECKSUM: u8 = 1;
const INSIDE: u8 = 2;
const DECAPSULATOR: u8 = 4;

const OUTER: u32 = 1;
const INNER: u32 = 2;
const OUTER_MAC: u64 = u64::from_le_bytes([2, 0, 0, 0, 0, 1, 0, 0]);
const INNER_MAC: u64 = u64::from_le_bytes([2, 0, 0, 0, 0, 2, 0, 0]);
/// The virtual routers of which the director is master, of both families.
const MASTER_OF: u8 = 51;
const SERVER_MAC: u64 = u64::from_le_bytes([2, 0, 0, 0, 0, 3, 0, 0]);
const CLIENT_MAC: u64 = u64::from_le_bytes([2, 0, 0, 0, 0, 4, 0, 0]);
const MULTIPLIERS: [u64; 6] = [
    0x9e37_79b9_7f4a_7c15,
    0xbf58_476d_1ce4_e5b9,
    0x94d0_49bb_1331_11eb,
    0xd6e8_feb8_6659_fd93,
    0xa076_1d64_78bd_642f,
    0xe703_7ed1_a0b4_28db,
];

/// A service of every kind. VIPs are 192.0.2.100 and 2001:db8::100.
const SERVICES: &str = include_str!("services.toml");

pub(super) fn run(data: &[u8]) {
    let (fast, slow) = (director(), director());
    let mut rest = data;
    for _ in 0..FRAMES {
        let [flags, low, high, after @ ..] = rest else { return };
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(LONGEST).min(after.len());
        let (frame, after) = after.split_at(length);
        rest = after;
        for side in [&fast, &slow] {
            side.now.fetch_add(u16::from(flags >> 4), Relaxed);
        }
        let ingress = if flags & INSIDE == 0 { OUTER } else { INNER };
        let mut frame = Bytes { bytes: frame.to_vec(), ingress };
        if flags & CHECKSUM != 0 {
            right_checksum(&mut frame.bytes);
        }
        one(&fast, &slow, *flags, frame);
    }
}

fn one(fast: &Memory, slow: &Memory, flags: u8, frame: Bytes) {
    let before = frame.bytes.len();
    let mut frames = [frame.clone(), frame];
    let [one, other] = &mut frames;
    let verdicts = if flags & DECAPSULATOR == 0 {
        [fast.director(one), slow.slow_director(other)]
    } else {
        [fast.decapsulator(one), slow.decapsulator(other)]
    };
    assert!(!matches!(verdicts[0], Verdict::Next(_)));
    // Of two reasons to pass a packet on, each way may name the one that it meets first.
    let passed = verdicts.map(|verdict| matches!(verdict, Verdict::Pass(_)));
    assert!(passed == [true; 2] || verdicts[0] == verdicts[1], "{verdicts:?}");
    if !matches!(verdicts[0], Verdict::Drop(_)) {
        assert_eq!(frames[0].bytes, frames[1].bytes);
    }
    if matches!(verdicts[0], Verdict::Transmit | Verdict::Redirect(_)) {
        // An answer has headers of its own.
        assert!(frames[0].bytes.len() <= before.max(1500) + GROWTH, "{} of {before}", frames[0].bytes.len());
    }
}

/// Makes the checksum of an IPv4 header behind the Ethernet header, and up to two tags, right.
fn right_checksum(frame: &mut [u8]) {
    let mut at = 12;
    while frame.get(at..at + 2).is_some_and(|kind| matches!(kind, [0x81, 0x00] | [0x88, 0xa8])) && at < 20 {
        at += 4;
    }
    if frame.get(at..at + 2) != Some(&[0x08, 0x00]) {
        return;
    }
    let Some(packet) = frame.get_mut(at + 2..) else { return };
    let length = packet.first().map_or(0, |first| usize::from(first & 15) * 4);
    let Some(header) = packet.get_mut(..length).filter(|header| header.len() >= 20) else { return };
    header[10..12].fill(0);
    let sum = header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum::<u32>();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    header[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
}

/// What control lays out for the services, and each destination's weight and thresholds: once for all runs.
static PREPARED: OnceLock<(Prepared, Vec<(u32, Server)>)> = OnceLock::new();

/// Empty tables use the first half, so the second is written.
const HALF: u32 = 1;

fn prepared() -> (Prepared, Vec<(u32, Server)>) {
    let parsed = parse_toml("services.toml", SERVICES);
    assert!(!parsed.has_errors(), "{:?}", parsed.diagnostics);
    let prepare = |control: &Control| {
        control.prepare(&Desired::from(&parsed.state), HALF, 7, &|_| 0).expect("the tables hold them")
    };
    let mut control = Control::new(LIMITS);
    let prepared = prepare(&control);
    control.commit(prepare(&control));
    let servers = control.destinations().map(|(number, _, server, _)| (number, server.clone())).collect();
    (prepared, servers)
}

/// A director of these services, whose servers and clients are all reached.
fn director() -> Memory {
    let side = Memory::new(Sizes { hops: 64, destinations: LIMITS.destinations, ..sizes() }, MULTIPLIERS);
    for (index, mac) in [(OUTER, OUTER_MAC), (INNER, INNER_MAC)] {
        serve_interface(&side, index, mac).expect("there is room");
        for is_ipv6 in [false, true] {
            answer_for(side.area(Area::Interfaces), index, is_ipv6, MASTER_OF, true).expect("there is room");
        }
    }
    let (prepared, servers) = PREPARED.get_or_init(prepared);
    let mut hops = HopTable::adopt(&side);
    let mut hop = |interface, source, destination| {
        let there = Neighbour { via: interface, interface, destination, source, tags: [0; 2] };
        hops.take(&side, there, 1500).expect("there is room")
    };
    let to_server = hop(INNER, INNER_MAC, SERVER_MAC);
    hop(OUTER, OUTER_MAC, CLIENT_MAC);
    for (number, record) in &prepared.destinations {
        let record = destination::Destination {
            hop: to_server,
            mtu: 1500 - destination::overhead(record.method, record.rip[1] != 0),
            dip: [0x0101_0101, 0x0202_0202],
            ..*record
        };
        write_destination(&side, *number, &record);
    }
    for (number, server) in servers {
        write_load(&side, *number, server.weight, server.upper_threshold, server.lower_threshold);
    }
    let image = &prepared.image;
    let placed = &image.entries;
    let half = Half {
        entries: Entries { multiplier: placed.multiplier, four: &placed.four, six: &placed.six },
        services: &image.services,
        limits: &image.limits,
        bands: &image.bands,
        rings: &image.rings,
        rules: &image.rules,
        switch: image.switch(),
        drop_rate: image.drop_rate,
    };
    install(&side, &half, Before::Unknown);
    let found = Route::Found { interface: OUTER, destination: CLIENT_MAC, source: OUTER_MAC };
    for client in ["198.51.100.1", "198.51.100.2", "2001:db8:51::1", "2001:db8:51::2"] {
        side.routes.lock().expect("nobody panicked").insert(words(client), found);
    }
    for vip in ["192.0.2.100", "2001:db8::100"] {
        let all = ends::IPIP | ends::GRE | ends::GUE | 6080 << 16;
        side.vips.lock().expect("nobody panicked").insert(words(vip), all);
    }
    side
}

/// As small as the limits of control have it, so that little is cleared for each run.
fn sizes() -> Sizes {
    Sizes {
        sets: LIMITS.sets,
        services: LIMITS.services,
        bands: LIMITS.bands,
        ring: LIMITS.ring,
        rules: LIMITS.rules,
        ..Sizes::small()
    }
}

/// An address as two words of a table.
fn words(address: &str) -> [u64; 2] {
    match address.parse().expect("an address") {
        IpAddr::V4(v4) => [u64::from(u32::from_ne_bytes(v4.octets())), 0],
        IpAddr::V6(v6) => {
            let bits = u128::from_ne_bytes(v6.octets());
            [bits as u64, (bits >> 64) as u64]
        }
    }
}
