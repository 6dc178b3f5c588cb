//! What the director tells of its decisions: the same on both sides, to whom it matters, no more than it may, and
//! nothing when nobody asks.

use crate::{
    packet::{ACK, Packet, SYN},
    tables::words,
    world::{DIRECTOR, LO, WAN, World, client, client_mac, hex, plan, port, rip, small, vip, within},
};
use relvs_core::{
    Reason, Stage,
    table::{
        active,
        trace::{EVENT, Event, FORWARDED, Filter, LIMIT, fate, flow},
    },
};
use relvs_dataplane::{Area, Side, end_trace, set_filter, trace_until};
use std::sync::atomic::Ordering::{Acquire, Release};

/// Everything.
const ALL: Filter = Filter { family: 0, service: 0, reasons: u64::MAX, network: [0; 2], mask: [0; 2] };

/// Asks both sides to tell of everything, or of nothing more.
pub(crate) fn ask(world: &World, on: bool) {
    filter(world, on.then_some(&ALL));
    if !on {
        end_trace(&world.memory);
        world.kernel.iter().for_each(end_trace);
        told(world);
    }
}

/// Sets the first filter of both sides, and has them tell.
fn filter(world: &World, filter: Option<&Filter>) {
    if let Some(kernel) = &world.kernel {
        world.memory.now.store(kernel.now().unwrap(), Release);
    }
    set_filter(&world.memory, 0, filter);
    trace_until(&world.memory, world.memory.now.load(Acquire).wrapping_add(20_000));
    if let Some(kernel) = &world.kernel {
        set_filter(kernel, 0, filter);
        trace_until(kernel, kernel.now().unwrap().wrapping_add(20_000));
    }
}

/// What the host's side has told since it was asked last; and the kernel's.
fn told(world: &World) -> (Vec<Event>, Option<Vec<Event>>) {
    let host = world.memory.events.lock().unwrap().drain(..).map(|words: [u64; EVENT]| Event::unpack(&words)).collect();
    (host, world.kernel.as_ref().map(relvs_dataplane::Kernel::events))
}

/// How many both sides told of, and that they told the same; but where one had reached its limit a moment before.
pub(crate) fn same(world: &World) -> Result<usize, String> {
    let (host, Some(kernel)) = told(world) else { return Ok(0) };
    let both = host.iter().zip(&kernel);
    for (host, kernel) in both.clone() {
        let kernel = Event { at: host.at, ..*kernel };
        if *host != kernel {
            return Err(format!("host tells {host:?}\nkernel tells {kernel:?}"));
        }
    }
    Ok(both.count())
}

/// Sends a frame to both sides. Gives what they told of it.
fn tell(world: &World, packet: Packet) -> Vec<Event> {
    let frame = packet.link(DIRECTOR, client_mac(0)).frame();
    world.agreed(&frame);
    let (host, kernel) = told(world);
    if let Some(kernel) = kernel {
        let kernel: Vec<Event> = kernel.iter().map(|event| Event { at: 0, ..*event }).collect();
        assert_eq!(host.iter().map(|event| Event { at: 0, ..*event }).collect::<Vec<_>>(), kernel, "{}", hex(&frame));
    }
    host
}

fn request(six: bool, n: u8, to: u16, flags: u8) -> Packet {
    Packet::tcp((client(six, n), 4000), (vip(six), to), flags)
}

#[test]
fn an_event_says_what_was_decided() {
    within(small(), plan(), |world| {
        filter(&world, Some(&ALL));
        for six in [false, true] {
            let family = if six { 6 } else { 4 };
            let [new] = tell(&world, request(six, 1, port::NAT, SYN))[..] else { panic!() };
            let expected = Event {
                at: new.at,
                family,
                source: words(client(six, 1)),
                destination: words(vip(six)),
                ports: u32::from(4000u16.to_be()) | u32::from(port::NAT.to_be()) << 16,
                protocol: 6,
                flags: SYN,
                length: if six { 60 } else { 40 },
                ingress: LO,
                fate: fate::TRANSMITTED,
                reason: 0,
                stage: if six { Stage::Open6 } else { Stage::Open4 } as u8,
                egress: 0,
                number: new.number,
                service: new.service,
                rule: 0,
                flow: flow::NEW,
                filters: 1,
            };
            assert_eq!(new, expected);
            assert!(new.number != 0 && new.service != 0);
            let reply = Packet::tcp((rip(six, 10), 8080), (client(six, 1), 4000), SYN | ACK);
            let server =
                world.plan.servers().find(|(number, ..)| *number == new.number).map(|(_, _, server)| server.clone());
            let server = server.unwrap();
            let reply = Packet { source: server.address, ports: (server.port, 4000), ..reply };
            let [back] = tell(&world, reply)[..] else { panic!() };
            assert_eq!((back.fate, back.egress, back.number), (fate::REDIRECTED, WAN, new.number));
            assert_eq!((back.flow, back.service), (flow::YOUNG, 0));
            let [settles] = tell(&world, request(six, 1, port::NAT, ACK))[..] else { panic!() };
            assert_eq!((settles.flow, settles.number), (flow::SETTLES, new.number));
            let [known] = tell(&world, request(six, 1, port::NAT, ACK))[..] else { panic!() };
            assert_eq!((known.flow, known.number, known.service), (flow::KNOWN, new.number, new.service));
            let [none] = tell(&world, request(six, 2, port::NAT, ACK))[..] else { panic!() };
            assert_eq!((none.fate, none.reason, none.flow), (fate::PASSED, Reason::NoFlow as u8, flow::NONE));
            assert_eq!(none.service, new.service);
            let [empty] = tell(&world, request(six, 2, port::EMPTY, SYN))[..] else { panic!() };
            assert_eq!((empty.fate, empty.reason), (fate::ANSWERED, Reason::NoDestination as u8));
            let [other] = tell(&world, request(six, 2, 9, SYN))[..] else { panic!() };
            assert_eq!((other.fate, other.service), (fate::PASSED, 0));
        }
        let unread = Packet { ttl: 64, ..request(false, 1, port::NAT, SYN) };
        let mut frame = unread.link(DIRECTOR, client_mac(0)).frame();
        // No IPv4 header any more.
        frame[14] = 0x44;
        world.agreed(&frame);
        let (host, _) = told(&world);
        let [unread] = host[..] else { panic!("{host:?}") };
        assert_eq!((unread.family, unread.fate, unread.reason), (0, fate::PASSED, Reason::Malformed as u8));
        frame[12..14].copy_from_slice(&[8, 6]);
        world.agreed(&frame);
        assert_eq!(told(&world).0, []);
    });
}

