//! A twin of the loaded programs, for packets that nobody sent: the same object with the same constants, over the same
//! tables where it only reads, and over tables of its own where it writes. Nothing that runs on it leaves a trace.
//!
//! Its tables of flows are no arrays but hashes with the same keys and values, in which only those buckets are that a
//! packet can meet ([`Meets`]): so every record has the place that it has in the real tables, and a table of a million
//! flows needs no second one beside it. A program looks into either kind by the same call.

use super::{
    Error, Kernel, Run,
    load::{STAGES, connect, data, loader, take, xdp},
    mapping::Mapping,
    run::run_on,
    trace::taken,
};
use crate::{Area, Meets, Side as _};
use aya::{
    Ebpf,
    maps::{HashMap, Map, MapData, MapError, ProgramArray, RingBuf},
    programs::Xdp,
};
use relvs_core::table::{
    active,
    trace::{Event, Filter},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{
        AtomicU64,
        Ordering::{AcqRel, Acquire, Release},
    },
};

/// Tables that a packet only reads. Destinations learn from ICMP errors alone, which are never tried here.
const SHARED: [&str; 9] = [
    Area::Interfaces.map(),
    Area::Services4.map(),
    Area::Services6.map(),
    Area::Bands.map(),
    Area::Rings.map(),
    Area::Destinations.map(),
    Area::Hops.map(),
    Area::Rules.map(),
    "HOPS_BY_MAC",
];
/// Tables of flows.
const FLOWS: [Area; 4] = [Area::Flows4, Area::Young4, Area::Flows6, Area::Young6];
/// Tables that are copied before each packet.
const COPIED: [Area; 4] = [Area::Active, Area::Services, Area::Limits, Area::Loads];
/// Buckets that a packet can meet, of each table.
const BUCKETS: u32 = 1 << 16;
/// BPF_F_NO_PREALLOC.
const NO_PREALLOC: u32 = 1;
/// Maps that are larger in the object than a twin needs.
const SMALL: [(&str, u32); 5] =
    [("NEAR", 1024), ("FRAGMENTS", 128), ("VIPS", 16), ("COUNTERS", 2), ("EVENTS", 1 << 12)];
/// Seconds that it tells of its packets: one takes microseconds.
const TELLS: u16 = 60;

type Flows<const W: usize> = HashMap<MapData, u32, [u64; W]>;

/// See the module.
pub struct Twin {
    bpf: Ebpf,
    copied: Vec<(Area, Mapping)>,
    _filters: Mapping,
    flows4: Flows<16>,
    young4: Flows<16>,
    flows6: Flows<32>,
    young6: Flows<32>,
    near: HashMap<MapData, [u64; 4], [u64; 16]>,
    events: RingBuf<MapData>,
    /// Held open, or the kernel would empty it.
    _tails: ProgramArray<MapData>,
}

/// What became of a packet that nobody sent.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The action, and the frame afterwards.
    pub run: Run,
    /// What was decided, and by what.
    pub event: Option<Event>,
}

/// Names in the bpffs by which the loader finds tables that are there before it comes. They are gone when it has.
struct Pins<'a> {
    directory: &'a Path,
    made: Vec<PathBuf>,
}

impl Pins<'_> {
    fn path(&self, area: Area) -> PathBuf {
        self.directory.join(format!("TWIN-{}", area.map()))
    }

    /// An empty table of flows that takes the place of an array of buckets.
    fn sparse<const W: usize>(&mut self, area: Area) -> Result<Flows<W>, Error> {
        let path = self.path(area);
        // What a daemon left that was killed in the middle.
        let _ = fs::remove_file(&path);
        let map = Flows::<W>::create(BUCKETS, NO_PREALLOC).map_err(|e| Error::map(area.map(), e))?;
        map.pin(&path).map_err(|e| Error::Load(Error::chain(&e)))?;
        self.made.push(path.clone());
        let map = MapData::from_pin(&path).map_err(|e| Error::map(area.map(), e))?;
        Flows::try_from(Map::HashMap(map)).map_err(|e| Error::map(area.map(), e))
    }
}

impl Drop for Pins<'_> {
    fn drop(&mut self) {
        for path in &self.made {
            let _ = fs::remove_file(path);
        }
    }
}

