//! What keywords mean: defaults as keepalived's, what comes from the block around, and what is said about mistakes.

use crate::files::{host, memory, said};
use relvs_config::keepalived::{Keepalived, Support, Verdict};
use relvs_model::{
    Method, Protocol, Scheduler, Service,
    health::{Check, HttpVersion, Probe, Script, ServerHealth, ServiceHealth},
    vrrp::{InitialState, Instance, TrackSource, Version},
};

fn read(text: &str) -> Keepalived {
    Keepalived::read(&memory(&[("k.conf", text)]), "k.conf", &host())
}

fn fine(text: &str) -> Keepalived {
    let read = read(text);
    let lines: Vec<String> = read.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(lines, Vec::<String>::new(), "{text}");
    read
}

fn faults(text: &str) -> Vec<String> {
    read(text).diagnostics.iter().map(ToString::to_string).collect()
}

fn health(service: &Service, server: usize) -> &ServerHealth {
    service.servers[server].health.as_deref().unwrap()
}

fn checks(service: &Service, server: usize) -> &[Check] {
    &health(service, server).checks
}

#[test]
fn a_service_has_keepaliveds_defaults() {
    let read = fine(
        "virtual_server 192.0.2.100 80 {\n lb_algo wrr\n lb_kind NAT\n protocol TCP\n real_server 10.0.0.11 8080 {\n TCP_CHECK {\n }\n }\n\
         real_server 10.0.0.12 {\n weight 3\n }\n}\n",
    );
    let [service] = read.state.services.as_slice() else { panic!("{:?}", read.state.services) };
    assert_eq!(service.key.to_string(), "192.0.2.100:80/tcp");
    assert_eq!((service.scheduler, service.persistence), (Scheduler::Wrr, None));
    assert_eq!(service.health.as_deref(), Some(&ServiceHealth::default()), "a service with checks has a quorum of 1");
    let servers: Vec<_> = service.servers.iter().map(|s| (s.port, s.weight, s.method)).collect();
    assert_eq!(servers, [(8080, 1, Method::Nat), (80, 3, Method::Nat)]);
    let timing = checks(service, 0)[0].timing;
    assert_eq!((timing.interval_ms, timing.warmup_ms, timing.timeout_ms), (60_000, 60_000, 5_000));
    assert_eq!((timing.fall, timing.rise, timing.retry_interval_ms, timing.alpha), (2, 1, 1_000, false));
    assert!(service.servers[1].health.is_none());
}

