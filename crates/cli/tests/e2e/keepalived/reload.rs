//! SIGHUP with keepalived.conf: whole or not at all, and nothing else moves.

use super::{PACE, server, start, up, write};
use crate::bed::{Bed, assert_shares, until};
use crate::configuration::tcp;
use relvs_lab::{Shape, Topology};
use relvs_model::Method;

fn conf(bed: &Bed, weight: u32, more: &str) -> String {
    let [vip, six] = bed.vips;
    let of = |vip, weight| {
        let lines = format!("weight {weight}\n TCP_CHECK {{\n }}");
        server(bed, "s1", vip, "weight 1\n TCP_CHECK {\n }") + &server(bed, "s2", vip, &lines)
    };
    format!(
        "virtual_server {vip} 80 {{\n {PACE} lb_algo wrr\n lb_kind DR\n protocol TCP\n{}}}\n\
         virtual_server {six} 80 {{\n {PACE} lb_algo wrr\n lb_kind DR\n protocol TCP\n{}}}\n{more}",
        of(vip, weight),
        of(six, 1)
    )
}

#[test]
fn a_bad_file_changes_nothing_and_a_good_one_what_it_changes() {
    let like = [tcp(80, "wrr", &[("s1", Method::Dr, 1), ("s2", Method::Dr, 1)])];
    let shape = Shape::new(Topology::OneArmed).servers(2);
    // What keepalived goes on without at the start is no reason to refuse the next file.
    let Some(bed) = start(&shape, &like, "", |bed| conf(bed, 1, "lb_alog rr\n")) else { return };
    assert!(bed.director.log().contains("error: unknown keyword `lb_alog`"), "{}", bed.director.log());
    until("all servers were asked", || up(&bed) == [true; 4]);
    let target = bed.targets(80)[0];
    assert_shares(&bed.requests(target, 10), &[("s1", 5), ("s2", 5)]);

    let before = bed.status();
    let wrong = [
        ("virtual_server 192.0.2.1 80 {\n", "this block is never closed"),
        ("global_defs {\n rooter_id X\n}\n", "unknown keyword `rooter_id`"),
        ("include_check\ninclude none.conf\n", "none.conf"),
        ("$A=$A\n$A\n", "A"),
    ];
    for (more, why) in wrong {
        write(&bed, &conf(&bed, 3, more));
        let log = bed.hangup();
        assert!(log.contains("the configuration was refused") && log.contains(why), "{more}: {log}");
        let place = format!("{}:", bed.lab.directory().join("keepalived.conf").display());
        assert!(log.contains(&place) && log.contains(": error: "), "{more}: {log}");
        let after = bed.status();
        assert_eq!((after.revision, after.services.len()), (before.revision, 2));
        let weights = |status: &relvs_api::Status| -> Vec<u32> {
            status.services.iter().flat_map(|service| &service.servers).map(|server| server.weight).collect()
        };
        assert_eq!(weights(&after), weights(&before), "{more}");
    }
    std::fs::remove_file(bed.lab.directory().join("keepalived.conf")).unwrap();
    let log = bed.hangup();
    assert!(log.contains("the configuration was refused"), "{log}");

    write(&bed, &conf(&bed, 3, "lb_alog rr\n"));
    let log = bed.hangup();
    assert!(log.contains("configuration read again"), "{log}");
    let applied: Vec<&str> = log.lines().filter(|line| line.contains("applied: ")).collect();
    assert!(applied.len() == 2 && applied[1].contains("weight 1 -> 3"), "{log}");
    assert!(!log.contains("lb_alog"), "it was said at the start: {log}");
    assert_shares(&bed.requests(target, 20), &[("s1", 5), ("s2", 15)]);
    assert_eq!(up(&bed), [true; 4]);
}

