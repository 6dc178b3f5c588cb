//! What must hold in every run.

use super::plan::{Plan, Time};
use relvs_model::vrrp::{State, Status};
use relvs_proto::vrrp::{Notification, Transmit};

/// What did not hold.
#[derive(Debug)]
pub(crate) struct Broken(pub(crate) String);

/// What is known of one router.
#[derive(Clone, Default)]
struct Known {
    instances: Vec<One>,
    group: Option<String>,
}

#[derive(Clone, Default)]
struct One {
    state: State,
    addresses: bool,
    told: Option<&'static str>,
    priority: u8,
    held: bool,
    handing_over: bool,
}

pub(crate) struct Checks {
    calm: Time,
    promised: Time,
    overlap: Time,
    best_wins: bool,
    grouped: bool,
    known: Vec<Known>,
    /// Since when two masters of one part have heard each other.
    two: Option<Time>,
    /// The masters after the promised time.
    settled: Option<Vec<(usize, usize)>>,
    sent_after: u64,
    sent_most: u64,
}

impl Checks {
    pub(crate) fn new(plan: &Plan) -> Self {
        let instances = plan.settings[0].instances.len();
        Checks {
            calm: plan.calm,
            promised: plan.calm + plan.promised,
            overlap: plan.overlap,
            best_wins: plan.best_wins,
            grouped: plan.grouped,
            known: vec![Known { instances: vec![One::default(); instances], group: None }; plan.settings.len()],
            two: None,
            settled: None,
            sent_after: 0,
            // Five intervals, of the longest; the shortest is half of it. Every router may be alone, with peers.
            sent_most: 12 * (instances * plan.settings.len() * plan.settings.len()) as u64,
        }
    }

    /// It begins anew, and knows nothing.
    pub(crate) fn restarted(&mut self, router: usize) {
        let instances = self.known[router].instances.len();
        self.known[router] = Known { instances: vec![One::default(); instances], group: None };
    }

    /// Something went wrong: what is between two masters begins anew.
    pub(crate) const fn disturbed(&mut self, _: Time) {
        self.two = None;
    }

    pub(crate) fn addresses(&mut self, router: usize, name: &str, has: bool) -> Result<(), Broken> {
        let one = self.one(router, name);
        if one.addresses == has && !has {
            return Err(Broken(format!("router {router}: addresses of {name} are removed, which it has not")));
        }
        one.addresses = has;
        Ok(())
    }

    fn one(&mut self, router: usize, name: &str) -> &mut One {
        &mut self.known[router].instances[usize::from(name == "b")]
    }

    /// Only masters speak, but for the last word.
    pub(crate) fn sent(&mut self, at: Time, router: usize, transmit: &Transmit, status: &Status) -> Result<(), Broken> {
        let instance = status.instances.iter().find(|instance| instance.name == transmit.instance.name);
        let master = instance.is_some_and(|instance| instance.state == State::Master);
        let before = self.one(router, &transmit.instance.name).addresses;
        if !master && !before {
            return Err(Broken(format!("router {router}: sends an advert, but was not master")));
        }
        if at >= self.promised {
            self.sent_after += 1;
            if self.sent_after > self.sent_most {
                return Err(Broken(format!("more than {} adverts within five intervals", self.sent_most)));
            }
        }
        Ok(())
    }

    /// Neighbours are told by who has the addresses.
    pub(crate) fn announced(&mut self, router: usize, interface: &str) -> Result<(), Broken> {
        let name = if interface == "eth1" { "b" } else { "a" };
        match self.one(router, name).addresses {
            true => Ok(()),
            false => Err(Broken(format!("router {router}: announces addresses of {name}, which it has not"))),
        }
    }

