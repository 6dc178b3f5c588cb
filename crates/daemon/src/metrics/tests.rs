//! The text is what Prometheus reads, and what is written about it is true.

use super::*;
use crate::health::{Figures as Probing, Told};
use crate::metrics::{
    Checked, Fill, ServerRow, ServiceRow,
    table::{Each, Kind},
};
use relvs_control::Figures;
use relvs_model::vrrp::{Condition, ConditionKind, InstanceStatus, State, Statistics, Status, Version};
use relvs_model::{Protocol, Scheduler};
use relvs_proto::health::{ServerFigures, ServiceFigures};
use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn row(service: u32, address: &str, port: u16) -> ServerRow {
    ServerRow {
        service,
        address: address.parse().unwrap(),
        port,
        overloaded: false,
        reachable: true,
        weight: 3,
        upper_threshold: 0,
        active: 5,
        inactive: 7,
        templates: 0,
        counters: Figures { flows: 12, packets_in: 100, bytes_in: 1 << 40, packets_out: 90, bytes_out: 9000 },
    }
}

fn service(key: ServiceKey) -> ServiceRow {
    ServiceRow { key, scheduler: Scheduler::Wrr, counters: Figures { flows: 12, ..Figures::default() } }
}

/// A service with a server that is up and one that is down and was not asked.
fn checked(service: ServiceKey) -> Checked {
    let (since, took) = (Duration::from_millis(1_790_000_000_250), Some(Duration::from_millis(3)));
    let server = |address: &str, up, probes, took| ServerFigures {
        service: 0,
        server: address.parse().unwrap(),
        up,
        since,
        drained: false,
        probes,
        failed: 1,
        took,
    };
    let services = vec![ServiceFigures {
        service,
        up: true,
        since,
        weight: 3,
        needed: 1,
        sorry: false,
        suspended: false,
        servers: 2,
        servers_up: 1,
    }];
    let servers = vec![server("10.0.0.11:8080", true, 9, took), server("10.0.0.12:8080", false, 0, None)];
    let told = Told(vec![("script", [4, 1, 0]), ("webhook", [0, 2, 7])]);
    Checked { services, servers, probes: Probing { running: 2, late: 1, ..Probing::default() }, told }
}

fn vrrp() -> Status {
    let condition =
        Condition { kind: ConditionKind::TwoMasters, who: "192.0.2.2".into(), since_ms: 0, last_ms: 0, count: 3 };
    let router = InstanceStatus {
        name: "web".into(),
        interface: "eth0".into(),
        router_id: 51,
        version: Version::V3,
        state: State::Master,
        since_ms: 0,
        why: String::new(),
        addresses: Vec::new(),
        base_priority: 100,
        effective_priority: 80,
        source: None,
        master_advert_interval_ms: 100,
        master: None,
        handing_over: false,
        held: false,
        maintenance: false,
        conditions: vec![condition],
        peers: Vec::new(),
        statistics: Statistics { ip_ttl_err: 7, timer_late_max_us: 1_500, ..Statistics::default() },
    };
    Status { instances: vec![router], ..Status::default() }
}

#[test]
fn virtual_routers_have_their_lines_and_without_them_there_are_none() {
    let with = text(snapshot(), true);
    for line in [
        r#"relvs_vrrp_info{router="web",interface="eth0",vrid="51"} 1"#,
        r#"relvs_vrrp_state{router="web"} 2"#,
        r#"relvs_vrrp_priority{router="web"} 80"#,
        r#"relvs_vrrp_adverts_dropped_total{router="web",reason="wrong_ttl"} 7"#,
        r#"relvs_vrrp_wrong{router="web",what="two_masters"} 1"#,
        r#"relvs_vrrp_wrong{router="web",what="claimed_by_other"} 0"#,
        r#"relvs_vrrp_timer_late_longest_seconds{router="web"} 0.0015"#,
    ] {
        assert!(with.contains(&format!("\n{line}\n")), "{line} in {with}");
    }
    assert!(!text(Snapshot { vrrp: None, ..snapshot() }, true).contains("\nrelvs_vrrp_"));
}

fn snapshot() -> Snapshot {
    let listen = |address: &str, port| ServiceKey::listen(Protocol::Tcp, address.parse().unwrap(), port);
    Snapshot {
        interfaces: vec![("eth0".into(), Some("native")), ("a\"b\\c\nd".into(), None)],
        tables: [[Fill { used: 3, capacity: 8 }; 2]; 2],
        services: [listen("192.0.2.100", 80), listen("2001:db8::100", 443), ServiceKey::mark(0x1000_1000, false)]
            .map(service)
            .to_vec(),
        servers: vec![row(0, "10.0.0.11", 8080), row(1, "fd00::11", 443), row(2, "10.0.0.12", 0)],
        configured: 3,
        checked: checked(listen("192.0.2.100", 80)),
        requests: vec![("200", 4)],
        vrrp: Some(vrrp()),
        ..Snapshot::default()
    }
}

