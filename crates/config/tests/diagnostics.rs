//! Every mistake gives its one line, at its place.

use relvs_config::{MAX_DIAGNOSTICS, Parsed, Severity, parse_toml, parse_toml_bytes};

fn lines(parsed: &Parsed) -> Vec<String> {
    parsed.diagnostics.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let parsed = parse_toml("f", text);
    assert_eq!(lines(&parsed), expected, "in\n{text}");
}

/// A service on 192.0.2.100:80/tcp whose server has these lines; they begin on line 4.
#[track_caller]
fn check_server(server: &str, expected: &[&str]) {
    check(&format!("[[service]]\nlisten = \"192.0.2.100:80/tcp\"\n[[service.server]]\n{server}\n"), expected);
}

/// The service's lines begin on line 2; it has a server.
#[track_caller]
fn check_service(service: &str, expected: &[&str]) {
    check(&format!("[[service]]\n{service}\n[[service.server]]\naddress = \"10.0.0.11\"\n"), expected);
}

#[test]
fn syntax() {
    for (text, expected) in [
        ("x = = 3", "f:1:5: error: not valid TOML: extra `=`, expected nothing"),
        ("[director]\nflows\n", "f:2:6: error: not valid TOML: key with no value, expected `=`"),
        ("[director]\nflows = \n", "f:2:9: error: there is no value after `=`"),
        ("[director]\nflows = 1__0", "f:2:10: error: not valid TOML: `_` may only go between digits, expected nothing"),
        ("[director]\nxdp_mode = auto", "f:2:12: error: `auto` is text without quotes; write \"auto\""),
        (
            "[[service]]\nlisten = 192.0.2.100:80/tcp",
            "f:2:10: error: `192.0.2.100:80/tcp` is text without quotes; write \"192.0.2.100:80/tcp\"",
        ),
        ("[director]\non_exit = \"keep\n", "f:2:11: error: this string has no closing quote"),
        ("[director]\non_exit = \"\"\"keep\n[[service]]\nx = 1", "f:2:11: error: this string has no closing quote"),
        ("[director]\ninterfaces = [\"eth0\"\nflows = 3\n[[service]]", "f:2:14: error: this bracket is never closed"),
        (
            "[[service]\nlisten = 5\n",
            "f:1:11: error: this header has no closing bracket; close it with as many brackets as open it",
        ),
        ("[director]\nflows = 1\nflows = 2", "f:3:1: error: `flows` is written twice; keep one of the two"),
        ("[director]\n[director]", "f:2:2: error: `director` is written twice; keep one of the two"),
        ("[director]\n# \0", "f:2:3: error: not valid TOML: invalid comment character, expected printable characters"),
        (
            "[director]\non_exit = \"\0\"",
            "f:2:12: error: not valid TOML: invalid basic string, expected non-double-quote visible characters, `\\`",
        ),
    ] {
        check(text, &[expected]);
    }
}

#[test]
fn what_is_not_utf8() {
    let parsed = parse_toml_bytes("f", b"[director]\n# \xc3\xa4\xff \xff\nflows = 0\n");
    assert_eq!(
        lines(&parsed),
        [
            "f:2:4: error: this is not UTF-8; save the file as UTF-8",
            "f:3:9: error: `flows` must be from 1 to 268435456, not 0"
        ]
    );
    assert!(parse_toml_bytes("f", "# ä\n".as_bytes()).diagnostics.is_empty());
}

#[test]
fn a_syntax_error_does_not_hide_the_rest() {
    check(
        "[director]\nflows\non_exit = 1\n[[service]]\nlisten = \"192.0.2.1:80/tcp\"\nmethod = dr\n\
         [[service.server]]\naddress = \"10.0.0.1:81\"\n[[service.server]]\nweight = \n",
        &[
            "f:2:6: error: not valid TOML: key with no value, expected `=`",
            "f:3:11: error: `on_exit` must be a string, not an integer",
            "f:6:10: error: `dr` is text without quotes; write \"dr\"",
            "f:10:10: error: there is no value after `=`",
        ],
    );
}