/// What `at` reloads have made of a file: one thing is otherwise than before, and each tenth file is broken.
fn changing(bed: &Bed, at: usize) -> (String, bool) {
    let [vip, _] = bed.vips;
    let interface = &bed.node("d1").ports()[0].interface;
    let other = bed.lab.plan().vip(1).0;
    let step = |every: usize| at / every % 2 == 1;
    let scheduler = if step(1) { "wlc" } else { "wrr" };
    let weight = if step(2) { 3 } else { 1 };
    let more = if step(4) { server(bed, "s2", other, "weight 1\n TCP_CHECK {\n }") } else { String::new() };
    let excluded = if step(8) { " virtual_ipaddress_excluded {\n 192.0.2.77/32\n }\n" } else { "" };
    let broken = at % 10 == 9;
    let wrong =
        ["vrrp_instance V {\n", "foo bar\n", "virtual_server 192.0.2.1 x {\n}\n", "include_check\ninclude none\n"];
    let wrong = if broken { wrong[at / 10 % wrong.len()] } else { "" };
    let servers = ["s1", "s2"].map(|name| server(bed, name, vip, "weight 1\n TCP_CHECK {\n }")).concat();
    let instance = |name: &str, id: u8, address: std::net::IpAddr, more: &str| {
        format!(
            "vrrp_instance {name} {{\n state MASTER\n interface {interface}\n virtual_router_id {id}\n priority 100\n version 3\n \
             advert_int 1\n virtual_ipaddress {{\n {address}/24\n }}\n{more}}}\n"
        )
    };
    let text = format!(
        "{}{}virtual_server {vip} 80 {{\n {PACE} lb_algo rr\n lb_kind DR\n protocol TCP\n{servers}}}\n\
         virtual_server {other} 80 {{\n {PACE} lb_algo {scheduler}\n lb_kind DR\n protocol TCP\n{}{more}}}\n{wrong}",
        instance("VI_1", 51, vip, ""),
        instance("VI_2", 52, other, excluded),
        server(bed, "s1", other, &format!("weight {weight}\n TCP_CHECK {{\n }}")),
    );
    (text, broken)
}

/// Memory of a process's own, in KiB.
fn own_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// So much more memory may be in use after many reloads, in KiB.
const GROWTH_KIB: u64 = 4_000;

#[test]
fn many_reloads_under_load_touch_nothing_else() {
    let reloads: usize = std::env::var("RELVS_RELOADS").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let like = [tcp(80, "rr", &[("s1", Method::Dr, 1), ("s2", Method::Dr, 1)])];
    let Some(bed) = start(&Shape::new(Topology::OneArmed).servers(2), &like, "", |bed| {
        for vip in bed.vips {
            bed.lab.remove_vip("d1", vip).unwrap();
        }
        changing(bed, 0).0
    }) else {
        return;
    };
    let vip = bed.vips[0];
    let d1 = bed.node("d1");
    let addresses = || d1.ip("-oneline addr show").unwrap();
    until("the addresses are there", || {
        addresses().contains(&format!(" {vip}/")) && addresses().contains(&format!(" {}/", bed.lab.plan().vip(1).0))
    });
    until("the servers were asked", || up(&bed) == [true; 3]);
    bed.requests(bed.targets(80)[0], 4);
    let before = bed.status();
    let since = |status: &relvs_api::Status| -> Vec<u64> {
        let checks = status.checks.iter().find(|service| service.service.address() == Some(vip)).unwrap();
        checks.servers.iter().map(|server| server.since_ms).collect()
    };
    let mut monitor = std::process::Command::new("ip");
    monitor.args(["-oneline", "monitor", "address"]);
    let monitor = d1.start(monitor).unwrap();
    let load = relvs_lab::traffic::Load::new(bed.targets(80)[0]).time(std::time::Duration::from_secs(600));
    let load = load.rate(100, 2).start(bed.client()).unwrap();
    let client = relvs_api::Client::new(&bed.run_dir());
    let daemon = bed.director.process().unwrap().pid();
    let (mut refused, mut settled) = (0, 0);
    for at in 1..=reloads {
        let (text, broken) = changing(&bed, at);
        write(&bed, &text);
        match client.reload() {
            Err(error) => {
                refused += 1;
                assert!(broken && error.to_string().contains("keepalived.conf:"), "{at}: {error}");
            }
            Ok(plan) => assert!(!broken && !plan.is_empty(), "{at}: {plan}"),
        }
        if at == reloads / 5 {
            settled = own_memory(daemon);
        }
    }
    let memory = own_memory(daemon);
    let report = load.stop().unwrap();
    println!("{reloads} reloads, {refused} refused; {settled} to {memory} KiB; {report}");
    assert_eq!(refused, reloads / 10);
    assert!(report.failed() == 0 && report.ok > 0, "{report}");
    assert!(memory < settled + GROWTH_KIB, "{settled} to {memory} KiB");
    let flickered: Vec<String> =
        monitor.output().lines().filter(|line| line.contains(&format!(" {vip}/"))).map(str::to_owned).collect();
    assert_eq!(flickered, [""; 0]);
    // The monitor did watch.
    assert!(reloads < 8 || monitor.output().contains(" 192.0.2.77/32"), "{}", monitor.output());
    assert_eq!(since(&bed.status()), since(&before), "nobody was down");
    let log = bed.director.log();
    assert!(!log.contains("is down"), "{log}");
    assert_eq!(log.matches("INSTANCE \"VI_1\" MASTER").count(), 1, "{log}");
}
