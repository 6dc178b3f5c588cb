//! `[notify]`: a FIFO, mail and webhooks get what happens, whatever one of them does.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use relvs_lab::{Node, Shape, Topology};
use relvs_model::Method;

use crate::bed::{Bed, PATIENCE, assert_shares, until};
use crate::configuration::{rip, tcp};

/// Out within half a second, back within a quarter.
const CHECK: &str = "[service.check]\ntype = \"tcp\"\ninterval = \"200ms\"\ntimeout = \"150ms\"\nretry_interval = \"50ms\"\n\
                     warmup = \"50ms\"";

/// A server on the director's loopback, each of whose connections is handled by `handle`; what it finds comes by the channel.
fn serve(node: &Node, handle: fn(&TcpStream, &Sender<String>)) -> (SocketAddr, Receiver<String>) {
    let listener = node.with(|| TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, found) = channel();
    // It ends when the test does: a thread that waits for connections is no harm to others.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let sender = sender.clone();
            thread::spawn(move || handle(&stream.unwrap(), &sender));
        }
    });
    (address, found)
}

/// As much of a mail server (RFC 5321) as takes mail: gives each mail.
fn mail_server(stream: &TcpStream, mails: &Sender<String>) {
    let say = |line: &str| drop((&*stream).write_all(format!("{line}\r\n").as_bytes()));
    say("220 test");
    let (mut mail, mut in_data) = (String::new(), false);
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        match (in_data, verb.as_str()) {
            (true, _) if line == "." => {
                in_data = false;
                let _ = mails.send(std::mem::take(&mut mail));
                say("250 taken");
            }
            (true, _) => mail += &(line + "\n"),
            (false, "DATA") => {
                in_data = true;
                say("354 go on");
            }
            (false, "QUIT") => return say("221 bye"),
            (false, _) => say("250 yes"),
        }
    }
}

/// Takes one POST: gives its body.
fn webhook(stream: &TcpStream, bodies: &Sender<String>) {
    let mut reader = BufReader::new(stream);
    let (mut length, mut token) = (0, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        token |= line == "x-token: abc";
        length = line.strip_prefix("content-length: ").map_or(length, |value| value.parse().unwrap());
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let status = if token { "204 Yes" } else { "403 No" };
    if token {
        let _ = bodies.send(String::from_utf8(body).unwrap());
    }
    let _ = (&*stream).write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes());
}

/// Takes a connection and keeps it, without a word.
fn hang(stream: &TcpStream, _: &Sender<String>) {
    let _ = (&*stream).read_to_end(&mut Vec::new());
    thread::park();
}

#[track_caller]
fn next(from: &Receiver<String>) -> String {
    from.recv_timeout(PATIENCE).expect("it is told within the time")
}

/// Whether the service's servers are up.
fn up(bed: &Bed) -> Vec<bool> {
    bed.status().checks.iter().flat_map(|service| &service.servers).map(|server| server.up).collect()
}

#[test]
fn everybody_is_told_and_one_that_hangs_harms_nobody() {
    let shape = Shape::new(Topology::OneArmed).servers(2);
    let like = [tcp(80, "rr", &[("s1", Method::Dr, 1), ("s2", Method::Dr, 1)])];
    let Some(mut bed) = Bed::bare(&shape) else { return };
    bed.prepare(&like);
    let director = bed.node("d1").clone();
    let (mail, mails) = serve(&director, mail_server);
    let (hook, bodies) = serve(&director, webhook);
    let (hanging, _kept) = serve(&director, hang);
    let (fifo, vip) = (bed.lab.directory().join("events"), bed.vips[0]);
    let told_by_mail = format!(
        "[notify.mail]\nserver = \"{}\"\nport = {}\nfrom = \"relvs <relvs@example.org>\"\nto = \"admin@example.org\"\n",
        mail.ip(),
        mail.port()
    );
    let hooks = |good: &str| {
        format!(
            "[[notify.webhook]]\nurl = \"http://{hanging}/\"\ntimeout = \"10m\"\n[[notify.webhook]]\nurl = \"{good}\"\n\
             headers = \"X-Token: abc\"\n"
        )
    };
    let good = format!("http://{hook}/relvs");
    let service = bed.section(
        vip,
        &format!("listen = \"{vip}:80/tcp\"\nscheduler = \"rr\"\nmethod = \"dr\"\n{CHECK}"),
        &[("s1", ""), ("s2", "")],
    );
    let head = format!("[notify]\nfifo = {:?}\n", fifo.display().to_string());
    bed.configure_with(&format!("{head}{told_by_mail}{}{service}", hooks(&good)));
    bed.director.start().unwrap();
    until("both servers were asked", || {
        let checks = bed.status().checks;
        checks.iter().flat_map(|service| &service.servers).all(|server| server.checks.iter().all(|check| check.known))
    });
    let (sender, lines) = channel();
    let reader = fs::File::open(&fifo).unwrap();
    thread::spawn(move || {
        for line in BufReader::new(reader).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let line = |server: &str, state: &str| format!("RS [{}]:tcp:80 [{vip}]:tcp:80 {state}", rip(&bed.lab, server, vip));
    let event = |server: &str, up: bool| {
        let body: serde_json::Value = serde_json::from_str(&next(&bodies)).unwrap();
        let expected = serde_json::json!({
            "event": "server", "service": { "protocol": "tcp", "address": vip, "port": 80 }, "address": rip(&bed.lab, server, vip), "port": 80, "up": up
        });
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&body[key], value, "{key} of {body}");
        }
    };
    let target = SocketAddr::new(vip, 80);

    bed.lab.unplug("s1").unwrap();
    assert_eq!(next(&lines), line("s1", "DOWN"));
    event("s1", false);
    let mail = next(&mails);
    let said = format!("server {}:80 of {vip}:80/tcp is down: tcp check of", rip(&bed.lab, "s1", vip));
    assert!(mail.contains("To: admin@example.org\n") && mail.contains(&said), "{mail}");
    assert_shares(&bed.requests(target, 10), &[("s2", 10)]);
    bed.lab.plug("s1").unwrap();
    assert_eq!(next(&lines), line("s1", "UP"));
    event("s1", true);
    assert!(next(&mails).contains(" is up"));

    // A reload keeps the FIFO and the queues of those who stay.
    bed.reload_with(&format!("{head}{}{service}", hooks(&good)));
    bed.lab.unplug("s2").unwrap();
    assert_eq!(next(&lines), line("s2", "DOWN"));
    event("s2", false);
    // One with a mistake anywhere is refused, and changes nothing.
    let mistaken = format!("{head}{}{}", hooks("hooks.example.org"), service.replace("\"rr\"", "\"wrr\""));
    bed.configure_with(&mistaken);
    let said = bed.hangup();
    assert!(said.contains("`hooks.example.org` is not an address of HTTP") && said.contains("refused"), "{said}");
    bed.lab.plug("s2").unwrap();
    assert_eq!(next(&lines), line("s2", "UP"));
    event("s2", true);
    assert_eq!(up(&bed), [true, true]);
    assert_shares(&bed.requests(target, 20), &[("s1", 10), ("s2", 10)]);
    assert!(mails.try_recv().is_err(), "there was no mail after the reload");
    bed.director.terminate().unwrap();
    assert!(!fifo.exists(), "it goes with the daemon that made it");
}
