//! Changes in the middle of a sequence that are made at once, or that change nothing.

use crate::{
    both::caller,
    ipvs::Ipvs,
    rig::{Rig, SMALL, key, numbered, server, weighted},
};
use proptest::prelude::*;
use relvs_core::{Block, Tables, table::service};
use relvs_model::{Scheduler, Service};
use std::net::IpAddr;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Where the order of the single steps makes no difference to IPVS, neither does taking them at once.
    #[test]
    fn rr_takes_many_changes_at_once(
        batches in proptest::collection::vec((proptest::collection::vec((1..9_u32, 0..3_u32, any::<bool>()), 0..6), 0..9), 1..12)
    ) {
        let (mut rig, mut ipvs) = (Rig::new(SMALL), Ipvs::new(Scheduler::Rr));
        let mut service = weighted(Scheduler::Rr, &[]);
        rig.apply(std::slice::from_ref(&service)).unwrap();
        let caller = caller(false, 0, 0);
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
                        ipvs.add(id, (address(id), 8080).into(), weight);
                    }
                }
            }
            rig.apply(std::slice::from_ref(&service)).unwrap();
            for _ in 0..arrivals {
                prop_assert_eq!(rig.arrive(service.key).map(|s| s.ip()), ipvs.arrive(&caller).map(address));
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
