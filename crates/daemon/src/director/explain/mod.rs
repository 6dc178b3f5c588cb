//! What would become of a packet, and why: the loaded program is run on it, by its twin, and what it said is put into
//! words. Nothing changes by that: no flow, no counter, no scheduler's turn.
//!
//! It is run twice: once to learn which service the packet is for, and again with all the records that it can meet then.

mod choice;
pub(crate) mod frame;
pub(super) mod meets;
mod remedy;
#[cfg(test)]
pub(super) mod tests;

use super::{Director, Error};
use relvs_api::{
    AskedPacket, Code, Explanation, Failure, Fate, FieldChange, FlowPart, Found, KnownFlow, Mtu, Side, Template,
    WayOut, Why,
};
use relvs_core::{
    Reason, Stage,
    table::{
        destination,
        trace::{Event, fate, flow},
    },
};
use relvs_dataplane::{Area, Record, Run, Side as _, Tried, Twin, object};
use relvs_model::{Network, Protocol, Rule, Service, ServiceKey};
use relvs_net::mac_text;
use std::{
    net::{IpAddr, SocketAddr},
    sync::atomic::Ordering::Acquire,
    time::{Duration, Instant},
};

/// After so long without a question the twin is given up: it has some megabytes.
const KEPT: Duration = Duration::from_secs(60);
/// Bytes of the largest packet.
pub(crate) const LARGEST: u16 = 3000;

/// A packet that is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) source: SocketAddr,
    /// Of the same family.
    pub(crate) destination: SocketAddr,
    pub(crate) protocol: Protocol,
    /// TCP's, or the type of SCTP's first chunk.
    pub(crate) flags: u8,
    /// Where it comes in; none is the first interface that is served.
    pub(crate) interface: Option<String>,
    /// Bytes from the IP header on: at least [`Asked::least`], at most [`LARGEST`].
    pub(crate) length: u16,
}

impl Asked {
    /// The smallest length.
    pub(crate) fn least(protocol: Protocol, ipv4: bool) -> u16 {
        frame::least(protocol, ipv4)
    }
}

/// The twin, while it is of use.
#[derive(Default)]
pub(super) struct Explainer {
    twin: Option<Twin>,
    used: Option<Instant>,
}

impl Explainer {
    /// Gives up what nobody has used for a while.
    pub(super) fn rest(&mut self, now: Instant) {
        if self.used.is_some_and(|used| now - used >= KEPT) {
            *self = Explainer::default();
        }
    }
}

/// What was found out about a packet.
struct Case<'a> {
    asked: &'a Asked,
    frame: &'a [u8],
    ingress: u32,
    run: Run,
    event: Event,
    service: Option<Service>,
    flow: Option<Record>,
    template: Option<Template>,
    /// The record of the template that was there.
    bound: Option<Record>,
}

impl Director {
    /// What would become of a packet, and why.
    pub(crate) fn explain(&mut self, asked: &Asked) -> Result<Explanation, Failure> {
        let (ingress, frame) = self.frame(asked)?;
        let failed = |error: Error| Failure::new(Code::Failed, error);
        let case = self.tried(asked, ingress, &frame).map_err(failed)?;
        self.told(&case).map_err(failed)
    }

    /// The frame that is asked about, and where it comes in.
    fn frame(&self, asked: &Asked) -> Result<(u32, Vec<u8>), Failure> {
        let refused = |why: String| Failure::new(Code::Refused, why);
        let served = match &asked.interface {
            Some(name) => self.served.iter().find(|served| served.name == *name).ok_or_else(|| {
                let all: Vec<&str> = self.served.iter().map(|served| served.name.as_str()).collect();
                refused(format!("interface {name} is not served; these are: {}", all.join(", ")))
            })?,
            None => self.served.first().ok_or_else(|| {
                refused("no interface is served, so no packet comes in: `interfaces` names them".to_owned())
            })?,
        };
        Ok((served.index, frame::build(asked, served.mac)))
    }

    /// Has it tried.
    fn tried<'a>(&mut self, asked: &'a Asked, ingress: u32, frame: &'a [u8]) -> Result<Case<'a>, Error> {
        let twin = match self.explainer.twin.take() {
            Some(twin) => twin,
            None => self.kernel.twin(object::embedded())?,
        };
        let twin = self.explainer.twin.insert(twin);
        self.explainer.used = Some(Instant::now());
        let (mut meets, flow, reply) = meets::of_packet(&self.kernel, &self.control, asked);
        let Tried { mut run, event } = twin.run(&self.kernel, ingress, frame, &meets)?;
        let mut event = event.ok_or(Error::Untold)?;
        let service = meets::service(&self.kernel, &self.control, event.service).cloned();
        let mut bound = None;
        if let Some(service) = &service {
            bound = meets::of_service(&mut meets, &self.kernel, &self.control, service, asked);
            let again = twin.run(&self.kernel, ingress, frame, &meets)?;
            (run, event) = (again.run, again.event.ok_or(Error::Untold)?);
        }
        let template = match &service {
            Some(service) => self.template(service, asked, bound.as_ref())?,
            None => None,
        };
        let flow = if is_reply(&event) { reply } else { flow };
        Ok(Case { asked, frame, ingress, run, event, service, flow, template, bound })
    }

