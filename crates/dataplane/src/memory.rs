//! The tables in ordinary memory: the core's world for tests, fuzzing and simulation.

use crate::{Area, Counters, Error, Side, Sizes};
use relvs_core::{
    Block, Constants, Frame, Reason, Route, Stage, Tables, V4, V6, Verdict, Zone, decapsulate, director, flow,
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicU16, AtomicU64,
            Ordering::{Acquire, Release, SeqCst},
        },
    },
};

/// A frame in a vector.
#[derive(Clone, Debug)]
pub struct Bytes {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The interface it came in on.
    pub ingress: u32,
}

/// Room that a driver leaves in front of a frame.
const HEADROOM: usize = 256;

impl Frame for Bytes {
    fn length(&self) -> usize {
        self.bytes.len()
    }
    fn view<const N: usize>(&self, at: usize) -> Option<&[u8; N]> {
        self.bytes.get(at..at + N)?.try_into().ok()
    }
    fn view_mut<const N: usize>(&mut self, at: usize) -> Option<&mut [u8; N]> {
        self.bytes.get_mut(at..at + N)?.try_into().ok()
    }
    fn grow_front(&mut self, by: i32) -> Option<()> {
        if by < 0 {
            // A frame keeps at least an Ethernet header, as the kernel's helper has it.
            let by = by.unsigned_abs() as usize;
            if self.bytes.len() < by + relvs_core::wire::ETHERNET {
                return None;
            }
            self.bytes.drain(..by);
        } else {
            let by = by as usize;
            if by > HEADROOM {
                return None;
            }
            self.bytes.splice(0..0, std::iter::repeat_n(0, by));
        }
        Some(())
    }
    fn truncate(&mut self, length: usize) -> Option<()> {
        if length > self.bytes.len() || length < relvs_core::wire::ETHERNET {
            return None;
        }
        self.bytes.truncate(length);
        Some(())
    }
    fn ingress(&self) -> u32 {
        self.ingress
    }
}

/// `W` words of a table.
#[derive(Clone, Copy)]
pub struct Cells<'a, const W: usize>(&'a [AtomicU64; W]);

impl<const W: usize> Block for Cells<'_, W> {
    fn load(self, word: usize) -> u64 {
        self.0.get(word).map_or(0, |w| w.load(Acquire))
    }
    fn store(self, word: usize, value: u64) {
        if let Some(w) = self.0.get(word) {
            w.store(value, Release);
        }
    }
    fn compare_exchange(self, word: usize, old: u64, new: u64) -> Result<(), u64> {
        self.0.get(word).map_or(Err(!old), |w| w.compare_exchange(old, new, SeqCst, SeqCst).map(drop))
    }
    fn fetch_add(self, word: usize, value: u64) -> u64 {
        self.0.get(word).map_or(0, |w| w.fetch_add(value, SeqCst))
    }
}

/// The tables of one director.
pub struct Memory {
    sizes: Sizes,
    constants: Constants,
    /// The time; a test moves it.
    pub now: AtomicU16,
    areas: BTreeMap<Area, Vec<AtomicU64>>,
    hops_by_mac: Mutex<HashMap<(u32, u64), u32>>,
    fragments: Mutex<HashMap<[u64; 5], u64>>,
    wanted: Mutex<HashSet<[u64; 2]>>,
    /// VIPs whose tunnels end here.
    pub vips: Mutex<HashSet<[u64; 2]>>,
    /// The routing table: the way to an address.
    pub routes: Mutex<HashMap<[u64; 2], Route>>,
    counters: Vec<AtomicU64>,
    reasons: Vec<AtomicU64>,
    /// Of each CPU.
    requests: Vec<AtomicU64>,
    answers: Vec<AtomicU64>,
}

/// CPUs that the tables are made for.
const CPUS: usize = 8;

/// The tables as one CPU sees them: the request line and the limit of answers are its own.
#[derive(Clone, Copy)]
pub struct Cpu<'a> {
    memory: &'a Memory,
    number: usize,
}

fn zeroed(words: usize) -> Vec<AtomicU64> {
    std::iter::repeat_with(AtomicU64::default).take(words).collect()
}

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
            fragments: Mutex::default(),
            wanted: Mutex::default(),
            vips: Mutex::default(),
            routes: Mutex::default(),
            counters: zeroed(8 * sizes.destinations as usize),
            reasons: zeroed(Reason::COUNT),
            requests: zeroed(16 * CPUS),
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
    }
}

fn cells<const W: usize>(words: &[AtomicU64], index: u32) -> Option<Cells<'_, W>> {
    let at = index as usize * W;
    words.get(at..)?.first_chunk().map(Cells)
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

impl<'a> Cpu<'a> {
    /// See [`Memory::director`].
    pub fn director(&self, frame: &mut Bytes) -> Verdict {
        let verdict = director::fast(frame, self);
        self.stages(frame, verdict)
    }

    /// See [`Memory::slow_director`].
    pub fn slow_director(&self, frame: &mut Bytes) -> Verdict {
        self.stages(frame, Verdict::Next(Stage::Parse))
    }

