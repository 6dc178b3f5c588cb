//! Records of connections' states (`tag` and `proc`): what a listing showed at a point of a connection's life, or with
//! persistent services of all kinds. What led there is known by the tag; it was done with sockets and is sent here
//! segment by segment.

use crate::{
    answer::{Answer, Connection, Counts},
    case::{ACK, FIN, Flow, PSH, RST, SYN, Sent, Step, TCP, UDP},
    director::{Director, Taker},
    guest::connection,
};
use serde_json::Value;
use std::collections::BTreeSet;

pub(crate) fn is_one(record: &Value) -> bool {
    record.get("tag").is_some() && (record.get("proc").is_some() || record.get("ip_vs").is_some())
}

/// Seconds by which a remaining time may be less than recorded or more.
const SECONDS: u32 = 2;
/// The clients' ports of these connections; those with others were of other records' making.
const PERSISTENCE_PORTS: std::ops::Range<u16> = 3000..3100;

/// One segment, by who sends it.
#[derive(Clone, Copy)]
enum By {
    Client(u8),
    Server(u8),
}

use By::{Client, Server};

/// The handshake, and the server's greeting.
const OPEN: [By; 5] = [Client(SYN), Server(SYN | ACK), Client(ACK), Server(ACK | PSH), Client(ACK)];

/// The segments that lead to a point of a connection's life.
fn life(event: &str) -> Option<Vec<By>> {
    let after: &[By] = match event {
        "established" => &[],
        "client FIN (half closed)" => &[Client(FIN | ACK), Server(ACK)],
        "server FIN, both closed" => &[Client(FIN | ACK), Server(ACK), Server(FIN | ACK), Client(ACK)],
        "client RST" => &[Client(RST | ACK)],
        // The request and its answer, then the server's end.
        "http/1.0 server closes first" => {
            return Some(vec![
                Client(SYN),
                Server(SYN | ACK),
                Client(ACK),
                Client(ACK | PSH),
                Server(ACK),
                Server(ACK | PSH),
                Server(FIN | ACK),
                Client(ACK),
                Client(FIN | ACK),
                Server(ACK),
            ]);
        }
        "SYN to closed port (server RST)" => return Some(vec![Client(SYN), Server(RST | ACK)]),
        "SYN, silent server" => return Some(vec![Client(SYN)]),
        _ => return None,
    };
    Some([&OPEN[..], after].concat())
}

pub(crate) fn run<S: Taker>(director: &mut Director<S>, record: &Value) -> Result<(), String> {
    let tag = record["tag"].as_str().unwrap_or_default();
    if tag.starts_with("persistence ") || tag == "proc after persistence" {
        return persistence(director, record);
    }
    let (mode, event) = tag.split_once(' ').ok_or("a tag without a method")?;
    let option = match mode {
        "NAT" => "-m",
        "DR" => "-g",
        "TUN" => "-i",
        _ => return Err(format!("no method is called {mode}")),
    };
    let [line] = record["proc"].as_array().map(Vec::as_slice).unwrap_or_default() else {
        return Err("not one connection".to_owned());
    };
    let recorded = connection(line.as_str().unwrap_or_default());
    let at = |(address, port)| std::net::SocketAddr::new(address, port);
    let (client, service, server) = (at(recorded.client), at(recorded.service), at(recorded.server));
    let udp = recorded.protocol == "UDP";
    let flow = Flow { protocol: if udp { UDP } else { TCP }, client, service };
    let named = if udp { "-u" } else { "-t" };
    director.step(&Step::Do(vec![
        format!("-A {named} {service} -s rr"),
        format!("-a {named} {service} -r {server} {option}"),
    ]));
    if udp {
        director.step(&Step::Client(flow, Sent::Datagram));
        director.step(&Step::Server(flow, Sent::Datagram));
    } else {
        // What servers say reaches the director with NAT alone.
        for by in life(event).ok_or_else(|| format!("nobody knows the event {event}"))? {
            match by {
                Client(flags) => director.step(&Step::Client(flow, Sent::Segment(flags))),
                Server(flags) if mode == "NAT" => director.step(&Step::Server(flow, Sent::Segment(flags))),
                Server(_) => Answer::Nothing,
            };
        }
    }
    let shown = director.look().connections;
    let same = |c: &Connection| like(&recorded, c);
    if shown.len() == 1 && shown.iter().all(same) {
        Ok(())
    } else {
        Err(format!("\n  IPVS:  {recorded}\n  relvs: {shown:?}"))
    }
}

fn like(a: &Connection, b: &Connection) -> bool {
    a.expires_s.abs_diff(b.expires_s) <= SECONDS && *a == Connection { expires_s: a.expires_s, ..b.clone() }
}

