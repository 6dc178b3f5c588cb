//! From the VIPs that are set up to those that should be: the steps, in an order in which no VIP is ever shown, and
//! their undoing when one fails.

use std::{collections::BTreeMap, net::IpAddr};

use relvs_model::Method;
use relvs_net::{
    Address, Link, Network, NewAddress, Scope,
    sysctl::{self, Key},
};

use super::{
    Decapsulation, Decapsulator, Error, Line,
    interfaces::loopback,
    state::{State, Switch, Vip},
    switches::{self, ALL, Rule},
};

/// The label of an IPv4 VIP in the listing of ip(8).
const LABEL: &str = "lo:relvs";

/// One change, with what takes it back.
#[derive(Debug)]
enum Step {
    Switch { key: Key, from: String, to: String, purpose: Option<&'static str> },
    Decapsulator { from: Decapsulation, to: Decapsulation },
    Add(NewAddress),
    Remove(NewAddress),
}

/// What is to be done, and what will be so afterwards.
#[derive(Debug)]
pub(super) struct Plan {
    steps: Vec<Step>,
    pub(super) state: State,
    /// What is left alone, and why.
    pub(super) notes: Vec<Line>,
}

/// What plans are made from and carried out on.
pub(super) struct Machine<'d> {
    network: Network,
    pub(super) links: Vec<Link>,
    pub(super) addresses: Vec<Address>,
    decapsulator: &'d mut dyn Decapsulator,
}

impl<'d> Machine<'d> {
    pub(super) fn look(decapsulator: &'d mut dyn Decapsulator) -> Result<Self, Error> {
        let mut network = Network::open()?;
        let (links, addresses) = (network.links()?, network.addresses()?);
        Ok(Machine { network, links, addresses, decapsulator })
    }

    /// Whether this address is on lo, with its prefix length.
    pub(super) fn on_loopback(&self, vip: IpAddr) -> Option<u8> {
        let lo = loopback(&self.links).ok()?.index;
        self.addresses.iter().find(|a| a.interface == lo && a.address == vip).map(|a| a.prefix)
    }

    /// The steps from what is there to these VIPs.
    pub(super) fn plan(&mut self, old: &State, vips: BTreeMap<IpAddr, Vip>) -> Result<Plan, Error> {
        let mut plan = Plan { steps: Vec::new(), state: old.with(vips), notes: Vec::new() };
        // What is taken away goes first, and the switches that hid it last.
        self.plan_removals(old, &mut plan)?;
        let restored = self.plan_switches(old, &mut plan)?;
        self.plan_decapsulator(old, &mut plan)?;
        self.plan_additions(&mut plan)?;
        plan.steps.extend(restored);
        Ok(plan)
    }

    fn plan_removals(&self, old: &State, plan: &mut Plan) -> Result<(), Error> {
        for (vip, entry) in old.vips.iter().filter(|(vip, _)| !plan.state.vips.contains_key(vip)) {
            let there = self.on_loopback(*vip).is_some();
            match (entry.added, there) {
                (true, true) => plan.steps.push(Step::Remove(self.address(*vip)?)),
                (true, false) => plan.notes.push(Line::warning(format!("{vip} was gone from lo already"))),
                (false, _) => {
                    plan.notes.push(Line::warning(format!("{vip} was on lo before `up` and is left there")));
                }
            }
        }
        Ok(())
    }

    fn plan_additions(&self, plan: &mut Plan) -> Result<(), Error> {
        let missing = plan.state.vips.keys().filter(|vip| self.on_loopback(**vip).is_none());
        let steps = missing.map(|vip| Ok(Step::Add(self.address(*vip)?))).collect::<Result<Vec<_>, Error>>()?;
        plan.steps.extend(steps);
        Ok(())
    }

    /// Plans the switches to be set and returns the steps that restore those that are no longer needed.
    fn plan_switches(&self, old: &State, plan: &mut Plan) -> Result<Vec<Step>, Error> {
        let mut switches = BTreeMap::new();
        for (key, (rule, interface)) in switches::needed(&plan.state.vips) {
            let Some(now) = value(&key)? else {
                plan.notes.push(Line::warning(format!("{key} is not there; has {interface} gone?")));
                continue;
            };
            // Judged without relvs's own changes: what another VIP needed may be restored before this one is.
            let mut before = number(baseline(old, &key, &now));
            if let Some(all) = rule.key(ALL).filter(|all| *all != key) {
                before = before.max(value(&all)?.map_or(0, |now| number(baseline(old, &all, &now))));
            }
            if rule.accepts(before) {
                continue;
            }
            let set = rule.value().to_owned();
            let before = baseline(old, &key, &now).to_owned();
            if !rule.accepts(number(&now)) {
                let purpose = Some(Rule::purpose(rule));
                plan.steps.push(Step::Switch { key: key.clone(), from: now, to: set.clone(), purpose });
            }
            switches.insert(key.to_string(), Switch { before, set });
        }
        let mut restored = Vec::new();
        for (text, switch) in old.switches.iter().filter(|(text, _)| !switches.contains_key(*text)) {
            let Some(key) = Key::parse(text) else { continue };
            match value(&key)? {
                None => plan.notes.push(Line::warning(format!("{key} is gone, with its interface"))),
                Some(now) if now == switch.before => {}
                Some(now) if now == switch.set => {
                    restored.push(Step::Switch { key, from: now, to: switch.before.clone(), purpose: None });
                }
                Some(now) => plan.notes.push(Line::warning(format!(
                    "{key} is {now}, not the {} that `up` set, so it is left alone; it was {} before",
                    switch.set, switch.before
                ))),
            }
        }
        plan.state.switches = switches;
        Ok(restored)
    }

