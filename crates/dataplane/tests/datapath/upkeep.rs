//! What user space does to the tables while packets go on: next hops that come and go, destinations that are written
//! anew, services that are switched, flows whose time is over.

use crate::{
    packet::{ACK, FIN, Packet, SYN},
    tables::{word, words},
    world::{DIRECTOR, LO, WAN, WAN_MAC, World, client, client_mac, plan, port, rip, server_mac, small, vip, within},
};
use relvs_core::{
    Reason, Route, Verdict,
    state::State,
    table::{
        destination::{AVAILABLE, Destination, META, method, mtu},
        hop, interface,
    },
};
use relvs_dataplane::{
    Area, HopTable, Neighbour, Scan, Side, Timeouts, answer_for, answer_for_none, forget_interface, inactive_half,
    scan, serve_interface, withdraw, write_destination,
};
use std::sync::atomic::Ordering::{Acquire, Release};

fn neighbour(n: u64) -> Neighbour {
    Neighbour { via: 9, interface: 9, destination: n, source: 5, tags: [0; 2] }
}

fn valid(side: &impl Side, reference: u32) -> bool {
    let record = side.record(Area::Hops, hop::index(reference)).unwrap();
    hop::is(record[2].load(Acquire), reference)
}

fn hops(side: &impl Side) {
    let mut table = HopTable::adopt(side);
    let known = table.neighbours().count();
    let [a, b] = [1, 2].map(|n| table.take(side, neighbour(n), 1500).unwrap());
    assert_eq!(table.take(side, neighbour(1), 1400).unwrap(), a, "one record for one neighbour");
    assert_eq!(hop::mtu(side.record(Area::Hops, hop::index(a)).unwrap()[2].load(Acquire)), 1400);
    assert!(valid(side, a) && valid(side, b));
    // Who is given up is invalid to those who remember it, and so is who comes in its place.
    table.retain(side, |n| *n != neighbour(1)).unwrap();
    assert!(!valid(side, a) && valid(side, b));
    let c = table.take(side, neighbour(3), 1500).unwrap();
    assert_eq!(hop::index(c), hop::index(a), "its place is used again");
    assert!(valid(side, c) && !valid(side, a));
    // The next daemon knows them again.
    let mut next = HopTable::adopt(side);
    assert_eq!(next.neighbours().count(), known + 2);
    assert_eq!(next.take(side, neighbour(3), 1500).unwrap(), c);
    assert_eq!(next.take(side, neighbour(2), 1500).unwrap(), b);
}

fn destinations(side: &impl Side) {
    let number = side.sizes().destinations - 1;
    let meta = || side.record(Area::Destinations, number).unwrap()[META].load(Acquire);
    let wanted = Destination { method: method::TUN, flags: AVAILABLE, mtu: 1480, hop: 7, ..Destination::default() };
    write_destination(side, number, &wanted);
    assert_eq!(meta(), wanted.meta());
    // What the programs do when they learn of a smaller path.
    let learned = Destination { mtu: 1300, flags: AVAILABLE | 2, ..wanted };
    side.record(Area::Destinations, number).unwrap()[META].store(learned.meta(), Release);
    write_destination(side, number, &Destination { hop: 8, ..wanted });
    assert_eq!((mtu(meta()), meta() >> 32), (1300, 8), "a learned MTU stays");
    write_destination(side, number, &Destination { mtu: 1280, ..wanted });
    assert_eq!(mtu(meta()), 1280, "a smaller one is taken");
    withdraw(side, number);
    assert_eq!(meta(), 0);
}

fn interfaces(side: &impl Side) {
    serve_interface(side, 20, 1).unwrap();
    serve_interface(side, 20, 2).unwrap();
    assert_eq!(serve_interface(side, 20 + 256, 3), Err(20));
    forget_interface(side, 20 + 256);
    assert_eq!(serve_interface(side, 20 + 256, 3), Err(20), "another one's record is not forgotten");
    forget_interface(side, 20);
    serve_interface(side, 20 + 256, 3).unwrap();
}

