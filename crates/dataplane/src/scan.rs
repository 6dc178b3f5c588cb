//! Reading the flow tables: expiry and counts. No system call per flow: the memory is shared.
//!
//! A NAT flow is two records; it expires when neither has seen a packet for the time of its state.

use crate::{Area, Error, Side, loads};
use relvs_core::{
    flow::{Link, control, template},
    state::{self, sctp, tcp},
    table::destination::{self, AVAILABLE, META},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{
        AtomicU64,
        Ordering::{AcqRel, Acquire},
    },
};

/// Seconds until what is in the tables is forgotten.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeouts {
    /// Of a TCP flow without packets, by state.
    pub tcp_s: [u32; tcp::State::ALL.len()],
    /// Of UDP.
    pub udp_s: u32,
    /// Of SCTP, by state.
    pub sctp_s: [u32; sctp::State::ALL.len()],
    /// Of a template that opens no flow, by the number of its destination: its service's persistence.
    pub templates_s: BTreeMap<u32, u32>,
    /// Destinations that were removed while expire_nodest_conn was set: their flows are forgotten at once.
    pub orphans: BTreeSet<u32>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            tcp_s: tcp::State::ALL.map(tcp::State::timeout_s),
            udp_s: state::UDP_TIMEOUT_S,
            sctp_s: sctp::State::ALL.map(sctp::State::timeout_s),
            templates_s: BTreeMap::new(),
            orphans: BTreeSet::new(),
        }
    }
}

impl Timeouts {
    /// That of the flow or template with this control word.
    pub(crate) fn of(&self, word: u64) -> u32 {
        let state = usize::from(control::state(word));
        let of = |states: &[u32]| states.get(state).copied().unwrap_or(0);
        match control::protocol(word) {
            state::TCP => of(&self.tcp_s),
            state::UDP => self.udp_s,
            state::SCTP => of(&self.sctp_s),
            _ if control::state(word) & template::EXTENDED != 0 => template::EXTENSION_S,
            _ => self.templates_s.get(&control::destination(word)).copied().unwrap_or(0),
        }
    }
}

/// What one pass over the tables found.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// By destination number: active flows, inactive flows. Counted one by one; [`crate::load_of`] is the same at rest.
    pub flows: Vec<[u32; 2]>,
    /// Flows in all; a NAT flow once.
    pub live: u64,
    /// Persistence templates.
    pub templates: u64,
    /// Records in use.
    pub records: u64,
    /// The same by table: of IPv4 and IPv6, settled and young.
    pub used: [[u64; 2]; 2],
    /// Records freed now.
    pub expired: u64,
}

/// An address family's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    pub(crate) const ALL: [Family; 2] = [Family::V4, Family::V6];

    pub(crate) const fn areas(self) -> [Area; 2] {
        match self {
            Family::V4 => [Area::Flows4, Area::Young4],
            Family::V6 => [Area::Flows6, Area::Young6],
        }
    }

    /// Words of a record, and which of them hold the ports and the link.
    pub(crate) const fn layout(self) -> (usize, usize, usize) {
        match self {
            Family::V4 => (4, 2, 3),
            Family::V6 => (8, 5, 6),
        }
    }
}

/// Goes through all flows: forgets those whose time is over, and counts the others. Then the templates: one whose time
/// is over lives on as long as it controls flows, a minute each time.
///
/// # Errors
///
/// The time could not be read.
pub fn scan(side: &impl Side, timeouts: &Timeouts) -> Result<Scan, Error> {
    let (now, second) = (side.now()?, side.second());
    let mut scan = Scan { flows: vec![[0; 2]; side.sizes().destinations as usize], ..Scan::default() };
    for (number, family) in Family::ALL.into_iter().enumerate() {
        let mut bound = Bound::new(side.area(family.areas()[0]).len() / family.layout().0);
        for (table, area) in family.areas().into_iter().enumerate() {
            let (pass, before) = (Pass { side, family, timeouts, now, second }, scan.records);
            pass.flows(&mut scan, side.area(area), &mut bound);
            scan.used[number][table] = scan.records - before;
        }
        let pass = Pass { side, family, timeouts, now, second };
        pass.templates(&mut scan, &bound);
    }
    Ok(scan)
}

/// Templates, and which of them control flows.
struct Bound {
    templates: Vec<usize>,
    controls: Vec<bool>,
}

impl Bound {
    fn new(records: usize) -> Self {
        Bound { templates: Vec::new(), controls: vec![false; records] }
    }
}

struct Pass<'a, S> {
    side: &'a S,
    family: Family,
    timeouts: &'a Timeouts,
    now: u16,
    second: f64,
}