impl Kernel {
    /// What lblc or lblcr remembers of a destination address: numbers of destinations. To ask is no use that counts.
    ///
    /// # Errors
    ///
    /// The kernel refused.
    pub fn near(&self, key: &[u64; 4]) -> Result<Option<[u64; 16]>, Error> {
        let map = self.bpf.map("NEAR").ok_or_else(|| Error::Missing("map NEAR".to_owned()))?;
        let near = HashMap::<_, [u64; 4], [u64; 16]>::try_from(map).map_err(|e| Error::map("NEAR", e))?;
        match near.get(key, 0) {
            Ok(known) => Ok(Some(known)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(Error::map("NEAR", error)),
        }
    }

    /// Loads a twin of `object`, which must be the one that is loaded.
    ///
    /// # Errors
    ///
    /// The kernel refused, or these maps are not pinned.
    pub fn twin(&self, object: &[u8]) -> Result<Twin, Error> {
        let directory = self.pins.as_deref().ok_or(Error::Unpinned)?;
        let mut pins = Pins { directory, made: Vec::new() };
        let (flows4, young4) = (pins.sparse(Area::Flows4)?, pins.sparse(Area::Young4)?);
        let (flows6, young6) = (pins.sparse(Area::Flows6)?, pins.sparse(Area::Young6)?);
        let mut loader = loader(&self.constants, &self.second_shift);
        for area in COPIED.into_iter().chain([Area::Trace]) {
            loader.map_max_entries(area.map(), area.records(&self.sizes));
        }
        for (name, entries) in SMALL {
            loader.map_max_entries(name, entries);
        }
        for name in SHARED {
            loader.map_pin_path(name, directory.join(name));
        }
        for area in FLOWS {
            loader.map_pin_path(area.map(), pins.path(area));
        }
        let mut bpf = loader.load(object).map_err(|e| Error::Load(Error::chain(&e)))?;
        drop(pins);
        for name in ["director"].into_iter().chain(STAGES) {
            xdp(&mut bpf, name)?.load().map_err(|e| Error::Load(format!("{name}: {}", Error::chain(&e))))?;
        }
        let mapped = |bpf: &Ebpf, area: Area| {
            Mapping::new(data(bpf, area.map())?, area.words() * area.records(&self.sizes) as usize)
        };
        let copied = COPIED.into_iter().map(|area| Ok((area, mapped(&bpf, area)?))).collect::<Result<_, Error>>()?;
        let filters = mapped(&bpf, Area::Trace)?;
        let everything = Filter { reasons: u64::MAX, ..Filter::default() };
        for (word, value) in filters.words().iter().zip(everything.pack()) {
            word.store(value, Release);
        }
        let near = HashMap::try_from(take(&mut bpf, "NEAR")?).map_err(|e| Error::map("NEAR", e))?;
        let events = RingBuf::try_from(take(&mut bpf, "EVENTS")?).map_err(|e| Error::map("EVENTS", e))?;
        let tails = connect(&mut bpf)?;
        Ok(Twin { bpf, copied, _filters: filters, flows4, young4, flows6, young6, near, events, _tails: tails })
    }
}

impl Twin {
    /// What would become of a frame that comes in on this interface now. `meets` are the buckets that it can meet; in
    /// all others there is nothing, and no room.
    ///
    /// # Errors
    ///
    /// The kernel refused: it may have no such interface.
    pub fn run(&mut self, kernel: &Kernel, ingress: u32, frame: &[u8], meets: &Meets) -> Result<Tried, Error> {
        let services = meets.services.min(kernel.sizes.services);
        for (area, own) in &self.copied {
            let parts = if matches!(area, Area::Services | Area::Limits) {
                vec![(0, services), (kernel.sizes.services, services)]
            } else if *area == Area::Loads {
                vec![(0, meets.destinations.min(kernel.sizes.destinations))]
            } else {
                vec![(0, area.records(&kernel.sizes))]
            };
            for (first, records) in parts {
                let words = first as usize * area.words()..(first + records) as usize * area.words();
                for (to, from) in own.words()[words.clone()].iter().zip(&kernel.area(*area)[words]) {
                    to.store(from.load(Acquire), Release);
                }
            }
        }
        if let Some((_, own)) = self.copied.iter().find(|(area, _)| *area == Area::Active) {
            let line = own.words();
            line[active::TRACE_UNTIL].store(u64::from(kernel.now()?.wrapping_add(TELLS)), Release);
            line[active::SWITCH].fetch_or(active::TRACE, AcqRel);
            // Which packets that drops is chance.
            line[active::SWITCH].fetch_and(!active::DROP_PACKET, AcqRel);
        }
        self.remember_near(kernel, meets.near.as_ref())?;
        clear(&mut self.flows4);
        clear(&mut self.young4);
        clear(&mut self.flows6);
        clear(&mut self.young6);
        for (area, bucket) in &meets.buckets {
            let Some(record) = kernel.record(*area, *bucket) else { continue };
            let told = if *area == Area::Flows4 {
                put(&mut self.flows4, *bucket, record)
            } else if *area == Area::Young4 {
                put(&mut self.young4, *bucket, record)
            } else if *area == Area::Flows6 {
                put(&mut self.flows6, *bucket, record)
            } else {
                put(&mut self.young6, *bucket, record)
            };
            told.map_err(|e| Error::map(area.map(), e))?;
        }
        taken(&mut self.events);
        let program: &Xdp = match self.bpf.program("director").map(TryInto::try_into) {
            Some(Ok(program)) => program,
            _ => return Err(Error::Missing("program director".to_owned())),
        };
        let run = run_on(program, ingress, frame)?;
        Ok(Tried { run, event: taken(&mut self.events).pop() })
    }

    /// Gives it what is really remembered of a destination address, and nothing else.
    fn remember_near(&mut self, kernel: &Kernel, key: Option<&[u64; 4]>) -> Result<(), Error> {
        let keys: Vec<[u64; 4]> = self.near.keys().filter_map(Result::ok).collect();
        for key in &keys {
            let _ = self.near.remove(key);
        }
        let Some(key) = key else { return Ok(()) };
        match kernel.near(key)? {
            Some(known) => self.near.insert(key, known, 0).map_err(|e| Error::map("NEAR", e)),
            None => Ok(()),
        }
    }
}

fn clear<const W: usize>(map: &mut Flows<W>) {
    let keys: Vec<u32> = map.keys().filter_map(Result::ok).collect();
    for key in keys {
        let _ = map.remove(&key);
    }
}

fn put<const W: usize>(map: &mut Flows<W>, bucket: u32, record: &[AtomicU64]) -> Result<(), MapError> {
    let mut words = [0; W];
    for (word, cell) in words.iter_mut().zip(record) {
        *word = cell.load(Acquire);
    }
    map.insert(bucket, words, 0)
}
