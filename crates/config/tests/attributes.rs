//! Every mistake in persistence, marks, match rules, settings and timeouts gives its one line, at its place.

use relvs_config::{Parsed, parse_toml};

fn lines(parsed: &Parsed) -> Vec<String> {
    parsed.diagnostics.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let parsed = parse_toml("f", text);
    assert_eq!(lines(&parsed), expected, "in\n{text}");
}

#[test]
fn persistence_of_ipv6() {
    let mask = |mask: &str| {
        format!(
            "[[service]]\nlisten = \"[2001:db8::1]:80/tcp\"\npersistence = {{ netmask = {mask} }}\n\
        [[service.server]]\naddress = \"fd00::1\"\n"
        )
    };
    check(
        &mask("\"255.255.255.0\""),
        &[
            "f:3:27: error: the netmask 255.255.255.0 is for IPv4, but the service is IPv6; write a prefix from 1 to 128",
        ],
    );
    check(&mask("129"), &["f:3:27: error: `netmask` must be from 1 to 128, not 129"]);
    check(&mask("128"), &[]);
}

#[test]
fn services_of_any_port() {
    let service = |server: &str| {
        format!("[[service]]\nlisten = \"192.0.2.1:0/tcp\"\npersistence = true\n[[service.server]]\n{server}\n")
    };
    check(&service("address = \"10.0.0.1\""), &[]);
    check(
        &service("address = \"10.0.0.1:80\""),
        &[
            "f:5:11: error: a dr server gets each packet on the port it was sent to, not on 80; leave the port out, or write method = \"nat\"",
        ],
    );
    check(
        &service("address = \"10.0.0.1:80\"\nmethod = \"nat\""),
        &[
            "f:5:11: warning: persistent clients reach this server on the port they chose, not on 80; leave the port out",
        ],
    );
    assert_eq!(parse_toml("f", &service("address = \"10.0.0.1\"\nport = 80")).state.services[0].servers, []);
}

#[test]
fn mh_has_a_limit() {
    let servers = |count: u32| {
        (0..count).map(|n| format!("{{address = \"10.0.{}.{}\"}},", n / 200, n % 200 + 1)).collect::<String>()
    };
    let text = |count| {
        format!("[[service]]\nlisten = \"192.0.2.1:80/tcp\"\nscheduler = \"mh\"\nserver = [{}]", servers(count))
    };
    check(&text(4093), &[]);
    check(&text(4094), &["f:2:10: error: mh can tell only 4093 servers apart, not 4094; write another scheduler"]);
}

#[test]
fn marks_and_rules() {
    let mark = "[[service]]\nmark = 7\n[[service.server]]\naddress = \"10.0.0.1\"\n";
    check(mark, &["f:2:8: warning: no rule gives mark 7; add a [[rule]]: marks of netfilter come too late to be seen"]);
    for (rule, expected) in [
        ("mark = 7", None),
        ("mark = 7\nsource = \"0.0.0.0/0\"\nports = [80, \"8000-8100\", \"443\"]", None),
        (
            "mark = 7\nsource = []\ndestination = [\"192.0.2.0/24\", \"2001:db8::/32\"]\nprotocol = \"sctp\"\nports = 80",
            None,
        ),
        ("source = \"10.0.0.0/8\"", Some("5:1: error: [[rule]] has no `mark`; add `mark = 7`")),
        ("mark = 0", Some("6:8: error: `mark` must be from 1 to 4294967295, not 0")),
        (
            "mark = 7\nsrc = 1",
            Some("7:1: error: unknown key `src` in [[rule]]; known here: mark, source, destination, protocol, ports"),
        ),
        (
            "mark = 7\nsource = \"lan\"",
            Some(
                "7:10: error: `lan` is not an address or a network; write `10.0.0.0/8`, `192.0.2.100` or `2001:db8::/32`",
            ),
        ),
        (
            "mark = 7\nsource = [\"10.0.0.0/33\"]",
            Some("7:11: error: the prefix of `10.0.0.0/33` is not a number from 0 to 32"),
        ),
        (
            "mark = 7\nsource = \"fd00::/129\"",
            Some("7:10: error: the prefix of `fd00::/129` is not a number from 0 to 128"),
        ),
        (
            "mark = 7\nsource = \"10.0.0.1/8\"",
            Some("7:10: error: `10.0.0.1/8` has bits beyond its prefix; write `10.0.0.0/8`, or a longer prefix"),
        ),
        (
            "mark = 7\nsource = 10",
            Some("7:10: error: `source` must be a string, or an array of strings, not an integer"),
        ),
        ("mark = 7\nprotocol = \"icmp\"", Some("7:12: error: unknown protocol `icmp`; available: tcp, udp, sctp")),
        (
            "mark = 7\nports = 0",
            Some("7:9: error: `0` is not a port or a range of ports; write `80` or `8000-8100`, from 1 to 65535"),
        ),
        (
            "mark = 7\nports = [80, \"x\"]",
            Some("7:14: error: `x` is not a port or a range of ports; write `80` or `8000-8100`, from 1 to 65535"),
        ),
        ("mark = 7\nports = \"9-8\"", Some("7:9: error: `9-8` ends before it begins; write `8-9`")),
        (
            "mark = 7\nports = true",
            Some("7:9: error: `ports` must be ports like 80 and ranges like \"8000-8100\", not a boolean"),
        ),
        (
            "mark = 7\nsource = \"10.0.0.0/8\"\ndestination = \"fd00::/8\"",
            Some(
                "6:8: error: the sources of this rule are all of another address family than its destinations; write a rule for each family",
            ),
        ),
    ] {
        let parsed = parse_toml("f", &format!("{mark}[[rule]]\n{rule}\n"));
        let errors: Vec<_> = lines(&parsed).into_iter().filter(|line| line.contains(" error: ")).collect();
        assert_eq!(errors, expected.map(|line| format!("f:{line}")).into_iter().collect::<Vec<_>>(), "{rule}");
        assert_eq!(parsed.state.rules.len(), usize::from(expected.is_none()), "{rule}");
        if expected.is_none() {
            assert_eq!(lines(&parsed), Vec::<String>::new(), "{rule}");
        }
    }
    check(
        "[[rule]]\nmark = 9\n[[rule]]\nmark = 7\nsource = \"fd00::/8\"\n",
        &[
            "f:2:8: warning: there is no service of mark 9; its packets go on as if no rule had matched",
            "f:4:8: warning: there is no service of mark 7 (ipv6); its packets go on as if no rule had matched",
        ],
    );
    check(
        "[[service]]\nmark = 7\nfamily = \"ipv6\"\n[[service.server]]\naddress = \"10.0.0.1\"\n[[rule]]\nmark = 7\n\
         [[service]]\nmark = 7\nfamily = \"ip\"\n[[service]]\nmark = 7\nfamily = \"ipv6\"\n",
        &[
            "f:5:11: error: dr from an IPv6 mark to an IPv4 server is not possible; write the server's IPv6 address, or method = \"tun\"",
            "f:10:10: error: unknown family `ip`; available: ipv4, ipv6",
            "f:12:8: error: the service mark 7 (ipv6) is defined twice; the first is on line 2",
        ],
    );
}

