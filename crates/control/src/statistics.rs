//! What servers, services and all of them together have done, out of what the tables count by destination.
//!
//! The tables count from when a destination got its number until it gives it back. IPVS counts services and the total
//! by themselves; here they are sums, so what a destination had is carried when its number is released. Setting to zero
//! changes no counter that packets change: it remembers what there was, and subtracts it. Rates are estimated from the
//! sums. It goes to disk and comes back by serde, without the rates.

use crate::estimator::{Estimator, Figures};
use relvs_model::ServiceKey;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What the tables have counted by destination number, and whose it is. Those that have counted nothing may be missing.
pub type Counted = BTreeMap<u32, (ServiceKey, Figures)>;

/// What is to be added to and subtracted from a sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Correction {
    /// What destinations had that were released.
    carried: Figures,
    /// What there was when it was set to zero.
    base: Figures,
}

impl Correction {
    fn sum(self, of_destinations: Figures) -> Figures {
        of_destinations.plus(self.carried)
    }

    fn zero(&mut self, of_destinations: Figures) {
        self.base = self.sum(of_destinations);
    }

    fn shown(self, of_destinations: Figures) -> Figures {
        self.sum(of_destinations).since(self.base)
    }
}

/// All that the tables do not count themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Statistics {
    total: Correction,
    services: BTreeMap<ServiceKey, Correction>,
    /// By destination number: what it had when it was set to zero.
    bases: BTreeMap<u32, Figures>,
    rates: Rates,
}

/// Estimators, of what is not set to zero by an administrator: the sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rates {
    total: Option<Estimator>,
    services: BTreeMap<ServiceKey, Estimator>,
    destinations: BTreeMap<u32, Estimator>,
}

/// Counters, and how fast they grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Since the beginning, or since it was set to zero.
    pub counters: Figures,
    /// A second's.
    pub rates: Figures,
}

impl Statistics {
    /// Of a destination.
    pub fn of_destination(&self, number: u32, counted: Figures) -> Shown {
        let base = self.bases.get(&number).copied().unwrap_or_default();
        let rates = self.rates.destinations.get(&number).map_or(Figures::default(), Estimator::rates);
        Shown { counters: counted.since(base), rates }
    }

    /// Of every service that there is or has destinations.
    pub fn of_services(&self, counted: &Counted) -> BTreeMap<ServiceKey, Shown> {
        let mut sums = sums(counted);
        for key in self.services.keys() {
            sums.entry(*key).or_default();
        }
        let shown = |(key, sum): (ServiceKey, Figures)| {
            let counters = self.services.get(&key).copied().unwrap_or_default().shown(sum);
            let rates = self.rates.services.get(&key).map_or(Figures::default(), Estimator::rates);
            (key, Shown { counters, rates })
        };
        sums.into_iter().map(shown).collect()
    }

    /// Of all services, those that were removed included.
    pub fn of_all(&self, counted: &Counted) -> Shown {
        let rates = self.rates.total.as_ref().map_or(Figures::default(), Estimator::rates);
        Shown { counters: self.total.shown(total(counted)), rates }
    }

    /// A service comes: it begins at nothing, and so do servers that it finds there from before (as in
    /// __ip_vs_update_dest in ip_vs_ctl.c, where a server from the trash gets another service).
    pub fn begin(&mut self, key: ServiceKey, counted: &Counted) {
        self.services.remove(&key);
        self.rates.services.remove(&key);
        self.zero(key, counted);
    }

    /// Only these services are there; of others nothing is remembered but what the total has.
    pub fn retain(&mut self, keys: &BTreeSet<ServiceKey>) {
        self.services.retain(|key, _| keys.contains(key));
        self.rates.services.retain(|key, _| keys.contains(key));
    }