fn text(snapshot: Snapshot, servers: bool) -> String {
    Text::new(Arc::new(snapshot), servers).collect()
}

#[test]
fn the_names_of_node_exporter_and_their_labels() {
    let text = text(snapshot(), true);
    // As node_exporter gives them, from /proc/net/ip_vs and /proc/net/ip_vs_stats.
    let labels = [
        r#"{local_address="192.0.2.100",local_mark="",local_port="80",proto="TCP",remote_address="10.0.0.11",remote_port="8080"}"#,
        r#"{local_address="2001:db8::100",local_mark="",local_port="443",proto="TCP",remote_address="fd00::11",remote_port="443"}"#,
        r#"{local_address="",local_mark="10001000",local_port="0",proto="FWM",remote_address="10.0.0.12",remote_port="0"}"#,
    ];
    for labels in labels {
        for (name, value) in [("connections_active", 5), ("connections_inactive", 7), ("weight", 3)] {
            let line = format!("\nnode_ipvs_backend_{name}{labels} {value}\n");
            assert_eq!(text.matches(&line).count(), 1, "{line} in {text}");
        }
    }
    for name in ["connections", "incoming_packets", "outgoing_packets", "incoming_bytes", "outgoing_bytes"] {
        let name = format!("node_ipvs_{name}_total");
        assert!(text.contains(&format!("# TYPE {name} counter\n{name} 0\n")), "{name}");
    }
    assert!(text.contains("# TYPE node_ipvs_backend_weight gauge\n"));
}

#[test]
fn values_and_labels_are_written_as_the_format_wants() {
    let text = text(snapshot(), true);
    assert!(text.contains("\nrelvs_interface_attached{interface=\"a\\\"b\\\\c\\nd\"} 0\n"), "{text}");
    assert!(text.contains(
        "\nrelvs_server_incoming_bytes_total{service=\"192.0.2.100:80/tcp\",server=\"10.0.0.11:8080\"} 1099511627776\n"
    ));
    assert!(text.contains("\nrelvs_service_info{service=\"mark 268439552\",scheduler=\"wrr\"} 1\n"), "{text}");
    assert!(text.contains("\nrelvs_flow_records{family=\"ipv6\",table=\"young\"} 3\n"));
    assert!(text.contains("\nrelvs_dropped_packets_total{reason=\"no_route\"} 0\n"));
    assert!(!text.contains("relvs_dropped_packets_total{reason=\"displaced\"}"));
    assert!(text.ends_with('\n') && !text.contains("\n\n"));
    // Each family once, its lines together, and no series twice.
    let (mut seen, mut series, mut current) = (BTreeSet::new(), BTreeSet::new(), "");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            current = rest.split(' ').next().unwrap();
            assert!(seen.insert(current), "{current} twice");
        } else if !line.starts_with('#') {
            assert_eq!(line.split(['{', ' ']).next(), Some(current));
            assert!(series.insert(line.rsplit_once(' ').unwrap().0), "{line} twice");
        }
    }
    let given: BTreeSet<&str> = FAMILIES.iter().map(|family| family.name).collect();
    let missing: Vec<_> = given.difference(&seen).filter(|name| !name.starts_with("process_")).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn servers_can_be_left_out() {
    let text = text(snapshot(), false);
    assert!(!text.contains("relvs_server_") && !text.contains("node_ipvs_backend_"), "{text}");
    assert!(text.contains("\nrelvs_servers 3\n") && text.contains("relvs_service_connections_total{"));
}

#[test]
fn what_is_known_by_checks() {
    let text = text(snapshot(), true);
    let [up, down] = ["10.0.0.11:8080", "10.0.0.12:8080"]
        .map(|server| format!("{{service=\"192.0.2.100:80/tcp\",server=\"{server}\"}}"));
    for line in [
        "relvs_service_up{service=\"192.0.2.100:80/tcp\"} 1".to_owned(),
        "relvs_service_servers_up{service=\"192.0.2.100:80/tcp\"} 1".to_owned(),
        format!("relvs_server_up{up} 1"),
        format!("relvs_server_up{down} 0"),
        format!("relvs_server_up_changed_seconds{down} 1790000000.25"),
        format!("relvs_server_probes_total{up} 9"),
        format!("relvs_server_probe_seconds{up} 0.003"),
        "relvs_checked_servers{state=\"down\"} 1".to_owned(),
        "relvs_notifications_total{to=\"webhook\",result=\"dropped\"} 7".to_owned(),
        "relvs_notifications_total{to=\"script\",result=\"sent\"} 4".to_owned(),
        "relvs_probes_running 2".to_owned(),
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
    }
    assert!(!text.contains(&format!("relvs_server_probe_seconds{down}")), "{text}");
}

