//! Notifications: scripts, a FIFO, mail and webhooks that work, hang and fail, all at once.

use crate::{certificates, failing::serve, place::Place, real::nginx};
use relvs_daemon::health::Notifier;
use relvs_model::{
    Protocol, ServiceKey,
    health::{Encryption, Event, Mail, Notify, Script, Webhook},
};
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::SocketAddr,
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(20);

fn server(number: u8, up: bool) -> Event {
    Event::Server {
        service: ServiceKey::listen(Protocol::Tcp, "192.0.2.100".parse().unwrap(), 80),
        address: [10, 0, 0, number].into(),
        port: 8080,
        up,
        weight: 1,
        why: "connection refused".to_owned(),
    }
}

fn shell(text: &str, timeout_ms: u32) -> Script {
    Script { timeout_ms, ..Script::new(["/bin/sh", "-c", text].map(str::to_owned).to_vec()) }
}

fn webhook(url: String) -> Webhook {
    Webhook { url, headers: vec![("X-Token".into(), "secret".into())], ca: None, timeout_ms: 5000, retries: 2 }
}

fn read_when_there(path: &Path, lines: usize) -> String {
    let begun = Instant::now();
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if text.lines().count() >= lines || begun.elapsed() > PATIENCE {
            return text;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn scripts_run_in_order_and_none_waits_for_another_servers() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let notifier = Notifier::start(Notify::default()).unwrap();
    // Those of one server: the first hangs and is killed, the others come after it.
    notifier.tell(server(1, false), Some(shell(&format!("echo first >>{}; sleep 60", path("1").display()), 1500)));
    for number in 0..20 {
        notifier.tell(server(1, true), Some(shell(&format!("echo {number} >>{}", path("1").display()), 10_000)));
    }
    // Those that fail in every way.
    notifier.tell(server(2, false), Some(shell("exit 3", 10_000)));
    notifier.tell(server(2, false), Some(shell("kill -9 $$", 10_000)));
    notifier.tell(server(2, false), Some(Script::new(vec!["/nowhere/notify".to_owned()])));
    notifier.tell(server(2, false), Some(Script::new(Vec::new())));
    notifier.tell(server(2, false), Some(Script { user: Some("nobody-here".to_owned()), ..shell("true", 10_000) }));
    let environment = format!(
        "echo $RELVS_EVENT $RELVS_SERVICE $RELVS_SERVER $RELVS_SERVER_PORT $RELVS_WHY >{}",
        path("2").display()
    );
    notifier.tell(server(2, false), Some(shell(&environment, 10_000)));
    let text = read_when_there(&path("2"), 1);
    assert_eq!(text, "server_down 192.0.2.100:80/tcp 10.0.0.2 8080 connection refused\n");
    assert_eq!(fs::read_to_string(path("1")).unwrap_or_default().lines().count().max(1), 1, "the first hangs still");
    notifier.end(PATIENCE);
    let numbers: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let expected = format!("first\n{}\n", numbers.join("\n"));
    assert_eq!(fs::read_to_string(path("1")).unwrap(), expected);
}

#[test]
fn an_end_does_not_wait_for_a_script_that_hangs() {
    let directory = tempfile::tempdir().unwrap();
    let pid = directory.path().join("pid");
    let notifier = Notifier::start(Notify::default()).unwrap();
    notifier.tell(server(1, false), Some(shell(&format!("echo $$ >{}; sleep 60; true", pid.display()), 60_000)));
    let text = read_when_there(&pid, 1);
    let begun = Instant::now();
    notifier.end(Duration::from_millis(100));
    assert!(begun.elapsed() < Duration::from_secs(5));
    let stat = format!("/proc/{}/stat", text.trim());
    let ended = (0..200).any(|_| {
        thread::sleep(Duration::from_millis(10));
        fs::read_to_string(&stat)
            .map_or(true, |stat| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z')))
    });
    assert!(ended, "it was killed");
}

/// Takes POSTs: refuses the first with 500. What was posted comes by the channel.
fn receiver() -> (SocketAddr, mpsc::Receiver<(String, String)>) {
    let (sender, posted) = mpsc::channel();
    let count = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let address = serve(move |stream| {
        let mut reader = BufReader::new(&stream);
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).is_err() || line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            head += &line;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let first = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
        let status = if first { "500 No" } else { "204 Yes" };
        let _ = sender.send((head, String::from_utf8(body).unwrap()));
        let _ = (&stream).write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes());
    });
    (address, posted)
}