    /// Sets a service and its servers to zero (`ipvsadm -Z` with a service).
    pub fn zero(&mut self, key: ServiceKey, counted: &Counted) {
        let of_it = counted.iter().filter(|(_, (whose, _))| *whose == key);
        let mut sum = Figures::default();
        for (number, (_, figures)) in of_it {
            sum = sum.plus(*figures);
            self.zero_destination(*number, *figures);
        }
        let service = self.services.entry(key).or_default();
        service.zero(sum);
        self.rates.services.insert(key, Estimator::begin(service.sum(sum)));
    }

    /// Sets everything to zero (`ipvsadm -Z`).
    pub fn zero_all(&mut self, counted: &Counted) {
        let keys: BTreeSet<ServiceKey> =
            self.services.keys().copied().chain(counted.values().map(|(key, _)| *key)).collect();
        for key in keys {
            self.zero(key, counted);
        }
        let sum = total(counted);
        self.total.zero(sum);
        self.rates.total = Some(Estimator::begin(self.total.sum(sum)));
    }

    fn zero_destination(&mut self, number: u32, figures: Figures) {
        if figures == Figures::default() {
            self.bases.remove(&number);
            self.rates.destinations.remove(&number);
            return;
        }
        self.bases.insert(number, figures);
        self.rates.destinations.insert(number, Estimator::begin(figures));
    }

    /// A destination has given its number back, and had this. The tables are to count it from zero again.
    pub fn carry(&mut self, number: u32, key: ServiceKey, figures: Figures) {
        self.bases.remove(&number);
        self.rates.destinations.remove(&number);
        self.total.carried = self.total.carried.plus(figures);
        if let Some(service) = self.services.get_mut(&key) {
            service.carried = service.carried.plus(figures);
        }
    }

    /// Rates of all that there is are estimated from now on, as far as they were not already. Whatever comes later begins
    /// at nothing.
    pub fn watch(&mut self, counted: &Counted) {
        self.with_rates(counted, Estimator::begin, |_, _| ());
    }

    /// Every [`crate::estimator::PERIOD_S`] seconds: what is new makes the rates.
    pub fn estimate(&mut self, counted: &Counted) {
        self.with_rates(counted, |_| Estimator::default(), Estimator::sample);
    }

    /// Every estimator with the sum it is for, of destinations `unknown` where there is none.
    fn with_rates(
        &mut self,
        counted: &Counted,
        unknown: impl Fn(Figures) -> Estimator,
        step: impl Fn(&mut Estimator, Figures),
    ) {
        let rates = &mut self.rates;
        for (number, (_, figures)) in counted {
            step(rates.destinations.entry(*number).or_insert_with(|| unknown(*figures)), *figures);
        }
        let mut sums = sums(counted);
        for (key, service) in &self.services {
            let sum = service.sum(sums.remove(key).unwrap_or_default());
            step(rates.services.entry(*key).or_insert(Estimator::begin(sum)), sum);
        }
        let sum = self.total.sum(total(counted));
        step(rates.total.get_or_insert(Estimator::begin(sum)), sum);
    }

    /// What is to be written down to make this of `before`; nothing if they are the same but for the rates.
    pub fn step(&self, before: &Statistics) -> Option<StatisticsStep> {
        let step = StatisticsStep {
            total: (self.total != before.total).then_some(self.total),
            services: differences(&before.services, &self.services),
            bases: differences(&before.bases, &self.bases),
        };
        (step != StatisticsStep::default()).then_some(step)
    }

    /// Makes the change again that was written down, after all those before it.
    pub fn follow(&mut self, step: StatisticsStep) {
        let StatisticsStep { total, services, bases } = step;
        self.total = total.unwrap_or(self.total);
        put(&mut self.services, services);
        put(&mut self.bases, bases);
    }
}

/// What a change makes otherwise of [`Statistics`], but for the rates: what there is then, or that there is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatisticsStep {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    total: Option<Correction>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    services: Vec<(ServiceKey, Option<Correction>)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    bases: Vec<(u32, Option<Figures>)>,
}

