//! The life of flows and counters: what a change of settings, servers and services does to those that are there.

use std::time::Duration;

use relvs_api::{Counters, Service, Status};
use relvs_lab::traffic::{Load, Transfer, UdpExchange};
use relvs_lab::{Shape, Topology};
use relvs_model::Method;

use crate::bed::{Bed, PATIENCE, reason, until};
use crate::configuration::{self, tcp, udp};

/// The configuration in force of these services, and sections behind it.
fn with(bed: &Bed, services: &[configuration::Service], more: &str) -> String {
    let text = configuration::text(&bed.lab, "d1", "", &bed.vips, services);
    let head = configuration::head(&bed.lab, "d1", "");
    text.strip_prefix(&head).unwrap().to_owned() + more
}

#[test]
fn with_expire_nodest_conn_a_removed_servers_connections_end_at_once() {
    let servers = [("s1", Method::Dr, 1), ("s2", Method::Dr, 0)];
    let shape = Shape::new(Topology::OneArmed).servers(2);
    let Some(bed) = Bed::start(&shape, &[tcp(80, "wrr", &servers)]) else { return };
    let start = |target| Transfer::slow_download(target, 400_000, 20).limit(2 * PATIENCE).start(bed.client()).unwrap();
    let running = bed.targets(80).map(start);
    for transfer in &running {
        transfer.wait_for(1, PATIENCE).unwrap();
    }
    let after = [tcp(80, "wrr", &[("s2", Method::Dr, 1)])];
    bed.reload_with(&with(&bed, &after, "\n[ipvs]\nexpire_nodest_conn = 1\n"));
    for transfer in running {
        // Its next segment is of no flow, and the director's own stack resets it.
        let error = format!("{:#}", transfer.join().unwrap_err());
        assert!(error.contains("reset"), "{error}");
    }
    let status = bed.status();
    assert_eq!(reason(&status, "destination_gone"), 0, "nothing was dropped in silence");
    let removed: Vec<_> = status.services.iter().flat_map(|s| &s.servers).filter(|server| server.removed).collect();
    assert_eq!(removed.iter().map(|server| server.active + server.inactive).sum::<u32>(), 0, "{removed:?}");
    for target in bed.targets(80) {
        assert_eq!(bed.one_server(Load::new(target), 3), "s2");
    }
}

#[test]
fn settings_and_timeouts_change_under_connections() {
    let servers = [("s1", Method::Nat, 1), ("s2", Method::Nat, 1)];
    let services = [tcp(80, "rr", &servers), udp(53, "rr", &servers)];
    let shape = Shape::new(Topology::OneArmed).servers(2);
    let Some(bed) = Bed::start(&shape, &services) else { return };
    let kept = bed.targets(80).map(|target| Load::new(target).keep_alive().rate(40, 4).start(bed.client()).unwrap());
    let fresh = bed.targets(80).map(|target| Load::new(target).rate(40, 4).start(bed.client()).unwrap());
    for target in bed.targets(53) {
        assert_eq!(UdpExchange::new(target, 10).run(bed.client()).unwrap().ok, 10);
    }
    let datagrams = |bed: &Bed| -> u32 {
        let status = bed.status();
        let udp = status.services.iter().filter(|s| s.key.port() == 53);
        udp.flat_map(|service| &service.servers).map(|server| server.inactive).sum()
    };
    assert_eq!(datagrams(&bed), 2 * 10);
    bed.reload_with(&with(
        &bed,
        &services,
        "\n[timeouts]\ntcp = \"20m\"\nudp = 1\n[ipvs]\nsloppy_tcp = 1\nconn_reuse_mode = 3\n",
    ));
    let status = bed.status();
    assert_eq!((status.timeouts.tcp_s, status.timeouts.tcp_fin_s, status.timeouts.udp_s), (1200, 120, 1));
    assert_eq!((status.settings.sloppy_tcp, status.settings.conn_reuse_mode), (1, 3));
    let line = "\ntimeout tcp 1200 s, timeout udp 1 s, conn_reuse_mode = 3, sloppy_tcp = 1\n";
    assert!(bed.page().contains(line), "{}", bed.page());
    until("the datagrams' flows are forgotten", || datagrams(&bed) == 0);
    bed.reload(&services);
    assert!(!bed.page().contains("timeout"), "{}", bed.page());
    for load in kept {
        let report = load.stop().unwrap();
        assert_eq!(report.failed(), 0, "{report}");
        assert!(report.ok > 10, "{report}");
    }
    for load in fresh {
        let report = load.stop().unwrap();
        assert_eq!(report.failed(), 0, "{report}");
    }
}

