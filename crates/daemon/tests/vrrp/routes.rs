//! Routes and rules of the master: the same lines are read by keepalived and by relvs, and what ip(8) shows is compared.

use crate::{
    link::{Link, possible, until},
    peer::Keepalived,
};
use relvs_config::{Severity, keepalived};
use relvs_daemon::vrrp::Vrrp;
use relvs_model::vrrp::{Settings, State};
use relvs_net::namespace::Namespace;
use std::{process::Command, time::Duration};

/// More than any of this takes on a busy machine.
const LONG: Duration = Duration::from_secs(20);

/// Both ends are on the same link, so what leads to one leads to the other.
const IPV4: &str = "virtual_ipaddress {\n192.0.2.100\n}\nvirtual_routes {\n\
    198.51.100.0/24 via 192.0.2.9 dev eth0\n\
    src 192.0.2.100 to 203.0.113.0/25 via 192.0.2.9 dev eth0 metric 7\n\
    198.51.101.0/24 dev eth0 scope link\n\
    198.51.102.1 via 192.0.2.9 table 300\n\
    default gw 192.0.2.9 table 100\n\
    198.51.103.0/24 via 203.0.113.200 dev eth0 onlink mtu 1400\n\
    blackhole 198.51.104.0/24\n\
    unreachable 198.51.105.0/24 metric 9\n\
    prohibit 198.51.106.0/24 no_track\n}\n\
    virtual_rules {\n\
    from 198.51.100.0/24 table 100 priority 1000\n\
    to 198.51.101.0/24 table 300 priority 1001\n\
    from 198.51.102.0/24 to 203.0.113.0/24 iif eth0 priority 1002 lookup main\n\
    fwmark 7 table 100 priority 1003\n\
    from 198.51.107.0/24 priority 1004 blackhole\n}\n";

const IPV6: &str = "virtual_ipaddress {\nfe80::100\n}\nvirtual_routes {\n\
    2001:db8:1::/48 via fe80::9 dev eth0\n\
    2001:db8:2::/48 dev eth0 metric 5\n\
    default via fe80::9 dev eth0 table 100\n\
    unreachable 2001:db8:3::/48\n}\n\
    virtual_rules {\n\
    from 2001:db8:1::/48 table 100 priority 1000\n\
    to 2001:db8:2::/48 priority 1001 prohibit\n}\n";

const BASE: &str = "state BACKUP\ninterface eth0\nvirtual_router_id 51\npriority 100\nversion 3\nadvert_int 0.1\n";

struct One(String);

impl keepalived::Files for One {
    fn find(&self, _: &str, _: &str) -> keepalived::Found {
        keepalived::Found::default()
    }

    fn read(&self, _: &str, _: usize) -> Result<Vec<u8>, String> {
        Ok(self.0.clone().into_bytes())
    }

    fn executable(&self, _: &str) -> bool {
        true
    }
}

fn settings(instance: &str) -> Settings {
    let text = format!("vrrp_instance VI {{\n{BASE}{instance}\n}}\n");
    let read = keepalived::Keepalived::read(&One(text), "keepalived.conf", &keepalived::Host::default());
    // That a route names no interface is said, and is meant.
    let faults = read.diagnostics.iter().filter(|said| said.severity == Severity::Error).count();
    assert_eq!(faults, 0, "{:#?}", read.diagnostics);
    read.state.vrrp
}

