//! A whole round, and the edges of long ones.

use crate::{
    both::caller,
    ipvs::Ipvs,
    rig::{Rig, SMALL, numbered, weighted},
};
use proptest::prelude::*;
use relvs_core::{Block, Tables};
use relvs_model::Scheduler;
use std::collections::{BTreeMap, BTreeSet};

fn divisor(weights: &[u32]) -> u64 {
    let common =
        |a: u64, b: u64| (1..=a.max(b)).rev().find(|d| a.is_multiple_of(*d) && b.is_multiple_of(*d)).unwrap_or(1);
    weights.iter().filter(|w| **w > 0).fold(0, |d, w| common(d, u64::from(*w))).max(1)
}

proptest! {
    #[test]
    fn shares_over_a_round_are_exact(weights in proptest::collection::vec(0..40_u32, 1..8), begin: u64) {
        let begin = begin.min(u64::MAX - 1000);
        for scheduler in [Scheduler::Rr, Scheduler::Wrr] {
            let mut rig = Rig::new(SMALL);
            let service = weighted(scheduler, &weights);
            rig.apply(std::slice::from_ref(&service)).unwrap();
            rig.turn(service.key, begin);
            let d = divisor(&weights);
            let share = |w: &u32| if scheduler == Scheduler::Wrr { u64::from(*w) / d } else { u64::from(*w > 0) };
            let shares: Vec<u64> = weights.iter().map(share).collect();
            let mut seen = vec![0; weights.len()];
            for _ in 0..shares.iter().sum() {
                let reached = rig.arrive(service.key).unwrap();
                seen[service.servers.iter().position(|s| s.address == reached.ip()).unwrap()] += 1;
            }
            prop_assert_eq!(&seen, &shares);
            if shares.iter().all(|share| *share == 0) {
                prop_assert_eq!(rig.arrive(service.key), None);
            }
        }
    }

    /// Weights as large as IPVS takes them: rounds are too long to walk through, so the bands are added up, and the
    /// order is compared from the passes around each weight on, the round's end among them.
    #[test]
    fn long_rounds_are_ipvs_s(
        weights in proptest::collection::vec(prop_oneof![1..=2_147_483_647_u32, 2_147_483_640..=2_147_483_647_u32, 0..6_u32], 1..9),
        factor in prop_oneof![Just(1_u32), Just(2), Just(30)],
    ) {
        let weights: Vec<u32> = weights.into_iter().map(|w| w / factor * factor).collect();
        let mut rig = Rig::new(SMALL);
        let service = weighted(Scheduler::Wrr, &weights);
        rig.apply(std::slice::from_ref(&service)).unwrap();
        let mut d = 0_u64;
        for weight in &weights {
            let (mut a, mut b) = (d, u64::from(*weight));
            while b > 0 { (a, b) = (b, a % b); }
            d = a;
        }
        let levels: Vec<u64> = weights.iter().map(|w| u64::from(*w).checked_div(d).unwrap_or(0)).collect();

        let record = (&rig.memory).service(rig.service(service.key).unwrap()).unwrap();
        let mut shares: BTreeMap<u32, u64> = BTreeMap::new();
        let mut begin = 0;
        let mut before = BTreeSet::new();
        for at in 0..(record.load(0) >> 32) as u32 {
            let [end, ring] = (&rig.memory).band(record.load(2) as u32 + at).unwrap();
            let (ring, length) = (ring as u32, (ring >> 32) as u32);
            prop_assert_eq!((end - begin) % u64::from(length), 0);
            // What one band takes the next takes too: choices that are overloaded are skipped by that.
            let takes: BTreeSet<u64> = (ring..ring + length).map(|slot| (&rig.memory).ring(slot)).collect();
            prop_assert!(takes.len() as u32 == length && takes.is_superset(&before));
            before = takes;
            for slot in ring..ring + length {
                *shares.entry((&rig.memory).ring(slot) as u32).or_default() += (end - begin) / u64::from(length);
            }
            begin = end;
        }
        prop_assert_eq!(record.load(1), begin);
        for (number, _, server, _) in rig.control.destinations() {
            let at = service.servers.iter().position(|s| s.address == server.address).unwrap();
            prop_assert_eq!(shares.get(&number).copied().unwrap_or(0), levels[at]);
        }

        let highest = levels.iter().copied().max().unwrap_or(0);
        for level in levels.iter().flat_map(|l| l.saturating_sub(2)..=l + 2).filter(|l| (1..=highest).contains(l)) {
            // Every server whose level is higher has been chosen once in each pass before.
            let choices = levels.iter().map(|l| l.saturating_sub(level)).sum();
            rig.turn(service.key, choices);
            let mut ipvs = Ipvs::at_pass(&weights, ((level - 1) * d + 1) as i64);
            for _ in 0..4 * weights.len() {
                let expected = ipvs.arrive(&caller(false, 0, 0)).map(|id| numbered(id, 0).address);
                prop_assert_eq!(rig.arrive(service.key).map(|s| s.ip()), expected);
            }
        }
    }
}