/// The first server's counters, and those of its service.
fn of(status: &Status, name: std::net::IpAddr) -> (Counters, &Service) {
    let service = status.services.iter().find(|s| s.servers.iter().any(|server| server.address == name)).unwrap();
    (service.servers.iter().find(|server| server.address == name).unwrap().counters, service)
}

#[test]
fn a_server_that_comes_back_has_its_counters() {
    let both = [tcp(80, "rr", &[("s1", Method::Nat, 1), ("s2", Method::Nat, 1)])];
    let one = [tcp(80, "rr", &[("s2", Method::Nat, 1)])];
    let shape = Shape::new(Topology::TwoArmed).servers(2);
    let Some(mut bed) = Bed::start(&shape, &both) else { return };
    for target in bed.targets(80) {
        bed.requests(target, 10);
    }
    let first = bed.vips.map(|vip| configuration::rip(&bed.lab, "s1", vip));
    let before = bed.status();
    bed.reload(&one);
    for target in bed.targets(80) {
        bed.requests(target, 10);
    }
    bed.director.terminate().unwrap();
    bed.director.start().unwrap();
    let without = bed.status();
    bed.reload(&both);
    let after = bed.status();
    for name in first {
        let ((had, _), (has, service)) = (of(&before, name), of(&after, name));
        assert_eq!((had, has.flows), (has, 5));
        assert!(has.packets_out >= 5 * 4 && has.bytes_out > has.packets_out * 40, "{has:?}");
        assert_eq!(service.counters.flows, 20, "{service:?}");
        assert_eq!(of(&without, name).1.counters, service.counters);
    }
    assert_eq!((before.counters.flows, after.counters.flows), (20, 40));

    // A service that is removed and comes back begins at nothing, as in IPVS; the total goes on.
    bed.reload(&[]);
    assert_eq!(bed.status().counters, after.counters);
    bed.reload(&both);
    let again = bed.status();
    assert_eq!(again.counters, after.counters);
    assert!(again.services.iter().all(|service| service.counters == Counters::default()), "{again:?}");
    assert!(first.iter().all(|name| of(&again, *name).0 == Counters::default()), "{again:?}");
    for target in bed.targets(80) {
        bed.requests(target, 4);
    }
    let last = bed.status();
    assert!(last.services.iter().all(|service| service.counters.flows == 4), "{last:?}");
    assert_eq!(last.counters.flows, 48);
}

#[test]
fn rates_are_estimated_unless_that_is_off() {
    let services = [tcp(80, "rr", &[("s1", Method::Nat, 1)])];
    let Some(bed) = Bed::start(&Shape::new(Topology::TwoArmed).servers(1), &services) else { return };
    let target = bed.targets(80)[0];
    let load = Load::new(target).rate(60, 4).start(bed.client()).unwrap();
    // After two seconds it is a quarter of what it will be.
    until("there is a rate", || bed.status().services[0].rates.flows > 20);
    let status = bed.status();
    let (service, server) = (&status.services[0], &status.services[0].servers[0]);
    assert_eq!((service.rates, status.rates), (server.rates, server.rates), "there is no other server");
    let rates = service.rates;
    assert!(
        rates.flows <= 60 && rates.packets_in > 2 * rates.flows && rates.bytes_out > 40 * rates.packets_out,
        "{rates:?}"
    );
    assert_eq!(status.services[1].rates, relvs_api::Rates::default());
    bed.reload_with(&with(&bed, &services, "\n[ipvs]\nrun_estimation = 0\n"));
    let stopped = bed.status().rates;
    load.stop().unwrap();
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(bed.status().rates, stopped, "it stands still");
    bed.reload(&services);
    until("the rate dies away", || bed.status().rates.flows < stopped.flows);
}
