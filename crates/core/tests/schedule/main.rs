//! Schedulers by themselves: what must hold of each choice, said without the steps that lead to it; and what several
//! CPUs may do otherwise than one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at what it did not expect")]

mod tables;

use proptest::prelude::*;
use relvs_core::{
    Block, Tables,
    schedule::{SCHEDULERS, fold, mh},
    table::load,
};
use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hasher},
    sync::{Barrier, Mutex},
};
use tables::{Server, World};

/// A fraction whose denominator is not 0: `one` is less than `other`.
fn less(one: (u128, u128), other: (u128, u128)) -> bool {
    one.0 * other.1 < other.0 * one.1
}

/// What the chosen server must have least of, as a fraction; None if it must not be chosen.
fn cost(scheduler: &str, server: &Server) -> Option<(u128, u128)> {
    let (weight, active) = (u128::from(server.weight), u128::from(server.active));
    let overhead = active * 256 + u128::from(server.inactive);
    let greatest = 1 << 32;
    let cost = match scheduler {
        "lc" => (overhead, 1),
        "wlc" | "lblc" | "lblcr" => (overhead, weight),
        "sed" => (active + 1, weight),
        "nq" if active == 0 => (0, 1),
        "nq" => (active + 1, weight),
        "ovf" if active > weight => return None,
        "fo" | "ovf" => (greatest - weight, 1),
        _ => panic!("{scheduler} compares nothing"),
    };
    (!server.overloaded && server.weight > 0).then_some(cost)
}

fn servers() -> impl Strategy<Value = Vec<Server>> {
    // Few values, so that there are ties; and the greatest, so that products overflow if they can.
    let weight = || prop_oneof![3 => 0..4_u32, 1 => 0..100_u32, 1 => 2_147_483_640..=2_147_483_647_u32];
    let flows = || prop_oneof![3 => 0..4_u32, 1 => 0..1000_u32, 1 => 33_000_000..33_554_430_u32];
    // An active flow is as much as 256 others.
    let inactive = prop_oneof![2 => (0..4_u32).prop_map(|n| n * 256), 1 => flows()];
    let server = (weight(), flows(), inactive, prop::bool::weighted(0.2));
    proptest::collection::vec(
        server.prop_map(|(weight, active, inactive, overloaded)| Server { weight, active, inactive, overloaded }),
        0..12,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn the_first_of_the_best_is_chosen(
        scheduler in prop::sample::select(vec!["lc", "wlc", "sed", "nq", "fo", "ovf", "lblc", "lblcr"]),
        servers in servers(),
    ) {
        let costs: Vec<_> = servers.iter().map(|server| cost(scheduler, server)).collect();
        match World::new(scheduler, &servers, 1).pick() {
            None => prop_assert!(costs.iter().all(Option::is_none)),
            Some(chosen) => {
                let least = costs[chosen].expect("an unavailable server was chosen");
                for (place, cost) in costs.iter().enumerate().filter_map(|(place, cost)| Some((place, (*cost)?))) {
                    prop_assert!(!less(cost, least), "{} costs less", place);
                    prop_assert!(place >= chosen || less(least, cost), "{} costs the same and is before", place);
                }
            }
        }
    }

    #[test]
    fn the_worse_of_two_is_only_chosen_if_it_was_drawn_twice(
        weights in [1..50_u32, 1..50_u32], heavier in 0..2_usize, seed: u64,
    ) {
        let mut servers = weights.map(|weight| Server { weight, ..Server::default() });
        servers[heavier].active = 1;
        let world = World::new("twos", &servers, seed);
        let draws = 4000_u32;
        let worse = (0..draws).filter(|_| world.pick() == Some(heavier)).count() as f64;
        // The first server has one chance more than its weight.
        let chances = weights[heavier] + u32::from(heavier == 0);
        let once = f64::from(chances) / f64::from(weights[0] + weights[1] + 1);
        let twice = once * once;
        let spread = (f64::from(draws) * twice * (1.0 - twice)).sqrt();
        prop_assert!((worse - f64::from(draws) * twice).abs() < 6.0 * spread + 1.0, "{worse} of {draws}, {twice}");
    }

    #[test]
    fn twos_never_draws_an_unavailable_one(servers in servers(), seed: u64) {
        let world = World::new("twos", &servers, seed);
        let available = |server: &Server| server.weight > 0 && !server.overloaded;
        for _ in 0..20 {
            match world.pick() {
                None => prop_assert!(!servers.iter().any(available)),
                Some(chosen) => prop_assert!(available(&servers[chosen])),
            }
        }
    }
}

#[test]
fn an_active_flow_is_as_much_as_256_others() {
    for scheduler in ["lc", "wlc"] {
        let busy = Server { weight: 1, active: 1, ..Server::default() };
        for (inactive, chosen) in [(255, 1), (256, 0), (257, 0)] {
            let servers = [busy, Server { weight: 1, inactive, ..Server::default() }];
            assert_eq!(World::new(scheduler, &servers, 1).pick(), Some(chosen), "{scheduler}, {inactive}");
        }
    }
}

#[test]
fn numbers_and_names_are_of_one_each() {
    let names: BTreeSet<_> = SCHEDULERS.iter().map(|line| line.name).collect();
    let numbers: BTreeSet<_> = SCHEDULERS.iter().map(|line| line.number).collect();
    // rr and wrr go through their rounds alike.
    assert_eq!((names.len(), numbers.len()), (14, 13));
    assert!(!numbers.contains(&0) && !numbers.contains(&relvs_core::schedule::REMOVED));
}

#[test]
fn the_hash_of_mh_is_siphash_1_3() {
    // The standard library's has a key of 0.
    for value in (0..1000_u32).map(|n| n.wrapping_mul(0x9e37_79b1)) {
        let mut hasher = DefaultHasher::new();
        hasher.write(&value.to_le_bytes());
        assert_eq!(mh::hash(0, value), hasher.finish() as u32);
    }
}

#[test]
fn an_address_is_folded_in_the_order_of_its_bytes() {
    let words = |bytes: [u8; 16]| [0, 8].map(|at| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap()));
    let mut four = [0; 16];
    four[..4].copy_from_slice(&[192, 0, 2, 1]);
    assert_eq!(fold(words(four)), 0xc000_0201);
    let six = [0x20, 1, 0xd, 0xb8, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6];
    assert_eq!(fold(words(six)), 0x2001_0db8 ^ 0x0001_0002 ^ 0x0003_0004 ^ 0x0005_0006);
}