/// The virtual routers whose frames are accepted on an interface: of IPv6, and number.
fn answered(side: &impl Side, index: u32) -> Vec<(bool, u8)> {
    let record = side.record(Area::Interfaces, index % interface::SLOTS).unwrap();
    let all = [false, true].into_iter().flat_map(|six| (0..=u8::MAX).map(move |id| (six, id)));
    let accepted = |(six, id): &(bool, u8)| {
        let (word, bit) = interface::router(*six, *id);
        record[1].load(Acquire) == u64::from(index) && record[word].load(Acquire) & bit != 0
    };
    all.filter(accepted).collect()
}

fn virtual_routers(side: &impl Side) {
    let table = side.area(Area::Interfaces);
    // Whether the interface is served before or after makes no difference.
    answer_for(table, 30, false, 1, true).unwrap();
    serve_interface(side, 30, 1).unwrap();
    answer_for(table, 30, true, 255, true).unwrap();
    answer_for(table, 30, true, 1, true).unwrap();
    answer_for(table, 30, true, 1, false).unwrap();
    assert_eq!(answered(side, 30), [(false, 1), (true, 255)]);
    forget_interface(side, 30);
    serve_interface(side, 30, 2).unwrap();
    assert_eq!(answered(side, 30), [(false, 1), (true, 255)], "they do not depend on the interface's own MAC");
    assert_eq!(answer_for(table, 30 + 256, false, 2, true), Err(30));
    answer_for(table, 30 + 256, false, 1, false).unwrap();
    assert_eq!(answered(side, 30), [(false, 1), (true, 255)], "those of another interface's record stay");
    answer_for_none(side);
    assert_eq!(answered(side, 30), []);
    assert_eq!(answer_for(&[], 30, false, 1, true), Err(30));
}

#[test]
fn records() {
    within(small(), plan(), |world| {
        hops(&world.memory);
        destinations(&world.memory);
        interfaces(&world.memory);
        virtual_routers(&world.memory);
        if let Some(kernel) = &world.kernel {
            hops(kernel);
            destinations(kernel);
            interfaces(kernel);
            virtual_routers(kernel);
        }
    });
}

fn sends(world: &World, packet: Packet) -> (Verdict, Vec<u8>) {
    world.agreed(&packet.link(DIRECTOR, client_mac(0)).frame())
}

/// Flows go on when the services are switched, and new ones see the new services.
#[test]
fn services_are_switched() {
    within(small(), plan(), |mut world| {
        for six in [false, true] {
            let packet = |at, flags| Packet::tcp((client(six, 0), 5000), (vip(six), at), flags);
            let (_, first) = sends(&world, packet(port::DR, SYN));
            let half = inactive_half(&world.memory);
            let at =
                world.plan.vips.iter().position(|v| v.address == vip(six) && v.port == port::DR && v.protocol == 6);
            let servers = &mut world.plan.vips[at.unwrap()].servers;
            servers.iter_mut().for_each(|server| server.weight = 0);
            for install in [1, 2] {
                world.plan.install(&world.memory);
                if let Some(kernel) = &world.kernel {
                    world.plan.install(kernel);
                }
                assert_eq!(inactive_half(&world.memory) == half, install == 2);
            }
            assert_eq!(sends(&world, packet(port::DR, ACK)).1[..6], first[..6], "a flow goes on");
            let before = world.memory.reason(Reason::NoDestination).unwrap();
            assert_eq!(
                sends(&world, Packet::tcp((client(six, 0), 5001), (vip(six), port::DR), SYN)).0,
                Verdict::Transmit
            );
            assert_eq!(world.memory.reason(Reason::NoDestination).unwrap(), before + 1, "no server has a weight");
        }
    });
}

