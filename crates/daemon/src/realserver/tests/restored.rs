//! `down` restores what was there before, whatever happened in between.

use std::sync::{Arc, Mutex};

use super::*;
use crate::realserver::Level;

fn texts(report: &Report) -> String {
    report.to_string()
}

#[test]
fn a_dr_server_is_set_up_and_put_back() {
    let Some(mut lan) = Lan::new() else { return };
    let host = lan.host();
    let before = host.photograph();
    let report = host.up(&[V4, V6]);
    assert_eq!(report.level(), Level::Ok, "{report}");
    let after = host.photograph();
    assert_eq!(
        before.switched(&after),
        [
            "ipv4/conf/all/arp_announce 2",
            "ipv4/conf/all/arp_ignore 1",
            "ipv4/conf/eth0/arp_announce 2",
            "ipv4/conf/eth0/arp_ignore 1",
        ]
    );
    for line in
        ["inet 192.0.2.100/32 scope host", "inet6 2001:db8:ff::100/128 scope global nodad deprecated noprefixroute"]
    {
        assert!(after.addresses().contains(line), "{line} not in\n{}", after.addresses());
    }
    assert!(texts(&report).contains("ok       net/ipv4/conf/all/arp_ignore: 0 -> 1 ("), "{report}");
    let report = host.down(&[V4, V6]);
    assert_eq!(report.level(), Level::Ok, "{report}");
    host.await_photograph(&before, "after down");
    assert_eq!(fs::read_dir(host.run_dir.path()).unwrap().count(), 0, "no file is left");
}

#[test]
fn up_twice_changes_nothing_the_second_time() {
    let Some(mut lan) = Lan::new() else { return };
    let host = lan.host();
    let before = host.photograph();
    host.up(&[V4, V6]);
    settled(&host, &format!("local {V6} dev lo"));
    let (photograph, state) = (host.photograph(), host.state_file());
    let report = host.up(&[V4, V6]);
    assert_eq!(texts(&report), "ok       192.0.2.100 is on lo already\nok       2001:db8:ff::100 is on lo already\n");
    assert_eq!(photograph.changed(&host.photograph()), []);
    assert_eq!(host.state_file(), state);
    host.down(&[]);
    host.await_photograph(&before, "after down");
    assert_eq!(texts(&host.down(&[])), "ok       nothing is set up here\n");
    assert_eq!(texts(&host.down(&[V4])), "ok       192.0.2.100 is not set up here\n");
}

#[test]
fn only_the_last_vip_restores_the_switches() {
    let Some(mut lan) = Lan::new() else { return };
    let host = lan.host();
    lan.connect(&host, "eth1", "02:00:00:00:01:01");
    let before = host.photograph();
    let mut decapsulator = Remembering::default();
    host.up(&[V4]);
    let with_first = host.photograph();
    let mut second = host.request(&["192.0.2.101"], Method::Tun);
    second.interfaces = vec!["eth1".into()];
    host.switch("ipv4/conf/eth1/rp_filter", "1");
    host.up_with(&second, &mut decapsulator).unwrap();
    assert_eq!(
        decapsulator.now,
        Decapsulation {
            interfaces: ["eth1".into()].into(),
            vips: [("192.0.2.101".parse().unwrap(), Tunnel::Ipip)].into()
        }
    );
    host.up_with(&host.request(&["192.0.2.102"], Method::Dr), &mut decapsulator).unwrap();

    // The second VIP keeps eth1's switches, though the first one's on all are restored.
    host.down_with(&[V4, "192.0.2.102"], &mut decapsulator).unwrap();
    let without_first = host.photograph();
    assert_eq!(
        before.switched(&without_first),
        ["ipv4/conf/eth1/arp_announce 2", "ipv4/conf/eth1/arp_ignore 1", "ipv4/conf/eth1/rp_filter 2",]
    );
    assert!(!without_first.addresses().contains("192.0.2.100") && without_first.addresses().contains("192.0.2.101/32"));
    assert!(!with_first.addresses().contains("192.0.2.101"));
    host.down_with(&["192.0.2.101"], &mut decapsulator).unwrap();
    assert!(decapsulator.now.is_empty());
    host.switch("ipv4/conf/eth1/rp_filter", &before.0["/proc/sys/net/ipv4/conf/eth1/rp_filter"]);
    host.await_photograph(&before, "after down");
}