    /// Each change once, in an order that can be.
    pub(crate) fn told(&mut self, router: usize, told: &Notification) -> Result<(), Broken> {
        let word = told.event.word();
        let wrong = |text: &str| Err(Broken(format!("router {router}: {told}: {text}")));
        if told.group {
            let members: Vec<_> = self.known[router].instances.iter().map(|one| one.told).collect();
            if self.known[router].group.as_deref() == Some(word) {
                return wrong("told twice");
            }
            if word == "MASTER" && members.iter().any(|&told| told != Some("MASTER")) {
                return wrong("before its members");
            }
            self.known[router].group = Some(word.to_owned());
            return Ok(());
        }
        let one = self.one(router, &told.name);
        match (one.told, word) {
            (Some("MASTER"), "MASTER_RX_LOWER_PRI") => return Ok(()),
            (_, "MASTER_RX_LOWER_PRI") => return wrong("is not master"),
            (Some(last), now) if last == now => return wrong("told twice"),
            (Some("STOP"), _) => return wrong("after the end"),
            (_, "MASTER") if !one.addresses => return wrong("has no addresses yet"),
            (_, "BACKUP" | "FAULT" | "STOP") if one.addresses => return wrong("has addresses still"),
            _ => {}
        }
        one.told = Some(word);
        Ok(())
    }

    /// After everything is done: addresses and what was told are those of the state.
    pub(crate) fn settled(&mut self, router: usize, status: &Status) -> Result<(), Broken> {
        for instance in &status.instances {
            let one = self.one(router, &instance.name);
            one.state = instance.state;
            one.priority = instance.effective_priority;
            one.held = instance.held;
            one.handing_over = instance.handing_over;
            let name = &instance.name;
            if one.addresses != (instance.state == State::Master) {
                let has = if one.addresses { "has" } else { "has no" };
                return Err(Broken(format!("router {router}: {name} is {} and {has} addresses", instance.state)));
            }
            let word = instance.state.to_string();
            if instance.state != State::Initialize && one.told != Some(word.as_str()) {
                return Err(Broken(format!("router {router}: {name} is {word}, but was told as {:?}", one.told)));
            }
        }
        let mut states = status.instances.iter().map(|instance| instance.state);
        let first = states.next();
        if self.grouped && status.instances.len() > 1 && !states.all(|state| Some(state) == first) {
            return Err(Broken(format!("router {router}: the group is not of one state")));
        }
        Ok(())
    }

    /// In every part one master, when it has been promised; two that hear each other never for long.
    pub(crate) fn masters(&mut self, at: Time, parts: &[Option<u8>]) -> Result<(), Broken> {
        if at < self.calm {
            return Ok(());
        }
        let mut masters = Vec::new();
        let mut two = false;
        let mut missing = None;
        for instance in 0..self.known[0].instances.len() {
            for part in 0..2 {
                let inside = || {
                    let routers = parts.iter().enumerate().filter(move |(_, of)| **of == Some(part));
                    routers.map(|(router, _)| (router, &self.known[router].instances[instance]))
                };
                let here: Vec<usize> =
                    inside().filter(|(_, one)| one.state == State::Master).map(|(router, _)| router).collect();
                // One that hands over keeps the addresses on purpose, and does not speak.
                two |= inside().filter(|(_, one)| one.state == State::Master && !one.handing_over).count() > 1;
                if here.len() != 1 && inside().any(|(_, one)| one.state != State::Initialize) {
                    missing = Some(format!("part {part}: masters {here:?}"));
                }
                let best = inside().map(|(_, one)| one.priority).max();
                let master = here.first().map(|&router| self.known[router].instances[instance].priority);
                if self.best_wins && master != best && here.len() == 1 && !inside().any(|(_, one)| one.held) {
                    missing = Some(format!("part {part}: the master has priority {master:?}, not {best:?}"));
                }
                masters.extend(here.into_iter().map(|router| (instance, router)));
            }
        }
        self.two = if two { self.two.or(Some(at)) } else { None };
        if let Some(since) = self.two
            && at > since + self.overlap
        {
            return Err(Broken(format!("two masters hear each other since {:.6}", since as f64 / 1e9)));
        }
        if at >= self.promised {
            if let Some(missing) = missing {
                return Err(Broken(format!("after the promised time: {missing}")));
            }
            if self.settled.as_ref().is_some_and(|before| *before != masters) {
                return Err(Broken(format!("masters change after the promised time: {:?}, {masters:?}", self.settled)));
            }
            self.settled = Some(masters);
        }
        Ok(())
    }
}
