//! Round robin (ip_vs_rr.c): the next available server after the one that was used last, round and round.

use super::{Before, Full, Round, Servers, Start, endpoint, list};
use relvs_model::Server;
use std::{collections::BTreeMap, net::SocketAddr};

pub(super) fn lay_out(servers: Servers<'_>, round: &mut Round) -> Result<(), Full> {
    let turn = servers.list().filter(|(_, server)| server.weight > 0).map(|(at, _)| at);
    round.band(available(servers.servers) as u64, turn)
}

/// IPVS points at the last used server. When that one is removed, it points at the one before it, so that the sequence
/// goes on where it was; before the first is the head of the list.
pub(super) fn resume(before: &Before<'_>, after: &[Server]) -> Start {
    let places: BTreeMap<SocketAddr, usize> =
        list(after).enumerate().map(|(place, (_, server))| (endpoint(server), place)).collect();
    let old: Vec<SocketAddr> = list(before.servers).map(|(_, server)| endpoint(server)).collect();
    let up_to_last =
        last_used(before).and_then(|last| old.iter().position(|server| *server == last)).map_or(0, |at| at + 1);
    let pointer = old.iter().take(up_to_last).rev().find_map(|server| Some((*server, *places.get(server)?)));
    let Some((last, place)) = pointer else { return Start::default() };
    let passed = list(after).take(place + 1).filter(|(_, server)| server.weight > 0).count();
    // None is left after the last: the next is the first.
    let cursor = passed.checked_rem(available(after)).unwrap_or(0) as u64;
    Start { cursor, last: Some(last) }
}

fn last_used(before: &Before<'_>) -> Option<SocketAddr> {
    let round = available(before.servers) as u64;
    if before.cursor == before.start.cursor || round == 0 {
        return before.start.last;
    }
    let at = before.cursor.checked_sub(1)? % round;
    list(before.servers).filter(|(_, server)| server.weight > 0).nth(at as usize).map(|(_, server)| endpoint(server))
}

fn available(servers: &[Server]) -> usize {
    servers.iter().filter(|server| server.weight > 0).count()
}
