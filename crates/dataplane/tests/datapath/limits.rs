//! What is refused of new flows: a service's limit a second, and drop_packet. Never a packet of a flow that there is.

use crate::{
    packet::{ACK, Packet, SYN, TCP},
    tables::{DR, DROP_RATE, Vip},
    world::{DIRECTOR, Program, World, action, client, client_mac, no_services, server, small, vip, within},
};
use relvs_core::{Reason, Verdict, table::active};
use relvs_dataplane::Side;
use std::sync::atomic::Ordering::Release;

/// New flows a second of the limited service.
const RATE: u32 = 7;

fn frame(six: bool, port: u16, flags: u8) -> Vec<u8> {
    Packet::tcp((client(six, 0), port), (vip(six), 80), flags).link(DIRECTOR, client_mac(0)).frame()
}

fn begin(world: &mut World, six: bool, rate: u32, settings: u64) {
    world.clear();
    world.plan.vips = vec![Vip { rate, ..Vip::new(TCP, vip(six), 80, vec![server(six, DR, 10, 80)]) }];
    world.plan.settings = settings;
    world.plan.number();
    world.install();
}

fn host(world: &World, six: bool, port: u16, flags: u8) -> Verdict {
    world.on_host(Program::Director, &frame(six, port, flags)).0
}

/// How many of so many SYNs, each from a port of its own, the kernel drops; none without privilege.
fn dropped_by_kernel(world: &World, six: bool, count: u16) -> Option<u32> {
    let drop = action(Verdict::Drop(Reason::DropPacket));
    let actions = (0..count).map(|n| world.on_kernel(Program::Director, &frame(six, 2000 + n, SYN)));
    actions.map(|found| found.map(|(action, _)| u32::from(action == drop))).sum()
}

#[test]
fn a_service_takes_so_many_new_flows_a_second() {
    within(small(), no_services(), |mut world| {
        for six in [false, true] {
            begin(&mut world, six, RATE, 0);
            let (limited, opens) = (Verdict::Drop(Reason::NewFlowsLimited), Verdict::Transmit);
            let port = |n: u32| 1000 + n as u16;
            for (turn, second) in (0..).zip([0, 1, 2, 3000]) {
                world.memory.now.store(second, Release);
                let first = turn * 50;
                for n in 0..RATE {
                    assert_eq!(host(&world, six, port(first + n), SYN), opens, "second {second}, {n}");
                }
                assert_eq!(host(&world, six, port(first + RATE), SYN), limited, "second {second}");
                assert_eq!(host(&world, six, port(first), SYN), opens, "it has its flow");
                assert_eq!(host(&world, six, port(first), ACK), opens, "it has its flow");
                assert_eq!(host(&world, six, 9000, ACK), Verdict::Pass(Reason::NoFlow), "opens nothing");
            }
            assert_eq!(world.memory.reason(Reason::NewFlowsLimited).unwrap(), 4 * (1 + u64::from(six)));
            // A change of the tables gives all that a second has.
            world.install();
            assert_eq!(host(&world, six, 4000, SYN), opens);
            let Some(dropped) = dropped_by_kernel(&world, six, 100) else { continue };
            // Of each second that they took; a machine that stands still for one has more of them.
            assert!((1..=100 - RATE).contains(&dropped), "{dropped} of 100");
        }
    });
}

#[test]
fn drop_packet_drops_one_in_so_many_new_flows() {
    within(small(), no_services(), |mut world| {
        for six in [false, true] {
            begin(&mut world, six, 0, active::DROP_PACKET);
            let verdicts: Vec<_> = (0..30).map(|n| host(&world, six, 2000 + n, SYN)).collect();
            let dropped = verdicts.iter().filter(|verdict| **verdict == Verdict::Drop(Reason::DropPacket)).count();
            assert_eq!(dropped, 30 / DROP_RATE as usize);
            let taken = verdicts.iter().position(|verdict| *verdict == Verdict::Transmit).unwrap() as u16;
            for _ in 0..10 {
                assert_eq!(host(&world, six, 2000 + taken, ACK), Verdict::Transmit, "it has its flow");
            }
            let Some(dropped) = dropped_by_kernel(&world, six, 300) else { continue };
            // Each CPU counts its own, and this thread may change its CPU.
            assert!((50..=200).contains(&dropped), "{dropped} of 300");
            begin(&mut world, six, 0, 0);
            assert_eq!(dropped_by_kernel(&world, six, 100), Some(0));
        }
    });
}