#[test]
fn settings() {
    let valued = |name: &str, value: &str| format!("[ipvs]\n{name} = {value}\n");
    for (name, value, expected) in [
        ("sloppy_tcp", "1", None),
        ("sloppy_tcp", "true", None),
        ("sync_threshold", "[3, 50]", None),
        ("conntrack", "0", None),
        ("run_estimation", "0x0", None),
        ("sloppy_tcp", "2", Some("2:14: error: `sloppy_tcp` must be 0 or 1, not `2`")),
        ("sloppy_tcp", "1.5", Some("2:14: error: `sloppy_tcp` must be a number, not a float")),
        ("slopy_tcp", "1", Some("2:1: error: unknown key `slopy_tcp` in [ipvs]; did you mean `sloppy_tcp`?")),
        ("zzz", "1", Some("2:1: error: unknown key `zzz` in [ipvs]; known here: every name under net.ipv4.vs")),
        ("drop_entry", "4", Some("2:14: error: `drop_entry` must be a number from 0 to 3, not `4`")),
        (
            "sync_threshold",
            "[50, 3]",
            Some(
                "2:18: error: `sync_threshold` must be two numbers, the first less than the second, as in \"3 50\", not `50 3`",
            ),
        ),
        (
            "conntrack",
            "1",
            Some(
                "2:1: warning: `conntrack` does nothing here: packets are forwarded before connection tracking sees them; leave it out",
            ),
        ),
        (
            "pmtu_disc",
            "false",
            Some(
                "2:1: warning: `pmtu_disc` does nothing here: it is always 1: senders are told of packets that are too large for a tunnel; leave it out",
            ),
        ),
        (
            "sync_threshold",
            "\"1 2\"",
            Some("2:1: warning: `sync_threshold` does nothing here: there is no sync daemon yet; leave it out"),
        ),
    ] {
        let expected: Vec<String> = expected.map(|line| format!("f:{line}")).into_iter().collect();
        assert_eq!(lines(&parse_toml("f", &valued(name, value))), expected, "{name} = {value}");
    }
    // Whatever it is set to, a setting acts or says why it does not.
    for name in relvs_model::Settings::NAMES {
        let value = if *name == "est_cpulist" { "\"1\"" } else { "1" };
        let parsed = parse_toml("f", &valued(name, if *name == "sync_threshold" { "[1, 2]" } else { value }));
        assert!(!parsed.has_errors(), "{name}: {:?}", lines(&parsed));
        let changed = parsed.state.settings != relvs_model::Settings::default();
        assert!(
            changed
                || matches!(
                    *name,
                    "conn_reuse_mode" | "run_estimation" | "pmtu_disc" | "snat_reroute" | "sync_ports" | "sync_version"
                ),
            "{name}"
        );
    }
}

#[test]
fn timeouts() {
    check(
        "[timeouts]\ntcp = 0\ntcp_fin = \"90\"\nudp = true\nsctp = 1\n",
        &[
            "f:2:7: error: `tcp` must be from 1 to 2678400, not 0",
            "f:3:11: error: `90` is not a duration; write a number and s, m, h or d, as in `90s` or `5m`",
            "f:4:7: error: `udp` must be an integer, not a boolean",
            "f:5:1: error: unknown key `sctp` in [timeouts]; known here: tcp, tcp_fin, udp",
        ],
    );
    let parsed = parse_toml("f", "[timeouts]\ntcp = \"20h\"\nudp = 7\n");
    let longer = "f:2:7: warning: `tcp` is longer than 18 hours, the longest time that flows are told apart by; it acts as 18 hours";
    assert_eq!(lines(&parsed), [longer]);
    let timeouts = parsed.state.timeouts;
    assert_eq!((timeouts.tcp_s, timeouts.tcp_fin_s, timeouts.udp_s), (72_000, 120, 7));
    check("timeouts = 1", &["f:1:12: error: `timeouts` is written once, as [timeouts]"]);
}
