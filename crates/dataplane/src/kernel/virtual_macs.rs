//! Which virtual routers' frames are the director's, for the thread that knows when they are: it must not wait for the one
//! that has the tables.

use super::{Kernel, mapping::Mapping};
use crate::Area;
use std::sync::Arc;

/// A share in the table of interfaces.
#[derive(Clone, Debug)]
pub struct VirtualMacs(Option<Arc<Mapping>>);

impl VirtualMacs {
    /// See [`crate::answer_for`].
    ///
    /// # Errors
    ///
    /// The index of another interface that has the same place in the table.
    pub fn answer_for(&self, index: u32, is_ipv6: bool, id: u8, on: bool) -> Result<(), u32> {
        let words = self.0.as_ref().map_or(&[][..], |mapping| mapping.words());
        crate::answer_for(words, index, is_ipv6, id, on)
    }
}

impl Kernel {
    /// A share in the table of interfaces.
    pub fn virtual_macs(&self) -> VirtualMacs {
        VirtualMacs(self.areas.get(&Area::Interfaces).cloned())
    }
}
