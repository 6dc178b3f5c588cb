//! The control API: the whole configuration and changes of it, guarded, all or nothing, and what stays of them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use relvs_api::{Client, Code, Configuration, Error, Failure, Filter, How, LARGEST_REQUEST, Status};
use relvs_lab::director::Director;
use relvs_lab::traffic::{Load, UdpExchange};
use relvs_lab::{Shape, Topology};
use relvs_model::{
    Edit, Endpoint, Method, Scheduler, Server, ServerEdit, ServerOf, Service, ServiceEdit, ServiceKey, ServiceRef,
    TimeoutsEdit, Zero,
};

use crate::bed::{Bed, RELVS, assert_shares, until};
use crate::configuration::{rip, tcp, udp};

fn bed(servers: u8) -> Option<Bed> {
    let names = ["s1", "s2", "s3", "s4"];
    let all: Vec<_> = names.into_iter().take(servers.into()).map(|name| (name, Method::Dr, 1)).collect();
    Bed::start(&Shape::new(Topology::OneArmed).servers(servers), &[tcp(80, "wrr", &all)])
}

fn client(bed: &Bed) -> Client {
    Client::new(&bed.run_dir())
}

fn key(target: SocketAddr) -> ServiceKey {
    ServiceKey::listen(relvs_model::Protocol::Tcp, target.ip(), target.port())
}

fn endpoint(bed: &Bed, name: &str, target: SocketAddr) -> Endpoint {
    Endpoint { service: key(target), address: rip(&bed.lab, name, target.ip()), port: None }
}