/// The services and connections of the records about persistence.
fn persistent<S: Taker>(director: &mut Director<S>) {
    let vip = "192.168.1.100";
    // A server that was there before comes back with a connection that was never answered.
    director.step(&Step::Do(vec![format!("-A -t {vip}:9001 -s rr"), format!("-a -t {vip}:9001 -r 10.0.0.12:9001 -m")]));
    let (client, service) = ("192.168.1.10:30634".parse().unwrap(), "192.168.1.100:9001".parse().unwrap());
    director.step(&Step::Client(Flow { protocol: TCP, client, service }, Sent::Segment(SYN)));
    director.step(&Step::Do(vec![
        format!("-D -t {vip}:9001"),
        format!("-A -t {vip}:9001 -s rr -p 300"),
        format!("-a -t {vip}:9001 -r 10.0.0.11:9001 -m"),
        format!("-a -t {vip}:9001 -r 10.0.0.12:9001 -m"),
        format!("-A -t {vip}:0 -s rr -p 200 -M 255.255.255.0"),
        format!("-a -t {vip}:0 -r 10.0.0.13 -m"),
        "-A -f 7 -s rr -p 100".to_owned(),
        "-a -f 7 -r 10.0.0.11 -g".to_owned(),
        "-A -t [fd01::100]:9001 -s rr -p 90".to_owned(),
        "-a -t [fd01::100]:9001 -r [fd00::12]:9001 -m".to_owned(),
    ]));
    director.step(&Step::Mark { network: "10.9.0.0/16".to_owned(), protocol: None, mark: 7 });
    let clients = [
        ("192.168.1.20:3000", "192.168.1.100:9001"),
        ("192.168.1.21:3001", "192.168.1.100:9001"),
        ("192.168.1.22:3002", "192.168.1.100:9001"),
        ("192.168.1.25:3010", "192.168.1.100:9002"),
        ("[fd01::10]:3012", "[fd01::100]:9001"),
    ];
    for (client, service) in clients {
        let flow = Flow { protocol: TCP, client: client.parse().unwrap(), service: service.parse().unwrap() };
        for by in OPEN {
            match by {
                Client(flags) => director.step(&Step::Client(flow, Sent::Segment(flags))),
                Server(flags) => director.step(&Step::Server(flow, Sent::Segment(flags))),
            };
        }
    }
    let (client, service) = ("10.0.0.10:3011".parse().unwrap(), "10.9.0.5:9000".parse().unwrap());
    director.step(&Step::Client(Flow { protocol: UDP, client, service }, Sent::Datagram));
}

/// What of the listings is about these services; rates are of another time, and bytes depend on TCP's options.
fn persistence<S: Taker>(director: &mut Director<S>, record: &Value) -> Result<(), String> {
    persistent(director);
    let look = director.look();
    let lines: Vec<&str> = record["proc"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let of_these =
        |c: &Connection| PERSISTENCE_PORTS.contains(&c.client.1) || c.state == "ASSURED" || c.state == "NONE";
    let recorded: Vec<Connection> = lines.iter().map(|line| connection(line)).filter(of_these).collect();
    // The listings were made within seconds of each other.
    let name = |c: &Connection| Connection { expires_s: 0, ..c.clone() };
    let [a, b] =
        [&recorded, &look.connections].map(|all| all.iter().filter(|c| of_these(c)).map(name).collect::<BTreeSet<_>>());
    if !lines.is_empty() && a != b {
        return Err(format!("connections\n  IPVS:  {a:?}\n  relvs: {b:?}"));
    }
    let late = |c: &&Connection| {
        let there = look.connections.iter().find(|d| name(d) == name(c));
        there.is_none_or(|d| d.expires_s < c.expires_s || d.expires_s > c.expires_s + 10)
    };
    if let Some(line) = recorded.iter().find(late) {
        return Err(format!("time of {line}: relvs has {:?}", look.connections));
    }
    let rows: Vec<&str> = record["rows"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    rows.iter().filter(|row| row.trim_start().starts_with("->")).try_for_each(|row| {
        let words: Vec<&str> = row.split_whitespace().collect();
        server_row(record["cmd"].as_str().unwrap_or_default(), &words, &look.servers)
    })
}

/// "-> 10.0.0.13:0 1 1 1 0" and the like; it is enough that one server of that name has these counts.
fn server_row(command: &str, words: &[&str], servers: &[Counts]) -> Result<(), String> {
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u32>().ok());
    let wanted = |c: &&Counts| match command {
        "ipvsadm -L -n --persistent-conn" => {
            (number(3), number(4), number(5)) == (Some(c.persistent), Some(c.active), Some(c.inactive))
        }
        "ipvsadm -L -n" => (number(4), number(5)) == (Some(c.active), Some(c.inactive)),
        _ => true,
    };
    let of_name = || servers.iter().filter(|c| words.get(1).is_some_and(|name| *name == c.server.to_string()));
    if words.len() < 3 || of_name().any(|c| wanted(&c)) {
        return Ok(());
    }
    Err(format!("{command}\n  IPVS:  {words:?}\n  relvs: {:?}", of_name().collect::<Vec<_>>()))
}
