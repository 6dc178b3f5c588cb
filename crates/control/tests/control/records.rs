//! Records of services and destinations, and what is remembered of them.

use crate::rig::{Rig, SMALL, http, key, numbered, server, weighted};
use relvs_control::{Desired, Prepared};
use relvs_core::table::{
    active,
    destination::{AVAILABLE, Destination, QUIESCED, WILDCARD},
    service::flag,
};
use relvs_model::{
    Method, Netmask, Persistence, Protocol, Scheduler, SchedulerFlags, Server, Service, ServiceKey, Settings,
};
use std::net::Ipv4Addr;
use std::sync::Arc;

fn prepared<S: Clone + Into<Arc<Service>>>(rig: &Rig, services: &[S]) -> Prepared {
    rig.control
        .prepare(
            &Desired { services: services.iter().cloned().map(Into::into).collect(), ..Desired::default() },
            1,
            1,
            &|_| 0,
        )
        .unwrap()
}

fn record(service: &Service) -> [u64; 8] {
    prepared(&Rig::new(SMALL), std::slice::from_ref(service)).image.services[0]
}

fn flags(service: &Service) -> u8 {
    (record(service)[0] >> 8) as u8
}

fn destination(service: &Service) -> Destination {
    prepared(&Rig::new(SMALL), std::slice::from_ref(service)).destinations[0].1
}

#[test]
fn a_service_s_attributes_are_in_its_record() {
    let plain = weighted(Scheduler::Wlc, &[1, 2]);
    assert_eq!((flags(&plain), record(&plain)[4]), (0, 0));
    assert_eq!(flags(&Service { flags: SchedulerFlags::FALLBACK, ..plain.clone() }), flag::FALLBACK);
    assert_eq!(flags(&Service { flags: SchedulerFlags::PORT, ..plain.clone() }), flag::PORT);
    assert_eq!(flags(&Service { flags: SchedulerFlags::THIRD, ..plain.clone() }), 0);
    let udp = Service { key: key("192.0.2.100:53/udp"), one_packet: true, ..plain.clone() };
    assert_eq!(flags(&udp), flag::ONE_PACKET);
    assert_eq!(flags(&Service { key: key("192.0.2.100:21/tcp"), ..plain.clone() }), flag::ANY_PORT);
    let mut limited = plain.clone();
    limited.servers[1].upper_threshold = 1;
    assert_eq!(flags(&limited), flag::THRESHOLDS);

    let netmask = Netmask::V4(Ipv4Addr::new(255, 0, 255, 0));
    let persistent = Service { persistence: Some(Persistence { timeout_s: 60, netmask }), ..plain.clone() };
    assert_eq!(flags(&persistent), flag::PERSISTENT);
    assert_eq!((record(&persistent)[4] as u32).to_ne_bytes(), [255, 0, 255, 0]);
    let persistence = Some(Persistence { timeout_s: 60, netmask: Netmask::V6(64) });
    let six = Service { persistence, ..Service::new(ServiceKey::mark(0x0102_0304, true), Scheduler::Rr, vec![]) };
    assert_eq!(flags(&six), flag::PERSISTENT | flag::MARK | flag::ANY_PORT);
    assert_eq!((record(&six)[0] >> 16) as u8, 64);
    assert_eq!(((record(&six)[4] >> 32) as u32).to_ne_bytes(), [1, 2, 3, 4]);
    assert_eq!(record(&six)[4] as u32, 0);
}

