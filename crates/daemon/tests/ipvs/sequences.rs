//! Records of scheduling sequences (`seq`): arrivals one after another at a service, with changes on the way; which server
//! each reached, and the listing afterwards. Recorded with sockets; their segments are sent here one by one.

use crate::{
    answer::Answer,
    case::{ACK, FIN, Flow, PSH, SYN, Sent, Step, TCP, UDP, endpoint, server_number},
    director::{Director, Taker},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

pub(crate) fn is_one(record: &Value) -> bool {
    record.get("seq").is_some() && record.get("sched").is_some()
}

/// A record, with what those of other kinds leave out.
struct Record<'a> {
    record: &'a Value,
    /// As ipvsadm names it: "-u 192.168.1.100:20001".
    service: String,
    tcp: bool,
    /// Whether each connection is closed before the next.
    closed: bool,
    clients: Vec<IpAddr>,
    vips: Vec<SocketAddr>,
    ports: Vec<u16>,
    /// As the recorded servers are written: with a port, or without.
    servers: Vec<String>,
    method: &'static str,
    mark: Option<u32>,
}

fn text<'a>(record: &'a Value, key: &str) -> &'a str {
    record[key].as_str().unwrap_or_default()
}

fn list(record: &Value, key: &str) -> Option<Vec<String>> {
    Some(record.get(key)?.as_array()?.iter().map(|v| v.as_str().unwrap_or_default().to_owned()).collect())
}

impl<'a> Record<'a> {
    fn read(record: &'a Value) -> Result<Self, String> {
        let kind = record["kind"].as_str().unwrap_or("udp");
        let (tcp, closed) = match kind {
            "udp" => (false, false),
            "tcp" => (true, false),
            "tcpc" => (true, true),
            other => return Err(format!("there is no kind {other}")),
        };
        let option = if tcp { "-t" } else { "-u" };
        let seq = text(record, "seq").len() - text(record, "seq").matches('|').count();
        let n = record["n"].as_u64().map_or(seq, |n| n as usize);
        let numbers: Vec<u16> = (record["sports"].as_array().into_iter().flatten())
            .map(|port| port.as_u64().unwrap_or_default() as u16)
            .collect();
        let port: u16 = if tcp { 9001 } else { 9000 };
        let dr = |client: &str| vec![client.parse().unwrap()];
        if record["fwmark"] == true {
            // Client and ports are not recorded: no scheduler of these records looks at them.
            let vips = list(record, "dsts").ok_or("no dsts")?;
            return Ok(Record {
                record,
                service: "-f 101".to_owned(),
                tcp,
                closed,
                clients: dr("10.0.0.10"),
                vips: vips.iter().map(|vip| SocketAddr::new(vip.parse().unwrap(), port)).collect(),
                ports: (0..n).map(|k| 1024 + k as u16).collect(),
                servers: list(record, "servers").ok_or("no servers")?,
                method: "-g",
                mark: Some(101),
            });
        }
        if record["mode"] == "DR" {
            return Ok(Record {
                record,
                service: "-u 10.0.0.100:9000".to_owned(),
                tcp,
                closed,
                clients: dr("10.0.0.10"),
                vips: vec!["10.0.0.100:9000".parse().unwrap()],
                ports: numbers,
                servers: (11..14).map(|n| format!("10.0.0.{n}:9000")).collect(),
                method: "-g",
                mark: None,
            });
        }
        let vip: SocketAddr = text(record, "vip").parse().map_err(|_| "no vip")?;
        let [first, last] = numbers[..] else { return Err("no sports".to_owned()) };
        // One port for all, a range, or two ranges of half as many.
        let nth = |k: usize| match k {
            _ if first == last => first,
            k if k < n / 2 => first + k as u16,
            k => last - (n - 1 - k) as u16,
        };
        Ok(Record {
            record,
            service: format!("{option} {vip}"),
            tcp,
            closed,
            clients: list(record, "srcs").ok_or("no srcs")?.iter().map(|c| c.parse().unwrap()).collect(),
            vips: vec![vip],
            ports: (0..n).map(nth).collect(),
            servers: list(record, "servers").ok_or("no servers")?,
            method: "-m",
            mark: None,
        })
    }

    fn begin(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Some(mark) = self.mark {
            steps.push(Step::Mark { network: "10.9.0.0/16".to_owned(), protocol: None, mark });
        }
        let record = self.record;
        let scheduler = record["sched"].as_str().unwrap_or("rr");
        let flags = text(record, "flags");
        let flags = if flags.is_empty() { String::new() } else { format!(" -b {flags}") };
        let service = &self.service;
        let mut lines = vec![format!("-A {service} -s {scheduler}{flags} {}", text(record, "opts"))];
        let weights = record["weights"].as_array().cloned().unwrap_or_default();
        let thresholds = text(record, "thresholds");
        for (at, server) in self.servers.iter().enumerate() {
            let weight = weights.get(at).and_then(Value::as_u64).unwrap_or(1);
            lines.push(format!("-a {service} -r {server} {} -w {weight} {thresholds}", self.method));
        }
        steps.push(Step::Do(lines));
        steps
    }

