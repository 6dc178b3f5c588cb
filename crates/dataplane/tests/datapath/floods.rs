//! What a flood of new clients may take of a persistent service: templates of clients that never completed a handshake,
//! and half-open flows. Never a template of a client that did, never a settled flow.

use crate::{
    packet::{ACK, FIN, Packet, SYN, TCP},
    tables::{DR, NAT, Plan, Vip},
    world::{
        DIRECTOR, LO, MULTIPLIERS, World, client_mac, learn_route, no_services, remote, server, server_mac, small, vip,
        within,
    },
};
use relvs_core::{Reason, Verdict};
use relvs_dataplane::{Bytes, Cursor, Entry, Memory, Side, Sizes, Timeouts, entries, entries_from, load_of};
use std::net::IpAddr;

/// Clients that complete their handshakes.
const FRIENDS: u8 = 12;

fn plan(six: bool, method: u8) -> Plan {
    let of = |n| server(six, method, n, if method == NAT { 8080 } else { 80 });
    let vip = Vip::new(TCP, vip(six), 80, vec![of(10), of(11), of(12)]).persistent(if six { 128 } else { 32 });
    let mut plan = Plan { vips: vec![vip], ..no_services() };
    plan.number();
    plan
}

fn tiny() -> Sizes {
    Sizes { flows4: 32, young4: 16, flows6: 32, young6: 16, ..small() }
}

fn frame(six: bool, from: (IpAddr, u16), flags: u8) -> Vec<u8> {
    Packet::tcp(from, (vip(six), 80), flags).link(DIRECTOR, client_mac(0)).frame()
}

/// One of the flood.
fn stranger(six: bool, n: u32) -> IpAddr {
    if six {
        IpAddr::from([0x2001, 0xdb8, 0x51, 1, 0, 0, (n >> 16) as u16, n as u16])
    } else {
        IpAddr::from([172, 16 + (n >> 16) as u8, (n >> 8) as u8, n as u8])
    }
}

/// Templates or flows of friends, whenever their last packet came.
fn of_friends(side: &impl Side, six: bool, template: bool) -> Vec<Entry> {
    let all = entries(side, &Timeouts::default(), usize::MAX).unwrap();
    let friends: Vec<IpAddr> = (0..FRIENDS).map(|n| remote(six, n)).collect();
    let all = all.into_iter().map(|entry| Entry { expires_s: 0, ..entry });
    all.filter(|e| e.template == template && friends.contains(&e.client.0)).collect()
}

/// The flows, so many records at a time.
fn in_parts(side: &impl Side, records: usize) -> Vec<Entry> {
    let (mut found, mut next) = (Vec::new(), Some(Cursor::default()));
    while let Some(cursor) = next {
        let mut give = 0;
        next = entries_from(side, &Timeouts::default(), cursor, records, |entry| {
            give += 1;
            found.push(entry);
        })
        .unwrap();
        assert!(give <= records);
    }
    found
}

/// What a side counts is what it has.
fn counted(side: &impl Side, plan: &Plan) {
    let all = entries(side, &Timeouts::default(), usize::MAX).unwrap();
    assert_eq!(in_parts(side, 7), all, "a listing goes on where it stopped");
    for (number, ..) in plan.servers() {
        let of = |template| all.iter().filter(|e| e.destination == number && e.template == template).count() as u32;
        let load = load_of(side, number);
        assert_eq!((load.templates, load.active + load.inactive), (of(true), of(false)), "destination {number}");
    }
}

