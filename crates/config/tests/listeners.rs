//! `[metrics]` and `[api]`: what is taken, and that nobody is let in unseen.

use relvs_config::parse_toml;
use relvs_model::{Api, Listeners, Metrics, Place, SocketMode};

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let said: Vec<String> = parse_toml("f", text).diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(said, expected, "in\n{text}");
}

#[test]
fn what_is_said_is_read() {
    let text = r#"
[metrics]
listen = ["127.0.0.1:9110", "[2001:db8::1]:9110", "/run/relvs/metrics.sock"]
servers = false

[api]
listen = "192.0.2.1:9111"
token_file = "/etc/relvs/token"
read_token_file = "/etc/relvs/read-token"
certificate = "/etc/relvs/certificate.pem"
key = "/etc/relvs/key.pem"
client_ca = "/etc/relvs/clients.pem"
group = "lvs"
mode = "0600"
"#;
    let parsed = parse_toml("f", text);
    assert_eq!(parsed.diagnostics, []);
    let tcp = |text: &str| Place::Tcp(text.parse().expect("an address"));
    let file = |name: &str| Some(format!("/etc/relvs/{name}").into());
    let expected = Listeners {
        metrics: Metrics {
            listen: vec![
                tcp("127.0.0.1:9110"),
                tcp("[2001:db8::1]:9110"),
                Place::Unix("/run/relvs/metrics.sock".into()),
            ],
            servers: false,
        },
        api: Api {
            listen: vec!["192.0.2.1:9111".parse().expect("an address")],
            token_file: file("token"),
            read_token_file: file("read-token"),
            certificate: file("certificate.pem"),
            key: file("key.pem"),
            client_ca: file("clients.pem"),
            group: Some("lvs".to_owned()),
            mode: SocketMode::Owner,
        },
    };
    assert_eq!(parsed.state.listeners, expected);
    let nothing = parse_toml("f", "").state.listeners;
    assert_eq!(nothing, Listeners::default());
    assert!(nothing.metrics.listen.is_empty() && nothing.metrics.servers && nothing.api.listen.is_empty());
}

#[test]
fn nobody_is_let_in_unseen() {
    let open = "f:2:10: error: `listen` without `token_file` or `client_ca` would let everybody change everything; \
                add `token_file = \"/etc/relvs/token\"`, or certificates and `client_ca`";
    check("[api]\nlisten = \"127.0.0.1:9111\"\n", &[open]);
    check("[api]\nlisten = \"127.0.0.1:9111\"\ncertificate = \"/c\"\nkey = \"/k\"\n", &[open]);
    let token = "token_file = \"/t\"\n";
    for loopback in ["127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"] {
        check(&format!("[api]\nlisten = \"{loopback}:9111\"\n{token}"), &[]);
    }
    for (far, shown) in [("0.0.0.0", "0.0.0.0"), ("192.0.2.1", "192.0.2.1"), ("[::]", "::")] {
        let listen = format!("[api]\nlisten = [\"127.0.0.1:1\", \"{far}:9111\"]\n");
        let plain = format!(
            "f:2:26: error: a token would cross the network of {shown} unencrypted; add `certificate` and `key`, or \
             listen on a loopback address"
        );
        check(&format!("{listen}{token}"), &[&plain]);
        check(&format!("{listen}read_token_file = \"/t\"\n"), &[&plain]);
        check(&format!("{listen}{token}certificate = \"/c\"\nkey = \"/k\"\n"), &[]);
        check(&format!("{listen}client_ca = \"/a\"\ncertificate = \"/c\"\nkey = \"/k\"\n"), &[]);
    }
}

#[test]
fn keys_that_belong_together() {
    let missing = |at: &str, has: &str, needs: &str| {
        format!("f:{at}: error: `{has}` without `{needs}`; add `{needs} = \"/etc/relvs/{needs}.pem\"`")
    };
    check("[api]\ncertificate = \"/c\"\n", &[&missing("2:15", "certificate", "key")]);
    check("[api]\nkey = \"/k\"\n", &[&missing("2:7", "key", "certificate")]);
    check("[api]\nclient_ca = \"/a\"\n", &[&missing("2:13", "client_ca", "certificate")]);
}

#[test]
fn what_cannot_be_is_said_at_its_place() {
    for (text, expected) in [
        (
            "[metrics]\nlisten = \"127.0.0.1\"",
            "f:2:10: error: `127.0.0.1` names no port; write ADDRESS:PORT, as in \"127.0.0.1:9110\", or the absolute \
             path of a unix socket",
        ),
        (
            "[metrics]\nlisten = \"127.0.0.1:0\"",
            "f:2:10: error: `127.0.0.1:0` names port 0; write a port from 1 to 65535",
        ),
        (
            "[metrics]\nlisten = \"localhost:1\"",
            "f:2:10: error: `localhost` is not an IP address; names are not looked up; write the address itself",
        ),
        ("[metrics]\nlisten = [\"[::1]:1\", \"[0::1]:1\"]", "f:2:22: error: `[0::1]:1` is listed twice"),
        ("[metrics]\nservers = 1", "f:2:11: error: `servers` must be true or false, not an integer"),
        ("[metrics]\nlistne = 1", "f:2:1: error: unknown key `listne` in [metrics]; did you mean `listen`?"),
        (
            "[metrics]\nlisten = 9110",
            "f:2:10: error: `listen` must be a string, or an array of strings, not an integer",
        ),
        (
            "[api]\ntoken_file = \"token\"",
            "f:2:14: error: `token_file` must be an absolute path, not `token`; write token_file = \"/etc/relvs/…\"",
        ),
        ("[api]\nmode = \"0666\"", "f:2:8: error: unknown mode `0666`; did you mean `0660`?"),
        ("[api]\ngroup = \"\"", "f:2:9: error: a group's name is empty"),
    ] {
        check(text, &[expected]);
    }
    let long = format!("[metrics]\nlisten = \"/{}\"", "x".repeat(107));
    check(&long, &["f:2:10: error: a socket's path has at most 107 bytes"]);
}
