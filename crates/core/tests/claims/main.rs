//! The flow table's claiming protocol, model-checked: the core itself on modelled memory, in every interleaving of a few
//! packets on a few CPUs and user space, with everything that weakly ordered memory may answer.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at what it did not expect")]
#![allow(clippy::print_stdout, reason = "with --nocapture they say how much they saw, and how a fault is found")]

mod explore;
mod fault;
mod frames;
mod layout;
mod memory;
mod rules;
mod run;
mod scene;
mod scenes;
mod world;

use explore::explore;
use fault::Fault;
use memory::{Machine, Order};
use scene::Scene;
use std::time::Instant;

/// States of a scene at the most: about 30 bytes each.
const MOST: u64 = 60_000_000;

/// No interleaving breaks a rule.
fn holds(name: &str, scene: &Scene) {
    let begin = Instant::now();
    match explore(scene, MOST) {
        Ok(seen) => println!("{name}: {seen:?} in {:.1} s", begin.elapsed().as_secs_f64()),
        Err(how) => panic!("{name}: {how}"),
    }
}

macro_rules! hold {
    ($($(#[$long:meta])? $name:ident)*) => {
        mod hold {
            $(#[test]
            $(#[$long])?
            fn $name() {
                super::holds(stringify!($name), &super::scenes::$name());
            })*
        }
    };
}

hold! {
    open
    open_expire
    open_two_buckets
    #[ignore = "long"] open_read
    open_read_expire
    #[ignore = "long"] open_read_expire_narrow
    #[ignore = "long"] open_three
    hand_over
    hand_over_six
    hand_back
    settle
    settle_expire
    settle_two_expire
    open_and_settle
    displace
    displace_settling
    refresh
    begin_anew
    #[ignore = "long"] nat_open
    nat_open_same
    nat_answer
    #[ignore = "long"] nat_open_expire
    nat_settle
    nat_translation
    #[ignore = "long"]
    persist
    #[ignore = "long"]
    persist_expire
}

/// Without this safeguard some interleaving breaks a rule.
fn finds(fault: Fault, mut scene: Scene) {
    scene.fault = Some(fault);
    match explore(&scene, MOST) {
        Ok(seen) => panic!("without {fault:?} nothing is found: {seen:?}"),
        Err(how) => println!("without {fault:?}: {how}"),
    }
}

macro_rules! find {
    ($($name:ident: $fault:ident in $scene:ident;)*) => {
        mod find {
            $(#[test]
            fn $name() {
                super::finds(super::Fault::$fault, super::scenes::$scene());
            })*
        }
    };
}

find! {
    claim: Claim in open;
    displace: Displace in displace;
    generation: Generation in hand_back;
    second_look: SecondLook in hand_over;
    second_look_of_a_translation: SecondLook in nat_translation;
    link: Link in nat_translation;
    rivals: Rivals in open;
    tentative: Tentative in open;
    kill: Kill in open;
    live: Live in open;
    look_at_settled: LookAtSettled in open_and_settle;
    free: Free in refresh;
    touch: Touch in refresh;
    release: Release in open;
    both: Both in nat_open;
    unbind: Unbind in open_expire;
    bind: Bind in open;
    leave_young: LeaveYoung in settle;
    rivals_of_a_template: Rivals in persist;
}

fn finds_on(what: &str, machine: Machine, mut scene: Scene) {
    scene.machine = machine;
    match explore(&scene, MOST) {
        Ok(seen) => panic!("with {what} nothing is found: {seen:?}"),
        Err(how) => println!("with {what}: {how}"),
    }
}

/// What the core reads after a load must be read after it.
#[test]
fn loads_acquire() {
    let machine = Machine { load: Order::Relaxed, ..Machine::ORDERED };
    finds_on("loads that order nothing", machine, scenes::hand_over());
}

/// What a record's owner has written must be there for whoever sees it published.
#[test]
fn exchanges_release() {
    let machine = Machine { exchange: Order::Acquire, ..Machine::ORDERED };
    finds_on("exchanges that release nothing", machine, scenes::hand_over());
}

/// Of two rivals one must see the other.
#[test]
fn exchanges_are_barriers() {
    let machine = Machine { exchange: Order::Both, ..Machine::ORDERED };
    finds_on("exchanges that are no full barrier", machine, scenes::open());
}
