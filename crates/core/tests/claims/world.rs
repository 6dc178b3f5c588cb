//! A scene's memory as the core's tables.

use crate::{
    frames,
    run::{Part, Run},
};
use relvs_core::{Constants, Reason, Route, Tables, Zone, table::service};

impl<'a> Run<'a> {
    fn cut(&'a self, base: usize, size: usize, index: usize, count: usize) -> Option<Part<'a>> {
        (index < count).then(|| self.part(base + size * index))
    }
}

impl<'a> Tables for &'a Run<'a> {
    type Line = Part<'a>;
    type Double = Part<'a>;
    type Quadruple = Part<'a>;
    type Half = Part<'a>;

    fn constants(&self) -> Constants {
        self.scene.constants
    }
    fn now(&self) -> u16 {
        self.now
    }
    fn active(&self) -> Option<Part<'a>> {
        Some(self.part(self.scene.layout.active))
    }
    fn interface(&self, _: u32) -> Option<Part<'a>> {
        Some(self.part(self.scene.layout.interface))
    }
    fn services4(&self, set: u32) -> Option<Part<'a>> {
        self.cut(self.scene.layout.entries, 8, set as usize, 1)
    }
    fn services6(&self, set: u32) -> Option<Part<'a>> {
        self.cut(self.scene.layout.entries, 16, set as usize, 1)
    }
    fn service(&self, index: u32) -> Option<Part<'a>> {
        self.cut(self.scene.layout.service, 8, index as usize, 1)
    }
    fn band(&self, _: u32) -> Option<[u64; 2]> {
        None
    }
    fn ring(&self, _: u32) -> u64 {
        service::slot(self.chosen as u32, 1)
    }
    fn destination(&self, number: u32) -> Option<Part<'a>> {
        self.cut(self.scene.layout.destinations, 8, number as usize, crate::layout::DESTINATIONS)
    }
    fn load_of(&self, number: u32) -> Option<Part<'a>> {
        self.cut(self.scene.layout.loads, 4, number as usize, crate::layout::DESTINATIONS)
    }
    fn rule(&self, _: u32) -> Option<Part<'a>> {
        None
    }
    fn near(&self, _: &[u64; 4]) -> Option<Part<'a>> {
        None
    }
    fn remember_near(&self, _: &[u64; 4]) {}
    fn hop(&self, index: u32) -> Option<Part<'a>> {
        self.cut(self.scene.layout.hops, 4, index as usize, crate::layout::DESTINATIONS)
    }
    fn hop_of(&self, _: u32, _: u64) -> u32 {
        0
    }
    fn flows4(&self, zone: Zone, bucket: u32) -> Option<Part<'a>> {
        Some(self.part(self.scene.layout.bucket(zone, bucket)))
    }
    fn flows6(&self, zone: Zone, bucket: u32) -> Option<Part<'a>> {
        Some(self.part(self.scene.layout.bucket(zone, bucket)))
    }
    fn request(&self) -> Option<Part<'a>> {
        Some(self.part(self.scene.layout.request))
    }
    fn walk<S: FnMut(u32) -> bool>(&self, count: u32, step: &mut S) {
        let _ = (0..count).all(step);
    }
    fn random(&self) -> u32 {
        0
    }
    fn route(&self, _: bool, _: [u64; 2], _: [u64; 2]) -> Route {
        let word = |[a, b, c, d, e, f]: [u8; 6]| u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
        Route::Found { interface: frames::INTERFACE, destination: word(frames::mac(0)), source: word(frames::DIRECTOR) }
    }
    fn want(&self, _: [u64; 2]) {}
    fn fragment(&self, _: &[u64; 5]) -> Option<Part<'a>> {
        None
    }
    fn remember_fragment(&self, _: &[u64; 5], _: &[u64; 4]) {}
    fn decapsulates(&self, _: [u64; 2]) -> u32 {
        0
    }
    fn answers(&self) -> Option<Part<'a>> {
        Some(self.part(self.scene.layout.answers))
    }
    fn tracing(&self, _: u32) -> Option<Part<'a>> {
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
