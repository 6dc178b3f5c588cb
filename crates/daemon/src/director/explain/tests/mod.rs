//! What is explained is what then happens: generated packets are explained, and then run by the programs that are
//! loaded, on the tables that are in use. And explaining leaves those as they were, to the bit.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by a panic and says what it skips"
)]

pub(in crate::director) mod world;

use super::{Asked, Case, frame};
use crate::director::{Director, Guard};
use relvs_api::{Explanation, Fate, FlowPart, Found, Side};
use relvs_core::Reason;
use relvs_dataplane::{Area, Side as _, entries};
use relvs_model::{
    Edit, Endpoint, Listen, Method, Protocol, Scheduler, Server, ServerEdit, ServerOf, ServiceKey, SettingValue,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    ops::Range,
    sync::atomic::Ordering::Acquire,
    time::Instant,
};
use world::{
    CLIENTS, EMPTY, FIRST, NARROW, ONE_PACKET, Random, SILENT, WEIGHTLESS, any_vip, client, marked_vip, server, state,
    vip, within,
};

/// Packets in a run; `CASES` says another number.
const CASES: usize = 1000;
/// After so many, something changes about the director.
const CHANGES: usize = 50;
/// After so many, every table is compared, and every counter.
const WHOLE: usize = 40;

/// What was reached.
#[derive(Default)]
struct Reached {
    fates: BTreeSet<String>,
    methods: BTreeSet<(String, bool)>,
    schedulers: BTreeSet<&'static str>,
    flows: BTreeSet<String>,
    found: BTreeSet<&'static str>,
    reasons: BTreeSet<String>,
    sides: BTreeSet<String>,
    templates: BTreeSet<bool>,
    excluded: BTreeSet<&'static str>,
}

impl Reached {
    fn note(&mut self, e: &Explanation) {
        self.fates.insert(format!("{:?}", e.fate));
        self.flows.insert(format!("{:?}", e.flow));
        self.sides.insert(format!("{:?}", e.side));
        self.reasons.extend(e.reason.iter().map(|why| why.name.clone()));
        if let (Fate::Forwarded, Some(method)) = (e.fate, e.method) {
            self.methods.insert((method.to_string(), e.packet.source.is_ipv6()));
        }
        if let (Some(choice), FlowPart::New) = (&e.choice, e.flow) {
            self.schedulers.insert(choice.scheduler.name());
        }
        for why in e.choice.iter().flat_map(|choice| &choice.servers).filter_map(|server| server.excluded.as_deref()) {
            self.excluded.insert(why.split(' ').next().map_or("", |word| match word {
                "its" => "weight",
                "overloaded:" => "overloaded",
                _ => "active",
            }));
        }
        self.templates.extend(e.template.iter().map(|template| template.server.is_some()));
        self.found.extend(e.found.iter().map(|found| match found {
            Found::Address => "address",
            Found::AnyPort => "any port",
            Found::FtpData => "ftp",
            Found::Rule(_) => "rule",
        }));
    }

    fn assert_all(&self) {
        let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(self.fates, words(&["Answered", "Dropped", "Forwarded", "Passed"]));
        assert_eq!(self.flows, words(&["Known", "New", "None", "Settles", "Young"]));
        assert_eq!(self.sides, words(&["Client", "Server"]));
        assert_eq!(self.methods.len(), 6, "{:?}", self.methods);
        assert_eq!(self.schedulers.len(), Scheduler::ALL.len(), "{:?}", self.schedulers);
        assert_eq!(self.found, BTreeSet::from(["address", "any port", "ftp", "rule"]));
        assert_eq!(self.templates, BTreeSet::from([false, true]));
        assert!(self.excluded.is_superset(&BTreeSet::from(["weight", "overloaded"])), "{:?}", self.excluded);
        let reasons =
            ["not_ours", "no_flow", "no_destination", "next_hop_unresolved", "too_big_answered", "destination_gone"];
        assert!(self.reasons.is_superset(&words(&reasons)), "{:?}", self.reasons);
    }
}