/// What ip(8) shows, sorted, in words.
fn shown(host: &Namespace, family: &str) -> Vec<String> {
    let ask = |object: &[&str]| {
        let mut command = Command::new("ip");
        command.arg(family).args(object);
        let output = host.run(move || command.output()).unwrap().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let routes = ask(&["-details", "route", "show", "table", "all", "proto", "keepalived"]);
    let rules = ask(&["-details", "rule", "show"]);
    // What ip(8) may or may not show, by how it was asked for.
    let words = |line: &str| line.split_whitespace().filter(|word| *word != "linkdown").collect::<Vec<_>>().join(" ");
    let mut all: Vec<String> = routes.lines().chain(rules.lines()).map(words).collect();
    all.sort();
    all
}

#[test]
fn routes_and_rules_come_and_go_with_the_master_as_keepaliveds_do() {
    if !possible() {
        return;
    }
    for (family, instance) in [("-4", IPV4), ("-6", IPV6)] {
        let theirs = {
            let link = Link::new();
            let before = shown(&link.near, family);
            let peer = Keepalived::start(&link.near, &format!("{BASE}{instance}"));
            let ours = settings(instance).instances.remove(0);
            let expected = before.len() + ours.routes.len() + ours.rules.len();
            until("keepalived has all of them", LONG, || shown(&link.near, family).len() == expected)
                .unwrap_or_else(|text| panic!("{text}: {:#?}\n{}", shown(&link.near, family), peer.log()));
            let shown = shown(&link.near, family);
            peer.terminate().unwrap();
            shown
        };
        let link = Link::new();
        let near = &link.near;
        let before = shown(near, family);
        let relvs = near.run(|| Vrrp::start(&settings(instance), |_| {})).unwrap().unwrap();
        until("relvs has all of them", LONG, || shown(near, family) == theirs)
            .unwrap_or_else(|text| panic!("{text}: {:#?}\nnot {theirs:#?}", shown(near, family)));
        // Other settings: what is as before stays, what is gone goes, and comes again.
        let mut other = settings(instance);
        let (route, rule) = (other.instances[0].routes.remove(0), other.instances[0].rules.remove(0));
        relvs.apply(&other).unwrap();
        until("one of each is gone", LONG, || shown(near, family).len() == theirs.len() - 2).unwrap();
        assert!(shown(near, family).iter().all(|line| theirs.contains(line)));
        other.instances[0].routes.push(route);
        other.instances[0].rules.push(rule);
        relvs.apply(&other).unwrap();
        until("they are there again", LONG, || shown(near, family) == theirs).unwrap();
        relvs.stop(false);
        assert_eq!(shown(near, family), before);
    }
}

#[test]
fn routes_come_back_when_someone_removes_them() {
    if !possible() {
        return;
    }
    let link = Link::new();
    let near = &link.near;
    let instance = "virtual_ipaddress {\n192.0.2.100\n}\nvirtual_routes {\n198.51.100.0/24 via 192.0.2.9\n\
                    blackhole 198.51.104.0/24 no_track\n}\nvirtual_rules {\nfrom 192.0.2.100 table 100 priority 1000\n}";
    let before = shown(near, "-4");
    let relvs = near.run(|| Vrrp::start(&settings(instance), |_| {})).unwrap().unwrap();
    until("it has them", LONG, || shown(near, "-4").len() == before.len() + 3).unwrap();
    let all = shown(near, "-4");
    near.ip("route del blackhole 198.51.104.0/24").unwrap();
    near.ip("route del 198.51.100.0/24").unwrap();
    near.ip("rule del priority 1000").unwrap();
    until("those that are tracked are there again", LONG, || shown(near, "-4").len() == before.len() + 2).unwrap();
    let missing: Vec<&String> = all.iter().filter(|line| !shown(near, "-4").contains(line)).collect();
    assert!(matches!(&missing[..], [one] if one.contains("198.51.104.0/24")), "{missing:?}");
    // Without a link it takes no part, and has none of them.
    link.far.ip("link set eth0 down").unwrap();
    until("no carrier", LONG, || relvs.status().unwrap().instances[0].state == State::Fault).unwrap();
    until("they are gone", LONG, || shown(near, "-4") == before).unwrap();
    relvs.stop(false);
    // What a daemon that was killed has left is removed by the next.
    near.ip("route add blackhole 198.51.104.0/24 proto keepalived").unwrap();
    near.ip("route add blackhole 198.51.105.0/24 proto keepalived").unwrap();
    let relvs = near.run(|| Vrrp::start(&settings(instance), |_| {})).unwrap().unwrap();
    let left = shown(near, "-4");
    relvs.stop(false);
    assert!(!left.iter().any(|line| line.contains("198.51.104.0/24")), "{left:?}");
    assert!(left.iter().any(|line| line.contains("198.51.105.0/24")), "it is not of these settings: {left:?}");
}
