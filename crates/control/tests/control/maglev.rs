//! mh's table: how much of it changes when servers do, and who has the same.

use crate::rig::{Rig, SMALL, numbered, weighted};
use relvs_core::{Block, Tables, schedule::mh::SLOTS};
use relvs_model::{Scheduler, Server, Service};
use std::{collections::BTreeMap, net::IpAddr};

fn rig(service: &Service) -> Rig {
    let mut rig = Rig::new(SMALL);
    rig.apply(std::slice::from_ref(service)).unwrap();
    rig
}

/// The server in each slot.
fn table(rig: &Rig, service: &Service) -> Vec<IpAddr> {
    let first = (&rig.memory).service(rig.service(service.key).unwrap()).unwrap().load(3);
    assert_eq!(first >> 32, u64::from(SLOTS));
    let servers: BTreeMap<u32, IpAddr> =
        rig.control.destinations().map(|(number, _, server, _)| (number, server.address)).collect();
    (0..SLOTS).map(|place| servers[&((&rig.memory).ring(first as u32 + place) as u32)]).collect()
}

fn of(servers: Vec<Server>) -> Service {
    Service { servers, ..weighted(Scheduler::Mh, &[]) }
}

/// Slots whose server is another one, in thousandths.
fn moved(one: &[IpAddr], other: &[IpAddr]) -> usize {
    one.iter().zip(other).filter(|(one, other)| one != other).count() * 1000 / one.len()
}

#[test]
fn little_moves_when_one_of_n_servers_goes() {
    for (servers, most) in [(2, 0), (3, 4), (5, 10), (10, 16), (20, 22), (50, 30), (100, 36)] {
        let all = of((1..=servers).map(|n| numbered(n * 7, 1)).collect());
        let before = table(&rig(&all), &all);
        let mut figures = Vec::new();
        for gone in 0..all.servers.len().min(10) {
            let mut rest = all.clone();
            let server = rest.servers.remove(gone * all.servers.len() / all.servers.len().min(10));
            let after = table(&rig(&rest), &rest);
            let its = before.iter().filter(|address| **address == server.address).count() * 1000 / before.len();
            assert!(its.abs_diff(1000 / servers as usize) <= 2, "of {servers} servers one has {its} ‰");
            figures.push(moved(&before, &after) - its);
        }
        println!("{servers} servers: one goes, and of the others' slots move {figures:?} ‰ of the table");
        assert!(figures.iter().all(|more| *more <= most), "{servers} servers: {figures:?} ‰");
    }
}

#[test]
fn shares_are_as_the_weights() {
    let service = weighted(Scheduler::Mh, &[1, 2, 3, 10, 40]);
    let table = table(&rig(&service), &service);
    for server in &service.servers {
        let slots = table.iter().filter(|address| **address == server.address).count();
        let due = server.weight as usize * SLOTS as usize / 56;
        assert!(slots.abs_diff(due) <= server.weight as usize, "{slots} slots for the weight {}", server.weight);
    }
}

#[test]
fn without_weight_a_server_keeps_its_slots() {
    let mut service = weighted(Scheduler::Mh, &[3, 5, 2]);
    let mut rig = rig(&service);
    let before = table(&rig, &service);
    service.servers[1].weight = 0;
    rig.apply(std::slice::from_ref(&service)).unwrap();
    assert_eq!(table(&rig, &service), before);
    // Back with another weight, it has another share.
    service.servers[1].weight = 1;
    rig.apply(std::slice::from_ref(&service)).unwrap();
    assert_ne!(table(&rig, &service), before);
}

/// Whatever came and went before, the list alone decides.
#[test]
fn directors_with_the_same_list_have_the_same_table() {
    let service = weighted(Scheduler::Mh, &[1, 4, 2, 1, 1, 3]);
    let mut other = Rig::new(SMALL);
    let mut list = Service { scheduler: Scheduler::Wlc, servers: Vec::new(), ..service.clone() };
    for server in &service.servers {
        list.servers.push(server.clone());
        list.servers.push(numbered(99, 7));
        other.apply(std::slice::from_ref(&list)).unwrap();
        list.servers.pop();
        other.apply(std::slice::from_ref(&list)).unwrap();
    }
    other.apply(std::slice::from_ref(&service)).unwrap();
    assert_eq!(table(&rig(&service), &service), table(&other, &service));
}

/// In another order most of it is the same: slots that several would have liked go to another one.
#[test]
fn the_order_matters_a_little() {
    let service = of((1..=10).map(|n| numbered(n * 7, 1)).collect());
    let mut reversed = service.clone();
    reversed.servers.reverse();
    let moved = moved(&table(&rig(&service), &service), &table(&rig(&reversed), &reversed));
    println!("10 servers in the reverse order: {moved} ‰ of the table is another's");
    assert!(moved > 0 && moved < 150, "{moved} ‰");
}