#[test]
fn filters_let_pass_what_they_say() {
    within(small(), plan(), |world| {
        filter(&world, Some(&ALL));
        let [dr] = tell(&world, request(false, 1, port::DR, SYN))[..] else { panic!() };
        let [tun] = tell(&world, request(false, 1, port::TUN, SYN))[..] else { panic!() };
        assert_ne!(dr.service, tun.service);
        let told = |only: &Filter| {
            filter(&world, Some(only));
            let sent =
                [(1, port::DR, SYN), (2, port::DR, SYN), (1, port::TUN, SYN), (1, port::DR, ACK), (3, port::DR, ACK)];
            sent.map(|(n, to, flags)| tell(&world, request(false, n, to, flags)).len())
        };
        assert_eq!(told(&ALL), [1; 5]);
        assert_eq!(told(&Filter { service: dr.service, ..ALL }), [1, 1, 0, 1, 1]);
        let host = [u64::MAX, u64::MAX];
        assert_eq!(told(&Filter { family: 4, network: words(client(false, 1)), mask: host, ..ALL }), [1, 0, 1, 1, 0]);
        assert_eq!(told(&Filter { family: 4, network: words(vip(false)), mask: host, ..ALL }), [1; 5]);
        assert_eq!(told(&Filter { family: 6, ..ALL }), [0; 5]);
        assert_eq!(told(&Filter { reasons: FORWARDED, ..ALL }), [1, 1, 1, 1, 0]);
        assert_eq!(told(&Filter { reasons: 1 << Reason::NoFlow as u32, ..ALL }), [0, 0, 0, 0, 1]);
        assert_eq!(told(&Filter { reasons: 0, ..ALL }), [0; 5]);
    });
}

#[test]
fn nothing_is_told_when_nobody_asks_or_asks_any_more() {
    within(small(), plan(), |world| {
        let traced = |side: &dyn Fn(Area) -> u64| side(Area::Active) & active::TRACE != 0;
        let is_on = || {
            let host = traced(&|area| world.memory.area(area)[active::SWITCH].load(Acquire));
            let kernel =
                world.kernel.as_ref().map(|kernel| traced(&|area| kernel.area(area)[active::SWITCH].load(Acquire)));
            assert!(kernel.is_none_or(|kernel| kernel == host));
            host
        };
        assert!(tell(&world, request(false, 1, port::DR, SYN)).is_empty() && !is_on());
        filter(&world, Some(&ALL));
        assert_eq!(tell(&world, request(false, 1, port::DR, SYN)).len(), 1);
        // A change of the tables does not end it.
        world.install();
        assert!(is_on());
        assert_eq!(tell(&world, request(false, 1, port::DR, ACK)).len(), 1);
        end_trace(&world.memory);
        world.kernel.iter().for_each(end_trace);
        assert!(tell(&world, request(false, 1, port::DR, ACK)).is_empty() && !is_on());
        // Nobody has asked for a while: the programs end it by themselves.
        filter(&world, Some(&ALL));
        let past = |now: u16| now.wrapping_sub(1);
        trace_until(&world.memory, past(world.memory.now.load(Acquire)));
        world.kernel.iter().for_each(|kernel| trace_until(kernel, past(kernel.now().unwrap())));
        assert!(is_on());
        assert!(tell(&world, request(false, 1, port::DR, ACK)).is_empty() && !is_on());
    });
}

#[test]
fn what_is_too_much_is_counted() {
    within(small(), plan(), |world| {
        filter(&world, Some(&ALL));
        let frame = request(false, 1, port::DR, SYN).link(DIRECTOR, client_mac(0)).frame();
        for _ in 0..LIMIT + 500 {
            world.on_host(crate::world::Program::Director, &frame);
        }
        assert_eq!(told(&world).0.len() as u64, LIMIT);
        let Some(kernel) = &world.kernel else { return };
        let (mut sent, mut received) = (0, 0);
        // Until more than a second's have come within one.
        for _ in 0..20 {
            for _ in 0..2 * LIMIT {
                kernel.run("director", &frame).unwrap();
            }
            sent += 2 * LIMIT;
            received += kernel.events().len() as u64;
        }
        let lost = kernel.events_lost().unwrap();
        assert_eq!(received + lost, sent);
        assert!(lost > 0 && received >= LIMIT, "{received} told, {lost} lost");
    });
}