    fn plan_decapsulator(&mut self, old: &State, plan: &mut Plan) -> Result<(), Error> {
        let tunnelled = |state: &State| state.vips.values().any(|vip| vip.method == Method::Tun);
        // A DR server works without a decapsulator, so it is not even asked.
        if !tunnelled(old) && !tunnelled(&plan.state) {
            return Ok(());
        }
        let mut to = Decapsulation::default();
        for (vip, entry) in plan.state.vips.iter().filter(|(_, entry)| entry.method == Method::Tun) {
            to.vips.insert(*vip, entry.tunnel);
            let there = entry.interfaces.iter().filter(|name| self.links.iter().any(|link| link.name == **name));
            to.interfaces.extend(there.cloned());
        }
        let from = self.decapsulator.current().map_err(Error::Decapsulator)?;
        if from != to {
            plan.steps.push(Step::Decapsulator { from, to });
        }
        Ok(())
    }

    /// How a VIP stands on lo. Of scope host (IPv4) or deprecated (IPv6), so that the host does not choose it as
    /// the source of its own connections.
    fn address(&self, vip: IpAddr) -> Result<NewAddress, Error> {
        let mut address = NewAddress::host(loopback(&self.links)?.index, vip, Scope::Host);
        address.label = Some(LABEL.into());
        address.deprecated = true;
        Ok(address)
    }

    /// Carries the plan out and says what was done. When a step fails, those before it are taken back.
    pub(super) fn carry_out(&mut self, plan: &Plan) -> Result<Vec<Line>, Error> {
        let mut done = Vec::new();
        for step in &plan.steps {
            if let Err(cause) = self.take(step) {
                let left = self.take_back(&plan.steps[..done.len()]);
                let cause = Box::new(cause);
                return Err(if left.is_empty() { Error::Undone { cause } } else { Error::HalfDone { cause, left } });
            }
            done.push(step.line());
        }
        Ok(done)
    }

    fn take_back(&mut self, steps: &[Step]) -> Vec<String> {
        let mut left = Vec::new();
        for step in steps.iter().rev() {
            if let Err(error) = self.take(&step.inverse()) {
                left.push(format!("{} ({error})", step.line().text));
            }
        }
        left
    }

    fn take(&mut self, step: &Step) -> Result<(), Error> {
        match step {
            Step::Switch { key, to, .. } => drop(sysctl::write(key, to)?),
            Step::Decapsulator { to, .. } => self.decapsulator.set(to).map_err(Error::Decapsulator)?,
            Step::Add(new) => match self.network.add_address(new) {
                Err(error) if !error.is_present() => return Err(error.into()),
                Ok(()) | Err(_) => {}
            },
            Step::Remove(new) => match self.network.remove_address(new.interface, new.address, new.prefix) {
                Err(error) if !error.is_absent() => return Err(error.into()),
                Ok(()) | Err(_) => {}
            },
        }
        Ok(())
    }
}

impl Step {
    fn inverse(&self) -> Step {
        match self {
            Step::Switch { key, from, to, .. } => {
                Step::Switch { key: key.clone(), from: to.clone(), to: from.clone(), purpose: None }
            }
            Step::Decapsulator { from, to } => Step::Decapsulator { from: to.clone(), to: from.clone() },
            Step::Add(new) => Step::Remove(new.clone()),
            Step::Remove(new) => Step::Add(new.clone()),
        }
    }

    fn line(&self) -> Line {
        Line::ok(match self {
            Step::Switch { key, from, to, purpose: Some(purpose) } => format!("{key}: {from} -> {to} ({purpose})"),
            Step::Switch { key, from, to, purpose: None } => format!("{key}: {from} -> {to} (as before `up`)"),
            Step::Decapsulator { to, .. } if to.is_empty() => "decapsulator detached".into(),
            Step::Decapsulator { to, .. } => {
                let names: Vec<&str> = to.interfaces.iter().map(String::as_str).collect();
                let vips: Vec<String> = (to.vips.iter())
                    .map(
                        |(vip, tunnel)| if tunnel.is_default() { vip.to_string() } else { format!("{vip} ({tunnel})") },
                    )
                    .collect();
                format!("decapsulator on {} for {}", names.join(", "), vips.join(", "))
            }
            Step::Add(new) => format!("{}/{} added to lo", new.address, new.prefix),
            Step::Remove(new) => format!("{}/{} removed from lo", new.address, new.prefix),
        })
    }
}

/// The switch's value now; none if there is no such switch.
pub(super) fn value(key: &Key) -> Result<Option<String>, Error> {
    match sysctl::read(key) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The value that the switch had before relvs, or has now if relvs did not change it.
fn baseline<'v>(old: &'v State, key: &Key, now: &'v str) -> &'v str {
    old.switches.get(&key.to_string()).map_or(now, |switch| &switch.before)
}

/// These switches are small numbers.
pub(super) fn number(value: &str) -> u32 {
    value.parse().unwrap_or(0)
}
