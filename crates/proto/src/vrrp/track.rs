//! What an instance's standing is by what it depends on: its priority, and whether it may take part.

use super::input::Outcome;
use relvs_model::vrrp::{Instance, Settings, TrackSource, Tracked};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// What is known of things outside.
#[derive(Default)]
pub(super) struct World {
    pub(super) interfaces: BTreeMap<String, bool>,
    /// By interface and family. None: it has no address.
    pub(super) sources: BTreeMap<(String, bool), Option<IpAddr>>,
    pub(super) tracked: BTreeMap<TrackSource, Outcome>,
}

/// What follows from it for an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Why it takes no part; empty if it does.
    pub(super) fault: String,
    /// What must be known before it can begin; empty if nothing is missing.
    pub(super) waits_for: String,
    /// Its priority.
    pub(super) priority: u8,
    /// Where its adverts come from.
    pub(super) source: Option<IpAddr>,
}

/// A file's number from which on, times its weight, it is a fault (`keepalived.conf(5)`, Track files).
const FAULT_BELOW: i64 = -253;

impl World {
    fn outcome(&self, source: &TrackSource) -> Option<Outcome> {
        match source {
            TrackSource::Interface(name) => {
                self.interfaces.get(name).map(|&up| if up { Outcome::Well } else { Outcome::Failed })
            }
            TrackSource::Script(_)
            | TrackSource::File(_)
            | TrackSource::Process(_)
            | TrackSource::Ping(_)
            | TrackSource::Health(_) => self.tracked.get(source).copied(),
        }
    }

    /// Forgets what came of scripts, files, processes and pings that nobody tracks: should one be tracked again, it is asked anew.
    pub(super) fn keep_tracked(&mut self, settings: &Settings) {
        let instances = settings.instances.iter();
        let tracked = instances.clone().flat_map(|instance| &instance.track);
        let tracked = tracked.chain(settings.groups.iter().flat_map(|group| &group.track));
        let used = tracked.map(|tracked| &tracked.source).chain(instances.filter_map(|i| i.arbiter.as_ref()));
        let used: BTreeSet<&TrackSource> = used.collect();
        self.tracked.retain(|source, _| matches!(source, TrackSource::Health(_)) || used.contains(source));
    }

    /// Whether a source is known to be well.
    pub(super) fn is_well(&self, source: &TrackSource) -> bool {
        matches!(self.outcome(source), Some(Outcome::Well | Outcome::Number(0)))
    }

    /// The standing of an instance, whose group tracks `group`.
    pub(super) fn standing(&self, instance: &Instance, group: &[Tracked]) -> Standing {
        let mut standing = Standing::default();
        let is_ipv6 = instance.is_ipv6();
        if !instance.dont_track_primary {
            match self.interfaces.get(&instance.interface) {
                Some(true) => {}
                Some(false) => standing.fault(format!("interface {} is down", instance.interface)),
                None => standing.wait(format!("interface {}", instance.interface)),
            }
        }
        standing.source = instance.source;
        if instance.source.is_none() {
            match self.sources.get(&(instance.interface.clone(), is_ipv6)) {
                Some(Some(address)) => standing.source = Some(*address),
                Some(None) => standing.fault(format!("interface {} has no address to send from", instance.interface)),
                None => standing.wait(format!("an address of interface {}", instance.interface)),
            }
        }
        let mut sum = i64::from(instance.priority);
        for tracked in instance.track.iter().chain(group) {
            self.weigh(tracked, &mut sum, &mut standing);
        }
        standing.priority = match instance.priority {
            Instance::OWNER => Instance::OWNER,
            _ => u8::try_from(sum.clamp(1, 254)).unwrap_or(1),
        };
        standing
    }

    fn weigh(&self, tracked: &Tracked, sum: &mut i64, standing: &mut Standing) {
        let weight = i64::from(tracked.weight);
        let sign = if tracked.reverse { -1 } else { 1 };
        match self.outcome(&tracked.source) {
            None if weight == 0 => standing.wait(tracked.source.to_string()),
            None => {}
            Some(Outcome::Number(number)) if weight != 0 => {
                let by = i64::from(number) * weight * sign;
                if by < FAULT_BELOW {
                    standing.fault(format!("{} says {number}", tracked.source));
                } else {
                    *sum += by.min(-FAULT_BELOW);
                }
            }
            Some(outcome) => {
                let well = matches!(outcome, Outcome::Well | Outcome::Number(0));
                if weight == 0 {
                    if well == tracked.reverse {
                        standing.fault(format!("{} {}", tracked.source, if well { "is well" } else { "has failed" }));
                    }
                } else if well == (weight > 0) {
                    // Above 0 it counts while all is well, below while not; reversed it counts the other way.
                    *sum += weight * sign;
                }
            }
        }
    }
}

