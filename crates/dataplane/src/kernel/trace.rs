//! What the loaded programs tell of their decisions.

use super::{Error, Kernel};
use aya::maps::{MapData, PerCpuArray, RingBuf};
use relvs_core::table::trace::{EVENT, Event, LOST};
use std::sync::PoisonError;

impl Kernel {
    /// Takes the events that wait, the oldest first.
    pub fn events(&self) -> Vec<Event> {
        taken(&mut self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many events were not told, because there were too many at once. It only grows.
    ///
    /// # Errors
    ///
    /// The kernel refused.
    pub fn events_lost(&self) -> Result<u64, Error> {
        let map = self.bpf.map("ANSWERS").ok_or_else(|| Error::Missing("map ANSWERS".to_owned()))?;
        let answers = PerCpuArray::<_, [u64; 8]>::try_from(map).map_err(|e| Error::map("ANSWERS", e))?;
        let of_cpus = answers.get(&0, 0).map_err(|e| Error::map("ANSWERS", e))?;
        Ok(of_cpus.iter().map(|words| words[LOST]).sum())
    }
}

/// The events of a ring.
pub(super) fn taken(ring: &mut RingBuf<MapData>) -> Vec<Event> {
    let mut found = Vec::new();
    while let Some(item) = ring.next() {
        let mut words = [0; EVENT];
        for (word, bytes) in words.iter_mut().zip(item.chunks_exact(8)) {
            *word = bytes.try_into().map_or(0, u64::from_ne_bytes);
        }
        found.push(Event::unpack(&words));
    }
    found
}
