//! Persistence: a client keeps its server for longer than a connection.

use std::net::{IpAddr, SocketAddr};

use relvs_api::Status;
use relvs_lab::traffic::Load;
use relvs_lab::{Shape, Topology};

use crate::bed::{Bed, reason};
use crate::configuration::tcp;
use relvs_model::Method;

const SERVERS: [(&str, &str); 3] = [("s1", ""), ("s2", ""), ("s3", "")];

fn from(target: SocketAddr, source: IpAddr) -> Load {
    Load { source: Some(source), ..Load::new(target) }
}

/// Templates of each of a service's servers.
fn templates(status: &Status, vip: IpAddr, port: u16) -> Vec<u32> {
    let key = relvs_model::ServiceKey::listen(relvs_model::Protocol::Tcp, vip, port);
    let service = status.services.iter().find(|service| service.key == key).unwrap();
    service.servers.iter().map(|server| server.templates).collect()
}

/// Port 80 with its clients' networks, every other port with each client by itself; all in turn.
fn sections(bed: &Bed) -> String {
    let of = |vip: IpAddr| {
        let (any, http) = (SocketAddr::new(vip, 0), SocketAddr::new(vip, 80));
        let netmask = if vip.is_ipv4() { 24 } else { 64 };
        let any = format!("listen = \"{any}/tcp\"\nscheduler = \"rr\"\nmethod = \"nat\"\npersistence = \"1m\"");
        let http = format!(
            "listen = \"{http}/tcp\"\nscheduler = \"rr\"\nmethod = \"nat\"\npersistence = {{ timeout = 90, netmask = {netmask} }}"
        );
        bed.section(vip, &any, &SERVERS) + &bed.section(vip, &http, &SERVERS)
    };
    bed.vips.map(of).concat()
}

#[test]
fn a_client_keeps_its_server_over_connections_and_ports() {
    let like = [tcp(80, "rr", &[])];
    let Some(mut bed) = Bed::start_with(&Shape::new(Topology::TwoArmed), &like, sections) else { return };
    for vip in bed.vips {
        let [http, other, third] = [80, 81, 82].map(|port| SocketAddr::new(vip, port));
        let client = |bed: &Bed| if vip.is_ipv4() { bed.client().v4().into() } else { bed.client().v6().into() };
        let (client, neighbour) = (client(&bed), bed.another_client(vip, 77));
        // One by one: each by itself, on any port.
        let first = bed.one_server(from(other, client), 4);
        let second = bed.one_server(from(other, neighbour), 4);
        assert_ne!(first, second, "in turn");
        assert_eq!(bed.one_server(from(third, client), 4), first);
        assert_eq!(bed.one_server(from(third, neighbour), 4), second);
        // A network is one client.
        let both = bed.one_server(from(http, client), 3);
        assert_eq!(bed.one_server(from(http, neighbour), 3), both);
        let status = bed.status();
        let (mut any, mut network) = (templates(&status, vip, 0), templates(&status, vip, 80));
        any.sort_unstable();
        network.sort_unstable();
        assert_eq!((any, network), (vec![0, 1, 1], vec![0, 0, 1]));
    }
    assert_eq!(bed.status().flows.templates, 2 * 3);
    let page = bed.page();
    for line in [
        "/tcp rr persistent 60 s\n",
        "/tcp rr persistent 90 s mask 255.255.255.0\n",
        "/tcp rr persistent 90 s mask 64\n",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
    assert!(page.contains("templates"), "{page}");

    // Clients stay through a crash of the daemon.
    let before = bed.targets(81).map(|target| bed.one_server(Load::new(target), 1));
    bed.director.kill().unwrap();
    bed.director.start().unwrap();
    assert_eq!(bed.targets(82).map(|target| bed.one_server(Load::new(target), 2)), before);
    assert_eq!(bed.status().flows.templates, 2 * 3);
}

#[test]
fn a_server_without_weight_keeps_its_clients_unless_they_are_to_go() {
    let weighted = |bed: &Bed, weights: [u32; 2], more: &str| {
        let lines = weights.map(|weight| format!("weight = {weight}"));
        let of = |target: SocketAddr| {
            let service = format!("listen = \"{target}/tcp\"\nscheduler = \"wrr\"\npersistence = true");
            bed.section(target.ip(), &service, &[("s1", &lines[0]), ("s2", &lines[1])])
        };
        bed.targets(80).map(of).concat() + more
    };
    let like = [tcp(80, "wrr", &[("s1", Method::Dr, 1), ("s2", Method::Dr, 1)])];
    let shape = Shape::new(Topology::OneArmed).servers(2);
    let Some(bed) = Bed::start_with(&shape, &like, |bed| weighted(bed, [1, 0], "")) else { return };
    let ask = |bed: &Bed| bed.targets(80).map(|target| bed.one_server(Load::new(target), 3));
    assert_eq!(ask(&bed), ["s1", "s1"]);
    bed.reload_with(&weighted(&bed, [0, 1], ""));
    assert_eq!(ask(&bed), ["s1", "s1"], "as IPVS does");
    bed.reload_with(&weighted(&bed, [0, 1], "\n[ipvs]\nexpire_quiescent_template = 1\n"));
    assert_eq!(ask(&bed), ["s2", "s2"]);
    bed.reload_with(&weighted(&bed, [1, 1], "\n[ipvs]\nexpire_quiescent_template = 1\n"));
    assert_eq!(ask(&bed), ["s2", "s2"], "and there they stay");
    assert_eq!(reason(&bed.status(), "no_destination"), 0);
}
