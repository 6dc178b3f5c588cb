//! Health checks in relvs.toml: what is read, where it holds, and what each mistake says.

use relvs_config::{Parsed, parse_toml};
use relvs_model::Method;
use relvs_model::health::{
    Check, Damping, DnsProbe, DnsType, FileProbe, GrpcProbe, HttpProbe, HttpVersion, MiscProbe, PingProbe, Probe,
    Script, ServerHealth, SmtpProbe, StatusRange, Target, Timing, Tls, UdpProbe,
};

/// A service with two servers; `service` stands before them, `server` in the first.
fn text(service: &str, server: &str) -> String {
    format!(
        "[[service]]\nlisten = \"192.0.2.100:80/tcp\"\n{service}\n[[service.server]]\naddress = \"10.0.0.11\"\n{server}\n\
         [[service.server]]\naddress = \"10.0.0.12\"\n"
    )
}

#[track_caller]
fn good(service: &str, server: &str) -> Parsed {
    let parsed = parse_toml("f", &text(service, server));
    assert_eq!(parsed.diagnostics, [], "in\n{}", text(service, server));
    parsed
}

#[track_caller]
fn bad(service: &str, server: &str, expected: &[&str]) {
    let parsed = parse_toml("f", &text(service, server));
    let said = parsed.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(said, expected, "in\n{}", text(service, server));
}

fn health(parsed: &Parsed, server: usize) -> ServerHealth {
    parsed.state.services[0].servers[server].health.as_deref().cloned().unwrap_or_default()
}

/// The only check of the second server, by the service's words for it.
#[track_caller]
fn check(words: &str) -> Check {
    let parsed = good(&format!("[service.check]\n{words}"), "");
    let checks = health(&parsed, 1).checks;
    assert_eq!(checks.len(), 1);
    checks[0].clone()
}

#[track_caller]
fn probe(words: &str) -> Probe {
    check(words).probe
}

#[test]
fn the_short_form() {
    let expected = Check {
        probe: Probe::Http(HttpProbe { path: "/healthz".into(), ..HttpProbe::default() }),
        target: Target::default(),
        timing: Timing::default(),
    };
    assert_eq!(check("type = \"http\"\npath = \"/healthz\"\ninterval = \"2s\""), expected);
    assert_eq!(check("type = \"tcp\"").timing, Timing::default(), "without a word all is the model's default");
}

#[test]
fn without_a_word_there_is_nothing() {
    let parsed = good("", "");
    assert_eq!(parsed.state.services[0].health, None);
    assert!(parsed.state.services[0].servers.iter().all(|server| server.health.is_none()));
}

