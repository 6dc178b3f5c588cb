//! What is understood: of a good file everything, of a bad one what is good in it.

use relvs_config::{Location, Parsed, Severity, parse_toml};
use relvs_model::{
    Director, Listeners, Method, Netmask, Network, OnExit, Persistence, PortRange, Protocol, Rule, Scheduler,
    SchedulerFlags, Server, Service, ServiceKey, Settings, State, Timeouts, XdpMode,
};

const GOOD: &str = r#"
[director]
interfaces = ["eth0", "eth1.100"]
flows = 2_000_000
xdp_mode = "native"
on_exit = "stop"

[[service]]
listen = "192.0.2.100:80/tcp"
scheduler = "rr"

[[service.server]]
address = "10.0.0.11"

[[service.server]]
address = "10.0.0.12"
method = "tun"
weight = 0

[[service.server]]
address = "10.0.0.13:8080"
method = "nat"
weight = 3

[[service]]
listen = "[2001:db8::100]:53/udp"
method = "nat"
server = [
    { address = "fd00::1" },
    { address = "[fd00::2]:5353" },
    { address = "fd00::2", port = 5354 },
]
"#;

fn server(address: &str, port: u16, weight: u32, method: Method) -> Server {
    Server::new(address.parse().expect("an address"), port, weight, method)
}

fn key(protocol: Protocol, address: &str, port: u16) -> ServiceKey {
    ServiceKey::listen(protocol, address.parse().expect("an address"), port)
}

fn good() -> State {
    State {
        director: Director {
            interfaces: vec!["eth0".into(), "eth1.100".into()],
            flows: 2_000_000,
            xdp_mode: XdpMode::Native,
            on_exit: OnExit::Stop,
        },
        services: vec![
            Service::new(
                key(Protocol::Tcp, "192.0.2.100", 80),
                Scheduler::Rr,
                vec![
                    server("10.0.0.11", 80, 1, Method::Dr),
                    server("10.0.0.12", 80, 0, Method::Tun),
                    server("10.0.0.13", 8080, 3, Method::Nat),
                ],
            ),
            Service::new(
                key(Protocol::Udp, "2001:db8::100", 53),
                Scheduler::Wlc,
                vec![
                    server("fd00::1", 53, 1, Method::Nat),
                    server("fd00::2", 5353, 1, Method::Nat),
                    server("fd00::2", 5354, 1, Method::Nat),
                ],
            ),
        ],
        ..State::default()
    }
}

#[test]
fn a_good_file() {
    for text in [GOOD.to_owned(), GOOD.replace('\n', "\r\n"), format!("\u{feff}{GOOD}")] {
        let parsed = parse_toml("relvs.toml", &text);
        assert_eq!(parsed.diagnostics, []);
        assert!(!parsed.has_errors());
        assert_eq!(parsed.state, good());
    }
}

#[test]
fn nothing_said_is_the_default() {
    for text in ["", "\n", "# nothing\n", "[director]\n", "service = []\n", "\u{feff}"] {
        let parsed = parse_toml("relvs.toml", text);
        assert_eq!(parsed.diagnostics, [], "{text:?}");
        assert_eq!(parsed.state, State::default(), "{text:?}");
    }
}

