//! Loading the programs, over new maps or over those of an earlier daemon.

use super::{Error, Kernel, bpffs, mapping::Mapping};
use crate::{Area, Sizes, memory::constants};
use aya::{
    Ebpf, EbpfLoader,
    maps::{HashMap, Map, MapData, PerCpuArray, ProgramArray, RingBuf},
    programs::Xdp,
};
use relvs_core::{Constants, Stage, table};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs, io,
    num::NonZero,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// Maps beside the areas that outlive a program: a new one goes on with them.
const KEPT: [&str; 6] = ["HOPS_BY_MAC", "FRAGMENTS", "NEAR", "COUNTERS", "REASONS", "ANSWERS"];
/// The stages' programs, in the order of [`Stage`].
pub(super) const STAGES: [&str; Stage::COUNT] = [
    "slow_parse",
    "slow_packet4",
    "slow_packet6",
    "slow_reply4",
    "slow_reply6",
    "slow_fragment4",
    "slow_fragment6",
    "slow_icmp4",
    "slow_icmp6",
    "slow_deliver4",
    "slow_deliver6",
    "slow_answer4",
    "slow_answer6",
    "slow_match4",
    "slow_match6",
    "slow_open4",
    "slow_open6",
    "slow_persist4",
    "slow_persist6",
    "slow_settle4",
    "slow_settle6",
    "slow_trace",
    "slow_tunnel4",
    "slow_tunnel6",
    "slow_path4",
    "slow_path6",
];
/// The other programs of a director.
const PROGRAMS: [&str; 3] = ["director", "clock", "pass"];
/// Programs that are verified at once.
const MOST_THREADS: usize = 8;
/// What the names of pinned stages begin with. A bpffs allows no dots.
const TAILS: &str = "TAILS-";

/// What the pinned maps were made with. A program over them must be loaded with the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Shape {
    version: u64,
    sizes: Sizes,
    multipliers: [u64; 6],
    hz: u32,
}

impl Kernel {
    /// Loads `object` over maps of its own, which end with it.
    ///
    /// # Errors
    ///
    /// The kernel refused, or the object lacks something.
    pub fn load(object: &[u8], sizes: Sizes, multipliers: [u64; 6]) -> Result<Self, Error> {
        let shape = Shape { version: table::VERSION, sizes, multipliers, hz: super::run::measure_hz(object)? };
        Self::load_with(object, shape, None, false)
    }

    /// Loads `object` over the maps pinned in `directory`, or new ones that are pinned there. Tables that are there
    /// already keep their sizes, whatever `sizes` says; those of another layout are given up.
    ///
    /// # Errors
    ///
    /// The kernel refused, the object lacks something, or the directory cannot be made a bpffs.
    pub fn open(directory: &Path, object: &[u8], sizes: Sizes, multipliers: [u64; 6]) -> Result<Self, Error> {
        let pins = directory.join("bpf");
        bpffs::ensure(&pins)?;
        let file = directory.join("shape.json");
        let there = fs::read(&file).ok().and_then(|text| serde_json::from_slice::<Shape>(&text).ok());
        let pinned = Area::ALL.iter().all(|a| pins.join(a.map()).exists());
        let (shape, adopted) = match there {
            Some(shape) if pinned && shape.version == table::VERSION => (shape, true),
            _ => {
                bpffs::clear(&pins)?;
                let shape = Shape { version: table::VERSION, sizes, multipliers, hz: super::run::measure_hz(object)? };
                write(&file, &shape)?;
                (shape, false)
            }
        };
        Self::load_with(object, shape, Some(pins), adopted)
    }

    fn load_with(object: &[u8], shape: Shape, pins: Option<PathBuf>, adopted: bool) -> Result<Self, Error> {
        let (second_shift, second) = super::run::second(shape.hz);
        let sizes = shape.sizes;
        let fixed = constants(&sizes, shape.multipliers);
        let mut loader = loader(&fixed, &second_shift);
        loader.map_max_entries("COUNTERS", sizes.destinations);
        for area in Area::ALL {
            loader.map_max_entries(area.map(), area.records(&sizes));
        }
        if let Some(pins) = &pins {
            for name in Area::ALL.map(Area::map).into_iter().chain(KEPT) {
                loader.map_pin_path(name, pins.join(name));
            }
        }
        let mut bpf = loader.load(object).map_err(|e| Error::Load(Error::chain(&e)))?;
        verify(&mut bpf)?;
        let mut areas = BTreeMap::new();
        for area in Area::ALL {
            let words = area.words() * area.records(&sizes) as usize;
            areas.insert(area, Arc::new(Mapping::new(data(&bpf, area.map())?, words)?));
        }
        let events = RingBuf::try_from(take(&mut bpf, "EVENTS")?).map_err(|e| Error::map("EVENTS", e))?;
        let hops_by_mac =
            Mutex::new(HashMap::try_from(take(&mut bpf, "HOPS_BY_MAC")?).map_err(|e| Error::map("HOPS_BY_MAC", e))?);
        let wanted = HashMap::try_from(take(&mut bpf, "WANTED")?).map_err(|e| Error::map("WANTED", e))?;
        let wanted = Mutex::new(wanted);
        let counters_fd = match bpf.map("COUNTERS") {
            Some(Map::PerCpuArray(map)) => map.fd().as_fd().try_clone_to_owned(),
            _ => return Err(Error::Missing("per-CPU array COUNTERS".to_owned())),
        };
        let counters_fd = counters_fd.map_err(|e| Error::io("keeping a map open", e))?;
        let counters =
            Mutex::new(PerCpuArray::try_from(take(&mut bpf, "COUNTERS")?).map_err(|e| Error::map("COUNTERS", e))?);
        let reasons = PerCpuArray::try_from(take(&mut bpf, "REASONS")?).map_err(|e| Error::map("REASONS", e))?;
        let tails = Some(connect(&mut bpf)?);
        let mut kernel = Kernel {
            bpf,
            events: Mutex::new(events),
            sizes,
            constants: fixed,
            second_shift,
            second,
            areas,
            hops_by_mac,
            wanted,
            counters,
            counters_fd,
            reasons,
            pins,
            adopted,
            tails,
            tails_pin: None,
        };
        kernel.pin_tails()?;
        Ok(kernel)
    }