#[test]
fn every_type() {
    let tls = Tls {
        name: Some("a.example".into()),
        no_sni: true,
        verify: true,
        ca: Some("/ca".into()),
        certificate: Some("/crt".into()),
        key: Some("/key".into()),
    };
    let said =
        "server_name = \"a.example\"\nsni = false\nverify = true\nca = \"/ca\"\ncertificate = \"/crt\"\nkey = \"/key\"";
    assert_eq!(probe("type = \"tcp\""), Probe::Tcp);
    let http = HttpProbe {
        path: "/a?b=c".into(),
        method: "HEAD".into(),
        host: Some("b.example".into()),
        headers: vec![("Accept".into(), "text/plain".into()), ("X-A".into(), "b: c".into())],
        status: vec![StatusRange { first: 200, last: 200 }, StatusRange { first: 300, last: 399 }],
        digest: Some("5eb63bbbe01eeed093cb22bb8f5acdc3".into()),
        regex: Some("^ok".into()),
        regex_no_match: Some("no".into()),
        version: HttpVersion::Http2,
        tls: Some(tls.clone()),
    };
    let words = "path = \"/a?b=c\"\nmethod = \"HEAD\"\nhost = \"b.example\"\nheaders = [\"Accept: text/plain\", \"X-A: b: c\"]\n\
        status = [200, \"300-399\"]\ndigest = \"5EB63BBBE01EEED093CB22BB8F5ACDC3\"\nregex = \"^ok\"\nregex_no_match = \"no\"\n\
        version = \"2\"";
    assert_eq!(probe(&format!("type = \"https\"\n{words}\n{said}")), Probe::Http(http.clone()));
    assert_eq!(probe(&format!("type = \"http\"\n{words}")), Probe::Http(HttpProbe { tls: None, ..http }));
    assert_eq!(probe("type = \"https\""), Probe::Http(HttpProbe { tls: Some(Tls::default()), ..HttpProbe::default() }));
    assert_eq!(
        probe(&format!("type = \"smtp\"\nhelo = \"me\"\ntls = true\n{said}")),
        Probe::Smtp(SmtpProbe { helo: "me".into(), tls: Some(tls.clone()) })
    );
    assert_eq!(probe("type = \"smtp\""), Probe::Smtp(SmtpProbe::default()));
    assert_eq!(
        probe("type = \"dns\"\nrecord = \"AAAA\"\nname = \"a.example\"\nexpect = \"2001:db8::1\"\ntcp = true"),
        Probe::Dns(DnsProbe {
            record: DnsType::Aaaa,
            name: "a.example".into(),
            expect: Some("2001:db8::1".into()),
            tcp: true
        })
    );
    assert_eq!(
        probe(
            "type = \"udp\"\npayload = \"00FF\"\nrequire_reply = true\nexpect = \"aa\"\nmin_reply_length = 3\nmax_reply_length = 9"
        ),
        Probe::Udp(UdpProbe {
            payload: Some("00ff".into()),
            require_reply: true,
            expect: Some("aa".into()),
            min_reply_length: 3,
            max_reply_length: 9
        })
    );
    assert_eq!(probe("type = \"ping\"\nsize = 100"), Probe::Ping(PingProbe { size: 100 }));
    let script = Script {
        command: vec!["/bin/a".into(), "b".into()],
        user: Some("nobody".into()),
        group: Some("nogroup".into()),
        timeout_ms: 700,
    };
    assert_eq!(
        probe(
            "type = \"misc\"\ncommand = [\"/bin/a\", \"b\"]\nuser = \"nobody\"\ngroup = \"nogroup\"\ndynamic = true\ntimeout = \"700ms\""
        ),
        Probe::Misc(MiscProbe { script, dynamic: true })
    );
    assert_eq!(
        probe("type = \"file\"\npath = \"/run/w\"\nweight = -2"),
        Probe::File(FileProbe { path: "/run/w".into(), weight: -2 })
    );
    assert_eq!(
        probe("type = \"grpc\"\nservice = \"a.B\"\nhost = \"h\"\ntls = true"),
        Probe::Grpc(GrpcProbe { service: "a.B".into(), host: Some("h".into()), tls: Some(Tls::default()) })
    );
}

#[test]
fn timing_and_target() {
    let found = check(
        "type = \"tcp\"\ninterval = \"10s\"\ntimeout = \"1500ms\"\nconnect_timeout = 1\nfall = 3\nrise = 4\n\
         retry_interval = \"200ms\"\nwarmup = \"0s\"\nfast_recovery = true\nalpha = true\nlog_all_failures = true\n\
         address = \"10.1.0.1\"\nport = 8080\nfrom = \"10.1.0.2\"\nfrom_port = 999\ninterface = \"eth1\"\nmark = 7",
    );
    let timing = Timing {
        interval_ms: 10_000,
        timeout_ms: 1_500,
        connect_timeout_ms: 1_000,
        fall: 3,
        rise: 4,
        retry_interval_ms: 200,
        warmup_ms: 0,
        fast_recovery: true,
        alpha: true,
        log_all_failures: true,
    };
    let target = Target {
        address: Some([10, 1, 0, 1].into()),
        port: Some(8080),
        from: Some([10, 1, 0, 2].into()),
        from_port: Some(999),
        interface: Some("eth1".into()),
        mark: 7,
        through_data_path: false,
    };
    assert_eq!(found, Check { probe: Probe::Tcp, target, timing });
    let quick = check("type = \"tcp\"\ninterval = \"100ms\"").timing;
    assert_eq!((quick.retry_interval_ms, quick.warmup_ms), (100, 100));
    assert!(check("type = \"ping\"\nthrough_data_path = true").target.through_data_path);
}