#[test]
fn unknown_keys() {
    check("[directer]", &["f:1:2: error: unknown key `directer` in relvs.toml; did you mean `director`?"]);
    check(
        "sync = 1",
        &[
            "f:1:1: error: unknown key `sync` in relvs.toml; known here: director, service, rule, timeouts, ipvs, metrics, api, vrrp, notify",
        ],
    );
    check("[director]\nflow = 3", &["f:2:1: error: unknown key `flow` in [director]; did you mean `flows`?"]);
    check_service(
        "listen = \"192.0.2.100:80/tcp\"\nsheduler = \"rr\"",
        &["f:3:1: error: unknown key `sheduler` in [[service]]; did you mean `scheduler`?"],
    );
    check_server(
        "address = \"10.0.0.11\"\nwieght = 2",
        &["f:5:1: error: unknown key `wieght` in [[service.server]]; did you mean `weight`?"],
    );
    check(
        "\"a\\n\u{202e}\" = 1",
        &[
            "f:1:1: error: unknown key `a\\n\\u{202e}` in relvs.toml; known here: director, service, rule, timeouts, ipvs, metrics, api, vrrp, notify",
        ],
    );
}

#[test]
fn director() {
    for (line, expected) in [
        ("interfaces = [\"\"]", "f:2:15: error: an interface's name is empty"),
        ("interfaces = [\"eth0\", \"eth0\"]", "f:2:23: error: the interface `eth0` is listed twice"),
        (
            "interfaces = \"eth0\"",
            "f:2:14: error: `interfaces` must be an array of strings, not a string; write interfaces = [\"eth0\"]",
        ),
        ("interfaces = [3]", "f:2:15: error: an interface's name must be a string, not an integer"),
        (
            "interfaces = [\"eth 0\"]",
            "f:2:15: error: `eth 0` cannot be an interface's name; names have up to 15 bytes, without spaces, `/` and `:`",
        ),
        (
            "interfaces = [\"abcdefghijklmnop\"]",
            "f:2:15: error: `abcdefghijklmnop` cannot be an interface's name; names have up to 15 bytes, without spaces, `/` and `:`",
        ),
        ("flows = 0", "f:2:9: error: `flows` must be from 1 to 268435456, not 0"),
        ("flows = 268_435_457", "f:2:9: error: `flows` must be from 1 to 268435456, not 268435457"),
        ("flows = -0x_1", "f:2:9: error: not valid TOML: integers with a radix cannot be signed, expected nothing"),
        ("flows = 1e6", "f:2:9: error: `flows` must be an integer, not a float"),
        ("flows = \"1\"", "f:2:9: error: `flows` must be an integer, not a string"),
        ("flows = true", "f:2:9: error: `flows` must be an integer, not a boolean"),
        ("flows = 2026-11-20", "f:2:9: error: `flows` must be an integer, not a date or time"),
        ("xdp_mode = \"skb\"", "f:2:12: error: unknown xdp_mode `skb`; available: auto, native, generic"),
        ("on_exit = \"stpo\"", "f:2:11: error: unknown on_exit `stpo`; did you mean `stop`?"),
        ("on_exit = { }", "f:2:11: error: `on_exit` must be a string, not a table"),
    ] {
        check(&format!("[director]\n{line}\n"), &[expected]);
    }
    for flows in ["1", "0x10", "268_435_456", "+1"] {
        check(&format!("[director]\nflows = {flows}\n"), &[]);
    }
    check("director = 3", &["f:1:12: error: `director` is written once, as [director]"]);
    check("[[director]]", &["f:1:1: error: `director` is written once, as [director]"]);
}