/// IPVS's timeouts by the state; both records of a NAT flow live as long as either has packets.
#[test]
fn flows_expire() {
    // The host's clock can be set.
    let memory = relvs_dataplane::Memory::new(small(), crate::world::MULTIPLIERS);
    plan().install(&memory);
    let begin = 65_000u16;
    let at = |passed: u16| {
        memory.now.store(begin.wrapping_add(passed), Release);
        scan(&memory, &Timeouts::default()).unwrap()
    };
    let run = |packet: Packet, from| {
        let frame = packet.link(DIRECTOR, from).frame();
        crate::world::learn_route(&memory, &frame);
        let mut bytes = relvs_dataplane::Bytes { bytes: frame, ingress: LO };
        assert!(matches!(memory.director(&mut bytes), Verdict::Transmit | Verdict::Redirect(_)));
    };
    for six in [false, true] {
        let tcp = |n: u16, at, flags| Packet::tcp((client(six, 0), 5000 + n), (vip(six), at), flags);
        at(0);
        run(tcp(0, port::NAT, SYN), client_mac(0));
        for (n, flags) in [(1, vec![SYN, ACK]), (2, vec![SYN, ACK, FIN | ACK])] {
            for flags in flags {
                run(tcp(n, port::NAT, flags), client_mac(0));
            }
        }
        run(Packet::udp((client(six, 0), 5003), (vip(six), port::DR)), client_mac(0));
        let counts = |scan: &Scan| {
            let sums = scan.flows.iter().fold([0, 0], |sum, [active, inactive]| [sum[0] + active, sum[1] + inactive]);
            (sums, scan.records, scan.live)
        };
        // Half open and established are active; half closed and UDP are not. Three have two records.
        assert_eq!(counts(&at(0)), ([2, 2], 7, 4));
        let half_open = State::SynReceived.timeout_s() as u16;
        assert_eq!(at(half_open).expired, 0);
        // Half open and half closed have 60 seconds; a pair counts once.
        assert_eq!(at(half_open + 1).expired, 2);
        assert_eq!(counts(&at(half_open + 1)), ([1, 1], 3, 2));
        assert_eq!(at(301).expired, 1);
        // Only the server sends: the client's record is kept too.
        let reply = Packet::tcp((rip(six, 24), 8080), (client(six, 0), 5001), ACK);
        at(800);
        run(reply, server_mac(24));
        assert_eq!(at(1700).expired, 0);
        assert_eq!(counts(&at(1700)), ([1, 0], 2, 1));
        assert_eq!(at(1701).expired, 1);
        assert_eq!(counts(&at(1701)), ([0, 0], 0, 0));
    }
}

/// The way back to a client is remembered, asked for again after some seconds, and at once when its record is gone.
#[test]
fn the_way_back_is_asked_for_again() {
    let memory = relvs_dataplane::Memory::new(small(), crate::world::MULTIPLIERS);
    plan().install(&memory);
    for six in [false, true] {
        let run = |packet: Packet, from| {
            let mut bytes = relvs_dataplane::Bytes { bytes: packet.link(DIRECTOR, from).frame(), ingress: LO };
            assert!(matches!(memory.director(&mut bytes), Verdict::Transmit | Verdict::Redirect(_)));
            bytes.bytes[..6].to_vec()
        };
        let leads_to = |n| {
            let (destination, source) = (word(client_mac(n)), word(WAN_MAC));
            let way = Route::Found { interface: WAN, destination, source };
            memory.routes.lock().unwrap().insert(words(client(six, 0)), way);
        };
        let reply = || run(Packet::udp((rip(six, 24), 8080), (client(six, 0), 5000)), server_mac(24));
        memory.now.store(64, Release);
        leads_to(0);
        for _ in 0..2 {
            run(Packet::udp((client(six, 0), 5000), (vip(six), port::NAT)), client_mac(0));
        }
        assert_eq!(reply(), client_mac(0));
        leads_to(1);
        memory.now.store(71, Release);
        assert_eq!(reply(), client_mac(0), "remembered");
        memory.now.store(72, Release);
        assert_eq!(reply(), client_mac(1), "asked for again");
        leads_to(0);
        assert_eq!(reply(), client_mac(1), "remembered");
        let mut hops = HopTable::adopt(&memory);
        hops.retain(&memory, |neighbour| neighbour.destination != word(client_mac(1))).unwrap();
        assert_eq!(reply(), client_mac(0), "its record is gone");
        let again = Neighbour {
            via: WAN,
            interface: WAN,
            destination: word(client_mac(1)),
            source: word(WAN_MAC),
            tags: [0; 2],
        };
        hops.take(&memory, again, 1500).unwrap();
    }
}