#[test]
fn a_service_keeps_its_identity_and_no_other_has_it() {
    let mut rig = Rig::new(SMALL);
    let (a, b) = (weighted(Scheduler::Lblc, &[1]), Service::new(http(Ipv4Addr::LOCALHOST), Scheduler::Lblc, vec![]));
    let mut identities = |services: &[Service]| -> Vec<u32> {
        let image = prepared(&rig, services).image;
        rig.apply(services).unwrap();
        image.services[..services.len()].iter().map(|record| (record[2] >> 32) as u32).collect()
    };
    assert_eq!(identities(std::slice::from_ref(&a)), [1]);
    assert_eq!(identities(&[b.clone(), a.clone()]), [2, 1]);
    let more = Service { servers: vec![numbered(1, 5), numbered(2, 1)], one_packet: false, ..a.clone() };
    assert_eq!(identities(&[more, b.clone()]), [1, 2]);
    let other = Service { scheduler: Scheduler::Lblcr, ..a.clone() };
    assert_eq!(identities(&[other, b.clone()]), [3, 2], "what another scheduler remembers is not its own");
    assert_eq!(identities(std::slice::from_ref(&b)), [2]);
    assert_eq!(identities(&[a, b]), [4, 2], "one that comes back begins anew");
}

#[test]
fn a_weight_that_becomes_0_is_written() {
    let mut rig = Rig::new(SMALL);
    rig.apply(&[weighted(Scheduler::Wlc, &[1, 2, 3])]).unwrap();
    let changed = |rig: &Rig, weights: &[u32]| -> Vec<(u32, u8)> {
        let prepared = prepared(rig, &[weighted(Scheduler::Wlc, weights)]);
        prepared.destinations.iter().map(|(number, record)| (*number, record.flags)).collect()
    };
    assert_eq!(changed(&rig, &[5, 6, 7]), []);
    assert_eq!(changed(&rig, &[1, 0, 3]), [(2, AVAILABLE | QUIESCED)]);
    rig.apply(&[weighted(Scheduler::Wlc, &[1, 0, 3])]).unwrap();
    assert_eq!(changed(&rig, &[1, 9, 3]), [(2, AVAILABLE)]);
    assert_eq!(changed(&rig, &[1]), [(2, 0), (3, 0)]);
}

#[test]
fn servers_of_any_port() {
    let mark = |server| Service::new(ServiceKey::mark(7, false), Scheduler::Rr, vec![server]);
    let persistence = Some(Persistence::of_clients(360, true));
    let nat = server("10.0.0.1:8080", 1);
    let open = Server { port: 0, ..nat.clone() };
    let own = destination(&mark(nat.clone()));
    assert_eq!((own.server_port, own.service_port, own.vip), (8080_u16.to_be(), 0, [0; 2]));
    assert_eq!(own.flags, AVAILABLE | WILDCARD);
    assert_eq!(destination(&mark(open.clone())).server_port, 0);
    // As IPVS does: where clients stay with their servers they stay on the ports that they chose.
    assert_eq!(destination(&Service { persistence, ..mark(nat.clone()) }).server_port, 0);
    let any = Service { key: key("192.0.2.100:0/tcp"), persistence, ..mark(nat.clone()) };
    let record = destination(&any);
    assert_eq!((record.server_port, record.flags), (0, AVAILABLE | WILDCARD));
    assert_eq!(record.vip[0].to_ne_bytes()[..4], [192, 0, 2, 100]);
    let usual = Service { key: key("192.0.2.100:80/tcp"), ..any.clone() };
    assert_eq!((destination(&usual).server_port, destination(&usual).flags), (8080_u16.to_be(), AVAILABLE));

    // Flows remember no port of their server, so one whose port becomes the client's is another.
    let mut rig = Rig::new(SMALL);
    rig.apply(&[mark(nat.clone())]).unwrap();
    rig.apply(&[Service { persistence, ..mark(nat.clone()) }]).unwrap();
    let numbers: Vec<_> = rig.control.destinations().map(|(number, .., retired)| (number, retired)).collect();
    assert_eq!(numbers, [(1, true), (2, false)]);
    // For DR nothing is rewritten.
    let dr = Server { method: Method::Dr, ..open };
    rig = Rig::new(SMALL);
    rig.apply(&[mark(dr.clone())]).unwrap();
    rig.apply(&[Service { persistence, ..mark(dr) }]).unwrap();
    assert_eq!(rig.control.destinations().count(), 1);
}

