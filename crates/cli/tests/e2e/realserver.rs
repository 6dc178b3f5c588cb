//! `relvs realserver`: a server is made ready, examined, and put back as it was.

use relvs_lab::traffic::Load;
use relvs_lab::{Shape, Topology};
use relvs_model::Method;

use crate::bed::{Bed, RELVS, assert_shares, succeeded, text};
use crate::configuration::tcp;

/// What `up` may change on a server: its addresses on lo, its switches, its programs.
fn settings(bed: &Bed, name: &str) -> Vec<String> {
    let node = bed.node(name);
    let mut all = vec![node.ip("-o address show dev lo").unwrap()];
    for interface in ["all", "default", "lo", "eth0"] {
        for key in ["arp_ignore", "arp_announce", "rp_filter"] {
            all.push(format!("{interface} {key} {}", node.sysctl(&format!("ipv4/conf/{interface}/{key}")).unwrap()));
        }
    }
    let link = node.ip("-d link show dev eth0").unwrap();
    all.push(link.lines().filter(|line| line.contains("xdp")).collect());
    all
}

fn is_attached(bed: &Bed, name: &str) -> bool {
    bed.node(name).ip("-d link show dev eth0").unwrap().contains("decapsulator")
}

fn up_check_down(method: Method) {
    let services = [tcp(80, "rr", &[("s1", method, 1)])];
    let Some(mut bed) = Bed::bare(&Shape::new(Topology::OneArmed).servers(1)) else { return };
    let before = settings(&bed, "s1");
    bed.run(&services);
    let ready = settings(&bed, "s1");
    assert!(ready != before && bed.vips.iter().all(|vip| ready[0].contains(&vip.to_string())), "{ready:?}");
    assert_eq!(is_attached(&bed, "s1"), method == Method::Tun);
    let checked = bed.realserver("s1", "check", method);
    succeeded(&checked);
    let said = text(&checked.stdout);
    assert!(said.lines().all(|line| line.starts_with("ok ")), "{said}");
    assert!(said.contains("02:00:00:00:02:02") && said.contains("it should be the director"), "{said}");
    for target in bed.targets(80) {
        assert_shares(&bed.requests(target, 5), &[("s1", 5)]);
    }
    // Done again it changes nothing.
    succeeded(&bed.realserver("s1", "up", method));
    assert_eq!(settings(&bed, "s1"), ready);
    for target in bed.targets(80) {
        assert_shares(&bed.requests(target, 5), &[("s1", 5)]);
    }
    succeeded(&bed.realserver("s1", "down", method));
    assert_eq!(settings(&bed, "s1"), before);
    for target in bed.targets(80) {
        let load = Load { timeout: std::time::Duration::from_millis(500), ..Load::new(target) };
        assert_eq!(load.requests(1).run(bed.client()).unwrap().ok, 0, "{target}: it still takes the VIP's packets");
    }
    let again = bed.realserver("s1", "down", method);
    assert_eq!((again.status.code(), settings(&bed, "s1")), (Some(0), before));
}

#[test]
fn up_check_and_down_for_dr() {
    up_check_down(Method::Dr);
}

#[test]
fn up_check_and_down_for_tun() {
    up_check_down(Method::Tun);
}

#[test]
fn a_vip_that_is_not_hidden_is_found() {
    let servers = [("s1", Method::Dr, 1), ("s2", Method::Dr, 1)];
    let Some(bed) = Bed::start(&Shape::new(Topology::OneArmed).servers(2), &[tcp(80, "rr", &servers)]) else { return };
    let vip = bed.vips[0].to_string();
    for interface in ["all", "eth0"] {
        bed.node("s1").set_sysctl(&format!("ipv4/conf/{interface}/arp_ignore"), "0").unwrap();
    }
    // On the server itself, by its settings.
    let here = bed.realserver("s1", "check", Method::Dr);
    assert_eq!(here.status.code(), Some(1), "{here:?}");
    let said = text(&here.stdout);
    let wrong: Vec<&str> = said.lines().filter(|line| line.starts_with("error")).collect();
    let [line] = wrong[..] else { panic!("{said}") };
    assert!(line.contains("eth0: arp_ignore is 0") && line.contains(&vip), "{line}");
    let remedy = format!("relvs realserver up --method dr --vip {vip}");
    assert!(line.contains(&remedy) && line.contains("sysctl -w net/ipv4/conf/eth0/arp_ignore=1"), "{line}");
    // On another server, by its answer: two claim the VIP, and the server is among them.
    let there = bed.realserver("s2", "check", Method::Dr);
    assert_eq!(there.status.code(), Some(1), "{there:?}");
    let said = text(&there.stdout);
    let server = said.lines().find(|line| line.contains("02:00:00:00:02:0b")).unwrap_or_else(|| panic!("{said}"));
    assert!(server.starts_with("error") && server.contains(&vip) && server.contains(&remedy), "{server}");
    // And on a host of the link that is neither, such as the clients' router.
    let router = bed.node("r").run(RELVS, ["realserver", "check", "--vip", &vip, "--interface", "eth1"]).unwrap();
    assert!(router.status.code() == Some(1) && text(&router.stdout).contains("02:00:00:00:02:0b"), "{router:?}");
    // The remedy helps.
    succeeded(&bed.realserver("s1", "up", Method::Dr));
    for name in ["s1", "s2"] {
        succeeded(&bed.realserver(name, "check", Method::Dr));
    }
}

#[test]
fn a_missing_decapsulator_is_found() {
    let servers = [("s1", Method::Tun, 1)];
    let Some(bed) = Bed::start(&Shape::new(Topology::OneArmed).servers(1), &[tcp(80, "rr", &servers)]) else { return };
    bed.node("s1").ip("address del 192.0.2.100/32 dev lo").unwrap();
    let checked = bed.realserver("s1", "check", Method::Tun);
    assert_eq!(checked.status.code(), Some(1));
    let said = text(&checked.stdout);
    let gone =
        |line: &str| line.starts_with("error") && line.contains("192.0.2.100 was set up here but is gone from lo");
    assert!(said.lines().any(gone), "{said}");
    succeeded(&bed.realserver("s1", "up", Method::Tun));
    succeeded(&bed.realserver("s1", "check", Method::Tun));
    // As for DR, nothing unpacks for it.
    succeeded(&bed.realserver("s1", "up", Method::Dr));
    assert!(!is_attached(&bed, "s1"));
    let checked = bed.realserver("s1", "check", Method::Tun);
    assert_eq!(checked.status.code(), Some(1));
    assert!(text(&checked.stdout).contains("no decapsulator for 192.0.2.100"), "{checked:?}");
}