impl<S: Side> Pass<'_, S> {
    fn flows(&self, scan: &mut Scan, words: &[AtomicU64], bound: &mut Bound) {
        let (size, ports, link) = self.family.layout();
        for (place, record) in words.chunks_exact(size).enumerate() {
            let seen = record[0].load(Acquire);
            let phase = seen & control::PHASE;
            if phase == control::FREE {
                continue;
            }
            scan.records += 1;
            let age = age(self.now, seen, self.second);
            if phase != control::LIVE {
                // Its owner is in the middle of a packet, unless a crash of the machine's clock says otherwise.
                if age > 2.0 && free(&record[0], seen) {
                    scan.expired += 1;
                }
                continue;
            }
            if control::protocol(seen) == state::TEMPLATE {
                bound.templates.push(place);
                continue;
            }
            let other = partner(words, size, Link(record[link].load(Acquire)));
            let youngest = other.map_or(age, |(_, word)| age.min(self::age(self.now, word, self.second)));
            if youngest > f64::from(self.timeouts.of(seen)) || self.is_orphan(seen) {
                if free(&record[0], seen) {
                    scan.expired += 1;
                    loads::unbind(self.side, seen);
                    if let Some((cell, word)) = other
                        && free(cell, word)
                    {
                        loads::unbind(self.side, word);
                    }
                }
                continue;
            }
            if seen & control::REPLY != 0 {
                continue;
            }
            scan.live += 1;
            if let Some(counts) = scan.flows.get_mut(control::destination(seen) as usize) {
                counts[usize::from(!state::active_of(control::protocol(seen), control::state(seen)))] += 1;
            }
            let reference = (record[ports].load(Acquire) >> 32) as usize;
            if let Some(place) = reference.checked_sub(1)
                && self.is_template_to(place, control::destination(seen))
                && let Some(controls) = bound.controls.get_mut(place)
            {
                *controls = true;
            }
        }
    }

    fn templates(&self, scan: &mut Scan, bound: &Bound) {
        let (size, ..) = self.family.layout();
        let words = self.side.area(self.family.areas()[0]);
        for place in &bound.templates {
            let Some(cell) = words.get(place * size) else { continue };
            let seen = cell.load(Acquire);
            if seen & control::PHASE != control::LIVE || control::protocol(seen) != state::TEMPLATE {
                continue;
            }
            scan.templates += 1;
            let controls = bound.controls.get(*place).copied().unwrap_or_default();
            let orphan = !controls && self.is_orphan(seen);
            if !orphan && age(self.now, seen, self.second) <= f64::from(self.timeouts.of(seen)) {
                continue;
            }
            if controls {
                let state = control::state(seen) | template::EXTENDED;
                let extended = control::with_state(seen, state) & !control::SECONDS | control::mutable(0, self.now);
                // A new flow that came in between has given it its whole time.
                let _ = cell.compare_exchange(seen, extended, AcqRel, Acquire);
            } else if free(cell, seen) {
                scan.expired += 1;
                scan.templates -= 1;
                loads::unbind(self.side, seen);
            }
        }
    }

    /// Whether this record of the settled table is a template to that destination. A flow whose template was ended, as
    /// its client had to leave, still refers to the place, where another client's may be by now.
    fn is_template_to(&self, place: usize, destination: u32) -> bool {
        let words = self.side.area(self.family.areas()[0]);
        words.get(place * self.family.layout().0).is_some_and(|cell| {
            let seen = cell.load(Acquire);
            control::protocol(seen) == state::TEMPLATE && control::destination(seen) == destination
        })
    }

    /// Whether it is to go with its destination. One that is back has its flows.
    fn is_orphan(&self, word: u64) -> bool {
        let number = control::destination(word);
        let gone = |record: &[AtomicU64]| !destination::has(record[META].load(Acquire), AVAILABLE);
        self.timeouts.orphans.contains(&number) && self.side.record(Area::Destinations, number).is_none_or(gone)
    }
}

fn free(cell: &AtomicU64, seen: u64) -> bool {
    cell.compare_exchange(seen, control::freed(seen), AcqRel, Acquire).is_ok()
}

/// The other record of a NAT flow, and its control word, if it is still the flow's.
pub(crate) fn partner(words: &[AtomicU64], size: usize, link: Link) -> Option<(&AtomicU64, u64)> {
    let cell = words.get(link.place()? as usize * size)?;
    let word = cell.load(Acquire);
    (word & control::PHASE == control::LIVE && control::generation(word) == link.generation()).then_some((cell, word))
}

/// Seconds since the last packet. A record that is ahead of the time that was read before has none.
pub(crate) fn age(now: u16, word: u64, second: f64) -> f64 {
    let units = now.wrapping_sub(control::seconds(word));
    if units > u16::MAX - 60 { 0.0 } else { f64::from(units) * second }
}