#[test]
fn what_a_block_says_counts_for_those_within() {
    let read = fine(
        "virtual_server 192.0.2.100 80 {\n lvs_sched mh\n mh-port\n lvs_method DR\n protocol UDP\n ops\n delay_loop 6\n retry 4\n connect_timeout 2.5\n\
         inhibit_on_failure\n alpha\n virtualhost www.example.org\n persistence_timeout\n persistence_granularity 255.255.255.0\n quorum 3\n hysteresis 1\n\
         quorum_up \"/bin/up 'a b'\" nobody nogroup\n sorry_server 10.0.0.99 80\n weight 7\n\
         real_server 10.0.0.11 80 {\n HTTP_GET {\n url {\n path /a\n status_code 200-204 301\n }\n url { path /b\n digest 9b3a0c85a887a256d6939da88aabd8cd\n virtualhost b }\n\
         connect_timeout 1\n fast_recovery\n }\n retry 2\n delay_before_retry 9\n inhibit_on_failure off\n uthreshold 9\n lvs_method TUN\n }\n\
         real_server 10.0.0.12 80 {\n weight 0\n DNS_CHECK { name example.org }\n MISC_CHECK { misc_path \"/bin/check x\"\n misc_dynamic }\n notify_down /bin/down }\n}\n",
    );
    let service = &read.state.services[0];
    assert_eq!((service.scheduler, service.one_packet), (Scheduler::Mh, true));
    assert_eq!(service.flags.names(Scheduler::Mh), ["mh-port"]);
    assert_eq!(service.persistence.map(|p| p.timeout_s), Some(360));
    let whole = service.health.as_deref().unwrap();
    assert_eq!((whole.quorum, whole.hysteresis), (3, 1));
    assert_eq!(
        whole.sorry.as_ref().map(|s| (s.address.to_string(), s.port, s.method)),
        Some(("10.0.0.99".into(), 80, Method::Dr))
    );
    let up = whole.quorum_up.as_ref().unwrap();
    assert_eq!(
        (up.command.as_slice(), up.user.as_deref()),
        (["/bin/up".to_owned(), "a b".to_owned()].as_slice(), Some("nobody"))
    );
    let (first, second) = (&service.servers[0], &service.servers[1]);
    assert_eq!((first.weight, first.method, first.upper_threshold), (7, Method::Tun, 9));
    assert_eq!((second.weight, second.method), (0, Method::Dr));
    assert_eq!((health(service, 0).inhibit_on_failure, health(service, 1).inhibit_on_failure), (false, true));
    // Two paths are two checks; what the server says counts for them, though it is said after them.
    let [a, b] = checks(service, 0) else { panic!() };
    let (Probe::Http(a_probe), Probe::Http(b_probe)) = (&a.probe, &b.probe) else { panic!() };
    assert_eq!((a_probe.path.as_str(), a_probe.host.as_deref()), ("/a", Some("www.example.org")));
    assert_eq!(
        (b_probe.path.as_str(), b_probe.host.as_deref(), a_probe.version),
        ("/b", Some("b"), HttpVersion::Http10)
    );
    assert_eq!(a_probe.status.iter().map(|s| (s.first, s.last)).collect::<Vec<_>>(), [(200, 204), (301, 301)]);
    assert_eq!((a.timing.fall, a.timing.retry_interval_ms, a.timing.interval_ms), (3, 9_000, 6_000));
    assert_eq!((a.timing.connect_timeout_ms, a.timing.alpha, a.timing.fast_recovery), (1_000, true, true));
    let [dns, misc] = checks(service, 1) else { panic!() };
    // The service's number of retries counts before a checker's own default.
    assert_eq!((dns.timing.fall, dns.timing.retry_interval_ms, dns.timing.timeout_ms), (5, 6_000, 2_500));
    let Probe::Misc(probe) = &misc.probe else { panic!() };
    assert_eq!((probe.dynamic, probe.script.timeout_ms, probe.script.command.len()), (true, 6_000, 2));
    assert_eq!(health(service, 1).notify_down, Some(Script::new(vec!["/bin/down".to_owned()])));
}

#[test]
fn checkers_have_defaults_of_their_own() {
    let timing = |checker: &str| {
        let text = format!(
            "virtual_server fwmark 7 {{\n lb_algo rr\n lvs_method DR\n real_server 10.0.0.1 80 {{\n {checker}\n }}\n}}\n"
        );
        let read = read(&text);
        let timing = checks(&read.state.services[0], 0)[0].timing;
        (timing.fall, timing.retry_interval_ms)
    };
    assert_eq!(timing("TCP_CHECK { }"), (2, 1_000));
    assert_eq!(timing("HTTP_GET { url { path / } }"), (2, 3_000));
    assert_eq!(timing("SSL_GET { url { path / } }"), (2, 3_000));
    assert_eq!(timing("DNS_CHECK { }"), (4, 60_000));
    assert_eq!(timing("MISC_CHECK { misc_path /bin/true }"), (1, 1_000));
    assert_eq!(timing("SMTP_CHECK { }"), (2, 1_000));
    assert_eq!(timing("UDP_CHECK { payload 0A 1 }"), (2, 1_000));
    assert_eq!(timing("PING_CHECK { retry 5 }"), (6, 1_000));
}

#[test]
fn checks_ask_the_port_that_is_written() {
    let read = read(
        "virtual_server fwmark 7 {\n lb_algo rr\n lb_kind DR\n real_server 10.0.0.1 80 {\n TCP_CHECK { }\n PING_CHECK { }\n }\n}\n",
    );
    let service = &read.state.services[0];
    let ports: Vec<Option<u16>> = checks(service, 0).iter().map(|check| check.target.port).collect();
    assert_eq!(
        (service.servers[0].port, ports),
        (0, vec![Some(80), None]),
        "packets go to the port that was asked for"
    );
}

#[test]
fn a_group_is_a_service_for_each_of_its_members() {
    let read = read(
        "virtual_server group G {\n lb_algo rr\n lb_kind DR\n protocol TCP\n quorum_up /bin/up\n real_server 10.0.0.1 80 {\n TCP_CHECK { }\n notify_up /bin/x\n }\n}\n\
         virtual_server_group G {\n 192.0.2.1-3 80\n 192.0.2.8/30 80\n fwmark 9\n}\n",
    );
    let keys: Vec<String> = read.state.services.iter().map(|service| service.key.to_string()).collect();
    assert_eq!(keys.len(), 8);
    assert_eq!(
        (keys[0].as_str(), keys[2].as_str(), keys[6].as_str()),
        ("192.0.2.1:80/tcp", "192.0.2.3:80/tcp", "192.0.2.11:80/tcp")
    );
    assert_eq!(keys[7], "mark 9");
    // Its scripts are run once.
    let scripts =
        read.state.services.iter().filter(|s| s.health.as_ref().is_some_and(|h| h.quorum_up.is_some())).count();
    let notified = read.state.services.iter().filter(|service| health(service, 0).notify_up.is_some()).count();
    assert_eq!((scripts, notified), (1, 1));
}