    /// See [`Memory::decapsulator`].
    pub fn decapsulator(&self, frame: &mut Bytes) -> Verdict {
        let verdict = decapsulate::decapsulate(frame, self);
        self.stages(frame, verdict)
    }

    fn stages(&self, frame: &mut Bytes, mut verdict: Verdict) -> Verdict {
        while let Verdict::Next(stage) = verdict {
            verdict = director::stage(frame, self, stage);
        }
        match verdict {
            Verdict::Pass(reason) | Verdict::Drop(reason) => self.note(reason),
            Verdict::Transmit | Verdict::Redirect(_) | Verdict::Next(_) => {}
        }
        verdict
    }

    fn cut<const W: usize>(&self, area: Area, index: u32) -> Option<Cells<'a, W>> {
        cells(self.memory.areas.get(&area)?, index)
    }
}

impl<'a> Tables for Cpu<'a> {
    type Line = Cells<'a, 8>;
    type Double = Cells<'a, 16>;
    type Quadruple = Cells<'a, 32>;
    type Half = Cells<'a, 4>;

    fn constants(&self) -> Constants {
        self.memory.constants
    }
    fn now(&self) -> u16 {
        self.memory.now.load(Acquire)
    }
    fn active(&self) -> Option<Self::Line> {
        self.cut(Area::Active, 0)
    }
    fn interface(&self, index: u32) -> Option<Self::Line> {
        self.cut(Area::Interfaces, index % relvs_core::table::interface::SLOTS)
    }
    fn services4(&self, set: u32) -> Option<Self::Line> {
        self.cut(Area::Services4, set)
    }
    fn services6(&self, set: u32) -> Option<Self::Double> {
        self.cut(Area::Services6, set)
    }
    fn service(&self, index: u32) -> Option<Self::Line> {
        self.cut(Area::Services, index)
    }
    fn band(&self, index: u32) -> Option<[u64; 2]> {
        let band: Cells<'_, 2> = self.cut(Area::Bands, index)?;
        Some([band.load(0), band.load(1)])
    }
    fn ring(&self, index: u32) -> u32 {
        self.cut::<1>(Area::Rings, index).map_or(0, |slot| slot.load(0) as u32)
    }
    fn destination(&self, number: u32) -> Option<Self::Line> {
        self.cut(Area::Destinations, number)
    }
    fn hop(&self, index: u32) -> Option<Self::Half> {
        self.cut(Area::Hops, index)
    }
    fn hop_of(&self, interface: u32, destination: u64) -> u32 {
        lock(&self.memory.hops_by_mac).get(&(interface, destination)).copied().unwrap_or(0)
    }
    fn flows4(&self, zone: Zone, bucket: u32) -> Option<Self::Double> {
        self.cut(if zone == Zone::Settled { Area::Flows4 } else { Area::Young4 }, bucket)
    }
    fn flows6(&self, zone: Zone, bucket: u32) -> Option<Self::Quadruple> {
        self.cut(if zone == Zone::Settled { Area::Flows6 } else { Area::Young6 }, bucket)
    }
    fn request(&self) -> Option<Self::Double> {
        cells(&self.memory.requests, self.number as u32)
    }
    fn open4(&self) -> u64 {
        director::open::<V4, _>(self)
    }
    fn open6(&self) -> u64 {
        director::open::<V6, _>(self)
    }
    fn insert4(&self) -> u64 {
        flow::insert::<V4, _>(self)
    }
    fn insert6(&self) -> u64 {
        flow::insert::<V6, _>(self)
    }
    fn route(&self, _: bool, _: [u64; 2], destination: [u64; 2]) -> Route {
        lock(&self.memory.routes).get(&destination).copied().unwrap_or(Route::None)
    }
    fn want(&self, address: [u64; 2]) {
        lock(&self.memory.wanted).insert(address);
    }
    fn fragment(&self, key: &[u64; 5]) -> Option<u64> {
        lock(&self.memory.fragments).get(key).copied()
    }
    fn remember_fragment(&self, key: &[u64; 5], value: u64) {
        lock(&self.memory.fragments).insert(*key, value);
    }
    fn decapsulates(&self, address: [u64; 2]) -> bool {
        lock(&self.memory.vips).contains(&address)
    }
    fn answers(&self) -> Option<Self::Line> {
        cells(&self.memory.answers, self.number as u32)
    }
    fn count(&self, destination: u32, bytes: u32, reply: bool) {
        let at = destination as usize * 8 + if reply { 3 } else { 1 };
        if let Some([packets, sum]) = self.memory.counters.get(at..at + 2) {
            packets.fetch_add(1, SeqCst);
            sum.fetch_add(u64::from(bytes), SeqCst);
        }
    }
    fn count_flow(&self, destination: u32) {
        if let Some(flows) = self.memory.counters.get(destination as usize * 8) {
            flows.fetch_add(1, SeqCst);
        }
    }
    fn note(&self, reason: Reason) {
        self.memory.reasons[reason as usize].fetch_add(1, SeqCst);
    }
}
