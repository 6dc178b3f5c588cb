//! What a record says of the other direction's, and of the way back.
//!
//! ```text
//! 63..36 place of the other record + 1 (0: none)   35..28 its generation   27..0 next hop reference (replies)
//! ```

use super::control;
use crate::{
    family::Family,
    world::{Block, Tables, Zone},
};

const HOP: u64 = (1 << 28) - 1;

/// The last word of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link(pub u64);

impl Link {
    /// To the record at this place, of this generation.
    #[inline(always)]
    pub const fn to(place: u32, generation: u8) -> Self {
        Link((place as u64 + 1) << 36 | (generation as u64) << 28)
    }

    /// Where the other record is, if there is one.
    #[inline(always)]
    pub const fn place(self) -> Option<u32> {
        match (self.0 >> 36) as u32 {
            0 => None,
            n => Some(n - 1),
        }
    }

    /// The generation that the other record must have.
    #[inline(always)]
    pub const fn generation(self) -> u8 {
        (self.0 >> 28) as u8
    }

    /// The next hop of replies: see [`crate::table::hop::reference`].
    #[inline(always)]
    pub const fn hop(self) -> u32 {
        (self.0 & HOP) as u32
    }

    /// The same with another next hop.
    #[inline(always)]
    pub const fn with_hop(self, reference: u32) -> Self {
        Link(self.0 & !HOP | reference as u64 & HOP)
    }

    /// The bucket and the word of the other record, and its control word, if it is still the same flow's.
    #[inline(always)]
    pub fn follow<F: Family, T: Tables>(self, t: &T, zone: Zone) -> Option<(F::Bucket<T>, usize, u64)> {
        let place = self.place()?;
        let bucket = F::bucket(t, zone, place >> 2)?;
        let word = (place & 3) as usize * F::RECORD;
        let seen = bucket.load(word);
        (seen & control::PHASE == control::LIVE && control::generation(seen) == self.generation())
            .then_some((bucket, word, seen))
    }

    /// Whether the other record is gone. One that its owner still writes is not.
    #[inline(always)]
    pub fn dangles<F: Family, T: Tables>(self, t: &T, zone: Zone) -> bool {
        let Some(place) = self.place() else { return true };
        let Some(bucket) = F::bucket(t, zone, place >> 2) else { return true };
        let seen = bucket.load((place & 3) as usize * F::RECORD);
        seen & control::PHASE == control::FREE || control::generation(seen) != self.generation()
    }
}
