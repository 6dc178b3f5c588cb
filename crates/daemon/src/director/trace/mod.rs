//! Who watches what is decided: filters in the tables, events out of them, and an end when nobody watches any more.
//!
//! The programs tell of decisions only until a second that is moved on whenever somebody takes what was told; so they
//! stop by themselves, whatever becomes of the daemon.

#[cfg(test)]
mod tests;

use super::{
    Director, Error,
    explain::{fate_of, frame::flag_names, is_reply, meets, part_of, reason_of},
};
use relvs_api::{Code, Decision, Failure, Fate, Side, TraceLine};
use relvs_core::table::trace::{Event, FORWARDED, Filter, SLOTS, fate};
use relvs_dataplane::{Side as _, end_trace, set_filter, trace_until};
use relvs_model::{Network, Protocol, ServiceKey};
use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant, SystemTime},
};

/// So long somebody may not have asked who still watches.
const LEASE: Duration = Duration::from_secs(10);
/// The same in the core's seconds, which are at the most twice as long.
const LEASE_S: u16 = 10;
/// Decisions that wait for one who watches; what comes then is lost.
const WAITING: usize = 1 << 14;

/// What somebody watches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watched {
    /// Packets from or to it.
    pub(crate) client: Option<Network>,
    /// Packets of it.
    pub(crate) service: Option<ServiceKey>,
    /// A bit for each reason, as in a [`Filter`].
    pub(crate) reasons: u64,
}

/// Bit of a reason's name; `forwarded` is that of what is sent on.
pub(crate) fn reason_bit(name: &str) -> Option<u64> {
    if name == "forwarded" {
        return Some(FORWARDED);
    }
    relvs_core::Reason::ALL.iter().find(|reason| reason.name() == name).map(|reason| 1 << *reason as u32)
}

/// Who watches, by the place of the filter.
#[derive(Default)]
pub(super) struct Watchers {
    places: [Option<Watcher>; SLOTS as usize],
    last: u64,
}

struct Watcher {
    id: u64,
    watched: Watched,
    filter: Filter,
    waiting: VecDeque<Event>,
    /// Events that were lost up to now, as the tables count.
    counted: u64,
    lost: u64,
    asked: Instant,
}

impl Director {
    /// Somebody watches from now on: their number.
    pub(crate) fn watch(&mut self, watched: Watched) -> Result<u64, Failure> {
        let failed = |error: Error| Failure::new(Code::Failed, error);
        self.gather();
        let Some(place) = self.watchers.places.iter().position(Option::is_none) else {
            return Err(Failure::new(Code::Busy, format!("{SLOTS} watch already, which is the most; end one of them")));
        };
        let filter = self.filter(&watched).ok_or_else(|| {
            let key = watched.service.map(|key| key.to_string()).unwrap_or_default();
            Failure::new(Code::NoService, format!("there is no service {key}"))
        })?;
        let counted = self.kernel.events_lost().map_err(|e| failed(e.into()))?;
        self.watchers.last += 1;
        let id = self.watchers.last;
        let (waiting, asked) = (VecDeque::new(), Instant::now());
        self.watchers.places[place] = Some(Watcher { id, watched, filter, waiting, counted, lost: 0, asked });
        set_filter(&self.kernel, place as u32, Some(&filter));
        self.prolong().map_err(failed)?;
        Ok(id)
    }

    /// What was decided since the last time, for whom this number is of; none if they were given up.
    pub(crate) fn watched(&mut self, id: u64) -> Result<Option<Vec<TraceLine>>, Error> {
        self.gather();
        let counted = self.kernel.events_lost()?;
        self.renew();
        self.prolong()?;
        let is_it = |watcher: &&mut Watcher| watcher.id == id;
        let Some(watcher) = self.watchers.places.iter_mut().flatten().find(is_it) else { return Ok(None) };
        watcher.asked = Instant::now();
        let lost = counted.wrapping_sub(watcher.counted) + std::mem::take(&mut watcher.lost);
        watcher.counted = counted;
        let (events, wanted) = (std::mem::take(&mut watcher.waiting), watcher.watched.service);
        let clock = Clock::now();
        // Once for all of them: there may be many services.
        let services = if events.is_empty() { BTreeMap::new() } else { meets::services(&self.kernel, &self.control) };
        let decisions = events.iter().map(|event| self.decision(event, &services, clock));
        let decisions = decisions.filter(|decision| wanted.is_none() || decision.service == wanted);
        let mut lines: Vec<TraceLine> = decisions.map(|decision| TraceLine::Decision(Box::new(decision))).collect();
        if lost > 0 {
            lines.push(TraceLine::Lost(lost));
        }
        Ok(Some(lines))
    }

    /// They watch no more.
    pub(crate) fn unwatch(&mut self, id: u64) {
        self.leave(|watcher| watcher.id == id);
    }

    /// Gives up those who have not asked for a while.
    pub(super) fn forget_watchers(&mut self, now: Instant) {
        self.leave(|watcher| now.saturating_duration_since(watcher.asked) >= LEASE);
    }