/// The words of the tables that packets change, or of all; with their counters.
fn tables(director: &Director, all: bool) -> Vec<(Area, Vec<u64>)> {
    let kernel = &director.kernel;
    let changing = [Area::Active, Area::Flows4, Area::Young4, Area::Flows6, Area::Young6];
    let numbers = director.control.destinations().map(|(number, ..)| number + 1).max().unwrap_or(0) as usize;
    let (half, services) = (kernel.sizes().services as usize, director.control.services().len());
    let mut found = Vec::new();
    let mut add = |area: Area, words: Range<usize>| {
        found.push((area, kernel.area(area)[words].iter().map(|word| word.load(Acquire)).collect()));
    };
    for area in Area::ALL {
        let size = area.words();
        if all || changing.contains(&area) {
            add(area, 0..kernel.area(area).len());
        } else if matches!(area, Area::Loads | Area::Destinations) {
            add(area, 0..numbers * size);
        } else if matches!(area, Area::Services | Area::Limits) {
            add(area, 0..services * size);
            add(area, half * size..(half + services) * size);
        }
    }
    found
}

/// What was counted.
fn counters(director: &Director) -> (Vec<u64>, Vec<relvs_dataplane::Counters>) {
    let reasons = Reason::ALL.iter().map(|reason| director.kernel.reason(*reason).unwrap());
    let numbers = director.control.destinations().map(|(number, ..)| director.kernel.counters(number).unwrap());
    (reasons.collect(), numbers.collect())
}

/// A packet, as likely one of a flow that is there as one of none.
fn packet(r: &mut Random, director: &Director, recent: &[Asked]) -> Asked {
    if let Some(before) = recent.last().filter(|_| r.percent(30)) {
        // What its client sends next.
        let flags = if before.protocol == Protocol::Tcp { *r.pick(&[16, 16, 17, 4, 2]) } else { before.flags };
        return Asked { flags, ..before.clone() };
    }
    if r.percent(20)
        && let Some(reply) = reply(r, director)
    {
        return reply;
    }
    let six = r.percent(50);
    let schedulers = FIRST..FIRST + 3 * Scheduler::ALL.len() as u16;
    let services = director.control.services().iter();
    let listens: Vec<Listen> = services
        .filter_map(|service| match service.key {
            ServiceKey::Listen(listen) if listen.address.is_ipv6() == six => Some(listen),
            ServiceKey::Listen(_) | ServiceKey::Mark(_) => None,
        })
        .collect();
    let key = *r.pick(&listens);
    let (protocol, destination) = match r.below(20) {
        0 => (Protocol::Tcp, SocketAddr::new(vip(six), *r.pick(&[EMPTY, WEIGHTLESS, SILENT, 7]))),
        1 => (Protocol::Udp, SocketAddr::new(vip(six), ONE_PACKET)),
        2 | 3 => (*r.pick(&Protocol::ALL), SocketAddr::new(marked_vip(six, r.below(4)), 80 + r.below(17) as u16)),
        4 | 5 => {
            (*r.pick(&[Protocol::Tcp, Protocol::Udp]), SocketAddr::new(any_vip(six), *r.pick(&[20, 21, 79, 5000])))
        }
        6 => (key.protocol, SocketAddr::new(key.address, if key.port == 0 { 4711 } else { key.port })),
        _ => {
            let of_schedulers: Vec<&Listen> = listens.iter().filter(|key| schedulers.contains(&key.port)).collect();
            let key = *r.pick(&of_schedulers);
            (key.protocol, SocketAddr::new(key.address, key.port))
        }
    };
    let source = SocketAddr::new(client(six, r.below(usize::from(CLIENTS) + 1) as u8), 4000 + r.below(3) as u16);
    let flags = match protocol {
        Protocol::Tcp => *r.pick(&[2, 2, 2, 2, 16, 18, 4]),
        Protocol::Sctp => *r.pick(&[1, 1, 1, 0, 6]),
        Protocol::Udp => 0,
    };
    let least = Asked::least(protocol, !six);
    let length = if r.percent(10) { *r.pick(&[NARROW - 20, NARROW, NARROW + 1, 1500]) } else { least };
    Asked { source, destination, protocol, flags, interface: None, length }
}

/// What a NAT server of a flow that is there could send.
fn reply(r: &mut Random, director: &Director) -> Option<Asked> {
    let flows = entries(&director.kernel, &director.timeouts, 4000).unwrap();
    let nat: Vec<_> = flows
        .iter()
        .filter(|flow| !flow.template)
        .filter_map(|flow| {
            let method = director.control.destinations().find(|(number, ..)| *number == flow.destination)?.2.method;
            let (_, server) = director.sent_to(flow.destination, flow.service.1)?;
            (method == Method::Nat).then_some((flow, server))
        })
        .collect();
    if nat.is_empty() {
        return None;
    }
    let (flow, source) = r.pick(&nat);
    let protocol = Protocol::ALL.into_iter().find(|protocol| protocol.number() == flow.protocol)?;
    let flags = if protocol == Protocol::Tcp { *r.pick(&[18, 16, 17]) } else { 0 };
    let length = if r.percent(10) { 1600 } else { Asked::least(protocol, source.is_ipv4()) };
    let destination = SocketAddr::new(flow.client.0, flow.client.1);
    Some(Asked { source: *source, destination, protocol, flags, interface: Some("lan".to_owned()), length })
}

