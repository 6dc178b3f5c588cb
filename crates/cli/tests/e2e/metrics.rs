//! `/metrics`, `/healthz` and `/readyz`: what they say is what happened, and where they say it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use relvs_api::Way;
use relvs_lab::traffic::UdpExchange;
use relvs_lab::{Node, Shape, Topology};
use relvs_model::{Method, Protocol};

use crate::bed::{Bed, PATIENCE, assert_shares, counters, succeeded, text, until};
use crate::configuration::{tcp, udp};

const HERE: &str = "[metrics]\nlisten = \"127.0.0.1:9110\"\n";

/// The status and the body of an answer.
fn get(node: &Node, url: &str, more: &[&str]) -> (u16, String) {
    let limit = PATIENCE.as_secs().to_string();
    let mut words = vec!["-sS", "--max-time", &limit, "-w", "\n%{http_code}", url];
    words.extend(more);
    let output = node.run("curl", words).unwrap();
    let out = text(&output.stdout);
    let (body, code) = out.rsplit_once('\n').unwrap_or_else(|| panic!("{out}{}", text(&output.stderr)));
    (code.parse().unwrap(), body.to_owned())
}

fn scrape(node: &Node) -> String {
    let (code, body) = get(node, "http://127.0.0.1:9110/metrics", &[]);
    assert_eq!(code, 200, "{body}");
    body
}

/// Every series and its value; fails if a line is not one that Prometheus reads.
fn series(text: &str) -> BTreeMap<String, f64> {
    let (mut found, mut types) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            assert!(types.insert(name, kind).is_none(), "{line}");
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            assert!(types.contains_key(name), "no type before {line}");
            assert!(series == name || series.ends_with('}'), "{line}");
            assert!(found.insert(series.to_owned(), value.parse().unwrap()).is_none(), "{line}");
        }
    }
    found
}

/// What Prometheus's own tool says, if it is here.
fn judged(text: &str) {
    let tool = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut tool) = tool else { return println!("skipped: promtool is not installed") };
    tool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", crate::bed::text(&output.stderr));
}

#[test]
fn what_is_scraped_is_what_happened() {
    let servers = [("s1", Method::Nat, 2), ("s2", Method::Nat, 1)];
    let shape = Shape::new(Topology::TwoArmed).servers(2);
    let Some(bed) = Bed::bare(&shape) else { return };
    let mut bed = bed.settings(HERE);
    bed.run(&[udp(53, "wrr", &servers), tcp(80, "wrr", &servers)]);
    for target in bed.targets(53) {
        assert_shares(&UdpExchange::new(target, 30).run(bed.client()).unwrap(), &[("s1", 20), ("s2", 10)]);
    }
    bed.requests(bed.targets(80)[0], 12);
    until("the tables were gone through", || bed.status().flows.records == 2 * (60 + 12));
    let director = bed.node("d1").clone();
    let (text, status) = (scrape(&director), bed.status());
    judged(&text);
    let found = series(&text);
    let value = |series: &str| *found.get(series).unwrap_or_else(|| panic!("no {series} in {text}"));

    for (target, service) in status.services.iter().map(|service| (service.key.to_string(), service)) {
        let counted = service.counters;
        assert_eq!(value(&format!("relvs_service_connections_total{{service=\"{target}\"}}")), counted.flows as f64);
        assert_eq!(value(&format!("relvs_service_info{{service=\"{target}\",scheduler=\"wrr\"}}")), 1.0);
        for server in &service.servers {
            let (address, port) = (service.key.address().unwrap(), service.key.port());
            let proto = service.key.protocol().unwrap().name().to_uppercase();
            let (remote, remote_port) = (server.address, server.port);
            let backend = format!(
                "{{local_address=\"{address}\",local_mark=\"\",local_port=\"{port}\",proto=\"{proto}\",\
                 remote_address=\"{remote}\",remote_port=\"{remote_port}\"}}"
            );
            assert_eq!(value(&format!("node_ipvs_backend_connections_active{backend}")), f64::from(server.active));
            assert_eq!(value(&format!("node_ipvs_backend_connections_inactive{backend}")), f64::from(server.inactive));
            assert_eq!(value(&format!("node_ipvs_backend_weight{backend}")), f64::from(server.weight));
            let of = std::net::SocketAddr::new(remote, remote_port);
            let own = format!("{{service=\"{target}\",server=\"{of}\"}}");
            assert_eq!(value(&format!("relvs_server_incoming_bytes_total{own}")), server.counters.bytes_in as f64);
            let reachable = matches!(server.way, Way::Ready { .. });
            assert_eq!(value(&format!("relvs_server_reachable{own}")) == 1.0, reachable);
        }
    }
    let datagrams: u64 =
        bed.targets(53).into_iter().map(|target| counters(&status, target, Protocol::Udp).packets_in).sum();
    assert_eq!(datagrams, 60);
    assert_eq!(value("node_ipvs_connections_total"), 60.0 + 12.0);
    assert_eq!(value("node_ipvs_incoming_packets_total"), status.counters.packets_in as f64);
    assert_eq!(value("node_ipvs_outgoing_bytes_total"), status.counters.bytes_out as f64);
    let used = |family, table| value(&format!("relvs_flow_records{{family=\"{family}\",table=\"{table}\"}}"));
    assert_eq!(used("ipv4", "settled") + used("ipv4", "young"), 2.0 * (30.0 + 12.0));
    assert_eq!(used("ipv6", "settled") + used("ipv6", "young"), 2.0 * 30.0);
    let capacity: f64 =
        found.iter().filter(|(name, _)| name.starts_with("relvs_flow_records_capacity")).map(|(_, n)| n).sum();
    assert!(capacity > status.flows.capacity as f64, "young ones included");
    assert_eq!(value("relvs_configuration_revision"), status.revision as f64);
    assert!(value("relvs_table_switches_total") >= 1.0 && value("relvs_expiry_passes_total") >= 1.0);
    assert!(value("relvs_api_requests_total{code=\"200\"}") >= 1.0);
    for reason in &status.reasons {
        let of = format!("packets_total{{reason=\"{}\"}}", reason.name);
        let counted: Vec<f64> = found.iter().filter(|(name, _)| name.ends_with(&of)).map(|(_, n)| *n).collect();
        assert!(counted.len() == 1 && counted[0] >= reason.count as f64, "{reason:?}: {counted:?}");
    }

    // The same at the control socket; and no more of it at the address for metrics.
    let socket = bed.run_dir().join("control.sock");
    let (code, over_socket) =
        get(&director, "http://relvs/metrics", &["--unix-socket", socket.to_str().unwrap(), "--compressed"]);
    assert_eq!(code, 200);
    assert_eq!(series(&over_socket).len(), found.len());
    for (path, expected) in [("/v1/status", 404), ("/v1/configuration", 404), ("/", 404)] {
        assert_eq!(get(&director, &format!("http://127.0.0.1:9110{path}"), &[]).0, expected, "{path}");
    }
    assert_eq!(get(&director, "http://127.0.0.1:9110/metrics", &["-X", "PUT"]).0, 405);
}

