//! A round that is being laid out, within the room that is left for it.

use std::ops::Range;

/// What there is too little room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// Bands.
    Bands,
    /// Ring slots.
    Ring,
}

/// A part of a round: the same ring again and again until the choice number `end`.
#[derive(Debug)]
pub(crate) struct Band {
    pub(crate) end: u64,
    /// Its ring in [`Round::slots`].
    pub(crate) ring: Range<usize>,
}

/// Bands, and rings of servers by their index in the service.
#[derive(Debug)]
pub(crate) struct Round {
    bands_room: usize,
    slots_room: usize,
    bands: Vec<Band>,
    slots: Vec<usize>,
}

impl Round {
    /// An empty one, and how many bands and slots it may have.
    pub(crate) fn within(bands: usize, slots: usize) -> Self {
        Round { bands_room: bands, slots_room: slots, bands: Vec::new(), slots: Vec::new() }
    }

    /// Goes through `ring` for so many choices. A ring without servers, or no choice, is no band.
    pub(crate) fn band(&mut self, choices: u64, ring: impl Iterator<Item = usize>) -> Result<(), Full> {
        let first = self.slots.len();
        let room = self.slots_room - first;
        // One more than there is room for shows that there is too little.
        self.slots.extend(ring.take(room + 1));
        if self.slots.len() > self.slots_room {
            return Err(Full::Ring);
        }
        if choices == 0 || self.slots.len() == first {
            self.slots.truncate(first);
            return Ok(());
        }
        if self.bands.len() == self.bands_room {
            return Err(Full::Bands);
        }
        self.bands.push(Band { end: self.length() + choices, ring: first..self.slots.len() });
        Ok(())
    }

    /// How many choices until the sequence repeats.
    pub(crate) fn length(&self) -> u64 {
        self.bands.last().map_or(0, |band| band.end)
    }

    /// Its bands.
    pub(crate) fn bands(&self) -> &[Band] {
        &self.bands
    }

    /// The rings of all bands.
    pub(crate) fn slots(&self) -> &[usize] {
        &self.slots
    }
}
