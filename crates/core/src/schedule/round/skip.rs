//! Where a choice is overloaded: the round's next that is not.
//!
//! IPVS goes on through the list, and lowers the current weight at its end until a server is found. The first pass after
//! this one that takes an available server is the next pass, or, if its weight is still too great, the first of the
//! band that takes the heaviest available server. So no pass is gone through in vain: the heaviest is found by one walk,
//! and how many servers are as heavy by another, which is the length of that band's ring.

use super::{Band, HEAD, band, first, move_cursor};
use crate::{
    schedule::overloaded,
    table::destination,
    world::{Block, Tables},
};

/// The next available server after `choice`, which is at `place` of its band and is not. `cursor` is what the cursor
/// was before it was advanced.
#[inline(always)]
pub(super) fn pick<T: Tables>(t: &T, service: T::Line, cursor: u64, choice: u64, here: Band) -> u32 {
    let place = here.within(choice);
    let later = available(t, &here, place + 1);
    if later < here.length {
        move_cursor(service, cursor, (cursor & !HEAD) + u64::from(later - place) + 1);
        return here.number(t, later);
    }
    let round = service.load(1);
    let (to, number) = next(t, service, round, choice - u64::from(place) + u64::from(here.length));
    let to = if number == destination::NONE {
        beginning(t, service, round, cursor, choice)
    } else {
        (cursor & !HEAD) - choice + to
    };
    move_cursor(service, cursor, to);
    number
}

/// From the pass on that begins at the choice `end`: the choice after the next available server's, and that server's
/// number. A choice of the next round is as much greater as the round is long.
#[inline(always)]
fn next<T: Tables>(t: &T, service: T::Line, round: u64, end: u64) -> (u64, u32) {
    const NOBODY: (u64, u32) = (0, destination::NONE);
    let Some(heaviest) = heaviest(t, service, round) else { return NOBODY };
    let (pass, turns) = if end < round { (if heaviest > end { heaviest } else { end }, 0) } else { (heaviest, round) };
    let Some(band) = band(t, service, pass) else { return NOBODY };
    let place = available(t, &band, 0);
    if place >= band.length {
        return NOBODY;
    }
    (turns + pass + u64::from(place) + 1, band.number(t, place))
}

/// The choice with which the first band begins that takes the heaviest available server.
#[inline(always)]
fn heaviest<T: Tables>(t: &T, service: T::Line, round: u64) -> Option<u64> {
    // The last band takes all servers.
    let all = band(t, service, round - 1)?;
    let mut most = 0;
    t.walk(all.length, &mut |place| {
        let slot = t.ring(all.ring.wrapping_add(place));
        if slot >> 32 > most && !overloaded(t, slot as u32) {
            most = slot >> 32;
        }
        true
    });
    if most == 0 {
        return None;
    }
    let mut servers = 0;
    t.walk(all.length, &mut |place| {
        if t.ring(all.ring.wrapping_add(place)) >> 32 >= most {
            servers += 1;
        }
        true
    });
    let bands = (service.load(0) >> 32) as u32;
    let base = service.load(2) as u32;
    if bands <= 1 {
        return Some(0);
    }
    match first(t, base, bands, |[_, ring]| ring >> 32 < servers)? {
        0 => Some(0),
        at => Some(t.band(base.wrapping_add(at - 1))?[0]),
    }
}

/// The first place from `begin` on whose server is available; the ring's length if there is none.
#[inline(always)]
fn available<T: Tables>(t: &T, band: &Band, begin: u32) -> u32 {
    let mut place = begin;
    t.walk(band.length.saturating_sub(begin), &mut |_| {
        if !overloaded(t, band.number(t, place)) {
            return false;
        }
        place += 1;
        true
    });
    place
}

/// Where the cursor is to be when no server is available: rr's stays, and so does wrr's in the pass of the least weight.
/// From any other IPVS's wrr goes on until that one is over, and then is at the beginning of the round.
#[inline(always)]
fn beginning<T: Tables>(t: &T, service: T::Line, round: u64, cursor: u64, choice: u64) -> u64 {
    // Of rr it is the whole round.
    let least = band(t, service, round - 1).map_or(0, |band| round - u64::from(band.length));
    if choice == 0 || choice > least {
        return cursor;
    }
    ((cursor & !HEAD) - choice + round) | HEAD
}
