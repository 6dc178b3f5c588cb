//! The real server's end of a tunnel: a program of its own, pinned, as no daemon runs there.

use super::{
    Error, Mode, bpffs,
    links::{attach_program, pinned},
    load::xdp,
};
use aya::{
    Ebpf, EbpfLoader,
    maps::{HashMap, MapData},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

const PREFIX: &str = "decapsulator";

/// The decapsulator of this machine's run directory.
pub struct Decapsulator {
    bpf: Ebpf,
    vips: HashMap<MapData, [u64; 2], u32>,
    pins: PathBuf,
}

impl Decapsulator {
    /// Loads it, over the VIPs that an earlier call left.
    ///
    /// # Errors
    ///
    /// The kernel refused, or the directory cannot be made a bpffs.
    pub fn open(directory: &Path, object: &[u8]) -> Result<Self, Error> {
        let pins = directory.join("bpf-realserver");
        bpffs::ensure(&pins)?;
        let mut loader = EbpfLoader::new();
        // Of the director's tables it needs none.
        for name in ["HOPS_BY_MAC", "FRAGMENTS"] {
            loader.map_max_entries(name, 1);
        }
        for name in ["VIPS", "REASONS"] {
            loader.map_pin_path(name, pins.join(format!("{PREFIX}_{name}")));
        }
        let mut bpf = loader.load(object).map_err(|e| Error::Load(Error::chain(&e)))?;
        xdp(&mut bpf, PREFIX)?.load().map_err(|e| Error::Load(Error::chain(&e)))?;
        let map = bpf.take_map("VIPS").ok_or_else(|| Error::Missing("map VIPS".to_owned()))?;
        let vips = HashMap::try_from(map).map_err(|e| Error::map("VIPS", e))?;
        Ok(Decapsulator { bpf, vips, pins })
    }

    /// Takes the outer headers of these tunnels ([`relvs_core::decapsulate::ends`]) off packets for this VIP (words as in
    /// the tables).
    ///
    /// # Errors
    ///
    /// The kernel refused.
    pub fn add(&mut self, vip: [u64; 2], ends: u32) -> Result<(), Error> {
        self.vips.insert(vip, ends, 0).map_err(|e| Error::map("VIPS", e))
    }

    /// Leaves packets for this VIP as they are.
    pub fn remove(&mut self, vip: [u64; 2]) {
        let _ = self.vips.remove(&vip);
    }

    /// The VIPs whose tunnels end here, and which.
    pub fn vips(&self) -> Vec<([u64; 2], u32)> {
        self.vips.iter().filter_map(Result::ok).collect()
    }

    /// Attaches it to an interface, in the first of these modes that works. Gives that mode.
    ///
    /// # Errors
    ///
    /// None works.
    pub fn attach(&mut self, name: &str, index: u32, modes: &[Mode]) -> Result<Mode, Error> {
        if let Some((_, mode, _)) = pinned(&self.pins, PREFIX)?.into_iter().find(|(i, ..)| *i == index) {
            attach_program(&mut self.bpf, PREFIX, Some((&self.pins, PREFIX)), name, index, mode)?;
            return Ok(mode);
        }
        let mut refused = Error::Missing("a mode to attach in".to_owned());
        for mode in modes {
            match attach_program(&mut self.bpf, PREFIX, Some((&self.pins, PREFIX)), name, index, *mode) {
                Ok(()) => return Ok(*mode),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// The interfaces that it is attached to.
    ///
    /// # Errors
    ///
    /// The bpffs refused.
    pub fn attached(&self) -> Result<Vec<(u32, Mode)>, Error> {
        Ok(pinned(&self.pins, PREFIX)?.into_iter().map(|(index, mode, _)| (index, mode)).collect())
    }

    /// Takes it off an interface.
    ///
    /// # Errors
    ///
    /// The bpffs refused.
    pub fn detach(&mut self, index: u32) -> Result<(), Error> {
        for (_, _, path) in pinned(&self.pins, PREFIX)?.into_iter().filter(|(i, ..)| *i == index) {
            fs::remove_file(&path).map_err(|e| Error::file(path, e))?;
        }
        Ok(())
    }

    /// Takes it off every interface and forgets its VIPs.
    ///
    /// # Errors
    ///
    /// The bpffs refused.
    pub fn close(self) -> Result<(), Error> {
        for (_, _, path) in pinned(&self.pins, PREFIX)? {
            fs::remove_file(&path).map_err(|e| Error::file(path, e))?;
        }
        for name in ["VIPS", "REASONS"] {
            let path = self.pins.join(format!("{PREFIX}_{name}"));
            fs::remove_file(&path).map_err(|e| Error::file(path, e))?;
        }
        Ok(())
    }

    /// Whether one may be there: the directory has its pins.
    pub fn exists(directory: &Path) -> bool {
        directory.join("bpf-realserver").join(format!("{PREFIX}_VIPS")).exists()
    }
}
