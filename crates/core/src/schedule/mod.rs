//! Choosing a destination for a new flow, as IPVS does.
//!
//! User space lays out what can be known beforehand ([`Layout`]); a scheduler here makes the choice from it and from
//! what the packet and the servers' loads say. Each has a file of its own and a line in the table below: its number in
//! the service's record, its file, its name and what it wants laid out. CONTRIBUTING.md shows how one is added.
//!
//! A server takes part if its weight is not 0 and it is not overloaded. A choice is made without a lock. What several
//! CPUs may do otherwise than one: those that choose by load may see the same load at once and take the same server,
//! so a server may get as many flows more than its due as there are other CPUs; rr and wrr give every choice away
//! exactly once, but where servers are overloaded two CPUs may skip to the same one.

mod dh;
mod fo;
mod lblc;
mod lblcr;
mod lc;
pub mod mh;
mod nq;
mod ovf;
mod round;
mod sed;
pub mod sh;
mod table;
mod twos;
mod walk;
mod wlc;

pub use round::HEAD;

use crate::{
    table::{
        destination, load,
        service::{self, flag},
    },
    verdict::Reason,
    world::{Block, Tables},
};

/// A packet that may open a flow, as far as schedulers look at it. All but the time is in memory order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// The client's address; IPv4 is in the low half of the first word, and the rest is 0.
    pub source: [u64; 2],
    /// What it was sent to, likewise.
    pub destination: [u64; 2],
    /// The client's port.
    pub source_port: u16,
    /// Whether it is IPv6.
    pub six: bool,
    /// [`Tables::now`].
    pub now: u16,
}

/// What user space lays out for a scheduler. A slot is a destination's number and weight ([`service::slot`]); the
/// order is that of IPVS's list, in which the server that was added last is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The servers that have a weight, in their order.
    List,
    /// The same, gone through again and again.
    Turns,
    /// A round in bands, one for each distinct weight.
    WeightedTurns,
    /// [`sh::SLOTS`] slots, for each server in turn as many as its weight, and one without.
    WeightedSlots,
    /// [`sh::SLOTS`] slots, for each server in turn one.
    Slots,
    /// [`mh::SLOTS`] slots by Maglev.
    Maglev,
}

/// A line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduler {
    /// As IPVS has it.
    pub name: &'static str,
    /// In the service's record.
    pub number: u8,
    /// What is laid out.
    pub layout: Layout,
}

macro_rules! schedulers {
    ($($number:literal $file:ident: $($name:literal $layout:ident),+;)+) => {
        /// All schedulers.
        pub const SCHEDULERS: &[Scheduler] =
            &[$($(Scheduler { name: $name, number: $number, layout: Layout::$layout }),+),+];

        #[inline(always)]
        fn choose<T: Tables>(t: &T, service: T::Line, arrival: &Arrival) -> u32 {
            match service.load(0) as u8 {
                $($number => $file::pick(t, service, arrival),)+
                _ => destination::NONE,
            }
        }
    };
}

schedulers! {
    1 round: "rr" Turns, "wrr" WeightedTurns;
    3 lc: "lc" List;
    4 wlc: "wlc" List;
    5 sed: "sed" List;
    6 nq: "nq" List;
    7 fo: "fo" List;
    8 ovf: "ovf" List;
    9 twos: "twos" List;
    10 lblc: "lblc" List;
    11 lblcr: "lblcr" List;
    12 sh: "sh" WeightedSlots;
    13 dh: "dh" Slots;
    14 mh: "mh" Maglev;
}

/// Number of rr and wrr, which go through a round.
pub const ROUND: u8 = 1;
/// In a scheduler's place: the service was removed. It takes no new flows, and those that it had still find their
/// destinations.
pub const REMOVED: u8 = 2;

/// The number of a destination for the next flow of the service at `index`.
///
/// # Errors
///
/// [`Reason::NoDestination`] if none is available, [`Reason::NoFlow`] if the service takes no new flows.
#[inline(always)]
pub fn pick<T: Tables>(t: &T, index: u32, arrival: &Arrival) -> Result<u32, Reason> {
    let service = t.service(index).ok_or(Reason::Inconsistent)?;
    if service.load(0) as u8 == REMOVED {
        return Err(Reason::NoFlow);
    }
    match choose(t, service, arrival) {
        destination::NONE => Err(Reason::NoDestination),
        number => Ok(number),
    }
}

/// Where a scheduler that goes by a sequence or a table begins to look, and of how many places: for whoever explains a
/// choice.
pub fn place<B: Block>(service: B, arrival: &Arrival) -> Option<(u64, u64)> {
    let slot = |hash: u32, slots: u32| Some((u64::from(hash), u64::from(slots)));
    match service.load(0) as u8 {
        ROUND => {
            let (round, cursor) = (service.load(1), service.load(service::CURSOR));
            Some(((cursor & !HEAD).checked_rem(round)?, round))
        }
        12 => slot(sh::hash(sh::client(service, arrival)), sh::SLOTS),
        13 => slot(sh::hash(fold(arrival.destination)), sh::SLOTS),
        14 => slot(mh::hash(mh::PLACE, sh::client(service, arrival)) % mh::SLOTS, mh::SLOTS),
        _ => None,
    }
}

/// What lblc and lblcr remember an address by; the others remember none.
pub fn remembers<B: Block>(service: B, arrival: &Arrival) -> Option<[u64; 4]> {
    matches!(service.load(0) as u8, 10 | 11).then(|| lblc::key(service, arrival))
}

/// First slot and number of slots of a list, a table or the first ring.
#[inline(always)]
fn slots<B: Block>(service: B) -> (u32, u32) {
    let word = service.load(3);
    (word as u32, (word >> 32) as u32)
}

/// Whether a server of this service may be overloaded: where none has a threshold, no load is read for it.
#[inline(always)]
fn has_thresholds<B: Block>(service: B) -> bool {
    service::has(service.load(0), flag::THRESHOLDS)
}

/// Whether a server takes no flows because it has too many.
#[inline(always)]
fn overloaded<T: Tables>(t: &T, number: u32) -> bool {
    t.load_of(number).is_some_and(|load| load.load(load::OVERLOAD) != 0)
}

/// An address as one number, as IPVS's hashes take it: the words of IPv6 are joined by exclusive or.
#[inline(always)]
pub const fn fold(address: [u64; 2]) -> u32 {
    let joined = address[0] ^ address[1];
    u32::from_be((joined ^ joined >> 32) as u32)
}