#[test]
fn a_server_says_otherwise_than_its_service() {
    let parsed = good(
        "inhibit_on_failure = true\nslow_start = \"30s\"\ndamping = { falls = 3, within = \"5m\", hold = \"10m\" }\n\
         notify_up = \"/bin/up\"\nnotify_down = [\"/bin/down\", \"x\"]\n[[service.check]]\ntype = \"tcp\"\n[[service.check]]\ntype = \"ping\"",
        "inhibit_on_failure = false\nnotify_up = { command = \"/bin/own\", user = \"nobody\", group = \"g\", timeout = \"2s\" }\n\
         [service.server.check]\ntype = \"smtp\"",
    );
    let (own, common) = (health(&parsed, 0), health(&parsed, 1));
    let probes = |health: &ServerHealth| health.checks.iter().map(|check| check.probe.clone()).collect::<Vec<_>>();
    assert_eq!(probes(&common), [Probe::Tcp, Probe::Ping(PingProbe::default())]);
    assert_eq!(probes(&own), [Probe::Smtp(SmtpProbe::default())]);
    let damping = Some(Damping { falls: 3, within_ms: 300_000, hold_ms: 600_000 });
    assert_eq!((common.inhibit_on_failure, common.slow_start_ms, common.damping), (true, 30_000, damping));
    assert_eq!((own.inhibit_on_failure, own.slow_start_ms, own.damping), (false, 30_000, damping));
    assert_eq!(common.notify_up, Some(Script::new(vec!["/bin/up".into()])));
    assert_eq!(common.notify_down, own.notify_down);
    let script = own.notify_up.unwrap();
    assert_eq!(
        (script.command, script.user, script.timeout_ms),
        (vec!["/bin/own".into()], Some("nobody".into()), 2_000)
    );
    let none = good("check = { type = \"tcp\" }", "check = []");
    assert_eq!((health(&none, 0).checks.len(), health(&none, 1).checks.len()), (0, 1));
    let alone = good("", "check = { type = \"tcp\" }");
    assert_eq!((health(&alone, 0).checks.len(), health(&alone, 1).checks.len()), (1, 0));
    assert!(alone.state.services[0].health.is_some());
}

#[test]
fn what_a_service_does() {
    let parsed = good(
        "quorum = 3\nhysteresis = 1\nsorry_server = \"10.0.0.99\"\nsorry_server_inhibit = true\nomega = true\nha_suspend = true\n\
         quorum_up = \"/bin/won\"\nquorum_down = \"/bin/lost\"",
        "",
    );
    let health = parsed.state.services[0].health.clone().unwrap();
    assert_eq!((health.quorum, health.hysteresis), (3, 1));
    assert!(health.inhibit_sorry && health.omega && health.ha_suspend);
    let sorry = health.sorry.as_ref().unwrap();
    assert_eq!((sorry.address.to_string().as_str(), sorry.port, sorry.weight), ("10.0.0.99", 80, 1));
    assert_eq!((sorry.method, &health.quorum_up), (Method::Dr, &Some(Script::new(vec!["/bin/won".into()]))));
    let parsed = good("sorry_server = { address = \"10.0.0.99:8080\", method = \"nat\" }", "");
    let health = parsed.state.services[0].health.clone().unwrap();
    let sorry = health.sorry.as_ref().unwrap();
    assert_eq!((sorry.port, sorry.method), (8080, Method::Nat));
}

