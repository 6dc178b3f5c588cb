//! `[notify]`: who is told of everything, and what each mistake says.

use relvs_config::parse_toml;
use relvs_model::health::{Encryption, Mail, Notify, Webhook};

#[track_caller]
fn read(text: &str) -> Notify {
    let parsed = parse_toml("f", text);
    assert_eq!(parsed.diagnostics, [], "in\n{text}");
    parsed.state.notify
}

#[track_caller]
fn bad(text: &str, expected: &[&str]) {
    let said: Vec<String> = parse_toml("f", text).diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(said, expected, "in\n{text}");
}

const LEAST: &str = "[notify.mail]\nserver = \"mail.example.org\"\nfrom = \"a@example.org\"\nto = \"b@example.org\"\n";

#[test]
fn what_is_said_is_read() {
    let text = r#"
[notify]
fifo = "/run/relvs/events"

[notify.mail]
server = "mail.example.org"
port = 587
from = "relvs <relvs@example.org>"
to = ["admin@example.org", "night@example.org"]
helo = "director.example.org"
encryption = "starttls"
user = "relvs"
password = "secret"
timeout = "30s"

[[notify.webhook]]
url = "https://hooks.example.org/relvs?room=1"
headers = ["Authorization: Bearer abc", "X-Room: 7"]
ca = "/etc/relvs/ca.pem"
timeout = "2s"
retries = 0

[[notify.webhook]]
url = "http://127.0.0.1:8080"
"#;
    let parsed = read(text);
    let text = |text: &str| text.to_owned();
    let expected = Notify {
        fifo: Some(text("/run/relvs/events")),
        mail: Some(Mail {
            server: text("mail.example.org"),
            port: 587,
            from: text("relvs <relvs@example.org>"),
            to: vec![text("admin@example.org"), text("night@example.org")],
            helo: Some(text("director.example.org")),
            encryption: Encryption::Starttls,
            login: Some((text("relvs"), text("secret"))),
            timeout_ms: 30_000,
        }),
        webhooks: vec![
            Webhook {
                url: text("https://hooks.example.org/relvs?room=1"),
                headers: vec![(text("Authorization"), text("Bearer abc")), (text("X-Room"), text("7"))],
                ca: Some(text("/etc/relvs/ca.pem")),
                timeout_ms: 2000,
                retries: 0,
            },
            Webhook {
                url: text("http://127.0.0.1:8080"),
                headers: Vec::new(),
                ca: None,
                timeout_ms: 10_000,
                retries: 3,
            },
        ],
    };
    assert_eq!(parsed, expected);
    assert_eq!(read(""), Notify::default());
}

#[test]
fn what_is_not_said_is_usual() {
    let mail = |more: &str| read(&format!("{LEAST}{more}")).mail.expect("there is mail");
    assert_eq!((mail("").port, mail("").timeout_ms, mail("").encryption), (25, 10_000, Encryption::None));
    assert_eq!(mail("encryption = \"starttls\"").port, 25);
    assert_eq!(mail("encryption = \"tls\"").port, 465);
    assert_eq!(mail("encryption = \"tls\"\nport = 25").port, 25);
    // On this machine nobody listens on the way.
    let here = LEAST.replace("mail.example.org", "127.0.0.1") + "user = \"a\"\npassword = \"b\"";
    assert_eq!(read(&here).mail.and_then(|mail| mail.login), Some(("a".to_owned(), "b".to_owned())));
}

#[test]
fn mistakes() {
    bad(
        "[notify]\nfifo = \"events\"\nfifi = 1\n",
        &[
            "f:2:8: error: `fifo` must be an absolute path, not `events`; write fifo = \"/run/relvs/events\"",
            "f:3:1: error: unknown key `fifi` in [notify]; did you mean `fifo`?",
        ],
    );
    bad(
        "[notify.mail]\n",
        &[
            "f:1:1: error: [notify.mail] has no `server`; add `server = \"mail.example.org\"`",
            "f:1:1: error: [notify.mail] has no `from`; add `from = \"relvs@example.org\"`",
            "f:1:1: error: [notify.mail] has no `to`; add `to = \"admin@example.org\"`",
        ],
    );
    bad(
        "[notify.mail]\nserver = \"mail.example.org:25\"\nfrom = \"relvs\"\nto = [\"a@b\", \"b@\"]\nhelo = \"a b\"\n",
        &[
            "f:2:10: error: `mail.example.org:25` is neither the name of a host nor an address; leave the port out of it",
            "f:3:8: error: `relvs` is not a mail address; write it as in \"admin@example.org\" or \"relvs \
             <relvs@example.org>\"",
            "f:4:14: error: `b@` is not a mail address; write it as in \"admin@example.org\" or \"relvs \
             <relvs@example.org>\"",
            "f:5:8: error: `a b` is neither the name of a host nor an address; write it as in \"www.example.org\" or \
             \"192.0.2.7\"",
        ],
    );
    bad(
        &LEAST.replace("\"b@example.org\"", "[]"),
        &["f:4:6: error: `to` names nobody; write to = \"admin@example.org\""],
    );
    bad(&format!("{LEAST}user = \"a\"\n"), &["f:5:8: error: `user` without `password`; add `password`"]);
    bad(
        &format!("{LEAST}user = \"a\"\npassword = \"b\"\n"),
        &[
            "f:6:12: error: the password would cross the network unencrypted; add `encryption = \"starttls\"`, or \"tls\"",
        ],
    );
    bad(
        "[[notify.webhook]]\n[[notify.webhook]]\nurl = \"hooks.example.org\"\nretries = 31\nheaders = \"x\"\n",
        &[
            "f:1:1: error: [[notify.webhook]] has no `url`; add `url = \"https://hooks.example.org/relvs\"`",
            "f:3:7: error: `hooks.example.org` is not an address of HTTP: it does not begin with http:// or https://; write \
             it as in \"https://hooks.example.org/relvs\"",
            "f:4:11: error: `retries` must be from 0 to 30, not 31",
            "f:5:11: error: `x` is not a header; write \"Name: value\"",
        ],
    );
    bad(
        "[notify.webhook]\nurl = \"http://a/\"\nca = \"/ca.pem\"\n",
        &[
            "f:1:1: error: each `webhook` begins with [[notify.webhook]], in double brackets",
            "f:3:6: warning: `ca` does nothing for an address without TLS; write https://, or remove it",
        ],
    );
}