#[test]
fn many_servers_come_in_small_parts() {
    let mut many = snapshot();
    many.servers = (0..10_000).map(|n| row(0, &format!("10.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255), 80)).collect();
    let (mut bytes, mut parts, mut largest, mut lines) = (0, 0, 0, 0);
    for part in Text::new(Arc::new(many), true) {
        (bytes, parts, largest) = (bytes + part.len(), parts + 1, largest.max(part.len()));
        lines += part.lines().filter(|line| line.starts_with("relvs_server_weight{")).count();
        assert!(part.ends_with('\n'));
    }
    assert_eq!(lines, 10_000);
    assert!(parts > 100 && bytes > 10_000 * 1_000, "{bytes} bytes in {parts} parts");
    assert!(largest < 2 * PART, "{largest}");
}

#[test]
fn names_follow_the_conventions() {
    for family in FAMILIES {
        let name = family.name;
        let ours = ["relvs_", "node_ipvs_", "process_"].iter().any(|prefix| name.starts_with(prefix));
        assert!(ours && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        assert_eq!(name.ends_with("_total"), family.kind == Kind::Counter, "{name}");
        assert!(family.help.ends_with('.') && family.help.is_ascii(), "{name}: {}", family.help);
        let of_rows = match family.each {
            Each::Whole(_) => family.labels.len() <= 3,
            Each::Service(_) | Each::CheckedService(_) => family.labels == ["service"],
            Each::Server(_) | Each::CheckedServer(_) => family.labels == ["service", "server"],
            Each::Backend(_) => family.labels.len() == 6,
        };
        assert!(of_rows, "{name}");
    }
}

const BEGIN: &str = "<!-- begin: all metrics -->\n";
const END: &str = "<!-- end: all metrics -->\n";

#[test]
fn the_documented_table_is_the_programs() {
    let mut rows = "| metric | type | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for Family { name, kind, labels, help, .. } in FAMILIES {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(rows, "| `{name}` | {} | {} | {help} |", kind.name(), labels.join(", "));
    }
    let path = root().join("docs/metrics.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (there, after) = rest.split_once(END).unwrap();
    if std::env::var_os("RELVS_REGENERATE").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{rows}{END}{after}")).unwrap();
    } else {
        assert!(there == rows, "docs/metrics.md is not up to date: run this test with RELVS_REGENERATE=1");
    }
    // What stands around the table speaks of no other metric.
    let known: BTreeSet<&str> = FAMILIES.iter().map(|family| family.name).collect();
    for name in names(&format!("{before}{after}")) {
        assert!(known.contains(name.as_str()), "{name} in docs/metrics.md");
    }
}

#[test]
fn dashboards_use_metrics_that_there_are() {
    let known: BTreeSet<&str> = FAMILIES.iter().map(|family| family.name).collect();
    let mut used = BTreeSet::new();
    for entry in fs::read_dir(root().join("packaging/grafana")).unwrap() {
        let path = entry.unwrap().path();
        let dashboard: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let mut expressions = Vec::new();
        collect(&dashboard, &mut expressions);
        assert!(expressions.len() > 10, "{}", path.display());
        for expression in expressions {
            let found = names(&expression);
            assert!(!found.is_empty() || expression.starts_with("label_values"), "{expression}");
            used.extend(found);
        }
    }
    let unknown: Vec<_> = used.iter().filter(|name| !known.contains(name.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(used.len() > 25, "{}", used.len());
}

/// What dashboards ask for: `expr` of panels, `query` of variables.
fn collect(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(object) => {
            for (key, value) in object {
                match value.as_str() {
                    Some(text) if (key == "expr" || key == "query") && text != "prometheus" => {
                        found.push(text.to_owned());
                    }
                    _ => collect(value, found),
                }
            }
        }
        serde_json::Value::Array(array) => array.iter().for_each(|value| collect(value, found)),
        serde_json::Value::Null | serde_json::Value::Bool(_) => {}
        serde_json::Value::Number(_) | serde_json::Value::String(_) => {}
    }
}

/// Everything in a text that looks like a metric's name.
fn names(text: &str) -> Vec<String> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':' || c == '.');
    let prefixes = ["relvs_", "node_ipvs_", "process_"];
    let words = text.split(word).filter(|word| prefixes.iter().any(|prefix| word.starts_with(prefix)));
    words.filter(|word| !word.ends_with('_')).map(str::to_owned).collect()
}