/// Something becomes otherwise.
fn change(r: &mut Random, director: &mut Director) {
    let services = director.control.services().to_vec();
    let service = r.pick(&services);
    let Some(server) = (!service.servers.is_empty()).then(|| r.pick(&service.servers).clone()) else { return };
    let endpoint = Endpoint { service: service.key, address: server.address, port: Some(server.port) };
    let setting =
        |name: &str, value: i64| Edit::SetSettings(BTreeMap::from([(name.to_owned(), SettingValue::Number(value))]));
    let edit = match r.below(6) {
        0 => Edit::EditServer(ServerEdit { weight: Some(r.below(4) as u32), ..ServerEdit::of(endpoint) }),
        1 | 2 => Edit::DeleteServer(endpoint),
        3 => setting("expire_nodest_conn", r.below(2) as i64),
        4 => setting("sloppy_tcp", r.below(2) as i64),
        _ => setting("conn_reuse_mode", r.below(2) as i64),
    };
    director.edit(&[edit], &Guard::default()).unwrap();
}

/// Every removed server's clients come once more.
fn check(director: &mut Director, asked: &Asked, reached: &mut Reached, whole: bool) {
    let before = tables(director, whole);
    let (ingress, frame) = director.frame(asked).unwrap();
    let case: Case<'_> = director.tried(asked, ingress, &frame).unwrap();
    let e = director.told(&case).unwrap();
    assert!(before == tables(director, whole), "explaining changed the tables: {asked:?}");
    if whole {
        // A frame of the kernel's own may be counted meanwhile, but not each time.
        let uncounted = (0..10).any(|_| {
            let before = counters(director);
            let again = director.tried(asked, ingress, &frame).unwrap();
            director.told(&again).unwrap();
            before == counters(director)
        });
        assert!(uncounted, "explaining is counted: {asked:?}");
    }
    reached.note(&e);
    let live = director.kernel.run_on(ingress, &frame).unwrap();
    let what = || format!("{asked:?}\n{e:#?}");
    // XDP_DROP, XDP_PASS, XDP_TX, XDP_REDIRECT.
    let fate = match live.action {
        1 => Fate::Dropped,
        2 => Fate::Passed,
        _ => Fate::Forwarded,
    };
    let told = if e.fate == Fate::Answered { Fate::Forwarded } else { e.fate };
    assert_eq!(fate, told, "{}", what());
    let open =
        |e: &Explanation| e.choice.as_ref().map_or(0, |c| c.servers.iter().filter(|s| s.excluded.is_none()).count());
    let drawn = e.choice.as_ref().is_some_and(|choice| choice.random) && open(&e) > 1;
    if !drawn {
        assert_eq!((live.action, &live.frame), (case.run.action, &case.run.frame), "{}", what());
    }
    if e.fate == Fate::Forwarded {
        lands(&e, &live.frame, drawn, &what);
    }
    consistent(&e, &what);
}

/// Where the real packet went is where it was said to go.
fn lands(e: &Explanation, live: &[u8], drawn: bool, what: &dyn Fn() -> String) {
    let read = frame::read(live, (e.method == Some(Method::Tun)).then_some(0)).unwrap();
    let (way, server) = (e.way.as_ref().unwrap(), e.server.unwrap());
    let servers: Vec<SocketAddr> = match &e.choice {
        Some(choice) if drawn => choice.servers.iter().filter(|s| s.excluded.is_none()).map(|s| s.server).collect(),
        _ => vec![server],
    };
    let (source, destination) = read.ends.unwrap();
    if e.side == Side::Server {
        assert_eq!((way.interface.as_str(), destination), ("wan", e.packet.destination), "{}", what());
        assert_ne!(source.ip(), e.packet.source.ip(), "{}", what());
        return;
    }
    assert_eq!((way.interface.as_str(), source), ("lan", e.packet.source), "{}", what());
    let to = match e.method.unwrap() {
        Method::Nat => {
            assert!(servers.contains(&destination), "{}", what());
            destination.ip()
        }
        Method::Dr => of_mac(read.destination_mac),
        Method::Tun => read.outer.unwrap().1,
    };
    let to = if to.is_ipv4() == e.packet.source.is_ipv4() { to } else { server6(to) };
    assert!(servers.iter().any(|server| server.ip() == to), "{to}\n{}", what());
    if !drawn {
        assert_eq!(way.neighbour, Some(server.ip()), "{}", what());
        let shown = e.changes.iter().find(|change| change.field == "destination").map(|change| change.to.clone());
        let rewritten = e.method == Some(Method::Nat);
        assert_eq!(shown, rewritten.then(|| server.to_string()), "{}", what());
        assert_eq!(e.changes.iter().any(|c| c.field == "outer header"), e.method == Some(Method::Tun), "{}", what());
    }
}