#[test]
fn what_is_missing_or_wrong_is_told_and_taken_as_by_keepalived() {
    let of = |inside: &str| {
        let text = format!("virtual_server 192.0.2.100 80 {{\n{inside}\n real_server 10.0.0.1 80 {{ }}\n}}\n");
        (read(&text).state.services, faults(&text))
    };
    let (services, lines) = of(" lb_algo rr");
    assert_eq!(services[0].key.protocol(), Some(Protocol::Udp));
    assert!(lines[0].contains("no protocol is said, so it is UDP"), "{lines:?}");
    let (services, lines) = of(
        " protocol TCP\n lb_algo loadbalance\n lb_kind dr\n nat_mask 255.255.255.0\n persistence_timeout 0\n delay_lop 6",
    );
    assert_eq!((services[0].scheduler, services[0].servers[0].method), (Scheduler::Wlc, Method::Nat));
    let at: Vec<&str> = lines.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(at, ["k.conf:1:1", "k.conf:3:10", "k.conf:4:10", "k.conf:5:2", "k.conf:6:22", "k.conf:7:2"]);
    assert!(
        lines[5].ends_with("unknown keyword `delay_lop` in virtual_server; did you mean `delay_loop`?"),
        "{}",
        lines[5]
    );
    let (services, lines) =
        of(" protocol TCP\n lb_algo rr\n real_server 10.0.0.1 80 { }\n quorum 2\n hysteresis 2\n lb_kind TUN type gue");
    assert_eq!((services[0].servers.len(), lines.len()), (1, 3));
    assert_eq!(
        faults("virtual_server 192.0.2.100 {\n lb_algo rr\n protocol TCP\n}\n").len(),
        1,
        "any port needs persistence"
    );
    let obsolete = read(
        "virtual_server 192.0.2.1 80 {\n lb_algo rr\n protocol TCP\n real_server 10.0.0.1 80 {\n HTTP_GET { nb_get_retry 7\n url { path / } }\n }\n}\n",
    );
    assert_eq!(checks(&obsolete.state.services[0], 0)[0].timing.fall, 8);
    assert_eq!(obsolete.remarks[0].support, Support::Obsolete("retry"));
}

#[test]
fn virtual_routers_have_keepaliveds_defaults_and_the_files() {
    let read = fine(
        "global_defs {\n vrrp_version 3\n vrrp_garp_master_repeat 2\n script_user nobody\n enable_script_security\n lvs_timeouts tcp 60 udp 9\n}\n\
         vrrp_script chk {\n script \"/bin/chk x\"\n interval 2\n weight -20\n fall 3\n}\n\
         vrrp_instance V1 {\n state MASTER\n interface eth0\n virtual_router_id 51\n priority 150\n advert_int 0.5\n virtual_ipaddress {\n 192.0.2.100/24 dev eth1 label eth1:1\n 192.0.2.101\n }\n\
         track_script {\n chk\n }\n track_interface {\n eth1 weight 10\n }\n unicast_src_ip 10.0.0.1\n unicast_peer {\n 10.0.0.2\n }\n notify /bin/n\n garp_master_delay 1\n}\n\
         vrrp_instance V2 {\n interface eth1\n virtual_router_id 52\n version 2\n authentication {\n auth_type PASS\n auth_pass secret\n }\n virtual_ipaddress { 10.0.0.100 }\n track_script { chk weight 5 reverse }\n}\n\
         vrrp_sync_group G {\n group {\n V1\n V2\n }\n sync_group_tracking_weight\n}\n",
    );
    let [one, two] = read.state.vrrp.instances.as_slice() else { panic!() };
    assert_eq!(
        (one.version, one.state, one.priority, one.advert_interval_ms),
        (Version::V3, InitialState::Master, 150, 500)
    );
    assert_eq!(
        (one.addresses.len(), one.addresses[0].prefix, one.addresses[0].interface.as_deref()),
        (2, Some(24), Some("eth1"))
    );
    assert_eq!((one.announcements.repeat, one.announcements.delay_ms, two.announcements.delay_ms), (2, 1_000, 5_000));
    assert_eq!(one.unicast.as_ref().map(|unicast| unicast.peers.len()), Some(1));
    let tracked = |at: usize| {
        read.state.vrrp.instances[at].track.iter().map(|t| (t.source.clone(), t.weight, t.reverse)).collect::<Vec<_>>()
    };
    let script = || TrackSource::Script("chk".into());
    assert_eq!(tracked(0), [(script(), -20, false), (TrackSource::Interface("eth1".into()), 10, false)]);
    assert_eq!(tracked(1), [(script(), 5, true)]);
    assert_eq!((two.version, two.auth_pass.as_deref(), two.priority), (Version::V2, Some("secret"), 100));
    assert_eq!(read.state.vrrp.scripts[0].script.user.as_deref(), Some("nobody"));
    assert_eq!((read.state.vrrp.scripts[0].interval_ms, read.state.vrrp.scripts[0].script.timeout_ms), (2_000, 2_000));
    assert_eq!((read.state.timeouts.tcp_s, read.state.timeouts.tcp_fin_s, read.state.timeouts.udp_s), (60, 120, 9));
    assert_eq!(read.state.vrrp.groups[0].members, ["V1", "V2"]);
    assert_eq!(read.verdict, Verdict::Fine);
}

