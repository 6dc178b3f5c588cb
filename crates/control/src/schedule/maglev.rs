//! The table of Maglev hashing (ip_vs_mh.c; Eisenbud and others: Maglev, section 3.4): each server goes through the slots
//! in an order of its own, and in turn takes as many free ones as its weight says.
//!
//! A server's order comes from its address and port alone, so that most slots stay when others come and go. A weight of
//! 0 changes nothing: the last one before counts, so the slots are kept for the server's return.
//!
//! When one of n servers goes, its own slots move, a nth of the table, and of the others' little: 0.2 % of the table with
//! three servers, 1.3 % with ten, 3 % with a hundred. Whose turn is first is the list's order, so directors have the same
//! table if their servers were added in the same order; in the opposite order it differs in 0.6 % with ten servers.

use super::{Full, Round, Servers};
use crate::memory_order;
use relvs_core::schedule::{
    fold,
    mh::{self, SLOTS},
};
use relvs_model::Server;

/// Bits of the largest number of slots that a server takes in one turn (CONFIG_IP_VS_MH_TAB_INDEX / 2).
const TURN_BITS: u32 = 6;

pub(super) fn lay_out(servers: Servers<'_>, round: &mut Round) -> Result<(), Full> {
    let divisor = servers.last_weights.iter().copied().fold(0, common_divisor);
    let largest = servers.last_weights.iter().max().and_then(|largest| largest.checked_div(divisor));
    // Without a weight there is nothing to take.
    let Some(largest) = largest else { return Ok(()) };
    let shift = (u32::BITS - largest.leading_zeros()).saturating_sub(TURN_BITS);
    let mut takers: Vec<Taker> = servers
        .list()
        .zip(servers.last_weights.iter().rev())
        .filter(|(_, weight)| **weight > 0)
        .map(|((at, server), weight)| Taker::new(at, server, ((weight / divisor) >> shift).max(1)))
        .collect();
    let mut table = vec![None; SLOTS as usize];
    let mut free = SLOTS;
    while free > 0 {
        for taker in &mut takers {
            for _ in 0..taker.turn.min(free) {
                taker.take(&mut table);
                free -= 1;
            }
        }
    }
    round.band(1, table.into_iter().flatten())
}

/// Of 0 and a number it is the number.
fn common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// A server that takes slots.
struct Taker {
    /// Its index in the service.
    server: usize,
    /// The slot that it would like next.
    place: u32,
    /// How far it is from there to the one that it would like then.
    skip: u32,
    /// Slots that it takes in one turn.
    turn: u32,
}

impl Taker {
    fn new(at: usize, server: &Server, turn: u32) -> Self {
        let value = fold(memory_order::words(server.address)).wrapping_add(u32::from(server.port));
        Taker {
            server: at,
            place: mh::hash(mh::PLACE, value) % SLOTS,
            skip: mh::hash(mh::SKIP, value) % (SLOTS - 1) + 1,
            turn,
        }
    }

    /// Takes the next free slot. There is one: the table's size is a prime, so it goes through all.
    fn take(&mut self, table: &mut [Option<usize>]) {
        while let Some(slot) = table.get_mut(self.place as usize) {
            if slot.is_none() {
                *slot = Some(self.server);
                return;
            }
            self.place = (self.place + self.skip) % SLOTS;
        }
    }
}