#[test]
fn listen() {
    let shape = "write ADDRESS:PORT/PROTOCOL, as in `192.0.2.100:80/tcp` or `[2001:db8::100]:443/tcp`";
    for (listen, expected) in [
        ("192.0.2.100:80", "`192.0.2.100:80` names no protocol; add it: `192.0.2.100:80/tcp` or `192.0.2.100:80/udp`".into()),
        ("192.0.2.100", format!("`192.0.2.100` names no protocol; {shape}")),
        ("", format!("`` names no protocol; {shape}")),
        ("192.0.2.100/tcp", format!("`192.0.2.100/tcp` names no port; {shape}")),
        ("192.0.2.100:80/tpc", "unknown protocol `tpc`; did you mean `tcp`?".into()),
        ("192.0.2.100:80/icmp", "unknown protocol `icmp`; available: tcp, udp, sctp".into()),
        ("192.0.2.100:80/", "unknown protocol ``; available: tcp, udp, sctp".into()),
        ("192.0.2.300:80/tcp", "`192.0.2.300` is not an IP address".into()),
        ("192.0.2.0/24:80/tcp", "`192.0.2.0/24` is not an IP address; write one address, not a network".into()),
        ("web:80/tcp", "`web` is not an IP address; names are not looked up; write the address itself".into()),
        (":80/tcp", "`` is not an IP address".into()),
        ("192.0.2.100:/tcp", "port `` is not a number from 1 to 65535".into()),
        ("192.0.2.100:+80/tcp", "port `+80` is not a number from 1 to 65535".into()),
        ("192.0.2.100:65536/tcp", "port `65536` is not a number from 1 to 65535".into()),
        (
            "192.0.2.100:0/tcp",
            "port 0 (any port) needs persistence; add `persistence = true`, or write a port from 1 to 65535".into(),
        ),
        (
            "2001:db8::100:443/tcp",
            "`2001:db8::100:443/tcp` names no port; write the address in brackets, then the port: `[2001:db8::100]:443/tcp`".into(),
        ),
        (
            "2001:db8:0:0:0:0:0:1:443/tcp",
            "`2001:db8:0:0:0:0:0:1:443` does not tell the address from the port; write an IPv6 address in brackets, as in `[2001:db8::100]:443`".into(),
        ),
        ("[2001:db8::100:443/tcp", "`[2001:db8::100:443` has no closing bracket".into()),
        ("[2001:db8::100]443/tcp", "`443` stands between the address and its port; write `[2001:db8::100]:443`".into()),
        ("[192.0.2.100]:80/tcp", "`192.0.2.100` is not an IPv6 address; brackets are for IPv6 only".into()),
        ("[fe80::1%eth0]:80/tcp", "`fe80::1%eth0` is not an IPv6 address; an address with an interface after `%` is not possible here".into()),
        ("0.0.0.0:80/tcp", "the VIP `0.0.0.0` is the unspecified address".into()),
        ("[::]:80/tcp", "the VIP `::` is the unspecified address".into()),
        ("239.1.1.1:80/udp", "the VIP `239.1.1.1` is a multicast address".into()),
        ("[ff02::1]:80/udp", "the VIP `ff02::1` is a multicast address".into()),
        ("255.255.255.255:80/udp", "the VIP `255.255.255.255` is the broadcast address".into()),
        ("127.0.0.1:80/tcp", "the VIP `127.0.0.1` is a loopback address".into()),
        ("[::1]:80/tcp", "the VIP `::1` is a loopback address".into()),
        ("[fe80::1]:80/tcp", "the VIP `fe80::1` is a link-local address, which needs an interface".into()),
        ("[::ffff:192.0.2.100]:80/tcp", "the VIP `::ffff:192.0.2.100` is an IPv4 address in IPv6 form; write `192.0.2.100`".into()),
    ] {
        let text = format!("[[service]]\nlisten = \"{listen}\"\nmethod = \"tun\"\n");
        let parsed = parse_toml("f", &text);
        let errors: Vec<_> = parsed.diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
        assert_eq!(errors.len(), 1, "{listen}: {errors:?}");
        assert_eq!(errors[0].to_string(), format!("f:2:10: error: {expected}"));
        assert!(parsed.state.services.is_empty(), "{listen}");
    }
    check_service(
        "method = \"dr\"",
        &["f:1:1: error: [[service]] has no `listen`; add `listen = \"192.0.2.100:80/tcp\"`"],
    );
    check_service("listen = 80", &["f:2:10: error: `listen` must be a string, not an integer"]);
}

