//! Plans as text and as JSON.

use crate::rig::{Rig, SMALL, key, server, weighted};
use relvs_control::{Control, Desired, Plan};
use relvs_model::{
    Method, Netmask, Network, Persistence, PortRange, Protocol, Rule, Scheduler, SchedulerFlags, Server, Service,
    ServiceKey, Settings, Timeouts,
};

fn states() -> (Vec<Service>, Vec<Service>) {
    let dr = |endpoint, weight| Server { method: Method::Dr, ..server(endpoint, weight) };
    let service = |k, scheduler, servers| Service::new(key(k), scheduler, servers);
    let (rr, wrr) = (Scheduler::Rr, Scheduler::Wrr);
    let old = vec![
        service("192.0.2.100:80/tcp", rr, vec![server("10.0.0.11:8080", 1), server("10.0.0.12:8080", 1)]),
        service(
            "192.0.2.100:443/tcp",
            wrr,
            vec![dr("10.0.0.11:443", 1), dr("10.0.0.12:443", 2), dr("10.0.0.13:443", 1)],
        ),
        service("192.0.2.100:53/udp", rr, vec![dr("10.0.0.11:53", 1)]),
        service("192.0.2.100:53/tcp", rr, vec![dr("10.0.0.11:53", 1), dr("10.0.0.12:53", 1)]),
    ];
    let new = vec![
        service("192.0.2.100:53/tcp", rr, vec![dr("10.0.0.12:53", 1), dr("10.0.0.11:53", 1)]),
        old[0].clone(),
        service(
            "192.0.2.100:443/tcp",
            rr,
            vec![dr("10.0.0.11:443", 3), server("10.0.0.13:443", 0), dr("10.0.0.14:443", 1)],
        ),
        service("[2001:db8::64]:443/tcp", wrr, vec![dr("[fd00::1]:443", 1)]),
    ];
    (old, new)
}

#[test]
fn a_plan_reads_like_a_diff() {
    let (old, new) = states();
    let mut rig = Rig::new(SMALL);
    rig.apply(&old).unwrap();
    let expected = "\
~ service 192.0.2.100:53/tcp
~   order of its servers
~ service 192.0.2.100:443/tcp
~   scheduler wrr -> rr
-   server 10.0.0.12:443 dr weight 2
~   server 10.0.0.11:443 weight 1 -> 3
~   server 10.0.0.13:443 method dr -> nat weight 1 -> 0
+   server 10.0.0.14:443 dr weight 1
+ service [2001:db8::64]:443/tcp wrr
+   server [fd00::1]:443 dr weight 1
- service 192.0.2.100:53/udp rr
-   server 10.0.0.11:53 dr weight 1";
    let plan = rig.control.plan(&new.clone().into());
    assert_eq!(plan.to_string(), expected);
    assert_eq!(rig.apply(&new).unwrap(), plan);
    let back: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(back, plan);
}

#[test]
fn nothing_changes_when_services_only_change_places() {
    let (mut state, _) = states();
    let mut rig = Rig::new(SMALL);
    assert_eq!(rig.control.revision(), 0);
    rig.apply(&state).unwrap();
    assert_eq!(rig.control.revision(), 1);
    state.reverse();
    let plan = rig.control.plan(&state.clone().into());
    assert!(plan.is_empty());
    assert_eq!(plan.to_string(), "");
    rig.apply(&state).unwrap();
    assert_eq!(
        (rig.control.revision(), rig.control.desired().services.clone()),
        (1, Desired::from(state.clone()).services)
    );
    for service in &state {
        rig.arrive(service.key).unwrap();
    }
    rig.apply::<Service>(&[]).unwrap();
    assert_eq!(rig.control.revision(), 2);
}

#[test]
fn what_is_prepared_is_not_yet_applied() {
    let control = Control::new(SMALL);
    let prepared = control.prepare(&vec![weighted(Scheduler::Rr, &[1, 1])].into(), 1, 7, &|_| 0).unwrap();
    assert!(!prepared.plan.is_empty() && prepared.destinations.len() == 2 && prepared.image.nat);
    assert_eq!(control, Control::new(SMALL));
}

#[test]
fn a_plan_says_everything_that_changes() {
    let rule = |mark, ports: &[(u16, u16)]| Rule {
        mark,
        sources: vec![Network { address: "10.0.0.0".parse().unwrap(), prefix: 8 }],
        destinations: vec![],
        protocol: Some(Protocol::Tcp),
        ports: ports.iter().map(|&(first, last)| PortRange { first, last }).collect(),
    };
    let (sh, mark) = (Scheduler::Sh, ServiceKey::mark(7, true));
    let mut server = server("10.0.0.1:80", 1);
    let http = Service::new(key("192.0.2.100:80/tcp"), sh, vec![server.clone()]);
    let old = Desired {
        rules: vec![rule(1, &[]), rule(2, &[]), rule(3, &[])],
        services: vec![http.clone().into()],
        ..Desired::default()
    };
    (server.upper_threshold, server.lower_threshold) = (10, 8);
    let netmask = Netmask::V4([255, 255, 255, 0].into());
    let flags = SchedulerFlags::PORT.with(SchedulerFlags::FALLBACK);
    let persistence = Some(Persistence { timeout_s: 300, netmask });
    let new = Desired {
        settings: Settings { sloppy_tcp: 1, sync_threshold: [1, 2], ..Settings::default() },
        timeouts: Timeouts { tcp_fin_s: 30, ..Timeouts::default() },
        rules: vec![rule(3, &[]), rule(1, &[]), rule(4, &[(80, 80), (8000, 8100)])],
        services: vec![
            Service { flags, persistence, servers: vec![server.clone()], ..http.clone() }.into(),
            Service {
                one_packet: true,
                persistence: Some(Persistence::of_clients(360, false)),
                ..Service::new(mark, Scheduler::Mh, vec![])
            }
            .into(),
        ],
    };
    let mut rig = Rig::new(SMALL);
    rig.apply_all(&old).unwrap();
    let plan = rig.control.plan(&new);
    let expected = "\
~ timeout tcp_fin 120 -> 30
~ setting sloppy_tcp 0 -> 1
~ setting sync_threshold 3 50 -> 1 2
- rule mark 2: from 10.0.0.0/8 tcp
+ rule mark 4: from 10.0.0.0/8 tcp ports 80, 8000-8100
~ order of the rules
~ service 192.0.2.100:80/tcp
~   flags none -> sh-fallback,sh-port
~   persistence none -> 300 s
~   netmask none -> 255.255.255.0
~   server 10.0.0.1:80 upper threshold 0 -> 10 lower threshold 0 -> 8
+ service mark 7 (ipv6) mh, persistence 360 s, one packet yes";
    assert_eq!(plan.to_string(), expected);
    let back: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(back, plan);
    assert_eq!(rig.apply_all(&new).unwrap(), plan);
    assert!(rig.control.plan(&new).is_empty());
    assert_eq!((rig.control.revision(), rig.control.desired()), (2, &new));
    assert_eq!(
        rig.control.plan(&old).changes.last().unwrap().to_string(),
        "- service mark 7 (ipv6) mh, persistence 360 s, one packet yes"
    );
}