#[test]
fn mistakes_in_checks() {
    let one = |line: &str, expected: &str| bad(&format!("[service.check]\n{line}"), "", &[expected]);
    one("", "f:3:1: error: [service.check] has no `type`; add `type = \"tcp\"`");
    one("type = \"htp\"", "f:4:8: error: unknown check `htp`; did you mean `http`?");
    let tcp = |line: &str, expected: &str| one(&format!("type = \"tcp\"\n{line}"), expected);
    tcp("intervall = 3", "f:5:1: error: unknown key `intervall` in [service.check]; did you mean `interval`?");
    tcp("interval = \"5ms\"", "f:5:12: error: `interval` must be from 10ms to 31 days");
    tcp("interval = \"32d\"", "f:5:12: error: `interval` must be from 10ms to 31 days");
    tcp(
        "interval = \"2 s\"",
        "f:5:12: error: `2 s` is not a duration; write a number and ms, s, m, h or d, as in `500ms` or `2s`",
    );
    tcp(
        "interval = 0.5",
        "f:5:12: error: `interval` must be a whole number of seconds, or text with a unit; write interval = \"500ms\"",
    );
    tcp("interval = true", "f:5:12: error: `interval` must be an integer, not a boolean");
    tcp("fall = 0", "f:5:8: error: `fall` must be from 1 to 1000, not 0");
    tcp("alpha = 1", "f:5:9: error: `alpha` must be true or false, not an integer");
    tcp("address = \"web1\"", "f:5:11: error: `web1` is not an IP address");
    tcp(
        "address = \"fd00::1\"\nfrom = \"10.0.0.1\"",
        "f:6:8: error: fd00::1 is not reached from 10.0.0.1: one is IPv4, the other IPv6",
    );
    tcp("port = 0", "f:5:8: error: `port` must be from 1 to 65535, not 0");
    tcp("path = \"/\"", "f:5:1: error: `path` is for http, https, file checks, not for tcp; remove it");
    tcp("interface = \"\"", "f:5:13: error: an interface's name is empty");
    let http = |line: &str, expected: &str| one(&format!("type = \"http\"\n{line}"), expected);
    http("path = \"healthz\"", "f:5:8: error: `healthz` is not a path; a path begins with `/`");
    http("method = \"POST\"", "f:5:10: error: unknown method `POST`; available: GET, HEAD");
    http("headers = \"Accept\"", "f:5:11: error: `Accept` is not a header; write \"Name: value\"");
    http(
        "status = [200, 99]",
        "f:5:16: error: `99` is not a status from 100 to 599, or a range of them; write 200, or \"200-299\"",
    );
    http(
        "status = \"299-200\"",
        "f:5:10: error: `299-200` is not a status from 100 to 599, or a range of them; write 200, or \"200-299\"",
    );
    http("digest = \"abc\"", "f:5:10: error: `abc` is not an MD5 sum; write 32 hexadecimal digits");
    http("version = \"3\"", "f:5:11: error: unknown version `3`; available: 1.0, 1.1, 2");
    http("verify = true", "f:5:1: error: `verify` is for https, smtp, grpc checks, not for http; remove it");
    let https = |line: &str, expected: &str| one(&format!("type = \"https\"\n{line}"), expected);
    https("ca = \"/ca\"", "f:5:6: warning: `ca` without `verify` does nothing; add `verify = true`");
    https(
        "key = \"/k\"",
        "f:5:7: error: `key` without `certificate`; add `certificate = \"/etc/relvs/certificate.pem\"`",
    );
    https(
        "ca = \"ca.pem\"\nverify = true",
        "f:5:6: error: `ca` must be an absolute path, not `ca.pem`; write ca = \"/etc/relvs/…\"",
    );
    one(
        "type = \"dns\"\nrecord = \"AXFR\"",
        "f:5:10: error: unknown record `AXFR`; available: A, AAAA, CNAME, MX, NS, SOA, TXT, PTR, SRV, ANY, DNSKEY, RRSIG",
    );
    let udp = |line: &str, expected: &str| one(&format!("type = \"udp\"\n{line}"), expected);
    udp(
        "payload = \"abc\"",
        "f:5:11: error: `abc` is not bytes in hexadecimal; write two digits for each byte, as in \"70696e67\"",
    );
    udp(
        "min_reply_length = 3\nmax_reply_length = 2",
        "f:6:20: error: `max_reply_length` is less than `min_reply_length`",
    );
    one(
        "type = \"misc\"",
        "f:3:1: error: [service.check] has no `command`; add `command = [\"/usr/local/bin/check\"]`",
    );
    one("type = \"file\"", "f:3:1: error: [service.check] has no `path`; add `path = \"/run/weight\"`");
    one("type = \"file\"\npath = \"/w\"\nweight = -254", "f:6:10: error: `weight` must be from -253 to 253");
    one("type = \"file\"\npath = \"/w\"\nweight = \"1\"", "f:6:10: error: `weight` must be an integer, not a string");
    bad("check = \"tcp\"", "", &["f:3:9: error: `check` is a table, or several; write [service.check] above its keys"]);
    bad("check = [3]", "", &["f:3:10: error: `check` is a table, or several; write [service.check] above its keys"]);
}

#[test]
fn mistakes_in_what_follows() {
    let service = |line: &str, expected: &str| bad(line, "", &[expected]);
    service("quorum = 0", "f:3:10: error: `quorum` must be from 1 to 2147483647, not 0");
    service(
        "quorum = 2\nhysteresis = 2",
        "f:4:14: warning: `hysteresis` is 2, not less than the quorum, which is 2; it acts as 1",
    );
    service(
        "sorry_server = \"sorry\"",
        "f:3:16: error: `sorry` is not an IP address; names are not looked up; write the address itself",
    );
    service("sorry_server = 3", "f:3:16: error: `sorry_server` must be a string, not an integer");
    service("sorry_server = {}", "f:3:16: error: sorry_server has no `address`; add `address = \"10.0.0.11\"`");
    service(
        "sorry_server = \"10.0.0.99:8080\"",
        "f:3:16: error: a dr server gets packets on the service's port 80, not 8080; leave the port out, or write method = \"nat\"",
    );
    service(
        "sorry_server = \"127.0.0.1\"",
        "f:3:16: error: the sorry server's address `127.0.0.1` is a loopback address",
    );
    service("damping = { falls = 3, within = \"5m\" }", "f:3:11: error: damping has no `hold`; add `hold = \"10m\"`");
    service("damping = 3", "f:3:11: error: `damping` is written once, as damping");
    service(
        "slow_start = \"x\"",
        "f:3:14: error: `x` is not a duration; write a number and ms, s, m, h or d, as in `500ms` or `2s`",
    );
    service(
        "notify_up = 3",
        "f:3:13: error: `notify_up` must be a program, or an array of it and its arguments, not an integer",
    );
    service(
        "notify_up = []",
        "f:3:13: error: `notify_up` names no program; write [\"/path/of/program\", \"argument\"]",
    );
    service(
        "notify_up = \"tell\"",
        "f:3:13: error: `tell` is not an absolute path; write where the program is, as in \"/usr/local/bin/tell\"",
    );
    service(
        "notify_up = \"/bin/tell me\"",
        "f:3:13: error: `notify_up` is taken as one path, spaces too: `/bin/tell me`; write [\"/bin/tell\", \"me\"]",
    );
    service(
        "quorum_up = { user = \"nobody\" }",
        "f:3:13: error: program has no `command`; add `command = [\"/usr/local/bin/tell\"]`",
    );
    bad(
        "",
        "quorum = 1",
        &[
            "f:6:1: error: unknown key `quorum` in [[service.server]]; known here: address, port, weight, method, tunnel, \
        upper_threshold, lower_threshold, check, inhibit_on_failure, slow_start, damping, notify_up, notify_down",
        ],
    );
}

