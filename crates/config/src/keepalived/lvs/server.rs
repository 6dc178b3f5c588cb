//! `real_server`: a server, and what is asked of it.

use super::{Around, checker::checker, settings::Given};
use crate::{
    keepalived::{
        Place, Statement,
        keywords::Context,
        reading::{Reading, keep},
    },
    report::{Fault, quoted},
    toml_file::MAX_WEIGHT,
};
use relvs_model::{
    Method, Server, Tunnel,
    health::{Script, ServerHealth},
};
use std::{net::IpAddr, sync::Arc};

/// A server as it is written.
pub(super) struct ServerDraft {
    pub(super) place: Place,
    pub(super) address: IpAddr,
    /// None: the service's.
    pub(super) port: Option<u16>,
    pub(super) weight: Option<u32>,
    pub(super) method: Option<(Method, Tunnel)>,
    upper_threshold: u32,
    lower_threshold: u32,
    /// Shared by all services of a group.
    health: Option<Arc<ServerHealth>>,
}

/// The address and the port after a keyword.
pub(super) fn endpoint(statement: &Statement, at: usize, reading: &mut Reading<'_>) -> Option<(IpAddr, Option<u16>)> {
    let address = reading.address(statement, at)?;
    let port = match statement.arguments.get(at + 1) {
        Some(word) if word.text == "0" => Some(0),
        Some(_) => Some(reading.integer(statement, at + 1, 1..=u16::MAX)?),
        None => None,
    };
    Some((address, port))
}

/// How packets reach servers: `NAT`, `DR` or `TUN` with its kind. An unknown word is NAT, as in keepalived.
pub(super) fn method(statement: &Statement, reading: &mut Reading<'_>) -> Option<(Method, Tunnel)> {
    let word = reading.word(statement, 0, "NAT, DR or TUN")?;
    let method = match word {
        "NAT" => Method::Nat,
        "DR" => Method::Dr,
        "TUN" => Method::Tun,
        other => {
            let fault = Fault::new(format!("{} is no forwarding method", quoted(other)));
            reading.fault(Reading::place(statement, 0), fault.help("write NAT, DR or TUN; NAT is taken"));
            Method::Nat
        }
    };
    let kind = statement.arguments.get(1).map(|word| word.text.as_str());
    let tunnel = match (method, kind) {
        (_, None) => Tunnel::Ipip,
        (Method::Tun, Some("type")) => tunnel(statement, reading).unwrap_or_default(),
        (_, Some(other)) => {
            let fault = Fault::new(format!("{} is left out", quoted(other)));
            reading.fault(Reading::place(statement, 1), fault.help("only TUN has a `type`"));
            Tunnel::Ipip
        }
    };
    Some((method, tunnel))
}

/// The tunnel after `TUN type`: `ipip`, `gre` or `gue port NUMBER`, and `nocsum`, `csum` or `remcsum`.
fn tunnel(statement: &Statement, reading: &mut Reading<'_>) -> Option<Tunnel> {
    const KINDS: [(&str, &str); 3] = [("ipip", "ipip"), ("gre", "gre"), ("gue", "gue")];
    let kind = reading.choice(statement, 2, &KINDS)?;
    let (mut at, mut port, mut checksum) = (3, None, false);
    while let Some(word) = statement.arguments.get(at) {
        let place = Reading::place(statement, at);
        match word.text.as_str() {
            "port" if kind == "gue" => {
                at += 1;
                port = reading.integer(statement, at, 1..=u16::MAX);
            }
            "nocsum" if kind != "ipip" => {}
            "csum" if kind != "ipip" => checksum = true,
            "remcsum" if kind == "gue" => {
                let fault = Fault::new("tunnels with a remote checksum are not made");
                reading.fault(place, fault.help("write `csum` or `nocsum`; `csum` is taken"));
                checksum = true;
            }
            other => {
                let fault = Fault::new(format!("{} is left out", quoted(other)));
                reading.fault(place, fault.help(format!("a tunnel of type {kind} has no such option")));
            }
        }
        at += 1;
    }
    match (kind, port) {
        ("gre", _) => Some(Tunnel::Gre { checksum }),
        ("gue", Some(port)) => Some(Tunnel::Gue { port, checksum }),
        ("gue", None) => {
            let fault = Fault::new("a tunnel of type gue has no port");
            reading
                .fault(Reading::place(statement, 2), fault.help("write `TUN type gue port 6080`; IP in IP is taken"));
            None
        }
        _ => Some(Tunnel::Ipip),
    }
}

pub(super) fn server(
    statement: &Statement,
    service: &Given,
    around: &Around,
    reading: &mut Reading<'_>,
) -> Option<ServerDraft> {
    let (address, port) = endpoint(statement, 0, reading)?;
    let place = statement.keyword.place;
    let mut draft = ServerDraft {
        place,
        address,
        port,
        weight: None,
        method: None,
        upper_threshold: 0,
        lower_threshold: 0,
        health: None,
    };
    let mut health = ServerHealth::default();
    let mut given = Given::default();
    let mut checkers = Vec::new();
    let (mut up, mut down): (Option<Script>, Option<Script>) = (None, None);
    for line in reading.block(statement) {
        let Some(keyword) = reading.keyword(Context::Server, line) else { continue };
        match keyword {
            "weight" => keep(&mut draft.weight, reading.integer(line, 0, 0..=MAX_WEIGHT)),
            "lvs_method" => keep(&mut draft.method, method(line, reading)),
            "uthreshold" => draft.upper_threshold = reading.integer(line, 0, 0..=MAX_WEIGHT).unwrap_or(0),
            "lthreshold" => draft.lower_threshold = reading.integer(line, 0, 0..=MAX_WEIGHT).unwrap_or(0),
            "notify_up" => keep(&mut up, reading.script(line)),
            "notify_down" => keep(&mut down, reading.script(line)),
            _ if given.take(keyword, line, reading) => {}
            // What is said after a checker counts for it too.
            _ => checkers.push((keyword, line)),
        }
    }
    let given = given.within(service);
    for (keyword, line) in checkers {
        health.checks.extend(checker(keyword, line, &given, around, reading).into_iter().flatten());
    }
    for target in health.checks.iter_mut().map(|check| &mut check.target) {
        let to = target.address.unwrap_or(address);
        if let Some(from) = target.from.filter(|from| from.is_ipv4() != to.is_ipv4()) {
            let fault = Fault::new(format!("from {from} nothing reaches {to}"));
            reading.fault(place, fault.help("write addresses of one family; `bindto` is left out"));
            target.from = None;
        }
    }
    health.inhibit_on_failure = given.inhibit_on_failure.unwrap_or(false);
    (health.notify_up, health.notify_down) = (up, down);
    draft.health = (health != ServerHealth::default()).then(|| Arc::new(health));
    Some(draft)
}

impl ServerDraft {
    /// The server of a service with this port, method and weight.
    pub(super) fn made(&self, port: u16, usual: (Method, Tunnel), weight: u32) -> Server {
        let (method, tunnel) = self.method.unwrap_or(usual);
        Server {
            tunnel,
            upper_threshold: self.upper_threshold,
            lower_threshold: self.lower_threshold,
            health: self.health.clone(),
            ..Server::new(self.address, self.port.unwrap_or(port), self.weight.unwrap_or(weight), method)
        }
    }
}
