//! A map's memory, shared with the kernel.
#![allow(unsafe_code, reason = "memory that the kernel writes too is no Rust value")]

use super::Error;
use aya::maps::MapData;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::{
    io,
    os::fd::AsFd as _,
    ptr::{self, NonNull},
    sync::atomic::AtomicU64,
};

/// The words of an mmapable ARRAY.
#[derive(Debug)]
pub(super) struct Mapping {
    words: NonNull<AtomicU64>,
    length: usize,
}

// SAFETY: what is shared are atomics, and the mapping lives until drop.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `length` words.
    pub(super) fn new(map: &MapData, length: usize) -> Result<Self, Error> {
        let flags = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a fresh shared mapping of the map's own pages, nowhere in particular.
        let at = unsafe { mmap(ptr::null_mut(), length * 8, flags, MapFlags::SHARED, map.fd().as_fd(), 0) };
        let at = at.map_err(|e| Error::io("mapping a table", io::Error::from(e)))?;
        let words = NonNull::new(at.cast()).ok_or(Error::Full("memory"))?;
        Ok(Mapping { words, length })
    }

    /// The words.
    pub(super) fn words(&self) -> &[AtomicU64] {
        // SAFETY: mapped by `new`; pages are aligned, and both sides access whole words.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and no slice of it outlives `self`.
        let _ = unsafe { munmap(self.words.as_ptr().cast(), self.length * 8) };
    }
}