fn weight(bed: &Bed, name: &str, target: SocketAddr, weight: u32) -> Edit {
    Edit::EditServer(ServerEdit { weight: Some(weight), ..ServerEdit::of(endpoint(bed, name, target)) })
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> Failure {
    match result {
        Err(Error::Refused(failure)) => failure,
        other => panic!("not refused: {other:?}"),
    }
}

/// Without what goes on by itself.
fn still(status: &Status) -> (u64, Vec<String>) {
    let server = |s: &relvs_api::Server| format!(" {}:{} {} {}", s.address, s.port, s.weight, s.removed);
    let service = |service: &relvs_api::Service| {
        format!("{} {}{}", service.key, service.scheduler, service.servers.iter().map(server).collect::<String>())
    };
    (status.revision, status.services.iter().map(service).collect())
}

#[test]
fn two_writers_and_one_is_told() {
    let Some(bed) = bed(2) else { return };
    let (one, other) = (client(&bed), client(&bed));
    let [target, _] = bed.targets(80);
    let (mut first, mut second) = (one.configuration().unwrap(), other.configuration().unwrap());
    assert_eq!(first, second);
    let revision = first.revision.unwrap();
    first.services[0].servers[0].weight = 7;
    second.services[0].servers[0].weight = 9;
    let outcome = one.replace(&first, How::default()).unwrap();
    assert_eq!(outcome.revision, revision + 1);
    assert!(outcome.text.contains("weight 1 -> 7") && outcome.plan.changes.len() == 1, "{outcome:?}");
    // By what the body says, and by If-Match.
    second.services[0].servers[1].weight = 3;
    let by_body = refused(other.replace(&second, How::default()));
    let how = How { revision: Some(revision), ..How::default() };
    let by_header = refused(other.edit(&[weight(&bed, "s1", target, 9)], how));
    for failure in [by_body, by_header] {
        assert_eq!((failure.code, failure.revision), (Code::Revision, Some(revision + 1)));
        let line = format!("the configuration is at revision {}, not {revision}", revision + 1);
        assert!(failure.errors.len() == 1 && failure.errors[0].starts_with(&line), "{failure:?}");
    }
    assert_eq!(other.configuration().unwrap().services, first.services);
    // Having read it again, the other may.
    second.revision = other.configuration().unwrap().revision;
    assert_eq!(other.replace(&second, How::default()).unwrap().revision, revision + 2);
    // What changes nothing has no revision of its own.
    second.revision = None;
    let outcome = other.replace(&second, How::default()).unwrap();
    assert_eq!((outcome.revision, outcome.text.as_str()), (revision + 2, ""));
}

#[test]
fn of_two_writers_at_the_same_moment_one_wins() {
    let Some(bed) = bed(2) else { return };
    let [target, _] = bed.targets(80);
    for round in 0..50 {
        let there = client(&bed).configuration().unwrap();
        let revision = there.revision.unwrap();
        // By the body, and by If-Match: whoever comes first.
        let weights = [10 + 2 * round, 11 + 2 * round];
        let whole = |weight| {
            let mut wanted = there.clone();
            wanted.services[0].servers[0].weight = weight;
            client(&bed).replace(&wanted, How::default())
        };
        let how = How { revision: Some(revision), ..How::default() };
        let made = std::thread::scope(|scope| {
            let other = scope.spawn(|| client(&bed).edit(&[weight(&bed, "s1", target, weights[1])], how));
            [whole(weights[0]), other.join().unwrap()]
        });
        let won = made.iter().position(Result::is_ok).expect("nobody won");
        let [first, second] = made;
        let (winner, loser) = if won == 0 { (first, second) } else { (second, first) };
        let failure = refused(loser);
        assert_eq!((winner.unwrap().revision, failure.code), (revision + 1, Code::Revision));
        assert_eq!(failure.revision, Some(revision + 1));
        let after = client(&bed).configuration().unwrap();
        assert_eq!((after.revision, after.services[0].servers[0].weight), (Some(revision + 1), weights[won]));
    }
}

#[test]
fn a_dry_run_and_what_is_refused_change_nothing() {
    let Some(bed) = bed(2) else { return };
    let client = client(&bed);
    let [target, _] = bed.targets(80);
    let memory = ["control.json", "control.log"].map(|name| bed.run_dir().join(name));
    let written = || memory.each_ref().map(|path| fs::read(path).unwrap());
    let (before, there) = (still(&bed.status()), written());
    let dry = How { dry_run: true, ..How::default() };
    let outcome = client.edit(&[weight(&bed, "s1", target, 5), Edit::Clear {}], dry).unwrap();
    assert!(outcome.dry_run && outcome.revision == before.0, "{outcome:?}");
    assert_eq!(outcome.text.lines().filter(|line| line.starts_with("- service")).count(), 2, "{}", outcome.text);

    let good = || weight(&bed, "s1", target, 5);
    let gone = ServiceKey::mark(9, false);
    let twice =
        ServerOf { service: key(target), server: Server::new(rip(&bed.lab, "s1", target.ip()), 80, 1, Method::Dr) };
    let many: Vec<Server> = (0..140_000u32)
        .map(|n| Server::new(std::net::Ipv4Addr::from(0x0a80_0000 + n).into(), 9, 1, Method::Nat))
        .collect();
    let large = Service::new("192.0.2.77:9/tcp".parse().unwrap(), Scheduler::Rr, many);
    let cases = [
        (Edit::DeleteService(ServiceRef { service: gone }), Code::NoService, Some(1)),
        (
            Edit::EditService(ServiceEdit { one_packet: Some(true), ..ServiceEdit::of(key(target)) }),
            Code::Refused,
            Some(1),
        ),
        (Edit::AddServer(twice), Code::ServerExists, Some(1)),
        (Edit::SetTimeouts(TimeoutsEdit { tcp_s: Some(0), ..TimeoutsEdit::default() }), Code::Refused, Some(1)),
        (Edit::Zero(Zero { service: Some(gone) }), Code::NoService, Some(1)),
        // More than the tables hold: only the whole shows that.
        (Edit::AddService(large), Code::Refused, None),
    ];
    for (bad, code, change) in cases {
        for how in [How::default(), dry] {
            let failure = refused(client.edit(&[good(), bad.clone(), good()], how));
            assert_eq!((failure.code, failure.change), (code, change), "{failure:?}");
            assert!(failure.errors.len() == 1 && failure.errors[0].lines().count() == 1, "{failure:?}");
        }
    }
    let mut configuration = client.configuration().unwrap();
    configuration.director.as_mut().unwrap().interfaces.push("nosuch0".to_owned());
    let failure = refused(client.replace(&configuration, How::default()));
    assert_eq!(failure.errors, ["director: interface `nosuch0` does not exist"]);
    assert_eq!((still(&bed.status()), written()), (before.clone(), there.clone()));

    // It cannot be written down: nothing may be in force that the next daemon would not know.
    let (log, elsewhere) = (&memory[1], bed.run_dir().join("elsewhere.log"));
    fs::rename(log, &elsewhere).unwrap();
    fs::create_dir_all(log.join("in the way")).unwrap();
    let third =
        ServerOf { server: Server::new(rip(&bed.lab, "s1", target.ip()), 81, 1, Method::Nat), service: key(target) };
    let failure = refused(
        client
            .edit(&[good(), Edit::DeleteServer(endpoint(&bed, "s2", target)), Edit::AddServer(third)], How::default()),
    );
    assert_eq!(failure.code, Code::Failed, "{failure:?}");
    fs::remove_dir_all(log).unwrap();
    fs::rename(&elsewhere, log).unwrap();
    assert_eq!((still(&bed.status()), written()), (before.clone(), there));
    for target in bed.targets(80) {
        assert_shares(&bed.requests(target, 20), &[("s1", 10), ("s2", 10)]);
    }
    assert_eq!(client.edit(&[good()], How::default()).unwrap().revision, before.0 + 1);
}

#[test]
fn services_come_change_and_go() {
    let Some(bed) = bed(3) else { return };
    let client = client(&bed);
    let [target, _] = bed.targets(81);
    let new = |name| Server::new(rip(&bed.lab, name, target.ip()), 81, 1, Method::Dr);
    let add = Edit::AddService(Service::new(key(target), Scheduler::Rr, vec![new("s1")]));
    let second = Edit::AddServer(ServerOf { service: key(target), server: new("s2") });
    client.edit(&[add, second], How::default()).unwrap();
    assert_shares(&bed.requests(target, 20), &[("s1", 10), ("s2", 10)]);
    let service = client.service(key(target)).unwrap();
    assert_eq!((service.counters.flows, service.servers.len()), (20, 2));
    // An edit of the scheduler and a server in one; and counters from the beginning.
    let wrr = Edit::EditService(ServiceEdit { scheduler: Some(Scheduler::Wrr), ..ServiceEdit::of(key(target)) });
    client
        .edit(&[wrr, weight(&bed, "s2", target, 3), Edit::Zero(Zero { service: Some(key(target)) })], How::default())
        .unwrap();
    assert_eq!(client.service(key(target)).unwrap().counters.flows, 0);
    assert_shares(&bed.requests(target, 20), &[("s1", 5), ("s2", 15)]);
    assert!(client.service(key(target)).unwrap().counters.flows == 20);
    let before = client.configuration().unwrap().revision;
    client.zero(None).unwrap();
    assert_eq!(client.configuration().unwrap().revision, before, "counters are no configuration");
    assert!(client.services().unwrap().iter().all(|service| service.counters.flows == 0));
    client.edit(&[Edit::DeleteService(ServiceRef { service: key(target) })], How::default()).unwrap();
    let failure = refused(client.service(key(target)));
    assert_eq!((failure.code, failure.errors), (Code::NotFound, vec![format!("there is no service {}", key(target))]));
}

#[test]
fn flows_are_listed_and_filtered() {
    let servers = [("s1", Method::Nat, 1), ("s2", Method::Nat, 1)];
    let services = [tcp(80, "rr", &servers), udp(53, "rr", &servers).to(54)];
    let Some(bed) = Bed::start(&Shape::new(Topology::TwoArmed).servers(2), &services) else { return };
    let client = client(&bed);
    let kept = Load::new(bed.targets(80)[0]).keep_alive().rate(20, 3).start(bed.client()).unwrap();
    until("three connections are there", || bed.status().flows.live == 3);
    for target in bed.targets(53) {
        UdpExchange::new(target, 30).run(bed.client()).unwrap();
    }
    let list = |filter: Filter| client.flows(&filter).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let all = list(Filter::default());
    assert_eq!(all.len(), 63);
    let [v4, v6] = bed.targets(53);
    for (target, count) in [(bed.targets(80)[0], 3), (v4, 30), (v6, 30)] {
        let of_it: Vec<_> = all.iter().filter(|flow| flow.vip == target).collect();
        assert_eq!(of_it.len(), count);
        for flow in of_it {
            let port = if target.port() == 53 { 54 } else { 80 };
            let servers = ["s1", "s2"].map(|name| SocketAddr::new(rip(&bed.lab, name, target.ip()), port));
            assert!(servers.contains(&flow.server) && flow.expires_s > 0 && !flow.template, "{flow:?}");
            let state = if port == 80 { "ESTABLISHED" } else { "UDP" };
            assert_eq!(flow.state, state);
        }
    }
    let service = ServiceKey::listen(relvs_model::Protocol::Udp, v4.ip(), 53);
    assert_eq!(list(Filter { service: Some(service), ..Filter::default() }).len(), 30);
    assert_eq!(list(Filter { limit: Some(7), ..Filter::default() }).len(), 7);
    let client_address = all.iter().find(|flow| flow.vip == v4).unwrap().client.ip();
    assert_eq!(list(Filter { client: Some(client_address.to_string()), ..Filter::default() }).len(), 33);
    assert_eq!(list(Filter { client: Some("203.0.113.0/24".to_owned()), ..Filter::default() }).len(), 0);
    let failure = refused(client.flows(&Filter { client: Some("nobody".to_owned()), ..Filter::default() }));
    assert_eq!(failure.code, Code::Malformed);
    kept.stop().unwrap();
}

#[test]
fn changes_outlive_the_daemon() {
    let Some(mut bed) = bed(2) else { return };
    let [target, _] = bed.targets(80);
    assert!(!bed.status().changed);
    client(&bed).edit(&[weight(&bed, "s2", target, 3)], How::default()).unwrap();
    assert!(bed.status().changed, "something else is in force than the file says");
    assert!(bed.page().contains("changed since"), "{}", bed.page());
    // The file wins when it is read again, and when the daemon is started with it.
    let before = client(&bed).reload().unwrap();
    assert!(before.contains("weight 3 -> 1"), "{before}");
    assert!(!bed.status().changed);

    let mut configuration = client(&bed).configuration().unwrap();
    configuration.director.as_mut().unwrap().on_exit = relvs_model::OnExit::Keep;
    configuration.timeouts.tcp_s = 321;
    configuration.services[0].servers[1].weight = 3;
    let interfaces = configuration.director.clone().unwrap().interfaces;
    let revision = client(&bed).replace(&configuration, How::default()).unwrap().revision;
    bed.director.kill().unwrap();
    bed.director = Director::new(&bed.lab, "d1", Path::new(RELVS)).unwrap();
    for end in [Director::kill, |director: &mut Director| director.terminate().map(drop)] {
        bed.director.start().unwrap();
        let after = client(&bed).configuration().unwrap();
        assert_eq!(after, Configuration { revision: Some(revision), ..configuration.clone() });
        assert_eq!(after.director.unwrap().interfaces, interfaces);
        assert!(!bed.status().changed && bed.status().adopted);
        assert_shares(&bed.requests(target, 20), &[("s1", 5), ("s2", 15)]);
        end(&mut bed.director).unwrap();
    }
    // Interfaces can be left and served again.
    bed.director.start().unwrap();
    configuration.revision = None;
    configuration.director.as_mut().unwrap().interfaces.clear();
    let outcome = client(&bed).replace(&configuration, How::default()).unwrap();
    assert_eq!((outcome.text.as_str(), outcome.revision), ("~ director interfaces eth0 -> none", revision + 1));
    assert!(bed.status().interfaces.is_empty());
    configuration.director.as_mut().unwrap().interfaces = interfaces;
    client(&bed).replace(&configuration, How::default()).unwrap();
    bed.requests(target, 20);
}

#[test]
fn no_client_can_hold_it_up() {
    let Some(bed) = bed(1) else { return };
    let socket = bed.run_dir().join("control.sock");
    let say = |text: &[u8]| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // Whoever is told that it is too much may have closed already.
        let _ = stream.write_all(text);
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said);
        said
    };
    let head = |length: usize| {
        format!("PUT /v1/configuration HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n")
    };
    let mut large = head(LARGEST_REQUEST + 1).into_bytes();
    large.resize(large.len() + LARGEST_REQUEST + 1, b' ');
    for (text, status, what) in [
        (large, "413", "larger than 32 MiB"),
        ((head(2) + "{}").into_bytes(), "400", "services"),
        (b"GET /v1/nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec(), "404", "nothing at this path"),
        (b"DELETE /v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec(), "405", "no such method"),
        (b"GET /v1/flows?limits=3 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec(), "400", "limits"),
        (b"GET /v1/openapi.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec(), "200", "\"openapi\""),
    ] {
        let said = say(&text);
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")) && said.contains(what), "{said}");
    }
    // Connections that say nothing are closed; more than there may be are told so at once.
    let silent: Vec<UnixStream> = (0..200).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    let begin = Instant::now();
    let said = say(b"GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("try again"), "{said}");
    assert!(begin.elapsed() < Duration::from_secs(5));
    for target in bed.targets(80) {
        bed.requests(target, 5);
    }
    until("the silent ones have been closed", || {
        sleep(Duration::from_millis(200));
        Client::new(&bed.run_dir()).status().is_ok()
    });
    drop(silent);
}
