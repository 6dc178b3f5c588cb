//! Services of marks: match rules say which packets are theirs, over several VIPs, ports and protocols.

use std::net::{IpAddr, SocketAddr};

use relvs_lab::traffic::{Load, UdpExchange};
use relvs_lab::{Shape, Topology};
use relvs_model::ServiceKey;

use crate::bed::{Bed, assert_shares};
use crate::configuration::tcp;

/// Of a family: a mark over two VIPs, and another one for what comes from one client.
fn sections(bed: &Bed, [vip, other]: [IpAddr; 2], special: IpAddr, more: &str) -> String {
    let family = if vip.is_ipv4() { "ipv4" } else { "ipv6" };
    let rules = format!(
        "\n[[rule]]\nmark = 8\nsource = \"{special}\"\ndestination = [\"{vip}\", \"{other}\"]\n\
         \n[[rule]]\nmark = 7\ndestination = [\"{vip}\", \"{other}\"]\nprotocol = \"tcp\"\nports = [80, \"81-82\"]\n\
         \n[[rule]]\nmark = 7\ndestination = \"{vip}\"\nprotocol = \"udp\"\nports = 53\n"
    );
    let mark =
        |mark: u32| format!("mark = {mark}\nfamily = \"{family}\"\nscheduler = \"rr\"\nmethod = \"nat\"\n{more}");
    let seventh = bed.section(vip, &mark(7), &[("s1", ""), ("s2", "")]);
    rules + &seventh + &bed.section(vip, &mark(8), &[("s3", "")])
}

#[test]
fn a_mark_has_several_vips_ports_and_protocols() {
    let Some(mut bed) = Bed::bare(&Shape::new(Topology::TwoArmed)) else { return };
    bed.prepare(&[tcp(80, "rr", &[])]);
    let others = <[IpAddr; 2]>::from(bed.lab.plan().vip(1));
    for vip in others {
        bed.lab.add_vip("d1", vip).unwrap();
    }
    let families: Vec<([IpAddr; 2], IpAddr)> =
        bed.vips.into_iter().zip(others).map(|(vip, other)| ([vip, other], bed.another_client(vip, 77))).collect();
    let all = |bed: &Bed, more: &str| {
        families.iter().map(|(vips, special)| sections(bed, *vips, *special, more)).collect::<String>()
    };
    bed.configure_with(&all(&bed, ""));
    bed.director.start().unwrap();
    for ([vip, other], special) in &families {
        let at = |vip: &IpAddr, port| SocketAddr::new(*vip, port);
        // One sequence for all of them.
        for (target, expected) in
            [(at(vip, 80), ["s2", "s1"]), (at(other, 81), ["s2", "s1"]), (at(vip, 82), ["s2", "s1"])]
        {
            for server in expected {
                assert_eq!(bed.one_server(Load::new(target), 1), server, "{target}");
            }
        }
        assert_shares(&UdpExchange::new(at(vip, 53), 6).run(bed.client()).unwrap(), &[("s1", 3), ("s2", 3)]);
        // The first rule that matches decides.
        for target in [at(vip, 80), at(other, 82)] {
            assert_eq!(bed.one_server(Load { source: Some(*special), ..Load::new(target) }, 3), "s3");
        }
        // What no rule matches is the director's own.
        let report = UdpExchange::new(at(other, 53), 1).run(bed.client()).unwrap();
        assert!(report.failures.keys().all(|why| why.contains("refused")) && report.ok == 0, "{report}");
        let key = ServiceKey::mark(7, !vip.is_ipv4());
        let status = bed.status();
        let service = status.services.iter().find(|service| service.key == key).unwrap();
        assert_eq!(service.counters.flows, 6 + 6);
        let page = bed.page();
        assert!(page.contains(&format!("\n{key} rr\n")), "{page}");
        assert!(page.contains(&format!("\n  mark 8: from {special} to {vip}, {other}\n")), "{page}");
    }

    // With persistence a client has one server whichever VIP, port and protocol it asks.
    bed.reload_with(&all(&bed, "persistence = true"));
    for ([vip, other], _) in &families {
        let server = bed.one_server(Load::new(SocketAddr::new(*vip, 80)), 3);
        assert_eq!(bed.one_server(Load::new(SocketAddr::new(*other, 81)), 3), server);
        let report = UdpExchange::new(SocketAddr::new(*vip, 53), 5).run(bed.client()).unwrap();
        assert_shares(&report, &[(&server, 5)]);
    }
    assert_eq!(bed.status().flows.templates, 2);
}