/// What keepalived 2.2.7 says that it takes (SIGUSR1).
#[test]
fn the_least_of_gratuitous_arp_is_what_holds_where_nothing_is_said() {
    let taken = |said: &str| {
        let text =
            format!("global_defs {{\n{said}\n}}\nvrrp_instance a {{\n interface eth0\n virtual_router_id 1\n}}\n");
        let said = read(&text).state.vrrp.instances.remove(0).announcements;
        (said.delay_ms, said.repeat, said.refresh_repeat)
    };
    assert_eq!(taken("vrrp_min_garp"), (0, 1, 0));
    assert_eq!(taken("vrrp_min_garp\nvrrp_garp_master_repeat 3\nvrrp_garp_master_delay 7"), (7_000, 3, 0));
    assert_eq!(taken("vrrp_garp_master_repeat 3\nvrrp_min_garp"), (0, 3, 0));
    assert_eq!(taken("vrrp_min_garp\nvrrp_min_garp false"), (0, 1, 0));
    assert_eq!(taken("vrrp_min_garp false"), (5_000, 5, 1));
}

#[test]
fn virtual_macs_have_keepaliveds_names() {
    let instance = |name: &str, id: u8, address: &str, lines: &str| {
        format!(
            "vrrp_instance {name} {{\n state BACKUP\n interface eth0\n virtual_router_id {id}\n {lines}\n virtual_ipaddress {{\n {address}\n }}\n}}\n"
        )
    };
    let (four, six) = ("192.0.2.1", "fe80::1");
    let read = fine(
        &[
            instance("A", 51, four, "use_vmac"),
            instance("B", 51, six, "use_vmac"),
            instance("C", 52, four, "use_vmac web\n vmac_xmit_base"),
            instance("D", 53, four, ""),
        ]
        .concat(),
    );
    let names = read.state.vrrp.instances.iter().map(Instance::virtual_interface);
    let expected = ["vrrp.51", "vrrp6.51", "web"].map(|name| Some(name.to_owned()));
    assert_eq!(names.collect::<Vec<_>>(), [&expected[..], &[None]].concat());
    let from_base = read.state.vrrp.instances[2].virtual_mac.as_ref().is_some_and(|own| own.from_base);
    assert!(from_base);
    let text = instance("E", 54, four, "use_vmac 00:00:5e:00:01:99\n unicast_peer {\n 192.0.2.9\n }")
        + &instance("F", 55, four, "vmac_xmit_base")
        + &instance("G", 56, four, "use_vmac an.interface.of.17");
    assert_eq!(
        faults(&text),
        [
            "k.conf:1:1: error: E: unicast with use_vmac needs vmac_xmit_base; write it; it is taken as written",
            "k.conf:5:11: warning: `00:00:5e:00:01:99` is not taken: a virtual router has one MAC address; leave it out; its number says which",
            "k.conf:17:2: error: vmac_xmit_base does nothing without use_vmac; write `use_vmac`, or remove it",
            "k.conf:26:11: error: `an.interface.of.17` cannot be the name of an interface; choose one of up to 15 bytes; it is left out",
        ]
    );
}

