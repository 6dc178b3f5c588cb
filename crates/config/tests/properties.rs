//! Whatever the file holds: no panic, every place within the text, every diagnostic on one line, and a state that
//! keeps the model's rules.

use proptest::prelude::*;
use relvs_config::{Parsed, parse_toml, parse_toml_bytes};
use relvs_model::{Method, State};
use std::collections::BTreeSet;
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
    for service in &state.services {
        assert_ne!(service.key.port, 0);
        let servers: BTreeSet<_> = service.servers.iter().map(|server| (server.address, server.port)).collect();
        assert_eq!(servers.len(), service.servers.len());
        for server in &service.servers {
            assert_eq!(server.address.is_ipv4(), service.key.address.is_ipv4());
            assert_ne!(server.address, service.key.address);
            assert_ne!(server.port, 0);
            assert!(server.weight <= i32::MAX as u32);
            assert!(server.method == Method::Nat || server.port == service.key.port);
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
        let errors: Vec<_> = parsed.diagnostics.iter().map(ToString::to_string).filter(|d| d.contains("error")).collect();
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
    ) -> State {
        let mut state = State::default();
        state.director.flows = flows;
        state.director.interfaces = names.into_iter().collect();
        for ((v4, tcp, port, host), (scheduler, servers)) in services {
            let address = |net: &str, host: u8| if v4 { format!("10.{net}.0.{host}") } else { format!("fd00:{net}::{host}") };
            let key = relvs_model::ServiceKey {
                protocol: if tcp { relvs_model::Protocol::Tcp } else { relvs_model::Protocol::Udp },
                address: address("1", host).parse().expect("an address"),
                port,
            };
            let servers = servers.into_iter().map(|(host, (method, own_port, weight))| relvs_model::Server {
                address: address("2", host).parse().expect("an address"),
                port: if method == Method::Nat { own_port } else { port },
                weight,
                method,
            });
            state.services.push(relvs_model::Service { key, scheduler, servers: servers.collect() });
        }
        state
    }
}

type Servers = std::collections::BTreeMap<u8, (Method, u16, u32)>;

fn service() -> impl Strategy<Value = (relvs_model::Scheduler, Servers)> {
    let server = (prop::sample::select(&Method::ALL[..]), 1u16.., 0..=i32::MAX as u32);
    (prop::sample::select(&relvs_model::Scheduler::ALL[..]), prop::collection::btree_map(1..200u8, server, 0..5))
}

fn written(state: &State) -> String {
    let director = &state.director;
    let mut text = format!("[director]\nflows = {}\ninterfaces = {:?}\n", director.flows, director.interfaces);
    for service in &state.services {
        let _ = writeln!(text, "[[service]]\nlisten = \"{}\"\nscheduler = \"{}\"", service.key, service.scheduler);
        for server in &service.servers {
            let _ = writeln!(text, "[[service.server]]\naddress = \"{}\"\nport = {}", server.address, server.port);
            let _ = writeln!(text, "weight = {}\nmethod = \"{}\"", server.weight, server.method);
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
