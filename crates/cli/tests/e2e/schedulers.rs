//! Schedulers that look at more than their turn: loads, addresses, thresholds, single packets.

use std::net::SocketAddr;

use relvs_lab::traffic::{Load, UdpExchange};
use relvs_lab::{Shape, Topology};
use relvs_model::Method;

use crate::bed::{Bed, assert_shares, until};
use crate::configuration::{tcp, udp};

#[test]
fn wlc_goes_where_the_fewest_connections_are() {
    let services =
        |[first, second]: [u32; 2]| [tcp(80, "wlc", &[("s1", Method::Dr, first), ("s2", Method::Dr, second)])];
    let shape = Shape::new(Topology::OneArmed).servers(2);
    let Some(bed) = Bed::start(&shape, &services([1, 0])) else { return };
    let hold = |target| Load::new(target).keep_alive().rate(50, 4).start(bed.client()).unwrap();
    let held = bed.targets(80).map(hold);
    until("four connections a family are held", || loads(&bed) == [[4, 0], [4, 0]]);
    bed.reload(&services([1, 1]));
    for target in bed.targets(80) {
        assert_shares(&Load::new(target).requests(12).run(bed.client()).unwrap(), &[("s2", 12)]);
    }
    // With eight times the weight the first one gets all but one of five: 1024/8 and 12/1 to begin with.
    bed.reload(&services([8, 1]));
    let more = bed.targets(80).map(|target| Load::new(target).keep_alive().rate(50, 5).start(bed.client()).unwrap());
    until("five more are held", || loads(&bed) == [[8, 1], [8, 1]]);
    for load in held.into_iter().chain(more) {
        let report = load.stop().unwrap();
        assert_eq!(report.failed(), 0, "{report}");
    }
}

/// Active flows of the two servers of each service.
fn loads(bed: &Bed) -> Vec<[u32; 2]> {
    bed.status().services.iter().map(|service| [0, 1].map(|at| service.servers[at].active)).collect()
}

#[test]
fn sh_keeps_every_address_at_its_server() {
    let servers = [("s1", Method::Dr, 1), ("s2", Method::Dr, 1), ("s3", Method::Dr, 1)];
    let services = [tcp(80, "sh", &servers), tcp(81, "mh", &servers)];
    let Some(mut bed) = Bed::start(&Shape::new(Topology::OneArmed), &services) else { return };
    let ask = |bed: &Bed, sources: &[std::net::IpAddr], targets: &[SocketAddr]| -> Vec<String> {
        let of = |source, target: SocketAddr| Load { source: Some(source), ..Load::new(target) };
        let pairs = sources.iter().flat_map(|source| targets.iter().map(move |target| (*source, *target)));
        let same_family = pairs.filter(|(source, target)| source.is_ipv4() == target.is_ipv4());
        same_family.map(|(source, target)| bed.one_server(of(source, target), 3)).collect()
    };
    let sources: Vec<_> = bed.vips.into_iter().flat_map(|vip| [21, 22, 23, 24, 25, 26].map(|n| (vip, n))).collect();
    let sources: Vec<_> = sources.into_iter().map(|(vip, n)| bed.another_client(vip, n)).collect();
    let targets: Vec<SocketAddr> = [bed.targets(80), bed.targets(81)].concat();
    let before = ask(&bed, &sources, &targets);
    assert!(before.iter().collect::<std::collections::BTreeSet<_>>().len() > 1, "{before:?}");
    bed.director.kill().unwrap();
    bed.director.start().unwrap();
    bed.reload(&services);
    assert_eq!(ask(&bed, &sources, &targets), before);
}

#[test]
fn one_packet_scheduling_spreads_the_datagrams_of_one_socket() {
    let servers = [("s1", Method::Dr, 1), ("s2", Method::Dr, 1), ("s3", Method::Dr, 1)];
    let like = [udp(53, "rr", &servers)];
    let sections = |bed: &Bed| {
        let of = |target: SocketAddr| {
            let one = format!("listen = \"{target}/udp\"\nscheduler = \"rr\"\none_packet = true");
            let flow = format!("listen = \"{}/udp\"\nscheduler = \"rr\"", SocketAddr::new(target.ip(), 54));
            let servers = servers.map(|(name, ..)| (name, ""));
            bed.section(target.ip(), &one, &servers) + &bed.section(target.ip(), &flow, &servers)
        };
        bed.targets(53).map(of).concat()
    };
    let Some(bed) = Bed::start_with(&Shape::new(Topology::OneArmed), &like, sections) else { return };
    for (one, flow) in bed.targets(53).into_iter().zip(bed.targets(54)) {
        let report = UdpExchange::new(one, 30).one_socket().run(bed.client()).unwrap();
        assert_shares(&report, &[("s1", 10), ("s2", 10), ("s3", 10)]);
        let report = UdpExchange::new(flow, 30).one_socket().run(bed.client()).unwrap();
        assert_eq!((report.ok, report.servers.len()), (30, 1), "{report}");
    }
    let status = bed.status();
    for service in status.services.iter().filter(|service| service.one_packet) {
        assert_eq!(service.counters.flows, 30);
        let left: u32 = service.servers.iter().map(|server| server.active + server.inactive).sum();
        assert_eq!(left, 0, "a datagram is no flow: {service:?}");
    }
    assert_eq!(status.flows.live, 2);
    assert_eq!(bed.page().matches("/udp rr one-packet\n").count(), 2);
}

#[test]
fn a_server_at_its_threshold_takes_no_more_until_it_is_below_the_lower_one() {
    let like = [tcp(80, "fo", &[("s1", Method::Dr, 1), ("s2", Method::Dr, 1)])];
    let sections = |bed: &Bed| {
        let of = |target: SocketAddr| {
            let service = format!("listen = \"{target}/tcp\"\nscheduler = \"fo\"");
            let first = "weight = 10\nupper_threshold = 2\nlower_threshold = 1";
            bed.section(target.ip(), &service, &[("s1", first), ("s2", "")])
        };
        // A flow counts until it is forgotten, so these are forgotten soon.
        bed.targets(80).map(of).concat() + "\n[timeouts]\ntcp_fin = 1\n"
    };
    let shape = Shape::new(Topology::OneArmed).servers(2);
    let Some(bed) = Bed::start_with(&shape, &like, sections) else { return };
    let hold = |target| Load::new(target).keep_alive().rate(50, 2).start(bed.client()).unwrap();
    let held = bed.targets(80).map(hold);
    until("two connections a family are held", || loads(&bed) == [[2, 0], [2, 0]]);
    let overloaded = |bed: &Bed| bed.status().services.iter().map(|s| s.servers[0].overloaded).collect::<Vec<_>>();
    assert_eq!(overloaded(&bed), [true, true]);
    assert_eq!(bed.page().matches("OVERLOADED: 2 flows are its most").count(), 2);
    for target in bed.targets(80) {
        assert_eq!(bed.one_server(Load::new(target), 3), "s2", "the third goes elsewhere");
    }
    for load in held {
        let report = load.stop().unwrap();
        assert_eq!((report.failed(), report.of("s1")), (0, report.ok), "{report}");
    }
    until("the closed connections are forgotten", || overloaded(&bed) == [false, false]);
    for target in bed.targets(80) {
        assert_eq!(bed.one_server(Load::new(target), 1), "s1");
    }
}