const CPUS: usize = 4;

/// What all CPUs at once choose, each so many times.
fn at_once(world: &World, times: usize, chosen: impl Fn(usize) + Sync) -> Vec<Option<usize>> {
    let all = Mutex::new(Vec::new());
    let begin = Barrier::new(CPUS);
    std::thread::scope(|scope| {
        for _ in 0..CPUS {
            scope.spawn(|| {
                begin.wait();
                let mine: Vec<_> = (0..times).map(|_| world.pick().inspect(|place| chosen(*place))).collect();
                all.lock().unwrap().extend(mine);
            });
        }
    });
    all.into_inner().unwrap()
}

fn shares(choices: &[Option<usize>], servers: usize) -> Vec<usize> {
    (0..servers).map(|server| choices.iter().filter(|choice| **choice == Some(server)).count()).collect()
}

#[test]
fn every_choice_of_a_round_is_given_away_once() {
    let servers = [Server { weight: 1, ..Server::default() }; 5];
    let choices = at_once(&World::new("rr", &servers, 1), 10_000, |_| {});
    assert_eq!(shares(&choices, 5), [8000; 5]);
}

#[test]
fn many_cpus_skip_what_is_overloaded() {
    let mut servers = [Server { weight: 1, ..Server::default() }; 5];
    servers[1].overloaded = true;
    servers[2].overloaded = true;
    let choices = at_once(&World::new("rr", &servers, 1), 10_000, |_| {});
    let shares = shares(&choices, 5);
    assert_eq!((shares[1], shares[2]), (0, 0));
    assert_eq!(shares.iter().sum::<usize>(), CPUS * 10_000, "{shares:?}: there was always one available");
    // The third gets what two overloaded ones before it would have had, whenever CPUs skip at once.
    assert!([0, 3, 4].iter().all(|server| shares[*server] >= CPUS * 10_000 / 5 - CPUS), "{shares:?}");
}

/// Each flow is counted before the same CPU chooses again, so at any time as many flows are not counted yet as there
/// are CPUs, less the one that looks: by as many a server may have more than another when it is chosen.
#[test]
fn cpus_that_look_at_once_differ_by_their_number() {
    let servers = [Server { weight: 1, ..Server::default() }; 4];
    let world = World::new("lc", &servers, 1);
    let flows = |place: usize| load::inactive((&&world).load_of(place as u32 + 1).unwrap().load(load::COUNTS));
    at_once(&world, 5_000, |place| {
        (&&world).load_of(place as u32 + 1).unwrap().fetch_add(load::COUNTS, load::INACTIVE);
    });
    let counts: Vec<u32> = (0..4).map(flows).collect();
    let apart = counts.iter().max().unwrap() - counts.iter().min().unwrap();
    assert_eq!(counts.iter().sum::<u32>() as usize, CPUS * 5_000);
    assert!(apart as usize <= CPUS, "{counts:?}");
}