#[test]
fn another_method_replaces_the_first() {
    let Some(mut lan) = Lan::new() else { return };
    let host = lan.host();
    host.switch("ipv4/conf/eth0/rp_filter", "1");
    let before = host.photograph();
    let mut decapsulator = Remembering::default();
    host.up_with(&host.request(&[V4, V6], Method::Tun), &mut decapsulator).unwrap();
    assert_eq!(decapsulator.now.vips.len(), 2);
    assert!(before.switched(&host.photograph()).contains(&"ipv4/conf/eth0/rp_filter 2".into()));
    host.up_with(&host.request(&[V4, V6], Method::Dr), &mut decapsulator).unwrap();
    assert!(decapsulator.now.is_empty());
    assert!(before.switched(&host.photograph()).iter().all(|switch| !switch.contains("rp_filter")));
    host.down(&[]);
    host.await_photograph(&before, "after down");
}

#[test]
fn what_was_there_before_or_changed_since_is_left_alone_and_named() {
    let Some(mut lan) = Lan::new() else { return };
    let host = lan.host();
    host.namespace.ip("addr add 192.0.2.100/32 dev lo").unwrap();
    host.switch("ipv4/conf/all/arp_announce", "2");
    let before = host.photograph();
    host.up(&[V4, "192.0.2.101"]);
    assert_eq!(
        before.switched(&host.photograph()),
        ["ipv4/conf/all/arp_ignore 1", "ipv4/conf/eth0/arp_ignore 1"],
        "arp_announce was right for every interface"
    );
    host.switch("ipv4/conf/eth0/arp_ignore", "2");
    let report = texts(&host.down(&[]));
    assert!(report.contains("warning  192.0.2.100 was on lo before `up` and is left there"), "{report}");
    assert!(report.contains("net/ipv4/conf/eth0/arp_ignore is 2, not the 1 that `up` set"), "{report}");
    let after = host.photograph();
    assert_eq!(before.switched(&after), ["ipv4/conf/eth0/arp_ignore 2"]);
    assert_eq!(after.addresses(), before.addresses());

    let foreign = host.down(&[V4]);
    assert_eq!(foreign.level(), Level::Warning);
    assert!(texts(&foreign).contains("ip addr del 192.0.2.100/32 dev lo"), "{foreign}");
}

#[test]
fn a_failure_on_the_way_undoes_what_was_done() {
    let Some(mut lan) = Lan::new() else { return };
    let host = lan.host();
    host.switch("ipv4/conf/eth0/rp_filter", "1");
    let untouched = host.photograph();
    let tun = host.request(&["192.0.2.101", V6], Method::Tun);
    let mut failing = Remembering::that(|_| Err("no native XDP".into()));
    let mut disturbing = Remembering::that(|wanted| {
        let off = if wanted.is_empty() { "0" } else { "1" };
        Ok(fs::write("/proc/sys/net/ipv6/conf/lo/disable_ipv6", off)?)
    });
    // From nothing, then with a DR server already there.
    for step in 0..2 {
        let (before, state) = (host.photograph(), host.state_file());
        let error = host.up_with(&tun, &mut failing).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the decapsulator: no native XDP; nothing is changed, what was done before it is undone"
        );
        host.await_photograph(&before, &format!("step {step}"));
        assert_eq!(host.state_file(), state);
        host.up(&[V4]);
    }
    host.down(&[]);

    // The last step fails: everything before it, the decapsulator too, is taken back.
    let error = host.up_with(&tun, &mut disturbing).unwrap_err().to_string();
    assert!(error.contains(V6) && error.ends_with("is undone") && !error.contains('\n'), "{error}");
    assert!(disturbing.now.is_empty());
    let after = host.photograph();
    assert_eq!(untouched.switched(&after), [""; 0]);
    assert!(!after.addresses().contains("192.0.2"));
    assert_eq!(host.state_file(), None);
}