#[test]
fn mistakes_of_virtual_routers_are_told() {
    let of = |inside: &str| {
        faults(&format!(
            "vrrp_instance V1 {{\n interface eth0\n virtual_router_id 5\n virtual_ipaddress {{ 192.0.2.1 }}\n{inside}\n}}\n"
        ))
    };
    assert_eq!(of(""), Vec::<String>::new());
    for (inside, part) in [
        (" state SLAVE", "k.conf:5:8: error: `SLAVE` is no value of `state`; write one of MASTER, BACKUP"),
        (" advert_int 0.5", "version 2 has whole seconds from 1 to 255"),
        (" priority 256", "`256` is no number from 1 to 255"),
        (" state MASTER\n nopreempt", "nopreempt does nothing with state MASTER"),
        (" virtual_ipaddress {\n 192.0.2.300\n}", "k.conf:6:2: error: `192.0.2.300` is no address"),
        (
            " virtual_ipaddress {\n 192.0.2.3 192.0.2.4\n}",
            "`192.0.2.4` is nothing of an address; write one address a line",
        ),
        (" virtual_ipaddress {\n fd00::1\n}", "fd00::1 is not of the family of the addresses before it"),
        (" track_script {\n nothing\n}", "there is no script `nothing` to track"),
        (" authentication {\n auth_type PASS\n auth_pass 123456789\n}", "only 8 bytes of a password count"),
        (" notify_master \"/bin/x 'y\"", "' is not closed in the script"),
        (" priorty 7", "unknown keyword `priorty` in vrrp_instance; did you mean `priority`?"),
        (" real_server 10.0.0.1 80 { }", "unknown keyword `real_server` in vrrp_instance; it stands in virtual_server"),
    ] {
        let lines = of(inside);
        assert!(lines.iter().any(|line| line.contains(part)), "{inside}: {lines:#?}");
    }
    let host = relvs_config::keepalived::Host { interfaces: Some(["lo".to_owned()].into()), ..host() };
    let text = "vrrp_instance V1 {\n interface eth0\n virtual_router_id 5\n virtual_ipaddress { 192.0.2.1 }\n}\n";
    let read = Keepalived::read(&memory(&[("k.conf", text)]), "k.conf", &host);
    assert_eq!((read.verdict, read.diagnostics.len(), said(&read.document).len()), (Verdict::Faulty, 1, 0));
}

#[test]
fn what_stands_in_another_file_is_told_there() {
    let main = "$REAL= \\\n real_server 10.0.0.9 80 { \\\n  wieght 2 \\\n  TCP_CHECK { } \\\n }\n\
        include sites/*.conf\n~SEQ(N, 1, 2) vrrp_script s${N} { intervall 2 }\n";
    let site = "virtual_server 192.0.2.100 80 {\n lb_algo rr\n lb_kind DR\n protocol TCP\n  real_server 10.0.0.11 80 { }\n $REAL\n delay_loop x\n}\n";
    let files = memory(&[("k.conf", main), ("sites/a.conf", site), ("sites/b.conf", "\n lb_kind NAT\n")]);
    let read = Keepalived::read(&files, "k.conf", &host());
    let mut parsed = relvs_config::Parsed::of_keepalived(&read);
    let said = |parsed: &relvs_config::Parsed| -> Vec<String> {
        let place = |line: String| line.split(": ").next().unwrap_or_default().to_owned();
        parsed.diagnostics.iter().map(|line| place(line.to_string())).collect()
    };
    // The line of a definition is told where it is written, that of a sequence once; scripts without a program at their own lines.
    let mut expected =
        vec!["k.conf:3:3", "k.conf:7:15", "k.conf:7:15", "k.conf:7:35", "sites/a.conf:7:13", "sites/b.conf:2:2"];
    assert_eq!(said(&parsed), expected);
    // What is only found later is told where the service and the server are written.
    let (service, server) = (parsed.at_service(0), parsed.at_server(0, 0));
    assert_eq!((parsed.state.services.len(), parsed.state.services[0].servers.len()), (1, 2));
    parsed.error(parsed.at_server(0, 1), "it is far away", None);
    parsed.error(server, "nobody answers", None);
    parsed.error(service, "the VIP is another's", None);
    expected.splice(0..0, ["k.conf:2:2"]);
    expected.splice(5..5, ["sites/a.conf:1:1", "sites/a.conf:5:3"]);
    assert_eq!(said(&parsed), expected);
}