impl Standing {
    fn fault(&mut self, why: String) {
        if self.fault.is_empty() {
            self.fault = why;
        }
    }

    fn wait(&mut self, what: String) {
        if self.waits_for.is_empty() {
            self.waits_for = what;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script() -> TrackSource {
        TrackSource::Script("check".into())
    }

    fn standing(priority: u8, weight: i16, reverse: bool, outcome: Option<Outcome>) -> Standing {
        let mut world = World::default();
        world.interfaces.insert("eth0".into(), true);
        world.sources.insert(("eth0".into(), false), Some("192.0.2.1".parse().unwrap()));
        world.tracked.extend(outcome.map(|outcome| (script(), outcome)));
        let track = vec![Tracked { source: script(), weight, reverse }];
        world.standing(&Instance { interface: "eth0".into(), priority, track, ..Instance::default() }, &[])
    }

    #[test]
    fn weights_add_as_keepalived_says() {
        use Outcome::{Failed, Number, Well};
        for (priority, weight, reverse, outcome, expected) in [
            (100, 20, false, Some(Well), 120),
            (100, 20, false, Some(Failed), 100),
            (100, -20, false, Some(Well), 100),
            (100, -20, false, Some(Failed), 80),
            (100, 20, true, Some(Well), 80),
            (100, -20, true, Some(Failed), 120),
            (100, 20, false, None, 100),
            (100, 253, false, Some(Well), 254),
            (100, -253, false, Some(Failed), 1),
            (255, -20, false, Some(Failed), 255),
            (100, 2, false, Some(Number(7)), 114),
            (100, 2, true, Some(Number(7)), 86),
            (10, 1, false, Some(Number(1_000_000)), 254),
        ] {
            let standing = standing(priority, weight, reverse, outcome);
            assert_eq!((standing.priority, standing.fault.as_str()), (expected, ""), "{weight} {reverse} {outcome:?}");
        }
    }

    #[test]
    fn without_weight_a_failure_is_a_fault() {
        use Outcome::{Failed, Number, Well};
        let fault = |reverse, outcome| !standing(100, 0, reverse, Some(outcome)).fault.is_empty();
        assert_eq!(
            [fault(false, Well), fault(false, Failed), fault(true, Well), fault(true, Failed)],
            [false, true, true, false]
        );
        assert_eq!([fault(false, Number(0)), fault(false, Number(1))], [false, true]);
        assert_eq!(standing(100, 1, false, Some(Number(-254))).fault, "script check says -254");
        assert_eq!(standing(100, 1, false, Some(Number(-253))).fault, "");
        assert_eq!(standing(100, 0, false, None).waits_for, "script check");
    }

    #[test]
    fn what_nobody_tracks_is_forgotten() {
        let file = |name: &str| TrackSource::File(name.into());
        let mut world = World::default();
        let health = TrackSource::Health("data-path".into());
        for source in [file("a"), file("b"), file("c"), health.clone()] {
            world.tracked.insert(source, Outcome::Well);
        }
        let track = vec![Tracked::needed(file("a"))];
        let instance = Instance { track, arbiter: Some(file("b")), ..Instance::default() };
        world.keep_tracked(&Settings { instances: vec![instance], ..Settings::default() });
        assert_eq!(world.tracked.into_keys().collect::<Vec<_>>(), [file("a"), file("b"), health]);
    }

    #[test]
    fn an_instance_needs_its_interface_and_an_address() {
        let mut world = World::default();
        let instance = Instance { interface: "eth0".into(), ..Instance::default() };
        assert_eq!(world.standing(&instance, &[]).waits_for, "interface eth0");
        world.interfaces.insert("eth0".into(), false);
        assert_eq!(world.standing(&instance, &[]).fault, "interface eth0 is down");
        world.interfaces.insert("eth0".into(), true);
        world.sources.insert(("eth0".into(), false), None);
        assert_eq!(world.standing(&instance, &[]).fault, "interface eth0 has no address to send from");
        let own = Instance { source: Some("192.0.2.9".parse().unwrap()), ..instance };
        assert_eq!(world.standing(&own, &[]), Standing { source: own.source, priority: 100, ..Standing::default() });
    }
}
