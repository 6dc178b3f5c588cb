//! `check` on the server, on the director and from outside.

use std::time::Duration;

use super::*;
use crate::realserver::{Level, check};

const TIME: Duration = Duration::from_millis(450);

fn checked(host: &Host, request: &Request, decapsulator: &mut (dyn Decapsulator + Send)) -> Report {
    host.namespace.run(|| check(request, decapsulator, TIME)).unwrap().unwrap()
}

fn errors(report: &Report) -> Vec<String> {
    report.lines.iter().filter(|line| line.level == Level::Error).map(ToString::to_string).collect()
}

/// A director that owns the VIPs on its interface, a server that hides them, and an onlooker.
fn trio() -> Option<(Lan, Host, Host, Host)> {
    let mut lan = Lan::new()?;
    let (director, server, onlooker) = (lan.host(), lan.host(), lan.host());
    director.namespace.ip(&format!("addr add {V4}/32 dev eth0")).unwrap();
    director.namespace.ip(&format!("addr add {V6}/128 dev eth0 nodad")).unwrap();
    server.up(&[V4, V6]);
    Some((lan, director, server, onlooker))
}

#[test]
fn when_all_is_well_every_host_says_so() {
    let Some((_lan, director, server, onlooker)) = trio() else { return };
    for host in [&server, &onlooker] {
        let report = checked(host, &host.request(&[V4, V6], Method::Dr), &mut Remembering::default());
        assert_eq!((report.level(), report.exit_code()), (Level::Ok, 0), "{report}");
        for vip in [V4, V6] {
            let line = format!("eth0: 02:00:00:00:00:01 alone answers for {vip}");
            assert!(report.to_string().contains(&line), "{report}");
        }
    }
    let report = checked(&director, &director.request(&[V4, V6], Method::Dr), &mut Remembering::default());
    assert_eq!(errors(&report), [""; 0]);
    assert!(report.to_string().contains("no other host answers for 192.0.2.100"), "{report}");
    // Looking changed nothing.
    assert!(!onlooker.namespace.ip("neigh").unwrap().contains(V4));
}

#[test]
fn a_vip_that_is_not_hidden_is_found_on_the_server_and_from_outside() {
    let Some((_lan, director, server, onlooker)) = trio() else { return };
    server.switch("ipv4/conf/all/arp_ignore", "0");
    server.switch("ipv4/conf/eth0/arp_ignore", "0");
    // So that it is known by name.
    onlooker.namespace.ip("neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev eth0").unwrap();
    let request = server.request(&[V4], Method::Dr);
    let on_server = errors(&checked(&server, &request, &mut Remembering::default()));
    assert_eq!(on_server.len(), 1, "{on_server:?}");
    assert!(
        on_server[0].contains("eth0: arp_ignore is 0")
            && on_server[0].ends_with("sysctl -w net/ipv4/conf/eth0/arp_ignore=1"),
        "{on_server:?}"
    );

    let outside = checked(&onlooker, &onlooker.request(&[V4, V6], Method::Dr), &mut Remembering::default());
    assert_eq!(outside.exit_code(), 1);
    let found = errors(&outside);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("02:00:00:00:00:01 answers for 192.0.2.100"), "{found:?}");
    assert!(found[1].contains("02:00:00:00:00:02 (10.0.0.2) answers for 192.0.2.100"), "{found:?}");

    let on_director = errors(&checked(&director, &director.request(&[V4], Method::Dr), &mut Remembering::default()));
    assert_eq!(on_director.len(), 1, "{on_director:?}");
    assert!(on_director[0].contains("02:00:00:00:00:02"), "{on_director:?}");

    server.up(&[V4]);
    assert_eq!(errors(&checked(&onlooker, &request, &mut Remembering::default())), [""; 0], "up mends it");
}

#[test]
fn another_servers_answer_is_seen_from_a_server_in_order() {
    let Some((mut lan, _director, server, _onlooker)) = trio() else { return };
    let careless = lan.host();
    careless.namespace.ip(&format!("addr add {V4}/32 dev lo")).unwrap();
    let found = errors(&checked(&server, &server.request(&[V4], Method::Dr), &mut Remembering::default()));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[1].contains("02:00:00:00:00:04"), "{found:?}");
}

#[test]
fn a_second_interface_on_the_same_link_gives_the_server_away() {
    let Some((lan, _director, server, _onlooker)) = trio() else { return };
    lan.connect(&server, "eth1", "02:00:00:00:01:02");
    server.switch("ipv4/conf/all/arp_ignore", "0");
    let mut request = server.request(&[V4], Method::Dr);
    request.interfaces = vec!["eth0".into()];
    let found = errors(&checked(&server, &request, &mut Remembering::default()));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("this host itself answers") && found[0].contains("eth1"), "{found:?}");
}

#[test]
fn a_tunnel_server_needs_its_decapsulator_and_a_loose_filter() {
    let Some((_lan, _director, server, _onlooker)) = trio() else { return };
    server.switch("ipv4/conf/eth0/rp_filter", "1");
    let request = server.request(&[V4, V6], Method::Tun);
    let mut decapsulator = Remembering::default();
    let found = errors(&checked(&server, &request, &mut decapsulator));
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(
        found[0].contains("eth0: rp_filter is 1") && found[0].ends_with("sysctl -w net/ipv4/conf/eth0/rp_filter=2"),
        "{found:?}"
    );
    assert!(found[1].contains("no decapsulator for 192.0.2.100"), "{found:?}");
    assert!(found[2].contains("no decapsulator for 2001:db8:ff::100"), "{found:?}");
    server.up_with(&request, &mut decapsulator).unwrap();
    let report = checked(&server, &request, &mut decapsulator);
    assert_eq!(report.level(), Level::Ok, "{report}");
    assert!(report.to_string().contains("eth0: decapsulator for 192.0.2.100"), "{report}");
}

#[test]
fn a_vip_that_vanished_and_a_silent_link_are_told() {
    let Some(mut lan) = Lan::new() else { return };
    let (server, onlooker) = (lan.host(), lan.host());
    server.up(&[V4]);
    let request = server.request(&[V4], Method::Dr);
    let silent = checked(&server, &request, &mut Remembering::default());
    assert_eq!((silent.level(), silent.exit_code()), (Level::Warning, 0), "{silent}");
    assert!(silent.to_string().contains("no host answers for 192.0.2.100"), "{silent}");
    let outside = checked(&onlooker, &onlooker.request(&[V4], Method::Dr), &mut Remembering::default());
    assert_eq!(outside.level(), Level::Warning, "{outside}");
    server.namespace.ip("addr del 192.0.2.100/32 dev lo").unwrap();
    let gone = checked(&server, &request, &mut Remembering::default());
    assert_eq!(errors(&gone).len(), 1, "{gone}");
    assert!(gone.to_string().contains("gone from lo"), "{gone}");
    // The run directory of another namespace does not keep it from looking.
    let foreign = checked(&onlooker, &request, &mut Remembering::default());
    assert!(foreign.to_string().contains("another network namespace"), "{foreign}");
}