#[test]
fn every_attribute() {
    let text = r#"
[timeouts]
tcp = "15m"
tcp_fin = 30
udp = "1h"

[ipvs]
conn_reuse_mode = 0
expire_nodest_conn = true

[[rule]]
mark = 7
source = ["10.0.0.0/8", "fd00::/8"]
destination = "192.0.2.100"
protocol = "tcp"
ports = [80, "8000-8100"]

[[rule]]
mark = 0x8
destination = "2001:db8::/32"
ports = "443"

[[service]]
mark = 7
scheduler = "sh"
flags = ["sh-port", "sh-fallback"]
persistence = { timeout = "5m", netmask = 24 }
[[service.server]]
address = "10.0.0.11:8080"
method = "nat"
upper_threshold = 100
lower_threshold = 80

[[service]]
mark = 8
family = "ipv6"
one_packet = true
server = [{ address = "fd00::1" }]

[[service]]
listen = "192.0.2.1:0/sctp"
persistence = true
server = [{ address = "10.0.0.11" }]

[[service]]
listen = "[2001:db8::1]:53/udp"
one_packet = true
persistence = { netmask = 64 }
server = [{ address = "fd00::1" }]

[[service]]
listen = "192.0.2.1:80/tcp"
persistence = 60
flags = []
server = [{ address = "10.0.0.11" }]

[[service]]
listen = "192.0.2.1:81/tcp"
persistence = { netmask = "255.0.255.0" }
server = [{ address = "10.0.0.11" }]

[[service]]
listen = "192.0.2.1:82/tcp"
persistence = false
server = [{ address = "10.0.0.11" }]
"#;
    let parsed = parse_toml("f", text);
    let warning = "f:29:11: warning: persistent clients reach this server on the port they chose, not on 8080; leave the port out";
    assert_eq!(said(&parsed), [warning]);
    let network = |address: &str, prefix| Network { address: address.parse().expect("an address"), prefix };
    let range = |first, last| PortRange { first, last };
    let mask = |timeout_s, mask: [u8; 4]| Some(Persistence { timeout_s, netmask: Netmask::V4(mask.into()) });
    let wlc = |key, server| Service::new(key, Scheduler::Wlc, vec![server]);
    let dr = |address, port| server(address, port, 1, Method::Dr);
    let limited = Server { upper_threshold: 100, lower_threshold: 80, ..server("10.0.0.11", 8080, 1, Method::Nat) };
    let expected = State {
        director: Director::default(),
        listeners: Listeners::default(),
        settings: Settings { conn_reuse_mode: 0, expire_nodest_conn: 1, ..Settings::default() },
        timeouts: Timeouts { tcp_s: 900, tcp_fin_s: 30, udp_s: 3600 },
        rules: vec![
            Rule {
                mark: 7,
                sources: vec![network("10.0.0.0", 8), network("fd00::", 8)],
                destinations: vec![network("192.0.2.100", 32)],
                protocol: Some(Protocol::Tcp),
                ports: vec![range(80, 80), range(8000, 8100)],
            },
            Rule {
                mark: 8,
                sources: vec![],
                destinations: vec![network("2001:db8::", 32)],
                protocol: None,
                ports: vec![range(443, 443)],
            },
        ],
        services: vec![
            Service {
                flags: SchedulerFlags::PORT.with(SchedulerFlags::FALLBACK),
                persistence: mask(300, [255, 255, 255, 0]),
                ..Service::new(ServiceKey::mark(7, false), Scheduler::Sh, vec![limited])
            },
            Service { one_packet: true, ..wlc(ServiceKey::mark(8, true), dr("fd00::1", 0)) },
            Service {
                persistence: mask(360, [255; 4]),
                ..wlc(key(Protocol::Sctp, "192.0.2.1", 0), dr("10.0.0.11", 0))
            },
            Service {
                one_packet: true,
                persistence: Some(Persistence { timeout_s: 360, netmask: Netmask::V6(64) }),
                ..wlc(key(Protocol::Udp, "2001:db8::1", 53), dr("fd00::1", 53))
            },
            Service {
                persistence: mask(60, [255; 4]),
                ..wlc(key(Protocol::Tcp, "192.0.2.1", 80), dr("10.0.0.11", 80))
            },
            Service {
                persistence: mask(360, [255, 0, 255, 0]),
                ..wlc(key(Protocol::Tcp, "192.0.2.1", 81), dr("10.0.0.11", 81))
            },
            wlc(key(Protocol::Tcp, "192.0.2.1", 82), dr("10.0.0.11", 82)),
        ],
        ..State::default()
    };
    assert_eq!(parsed.state, expected);
}

#[test]
fn a_warning_is_no_error() {
    let parsed = parse_toml("f", "[[service]]\nlisten = \"192.0.2.100:80/tcp\"\n");
    assert_eq!(parsed.diagnostics.len(), 1);
    assert_eq!(parsed.diagnostics[0].severity, Severity::Warning);
    assert!(!parsed.has_errors());
    assert_eq!(parsed.state.services.len(), 1);
}

/// What is left of the good file when one piece of text is replaced, which must be an error.
#[track_caller]
fn with(from: &str, to: &str) -> State {
    assert_eq!(GOOD.matches(from).count(), 1, "{from}");
    let parsed = parse_toml("f", &GOOD.replace(from, to));
    assert!(parsed.has_errors(), "{to}");
    parsed.state
}

#[test]
fn an_error_leaves_out_what_it_is_in() {
    let mut expected = good();
    expected.services[0].servers.remove(1);
    assert_eq!(with("weight = 0", "weight = -1"), expected);
    assert_eq!(with("weight = 0", "weigth = 0"), expected);
    assert_eq!(with("weight = 0", "weight = 007"), expected, "the parser reads 7 from this");
    assert_eq!(with("weight = 0", "weight"), expected);
    assert_eq!(with("address = \"10.0.0.12\"", "address = \"10.0.0.12"), expected);

    let mut expected = good();
    expected.services.remove(0);
    assert_eq!(with("192.0.2.100:80/tcp", "192.0.2.100/tcp"), expected);
    assert_eq!(with("scheduler = \"rr\"", "scheduler = \"wcl2\""), expected);
    assert_eq!(with("scheduler = \"rr\"", "scheduler = rr"), expected);
    assert_eq!(with("scheduler = \"rr\"", "persistence = { timeout = \"5\" }"), expected);

    let mut expected = good();
    expected.director.flows = Director::DEFAULT_FLOWS;
    assert_eq!(with("2_000_000", "0"), expected);
    assert_eq!(with("2_000_000", "2_000__000"), expected);

    let mut expected = good();
    expected.director.interfaces.remove(0);
    assert_eq!(with("\"eth0\"", "\"\""), expected);

    assert_eq!(with("\"eth1.100\"]", "\"eth1.100\""), State::default(), "an open bracket swallows the rest");
}