#[test]
fn a_check_needs_what_it_asks() {
    let of = |listen: &str, check: &str| {
        let text = format!(
            "[[service]]\n{listen}\ncheck = {{ {check} }}\n[[service.server]]\naddress = \"10.0.0.11\"\n\
            [[service.server]]\naddress = \"10.0.0.12\"\n"
        );
        let rule = if listen.starts_with("mark") { "[[rule]]\nmark = 7\n" } else { "" };
        let parsed = parse_toml("f", &(text + rule));
        parsed.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let no_port = "error: the service has no port of its own that this check could ask; add `port = 80` to the check";
    assert_eq!(of("mark = 7", "type = \"tcp\""), [format!("f:3:18: {no_port}")], "once for all servers");
    assert_eq!(of("mark = 7", "type = \"tcp\", port = 80"), Vec::<String>::new());
    assert_eq!(of("mark = 7", "type = \"ping\""), Vec::<String>::new());
    assert_eq!(
        of("mark = 7", "type = \"ping\", through_data_path = true"),
        ["f:3:18: error: a mark has no VIP that could be asked through the data path; leave `through_data_path` out"]
    );
    assert_eq!(
        of("listen = \"192.0.2.1:80/tcp\"\nmethod = \"nat\"", "type = \"tcp\", through_data_path = true"),
        ["f:4:18: warning: through the data path a nat server is asked as without it; leave `through_data_path` out"]
    );
}

#[test]
fn what_a_probe_would_refuse_is_refused_here() {
    let one = |of: &str, line: &str, expected: &str| {
        bad(&format!("[service.check]\ntype = \"{of}\"\n{line}"), "", &[&format!("f:5:{expected}")]);
    };
    one("http", "regex = \"a(b\"", "9: error: `a(b` is not a regular expression: unclosed group");
    one(
        "https",
        "regex_no_match = '(a)\\1'",
        "18: error: `(a)\\1` is not a regular expression: backreferences are not supported",
    );
    one("http", "path = \"/a b\"", "8: error: `/a b` is not a path; write spaces and the like as `%20`");
    one("http", "path = \"/a#b\"", "8: error: `/a#b` is not a path; what follows `#` is not sent; write `/a`");
    let site = "error: `a b` is not a host, with or without a port; write it as in \"www.example.org\"";
    one("http", "host = \"a b\"", &format!("8: {site}"));
    one("grpc", "host = \"a b\"", &format!("8: {site}"));
    one(
        "https",
        "server_name = \"a:1\"",
        "15: error: `a:1` is neither the name of a host nor an address; leave the port out of it",
    );
    one("smtp", "helo = \"a b\"", "8: error: `a b` is no name for HELO; write it as in \"director.example.org\"");
    one("dns", "name = \"a..b\"", "8: error: `a..b` is not a domain name; write it as in \"www.example.org\"");
    one(
        "tcp",
        "interface = \"a/b\"",
        "13: error: `a/b` cannot be an interface's name; names have up to 15 bytes, without spaces, `/` and `:`",
    );
    let long = "00".repeat(65_508);
    one(
        "udp",
        &format!("payload = \"{long}\""),
        "11: error: `payload` has more than the 65507 bytes of the largest datagram",
    );
    let file = Probe::File(FileProbe { path: "/run/#1".into(), weight: 1 });
    assert_eq!(probe("type = \"file\"\npath = \"/run/#1\""), file, "a file is no address");
}
