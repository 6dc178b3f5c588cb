//! The tables in ordinary memory as one CPU's program sees them.

use super::{
    Bytes, Memory,
    cells::{Cells, cells},
    lock,
};
use crate::Area;
use relvs_core::{Block as _, Constants, Reason, Route, Stage, Tables, Verdict, Zone, decapsulate, director};
use std::sync::atomic::Ordering::{Acquire, SeqCst};

/// The tables as one CPU sees them: the request line and the limit of answers are its own.
#[derive(Clone, Copy)]
pub struct Cpu<'a> {
    pub(super) memory: &'a Memory,
    pub(super) number: usize,
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
    fn interface(&self, index: u32) -> Option<Self::Double> {
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
    fn limit(&self, index: u32) -> Option<Self::Half> {
        self.cut(Area::Limits, index)
    }
    fn band(&self, index: u32) -> Option<[u64; 2]> {
        let band: Cells<'_, 2> = self.cut(Area::Bands, index)?;
        Some([band.load(0), band.load(1)])
    }
    fn ring(&self, index: u32) -> u64 {
        self.cut::<1>(Area::Rings, index).map_or(0, |slot| slot.load(0))
    }
    fn load_of(&self, number: u32) -> Option<Self::Half> {
        self.cut(Area::Loads, number)
    }
    fn rule(&self, index: u32) -> Option<Self::Double> {
        self.cut(Area::Rules, index)
    }
    fn near(&self, key: &[u64; 4]) -> Option<Self::Double> {
        self.memory.near.find(key)
    }
    fn remember_near(&self, key: &[u64; 4]) {
        if self.near(key).is_none() {
            self.memory.near.insert(key, &[0; 16]);
        }
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
    fn request(&self) -> Option<Self::Quadruple> {
        cells(&self.memory.requests, self.number as u32)
    }
    fn walk<S: FnMut(u32) -> bool>(&self, count: u32, step: &mut S) {
        for i in 0..count {
            if !step(i) {
                break;
            }
        }
    }
    fn random(&self) -> u32 {
        // The middle of a linear congruential sequence; the multiplier is Knuth's.
        const MULTIPLIER: u64 = 6_364_136_223_846_793_005;
        let next = |n: u64| Some(n.wrapping_mul(MULTIPLIER).wrapping_add(1));
        (self.memory.dice.fetch_update(SeqCst, SeqCst, next).unwrap_or_default() >> 32) as u32
    }
    fn route(&self, _: bool, _: [u64; 2], destination: [u64; 2]) -> Route {
        lock(&self.memory.routes).get(&destination).copied().unwrap_or(Route::None)
    }
    fn want(&self, address: [u64; 2]) {
        lock(&self.memory.wanted).insert(address);
    }
    fn fragment(&self, key: &[u64; 5]) -> Option<Self::Half> {
        self.memory.fragments.find(key)
    }
    fn remember_fragment(&self, key: &[u64; 5], value: &[u64; 4]) {
        self.memory.fragments.insert(key, value);
    }
    fn decapsulates(&self, address: [u64; 2]) -> u32 {
        lock(&self.memory.vips).get(&address).copied().unwrap_or(0)
    }
    fn answers(&self) -> Option<Self::Line> {
        cells(&self.memory.answers, self.number as u32)
    }
    fn tracing(&self, slot: u32) -> Option<Self::Line> {
        self.cut(Area::Trace, slot)
    }
    fn emit(&self) -> bool {
        const ROOM: usize = 1 << 12;
        let Some(line) = self.request() else { return false };
        let mut events = lock(&self.memory.events);
        let room = events.len() < ROOM;
        if room {
            events.push_back(std::array::from_fn(|at| line.load(director::EVENT + at)));
        }
        room
    }
    fn nanoseconds(&self) -> u64 {
        u64::from(self.now()) * 1_000_000_000
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
