//! Who watches is told what packets meet, nobody else's packets, and it ends. Needs root, or skips.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test fails by a panic")]

use super::{LEASE, Watched, reason_bit};
use crate::director::{
    Director, Guard,
    explain::{
        Asked, frame,
        tests::world::{client, server, start, vip, within, within_at},
    },
};
use relvs_api::{Code, Decision, Fate, FlowPart, Side, TraceLine};
use relvs_core::table::active;
use relvs_dataplane::{Area, Side as _};
use relvs_model::{
    Director as Own, Edit, Method, Network, Protocol, Scheduler, Server, Service, ServiceKey, ServiceRef, State,
};
use std::{
    net::SocketAddr,
    sync::atomic::Ordering::Acquire,
    time::{Instant, SystemTime},
};

fn key(six: bool, port: u16) -> ServiceKey {
    ServiceKey::listen(Protocol::Tcp, vip(six), port)
}

/// A service by NAT at port 80 and one by DR at 81, of both families.
fn state() -> State {
    let service = |six, port, method| {
        let servers = vec![Server::new(server(six, 1), if method == Method::Nat { 8080 } else { port }, 1, method)];
        Service::new(key(six, port), Scheduler::Rr, servers)
    };
    let both = |port, method| [false, true].map(|six| service(six, port, method));
    let services = [both(80, Method::Nat), both(81, Method::Dr)].concat();
    let director = Own { interfaces: vec!["wan".into(), "lan".into()], flows: 2048, ..Own::default() };
    State { director, services, ..State::default() }
}

/// A packet comes in.
fn send(director: &Director, source: SocketAddr, destination: SocketAddr, flags: u8) {
    let least = Asked::least(Protocol::Tcp, source.is_ipv4());
    let asked = Asked { source, destination, protocol: Protocol::Tcp, flags, interface: None, length: least };
    let served = director.served.iter().find(|served| (served.name == "wan") == (destination.port() < 100)).unwrap();
    director.kernel.run_on(served.index, &frame::build(&asked, served.mac)).unwrap();
}

fn everything() -> Watched {
    Watched { reasons: u64::MAX, ..Watched::default() }
}

fn told(director: &mut Director, id: u64) -> Vec<Decision> {
    let lines = director.watched(id).unwrap().unwrap().into_iter();
    let decisions = lines.filter_map(|line| if let TraceLine::Decision(d) = line { Some(*d) } else { None });
    // The kernel speaks on the links too, as a neighbour.
    decisions.filter(|decision| decision.protocol == Some(6)).collect()
}

fn is_on(director: &Director) -> bool {
    director.kernel.area(Area::Active)[active::SWITCH].load(Acquire) & active::TRACE != 0
}

#[test]
fn a_decision_says_what_a_packet_met() {
    within(state(), |mut director| {
        let id = director.watch(everything()).unwrap();
        for six in [false, true] {
            let (from, to) = (SocketAddr::new(client(six, 1), 4000), SocketAddr::new(vip(six), 80));
            let behind = SocketAddr::new(server(six, 1), 8080);
            send(&director, from, to, 2);
            send(&director, behind, from, 18);
            send(&director, from, to, 16);
            send(&director, from, SocketAddr::new(vip(six), 9), 2);
            let [new, reply, settles, other] = &told(&mut director, id)[..] else { panic!() };
            let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
            assert!((new.time - now).abs() < 10.0 && new.time <= reply.time, "{} {now}", new.time);
            let expected = Decision {
                time: new.time,
                interface: "wan".to_owned(),
                protocol: Some(6),
                source: Some(from),
                destination: Some(to),
                flags: Some("syn".to_owned()),
                length: if six { 60 } else { 40 },
                fate: Fate::Forwarded,
                reason: None,
                side: Side::Client,
                service: Some(key(six, 80)),
                server: Some(behind),
                flow: FlowPart::New,
                out: Some("lan".to_owned()),
                stage: "open".to_owned(),
            };
            assert_eq!(*new, expected);
            let back = Decision {
                time: reply.time,
                interface: "lan".to_owned(),
                source: Some(behind),
                destination: Some(from),
                flags: Some("syn,ack".to_owned()),
                side: Side::Server,
                flow: FlowPart::Young,
                out: Some("wan".to_owned()),
                stage: "reply".to_owned(),
                ..expected.clone()
            };
            assert_eq!(*reply, back);
            assert_eq!((settles.flow, settles.server), (FlowPart::Settles, Some(behind)));
            assert_eq!((other.fate, other.reason.as_deref(), other.service), (Fate::Passed, Some("not_ours"), None));
            assert_eq!((other.out.as_deref(), other.flow), (None, FlowPart::None));
        }
    });
}

