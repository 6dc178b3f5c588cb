//! A million frames, a third of them spoilt, through the kernel's program: nothing leaves that should not.

use crate::{
    generate::Generator,
    oracle::may_leave,
    random::{Random, cases},
    tables::Plan,
    world::{Program, World, hex, plan, port, small, within},
};
use relvs_core::{schedule::SCHEDULERS, table::active};
use std::{thread, time::Instant};

/// Frames in all; `CASES` says another number.
const FRAMES: usize = 1_000_000;
/// Of a hundred, how many are spoilt.
const SPOILT: usize = 35;

/// Actions seen: aborted, drop, pass, back, another interface.
fn check(world: &World, r: Random, frames: usize) -> [usize; 5] {
    let Some(kernel) = &world.kernel else { return [0; 5] };
    let mut generator = Generator::new(r, &world.plan);
    let mut actions = [0; 5];
    for _ in 0..frames {
        let frame = generator.frame(kernel, SPOILT);
        let Some((action, sent)) = world.on_kernel(Program::Director, &frame) else { break };
        actions[action as usize] += 1;
        let verdict = match action {
            1 => Ok(()),
            2 if sent == frame => Ok(()),
            3 | 4 => may_leave(&world.plan, &frame, &sent, action),
            _ => Err("changed, or aborted".to_owned()),
        };
        if let Err(reason) = verdict {
            panic!("action {action}: {reason}\nin  {}\nout {}", hex(&frame), hex(&sent));
        }
    }
    actions
}

#[test]
fn a_million_frames() {
    let mut r = Random::of_run("a_million_frames");
    within(small(), with_dice(), |mut world| {
        let (frames, begin) = (cases(FRAMES), Instant::now());
        let mut actions = [0; 5];
        // All but what drops by chance: each CPU counts its own.
        let all = active::SETTINGS & !active::DROP_PACKET;
        for (settings, marks) in [(active::REUSE, true), (all, true), (all, false)] {
            (world.plan.settings, world.plan.marks) = (settings, marks);
            world.install();
            let halves = [Random::new(r.next()), Random::new(r.next())];
            let seen = thread::scope(|scope| {
                let threads = halves.map(|r| scope.spawn(|| check(&world, r, frames / 6)));
                threads.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            });
            actions = std::array::from_fn(|i| actions[i] + seen[0][i] + seen[1][i]);
        }
        let [_, dropped, passed, back, on] = actions;
        println!("{frames} frames in {:?}: {dropped} dropped, {passed} passed, {back} back, {on} on", begin.elapsed());
        if world.kernel.is_some() {
            assert!(dropped.min(passed).min(back).min(on) * 50 > frames, "the frames are all alike");
        }
    });
}

/// The plan, with a scheduler more: the one that throws dice, which both sides throw otherwise.
fn with_dice() -> Plan {
    let mut plan = plan();
    let twos = SCHEDULERS.iter().find(|known| known.name == "twos").unwrap().number;
    for vip in plan.vips.iter_mut().filter(|vip| vip.port == port::MIXED || vip.port == port::PERSISTENT) {
        vip.scheduler = twos;
    }
    plan
}

/// The check itself can fail: what the host's core sends is found wrong when a byte of it is.
#[test]
fn a_wrong_byte_is_found() {
    let r = Random::of_run("a_wrong_byte_is_found");
    let plan = plan();
    let memory = relvs_dataplane::Memory::new(small(), crate::world::MULTIPLIERS);
    plan.install(&memory);
    let mut generator = Generator::new(r, &plan);
    let (mut sent, mut missed) = (0, Vec::new());
    for _ in 0..cases(20_000) {
        let frame = generator.frame(&memory, 0);
        crate::world::learn_route(&memory, &frame);
        let mut bytes = relvs_dataplane::Bytes { bytes: frame.clone(), ingress: crate::world::LO };
        let action = crate::world::action(memory.director(&mut bytes));
        if action < 3 {
            continue;
        }
        sent += 1;
        let mut bytes = bytes.bytes;
        may_leave(&plan, &frame, &bytes, action)
            .unwrap_or_else(|error| panic!("{error}\nin  {}\nout {}", hex(&frame), hex(&bytes)));
        let at = generator.r.below(bytes.len());
        bytes[at] ^= 1 << generator.r.below(8);
        if may_leave(&plan, &frame, &bytes, action).is_ok() {
            missed.push((at, hex(&frame), hex(&bytes)));
        }
    }
    println!("{sent} sent, {} wrong bytes missed", missed.len());
    assert!(missed.len() * 50 < sent, "{:?}", &missed[..20]);
}