fn differences<K: Ord + Copy, V: PartialEq + Copy>(
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
) -> Vec<(K, Option<V>)> {
    let gone = before.keys().filter(|key| !after.contains_key(key)).map(|key| (*key, None));
    let other = after.iter().filter(|(key, value)| before.get(key) != Some(value));
    gone.chain(other.map(|(key, value)| (*key, Some(*value)))).collect()
}

fn put<K: Ord, V>(there: &mut BTreeMap<K, V>, step: Vec<(K, Option<V>)>) {
    for (key, value) in step {
        match value {
            Some(value) => drop(there.insert(key, value)),
            None => drop(there.remove(&key)),
        }
    }
}

fn sums(counted: &Counted) -> BTreeMap<ServiceKey, Figures> {
    let mut sums: BTreeMap<ServiceKey, Figures> = BTreeMap::new();
    for (key, figures) in counted.values() {
        let sum = sums.entry(*key).or_default();
        *sum = sum.plus(*figures);
    }
    sums
}

fn total(counted: &Counted) -> Figures {
    counted.values().fold(Figures::default(), |sum, (_, figures)| sum.plus(*figures))
}

/// How it is written: JSON has no keys but texts.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    total: Correction,
    services: Vec<(ServiceKey, Correction)>,
    bases: Vec<(u32, Figures)>,
}

impl From<Statistics> for Stored {
    fn from(statistics: Statistics) -> Self {
        let Statistics { total, services, bases, .. } = statistics;
        Stored { total, services: services.into_iter().collect(), bases: bases.into_iter().collect() }
    }
}