#[test]
fn service() {
    for (line, expected) in [
        ("scheduler = \"wwr\"", "f:3:13: error: unknown scheduler `wwr`; did you mean `wrr`?"),
        (
            "scheduler = \"random\"",
            "f:3:13: error: unknown scheduler `random`; available: rr, wrr, lc, wlc, lblc, lblcr, dh, sh, sed, nq, fo, ovf, mh, twos",
        ),
        (
            "family = \"ipv4\"",
            "f:3:10: error: `family` is for services with a `mark`; leave it out: the address in `listen` says it",
        ),
        (
            "mark = 7",
            "f:3:8: error: a service has `listen` or `mark`, not both; remove one of them, or write two services",
        ),
        ("mark = 0", "f:3:8: error: `mark` must be from 1 to 4294967295, not 0"),
        (
            "flags = [\"sh-port\"]",
            "f:3:10: error: `sh-port` is a flag of sh, not of wlc; write scheduler = \"sh\", or leave the flag out",
        ),
        (
            "scheduler = \"sh\"\nflags = [\"mh-fallback\"]",
            "f:4:10: error: `mh-fallback` is a flag of mh, not of sh; write scheduler = \"mh\", or leave the flag out",
        ),
        ("flags = [\"flag-2\"]", "f:3:10: warning: `flag-2` means nothing to wlc; leave it out"),
        ("scheduler = \"mh\"\nflags = \"flag-3\"", "f:4:9: warning: `flag-3` means nothing to mh; leave it out"),
        ("flags = [\"sh-prot\"]", "f:3:10: error: unknown flag `sh-prot`; did you mean `sh-port`?"),
        ("flags = [1]", "f:3:10: error: `flags` must be a string, or an array of strings, not an integer"),
        (
            "one_packet = true",
            "f:3:14: error: one-packet scheduling is for UDP and for marks, not for tcp; leave it out",
        ),
        ("one_packet = 1", "f:3:14: error: `one_packet` must be true or false, not an integer"),
        ("persistence = 0", "f:3:15: error: `persistence` must be from 1 to 2678400, not 0"),
        ("persistence = \"0s\"", "f:3:15: error: `persistence` must be from 1 second to 31 days, not `0s`"),
        (
            "persistence = \"5\"",
            "f:3:15: error: `5` is not a duration; write a number and s, m, h or d, as in `90s` or `5m`",
        ),
        (
            "persistence = \"1d\"",
            "f:3:15: warning: `persistence` is longer than 18 hours, the longest time that flows are told apart by; it acts as 18 hours",
        ),
        (
            "persistence = 1.5",
            "f:3:15: error: `persistence` must be a duration or a table, not a float; write \"5m\", or { timeout = \"5m\", netmask = 24 }",
        ),
        ("persistence = { timeout = -1 }", "f:3:27: error: `timeout` must be from 1 to 2678400, not -1"),
        (
            "persistence = { time = 1 }",
            "f:3:17: error: unknown key `time` in persistence; known here: timeout, netmask",
        ),
        (
            "persistence = { netmask = 33 }",
            "f:3:27: error: an IPv4 address has 32 bits, so the netmask cannot be 33; write a prefix from 1 to 32",
        ),
        ("persistence = { netmask = 0 }", "f:3:27: error: `netmask` must be from 1 to 128, not 0"),
        (
            "persistence = { netmask = \"24\" }",
            "f:3:27: error: `24` is not a netmask; write a prefix, as in 24, or a mask, as in \"255.255.255.0\"",
        ),
        ("method = \"nta\"", "f:3:10: error: unknown method `nta`; did you mean `nat`?"),
        ("method = \"Masq\"", "f:3:10: error: unknown method `Masq`; available: nat, dr, tun"),
    ] {
        check_service(&format!("listen = \"192.0.2.100:80/tcp\"\n{line}"), &[expected]);
    }
    check(
        "[[service]]\nlisten = \"192.0.2.100:80/tcp\"",
        &["f:2:10: warning: the service 192.0.2.100:80/tcp has no server; its clients are refused until it has one"],
    );
    check(
        "[service]\nlisten = 3",
        &[
            "f:1:1: error: each `service` begins with [[service]], in double brackets",
            "f:2:10: error: `listen` must be a string, not an integer",
        ],
    );
    check(
        "[[service.server]]\naddress = \"10.0.0.1\"",
        &["f:1:3: error: each `service` begins with [[service]], in double brackets"],
    );
    check(
        "[[service]]\nlisten = \"192.0.2.1:80/tcp\"\n[service.server]\naddress = \"10.0.0.300\"",
        &[
            "f:3:1: error: each `server` begins with [[service.server]], in double brackets",
            "f:4:11: error: `10.0.0.300` is not an IP address",
        ],
    );
    check("service = [1]", &["f:1:12: error: each `service` begins with [[service]], in double brackets"]);
}