#[test]
fn whoever_hangs_harms_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    let hanging = serve(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let (address, posted) = receiver();
    let mail = Mail {
        server: hanging.ip().to_string(),
        port: hanging.port(),
        from: "relvs@example.org".to_owned(),
        to: vec!["you@example.org".to_owned()],
        helo: None,
        encryption: Encryption::None,
        login: None,
        timeout_ms: 60_000,
    };
    let notify = Notify {
        fifo: Some(fifo.display().to_string()),
        mail: Some(mail),
        webhooks: vec![
            Webhook { timeout_ms: 60_000, ..webhook(format!("http://{hanging}/x")) },
            webhook("no address".to_owned()),
            webhook("http://127.0.0.1:1/".to_owned()),
            webhook(format!("http://{address}/hook?a=b")),
        ],
    };
    let notifier = Notifier::start(notify.clone()).unwrap();
    for number in 1..=3 {
        notifier.tell(server(number, false), None);
    }
    notifier.configure(notify);
    // The first is tried again; all come in order.
    for expected in ["10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.3"] {
        let (head, body) = posted.recv_timeout(PATIENCE).unwrap();
        assert!(
            head.starts_with("POST /hook?a=b HTTP/1.1\r\n") && head.to_ascii_lowercase().contains("x-token: secret")
        );
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&json["event"], &json["address"]), (&"server".into(), &expected.into()), "{body}");
        assert!(json["time_ms"].as_u64().unwrap() > 1_700_000_000_000 && json["host"].is_string());
    }
    let mut lines = BufReader::new(fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap()).lines();
    for number in 1..=3 {
        let expected = format!("RS [10.0.0.{number}]:tcp:8080 [192.0.2.100]:tcp:80 DOWN");
        assert_eq!(lines.next().unwrap().unwrap(), expected);
    }
    let begun = Instant::now();
    notifier.end(Duration::from_millis(200));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(!fifo.exists());
}

#[test]
fn a_webhook_by_tls_reaches_only_whom_it_may_trust() {
    let Some(place) = nginx() else { return };
    let ca = Some(place.path("ca.pem").display().to_string());
    let to = |port: u16, path: &str, ca: &Option<String>| Webhook {
        retries: 0,
        ca: ca.clone(),
        ..webhook(format!("https://127.0.0.1:{port}/{path}"))
    };
    let webhooks =
        vec![to(447, "trusted", &ca), to(444, "expired", &ca), to(447, "system", &None), to(80, "clear", &ca)];
    let notify = Notify { webhooks, ..Notify::default() };
    let notifier = place.namespace.run(|| Notifier::start(notify)).unwrap().unwrap();
    notifier.tell(server(1, false), None);
    notifier.end(PATIENCE);
    let log = read_when_there(&place.path("access.log"), 1);
    let posts: Vec<&str> = log.lines().filter(|line| line.contains("POST")).collect();
    assert!(posts.len() == 1 && posts[0].contains("POST /trusted HTTP/1.1\" 200"), "{log}");
}

#[test]
fn mail_by_a_real_server() {
    let Some(mut place) = Place::new() else { return };
    certificates::write(&place);
    place.start("aiosmtpd", "-n -l 127.0.0.1:25", "127.0.0.1:25");
    let mail = Mail {
        server: "127.0.0.1".to_owned(),
        port: 25,
        from: "relvs <relvs@example.org>".to_owned(),
        to: vec!["one@example.org".to_owned(), "two@example.org".to_owned()],
        helo: Some("director.example".to_owned()),
        encryption: Encryption::None,
        login: None,
        timeout_ms: 20_000,
    };
    let notify = Notify { mail: Some(mail), ..Notify::default() };
    let notifier = place.namespace.run(|| Notifier::start(notify)).unwrap().unwrap();
    notifier.tell(server(1, false), None);
    notifier.tell(server(2, true), None);
    notifier.end(PATIENCE);
    let log = read_when_there(&place.path("aiosmtpd.log"), 5);
    assert!(log.contains("To: one@example.org,") && log.contains(" two@example.org"), "{log}");
    assert!(log.contains("server 10.0.0.1:8080 of 192.0.2.100:80/tcp is down: connection refused"), "{log}");
    assert!(log.contains("server 10.0.0.2:8080 of 192.0.2.100:80/tcp is up"), "{log}");
}