    /// Puts it into words.
    fn told(&mut self, case: &Case<'_>) -> Result<Explanation, Error> {
        let (asked, event) = (case.asked, &case.event);
        let reply = is_reply(event);
        let sent_to = self.sent_to(event.number, asked.destination.port());
        let server = sent_to.map(|(_, server)| server);
        let key = case.service.as_ref().map(|service| service.key).or(sent_to.map(|(key, _)| key));
        let destination = self.control.destinations().find(|(number, ..)| *number == event.number);
        let method = destination.map(|(_, _, server, _)| server.method);
        let opens = event.flow == flow::NEW || event.reason == Reason::NoDestination as u8 && is_refused(event);
        // A template that holds is the choice.
        let chosen = opens && (case.bound.as_ref().is_none_or(|record| record.number() != event.number));
        let one_packet =
            case.service.as_ref().is_some_and(|service| service.one_packet && asked.protocol == Protocol::Udp);
        let choice = match &case.service {
            Some(service) if chosen => Some(choice::of(&self.kernel, &self.control, service, asked, event.number)?),
            _ => None,
        };
        let read =
            (fate_of(event) == Fate::Forwarded).then(|| frame::read(&case.run.frame, self.between(case))).flatten();
        Ok(Explanation {
            packet: AskedPacket {
                source: asked.source,
                destination: asked.destination,
                protocol: asked.protocol,
                flags: frame::flag_names(asked.protocol, asked.flags),
                interface: self.ways.interface(case.ingress),
                length: asked.length,
            },
            fate: fate_of(event),
            reason: reason_of(event).map(|reason| Why {
                name: reason.name().to_owned(),
                text: reason.text().to_owned(),
                remedy: remedy::remedy(reason).to_owned(),
            }),
            side: if reply { Side::Server } else { Side::Client },
            service: key,
            found: case.service.as_ref().and_then(|service| self.found(service.key, event, asked)),
            flow: if one_packet && event.flow == flow::NEW { FlowPart::None } else { part_of(event) },
            known: match &case.flow {
                Some(record) => Some(self.known(record, asked, reply)?),
                None => None,
            },
            template: case.template.clone().filter(|_| part_of(event) == FlowPart::New || opens),
            choice,
            server: if reply { Some(asked.source).filter(|_| event.number != 0) } else { server },
            method,
            changes: read.as_ref().map_or_else(Vec::new, |read| changes(case.frame, read)),
            way: match &read {
                Some(read) => Some(self.way_out(case, read, server.map(|server| server.ip()))?),
                None => None,
            },
            mtu: self.mtu(case, reply),
        })
    }

    /// The service and the server of a destination. One of any port has the packet's.
    pub(super) fn sent_to(&self, number: u32, port: u16) -> Option<(ServiceKey, SocketAddr)> {
        let (key, server) = self.control.sent_to(number)?;
        Some((key, SocketAddr::new(server.ip(), if server.port() == 0 { port } else { server.port() })))
    }

    fn found(&self, key: ServiceKey, event: &Event, asked: &Asked) -> Option<Found> {
        if event.rule != 0 {
            let rule = self.control.desired().rules.iter().find(|rule| matches(rule, asked))?;
            return Some(Found::Rule(rule.to_string()));
        }
        Some(match key.port() {
            port if port == asked.destination.port() => Found::Address,
            0 => Found::AnyPort,
            _ => Found::FtpData,
        })
    }

    fn known(&self, record: &Record, asked: &Asked, reply: bool) -> Result<KnownFlow, Error> {
        let (now, second) = (self.kernel.now()?, self.kernel.second());
        let server = self.sent_to(record.number(), asked.destination.port()).map(|(_, server)| server);
        Ok(KnownFlow {
            state: record.state().to_owned(),
            server: if reply { Some(asked.source) } else { server },
            age_s: record.age_s(now, second),
            expires_s: record.expires_s(&self.timeouts, now, second),
            persistent: record.bound,
        })
    }

    /// A persistent service's template for the client: the one that is there, or the one that would come.
    fn template(&self, service: &Service, asked: &Asked, found: Option<&Record>) -> Result<Option<Template>, Error> {
        let Some(persistence) = service.persistence else { return Ok(None) };
        let client = meets::network(asked.source.ip(), persistence.netmask);
        let whole = persistence.netmask.is_host();
        let client = if whole { client.to_string() } else { format!("{client} ({})", persistence.netmask) };
        let (server, expires_s) = match found {
            None => (None, persistence.timeout_s),
            Some(record) => {
                let (now, second) = (self.kernel.now()?, self.kernel.second());
                let server = self.sent_to(record.number(), asked.destination.port()).map(|(_, server)| server);
                (server, record.expires_s(&self.timeouts, now, second))
            }
        };
        Ok(Some(Template { client, server, expires_s }))
    }