#[test]
fn it_is_ready_while_every_interface_is_served() {
    let shape = Shape::new(Topology::TwoArmed).servers(1);
    let Some(bed) = Bed::bare(&shape) else { return };
    let mut bed = bed.settings(HERE);
    bed.run(&[tcp(80, "rr", &[("s1", Method::Nat, 1)])]);
    let director = bed.node("d1").clone();
    let asked = |path: &str| get(&director, &format!("http://127.0.0.1:9110{path}"), &[]);
    assert_eq!(asked("/healthz"), (200, "{\"alive\":true}".to_owned()));
    assert_eq!(asked("/readyz"), (200, "{\"ready\":true,\"reasons\":[]}".to_owned()));
    director.ip("link del eth1").unwrap();
    let reasons = "{\"ready\":false,\"reasons\":[\"interface eth1: does not exist\"]}";
    until("the interface is missed", || asked("/readyz") == (503, reasons.to_owned()));
    assert_eq!(asked("/healthz").0, 200);
    let found = series(&scrape(&director));
    let attached = ["eth0", "eth1"].map(|name| found[&format!("relvs_interface_attached{{interface=\"{name}\"}}")]);
    assert_eq!(attached, [1.0, 0.0]);
    let socket = bed.run_dir().join("control.sock");
    assert_eq!(get(&director, "http://relvs/readyz", &["--unix-socket", socket.to_str().unwrap()]).0, 503);
}

#[test]
fn a_reload_moves_it_and_a_refused_one_leaves_it() {
    let services = |weight| [tcp(80, "rr", &[("s1", Method::Dr, weight)])];
    let Some(bed) = Bed::bare(&Shape::new(Topology::OneArmed).servers(1)) else { return };
    let mut bed = bed.settings(HERE);
    bed.run(&services(1));
    let director = bed.node("d1").clone();
    scrape(&director);
    // Another address, and a unix socket.
    let path = bed.lab.directory().join("metrics.sock");
    let lines = format!("[metrics]\nlisten = [\"[::1]:9110\", \"{}\"]\nservers = false\n", path.display());
    bed = bed.settings(lines.leak());
    bed.configure(&services(2));
    let said = bed.hangup();
    assert!(said.contains("configuration read again"), "{said}");
    let (code, body) = get(&director, "http://[::1]:9110/metrics", &[]);
    assert!(code == 200 && !body.contains("relvs_server_weight") && body.contains("relvs_services 2\n"), "{body}");
    assert!(body.contains("relvs_configuration_reloads_total{result=\"taken\"} 1\n"), "{body}");
    assert_eq!(get(&director, "http://relvs/healthz", &["--unix-socket", path.to_str().unwrap()]).0, 200);
    assert_eq!(get(&director, "http://127.0.0.1:9110/metrics", &[]).0, 0, "nobody listens there any more");
    // One that somebody else has: nothing changes, neither where is listened nor the services.
    let _taken = director.with(|| TcpListener::bind("127.0.0.1:9110").unwrap()).unwrap();
    bed = bed.settings(HERE);
    bed.configure(&services(3));
    let said = bed.hangup();
    assert!(said.contains("127.0.0.1:9110 cannot be listened on: Address already in use"), "{said}");
    assert_eq!(get(&director, "http://[::1]:9110/metrics", &[]).0, 200);
    assert!(path.exists());
    assert!(bed.status().services.iter().all(|service| service.servers[0].weight == 2));
    // A start is refused likewise, before anything else happens.
    bed.director.terminate().unwrap();
    assert!(!path.exists(), "a socket's file goes with the daemon");
    let refused = bed.director.start().unwrap_err().to_string();
    assert!(refused.contains("cannot be listened on"), "{refused}");
    bed = bed.settings("");
    bed.configure(&services(1));
    bed.director.start().unwrap();
    succeeded(&bed.director.relvs(["status"]).unwrap());
}

