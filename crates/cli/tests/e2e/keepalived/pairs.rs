//! Pairs of directors: one of them relvs, the other relvs too, or keepalived, by the same file.

use super::{PACE, SETTINGS, script, server, told};
use crate::bed::{Bed, RELVS, assert_shares, until};
use crate::configuration::tcp;
use relvs_lab::{
    Node, Process, Shape, Topology,
    director::Director,
    traffic::{Serve, Server},
};
use relvs_model::Method;
use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
};

/// `d1` runs relvs, `d2` whatever the test starts there; both by one file, in which `@main` and `@spare` lines differ.
pub(super) struct Pair {
    other: Option<Other>,
    pub(super) bed: Bed,
    conf: PathBuf,
    _page: Server,
}

enum Other {
    Keepalived(Process),
    Relvs(Director),
}

impl Pair {
    /// Nothing runs yet, and nobody has the VIPs.
    pub(super) fn new(shape: &Shape, method: Method, conf: impl FnOnce(&Bed) -> String) -> Option<Self> {
        let mut bed = Bed::bare(&shape.clone().directors(2))?;
        for vip in bed.vips {
            bed.lab.remove_vip("d1", vip).unwrap();
        }
        bed.prepare(&[tcp(80, "rr", &[("s1", method, 1), ("s2", method, 1)])]);
        let conf = super::write(&bed, &conf(&bed));
        bed.director = director(&bed, "d1", "main", &conf);
        // What d2 has the VIP for where it forwards nothing.
        let page = Server::start(bed.node("d2"), Serve::new("d2").http(80)).unwrap();
        Some(Pair { other: None, bed, conf, _page: page })
    }

    pub(super) fn start_relvs(&mut self) {
        self.bed.director.start().unwrap();
    }

    pub(super) fn start_keepalived(&mut self) {
        let at = |name: &str| self.bed.lab.directory().join(name).display().to_string();
        let mut command = Command::new("keepalived");
        command.args(["--dont-fork", "--log-console", "--log-detail", "--vrrp", "--config-id", "spare"]);
        command.args(["--use-file", &self.conf.display().to_string(), "--pid", &at("ka.pid")]);
        command.args(["--vrrp_pid", &at("ka-vrrp.pid")]);
        self.other = Some(Other::Keepalived(self.bed.node("d2").start(command).unwrap()));
    }

    pub(super) fn start_second_relvs(&mut self) {
        let mut second = director(&self.bed, "d2", "spare", &self.conf);
        second.start().unwrap();
        self.other = Some(Other::Relvs(second));
    }

    /// Ends what runs on d2, in good order.
    pub(super) fn end_other(&mut self) {
        match self.other.take() {
            Some(Other::Keepalived(process)) => {
                // Its child is told by it.
                process.signal(nix::sys::signal::Signal::SIGTERM).unwrap();
                let mut process = process;
                process.wait(crate::bed::PATIENCE).unwrap();
            }
            Some(Other::Relvs(mut second)) => assert!(second.terminate().unwrap().success()),
            None => {}
        }
    }

    /// What both said, for messages.
    pub(super) fn logs(&self) -> String {
        let other = match &self.other {
            Some(Other::Keepalived(process)) => process.output(),
            Some(Other::Relvs(second)) => second.log(),
            None => String::new(),
        };
        format!("main:\n{}\nspare:\n{other}", self.bed.director.log())
    }

    pub(super) fn has(&self, name: &str, address: IpAddr) -> bool {
        has(self.bed.node(name), address)
    }