    fn leave(&mut self, goes: impl Fn(&Watcher) -> bool) {
        let mut gone = false;
        for (at, place) in self.watchers.places.iter_mut().enumerate() {
            if place.as_ref().is_some_and(&goes) {
                set_filter(&self.kernel, at as u32, None);
                *place = None;
                gone = true;
            }
        }
        if gone && self.watchers.places.iter().all(Option::is_none) {
            end_trace(&self.kernel);
        }
    }

    /// Takes what the programs told, for all who watch.
    fn gather(&mut self) {
        for event in self.kernel.events() {
            for (at, watcher) in self.watchers.places.iter_mut().enumerate() {
                let Some(watcher) = watcher.as_mut().filter(|_| event.filters >> at & 1 != 0) else { continue };
                if watcher.waiting.len() < WAITING {
                    watcher.waiting.push_back(event);
                } else {
                    watcher.lost += 1;
                }
            }
        }
    }

    /// A service that went and came again, or got another scheduler, is known to the tables by another number.
    fn renew(&mut self) {
        for at in 0..self.watchers.places.len() {
            let Some(watched) = self.watchers.places[at].as_ref().map(|watcher| watcher.watched.clone()) else {
                continue;
            };
            let Some(filter) = self.filter(&watched) else { continue };
            if let Some(watcher) = self.watchers.places[at].as_mut().filter(|watcher| watcher.filter != filter) {
                watcher.filter = filter;
                set_filter(&self.kernel, at as u32, Some(&filter));
            }
        }
    }

    fn prolong(&self) -> Result<(), Error> {
        if self.watchers.places.iter().any(Option::is_some) {
            trace_until(&self.kernel, self.kernel.now()?.wrapping_add(LEASE_S));
        }
        Ok(())
    }

    /// The filter; none if there is no such service.
    fn filter(&self, watched: &Watched) -> Option<Filter> {
        let service = match watched.service {
            Some(key) => meets::identity(&self.kernel, &self.control, key)?,
            None => 0,
        };
        let (mut family, mut network, mut mask) = (0, [0; 2], [0; 2]);
        if let Some(client) = watched.client {
            let ones = IpAddr::from([0xff; 16]);
            family = if client.address.is_ipv4() { 4 } else { 6 };
            network = crate::decapsulator::words(client.address);
            let ones = if client.address.is_ipv4() { IpAddr::from([0xff; 4]) } else { ones };
            mask = crate::decapsulator::words(Network::of(ones, client.prefix).address);
        }
        Some(Filter { family, service, reasons: watched.reasons, network, mask })
    }

    fn decision(&self, event: &Event, services: &BTreeMap<u32, ServiceKey>, clock: Clock) -> Decision {
        let end = |words: [u64; 2], port: u32| {
            let address = match event.family {
                4 => IpAddr::from((words[0] as u32).to_ne_bytes()),
                6 => IpAddr::from((u128::from(words[0]) | u128::from(words[1]) << 64).to_ne_bytes()),
                _ => return None,
            };
            Some(SocketAddr::new(address, u16::from_be(port as u16)))
        };
        let (source, destination) = (end(event.source, event.ports), end(event.destination, event.ports >> 16));
        let reply = is_reply(event);
        let port = destination.map_or(0, |destination| destination.port());
        let sent_to = self.sent_to(event.number, port);
        let service = services.get(&event.service).copied();
        let is_tcp = event.protocol == Protocol::Tcp.number() && event.family != 0;
        let out = match event.fate {
            fate::TRANSMITTED | fate::ANSWERED => Some(event.ingress),
            fate::REDIRECTED => Some(event.egress),
            _ => None,
        };
        Decision {
            time: clock.of(event.at),
            interface: self.ways.interface(event.ingress),
            protocol: (event.family != 0).then_some(event.protocol),
            source,
            destination,
            flags: if is_tcp { flag_names(Protocol::Tcp, event.flags) } else { None },
            length: event.length,
            fate: fate_of(event),
            reason: reason_of(event).map(|reason| reason.name().to_owned()),
            side: if reply { Side::Server } else { Side::Client },
            service: service.or(sent_to.map(|(key, _)| key)),
            server: match sent_to {
                Some(_) if reply => source,
                other => other.map(|(_, server)| server),
            },
            flow: part_of(event),
            out: out.filter(|_| fate_of(event) != Fate::Passed).map(|index| self.ways.interface(index)),
            stage: stage(event.stage).to_owned(),
        }
    }
}

/// What a stage is called.
const fn stage(number: u8) -> &'static str {
    match number {
        0 => "parse",
        1 | 2 => "packet",
        3 | 4 => "reply",
        5 | 6 => "fragment",
        7 | 8 => "icmp",
        9 | 10 => "deliver",
        11 | 12 => "answer",
        13 | 14 => "match",
        _ => "open",
    }
}

/// Both clocks at one moment.
#[derive(Clone, Copy)]
struct Clock {
    since_1970: f64,
    since_start: f64,
}

impl Clock {
    fn now() -> Self {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let started = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Clock { since_1970, since_start: started.tv_sec as f64 + started.tv_nsec as f64 / 1e9 }
    }

    /// Seconds since 1970, of nanoseconds since the machine started.
    fn of(self, at: u64) -> f64 {
        self.since_1970 - self.since_start + at as f64 / 1e9
    }
}
