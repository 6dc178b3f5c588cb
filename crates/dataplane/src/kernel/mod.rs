//! The tables as the maps of loaded programs: loading, pinning, adopting, attaching.
//!
//! Programs, links and maps are pinned in a bpffs of the run directory's own, so that forwarding goes on when the
//! daemon does not; the next daemon adopts them if the layout is the same.

mod batch;
mod bpffs;
mod decapsulator;
mod error;
mod links;
mod load;
mod mapping;
mod run;
mod trace;
mod twin;
mod virtual_macs;

pub use decapsulator::Decapsulator;
pub use error::Error;
pub use links::{Mode, left_attached};
pub use run::Run;
pub use twin::{Tried, Twin};
pub use virtual_macs::VirtualMacs;

use crate::{Area, Counters, Side, Sizes};
use aya::{
    Ebpf,
    maps::{HashMap, MapData, PerCpuArray, ProgramArray, RingBuf},
};
use mapping::Mapping;
use relvs_core::{Constants, Reason};
use std::{
    collections::BTreeMap,
    os::fd::{AsFd as _, OwnedFd},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
};

/// Loaded programs and their maps.
pub struct Kernel {
    bpf: Ebpf,
    sizes: Sizes,
    constants: Constants,
    second_shift: u32,
    second: f64,
    areas: BTreeMap<Area, Arc<Mapping>>,
    hops_by_mac: Mutex<HashMap<MapData, [u32; 3], u32>>,
    wanted: Mutex<HashMap<MapData, [u64; 2], u32>>,
    counters: Mutex<PerCpuArray<MapData, [u64; 8]>>,
    /// The same map, for reading many at once.
    counters_fd: OwnedFd,
    reasons: PerCpuArray<MapData, u64>,
    events: Mutex<RingBuf<MapData>>,
    /// Where the maps are pinned, if they are.
    pins: Option<PathBuf>,
    adopted: bool,
    /// The stages' table, if it is not pinned.
    #[allow(dead_code, reason = "held open, or the kernel would empty it")]
    tails: Option<ProgramArray<MapData>>,
    tails_pin: Option<PathBuf>,
}

impl Kernel {
    /// Whether the maps are those of an earlier daemon.
    pub fn adopted(&self) -> bool {
        self.adopted
    }

    /// What jiffies are shifted by to be the core's seconds.
    pub fn second_shift(&self) -> u32 {
        self.second_shift
    }
}

impl Side for Kernel {
    fn sizes(&self) -> &Sizes {
        &self.sizes
    }
    fn constants(&self) -> Constants {
        self.constants
    }
    fn area(&self, area: Area) -> &[AtomicU64] {
        self.areas.get(&area).map_or(&[], |mapping| mapping.words())
    }
    fn now(&self) -> Result<u16, Error> {
        Ok((u64::from(self.jiffies()?) >> self.second_shift) as u16)
    }
    fn second(&self) -> f64 {
        self.second
    }
    fn set_hop_of(&self, interface: u32, mac: u64, reference: u32) -> Result<(), Error> {
        let key = [interface, mac as u32, (mac >> 32) as u32];
        let mut map = self.hops_by_mac.lock().unwrap_or_else(PoisonError::into_inner);
        if reference == 0 {
            let _ = map.remove(&key);
            return Ok(());
        }
        map.insert(key, reference, 0).map_err(|e| Error::map("HOPS_BY_MAC", e))
    }
    fn wanted(&self) -> Result<Vec<[u64; 2]>, Error> {
        let mut map = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let found: Vec<[u64; 2]> = map.keys().filter_map(Result::ok).collect();
        for address in &found {
            // One that was given up meanwhile is gone already.
            let _ = map.remove(address);
        }
        Ok(found)
    }
    fn counters(&self, destination: u32) -> Result<Counters, Error> {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let of_cpus = counters.get(&destination, 0).map_err(|e| Error::map("COUNTERS", e))?;
        Ok(crate::total(of_cpus.iter().map(Counters::of)))
    }
    fn counters_below(&self, end: u32, give: &mut dyn FnMut(u32, Counters)) -> Result<(), Error> {
        let end = end.min(self.sizes.destinations);
        let some = |number, words: [u64; 8]| {
            if words != [0; 8] {
                give(number, Counters::of(&words));
            }
        };
        if batch::sums(self.counters_fd.as_fd(), end, some)?.is_some() {
            return Ok(());
        }
        for number in 0..end {
            let counters = self.counters(number)?;
            if counters != Counters::default() {
                give(number, counters);
            }
        }
        Ok(())
    }
    fn clear_counters(&self, destination: u32) -> Result<(), Error> {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let cpus = counters.get(&destination, 0).map_err(|e| Error::map("COUNTERS", e))?.len();
        let zero =
            aya::maps::PerCpuValues::try_from(vec![[0; 8]; cpus]).map_err(|e| Error::io("clearing counters", e))?;
        counters.set(destination, zero, 0).map_err(|e| Error::map("COUNTERS", e))
    }
    fn reason(&self, reason: Reason) -> Result<u64, Error> {
        let of_cpus = self.reasons.get(&(reason as u32), 0).map_err(|e| Error::map("REASONS", e))?;
        Ok(of_cpus.iter().sum())
    }
}