    /// Waits until one has the address and the other has not.
    #[track_caller]
    pub(super) fn is_at(&self, name: &str, address: IpAddr) {
        let other = if name == "d1" { "d2" } else { "d1" };
        let deadline = std::time::Instant::now() + crate::bed::PATIENCE;
        while !self.has(name, address) || self.has(other, address) {
            assert!(std::time::Instant::now() < deadline, "{address} is not at {name}: {}", self.logs());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// What the scripts of one were told.
    fn told(&self, id: &str) -> Vec<String> {
        told(&self.bed.lab.directory().join(format!("told-{id}")))
    }
}

fn has(node: &Node, address: IpAddr) -> bool {
    node.ip("-oneline addr show").unwrap().contains(&format!(" {address}/"))
}

fn director(bed: &Bed, name: &str, id: &str, conf: &Path) -> Director {
    let settings = bed.lab.write_file("settings.toml", SETTINGS).unwrap().display().to_string();
    let arguments = ["--config", &conf.display().to_string(), "--settings", &settings, "--config-id", id];
    Director::new(&bed.lab, name, Path::new(RELVS)).unwrap().arguments(arguments)
}

/// Lines that tell whom this is about, and with which arguments.
fn telling(bed: &Bed) -> String {
    let directory = bed.lab.directory().display().to_string();
    let tell = script(bed, "tell", &format!("id=$1; shift; echo \"$*\" >> {directory}/told-$id"));
    let tell = tell.display();
    ["master", "backup", "fault", "stop"]
        .map(|state| format!(" notify_{state} \"{tell} ${{_INSTANCE}} {state}\"\n"))
        .concat()
        + &format!(" notify \"{tell} ${{_INSTANCE}} any\"\n")
}

pub(super) fn interface(bed: &Bed, at: usize) -> String {
    bed.node("d1").ports()[at].interface.clone()
}

/// A virtual router's head; the main one has more priority.
pub(super) fn instance(name: &str, interface: &str, id: u8, lines: &str) -> String {
    format!(
        "vrrp_instance {name} {{\n@main state MASTER\n@spare state BACKUP\n interface {interface}\n virtual_router_id {id}\n\
         @main priority 150\n@spare priority 100\n{lines}}}\n"
    )
}

pub(super) const GLOBAL: &str = "global_defs {\n router_id LVS\n script_user root\n enable_script_security\n}\n";

pub(super) fn service(bed: &Bed, vip: IpAddr, kind: &str) -> String {
    let servers = ["s1", "s2"].map(|name| server(bed, name, vip, "weight 1\n TCP_CHECK {\n }")).concat();
    format!("virtual_server {vip} 80 {{\n {PACE} lb_algo rr\n lb_kind {kind}\n protocol TCP\n{servers}}}\n")
}

/// Waits until requests are answered by exactly these.
#[track_caller]
pub(super) fn served_by(bed: &Bed, vip: IpAddr, servers: &[(&str, u64)]) {
    let target = SocketAddr::new(vip, 80);
    let count = servers.iter().map(|(_, count)| count).sum();
    // Neighbours hear of the change by a gratuitous ARP, and checks find one server after the other: both take their time.
    let names: Vec<&str> = servers.iter().map(|(name, _)| *name).collect();
    until(&format!("{vip} is answered by {servers:?}"), || {
        let report = relvs_lab::traffic::Load::new(target).requests(2).run(bed.client()).unwrap();
        report.ok == 2 && report.servers.keys().eq(&names)
    });
    assert_shares(&bed.requests(target, count), servers);
}

#[test]
fn a_dr_pair_with_keepalived_and_its_scripts() {
    let conf = |bed: &Bed| {
        let (vip, interface) = (bed.vips[0], interface(bed, 0));
        let lines = format!(
            " advert_int 1\n authentication {{\n auth_type PASS\n auth_pass 1111\n }}\n virtual_ipaddress {{\n \
             {vip}/24 dev {interface} label {interface}:1\n }}\n{}",
            telling(bed)
        );
        format!("{GLOBAL}{}{}", instance("VI_1", &interface, 51, &lines), service(bed, vip, "DR"))
    };
    let Some(mut pair) = Pair::new(&Shape::new(Topology::OneArmed).servers(2), Method::Dr, conf) else { return };
    let vip = pair.bed.vips[0];
    pair.start_relvs();
    pair.start_keepalived();
    pair.is_at("d1", vip);
    served_by(&pair.bed, vip, &[("s1", 5), ("s2", 5)]);
    until("keepalived waits", || pair.told("spare").contains(&"any INSTANCE VI_1 BACKUP 100".to_owned()));

    assert!(pair.bed.director.terminate().unwrap().success());
    pair.is_at("d2", vip);
    served_by(&pair.bed, vip, &[("d2", 4)]);
    pair.start_relvs();
    pair.is_at("d1", vip);
    served_by(&pair.bed, vip, &[("s1", 5), ("s2", 5)]);
    pair.end_other();
    until("keepalived's last script has run", || pair.told("spare").contains(&"any INSTANCE VI_1 STOP 100".to_owned()));
    assert!(pair.has("d1", vip), "{}", pair.logs());

    // Each was told in the same words.
    assert!(pair.bed.director.terminate().unwrap().success());
    let words = |id: &str| -> std::collections::BTreeSet<String> {
        pair.told(id).into_iter().map(|line| line.replace("150", "100")).collect()
    };
    assert_eq!(words("main"), words("spare"), "{:?}\n{:?}", pair.told("main"), pair.told("spare"));
    let main = pair.told("main");
    assert!(
        main.contains(&"any INSTANCE VI_1 MASTER 150".to_owned()) && main.contains(&"master".to_owned()),
        "{main:?}"
    );
}

#[test]
fn a_nat_pair_in_a_sync_group_moves_as_one() {
    let conf = |bed: &Bed| {
        let (vip, outside, inside) = (bed.vips[0], interface(bed, 0), interface(bed, 1));
        let gateway = gateway(bed);
        let of = |address: String| {
            format!(" version 3\n advert_int 0.3\n nopreempt\n virtual_ipaddress {{\n {address}/24\n }}\n")
        };
        format!(
            "{GLOBAL}vrrp_sync_group G {{\n group {{\n OUT\n IN\n }}\n{}}}\n{}{}{}",
            telling(bed),
            instance("OUT", &outside, 51, &of(vip.to_string())),
            instance("IN", &inside, 52, &of(gateway.to_string())),
            service(bed, vip, "NAT")
        )
    };
    let shape = Shape::new(Topology::TwoArmed).servers(2);
    let Some(mut pair) = Pair::new(&shape, Method::Nat, conf) else { return };
    let (vip, gateway) = (pair.bed.vips[0], gateway(&pair.bed));
    for name in ["s1", "s2"] {
        pair.bed.node(name).ip(&format!("route replace default via {gateway}")).unwrap();
    }
    pair.start_relvs();
    pair.is_at("d1", vip);
    pair.start_second_relvs();
    pair.is_at("d1", gateway);
    served_by(&pair.bed, vip, &[("s1", 5), ("s2", 5)]);

    // One side is cut off: both addresses go.
    pair.bed.node("d1").set_link(&interface(&pair.bed, 1), false).unwrap();
    pair.is_at("d2", vip);
    pair.is_at("d2", gateway);
    served_by(&pair.bed, vip, &[("s1", 5), ("s2", 5)]);
    until("the group's scripts have run", || {
        pair.told("main").iter().any(|line| line.starts_with("any GROUP G FAULT"))
            && pair.told("spare").iter().any(|line| line.starts_with("any GROUP G MASTER"))
    });

    pair.bed.node("d1").set_link(&interface(&pair.bed, 1), true).unwrap();
    pair.end_other();
    pair.is_at("d1", vip);
    pair.is_at("d1", gateway);
    served_by(&pair.bed, vip, &[("s1", 5), ("s2", 5)]);
}

/// The servers' gateway, which moves between the directors.
pub(super) fn gateway(bed: &Bed) -> IpAddr {
    let (v4, _) = bed.lab.plan().segment("lan").unwrap().host(99);
    v4.into()
}

#[test]
fn a_script_that_fails_hands_over_to_keepalived() {
    let conf = |bed: &Bed| {
        let (vip, interface) = (bed.vips[0], interface(bed, 0));
        let file = bed.lab.directory().join("well").display().to_string();
        let check = script(bed, "check", &format!("test $1 = spare || test -e {file}"));
        bed.lab.write_file("well", "").unwrap();
        let lines = format!(
            " version 3\n advert_int 0.5\n virtual_ipaddress {{\n {vip}/24\n }}\n track_script {{\n chk\n }}\n{}",
            telling(bed)
        );
        format!(
            "{GLOBAL}vrrp_script chk {{\n script \"{} ${{_INSTANCE}}\"\n interval 1\n weight -80\n fall 1\n rise 1\n}}\n{}{}",
            check.display(),
            instance("VI_1", &interface, 51, &lines),
            service(bed, vip, "DR")
        )
    };
    let Some(mut pair) = Pair::new(&Shape::new(Topology::OneArmed).servers(2), Method::Dr, conf) else { return };
    let vip = pair.bed.vips[0];
    pair.start_relvs();
    pair.start_keepalived();
    pair.is_at("d1", vip);
    served_by(&pair.bed, vip, &[("s1", 5), ("s2", 5)]);
    std::fs::remove_file(pair.bed.lab.directory().join("well")).unwrap();
    pair.is_at("d2", vip);
    served_by(&pair.bed, vip, &[("d2", 4)]);
    until("relvs says so", || pair.told("main").contains(&"any INSTANCE VI_1 BACKUP 70".to_owned()));
    pair.bed.lab.write_file("well", "").unwrap();
    pair.is_at("d1", vip);
    served_by(&pair.bed, vip, &[("s1", 5), ("s2", 5)]);
}

#[test]
fn unicast_to_keepalived() {
    let conf = |bed: &Bed| {
        let (vip, interface) = (bed.vips[0], interface(bed, 0));
        let [one, two] = ["d1", "d2"].map(|name| bed.node(name).v4());
        let lines = format!(
            " version 3\n advert_int 0.5\n@main unicast_src_ip {one}\n@spare unicast_src_ip {two}\n unicast_peer {{\n\
             @main {two}\n@spare {one}\n }}\n virtual_ipaddress {{\n {vip}/24\n }}\n"
        );
        format!("{GLOBAL}{}{}", instance("VI_1", &interface, 51, &lines), service(bed, vip, "DR"))
    };
    let Some(mut pair) = Pair::new(&Shape::new(Topology::OneArmed).servers(2), Method::Dr, conf) else { return };
    let vip = pair.bed.vips[0];
    pair.start_keepalived();
    pair.is_at("d2", vip);
    pair.start_relvs();
    pair.is_at("d1", vip);
    served_by(&pair.bed, vip, &[("s1", 5), ("s2", 5)]);
    // The machine is gone, without a word.
    pair.bed.lab.unplug("d1").unwrap();
    until("keepalived has it", || pair.has("d2", vip));
    served_by(&pair.bed, vip, &[("d2", 4)]);
    pair.bed.lab.plug("d1").unwrap();
    pair.is_at("d1", vip);
    served_by(&pair.bed, vip, &[("s1", 5), ("s2", 5)]);
}

#[test]
fn ipv6_with_keepalived() {
    let conf = |bed: &Bed| {
        let (vip, interface) = (bed.vips[1], interface(bed, 0));
        let lines = format!(" advert_int 0.5\n virtual_ipaddress {{\n fe80::{}/64\n {vip}/64\n }}\n", 51);
        format!("{GLOBAL}{}{}", instance("VI_6", &interface, 51, &lines), service(bed, vip, "DR"))
    };
    let Some(mut pair) = Pair::new(&Shape::new(Topology::OneArmed).servers(2), Method::Dr, conf) else { return };
    let vip = pair.bed.vips[1];
    pair.start_relvs();
    pair.start_keepalived();
    pair.is_at("d1", vip);
    served_by(&pair.bed, vip, &[("s1", 5), ("s2", 5)]);
    assert!(pair.bed.director.terminate().unwrap().success());
    pair.is_at("d2", vip);
    served_by(&pair.bed, vip, &[("d2", 4)]);
    pair.start_relvs();
    pair.is_at("d1", vip);
    served_by(&pair.bed, vip, &[("s1", 5), ("s2", 5)]);
}
