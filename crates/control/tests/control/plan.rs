//! Plans as text and as JSON.

use crate::rig::{Rig, SMALL, key, server, weighted};
use relvs_control::{Control, Plan};
use relvs_model::{Method, Scheduler, Server, Service};

fn states() -> (Vec<Service>, Vec<Service>) {
    let dr = |endpoint, weight| Server { method: Method::Dr, ..server(endpoint, weight) };
    let service = |k, scheduler, servers| Service { key: key(k), scheduler, servers };
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
~   server 10.0.0.13:443 dr -> nat weight 1 -> 0
+   server 10.0.0.14:443 dr weight 1
+ service [2001:db8::64]:443/tcp wrr
+   server [fd00::1]:443 dr weight 1
- service 192.0.2.100:53/udp rr
-   server 10.0.0.11:53 dr weight 1";
    let plan = rig.control.plan(&new);
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
    let plan = rig.control.plan(&state);
    assert!(plan.is_empty());
    assert_eq!(plan.to_string(), "");
    rig.apply(&state).unwrap();
    assert_eq!((rig.control.revision(), rig.control.services()), (1, &state[..]));
    for service in &state {
        rig.arrive(service.key).unwrap();
    }
    rig.apply(&[]).unwrap();
    assert_eq!(rig.control.revision(), 2);
}

#[test]
fn what_is_prepared_is_not_yet_applied() {
    let control = Control::new(SMALL);
    let prepared = control.prepare(&[weighted(Scheduler::Rr, &[1, 1])], 1, 7, &|_| 0).unwrap();
    assert!(!prepared.plan.is_empty() && prepared.destinations.len() == 2 && prepared.image.nat);
    assert_eq!(control, Control::new(SMALL));
}