#[test]
fn replies_from_any_port_are_found() {
    let mark = |server| Service::new(ServiceKey::mark(7, false), Scheduler::Rr, vec![server]);
    let found = |rig: &Rig, port, protocol| {
        rig.entry("10.0.0.1".parse().unwrap(), port, protocol, relvs_core::table::entry::SERVER).is_some()
    };
    let mut rig = Rig::new(SMALL);
    rig.apply(&[mark(server("10.0.0.1:8080", 1))]).unwrap();
    for protocol in Protocol::ALL {
        assert!(found(&rig, 8080, protocol) && !found(&rig, 0, protocol), "{protocol}");
    }
    let image = prepared(&rig, rig.control.services()).image;
    assert!(image.marks && image.nat && !image.any_port);
    assert_eq!(image.switch() & !active::SETTINGS, active::NAT | active::RULES);

    rig = Rig::new(SMALL);
    rig.apply(&[mark(server("10.0.0.1:0", 1))]).unwrap();
    for protocol in Protocol::ALL {
        assert!(found(&rig, 0, protocol), "{protocol}");
    }
    assert!(prepared(&rig, rig.control.services()).image.any_port);
    // As long as it may have flows.
    let image = prepared::<Service>(&rig, &[]).image;
    assert!(image.any_port && image.marks);

    let plain = prepared(&Rig::new(SMALL), &[weighted(Scheduler::Rr, &[1])]).image;
    assert_eq!(plain.switch() & !active::SETTINGS, active::NAT);
    let persistence = Some(Persistence::of_clients(1, true));
    let any = Service {
        key: key("192.0.2.100:0/tcp"),
        persistence,
        ..Service::new(key("192.0.2.100:1/tcp"), Scheduler::Rr, vec![])
    };
    assert_eq!(prepared(&Rig::new(SMALL), &[any]).image.switch() & !active::SETTINGS, active::ANY_PORT);
}

#[test]
fn settings_are_bits_of_the_switch() {
    let word = |change: &dyn Fn(&mut Settings)| {
        let mut desired = Desired::default();
        change(&mut desired.settings);
        Rig::new(SMALL).control.prepare(&desired, 0, 0, &|_| 0).unwrap().image.switch()
    };
    assert_eq!(word(&|_| {}), active::REUSE);
    assert_eq!(word(&|settings| settings.conn_reuse_mode = 0), 0);
    assert_eq!(word(&|settings| settings.conn_reuse_mode = 3), active::REUSE | active::REUSE_FIN_WAIT);
    let set = |settings: &mut Settings| {
        for (name, _) in Settings::default().entries() {
            let _ = settings.set(name, "1");
        }
        settings.conn_reuse_mode = 2;
    };
    assert_eq!(word(&set), active::SETTINGS & !active::DROP_PACKET);
    assert_eq!(word(&|settings| settings.drop_packet = 3), active::REUSE | active::DROP_PACKET);
    assert_eq!(word(&|settings| settings.drop_packet = 2), active::REUSE);
}

#[test]
fn templates_last_as_long_as_their_service_said() {
    let mut rig = Rig::new(SMALL);
    let of = |seconds: Option<u32>| Service {
        persistence: seconds.map(|seconds| Persistence::of_clients(seconds, true)),
        ..weighted(Scheduler::Rr, &[1])
    };
    for (seconds, lasts) in [(None, None), (Some(60), Some(60)), (Some(90), Some(90)), (None, Some(90))] {
        rig.apply(&[of(seconds)]).unwrap();
        assert_eq!(rig.control.template_timeouts().map(|(_, lasts)| lasts).next(), lasts);
    }
    rig.apply::<Service>(&[]).unwrap();
    assert_eq!(rig.control.template_timeouts().collect::<Vec<_>>(), [(1, 90)]);
}
