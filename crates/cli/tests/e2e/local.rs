//! The director as one of its own servers.

use std::net::SocketAddr;

use relvs_api::Way;
use relvs_lab::traffic::{Load, Serve, Server, UdpExchange};
use relvs_lab::{Shape, Topology};
use relvs_model::Method;

use crate::bed::{Bed, assert_shares, reason, until};
use crate::configuration::{tcp, udp};

/// Answers in the director's namespace.
fn serve(bed: &Bed) -> Server {
    Server::start(bed.node("d1"), Serve::new("d1").http(80).http(81).udp(53)).unwrap()
}

#[test]
fn the_director_serves_by_dr_itself() {
    let servers = [("s1", Method::Dr, 1), ("d1", Method::Dr, 1)];
    let Some(mut bed) = Bed::bare(&Shape::new(Topology::OneArmed).servers(1)) else { return };
    bed.prepare(&[tcp(80, "rr", &[("s1", Method::Dr, 1)])]);
    let _local = serve(&bed);
    bed.configure(&[tcp(80, "rr", &servers), udp(53, "rr", &servers)]);
    bed.director.start().unwrap();
    for target in bed.targets(80) {
        assert_shares(&bed.requests(target, 20), &[("d1", 10), ("s1", 10)]);
    }
    for target in bed.targets(53) {
        assert_shares(&UdpExchange::new(target, 10).run(bed.client()).unwrap(), &[("d1", 5), ("s1", 5)]);
    }
    let status = bed.status();
    for service in &status.services {
        let local = service.servers.iter().find(|server| server.way == Way::Local).unwrap();
        assert_eq!(local.counters.flows, service.counters.flows / 2, "{service:?}");
        assert!(local.counters.packets_in >= local.counters.flows, "{local:?}");
    }
    assert!(reason(&status, "local") > 0);
    assert_eq!(bed.page().matches("  this director itself\n").count(), 4);
    // Its flows are flows as any: they stay when the director gets no new ones.
    let held = bed.targets(80).map(|target| Load::new(target).keep_alive().rate(50, 2).start(bed.client()).unwrap());
    until("both are in use", || held.iter().all(|load| load.so_far().servers.len() == 2));
    bed.reload(&[tcp(80, "rr", &servers[..1]), udp(53, "rr", &servers)]);
    bed.reload(&[tcp(80, "rr", &[servers[0], ("d1", Method::Dr, 0)]), udp(53, "rr", &servers)]);
    for target in bed.targets(80) {
        assert_shares(&bed.requests(target, 4), &[("s1", 4)]);
    }
    for load in held {
        let report = load.stop().unwrap();
        assert_eq!((report.failed(), report.servers.len()), (0, 2), "{report}");
    }
}

#[test]
fn nat_serves_itself_on_the_services_port_and_no_other() {
    let Some(mut bed) = Bed::bare(&Shape::new(Topology::TwoArmed).servers(1)) else { return };
    let _local = serve(&bed);
    let servers = [("s1", Method::Nat, 1), ("d1", Method::Nat, 1)];
    bed.configure(&[tcp(80, "rr", &servers), tcp(8080, "rr", &servers).to(81)]);
    bed.director.start().unwrap();
    for target in bed.targets(80) {
        assert_shares(&bed.requests(target, 10), &[("d1", 5), ("s1", 5)]);
    }
    for service in bed.status().services {
        let local = service
            .servers
            .iter()
            .find(|server| server.address == crate::configuration::rip(&bed.lab, "d1", server.address));
        match &local.unwrap().way {
            Way::Local => assert_eq!(service.key.port(), 80),
            Way::Unreachable { why } => {
                assert_eq!(service.key.port(), 8080);
                assert!(why.contains("to the service's own port"), "{why}");
            }
            other @ (Way::Ready { .. } | Way::Pending { .. }) => panic!("{other:?}"),
        }
    }
    let log = bed.director.log();
    assert_eq!(log.matches("/tcp: it is this director itself, which can be a server by dr").count(), 2, "{log}");
}

/// As when VRRP moves an address that is a server's.
#[test]
fn an_address_that_comes_and_goes_is_followed() {
    let Some(mut bed) = Bed::bare(&Shape::new(Topology::OneArmed).servers(1)) else { return };
    bed.prepare(&[tcp(80, "rr", &[("s1", Method::Dr, 1)])]);
    let _local = serve(&bed);
    let (v4, v6) = bed.lab.plan().segment("lan").unwrap().host(55);
    let moving: [std::net::IpAddr; 2] = [v4.into(), v6.into()];
    let targets = bed.targets(80);
    let of = |(target, address): (SocketAddr, std::net::IpAddr)| {
        format!(
            "\n[[service]]\nlisten = \"{target}/tcp\"\nscheduler = \"rr\"\n[[service.server]]\naddress = \"{address}\"\n"
        )
    };
    bed.configure_with(&targets.into_iter().zip(moving).map(of).collect::<String>());
    let own = |bed: &Bed, verb: &str| {
        for address in moving {
            let prefix = if address.is_ipv4() { 32 } else { 128 };
            bed.node("d1").ip(&format!("addr {verb} {address}/{prefix} dev lo")).unwrap();
        }
    };
    let local = |bed: &Bed| bed.status().services.iter().map(|s| s.servers[0].way == Way::Local).collect::<Vec<_>>();
    bed.director.start().unwrap();
    assert_eq!(local(&bed), [false, false]);
    for _ in 0..2 {
        own(&bed, "add");
        until("the addresses are the director's own", || local(&bed) == [true, true]);
        for target in targets {
            assert_eq!(bed.one_server(Load::new(target), 2), "d1");
        }
        own(&bed, "del");
        until("they are not any more", || local(&bed) == [false, false]);
    }
}
