//! Routers that talk in virtual time: what goes wrong is drawn from a seed, and what must hold is checked at every step.
//!
//! `RELVS_CASE=n` runs seed n alone and prints what happened; `RELVS_RUNS=n` says how many are run, from seed 0.

mod check;
mod plan;
mod random;
mod world;

use check::Broken;
use plan::Plan;
use random::Random;
use std::sync::atomic::{AtomicU64, Ordering};
use world::{Planted, World};

const RUNS: u64 = 100_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

fn run(seed: u64, planted: Planted, trace: bool) -> Result<u64, (Broken, Vec<String>)> {
    let mut random = Random::new(seed);
    let plan = Plan::new(&mut random);
    World::new(&plan, random, planted, trace).run()
}

/// Runs seeds on all processors; gives the first that breaks a rule, and how many messages were sent.
fn first_broken(seeds: u64, planted: Planted) -> (Option<u64>, u64) {
    let (next, broken, sent) = (AtomicU64::new(0), AtomicU64::new(u64::MAX), AtomicU64::new(0));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.min(broken.load(Ordering::Relaxed)) {
                return;
            }
            match run(seed, planted, false) {
                Ok(messages) => sent.fetch_add(messages, Ordering::Relaxed),
                Err(_) => broken.fetch_min(seed, Ordering::Relaxed),
            };
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let broken = Some(broken.into_inner()).filter(|&seed| seed != u64::MAX);
    (broken, sent.into_inner())
}

/// What happened in a run that broke a rule.
fn told(seed: u64, planted: Planted) -> String {
    match run(seed, planted, true) {
        Ok(_) => format!("seed {seed} breaks no rule"),
        Err((Broken(text), trace)) => {
            let last = trace.len().saturating_sub(80);
            format!("{}\nseed {seed}: {text}\nRELVS_CASE={seed} runs it again", trace[last..].join("\n"))
        }
    }
}

#[test]
fn one_master_and_never_two() {
    if let Some(seed) = number("RELVS_CASE") {
        match run(seed, Planted::Nothing, true) {
            Ok(_) => println!("seed {seed} breaks no rule"),
            Err((Broken(text), trace)) => panic!("{}\nseed {seed}: {text}", trace.join("\n")),
        }
        return;
    }
    let runs = number("RELVS_RUNS").unwrap_or(RUNS);
    let (broken, sent) = first_broken(runs, Planted::Nothing);
    if let Some(seed) = broken {
        panic!("{}", told(seed, Planted::Nothing));
    }
    println!("{runs} runs, {sent} messages");
    assert!(sent > runs * 20, "only {sent} messages: the routers do not talk");
}

#[test]
fn planted_faults_are_found_and_found_again() {
    for planted in [Planted::KeepsAddresses, Planted::Sleeps, Planted::MisreadsPriorities, Planted::LosesNotifications]
    {
        let (broken, _) = first_broken(2_000, planted);
        let seed = broken.unwrap_or_else(|| panic!("{planted:?} is not found"));
        let twice = [told(seed, planted), told(seed, planted)];
        assert!(twice[0].contains("runs it again") && twice[0] == twice[1], "{planted:?}: seed {seed} differs");
    }
}
