//! Virtual servers without virtual routers: methods, checks, groups, marks.

use super::{PACE, script, server, start, told, up};
use crate::bed::{Bed, assert_shares, until};
use crate::configuration::{rip, tcp};
use relvs_lab::{Shape, Topology, traffic::UdpExchange};
use relvs_model::Method;
use std::{
    fs,
    net::{IpAddr, SocketAddr},
    process::{Command, Stdio},
};

fn dr() -> Shape {
    Shape::new(Topology::OneArmed).servers(3)
}

fn reached_by(method: Method) -> [crate::configuration::Service; 1] {
    [tcp(80, "rr", &[("s1", method, 1), ("s2", method, 1), ("s3", method, 1)])]
}

/// The MD5 of a text, as genhash prints it.
fn digest(text: &str) -> String {
    use std::io::Write as _;
    let mut child = Command::new("md5sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..32].to_owned()
}

#[test]
fn nat_with_tcp_checks_and_a_sorry_server() {
    let conf = |bed: &Bed| {
        let [vip, _] = bed.vips;
        let servers: String = ["s1", "s2"].map(|name| server(bed, name, vip, "weight 1\n TCP_CHECK {\n }")).concat();
        let sorry = rip(&bed.lab, "s3", vip);
        format!(
            "! a pair behind one address\nglobal_defs {{\n router_id LVS_1\n lvs_sync_daemon eth0 VI_1\n}}\n\
             virtual_server {vip} 80 {{\n {PACE} lb_algo rr\n lb_kind NAT\n nat_mask 255.255.255.0\n protocol TCP\n \
             sorry_server {sorry} 80\n{servers}}}\n"
        )
    };
    let shape = Shape::new(Topology::TwoArmed);
    let Some(bed) = start(&shape, &reached_by(Method::Nat), "", conf) else { return };
    let log = bed.director.log();
    // What it does not do it says once, where it stands, and why.
    assert!(log.contains("keepalived.conf:4:2: warning: `lvs_sync_daemon` does nothing here"), "{log}");
    assert!(log.contains("interfaces that are served"), "{log}");
    let target = bed.targets(80)[0];
    until("both servers were asked", || up(&bed) == [true, true]);
    assert_shares(&bed.requests(target, 20), &[("s1", 10), ("s2", 10)]);
    bed.lab.unplug("s1").unwrap();
    until("s1 is down", || up(&bed) == [false, true]);
    assert_shares(&bed.requests(target, 20), &[("s2", 20)]);
    bed.lab.unplug("s2").unwrap();
    until("s2 is down", || up(&bed) == [false, false]);
    assert_shares(&bed.requests(target, 20), &[("s3", 20)]);
    bed.lab.plug("s1").unwrap();
    until("s1 is back", || up(&bed) == [true, false]);
    assert_shares(&bed.requests(target, 20), &[("s1", 20)]);
}

#[test]
fn dr_with_http_checks_by_digest_and_status() {
    let conf = |bed: &Bed| {
        let [vip, _] = bed.vips;
        // Every server answers its name.
        let get = |name: &str, said: &str| {
            let lines = format!("HTTP_GET {{\n url {{\n path /who\n digest {}\n }}\n }}", digest(said));
            server(bed, name, vip, &lines)
        };
        let status = server(bed, "s3", vip, "HTTP_GET {\n url {\n path /bytes/10\n status_code 200\n }\n }");
        format!(
            "virtual_server {vip} 80 {{\n {PACE} lvs_sched rr\n lvs_method DR\n protocol TCP\n{}{}{status}}}\n",
            get("s1", "s1\n"),
            get("s2", "something else\n"),
        )
    };
    let Some(bed) = start(&dr(), &reached_by(Method::Dr), "", conf) else { return };
    until("the server with another page is down", || up(&bed) == [true, false, true]);
    assert_shares(&bed.requests(bed.targets(80)[0], 20), &[("s1", 10), ("s3", 10)]);
}

#[test]
fn misc_checks_weights_and_scripts_with_their_arguments() {
    let conf = |bed: &Bed| {
        let [vip, _] = bed.vips;
        let directory = bed.lab.directory().display().to_string();
        // 0 is well, 1 is not, and more is a weight and two.
        let check = script(bed, "check", &format!("exit $(cat {directory}/code-$1)"));
        let tell = script(bed, "tell", &format!("echo \"$*\" >> {directory}/told"));
        let (check, tell) = (check.display(), tell.display());
        for (name, code) in [("s1", 0), ("s2", 5)] {
            fs::write(format!("{directory}/code-{name}"), code.to_string()).unwrap();
        }
        let servers = ["s1", "s2"].map(|name| {
            let lines = format!(
                "weight 1\n inhibit_on_failure\n notify_up \"{tell} {name} up\"\n notify_down \"{tell} '{name} is' down\"\n \
                 MISC_CHECK {{\n misc_path \"{check} {name}\"\n misc_timeout 10\n misc_dynamic\n user root\n }}"
            );
            server(bed, name, vip, &lines)
        });
        format!(
            "global_defs {{\n enable_script_security\n script_user root\n}}\n\
             virtual_server {vip} 80 {{\n {PACE} lb_algo wrr\n lb_kind DR\n protocol TCP\n quorum 4\n \
             quorum_up \"{tell} quorum up\"\n quorum_down \"{tell} quorum down\"\n{}}}\n",
            servers.concat()
        )
    };
    let Some(bed) = start(&dr(), &reached_by(Method::Dr), "", conf) else { return };
    let directory = bed.lab.directory();
    let target = bed.targets(80)[0];
    let weights = || -> Vec<u32> { bed.status().services[0].servers.iter().map(|server| server.weight).collect() };
    until("the scripts say the weights", || weights() == [1, 3]);
    assert_shares(&bed.requests(target, 20), &[("s1", 5), ("s2", 15)]);
    fs::write(directory.join("code-s2"), "1").unwrap();
    until("s2 gets nothing", || weights() == [1, 0]);
    assert_shares(&bed.requests(target, 10), &[("s1", 10)]);
    fs::write(directory.join("code-s2"), "5").unwrap();
    until("s2 is back", || weights() == [1, 3]);
    let of = |subject: &str| {
        let mut lines = told(&directory.join("told"));
        lines.retain(|line| line.starts_with(subject));
        lines
    };
    until("s2's scripts have run", || of("s2") == ["s2 is down", "s2 up"]);
    until("the service's scripts have run", || {
        of("quorum").ends_with(&["quorum down".to_owned(), "quorum up".to_owned()])
    });
    assert_eq!(of("s1"), [""; 0]);
}

#[test]
fn groups_of_addresses_and_definitions_share_servers() {
    let conf = |bed: &Bed| {
        let [vip, _] = bed.vips;
        let (other, _) = bed.lab.plan().vip(1);
        bed.lab.add_vip("d1", other).unwrap();
        let included = format!("real_server {} 0 {{\n weight 1\n}}\n", rip(&bed.lab, "s3", vip));
        bed.lab.write_file("servers-3.conf", &included).unwrap();
        let rips = rip(&bed.lab, "s1", vip).to_string();
        let (network, last) = rips.rsplit_once('.').unwrap();
        let next = last.parse::<u8>().unwrap() + 1;
        format!(
            "$NETWORK={network}\n$BACKEND= \\\n real_server ${{NETWORK}}.${{LAST}} 80 {{ \\\n weight 1 \\\n TCP_CHECK {{ \\\n }} \\\n }}\n\
             virtual_server_group G {{\n {vip} 80\n {other} 81\n}}\n\
             virtual_server group G {{\n {PACE} lb_algo rr\n lb_kind NAT\n protocol TCP\n persistence_timeout 50\n \
             ~SEQ(LAST,{last},{next}) $BACKEND\n include servers-*.conf\n}}\n"
        )
    };
    let shape = Shape::new(Topology::TwoArmed);
    let Some(bed) = start(&shape, &reached_by(Method::Nat), "", conf) else { return };
    let status = bed.status();
    assert_eq!(status.services.len(), 2, "{status:?}");
    for service in &status.services {
        assert_eq!(service.servers.len(), 3, "{service:?}");
    }
    let targets = [bed.targets(80)[0], SocketAddr::new(bed.lab.plan().vip(1).0, 81)];
    for target in targets {
        let report = bed.requests(target, 6);
        assert_eq!(report.servers.len(), 1, "a client stays with its server: {report}");
    }
}

#[test]
fn marks_by_rules_that_stand_beside() {
    let family: fn(&Bed) -> [IpAddr; 2] = |bed| [bed.vips[0], bed.lab.plan().vip(1).0];
    let Some(bed) = Bed::bare(&Shape::new(Topology::TwoArmed)) else { return };
    let [vip, other] = family(&bed);
    drop(bed);
    let rules = format!(
        "\n[[rule]]\nmark = 7\ndestination = [\"{vip}\", \"{other}\"]\nprotocol = \"tcp\"\nports = [80, \"81-82\"]\n\
         \n[[rule]]\nmark = 7\ndestination = \"{vip}\"\nprotocol = \"udp\"\nports = 53\n"
    );
    let conf = |bed: &Bed| {
        let [vip, other] = family(bed);
        bed.lab.add_vip("d1", other).unwrap();
        let servers: String =
            ["s1", "s2"].map(|name| server(bed, name, vip, "TCP_CHECK {\n connect_port 80\n }")).concat();
        let servers = servers.replace(" 80 {\n", " 0 {\n");
        format!("virtual_server fwmark 7 {{\n {PACE} lb_algo rr\n lb_kind NAT\n{servers}}}\n")
    };
    let shape = Shape::new(Topology::TwoArmed);
    let Some(bed) = start(&shape, &reached_by(Method::Nat), &rules, conf) else { return };
    until("both servers were asked", || up(&bed) == [true, true]);
    for target in [SocketAddr::new(vip, 80), SocketAddr::new(other, 81)] {
        assert_shares(&bed.requests(target, 10), &[("s1", 5), ("s2", 5)]);
    }
    let report = UdpExchange::new(SocketAddr::new(vip, 53), 6).run(bed.client()).unwrap();
    assert_shares(&report, &[("s1", 3), ("s2", 3)]);
}

#[test]
fn ipv6_and_udp() {
    let conf = |bed: &Bed| {
        let [four, six] = bed.vips;
        let of = |vip: IpAddr, lines: &str| ["s1", "s2"].map(|name| server(bed, name, vip, lines)).concat();
        format!(
            "virtual_server {six} 80 {{\n {PACE} lb_algo wlc\n lb_kind DR\n protocol TCP\n{}}}\n\
             virtual_server {four} 53 {{\n {PACE} lb_algo rr\n lb_kind DR\n protocol UDP\n ops\n{}}}\n",
            of(six, "TCP_CHECK {\n }"),
            of(four, "MISC_CHECK {\n misc_path /bin/true\n }").replace(" 80 {\n", " 53 {\n"),
        )
    };
    let Some(bed) = start(&dr(), &reached_by(Method::Dr), "", conf) else { return };
    until("all servers were asked", || up(&bed) == [true; 4]);
    assert_eq!(bed.requests(bed.targets(80)[1], 20).servers.len(), 2);
    let report = UdpExchange::new(bed.targets(53)[0], 6).run(bed.client()).unwrap();
    assert_shares(&report, &[("s1", 3), ("s2", 3)]);
    bed.lab.unplug("s2").unwrap();
    until("s2 is down", || up(&bed)[..2] == [true, false]);
    assert_shares(&bed.requests(bed.targets(80)[1], 10), &[("s1", 10)]);
}

#[test]
fn an_interface_that_is_needed_later_is_served_then() {
    let conf = |bed: &Bed| {
        let d1 = bed.node("d1");
        let (address, inside) = (bed.lab.plan().segment("lan").unwrap().host(2).0, &d1.ports()[1].interface);
        d1.ip(&format!("addr del {address}/24 dev {inside}")).unwrap();
        let servers = ["s1", "s2"].map(|name| server(bed, name, bed.vips[0], "weight 1")).concat();
        format!("virtual_server {} 80 {{\n lb_algo rr\n lb_kind NAT\n protocol TCP\n{servers}}}\n", bed.vips[0])
    };
    let Some(bed) = start(&Shape::new(Topology::TwoArmed), &reached_by(Method::Nat), "", conf) else { return };
    let served = || -> Vec<String> { bed.status().interfaces.into_iter().map(|interface| interface.name).collect() };
    assert_eq!(served(), ["eth0"]);
    bed.node("d1").ip(&format!("addr add {}/24 dev eth1", bed.lab.plan().segment("lan").unwrap().host(2).0)).unwrap();
    until("the servers' interface is served", || served() == ["eth0", "eth1"]);
    bed.all_ready();
    assert_shares(&bed.requests(bed.targets(80)[0], 10), &[("s1", 5), ("s2", 5)]);
    assert!(!bed.status().changed);
}