#[test]
fn who_watches_is_told_what_they_asked_for() {
    within(state(), |mut director| {
        let (from, other) = (SocketAddr::new(client(false, 1), 4000), SocketAddr::new(client(false, 2), 4000));
        let [nat, dr] = [80, 81].map(|port| SocketAddr::new(vip(false), port));
        let of_service = Watched { service: Some(key(false, 80)), ..everything() };
        let of_client = Watched { client: Some(Network::of(client(false, 1), 32)), ..everything() };
        let of_reason = Watched { reasons: reason_bit("no_flow").unwrap(), ..Watched::default() };
        let ids = [everything(), of_service, of_client, of_reason].map(|watched| director.watch(watched).unwrap());
        let sent = |director: &mut Director| {
            send(director, from, nat, 2);
            send(director, SocketAddr::new(server(false, 1), 8080), from, 18);
            send(director, other, nat, 2);
            send(director, from, dr, 2);
            send(director, other, dr, 16);
            ids.map(|id| told(director, id).len())
        };
        assert_eq!(sent(&mut director), [5, 3, 3, 1]);
        // No more can watch, and somebody who does not know the service is told so.
        assert_eq!(director.watch(everything()).unwrap_err().code, Code::Busy);
        director.unwatch(ids[0]);
        let missing = Watched { service: Some(key(false, 82)), ..everything() };
        assert_eq!(director.watch(missing).unwrap_err().code, Code::NoService);
        assert!(director.watched(ids[0]).unwrap().is_none());
        // A service that comes again is watched again.
        let service = director.control.services().iter().find(|service| service.key == key(false, 80)).unwrap();
        let service = Service::clone(service);
        let delete = Edit::DeleteService(ServiceRef { service: service.key });
        director.edit(&[delete], &Guard::default()).unwrap();
        director.edit(&[Edit::AddService(service)], &Guard::default()).unwrap();
        told(&mut director, ids[1]);
        send(&director, SocketAddr::new(client(false, 3), 4000), nat, 2);
        assert_eq!(told(&mut director, ids[1]).len(), 1);
    });
}

#[test]
fn it_ends_with_the_last_who_watches() {
    within_at(state(), |mut director, run_dir| {
        assert!(!is_on(&director));
        let ids = [everything(), everything()].map(|watched| director.watch(watched).unwrap());
        assert!(is_on(&director));
        director.unwatch(ids[0]);
        assert!(is_on(&director));
        director.unwatch(ids[1]);
        assert!(!is_on(&director));
        // Who has not asked for a while is given up.
        let id = director.watch(everything()).unwrap();
        director.forget_watchers(Instant::now());
        assert!(is_on(&director) && director.watched(id).unwrap().is_some());
        director.forget_watchers(Instant::now() + LEASE);
        assert!(!is_on(&director) && director.watched(id).unwrap().is_none());
        // And a daemon that ends does not leave it on to the next.
        director.watch(everything()).unwrap();
        let source = director.source.clone();
        drop(director);
        let next = start(run_dir, source, state());
        assert!(next.kernel.adopted() && !is_on(&next));
    });
}

#[test]
fn what_is_lost_is_said() {
    within(state(), |mut director| {
        let of_client = Watched { client: Some(Network::of(client(false, 1), 32)), ..everything() };
        let id = director.watch(of_client).unwrap();
        let (from, to) = (SocketAddr::new(client(false, 1), 4000), SocketAddr::new(vip(false), 81));
        let (mut heard, mut lost, sent) = (0, 0, 5000);
        for _ in 0..sent / 500 {
            for _ in 0..500 {
                send(&director, from, to, 2);
            }
            for line in director.watched(id).unwrap().unwrap() {
                match line {
                    TraceLine::Decision(_) => heard += 1,
                    TraceLine::Lost(count) => lost += count,
                }
            }
        }
        assert!(heard > 0 && lost > 0 && heard + lost == sent, "{heard} heard, {lost} lost");
    });
}