impl From<Stored> for Statistics {
    fn from(stored: Stored) -> Self {
        let Stored { total, services, bases } = stored;
        let (services, bases) = (services.into_iter().collect(), bases.into_iter().collect());
        Statistics { total, services, bases, rates: Rates::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relvs_model::Protocol;

    fn key(port: u16) -> ServiceKey {
        ServiceKey::listen(Protocol::Tcp, "192.0.2.100".parse().unwrap(), port)
    }

    fn figures(flows: u64) -> Figures {
        Figures { flows, packets_in: 10 * flows, bytes_in: 600 * flows, packets_out: flows, bytes_out: 40 * flows }
    }

    fn counted(all: &[(u32, u16, u64)]) -> Counted {
        all.iter().map(|(number, port, flows)| (*number, (key(*port), figures(*flows)))).collect()
    }

    fn flows(statistics: &Statistics, counted: &Counted) -> (Vec<u64>, Vec<u64>, u64) {
        let destinations = counted.iter().map(|(n, (_, figures))| statistics.of_destination(*n, *figures));
        let services = statistics.of_services(counted);
        (
            destinations.map(|shown| shown.counters.flows).collect(),
            services.values().map(|shown| shown.counters.flows).collect(),
            statistics.of_all(counted).counters.flows,
        )
    }

    /// Two services, which came when nothing was counted.
    fn two() -> Statistics {
        let mut statistics = Statistics::default();
        statistics.begin(key(80), &Counted::new());
        statistics.begin(key(81), &Counted::new());
        statistics
    }

    #[test]
    fn sums_keep_what_a_released_destination_had() {
        let mut statistics = two();
        let before = counted(&[(1, 80, 5), (2, 80, 7), (3, 81, 11)]);
        assert_eq!(flows(&statistics, &before), (vec![5, 7, 11], vec![12, 11], 23));
        statistics.carry(2, key(80), figures(7));
        let after = counted(&[(1, 80, 5), (3, 81, 11)]);
        assert_eq!(flows(&statistics, &after), (vec![5, 11], vec![12, 11], 23));
        // The number's next owner begins at nothing.
        let next = counted(&[(1, 80, 5), (2, 81, 1), (3, 81, 11)]);
        assert_eq!(flows(&statistics, &next), (vec![5, 1, 11], vec![12, 12], 24));
        assert_eq!(statistics.of_all(&next).counters, figures(24), "not only flows");
    }

    #[test]
    fn zero_subtracts_what_there_was() {
        let mut statistics = two();
        let before = counted(&[(1, 80, 5), (2, 80, 7), (3, 81, 11)]);
        statistics.carry(4, key(80), figures(100));
        statistics.zero(key(80), &before);
        assert_eq!(flows(&statistics, &before), (vec![0, 0, 11], vec![0, 11], 123), "the total goes on");
        let later = counted(&[(1, 80, 6), (2, 80, 9), (3, 81, 11)]);
        assert_eq!(flows(&statistics, &later), (vec![1, 2, 11], vec![3, 11], 126));
        // What is carried is what was counted, whatever is shown.
        statistics.carry(2, key(80), figures(9));
        let without = counted(&[(1, 80, 6), (3, 81, 11)]);
        assert_eq!(flows(&statistics, &without), (vec![1, 11], vec![3, 11], 126));
        statistics.zero_all(&without);
        assert_eq!(flows(&statistics, &without), (vec![0, 0], vec![0, 0], 0));
    }

    #[test]
    fn a_service_that_comes_back_begins_at_nothing() {
        let mut statistics = two();
        let there = counted(&[(1, 80, 5), (3, 81, 11)]);
        statistics.retain(&BTreeSet::from([key(81)]));
        // A server of it is released meanwhile, another one still has flows.
        statistics.carry(2, key(80), figures(7));
        statistics.begin(key(80), &there);
        assert_eq!(flows(&statistics, &there), (vec![0, 11], vec![0, 11], 23), "the total has both");
        let later = counted(&[(1, 80, 6), (3, 81, 11)]);
        assert_eq!(flows(&statistics, &later), (vec![1, 11], vec![1, 11], 24));
    }

    #[test]
    fn rates_are_of_the_sums() {
        let mut statistics = two();
        let at = |first, second| counted(&[(1, 80, first), (2, 80, second), (3, 81, 0)]);
        statistics.watch(&at(0, 0));
        statistics.estimate(&at(400, 800));
        let rates = |statistics: &Statistics, counted: &Counted| {
            let services = statistics.of_services(counted);
            let of = |number| statistics.of_destination(number, Figures::default()).rates.flows;
            let service = |port| services[&key(port)].rates.flows;
            (of(1), of(2), service(80), service(81), statistics.of_all(counted).rates.flows)
        };
        // A quarter of 200 and 400 a second.
        assert_eq!(rates(&statistics, &at(400, 800)), (50, 100, 150, 0, 150));
        // One whose counters are carried away is no burst, nor the opposite.
        statistics.carry(2, key(80), figures(800));
        statistics.estimate(&counted(&[(1, 80, 400), (3, 81, 0)]));
        assert_eq!(rates(&statistics, &Counted::new()), (37, 0, 112, 0, 112));
        statistics.zero(key(80), &counted(&[(1, 80, 400)]));
        assert_eq!(rates(&statistics, &Counted::new()), (0, 0, 0, 0, 112));
        statistics.estimate(&counted(&[(1, 80, 400), (3, 81, 0)]));
        assert_eq!(rates(&statistics, &Counted::new()), (0, 0, 0, 0, 84), "setting to zero is no change of rate");
    }

    #[test]
    fn all_but_the_rates_comes_back_from_disk() {
        let mut statistics = two();
        let there = counted(&[(1, 80, 5), (2, 80, 7)]);
        statistics.carry(9, key(81), figures(3));
        statistics.zero(key(80), &there);
        statistics.estimate(&counted(&[(1, 80, 500), (2, 80, 7)]));
        let text = serde_json::to_string(&statistics).unwrap();
        let back: Statistics = serde_json::from_str(&text).unwrap();
        let later = counted(&[(1, 80, 500), (2, 80, 8)]);
        assert_eq!(flows(&back, &later), flows(&statistics, &later));
        assert_eq!(flows(&back, &later), (vec![495, 1], vec![496, 3], 511));
        assert_eq!(back.of_all(&later).rates, Figures::default());
    }
}