#[test]
fn the_state_on_disk_covers_every_moment() {
    let Some(mut lan) = Lan::new() else { return };
    let host = lan.host();
    let file = super::super::state_file(host.run_dir.path());
    let (seen, path) = (Arc::new(Mutex::new(Vec::new())), file.clone());
    let log = Arc::clone(&seen);
    let mut decapsulator = Remembering::that(move |_| {
        let state = fs::read_to_string(&path)?;
        log.lock().unwrap().push((state.contains(V4), state.contains("conf/eth0/arp_ignore")));
        Ok(())
    });
    host.up_with(&host.request(&[V4], Method::Tun), &mut decapsulator).unwrap();
    host.down_with(&[V4], &mut decapsulator).unwrap();
    // In the middle of `up` as in the middle of `down`.
    assert_eq!(*seen.lock().unwrap(), [(true, true), (true, true)]);
    assert!(!file.exists());
}

#[test]
fn after_a_crash_in_the_middle_either_way_leads_out() {
    let Some(mut lan) = Lan::new() else { return };
    let host = lan.host();
    let before = host.photograph();
    host.up(&[V4]);
    let up = host.photograph();
    let state = host.state_file().unwrap();
    // Killed after the state was written and after some of the steps: half of them are not done.
    let disturb = || {
        fs::write(super::super::state_file(host.run_dir.path()), &state).unwrap();
        host.namespace.ip("addr del 192.0.2.100/32 dev lo").unwrap();
        host.switch("ipv4/conf/eth0/arp_ignore", "0");
    };
    disturb();
    host.up(&[V4]);
    host.await_photograph(&up, "up mends it");
    disturb();
    let report = texts(&host.down(&[V4]));
    assert!(report.contains("was gone from lo already"), "{report}");
    host.await_photograph(&before, "down ends it");
}

#[test]
fn an_interface_that_went_away_is_no_obstacle() {
    let Some(mut lan) = Lan::new() else { return };
    let host = lan.host();
    let before = host.photograph();
    lan.connect(&host, "eth1", "02:00:00:00:01:01");
    let mut decapsulator = Remembering::default();
    host.up_with(&host.request(&[V4], Method::Tun), &mut decapsulator).unwrap();
    assert_eq!(decapsulator.now.interfaces.len(), 2);
    host.namespace.ip("link del eth1").unwrap();
    let report = host.down_with(&[V4], &mut decapsulator).unwrap();
    assert!(texts(&report).contains("net/ipv4/conf/eth1/arp_ignore is gone, with its interface"), "{report}");
    host.await_photograph(&before, "after down");
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_changed() {
    let Some(mut lan) = Lan::new() else { return };
    let host = lan.host();
    host.namespace.ip("addr add 192.0.2.100/24 dev eth0").unwrap();
    let before = host.photograph();
    let refused = |request: &Request| host.up_with(request, &mut Remembering::default()).unwrap_err().to_string();
    let on_link = refused(&host.request(&[V4], Method::Dr));
    assert!(on_link.contains("192.0.2.100 is an address of eth0") && on_link.contains("ip addr del"), "{on_link}");
    let mut elsewhere = host.request(&["192.0.2.101"], Method::Dr);
    elsewhere.interfaces = vec!["eth7".into()];
    assert!(refused(&elsewhere).contains("no interface eth7"));
    elsewhere.interfaces = vec!["lo".into()];
    assert!(refused(&elsewhere).contains("lo is no Ethernet interface"));
    host.switch("ipv6/conf/lo/disable_ipv6", "1");
    assert!(refused(&host.request(&[V6], Method::Dr)).contains("net.ipv6.conf.lo.disable_ipv6=0"));
    host.switch("ipv6/conf/lo/disable_ipv6", "0");
    host.namespace.ip("link set lo down").unwrap();
    assert!(refused(&host.request(&["192.0.2.101"], Method::Dr)).contains("ip link set lo up"));
    host.namespace.ip("link set lo up").unwrap();
    assert_eq!(before.switched(&host.photograph()), [""; 0]);
    assert_eq!(host.state_file(), None);

    // A run directory of another namespace.
    let other = lan.host();
    other.up(&["192.0.2.101"]);
    let mut foreign = host.request(&["192.0.2.101"], Method::Dr);
    foreign.run_dir = other.run_dir.path().into();
    assert!(refused(&foreign).contains("belongs to another network namespace"));
}