    fn flow(&self, k: usize) -> Flow {
        Flow {
            protocol: if self.tcp { TCP } else { UDP },
            client: SocketAddr::new(self.clients[k % self.clients.len()], self.ports[k]),
            service: self.vips[k % self.vips.len()],
        }
    }

    /// The commands due before an arrival.
    fn due(&self, arrival: usize) -> Option<Vec<String>> {
        let port = self.servers.first().and_then(|server| Some(server.split_once(':')?.1)).unwrap_or("0");
        let steps = self.record["steps"].as_array()?;
        let step = steps.iter().find(|step| step[0].as_u64() == Some(arrival as u64))?;
        let commands = step[1].as_array()?.iter().filter_map(Value::as_str);
        Some(commands.map(|line| line.replace("SVC", &self.service).replace("RP", port)).collect())
    }
}

fn close<S: Taker>(director: &mut Director<S>, flow: Flow) {
    // The client closes first.
    director.step(&Step::Client(flow, Sent::Segment(FIN | ACK)));
    director.step(&Step::Server(flow, Sent::Segment(FIN | ACK)));
    director.step(&Step::Client(flow, Sent::Segment(ACK)));
}

pub(crate) fn run<S: Taker>(director: &mut Director<S>, record: &Value) -> Result<(), String> {
    let this = Record::read(record)?;
    for step in this.begin() {
        director.step(&step);
    }
    let mut seen = String::new();
    let mut held = Vec::new();
    for k in 0..this.ports.len() {
        if let Some(commands) = this.due(k) {
            seen.push('|');
            for command in commands {
                if command == "closeall" {
                    held.drain(..).for_each(|flow| close(director, flow));
                } else {
                    director.step(&Step::Do(vec![command]));
                }
            }
        }
        let flow = this.flow(k);
        let first = if this.tcp { Sent::Segment(SYN) } else { Sent::Datagram };
        let answer = director.step(&Step::Client(flow, first));
        let Answer::Server { number, .. } = answer else {
            seen.push('-');
            continue;
        };
        if !this.tcp {
            // A reply that is not translated is none to the client.
            let reply = director.step(&Step::Server(flow, Sent::Datagram));
            let heard = this.method != "-m" || reply == Answer::Client(flow.service);
            seen.push_str(&if heard { number.to_string() } else { "-".to_owned() });
            continue;
        }
        seen.push_str(&number.to_string());
        director.step(&Step::Server(flow, Sent::Segment(SYN | ACK)));
        director.step(&Step::Client(flow, Sent::Segment(ACK)));
        // The server says its name.
        director.step(&Step::Server(flow, Sent::Segment(ACK | PSH)));
        director.step(&Step::Client(flow, Sent::Segment(ACK)));
        if this.closed {
            close(director, flow);
        } else {
            held.push(flow);
        }
    }
    let recorded = text(record, "seq");
    if text(record, "sched") == "twos" {
        return shares(recorded, &seen);
    }
    if seen != recorded {
        return Err(format!("\n  IPVS:  {recorded}\n  relvs: {seen}"));
    }
    let (table, listed) = (listing(text(record, "table")), counts(director));
    if table != listed { Err(format!("counts\n  IPVS:  {table:?}\n  relvs: {listed:?}")) } else { Ok(()) }
}

/// The shares of a random sequence: five standard deviations of the difference of two are allowed, and no server that got
/// nothing may get some.
fn shares(recorded: &str, seen: &str) -> Result<(), String> {
    let n = recorded.len() as f64;
    for server in "123456789-".chars() {
        let [a, b] = [recorded, seen].map(|sequence| sequence.matches(server).count() as f64);
        let share = (a + b) / 2.0 / n;
        let deviation = (2.0 * n * share * (1.0 - share)).sqrt();
        if (a == 0.0) != (b == 0.0) || (a - b).abs() > 5.0 * deviation {
            return Err(format!("server {server}: {a} of {n} by IPVS, {b} by relvs"));
        }
    }
    Ok(())
}

/// Active and inactive flows by server, as ipvsadm -Ln lists them.
pub(crate) fn listing(table: &str) -> BTreeMap<String, (u32, u32)> {
    let lines = table.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [arrow, server, _, _, active, inactive] = words[..] else { return None };
        (arrow == "->").then_some(())?;
        Some((server.to_owned(), (active.parse().ok()?, inactive.parse().ok()?)))
    });
    lines.collect()
}

fn counts<S: Taker>(director: &Director<S>) -> BTreeMap<String, (u32, u32)> {
    let servers = director.look().servers;
    let of = |c: &crate::answer::Counts| (endpoint(c.server.ip(), c.server.port()), (c.active, c.inactive));
    debug_assert!(servers.iter().all(|c| server_number(c.server.ip()) < 16));
    servers.iter().map(of).collect()
}
