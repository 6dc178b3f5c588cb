//! Two directors that are cut off from each other: whoever does not reach the arbiter is not master.

use crate::link::{has, possible, until};
use relvs_daemon::vrrp::Vrrp;
use relvs_model::vrrp::{
    ConditionKind, Instance, InstanceStatus, Settings, State, TrackPing, TrackSource, Tracked, Version, VirtualAddress,
};
use relvs_net::{Network, namespace::Namespace, sysctl};
use std::{net::IpAddr, time::Duration};

/// More than any of this takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);
const VIP: &str = "192.0.2.100";

fn vip() -> IpAddr {
    VIP.parse().unwrap()
}

/// A switch, which is the arbiter too: 192.0.2.254 and fe80::254. Directors are on its ports `p1` and `p2`.
struct Switch {
    middle: Namespace,
    first: Namespace,
    second: Namespace,
}

impl Switch {
    fn new() -> Switch {
        let (middle, first, second) = (Namespace::new().unwrap(), Namespace::new().unwrap(), Namespace::new().unwrap());
        // Or the link-local address is another, and comes later.
        let addressed = |host: &Namespace, link: &str, number: &str, mac: &str| {
            let key = sysctl::Key::interface("ipv6", link, "accept_dad").unwrap();
            host.run(|| sysctl::write(&key, "0").unwrap()).unwrap();
            host.ip(&format!("link set {link} addrgenmode none")).unwrap();
            host.ip(&format!("link set {link} address 02:00:00:00:00:{mac} up")).unwrap();
            host.ip(&format!("addr add 192.0.2.{number}/24 dev {link}")).unwrap();
            host.ip(&format!("addr add fe80::{number}/64 dev {link} nodad")).unwrap();
        };
        middle.ip("link add br0 type bridge").unwrap();
        addressed(&middle, "br0", "254", "fe");
        for (director, number) in [(&first, 1), (&second, 2)] {
            middle.ip(&format!("link add p{number} type veth peer name eth0 netns {}", director.path())).unwrap();
            middle.ip(&format!("link set p{number} master br0 up")).unwrap();
            addressed(director, "eth0", &number.to_string(), &format!("0{number}"));
        }
        let running =
            |host: &Namespace| host.run(|| Network::open().unwrap().link_named("eth0").unwrap().running).unwrap();
        until("the ports run", LONG, || running(&first) && running(&second)).unwrap();
        Switch { middle, first, second }
    }

    /// The port leads nowhere, and its carrier stays.
    fn cut(&self, port: &str) {
        self.middle.ip(&format!("link set {port} nomaster")).unwrap();
    }

    fn mend(&self, port: &str) {
        self.middle.ip(&format!("link set {port} master br0")).unwrap();
    }
}

/// Adverts each second: a silence is noticed after three.
fn settings(priority: u8, arbiter: &str, fall: u32, timeout_ms: u32) -> Settings {
    let ping = TrackPing::new("gateway", arbiter.parse().unwrap());
    let ping = TrackPing { interval_ms: 100, fall, timeout_ms, ..ping };
    let ping = TrackPing { interface: Some("eth0".into()), ..ping };
    let instance = Instance {
        name: "VI".into(),
        interface: "eth0".into(),
        router_id: 51,
        version: Version::V3,
        priority,
        addresses: vec![VirtualAddress::new(vip())],
        ..Instance::default()
    };
    Settings { instances: vec![instance], pings: vec![ping], ..Settings::default() }
}

fn gateway() -> TrackSource {
    TrackSource::Ping("gateway".into())
}

fn status(relvs: &Vrrp) -> InstanceStatus {
    relvs.status().unwrap().instances.remove(0)
}

fn wait(relvs: &Vrrp, what: &str, holds: impl Fn(&InstanceStatus) -> bool) {
    until(what, LONG, || holds(&status(relvs))).unwrap_or_else(|text| panic!("{text}\n{:#?}", status(relvs)));
}

#[test]
fn who_does_not_reach_the_arbiter_is_not_master() {
    if !possible() {
        return;
    }
    let switch = Switch::new();
    let start = |host: &Namespace, settings: &Settings| host.run(|| Vrrp::start(settings, |_| {})).unwrap().unwrap();
    // The first depends on it at all times, and is not misled by a machine that is slow; the second when it would take over,
    // and knows by then.
    let mut depends = settings(150, "192.0.2.254", 3, 1_000);
    depends.instances[0].track = vec![Tracked::needed(gateway())];
    let first = start(&switch.first, &depends);
    wait(&first, "alone", |status| status.state == State::Master);
    let mut asks = settings(100, "fe80::254", 1, 500);
    asks.instances[0].arbiter = Some(gateway());
    let second = start(&switch.second, &asks);
    wait(&second, "the first is heard", |status| status.state == State::Backup && status.master.is_some());

    switch.cut("p2");
    let withheld = |status: &InstanceStatus| {
        status.conditions.iter().any(|one| one.kind == ConditionKind::ArbiterWithholds && one.who == "ping gateway")
    };
    wait(&second, "it would be master", withheld);
    assert_eq!((status(&first).state, status(&second).state), (State::Master, State::Backup));
    // The arbiter answers before the next advert comes: that is no reason to take over.
    let heard = status(&second).statistics.advert_rcvd;
    switch.mend("p2");
    wait(&second, "the first is heard again", |status| !withheld(status) && status.statistics.advert_rcvd > heard);
    assert_eq!((status(&second).statistics.become_master, has(&switch.second, vip())), (0, false));

    switch.cut("p1");
    wait(&first, "it gives up", |status| status.state == State::Fault && status.why.contains("ping gateway"));
    until("its address is removed", LONG, || !has(&switch.first, vip())).unwrap();
    wait(&second, "it takes over", |status| status.state == State::Master);
    assert!(!has(&switch.first, vip()));
    switch.mend("p1");
    wait(&first, "it is back", |status| status.state == State::Master);
    wait(&second, "it gives way", |status| status.state == State::Backup);
    // Neither has ever heard that there were two.
    for relvs in [first, second] {
        let seen = status(&relvs);
        assert!(seen.conditions.iter().all(|one| one.kind != ConditionKind::TwoMasters), "{:?}", seen.conditions);
        relvs.stop(false);
    }
}