/// A service with a server that is up and one whose check does not end at first, and then fails.
#[test]
fn what_checks_know_is_there_and_is_waited_for() {
    let servers = [("s1", Method::Dr, 1), ("s2", Method::Dr, 1)];
    let Some(bed) = Bed::bare(&Shape::new(Topology::OneArmed).servers(2)) else { return };
    let mut bed = bed.settings(HERE);
    bed.prepare(&[tcp(80, "rr", &servers)]);
    let vip = bed.vips[0];
    let section = |bed: &Bed, check: &str| {
        let told = "quorum_down = [\"/bin/true\"]\nnotify_down = [\"/bin/false\"]\nquorum = 2";
        let pace = "interval = \"200ms\"\nwarmup = 0\ntimeout";
        let lines = format!(
            "listen = \"{vip}:80/tcp\"\nmethod = \"dr\"\n{told}\n[service.check]\ntype = \"tcp\"\n{pace} = \"10s\""
        );
        bed.section(vip, &lines, &[("s1", ""), ("s2", &format!("[service.server.check]\n{pace} = \"10m\"\n{check}"))])
    };
    let hangs = "type = \"misc\"\ncommand = [\"/bin/sleep\", \"600\"]";
    bed.configure_with(&section(&bed, hangs));
    bed.director.start().unwrap();
    let director = bed.node("d1").clone();
    let ready = || get(&director, "http://127.0.0.1:9110/readyz", &[]);
    let waits = format!("{{\"ready\":false,\"reasons\":[\"service {vip}:80/tcp: 1 server has not been asked yet\"]}}");
    until("one server has been asked", || ready() == (503, waits.clone()));
    let value = |name: &str| series(&scrape(&director))[name];
    let of = |name: &str, server: &str| {
        let server = std::net::SocketAddr::new(crate::configuration::rip(&bed.lab, server, vip), 80);
        format!("{name}{{service=\"{vip}:80/tcp\",server=\"{server}\"}}")
    };
    assert_eq!(value("relvs_probes_running"), 1.0);
    assert_eq!(value(&of("relvs_server_probes_total", "s2")), 0.0);

    bed.reload_with(&section(&bed, "type = \"tcp\"\nport = 1"));
    until("it is ready", || ready() == (200, "{\"ready\":true,\"reasons\":[]}".to_owned()));
    until("the server is down, and that was told", || {
        value("relvs_notifications_total{to=\"script\",result=\"failed\"}") == 1.0
            && value("relvs_notifications_total{to=\"script\",result=\"sent\"}") == 1.0
    });
    let text = scrape(&director);
    judged(&text);
    let found = series(&text);
    let service = |name: &str| found[&format!("{name}{{service=\"{vip}:80/tcp\"}}")];
    assert_eq!((service("relvs_service_up"), service("relvs_service_servers_up")), (0.0, 1.0));
    assert_eq!((service("relvs_service_servers"), service("relvs_service_weight_needed")), (2.0, 2.0));
    let server = |name: &str, server: &str| found[&of(name, server)];
    assert_eq!((server("relvs_server_up", "s1"), server("relvs_server_up", "s2")), (1.0, 0.0));
    assert!(server("relvs_server_probes_failed_total", "s2") >= 1.0);
    assert!(server("relvs_server_probe_seconds", "s1") < 10.0 && server("relvs_server_probe_seconds", "s2") < 600.0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let since = server("relvs_server_up_changed_seconds", "s2");
    assert!((now - 120.0..=now + 1.0).contains(&since), "{since} of {now}");
    assert_eq!(found["relvs_servers"], 2.0, "it is configured still");
    assert!(!found.contains_key(&of("relvs_server_weight", "s2")), "and not scheduled");
    // What is known to the next daemon is not waited for.
    bed.director.kill().unwrap();
    bed.director.start().unwrap();
    assert_eq!(ready().0, 200);
}