    fn way_out(&mut self, case: &Case<'_>, read: &frame::Read, server: Option<IpAddr>) -> Result<WayOut, Error> {
        let index = if case.event.fate == fate::REDIRECTED { case.event.egress } else { case.ingress };
        let towards = if is_reply(&case.event) { Some(case.asked.destination.ip()) } else { server };
        let neighbour = match towards {
            Some(address) => self.ways.neighbour(address, read.destination_mac)?,
            None => None,
        };
        Ok(WayOut {
            interface: self.ways.interface(index),
            neighbour,
            destination_mac: mac_text(&read.destination_mac),
            source_mac: mac_text(&read.source_mac),
            vlans: read.vlans.clone(),
        })
    }

    /// What its tunnel has besides an IP header, if the packet is in one.
    fn between(&self, case: &Case<'_>) -> Option<usize> {
        let record = self.kernel.record(Area::Destinations, case.event.number)?;
        let method = destination::method_of(record[destination::META].load(Acquire));
        (destination::tunnels(method) && !is_reply(&case.event)).then(|| destination::between(method))
    }

    fn mtu(&self, case: &Case<'_>, reply: bool) -> Option<Mtu> {
        if case.event.number == 0 {
            return None;
        }
        let most = if reply {
            let index = if case.event.fate == fate::REDIRECTED { case.event.egress } else { return None };
            self.ways.link_mtu(index)
        } else {
            let record = self.kernel.record(Area::Destinations, case.event.number)?;
            let meta = record[destination::META].load(Acquire);
            if destination::has(meta, destination::LOCAL) || destination::hop(meta) == 0 {
                return None;
            }
            destination::mtu(meta)
        };
        Some(Mtu { length: case.asked.length, most })
    }
}

/// Whether it is a server's packet. What stages of replies decide, and what has a destination but no service.
pub(super) fn is_reply(event: &Event) -> bool {
    let stage = u32::from(event.stage);
    stage == Stage::Reply4 as u32 || stage == Stage::Reply6 as u32 || event.service == 0 && event.number != 0
}

fn is_refused(event: &Event) -> bool {
    matches!(fate_of(event), Fate::Answered | Fate::Dropped)
}

pub(super) fn fate_of(event: &Event) -> Fate {
    match event.fate {
        fate::PASSED => Fate::Passed,
        fate::DROPPED => Fate::Dropped,
        fate::ANSWERED => Fate::Answered,
        _ => Fate::Forwarded,
    }
}

pub(super) fn reason_of(event: &Event) -> Option<Reason> {
    let reason = Reason::ALL.get(usize::from(event.reason)).copied();
    reason.filter(|_| fate_of(event) != Fate::Forwarded)
}

pub(super) fn part_of(event: &Event) -> FlowPart {
    match event.flow {
        flow::NEW => FlowPart::New,
        flow::YOUNG => FlowPart::Young,
        flow::SETTLES => FlowPart::Settles,
        flow::KNOWN => FlowPart::Known,
        _ => FlowPart::None,
    }
}

/// Whether a packet is what a rule is about.
fn matches(rule: &Rule, asked: &Asked) -> bool {
    let (from, to) = (asked.source.ip(), asked.destination.ip());
    let within = |list: &[Network], address: IpAddr| {
        let is = |n: &Network| n.address.is_ipv4() == address.is_ipv4() && Network::of(address, n.prefix) == *n;
        list.is_empty() || list.iter().any(is)
    };
    let port = asked.destination.port();
    within(&rule.sources, from)
        && within(&rule.destinations, to)
        && rule.protocol.is_none_or(|protocol| protocol == asked.protocol)
        && (rule.ports.is_empty() || rule.ports.iter().any(|range| (range.first..=range.last).contains(&port)))
}

/// What the director wrote into a frame.
fn changes(before: &[u8], after: &frame::Read) -> Vec<FieldChange> {
    let Some(before) = frame::read(before, None) else { return Vec::new() };
    let mut found = Vec::new();
    let mut changed = |field: &str, from: String, to: String| {
        if from != to {
            found.push(FieldChange { field: field.to_owned(), from, to });
        }
    };
    if let (Some((source, destination)), Some((new_source, new_destination))) = (before.ends, after.ends) {
        changed("source", source.to_string(), new_source.to_string());
        changed("destination", destination.to_string(), new_destination.to_string());
    }
    changed("hop limit", before.ttl.to_string(), after.ttl.to_string());
    if let Some((from, to, tunnel)) = &after.outer {
        let kind = if tunnel == "ipip" { String::new() } else { format!(", {tunnel}") };
        changed("outer header", String::new(), format!("{from} > {to}{kind}"));
    }
    found
}
