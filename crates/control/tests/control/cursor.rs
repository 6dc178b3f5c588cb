//! Changes in the middle of a sequence: it goes on as IPVS's does.

use crate::{
    ipvs::Ipvs,
    rig::{Rig, SMALL, key, numbered, server, weighted},
};
use proptest::prelude::*;
use relvs_core::{Block, Tables, table::service};
use relvs_model::{Scheduler, Service};
use std::net::IpAddr;

#[derive(Clone, Debug)]
enum Step {
    /// Adds the server, or gives it this weight if it is there.
    Weight(u32, u32),
    Remove(u32),
    Switch(Scheduler),
    Arrive(u8),
}

fn weights() -> impl Strategy<Value = u32> {
    prop_oneof![
        3 => 0..4_u32,
        2 => (0..4_u32).prop_map(|n| n * 6),
        1 => 0..20_u32,
        1 => 2_147_483_600..=2_147_483_647_u32,
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let schedulers = prop_oneof![Just(Scheduler::Rr), Just(Scheduler::Wrr)];
    let step = prop_oneof![
        6 => (1..7_u32, weights()).prop_map(|(id, weight)| Step::Weight(id, weight)),
        2 => (1..7_u32).prop_map(Step::Remove),
        1 => schedulers.prop_map(Step::Switch),
        6 => (0..20_u8).prop_map(Step::Arrive),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn one_change_after_another_goes_on_as_ipvs(wrr: bool, steps in steps()) {
        let scheduler = if wrr { Scheduler::Wrr } else { Scheduler::Rr };
        let (mut rig, mut ipvs) = (Rig::new(SMALL), Ipvs::new(scheduler));
        let mut service = weighted(scheduler, &[]);
        rig.apply(std::slice::from_ref(&service)).unwrap();
        for step in steps {
            match step {
                Step::Arrive(times) => {
                    for _ in 0..times {
                        prop_assert_eq!(rig.arrive(service.key).map(|s| s.ip()), ipvs.arrive().map(address));
                    }
                    continue;
                }
                Step::Weight(id, weight) => match place(&service, id) {
                    Some(at) if service.servers[at].weight == weight => continue,
                    Some(at) => {
                        service.servers[at].weight = weight;
                        ipvs.edit(id, weight);
                    }
                    None => {
                        service.servers.push(numbered(id, weight));
                        ipvs.add(id, weight);
                    }
                },
                Step::Remove(id) => {
                    let Some(at) = place(&service, id) else { continue };
                    service.servers.remove(at);
                    ipvs.remove(id);
                }
                Step::Switch(scheduler) if service.scheduler == scheduler => continue,
                Step::Switch(scheduler) => {
                    service.scheduler = scheduler;
                    ipvs.switch(scheduler);
                }
            }
            rig.apply(std::slice::from_ref(&service)).unwrap();
        }
    }

    /// Where the order of the single steps makes no difference to IPVS, neither does taking them at once.
    #[test]
    fn rr_takes_many_changes_at_once(
        batches in proptest::collection::vec((proptest::collection::vec((1..9_u32, 0..3_u32, any::<bool>()), 0..6), 0..9), 1..12)
    ) {
        let (mut rig, mut ipvs) = (Rig::new(SMALL), Ipvs::new(Scheduler::Rr));
        let mut service = weighted(Scheduler::Rr, &[]);
        rig.apply(std::slice::from_ref(&service)).unwrap();
        for (mut changes, arrivals) in batches {
            changes.sort_unstable();
            changes.dedup_by_key(|(id, ..)| *id);
            // What goes goes first; what is added comes last.
            changes.sort_by_key(|(id, _, remove)| (place(&service, *id).is_none(), !remove));
            for (id, weight, remove) in changes {
                match (place(&service, id), remove) {
                    (Some(at), true) => {
                        service.servers.remove(at);
                        ipvs.remove(id);
                    }
                    (Some(at), false) => {
                        service.servers[at].weight = weight;
                        ipvs.edit(id, weight);
                    }
                    (None, true) => {}
                    (None, false) => {
                        service.servers.push(numbered(id, weight));
                        ipvs.add(id, weight);
                    }
                }
            }
            rig.apply(std::slice::from_ref(&service)).unwrap();
            for _ in 0..arrivals {
                prop_assert_eq!(rig.arrive(service.key).map(|s| s.ip()), ipvs.arrive().map(address));
            }
        }
    }
}

fn place(service: &Service, id: u32) -> Option<usize> {
    service.servers.iter().position(|server| server.address == address(id))
}

fn address(id: u32) -> IpAddr {
    numbered(id, 0).address
}

#[test]
fn a_service_that_does_not_change_keeps_its_cursor() {
    let mut rig = Rig::new(SMALL);
    let stays = weighted(Scheduler::Wrr, &[3, 1]);
    let mut other = Service { key: key("192.0.2.100:81/tcp"), ..stays.clone() };
    rig.apply(&[stays.clone(), other.clone()]).unwrap();
    rig.turn(stays.key, u64::MAX - 1);
    other.servers.push(server("10.0.9.9:1", 1));
    rig.apply(&[other, stays.clone()]).unwrap();
    let cursor = (&rig.memory).service(rig.service(stays.key).unwrap()).unwrap().load(service::CURSOR);
    assert_eq!(cursor, u64::MAX - 1);
}

#[test]
fn a_server_put_between_others_is_taken_where_it_stands() {
    let mut rig = Rig::new(SMALL);
    let mut service = weighted(Scheduler::Rr, &[1, 1]);
    rig.apply(std::slice::from_ref(&service)).unwrap();
    assert_eq!(rig.arrive(service.key).map(|s| s.ip()), Some(address(2)));
    service.servers.insert(1, numbered(7, 1));
    rig.apply(std::slice::from_ref(&service)).unwrap();
    let reached: Vec<_> = (0..4).filter_map(|_| rig.arrive(service.key)).map(|s| s.ip()).collect();
    assert_eq!(reached, [7, 1, 2, 7].map(address));
}
