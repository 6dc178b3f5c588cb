//! Whatever the file holds: no panic, every place within the text, every diagnostic on one line, and a state that
//! keeps the model's rules.

use proptest::prelude::*;
use relvs_config::{Parsed, parse_toml, parse_toml_bytes};
use relvs_model::{
    Mark, Method, Netmask, Network, Persistence, PortRange, Protocol, Rule, Scheduler, SchedulerFlags, Server, Service,
    ServiceKey, State, Timeouts,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

#[track_caller]
fn holds(parsed: &Parsed, text: &str) {
    let lines: Vec<&str> = text.split('\n').collect();
    let mut before = (0, 0);
    for (index, diagnostic) in parsed.diagnostics.iter().enumerate() {
        let said = diagnostic.to_string();
        assert!(!said.contains(|c: char| c.is_control()), "{said:?}");
        assert!(!diagnostic.message.is_empty());
        let line = lines.get(diagnostic.line.wrapping_sub(1)).expect("the line exists");
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = if diagnostic.line == 1 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
        let end = diagnostic.column - 1 + diagnostic.length;
        assert!(diagnostic.column >= 1 && diagnostic.length >= 1, "{said}");
        let characters = line.chars().count();
        assert!(end <= characters.max(diagnostic.column), "{said}: {end} of {characters}");
        assert!(diagnostic.column <= characters + 1, "{said}: of {characters}");
        let place = (diagnostic.line, diagnostic.column);
        assert!(before <= place, "in order: {said}");
        before = place;
        if index < 20 {
            assert!(diagnostic.render(text, true).contains('\n'));
            assert!(diagnostic.render(text, false).contains('\n'));
        }
    }
    keeps_the_rules(&parsed.state);
}

#[track_caller]
fn keeps_the_rules(state: &State) {
    assert!((1..=1 << 28).contains(&state.director.flows));
    let interfaces: BTreeSet<&String> = state.director.interfaces.iter().collect();
    assert_eq!(interfaces.len(), state.director.interfaces.len());
    let keys: BTreeSet<_> = state.services.iter().map(|service| service.key).collect();
    assert_eq!(keys.len(), state.services.len());
    rules_hold(state);
    for service in &state.services {
        assert!(service.key.port() != 0 || service.key.address().is_none() || service.persistence.is_some());
        assert!(!service.one_packet || !matches!(service.key.protocol(), Some(Protocol::Tcp | Protocol::Sctp)));
        if let Some(persistence) = service.persistence {
            assert!((1..=Persistence::MAX_TIMEOUT_S).contains(&persistence.timeout_s));
            assert_eq!(persistence.netmask.is_ipv4(), service.key.is_ipv4());
        }
        let servers: BTreeSet<_> = service.servers.iter().map(|server| (server.address, server.port)).collect();
        assert_eq!(servers.len(), service.servers.len());
        for server in &service.servers {
            assert_eq!(server.address.is_ipv4(), service.key.is_ipv4());
            assert_ne!(Some(server.address), service.key.address());
            assert!(server.port != 0 || service.key.port() == 0);
            assert!(server.lower_threshold <= server.upper_threshold);
            assert!(server.weight <= i32::MAX as u32);
            assert!(server.method == Method::Nat || server.port == service.key.port());
        }
    }
}

#[track_caller]
fn rules_hold(state: &State) {
    let Timeouts { tcp_s, tcp_fin_s, udp_s } = state.timeouts;
    assert!([tcp_s, tcp_fin_s, udp_s].iter().all(|seconds| (1..=Persistence::MAX_TIMEOUT_S).contains(seconds)));
    for rule in &state.rules {
        assert!(rule.mark != 0 && (rule.is_of(true) || rule.is_of(false)));
        assert!(rule.ports.iter().all(|range| 0 < range.first && range.first <= range.last));
        for network in rule.sources.iter().chain(&rule.destinations) {
            assert_eq!(*network, Network::of(network.address, network.prefix));
        }
    }
}

/// Pieces of a configuration, whole and broken.
fn piece() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "[director]\n",
        "[[service]]\n",
        "[[service.server]]\n",
        "[service]\n",
        "[service.check]\n",
        "[[service]\n",
        "listen = \"192.0.2.100:80/tcp\"\n",
        "listen = \"[2001:db8::1]:443/udp\"\n",
        "listen = \"192.0.2.100:0/tcp\"\n",
        "address = \"10.0.0.1\"\n",
        "address = \"10.0.0.2:8080\"\n",
        "address = \"fd00::1\"\n",
        "address = \"192.0.2.100\"\n",
        "port = 80\n",
        "port = 8080\n",
        "port = 0\n",
        "weight = 2\n",
        "weight = -1\n",
        "method = \"nat\"\n",
        "method = \"tun\"\n",
        "scheduler = \"wlc\"\n",
        "scheduler = \"rr\"\n",
        "flows = 12\n",
        "flows = 0\n",
        "interfaces = [\"a\", \"b\", \"a\"]\n",
        "interfaces = [\"a\",\n",
        "service = [{listen = \"192.0.2.7:7/tcp\", server = [{address = \"10.0.0.7\"}]}]\n",
        "persistence = { timeout = 5 }\n",
        "persistence = { netmask = 64 }\n",
        "persistence = \"5m\"\n",
        "persistence = true\n",
        "mark = 7\n",
        "family = \"ipv6\"\n",
        "flags = [\"sh-port\", \"flag-1\"]\n",
        "one_packet = true\n",
        "upper_threshold = 7\n",
        "lower_threshold = 6\n",
        "[[rule]]\n",
        "source = [\"10.0.0.0/8\", \"fd00::/8\"]\n",
        "destination = \"192.0.2.0/24\"\n",
        "ports = [80, \"1-2\"]\n",
        "[timeouts]\n",
        "tcp = \"5m\"\n",
        "[ipvs]\n",
        "sloppy_tcp = 1\n",
        "sync_threshold = [3, 50]\n",
        "key",
        "=",
        "\"",
        "\"\"\"",
        "'''",
        "[",
        "]",
        "{",
        "}",
        ",",
        "\n",
        "\r\n",
        "\r",
        "\t",
        " ",
        "# c\n",
        "ü = 1\n",
        "\u{feff}",
        "\0",
        ".",
        "1.2.3.4:5/tcp",
        "\u{2028}",
        "x = 1 y = 2\n",
        "a.b.c = 1\n",
        "service.server = 1\n",
        "director.flows = 3\n",
        "\\u0000",
        "漢字\n",
    ]);
    prop_oneof![9 => words.prop_map(str::to_owned), 1 => any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        holds(&parse_toml_bytes("f", &bytes), &String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn characters(text in any::<String>()) {
        holds(&parse_toml("f\n", &text), &text);
    }

    #[test]
    fn pieces(pieces in prop::collection::vec(piece(), 0..60)) {
        let text = pieces.concat();
        holds(&parse_toml("f", &text), &text);
    }

    #[test]
    fn one_changed_byte(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = GOOD.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        holds(&parse_toml_bytes("f", &bytes), &String::from_utf8_lossy(&bytes));
    }

    /// A generated state, written as a file, is read as that state.
    #[test]
    fn written_and_read(state in state()) {
        let parsed = parse_toml("f", &written(&state));
        let errors: Vec<_> = parsed.diagnostics.iter().map(ToString::to_string).filter(|d| d.contains(": error: ")).collect();
        prop_assert_eq!(errors, Vec::<String>::new());
        prop_assert_eq!(parsed.state, state);
    }
}

const GOOD: &str = "[director]\ninterfaces = [\"eth0\"]\nflows = 1000\n[[service]]\nlisten = \"192.0.2.100:80/tcp\"\n\
    scheduler = \"rr\"\n[[service.server]]\naddress = \"10.0.0.11\"\nweight = 2\n[[service.server]]\n\
    address = \"10.0.0.12:8080\"\nmethod = \"nat\"\n[[service]]\nlisten = \"[2001:db8::1]:53/udp\"\nmethod = \"tun\"\n\
    [[service.server]]\naddress = \"fd00::1\"\n";

prop_compose! {
    fn state()(
        flows in 1..=1u32 << 28,
        names in prop::collection::btree_set("[a-z]{1,12}[0-9]{1,3}", 0..4),
        services in prop::collection::btree_map((any::<bool>(), any::<bool>(), 1u16.., 1..200u8), service(), 0..5),
        marks in prop::collection::btree_map((1u32.., any::<bool>()), service(), 0..3),
        timeouts in (seconds(), seconds(), seconds()),
        sloppy in 0..2u32,
        rules in prop::collection::vec(rule(), 0..3),
    ) -> State {
        let mut state = State::default();
        state.director.flows = flows;
        state.director.interfaces = names.into_iter().collect();
        (state.timeouts.tcp_s, state.timeouts.tcp_fin_s, state.timeouts.udp_s) = timeouts;
        (state.settings.sloppy_tcp, state.settings.sync_threshold) = (sloppy, [sloppy, 60]);
        state.rules = rules;
        for ((v4, tcp, port, host), draft) in services {
            let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
            let vip = address(v4, "1", host).parse().expect("an address");
            state.services.push(draft.of(ServiceKey::listen(protocol, vip, port)));
        }
        for ((mark, six), draft) in marks {
            state.services.push(draft.of(ServiceKey::mark(mark, six)));
        }
        state
    }
}

fn address(v4: bool, net: &str, host: u8) -> String {
    if v4 { format!("10.{net}.0.{host}") } else { format!("fd00:{net}::{host}") }
}

fn seconds() -> impl Strategy<Value = u32> {
    1..=Persistence::MAX_TIMEOUT_S
}

#[derive(Clone, Debug)]
struct Draft {
    scheduler: Scheduler,
    flags: u8,
    /// Timeout and netmask.
    persistence: Option<(u32, u32)>,
    one_packet: bool,
    new_flows: u32,
    /// Method, port, weight and thresholds.
    servers: BTreeMap<u8, (Method, u16, u32, (u32, u32))>,
}

impl Draft {
    fn of(self, key: ServiceKey) -> Service {
        let servers = self.servers.into_iter().map(|(host, (method, own_port, weight, (a, b)))| {
            let port = if method == Method::Nat { own_port } else { key.port() };
            let address = address(key.is_ipv4(), "2", host).parse().expect("an address");
            Server {
                upper_threshold: a.max(b),
                lower_threshold: a.min(b),
                ..Server::new(address, port, weight, method)
            }
        });
        let all = [SchedulerFlags::FALLBACK, SchedulerFlags::PORT, SchedulerFlags::THIRD];
        let flags = all.into_iter().enumerate().filter(|(bit, _)| self.flags >> bit & 1 == 1);
        Service {
            flags: flags.fold(SchedulerFlags::NONE, |flags, (_, flag)| flags.with(flag)),
            persistence: self.persistence.map(|(timeout_s, mask)| Persistence {
                timeout_s,
                netmask: if key.is_ipv4() { Netmask::V4(mask.into()) } else { Netmask::V6((mask % 128) as u8 + 1) },
            }),
            one_packet: self.one_packet && matches!(key.protocol(), Some(Protocol::Udp) | None),
            new_flows_per_second: self.new_flows,
            ..Service::new(key, self.scheduler, servers.collect())
        }
    }
}

prop_compose! {
    fn service()(
        scheduler in prop::sample::select(&Scheduler::ALL[..]),
        flags in 0..8u8,
        persistence in prop::option::of((seconds(), any::<u32>())),
        one_packet in any::<bool>(),
        new_flows in prop_oneof![Just(0), any::<u32>()],
        servers in prop::collection::btree_map(1..200u8, (
            prop::sample::select(&Method::ALL[..]), 1u16.., 0..=i32::MAX as u32, (0..9u32, 0..=i32::MAX as u32),
        ), 0..5),
    ) -> Draft {
        Draft { scheduler, flags, persistence, one_packet, new_flows, servers }
    }
}

fn rule() -> impl Strategy<Value = Rule> {
    let networks = |v4: bool| {
        let network = (1..200u8, 0..=if v4 { 32u8 } else { 128 })
            .prop_map(move |(host, prefix)| Network::of(address(v4, "3", host).parse().expect("an address"), prefix));
        prop::collection::vec(network, 0..3)
    };
    let ports = prop::collection::vec((1u16.., 1u16..), 0..3)
        .prop_map(|ports| ports.into_iter().map(|(a, b)| PortRange { first: a.min(b), last: a.max(b) }).collect());
    any::<bool>().prop_flat_map(move |v4| {
        let protocol = prop::option::of(prop::sample::select(&Protocol::ALL[..]));
        (1u32.., networks(v4), networks(v4), protocol, ports.clone()).prop_map(
            |(mark, sources, destinations, protocol, ports)| Rule { mark, sources, destinations, protocol, ports },
        )
    })
}

fn written(state: &State) -> String {
    let director = &state.director;
    let mut text = format!("[director]\nflows = {}\ninterfaces = {:?}\n", director.flows, director.interfaces);
    let Timeouts { tcp_s, tcp_fin_s, udp_s } = state.timeouts;
    let _ = writeln!(text, "[timeouts]\ntcp = {tcp_s}\ntcp_fin = \"{tcp_fin_s}s\"\nudp = {udp_s}\n[ipvs]");
    for (name, value) in state.settings.entries() {
        if name != "sync_qlen_max" {
            let _ = writeln!(text, "{name} = {value:?}");
        }
    }
    let strings = |items: Vec<String>| format!("{items:?}");
    for rule in &state.rules {
        let _ = writeln!(text, "[[rule]]\nmark = {}", rule.mark);
        let _ = writeln!(text, "source = {}", strings(rule.sources.iter().map(ToString::to_string).collect()));
        let _ =
            writeln!(text, "destination = {}", strings(rule.destinations.iter().map(ToString::to_string).collect()));
        let _ = writeln!(text, "ports = {}", strings(rule.ports.iter().map(ToString::to_string).collect()));
        if let Some(protocol) = rule.protocol {
            let _ = writeln!(text, "protocol = \"{protocol}\"");
        }
    }
    for service in &state.services {
        let _ = match service.key {
            ServiceKey::Listen(_) => writeln!(text, "[[service]]\nlisten = \"{}\"", service.key),
            ServiceKey::Mark(Mark { mark, six }) => {
                writeln!(text, "[[service]]\nmark = {mark}\nfamily = \"{}\"", if six { "ipv6" } else { "ipv4" })
            }
        };
        let _ = writeln!(text, "scheduler = \"{}\"\none_packet = {}", service.scheduler, service.one_packet);
        if service.new_flows_per_second > 0 {
            let _ = writeln!(text, "new_flows_per_second = {}", service.new_flows_per_second);
        }
        let _ = writeln!(text, "flags = {:?}", service.flags.names(service.scheduler));
        if let Some(Persistence { timeout_s, netmask }) = service.persistence {
            let netmask = if netmask.is_ipv4() { format!("\"{netmask}\"") } else { netmask.to_string() };
            let _ = writeln!(text, "persistence = {{ timeout = {timeout_s}, netmask = {netmask} }}");
        }
        for server in &service.servers {
            let _ = writeln!(text, "[[service.server]]\naddress = \"{}\"", server.address);
            if server.port != 0 {
                let _ = writeln!(text, "port = {}", server.port);
            }
            let _ = writeln!(text, "weight = {}\nmethod = \"{}\"", server.weight, server.method);
            let _ = writeln!(text, "upper_threshold = {}", server.upper_threshold);
            let _ = writeln!(text, "lower_threshold = {}", server.lower_threshold);
        }
    }
    text
}

/// Texts meant to do harm: by depth, by length, by number.
#[test]
fn hostile() {
    let many = 100_000;
    let service = "[[service]]\nlisten = \"192.0.2.100:80/tcp\"\n";
    for text in [
        format!("a = {}", "[".repeat(many)),
        format!("a = {}1{}", "[".repeat(many), "]".repeat(many)),
        format!("a = {}", "{a=".repeat(many)),
        "[".repeat(many),
        format!("a{} = 1", ".a".repeat(many)),
        format!("[[service{}]]", ".server".repeat(many)),
        format!("interfaces = \"{}\"", "x".repeat(1 << 20)),
        format!("[director]\ninterfaces = [{}]", "\"eth0\", ".repeat(1 << 17)),
        format!("[director]\n{} = 1", "k".repeat(1 << 20)),
        format!("{} = 1", "é".repeat(1 << 19)),
        "\0".repeat(1 << 20),
        "\r".repeat(many),
        "=\n".repeat(many / 10),
        "k\n".repeat(many / 10),
        "\u{feff}".repeat(many),
        "\"".repeat(many),
        "[[service]]\n".repeat(many / 10),
        service.repeat(many / 10),
        service.to_owned() + &"[[service.server]]\naddress = \"10.0.0.1\"\n".repeat(many / 10),
        format!("service = [{}]", "{listen = \"x\"}, ".repeat(many / 10)),
        format!("service = [{}", "{listen = \"x\"}, ".repeat(many / 10)),
        "[[service]]\nlisten\n".repeat(many / 10),
    ] {
        holds(&parse_toml("f", &text), &text);
    }
}

#[test]
fn a_file_that_is_no_configuration() {
    let parsed = parse_toml("f", &"#".repeat(relvs_config::MAX_BYTES + 1));
    assert_eq!(parsed.diagnostics.len(), 1);
    assert_eq!(parsed.diagnostics[0].to_string(), "f:1:1: error: the file has 16777217 bytes, of 16777216 at most");
}
