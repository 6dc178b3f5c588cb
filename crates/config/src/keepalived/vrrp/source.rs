//! `vrrp_script`, `track_file` and `vrrp_track_process`: what priorities depend on.

use super::Sources;
use crate::{
    keepalived::{
        Statement,
        keywords::Context,
        reading::{Reading, keep},
    },
    report::Fault,
};
use relvs_model::vrrp::{TrackFile, TrackProcess, TrackScript};

/// The longest of times: a day.
const LONGEST_MS: u32 = 86_400_000;
/// The greatest weight of a script or a process, and of a file.
pub(super) const WEIGHT: i64 = 253;
pub(super) const FILE_WEIGHT: i64 = 254;

/// A weight that fits, with whether it is turned round.
pub(super) fn weight(line: &Statement, at: usize, most: i64, reading: &mut Reading<'_>) -> Option<(i16, bool)> {
    let (weight, reverse) = reading.weight(line, at, most)?;
    Some((i16::try_from(weight).ok()?, reverse))
}

pub(in crate::keepalived) fn script(
    statement: &Statement,
    sources: &mut Sources,
    reading: &mut Reading<'_>,
) -> Option<TrackScript> {
    let name = reading.word(statement, 0, "a name")?.to_owned();
    let (mut script, mut interval_ms, mut timeout_ms, mut user) = (None, None, None, None);
    let (mut fall, mut rise, mut init_fail, mut counts) = (None, None, false, None);
    for line in reading.block(statement) {
        match reading.keyword(Context::Script, line) {
            Some("script") => keep(&mut script, reading.script(line)),
            Some("interval") => keep(&mut interval_ms, reading.whole_seconds(line, 1..=LONGEST_MS)),
            Some("timeout") => keep(&mut timeout_ms, reading.whole_seconds(line, 1..=LONGEST_MS)),
            Some("weight") => keep(&mut counts, weight(line, 0, WEIGHT, reading)),
            Some("rise") => keep(&mut rise, reading.integer(line, 0, 1..=i32::MAX as u32)),
            Some("fall") => keep(&mut fall, reading.integer(line, 0, 1..=i32::MAX as u32)),
            Some("user") => keep(&mut user, reading.user(line)),
            Some("init_fail") => init_fail = true,
            _ => {}
        }
    }
    let Some(mut script) = script else {
        let fault = Fault::new(format!("vrrp_script {name} has no `script`"));
        reading.fault(statement.keyword.place, fault.help("add the program to run; it is left out"));
        return None;
    };
    if let Some((name, group)) = user {
        (script.user, script.group) = (Some(name), group);
    }
    let interval_ms = interval_ms.unwrap_or(1_000);
    script.timeout_ms = timeout_ms.unwrap_or(interval_ms);
    sources.scripts.insert(name.clone(), counts.unwrap_or_default());
    sources.defined.insert(name.clone(), statement.keyword.place);
    Some(TrackScript { name, script, interval_ms, fall: fall.unwrap_or(1), rise: rise.unwrap_or(1), init_fail })
}

pub(in crate::keepalived) fn file(
    statement: &Statement,
    sources: &mut Sources,
    reading: &mut Reading<'_>,
) -> Option<TrackFile> {
    let name = reading.word(statement, 0, "a name")?.to_owned();
    let (mut path, mut counts) = (None, None);
    for line in reading.block(statement) {
        match reading.keyword(Context::TrackFile, line) {
            Some("file") => keep(&mut path, reading.word(line, 0, "a path").map(str::to_owned)),
            Some("weight") => keep(&mut counts, weight(line, 0, FILE_WEIGHT, reading)),
            _ => {}
        }
    }
    let Some(path) = path else {
        let fault = Fault::new(format!("track_file {name} has no `file`"));
        reading.fault(statement.keyword.place, fault.help("add its path; it is left out"));
        return None;
    };
    sources.files.insert(name.clone(), counts.unwrap_or((1, false)));
    Some(TrackFile { name, path })
}

pub(in crate::keepalived) fn process(
    statement: &Statement,
    sources: &mut Sources,
    reading: &mut Reading<'_>,
) -> Option<TrackProcess> {
    let name = reading.word(statement, 0, "a name")?.to_owned();
    let (mut process, mut quorum, mut counts) = (None, None, None);
    for line in reading.block(statement) {
        match reading.keyword(Context::Process, line) {
            Some("process") => keep(&mut process, reading.word(line, 0, "a program").map(str::to_owned)),
            Some("quorum") => keep(&mut quorum, reading.integer(line, 0, 1..=65_535)),
            Some("weight") => keep(&mut counts, weight(line, 0, WEIGHT, reading)),
            _ => {}
        }
    }
    let Some(process) = process else {
        let fault = Fault::new(format!("vrrp_track_process {name} has no `process`"));
        reading.fault(statement.keyword.place, fault.help("add the program; it is left out"));
        return None;
    };
    sources.processes.insert(name.clone(), counts.unwrap_or_default());
    Some(TrackProcess { name, process, quorum: quorum.unwrap_or(1) })
}