/// The server of a MAC, as the links were laid.
fn of_mac(mac: relvs_net::Mac) -> IpAddr {
    server(false, mac[5])
}

fn server6(four: IpAddr) -> IpAddr {
    match four {
        IpAddr::V4(a) => server(true, a.octets()[3] - 16),
        IpAddr::V6(_) => four,
    }
}

/// The numbers that are shown bear the choice out.
fn consistent(e: &Explanation, what: &dyn Fn() -> String) {
    let Some(choice) = &e.choice else { return };
    let chosen: Vec<_> = choice.servers.iter().filter(|server| server.chosen).collect();
    assert!(chosen.len() <= 1 && chosen.iter().all(|server| server.excluded.is_none()), "{}", what());
    assert_eq!(chosen.is_empty(), e.reason.as_ref().is_some_and(|why| why.name == "no_destination"), "{}", what());
    let Some(chosen) = chosen.first() else { return };
    let figures: Vec<f64> = choice.servers.iter().filter_map(|server| server.figure).collect();
    let (least, most) = figures.iter().fold((f64::MAX, f64::MIN), |(a, b), f| (a.min(*f), b.max(*f)));
    match choice.scheduler {
        Scheduler::Lc | Scheduler::Wlc | Scheduler::Sed | Scheduler::Nq => {
            assert_eq!(chosen.figure, Some(least), "{}", what());
        }
        Scheduler::Fo | Scheduler::Ovf => {
            assert_eq!(chosen.figure, Some(most), "{}", what());
        }
        Scheduler::Rr | Scheduler::Wrr | Scheduler::Dh | Scheduler::Sh | Scheduler::Mh => {
            assert!(choice.place.is_some_and(|place| place.at < place.of), "{}", what());
        }
        Scheduler::Lblc | Scheduler::Lblcr | Scheduler::Twos => {}
    }
}

#[test]
fn what_is_explained_is_what_happens() {
    let mut r = Random::of_run();
    let cases = std::env::var("CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    within(state(&mut r), |mut director| {
        let (mut reached, mut recent, begin) = (Reached::default(), Vec::new(), Instant::now());
        for case in 0..cases {
            if case % CHANGES == CHANGES - 1 {
                change(&mut r, &mut director);
            }
            let asked = packet(&mut r, &director, &recent);
            if asked.interface.is_none() {
                recent.push(asked.clone());
            }
            check(&mut director, &asked, &mut reached, case % WHOLE == 0);
        }
        removed(&mut director, &mut reached);
        println!("{cases} packets in {:?}: {:?}", begin.elapsed(), reached.reasons);
        if cases >= CASES {
            reached.assert_all();
        }
    });
}

/// A flow whose server is removed.
fn removed(director: &mut Director, reached: &mut Reached) {
    let service = ServiceKey::listen(Protocol::Tcp, vip(false), EMPTY);
    let server = Server::new(server(false, 3), EMPTY, 1, Method::Dr);
    let nodest = BTreeMap::from([("expire_nodest_conn".to_owned(), SettingValue::Number(0))]);
    let add = Edit::AddServer(ServerOf { service, server: server.clone() });
    director.edit(&[Edit::SetSettings(nodest), add], &Guard::default()).unwrap();
    let source = SocketAddr::new(client(false, 5), 5000);
    let asked = |flags| Asked {
        source,
        destination: SocketAddr::new(vip(false), EMPTY),
        protocol: Protocol::Tcp,
        flags,
        interface: None,
        length: 40,
    };
    check(director, &asked(2), reached, true);
    check(director, &asked(16), reached, true);
    let endpoint = Endpoint { service, address: server.address, port: Some(server.port) };
    director.edit(&[Edit::DeleteServer(endpoint)], &Guard::default()).unwrap();
    check(director, &asked(16), reached, true);
}