#[test]
fn the_same_service_twice() {
    let service =
        |listen: &str| format!("[[service]]\nlisten = \"{listen}\"\n[[service.server]]\naddress = \"fd00::1\"\n");
    let other = "[[service]]\nlisten = \"[2001:db8::1]:80/udp\"\n[[service.server]]\naddress = \"fd00::1\"\n";
    let text = service("[2001:db8::1]:80/tcp") + other + &service("[2001:DB8:0::1]:80/tcp");
    check(&text, &["f:10:10: error: the service [2001:db8::1]:80/tcp is defined twice; the first is on line 2"]);
    assert_eq!(parse_toml("f", &text).state.services.len(), 2);
}

#[test]
fn server() {
    for (lines, expected) in [
        ("weight = 1", "f:3:1: error: [[service.server]] has no `address`; add `address = \"10.0.0.11\"`"),
        ("address = \"10.0.0\"", "f:4:11: error: `10.0.0` is not an IP address"),
        (
            "address = \"rs1\"",
            "f:4:11: error: `rs1` is not an IP address; names are not looked up; write the address itself",
        ),
        ("address = \"127.0.0.2\"", "f:4:11: error: the server's address `127.0.0.2` is a loopback address"),
        ("address = \"0.0.0.0\"", "f:4:11: error: the server's address `0.0.0.0` is the unspecified address"),
        ("address = \"224.0.0.1\"", "f:4:11: error: the server's address `224.0.0.1` is a multicast address"),
        (
            "address = \"255.255.255.255\"",
            "f:4:11: error: the server's address `255.255.255.255` is the broadcast address",
        ),
        (
            "address = \"192.0.2.100\"",
            "f:4:11: error: the server's address `192.0.2.100` is the VIP itself; write the address that the server alone has",
        ),
        ("address = \"10.0.0.1\"\nweight = -1", "f:5:10: error: `weight` must be from 0 to 2147483647, not -1"),
        (
            "address = \"10.0.0.1\"\nweight = 2147483648",
            "f:5:10: error: `weight` must be from 0 to 2147483647, not 2147483648",
        ),
        (
            "address = \"10.0.0.1\"\nweight = 999999999999999999999999999999999999999999",
            "f:5:10: error: `weight` must be from 0 to 2147483647, not `999999999999999999999999999999999999999999`",
        ),
        ("address = \"10.0.0.1\"\nweight = \"2\"", "f:5:10: error: `weight` must be an integer, not a string"),
        ("address = \"10.0.0.1\"\nport = 0", "f:5:8: error: `port` must be from 1 to 65535, not 0"),
        ("address = \"10.0.0.1\"\nport = 65536", "f:5:8: error: `port` must be from 1 to 65535, not 65536"),
        ("address = \"10.0.0.1:0\"\nmethod = \"nat\"", "f:4:11: error: a server's port must be from 1 to 65535, not 0"),
        (
            "address = \"10.0.0.1:80\"\nport = 81",
            "f:5:8: error: `port` is 81, but `address` says 80; write one of them",
        ),
        (
            "address = \"10.0.0.1:81\"",
            "f:4:11: error: a dr server gets packets on the service's port 80, not 81; leave the port out, or write method = \"nat\"",
        ),
        (
            "address = \"10.0.0.1\"\nmethod = \"tun\"\nport = 81",
            "f:6:8: error: a tun server gets packets on the service's port 80, not 81; leave the port out, or write method = \"nat\"",
        ),
        (
            "address = \"fd00::1\"\nmethod = \"nat\"",
            "f:4:11: error: nat from an IPv4 VIP to an IPv6 server is not possible; write the server's IPv4 address, or method = \"tun\"",
        ),
        (
            "address = \"fd00::1\"",
            "f:4:11: error: dr from an IPv4 VIP to an IPv6 server is not possible; write the server's IPv4 address, or method = \"tun\"",
        ),
        (
            "address = \"10.0.0.1\"\ntunnel = { type = \"gre\" }",
            "f:5:10: error: a dr server has no tunnel; write method = \"tun\", or leave `tunnel` out",
        ),
        (
            "address = \"10.0.0.1\"\nmethod = \"tun\"\ntunnel = \"gre\"",
            "f:6:10: error: `tunnel` must be a table, not a string; write { type = \"gre\" }, or { type = \"gue\", port = 6080 }",
        ),
        (
            "address = \"10.0.0.1\"\nmethod = \"tun\"\ntunnel = { type = \"gre\", port = 7 }",
            "f:6:33: error: `port` is not for a tunnel of type gre; leave it out",
        ),
        (
            "address = \"10.0.0.1\"\nmethod = \"tun\"\ntunnel = { type = \"ipip\", checksum = true }",
            "f:6:38: error: `checksum` is not for a tunnel of type ipip; leave it out",
        ),
        (
            "address = \"10.0.0.1\"\nmethod = \"tun\"\ntunnel = { type = \"gue\" }",
            "f:6:10: error: tunnel has no `port`; add `port = 6080`",
        ),
        (
            "address = \"10.0.0.1\"\nupper_threshold = 7\nlower_threshold = 8",
            "f:6:19: error: `lower_threshold` is 8, more than `upper_threshold`, which is 7; write at most 7",
        ),
        (
            "address = \"10.0.0.1\"\nlower_threshold = 8",
            "f:5:19: error: `lower_threshold` needs an `upper_threshold`; add it, or leave this out",
        ),
        (
            "address = \"10.0.0.1\"\nupper_threshold = -1",
            "f:5:19: error: `upper_threshold` must be from 0 to 2147483647, not -1",
        ),
        ("address = \"10.0.0.1\"\nmethod = \"ipip\"", "f:5:10: error: unknown method `ipip`; available: nat, dr, tun"),
    ] {
        check_server(lines, &[expected]);
        let text = format!("[[service]]\nlisten = \"192.0.2.100:80/tcp\"\n[[service.server]]\n{lines}\n");
        assert!(parse_toml("f", &text).state.services[0].servers.is_empty(), "{lines}");
    }
    for lines in [
        "address = \"10.0.0.1\"\nweight = 0",
        "address = \"10.0.0.1\"\nweight = 2147483647",
        "address = \"10.0.0.1:80\"\nport = 80",
        "address = \"10.0.0.1:81\"\nport = 81\nmethod = \"nat\"",
    ] {
        check_server(lines, &[]);
    }
}

