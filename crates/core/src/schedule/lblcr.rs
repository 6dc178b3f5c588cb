//! Locality-based least connection with replication (ip_vs_lblcr.c), for caches: the least loaded of the servers that
//! the destination address has; if that one is busy while another is relaxed, or there is none, wlc's choice, which
//! becomes one of them.
//!
//! A word for each server: its number. They are filled in turn, and of equally loaded ones the newest is taken. There
//! is room for sixteen: one that comes then is used and not remembered. None is taken away for its age.

use super::{
    Arrival,
    lblc::{key, near},
    overloaded,
    walk::{self, Candidate},
};
use crate::{
    table::{
        destination::{self, AVAILABLE},
        load,
    },
    world::{Block, Tables},
};

/// Servers of an address.
const SERVERS: u32 = 16;

#[inline(always)]
pub(super) fn pick<T: Tables>(t: &T, service: T::Line, arrival: &Arrival) -> u32 {
    let key = key(service, arrival);
    let held = match t.near(&key) {
        Some(set) => least_of(t, set),
        None => Candidate::NONE,
    };
    let mut least = Candidate::NONE;
    let (mut relaxed, mut ours) = (false, false);
    walk::servers(t, service, |server, available| {
        relaxed |= server.relaxed();
        ours |= server.number == held.number;
        if available && (least.is_none() || server.lighter(&least)) {
            least = *server;
        }
        true
    });
    if ours && !(held.busy() && relaxed) {
        return held.number;
    }
    if let Some(set) = near(t, &key) {
        if !ours && !held.is_none() {
            erase(t, set, held.number);
        }
        if !least.is_none() {
            insert(t, set, least.number);
        }
    }
    least.number
}

/// The least loaded server of a set. Those that are gone, or without weight, or overloaded, stay in it, and do not count. A number may have
/// become another service's since.
#[inline(always)]
fn least_of<T: Tables>(t: &T, set: T::Double) -> Candidate {
    let mut least = Candidate::NONE;
    t.walk(SERVERS, &mut |turn| {
        let number = set.load((SERVERS - 1).wrapping_sub(turn) as usize) as u32;
        let (Some(record), Some(load)) = (t.destination(number), t.load_of(number)) else { return true };
        let weight = load::weight(load.load(load::TEMPLATES));
        let server = Candidate { number, weight, counts: load.load(load::COUNTS) };
        let usable =
            weight != 0 && destination::has(record.load(destination::META), AVAILABLE) && !overloaded(t, number);
        if usable && (least.is_none() || server.lighter(&least)) {
            least = server;
        }
        true
    });
    least
}

/// Adds a server to a set, if it is not there and there is room.
#[inline(always)]
fn insert<T: Tables>(t: &T, set: T::Double, number: u32) {
    t.walk(SERVERS, &mut |turn| {
        let there = set.load(turn as usize) as u32;
        if there == destination::NONE {
            let _ = set.compare_exchange(turn as usize, 0, u64::from(number));
        }
        there != destination::NONE && there != number
    });
}

/// Takes a number out of a set.
#[inline(always)]
fn erase<T: Tables>(t: &T, set: T::Double, number: u32) {
    t.walk(SERVERS, &mut |turn| {
        let _ = set.compare_exchange(turn as usize, u64::from(number), 0);
        true
    });
}
