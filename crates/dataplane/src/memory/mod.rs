//! The tables in ordinary memory: the core's world for tests, fuzzing and simulation.

mod bytes;
mod cells;
mod cpu;
mod known;

pub use bytes::Bytes;
pub use cpu::Cpu;

use crate::{Area, Counters, Error, Side, Sizes};
use cells::zeroed;
use known::Known;
use relvs_core::{Constants, Reason, Route, Verdict, table::trace::EVENT};
use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicU16, AtomicU64,
            Ordering::{Acquire, Release},
        },
    },
};

/// The tables of one director.
pub struct Memory {
    sizes: Sizes,
    constants: Constants,
    /// The time; a test moves it.
    pub now: AtomicU16,
    areas: BTreeMap<Area, Vec<AtomicU64>>,
    hops_by_mac: Mutex<HashMap<(u32, u64), u32>>,
    fragments: Known<5, 4>,
    near: Known<4, 16>,
    /// State of a generator of numbers that are random enough.
    dice: AtomicU64,
    wanted: Mutex<HashSet<[u64; 2]>>,
    /// VIPs whose tunnels end here, and of which kinds ([`relvs_core::decapsulate::ends`]).
    pub vips: Mutex<HashMap<[u64; 2], u32>>,
    /// The routing table: the way to an address.
    pub routes: Mutex<HashMap<[u64; 2], Route>>,
    counters: Vec<AtomicU64>,
    reasons: Vec<AtomicU64>,
    /// What user space was told, the oldest first.
    pub events: Mutex<VecDeque<[u64; EVENT]>>,
    /// Of each CPU.
    requests: Vec<AtomicU64>,
    answers: Vec<AtomicU64>,
}

/// CPUs that the tables are made for.
const CPUS: usize = 8;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    /// Empty tables.
    pub fn new(sizes: Sizes, multipliers: [u64; 6]) -> Self {
        let areas = Area::ALL.into_iter().map(|a| (a, zeroed(a.words() * a.records(&sizes) as usize))).collect();
        Memory {
            sizes,
            constants: constants(&sizes, multipliers),
            now: AtomicU16::new(0),
            areas,
            hops_by_mac: Mutex::default(),
            fragments: Known::new(1 << 12),
            near: Known::new(1 << 12),
            dice: AtomicU64::new(1),
            wanted: Mutex::default(),
            vips: Mutex::default(),
            routes: Mutex::default(),
            counters: zeroed(8 * sizes.destinations as usize),
            reasons: zeroed(Reason::COUNT),
            events: Mutex::default(),
            requests: zeroed(32 * CPUS),
            answers: zeroed(8 * CPUS),
        }
    }

    /// As the CPU of this number sees them, for one thread at a time. There are eight.
    pub fn cpu(&self, number: usize) -> Cpu<'_> {
        Cpu { memory: self, number: number % CPUS }
    }

    /// What the director does with a frame: all stages, and the reason counted.
    pub fn director(&self, frame: &mut Bytes) -> Verdict {
        self.cpu(0).director(frame)
    }

    /// Only the slow way, for what the fast one would do as well.
    pub fn slow_director(&self, frame: &mut Bytes) -> Verdict {
        self.cpu(0).slow_director(frame)
    }

    /// What a real server's decapsulator does with a frame.
    pub fn decapsulator(&self, frame: &mut Bytes) -> Verdict {
        self.cpu(0).decapsulator(frame)
    }
}

/// The constants of tables of these sizes.
pub(crate) fn constants(sizes: &Sizes, multipliers: [u64; 6]) -> Constants {
    Constants {
        multipliers,
        masks4: [sizes.flows4 - 1, sizes.young4 - 1],
        masks6: [sizes.flows6 - 1, sizes.young6 - 1],
        set_mask: sizes.sets - 1,
        rules: sizes.rules,
    }
}

impl Side for Memory {
    fn sizes(&self) -> &Sizes {
        &self.sizes
    }
    fn constants(&self) -> Constants {
        self.constants
    }
    fn area(&self, area: Area) -> &[AtomicU64] {
        self.areas.get(&area).map_or(&[], Vec::as_slice)
    }
    fn now(&self) -> Result<u16, Error> {
        Ok(self.now.load(Acquire))
    }
    fn second(&self) -> f64 {
        1.0
    }
    fn set_hop_of(&self, interface: u32, mac: u64, reference: u32) -> Result<(), Error> {
        let mut known = lock(&self.hops_by_mac);
        if reference == 0 {
            known.remove(&(interface, mac));
        } else {
            known.insert((interface, mac), reference);
        }
        Ok(())
    }
    fn wanted(&self) -> Result<Vec<[u64; 2]>, Error> {
        Ok(lock(&self.wanted).drain().collect())
    }
    fn counters(&self, destination: u32) -> Result<Counters, Error> {
        let mut words = [0; 8];
        for (word, cell) in words.iter_mut().zip(self.counters.iter().skip(destination as usize * 8)) {
            *word = cell.load(Acquire);
        }
        Ok(Counters::of(&words))
    }
    fn clear_counters(&self, destination: u32) -> Result<(), Error> {
        for cell in self.counters.iter().skip(destination as usize * 8).take(8) {
            cell.store(0, Release);
        }
        Ok(())
    }
    fn reason(&self, reason: Reason) -> Result<u64, Error> {
        Ok(self.reasons[reason as usize].load(Acquire))
    }
}