    /// Pins the stages' table, if there are pins.
    fn pin_tails(&mut self) -> Result<(), Error> {
        let Some(pins) = &self.pins else { return Ok(()) };
        let Some(tails) = self.tails.take() else { return Ok(()) };
        // A name of its own: links still lead to the programs of the daemon before, and these to their stages.
        let free = (0u32..).map(|n| pins.join(format!("{TAILS}{n}"))).find(|path| !path.exists());
        let path = free.ok_or(Error::Full("pins"))?;
        tails.pin(&path).map_err(|e| Error::Load(Error::chain(&e)))?;
        self.tails_pin = Some(path);
        Ok(())
    }

    /// Gives up the stages of programs before this one. Call when every link leads to this one.
    ///
    /// # Errors
    ///
    /// The bpffs refused.
    pub fn settle(&mut self) -> Result<(), Error> {
        let (Some(pins), Some(ours)) = (&self.pins, &self.tails_pin) else { return Ok(()) };
        for entry in fs::read_dir(pins).map_err(|e| Error::file(pins, e))? {
            let path = entry.map_err(|e| Error::file(pins, e))?.path();
            let stages = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(TAILS));
            if stages && path != *ours {
                fs::remove_file(&path).map_err(|e| Error::file(&path, e))?;
            }
        }
        Ok(())
    }
}

/// A loader that gives programs these constants.
pub(super) fn loader<'a>(constants: &'a Constants, second_shift: &'a u32) -> EbpfLoader<'a> {
    let mut loader = EbpfLoader::new();
    loader
        .override_global("MULTIPLIERS", &constants.multipliers, true)
        .override_global("MASKS4", &constants.masks4, true)
        .override_global("MASKS6", &constants.masks6, true)
        .override_global("SET_MASK", &constants.set_mask, true)
        .override_global("RULES_HALF", &constants.rules, true)
        .override_global("SECOND_SHIFT", second_shift, true);
    loader
}

/// Connects the stages, which are loaded. Their table must stay open or pinned: else the kernel would empty it.
pub(super) fn connect(bpf: &mut Ebpf) -> Result<ProgramArray<MapData>, Error> {
    let mut tails = ProgramArray::try_from(take(bpf, "TAILS")?).map_err(|e| Error::map("TAILS", e))?;
    for (index, name) in STAGES.into_iter().enumerate() {
        let fd = xdp(bpf, name)?.fd().map_err(|e| Error::Load(Error::chain(&e)))?;
        tails.set(index as u32, fd, 0).map_err(|e| Error::map("TAILS", e))?;
    }
    Ok(tails)
}

/// Loads the programs of a director. The kernel verifies each by itself, which is most of what a start takes, so each CPU
/// has one at a time.
fn verify(bpf: &mut Ebpf) -> Result<(), Error> {
    for name in PROGRAMS.into_iter().chain(STAGES) {
        // Whether it is there.
        xdp(bpf, name)?;
    }
    let wanted = |name: &str| PROGRAMS.contains(&name) || STAGES.contains(&name);
    let all: Vec<_> = bpf.programs_mut().filter(|(name, _)| wanted(name)).collect();
    let rest = Mutex::new(all.into_iter());
    let work = || -> Result<(), Error> {
        loop {
            let next = rest.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((name, program)) = next else { return Ok(()) };
            let xdp: &mut Xdp = program.try_into().map_err(|_| Error::Missing(format!("XDP program {name}")))?;
            xdp.load().map_err(|e| Error::Load(format!("{name}: {}", Error::chain(&e))))?;
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mine = work();
        let theirs = others.into_iter().map(|other| other.join().unwrap_or(Err(Error::Full("threads"))));
        theirs.fold(mine, Result::and)
    })
}

/// A program of the object.
pub(super) fn xdp<'a>(bpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp, Error> {
    let program = bpf.program_mut(name).ok_or_else(|| Error::Missing(format!("program {name}")))?;
    program.try_into().map_err(|_| Error::Missing(format!("XDP program {name}")))
}

pub(super) fn take(bpf: &mut Ebpf, name: &str) -> Result<Map, Error> {
    bpf.take_map(name).ok_or_else(|| Error::Missing(format!("map {name}")))
}

pub(super) fn data<'a>(bpf: &'a Ebpf, name: &str) -> Result<&'a MapData, Error> {
    match bpf.map(name) {
        Some(Map::Array(data)) => Ok(data),
        _ => Err(Error::Missing(format!("array {name}"))),
    }
}

fn write(file: &Path, shape: &Shape) -> Result<(), Error> {
    let text = serde_json::to_vec_pretty(shape).map_err(|e| Error::file(file, io::Error::other(e)))?;
    let directory = file.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(directory).map_err(|e| Error::file(directory, e))?;
    io::Write::write_all(&mut temporary, &text).map_err(|e| Error::file(file, e))?;
    temporary.persist(file).map_err(|e| Error::file(file, e.error))?;
    Ok(())
}