#[test]
fn the_same_server_twice() {
    check_server(
        "address = \"10.0.0.1\"\nweight = 2\n[[service.server]]\naddress = \"10.0.0.1:80\"",
        &["f:7:11: error: the server `10.0.0.1` is in this service twice; the first is on line 4"],
    );
    check_server(
        "address = \"10.0.0.1:8080\"\nmethod = \"nat\"\n[[service.server]]\naddress = \"10.0.0.1:8081\"\nmethod = \"nat\"",
        &[],
    );
}

#[test]
fn all_problems_in_one_run_in_order() {
    check(
        "[director]\nflows = 0\ninterfaces = [\"\"]\n[[service]]\nscheduler = \"cl\"\nlisten = \"1.2.3:80/tcp\"\n\
         [[service.server]]\nport = 0\nweight = -1\naddress = \"x\"\nmethod = 3\n[[service]]\nlisten = \"192.0.2.1:80/tcp\"\n\
         [[service.server]]\naddress = \"10.0.0.1:81\"\n[extra]\n",
        &[
            "f:2:9: error: `flows` must be from 1 to 268435456, not 0",
            "f:3:15: error: an interface's name is empty",
            "f:5:13: error: unknown scheduler `cl`; did you mean `lc`?",
            "f:6:10: error: `1.2.3` is not an IP address",
            "f:8:8: error: `port` must be from 1 to 65535, not 0",
            "f:9:10: error: `weight` must be from 0 to 2147483647, not -1",
            "f:10:11: error: `x` is not an IP address; names are not looked up; write the address itself",
            "f:11:10: error: `method` must be a string, not an integer",
            "f:15:11: error: a dr server gets packets on the service's port 80, not 81; leave the port out, or write method = \"nat\"",
            "f:16:2: error: unknown key `extra` in relvs.toml; known here: director, service, rule, timeouts, ipvs, metrics, api, vrrp, notify",
        ],
    );
}

