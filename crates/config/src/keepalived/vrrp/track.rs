//! `track_interface`, `track_script`, `track_file`, `track_process`: which sources count, and how much.

use super::{
    Sources,
    source::{FILE_WEIGHT, WEIGHT, weight},
};
use crate::{
    keepalived::{Statement, reading::Reading},
    report::{Fault, quoted},
};
use relvs_model::vrrp::{TrackSource, Tracked};

/// Reads such a block. Gives whether the keyword was one.
pub(super) fn track(
    keyword: &str,
    statement: &Statement,
    sources: &Sources,
    tracked: &mut Vec<Tracked>,
    reading: &mut Reading<'_>,
) -> bool {
    let (known, most) = match keyword {
        "track_interface" => (None, WEIGHT),
        "track_script" => (Some(&sources.scripts), WEIGHT),
        "track_file" => (Some(&sources.files), FILE_WEIGHT),
        "track_process" => (Some(&sources.processes), WEIGHT),
        _ => return false,
    };
    for line in reading.block(statement) {
        let name = line.keyword.text.clone();
        let default = match known.map(|known| known.get(&name)) {
            None => (0, false),
            Some(Some(default)) => *default,
            Some(None) => {
                let what = keyword.trim_start_matches("track_");
                let fault = Fault::new(format!("there is no {what} {} to track", quoted(&name)));
                reading.fault(line.keyword.place, fault.help("define it, or correct its name; it is left out"));
                continue;
            }
        };
        let said = match line.arguments.first().map(|word| word.text.as_str()) {
            Some("weight") => weight(line, 1, most, reading),
            Some("reverse") => {
                let fault = Fault::new("keepalived takes `reverse` after `weight` alone");
                reading.complaint(Reading::place(line, 0), fault.help("write `weight`, a number and `reverse`"));
                Some((default.0, true))
            }
            Some(other) => {
                let fault = Fault::new(format!("{} is left out", quoted(other)));
                reading.fault(Reading::place(line, 0), fault.help("write `weight` and a number"));
                None
            }
            None => None,
        };
        if keyword == "track_script" {
            before(&name, line, sources, reading);
        }
        let (weight, reverse) = said.unwrap_or(default);
        let source = match keyword {
            "track_interface" => TrackSource::Interface(name),
            "track_script" => TrackSource::Script(name),
            "track_file" => TrackSource::File(name),
            _ => TrackSource::Process(name),
        };
        if tracked.iter().any(|known| known.source == source) {
            let fault = Fault::new(format!("{} is tracked twice", quoted(&line.keyword.text)));
            reading.complaint(line.keyword.place, fault.help("remove one of them; the first counts"));
            continue;
        }
        tracked.push(Tracked { source, weight, reverse });
    }
    true
}

/// keepalived finds only what it has read by then.
fn before(name: &str, line: &Statement, sources: &Sources, reading: &mut Reading<'_>) {
    let place = line.keyword.place;
    if sources.defined.get(name).is_some_and(|script| script.file == place.file && script.line > place.line) {
        let fault =
            Fault::new(format!("keepalived 2.2 does not track {}, which is defined further down", quoted(name)));
        reading.complaint(place, fault.help("here it is tracked; define it first if keepalived is to do so too"));
    }
}