/// Friends settle, strangers come, and what is left is looked at. Gives the verdict and the frame for each.
fn flood(six: bool, side: &impl Side, plan: &Plan, strangers: u32, send: impl Fn(&[u8]) -> (Verdict, Vec<u8>)) {
    let reaches = |from, flags| {
        let (verdict, bytes) = send(&frame(six, from, flags));
        assert_eq!(verdict, Verdict::Transmit, "{from:?}");
        <[u8; 6]>::try_from(&bytes[..6]).unwrap()
    };
    let chosen: Vec<_> = (0..FRIENDS).map(|n| reaches((remote(six, n), 5000), SYN)).collect();
    for (n, mac) in (0..FRIENDS).zip(&chosen) {
        assert_eq!(reaches((remote(six, n), 5000), ACK), *mac);
    }
    let (templates, flows) = (of_friends(side, six, true), of_friends(side, six, false));
    assert_eq!((templates.len(), flows.len()), (usize::from(FRIENDS), usize::from(FRIENDS)));
    assert!(flows.iter().all(|flow| !flow.young && flow.state == "ESTABLISHED"));
    let first = stranger(six, 0);
    let mut full = 0;
    for n in 0..strangers {
        match send(&frame(six, (stranger(six, n), 6000), SYN)).0 {
            Verdict::Transmit => {}
            Verdict::Drop(Reason::TableFull) => full += 1,
            other @ (Verdict::Pass(_) | Verdict::Drop(_) | Verdict::Redirect(_) | Verdict::Next(_)) => {
                panic!("{other:?}")
            }
        }
    }
    // Chance may fill a pair of buckets with what stays.
    assert!(full * 20 <= strangers, "{full} of {strangers} found no room");
    let displaced = side.reason(Reason::Displaced).unwrap();
    assert!(displaced > u64::from(strangers), "{displaced}: templates and half-open flows give way");
    let now = entries(side, &Timeouts::default(), usize::MAX).unwrap();
    assert!(!now.iter().any(|entry| entry.client.0 == first), "the first of the flood is still there");
    assert!(now.iter().any(|entry| entry.template && entry.client.0 == stranger(six, strangers - 1)));
    assert_eq!(of_friends(side, six, true), templates, "templates of settled flows stay");
    assert_eq!(of_friends(side, six, false), flows, "settled flows stay");
    counted(side, plan);
    // They are over; the templates hold all the same, and give each its server.
    for (n, mac) in (0..FRIENDS).zip(&chosen) {
        assert_eq!(reaches((remote(six, n), 5000), FIN | ACK), *mac);
        assert_eq!(reaches((remote(six, n), 5001), SYN), *mac);
    }
    counted(side, plan);
    let macs: std::collections::BTreeSet<_> = chosen.iter().collect();
    assert_eq!(macs, [&server_mac(10), &server_mac(11), &server_mac(12)].into());
}

#[test]
fn unassured_templates_give_way() {
    for (six, method) in [(false, DR), (false, NAT), (true, DR), (true, NAT)] {
        let plan = plan(six, method);
        let memory = Memory::new(tiny(), MULTIPLIERS);
        plan.install(&memory);
        flood(six, &memory, &plan, 5_000, |frame| {
            learn_route(&memory, frame);
            let mut bytes = Bytes { bytes: frame.to_vec(), ingress: LO };
            (memory.director(&mut bytes), bytes.bytes)
        });
    }
}

#[test]
fn unassured_templates_give_way_in_the_kernel() {
    within(tiny(), no_services(), |mut world| {
        for (six, method) in [(false, DR), (false, NAT), (true, DR), (true, NAT)] {
            world.clear();
            world.plan = plan(six, method);
            world.install();
            let world: &World = &world;
            let before = world.memory.reason(Reason::Displaced).unwrap();
            flood(six, &world.memory, &world.plan, 1_500 + before as u32, |frame| world.agreed(frame));
            world.tables().unwrap();
            world.reasons().unwrap();
        }
    });
}

/// Handshakes during a flood of a full table; `packets` of the flood come between a client's SYN and its ACK. Gives how
/// many of so many were cut off.
fn cut_off(six: bool, method: u8, packets: u32, handshakes: u32) -> u32 {
    let mut plan = plan(six, method);
    plan.vips[0].netmask = 0;
    let memory = Memory::new(Sizes { flows4: 4096, young4: 256, flows6: 4096, young6: 256, ..small() }, MULTIPLIERS);
    plan.install(&memory);
    let send = |from, flags| {
        let mut bytes = Bytes { bytes: frame(six, from, flags), ingress: LO };
        memory.director(&mut bytes)
    };
    let mut sent = 0;
    let mut flood = |count: u32| {
        for _ in 0..count {
            send((stranger(six, sent), 6000), SYN);
            sent += 1;
        }
    };
    flood(4 * 1024);
    let mut lost = 0;
    for n in 0..handshakes {
        let client = (remote(six, n as u8), 5000 + (n >> 8) as u16);
        assert_eq!(send(client, SYN), Verdict::Transmit);
        flood(packets);
        match send(client, ACK) {
            Verdict::Transmit => {}
            Verdict::Pass(Reason::NoFlow) => lost += 1,
            other @ (Verdict::Pass(_) | Verdict::Drop(_) | Verdict::Redirect(_) | Verdict::Next(_)) => {
                panic!("{other:?}")
            }
        }
    }
    lost
}

/// A young table of 1,024 places is full of a flood, and goes on to be flooded. Chance would cut off one in seven.
#[test]
fn handshakes_survive_a_flood_of_a_seventh_of_the_table() {
    for (six, method, packets) in [(false, DR, 150), (true, DR, 150), (false, NAT, 60), (true, NAT, 60)] {
        let lost = cut_off(six, method, packets, 500);
        assert!(lost <= 5, "{lost} of 500 were cut off: {six} {method}");
    }
}