#[test]
fn columns_are_those_of_an_editor() {
    let expected = ["f:1:12: error: unknown key `x` in [director]; known here: interfaces, flows, xdp_mode, on_exit"];
    check(
        "director = {x = 1}",
        &["f:1:13: error: unknown key `x` in [director]; known here: interfaces, flows, xdp_mode, on_exit"],
    );
    check("\u{feff}director={ x = 1}", &expected);
    check(
        "[director]\r\n# ü\r\n'ü' = 1 # €\r\nflows = 0\r\n",
        &[
            "f:3:1: error: unknown key `ü` in [director]; known here: interfaces, flows, xdp_mode, on_exit",
            "f:4:9: error: `flows` must be from 1 to 268435456, not 0",
        ],
    );
    check(
        "director = { 'äöü' = 1, flows = 0 }",
        &[
            "f:1:14: error: unknown key `äöü` in [director]; known here: interfaces, flows, xdp_mode, on_exit",
            "f:1:33: error: `flows` must be from 1 to 268435456, not 0",
        ],
    );
}

#[test]
fn lengths_cover_what_is_meant() {
    let parsed = parse_toml("f", "[director]\r\nxdp_mode = \"ärger\"\r\nflows = [\r\n1]\r\n");
    let lengths: Vec<_> = parsed.diagnostics.iter().map(|d| (d.line, d.column, d.length)).collect();
    assert_eq!(lengths, [(2, 12, 7), (3, 9, 1)]);
}

#[test]
fn very_many_problems_are_cut() {
    let text = "[director]\n".to_owned() + &(0..5000).map(|i| format!("x{i} = 1\n")).collect::<String>();
    let parsed = parse_toml("f", &text);
    assert_eq!(parsed.diagnostics.len(), MAX_DIAGNOSTICS + 1);
    let last = parsed.diagnostics.last().expect("just counted");
    assert_eq!(last.to_string(), "f:1002:1: error: 4000 more problems, from here on, are not shown");
}

#[test]
fn a_rendered_diagnostic_shows_the_line() {
    let text = "[director]\nxdp_mode = \"natvie\"\n";
    let parsed = parse_toml("relvs.toml", text);
    let expected = "\
error: unknown xdp_mode `natvie`
 --> relvs.toml:2:12
  |
2 | xdp_mode = \"natvie\"
  |            ^^^^^^^^
  |
  = help: did you mean `native`?";
    assert_eq!(parsed.diagnostics[0].render(text, false), expected);
}