#[test]
fn every_place_is_known() {
    let mut parsed = parse_toml("f", GOOD);
    let at = |line, column, length| Location { file: 0, line, column, length };
    assert_eq!(parsed.at_interface(1), at(3, 23, 10));
    assert_eq!(parsed.at_service(0), at(9, 10, 20));
    assert_eq!(parsed.at_server(0, 2), at(21, 11, 16));
    assert_eq!(parsed.at_service(1), at(26, 10, 24));
    assert_eq!(parsed.at_server(1, 1), at(30, 17, 16));
    assert_eq!(parsed.at_server(1, 9), parsed.at_service(1));
    assert_eq!(parsed.at_server(9, 0), Location::START);
    assert_eq!(parsed.at_interface(2), Location::START);

    parsed.error(parsed.at_server(1, 1), "this is too far away", Some("move it".into()));
    parsed.error(parsed.at_service(0), "too many services", None);
    parsed.error(parsed.at_service(0), "and too big", None);
    assert_eq!(
        said(&parsed),
        [
            "f:9:10: error: too many services",
            "f:9:10: error: and too big",
            "f:30:17: error: this is too far away; move it"
        ]
    );
    assert!(parsed.has_errors());
}

#[test]
fn places_follow_what_is_left_out() {
    let text = GOOD.replace("address = \"10.0.0.11\"", "address = \"10.0.0.311\"").replace("\"eth0\"", "\"\"");
    let parsed = parse_toml("f", &text);
    assert_eq!(parsed.at_interface(0), Location { file: 0, line: 3, column: 19, length: 10 });
    assert_eq!(parsed.at_server(0, 0), Location { file: 0, line: 16, column: 11, length: 11 });
}

#[test]
fn interfaces_that_do_not_exist() {
    let mut parsed = parse_toml("f", GOOD);
    parsed.check_interfaces(|_| true);
    assert_eq!(parsed.diagnostics, []);
    parsed.check_interfaces(|name| name == "eth0");
    let hint = "`ip link` lists those of this machine";
    assert_eq!(said(&parsed), [format!("f:3:23: error: interface `eth1.100` does not exist; {hint}")]);

    let mut parsed = parse_toml("f", "[director]\nflows = 0\ninterfaces = [\"a\", \"\",\n\"a\", \"b\"]\n");
    parsed.check_interfaces(|_| false);
    assert_eq!(
        said(&parsed),
        [
            "f:2:9: error: `flows` must be from 1 to 268435456, not 0".to_owned(),
            format!("f:3:15: error: interface `a` does not exist; {hint}"),
            "f:3:20: error: an interface's name is empty".to_owned(),
            "f:4:1: error: the interface `a` is listed twice".to_owned(),
            format!("f:4:6: error: interface `b` does not exist; {hint}"),
        ]
    );
}

fn said(parsed: &Parsed) -> Vec<String> {
    parsed.diagnostics.iter().map(ToString::to_string).collect()
}

#[test]
fn tunnels_are_a_servers_or_its_services() {
    let text = r#"
[[service]]
listen = "192.0.2.100:80/tcp"
method = "tun"
tunnel = { type = "gue", port = 6080 }

[[service.server]]
address = "10.0.0.11"

[[service.server]]
address = "fd00::12"
tunnel = { type = "gre", checksum = true }

[[service.server]]
address = "10.0.0.13"
method = "dr"

[[service.server]]
address = "10.0.0.14"
tunnel = { type = "ipip" }

[service.sorry_server]
address = "10.0.0.15"

[[rule]]
mark = 7
destination = "192.0.2.101"

[[service]]
mark = 7

[[service.server]]
address = "fd00::16"
method = "tun"

[service.server.tunnel]
type = "gue"
port = 65535
checksum = true
"#;
    let parsed = parse_toml("relvs.toml", text);
    assert_eq!(parsed.diagnostics, []);
    let [first, second] = parsed.state.services.as_slice() else { panic!("two services") };
    let tunnels: Vec<String> = first.servers.iter().map(|server| server.tunnel.to_string()).collect();
    assert_eq!(tunnels, ["gue:6080", "gre+checksum", "ipip", "ipip"]);
    let sorry = first.health.as_ref().and_then(|health| health.sorry.as_ref()).expect("a sorry server");
    assert_eq!((sorry.method, sorry.tunnel.to_string().as_str()), (Method::Tun, "gue:6080"));
    assert_eq!(second.servers[0].tunnel.to_string(), "gue:65535+checksum");
    // As JSON, which the API and the disk have.
    let json = serde_json::to_value(&second.servers[0]).expect("values only");
    assert_eq!(json["tunnel"], serde_json::json!({ "type": "gue", "port": 65535, "checksum": true }));
    let plain = serde_json::to_value(&first.servers[3]).expect("values only");
    assert!(plain.get("tunnel").is_none(), "{plain}");
}
