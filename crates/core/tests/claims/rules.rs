//! What must be true when everybody is through.

use crate::{
    explore::State as Moment,
    layout::DESTINATIONS,
    scene::{Ends, Job, Scene},
};
use relvs_core::{
    Zone,
    flow::{Link, control},
    state,
    table::load,
};

/// A live record.
struct Record {
    name: Vec<u64>,
    control: u64,
    zone: Zone,
    place: usize,
    link: Link,
}

/// Whether the tables are whole, and packets of one flow had one answer.
pub(crate) fn at_rest(scene: &Scene, state: &Moment, newest: impl Fn(usize) -> u64) -> Result<(), String> {
    let mut records: Vec<Record> = Vec::new();
    let mut counts = [[0u64; 2]; DESTINATIONS];
    for zone in [Zone::Settled, Zone::Young] {
        for place in 0..4 * scene.layout.buckets {
            let word = scene.layout.place(zone, place);
            let control = newest(word);
            match control & control::PHASE {
                control::FREE => continue,
                control::LIVE => {}
                _ => return Err(format!("{zone:?} {place} is lost: {control:#x}")),
            }
            if control & control::REPLY == 0 {
                let [flows, templates] = &mut counts[control::destination(control) as usize];
                if control::protocol(control) == state::TEMPLATE {
                    *templates += 1;
                } else {
                    *flows = flows.wrapping_add(load::share(control));
                }
            }
            let link = Link(newest(word + scene.layout.link));
            records.push(Record { name: scene.named(word, &newest), control, zone, place, link });
        }
    }
    // Strangers are of destination 0.
    for (number, (counted, there)) in state.counts.iter().zip(&counts).enumerate().skip(1) {
        if counted != there {
            return Err(format!("destination {number} has {counted:x?} by its counts, {there:x?} by its records"));
        }
    }
    let ours: Vec<&Record> = records.iter().filter(|record| control::destination(record.control) != 0).collect();
    pairs(&ours, state.lost)?;
    // What is left of a flow whose other half was lost is found by nobody, and goes with its time.
    let ours: Vec<&Record> = ours.iter().copied().filter(|record| record.is_whole(&ours)).collect();
    for (at, record) in ours.iter().enumerate() {
        if let Some(other) = ours[..at].iter().find(|other| other.name == record.name) {
            let places = [(other.zone, other.place), (record.zone, record.place)];
            return Err(format!("one flow has two records: {places:?}"));
        }
    }
    answers(scene, state, &ours)
}

/// Whether a live record may be replaced by this in that job.
pub(crate) fn lost(job: Job, old: u64, new: u64) -> Option<String> {
    let phase = new & control::PHASE;
    let established = state::established_of(control::protocol(old), control::state(old));
    match job {
        Job::Expire { since, .. } if phase == control::FREE && control::seconds(old) >= since => {
            Some(format!("user space frees what was just used: {old:#x}"))
        }
        _ if phase == control::CLAIMED && established => Some(format!("an established flow is displaced: {old:#x}")),
        Job::Client { .. } | Job::Server { .. } | Job::Expire { .. } => None,
    }
}

impl Record {
    /// The record that it is linked to.
    fn partner<'a>(&self, records: &[&'a Record]) -> Option<&'a Record> {
        let place = self.link.place()? as usize;
        let is_it = |other: &&&Record| {
            (other.zone, other.place) == (self.zone, place)
                && control::generation(other.control) == self.link.generation()
        };
        records.iter().find(is_it).copied()
    }

    /// Whether it is a client's, or its client's is there.
    fn is_whole(&self, records: &[&Record]) -> bool {
        self.control & control::REPLY == 0 || self.partner(records).is_some()
    }
}

/// Of NAT a flow has two records, or has lost one to another flow.
fn pairs(records: &[&Record], lost: bool) -> Result<(), String> {
    for record in records.iter().filter(|record| record.link.place().is_some()) {
        let Some(partner) = record.partner(records) else {
            if lost {
                continue;
            }
            return Err(format!("{:?} {} has no other half", record.zone, record.place));
        };
        let same = (partner.control ^ record.control) & control::REPLY != 0
            && partner.link.place() == Some(record.place as u32)
            && control::destination(partner.control) == control::destination(record.control);
        if !same {
            return Err(format!("{:?} {} is linked to another flow's record", record.zone, record.place));
        }
    }
    Ok(())
}

/// All packets of a flow went one way, unless it was lost in between; and it is still there.
fn answers(scene: &Scene, state: &Moment, records: &[&Record]) -> Result<(), String> {
    if state.lost || scene.ends {
        return Ok(());
    }
    let jobs = || scene.jobs.iter().zip(&state.ends).flat_map(|(jobs, ends)| jobs.iter().zip(ends));
    let mut ways = [None; 8];
    for (job, end) in jobs() {
        let (Job::Client { flow, .. }, Some(Ends::Forwarded(number))) = (job, end) else { continue };
        // A persistent service's clients, who are of one network, all have one server.
        let client = if scene.persistent { 0 } else { usize::from(*flow) };
        let way = ways[client].get_or_insert(*number);
        if way != number {
            return Err(format!("flow {flow} went to {number}, and another packet to {way}"));
        }
        let name = scene.name_of(*flow);
        let there = records.iter().find(|record| record.name == name);
        if there.is_none_or(|record| control::destination(record.control) as usize != *number) {
            return Err(format!("flow {flow} went to {number}, and no record says so"));
        }
    }
    Ok(())
}
