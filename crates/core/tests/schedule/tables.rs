//! One service's tables in memory that several threads share, filled by hand: nothing of `relvs-control` is in them.

use relvs_core::{
    Block, Constants, Reason, Route, Tables, Zone,
    schedule::{self, Arrival, SCHEDULERS},
    table::{
        load,
        service::{self, Service, flag},
    },
};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

#[derive(Clone, Copy)]
pub(crate) struct Words<'a>(&'a [AtomicU64]);

impl Block for Words<'_> {
    fn load(self, word: usize) -> u64 {
        self.0[word].load(SeqCst)
    }
    fn store(self, word: usize, value: u64) {
        self.0[word].store(value, SeqCst);
    }
    fn compare_exchange(self, word: usize, old: u64, new: u64) -> Result<(), u64> {
        self.0[word].compare_exchange(old, new, SeqCst, SeqCst).map(drop)
    }
    fn fetch_add(self, word: usize, value: u64) -> u64 {
        self.0[word].fetch_add(value, SeqCst)
    }
}

/// A server; its number is its place in the list and one more.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Server {
    pub(crate) weight: u32,
    pub(crate) active: u32,
    pub(crate) inactive: u32,
    pub(crate) overloaded: bool,
}

/// The service has the list, in its order, as its only band's ring.
pub(crate) struct World {
    service: Vec<AtomicU64>,
    bands: Vec<[u64; 2]>,
    ring: Vec<u64>,
    loads: Vec<AtomicU64>,
    request: Vec<AtomicU64>,
    dice: AtomicU64,
}

fn zeroed(words: usize) -> Vec<AtomicU64> {
    std::iter::repeat_with(AtomicU64::default).take(words).collect()
}

impl World {
    pub(crate) fn new(scheduler: &str, servers: &[Server], seed: u64) -> Self {
        let ring: Vec<u64> =
            (1..).zip(servers).filter(|(_, s)| s.weight > 0).map(|(n, s)| service::slot(n, s.weight)).collect();
        let length = ring.len() as u32;
        let scheduler = SCHEDULERS.iter().find(|line| line.name == scheduler).unwrap().number;
        let record = Service {
            scheduler,
            flags: flag::THRESHOLDS,
            bands: 1,
            round: length.into(),
            ring_length: length,
            ..Service::default()
        };
        let world = World {
            service: record.pack().map(AtomicU64::new).into(),
            bands: vec![service::band(length.into(), 0, length)],
            ring,
            loads: zeroed(4 * (servers.len() + 1)),
            request: zeroed(16),
            dice: AtomicU64::new(seed),
        };
        for (number, server) in (1..).zip(servers) {
            let load = (&world).load_of(number).unwrap();
            let counts = load::ACTIVE * u64::from(server.active) + load::INACTIVE * u64::from(server.inactive);
            load.store(load::COUNTS, counts);
            load.store(load::OVERLOAD, server.overloaded.into());
        }
        world
    }

    /// The next choice: a place in the list.
    pub(crate) fn pick(&self) -> Option<usize> {
        schedule::pick(&self, 0, &Arrival::default()).ok().map(|number| number as usize - 1)
    }
}

impl<'a> Tables for &'a World {
    type Line = Words<'a>;
    type Double = Words<'a>;
    type Quadruple = Words<'a>;
    type Half = Words<'a>;

    fn service(&self, _: u32) -> Option<Words<'a>> {
        Some(Words(&self.service))
    }
    fn band(&self, index: u32) -> Option<[u64; 2]> {
        self.bands.get(index as usize).copied()
    }
    fn ring(&self, index: u32) -> u64 {
        self.ring.get(index as usize).copied().unwrap_or(0)
    }
    fn load_of(&self, number: u32) -> Option<Words<'a>> {
        let at = number as usize * 4;
        self.loads.get(at..at + 4).map(Words)
    }
    fn request(&self) -> Option<Words<'a>> {
        Some(Words(&self.request))
    }
    fn walk<S: FnMut(u32) -> bool>(&self, count: u32, step: &mut S) {
        let _ = (0..count).all(step);
    }
    fn random(&self) -> u32 {
        let next = |n: u64| Some(n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        (self.dice.fetch_update(SeqCst, SeqCst, next).unwrap() >> 32) as u32
    }

    fn constants(&self) -> Constants {
        Constants::default()
    }
    fn now(&self) -> u16 {
        0
    }
    fn active(&self) -> Option<Words<'a>> {
        None
    }
    fn interface(&self, _: u32) -> Option<Words<'a>> {
        None
    }
    fn services4(&self, _: u32) -> Option<Words<'a>> {
        None
    }
    fn services6(&self, _: u32) -> Option<Words<'a>> {
        None
    }
    fn destination(&self, _: u32) -> Option<Words<'a>> {
        None
    }
    fn rule(&self, _: u32) -> Option<Words<'a>> {
        None
    }
    fn near(&self, _: &[u64; 4]) -> Option<Words<'a>> {
        None
    }
    fn remember_near(&self, _: &[u64; 4]) {}
    fn hop(&self, _: u32) -> Option<Words<'a>> {
        None
    }
    fn hop_of(&self, _: u32, _: u64) -> u32 {
        0
    }
    fn flows4(&self, _: Zone, _: u32) -> Option<Words<'a>> {
        None
    }
    fn flows6(&self, _: Zone, _: u32) -> Option<Words<'a>> {
        None
    }
    fn route(&self, _: bool, _: [u64; 2], _: [u64; 2]) -> Route {
        Route::None
    }
    fn want(&self, _: [u64; 2]) {}
    fn fragment(&self, _: &[u64; 5]) -> Option<Words<'a>> {
        None
    }
    fn remember_fragment(&self, _: &[u64; 5], _: &[u64; 4]) {}
    fn decapsulates(&self, _: [u64; 2]) -> u32 {
        0
    }
    fn answers(&self) -> Option<Words<'a>> {
        None
    }
    fn tracing(&self, _: u32) -> Option<Words<'a>> {
        None
    }
    fn emit(&self) -> bool {
        false
    }
    fn nanoseconds(&self) -> u64 {
        0
    }
    fn count(&self, _: u32, _: u32, _: bool) {}
    fn count_flow(&self, _: u32) {}
    fn note(&self, _: Reason) {}
}
