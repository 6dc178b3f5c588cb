//! What the next daemon has to know and the tables do not say: `control.json` of the run directory, and behind it
//! `control.log`, a line for each change since.
//!
//! A change costs what it changes, however much there is. Both files say of the same moment whose the numbers of
//! destinations are and what those had that were forgotten. A line counts once it is whole and on disk: whatever a crash
//! leaves of the last one is as if it had never been begun. When the lines have grown longer than what they change, all is
//! written anew.

use super::{Error, health::Overlaid};
use crate::files;
use relvs_control::{Control, Limits, Statistics, StatisticsStep, Step};
use relvs_model::{Director, Service};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

const FILE: &str = "control.json";
const LINES: &str = "control.log";
/// How large the tables are; the dataplane's own.
const SHAPE: &str = "shape.json";
/// So many bytes of lines are always fine.
const FEW: u64 = 1 << 20;

/// What was applied when the daemon before wrote it down.
pub(super) struct Left {
    pub(super) control: Control,
    pub(super) statistics: Statistics,
    /// Missing where an earlier version wrote it.
    pub(super) director: Option<Director>,
    /// Services that are configured otherwise than they are scheduled.
    pub(super) overlaid: Vec<Arc<Service>>,
}

/// `control.json`.
#[derive(Deserialize)]
struct Whole {
    /// The number of the last line that is in it; 0 where an earlier version wrote it.
    #[serde(default)]
    line: u64,
    control: Control,
    statistics: Statistics,
    #[serde(default)]
    director: Option<Director>,
    #[serde(default)]
    overlaid: Vec<Arc<Service>>,
}

/// The same, to be written.
#[derive(Serialize)]
struct Written<'a> {
    line: u64,
    control: &'a Control,
    statistics: &'a Statistics,
    director: &'a Director,
    overlaid: Vec<&'a Service>,
}

/// What changes: a line of `control.log`.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    /// Numbered from 1 without a gap, by [`Memory::add`].
    pub(super) line: u64,
    /// Nothing of what was before counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) anew: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) control: Option<Step>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) statistics: Option<StatisticsStep>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) director: Option<Director>,
    /// All of them, if any has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) overlaid: Option<Vec<Arc<Service>>>,
}

/// The two files.
pub(super) struct Memory {
    run_dir: PathBuf,
    /// The number of the last line.
    line: u64,
    /// Bytes of `control.log`.
    length: u64,
    /// About as many bytes as all that is applied takes.
    size: u64,
    /// `control.log` is not what it should be.
    broken: bool,
}

impl Memory {
    /// What an earlier daemon left. Without it nobody knows whose the destinations are: then tables that are left would be
    /// strangers', and are given up.
    pub(super) fn read(run_dir: &Path) -> Result<(Self, Option<Left>), Error> {
        let run_dir = run_dir.to_owned();
        let mut memory = Memory { run_dir, line: 0, length: 0, size: 0, broken: false };
        let left = memory.restore();
        if left.is_none() {
            let shape = memory.path(SHAPE);
            match fs::remove_file(&shape) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::File { path: shape, source: e }),
                _ => {}
            }
            memory = Memory { line: 0, length: 0, size: 0, broken: false, ..memory };
            memory.clear()?;
        }
        Ok((memory, left))
    }

    fn restore(&mut self) -> Option<Left> {
        let missing = |e: &io::Error| e.kind() == io::ErrorKind::NotFound;
        let mut left = match fs::read(self.path(FILE)) {
            Ok(text) => {
                self.size = text.len() as u64;
                let Whole { line, control, statistics, director, overlaid } = serde_json::from_slice(&text).ok()?;
                self.line = line;
                Some(Left { control, statistics, director, overlaid })
            }
            Err(error) if missing(&error) => None,
            Err(_) => return None,
        };
        let text = match fs::read(self.path(LINES)) {
            Ok(text) => text,
            Err(error) if missing(&error) => return left,
            Err(_) => return None,
        };
        let mut rest = &text[..];
        // What is behind the last end of a line is no line yet.
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (text, after) = rest.split_at(end + 1);
            match serde_json::from_slice::<Line>(text) {
                // It is in control.json already.
                Ok(line) if line.line <= self.line => {}
                Ok(line) if line.line == self.line + 1 => {
                    self.line += 1;
                    left = Some(follow(left, line)?);
                }
                // The last one may have been lost on its way; of those before nothing can be.
                Err(_) if !after.contains(&b'\n') => break,
                Ok(_) | Err(_) => return None,
            }
            self.length += text.len() as u64;
            self.size = self.size.max(text.len() as u64);
            rest = after;
        }
        left.filter(|left| left.control.agrees().is_ok())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.run_dir.join(name)
    }

    /// Writes down a change that will be in force in a moment.
    pub(super) fn add(&mut self, line: Line) -> Result<(), Error> {
        let text = serde_json::to_vec(&Line { line: self.line + 1, ..line }).map_err(io::Error::other);
        let path = self.path(LINES);
        let added = text.and_then(|mut text| {
            text.push(b'\n');
            files::append(&path, self.length, &text).map(|()| text.len() as u64)
        });
        self.broken |= added.is_err();
        let added = added.map_err(|source| Error::File { path, source })?;
        (self.line, self.length, self.size) = (self.line + 1, self.length + added, self.size.max(added));
        Ok(())
    }

    /// Whether the lines are longer than is good for the next start, or not what they should be.
    pub(super) fn is_long(&self) -> bool {
        self.broken || self.length > FEW + 2 * self.size
    }

    /// Writes down all that is in force, instead of lines.
    pub(super) fn write(
        &mut self,
        control: &Control,
        statistics: &Statistics,
        director: &Director,
        overlaid: &Overlaid,
    ) -> Result<(), Error> {
        let overlaid = overlaid.values().map(|service| &**service).collect();
        let whole = Written { line: self.line, control, statistics, director, overlaid };
        let path = self.path(FILE);
        let written = files::replace(&path, |file| serde_json::to_writer(file, &whole).map_err(io::Error::other));
        self.size = written.map_err(|source| Error::File { path, source })?;
        let path = self.path(LINES);
        files::cut(&path, 0).map_err(|source| Error::File { path, source })?;
        (self.length, self.broken) = (0, false);
        Ok(())
    }

    /// Leaves nothing to the next daemon.
    pub(super) fn remove(&self) -> Result<(), Error> {
        remove(&self.path(SHAPE))?;
        self.clear()
    }

    fn clear(&self) -> Result<(), Error> {
        // Lines without what they come after are not read.
        remove(&self.path(FILE))?;
        remove(&self.path(LINES))
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::File { path: path.to_owned(), source }),
        _ => Ok(()),
    }
}

/// What the texts of `control.json` and of whole lines of `control.log` say; none if they contradict each other.
pub(super) fn told(whole: &[u8], lines: &[u8]) -> Option<Left> {
    let Whole { control, statistics, director, overlaid, .. } = serde_json::from_slice(whole).ok()?;
    let mut left = Some(Left { control, statistics, director, overlaid });
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        left = Some(follow(left, serde_json::from_slice(line).ok()?)?);
    }
    left.filter(|left| left.control.agrees().is_ok())
}

/// What is left after one more line.
fn follow(left: Option<Left>, line: Line) -> Option<Left> {
    let Line { anew, control, statistics, director, overlaid, .. } = line;
    let nothing = Control::new(Limits::default());
    let empty = || Left { control: nothing, statistics: Statistics::default(), director: None, overlaid: Vec::new() };
    let mut left = if anew { empty() } else { left? };
    if let Some(step) = control {
        left.control.follow(step).ok()?;
    }
    if let Some(step) = statistics {
        left.statistics.follow(step);
    }
    left.director = director.or(left.director);
    left.overlaid = overlaid.unwrap_or(left.overlaid);
    Some(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use relvs_control::Desired;
    use relvs_model::{Method, Scheduler, Server, Service, ServiceKey};

    const LIMITS: Limits = Limits { sets: 64, services: 16, bands: 64, ring: 256, rules: 0, destinations: 64 };

    /// A daemon's part of it.
    struct Daemon {
        memory: Memory,
        control: Control,
        statistics: Statistics,
    }

    impl Daemon {
        fn start(run_dir: &Path) -> Self {
            let (memory, left) = Memory::read(run_dir).unwrap();
            assert!(left.is_none());
            Daemon { memory, control: Control::new(LIMITS), statistics: Statistics::default() }
        }

        /// One more change: the service of this port with this weight.
        fn change(&mut self, port: u16, weight: u32) {
            let key = ServiceKey::listen(relvs_model::Protocol::Tcp, "192.0.2.1".parse().unwrap(), port);
            let mut desired: Desired = self.control.desired().clone();
            desired.services.retain(|service| service.key != key);
            let server = Server::new("10.0.0.1".parse().unwrap(), port, weight, Method::Dr);
            desired.services.push(Service::new(key, Scheduler::Wrr, vec![server]).into());
            let prepared = self.control.prepare(&desired, 0, 1, &|_| 0).unwrap();
            let mut statistics = self.statistics.clone();
            statistics.begin(
                key,
                &std::iter::once((9, (key, relvs_control::Figures { flows: 7, ..Default::default() }))).collect(),
            );
            let line = Line {
                anew: self.control.revision() == 0,
                control: Some(prepared.step(&self.control)),
                statistics: statistics.step(&self.statistics),
                ..Line::default()
            };
            self.memory.add(line).unwrap();
            (self.control, self.statistics) = (
                {
                    let mut control = self.control.clone();
                    control.commit(prepared);
                    control
                },
                statistics,
            );
        }

        fn write(&mut self) {
            self.memory.write(&self.control, &self.statistics, &Director::default(), &Overlaid::new()).unwrap();
        }
    }

    /// The revision, and the weights.
    fn left(run_dir: &Path) -> Option<(u64, Vec<u32>)> {
        let (_, left) = Memory::read(run_dir).unwrap();
        let control = left?.control;
        Some((control.revision(), control.services().iter().map(|service| service.servers[0].weight).collect()))
    }

    #[test]
    fn every_change_is_there_again() {
        let run_dir = tempfile::tempdir().unwrap();
        let mut daemon = Daemon::start(run_dir.path());
        for change in 0..20 {
            daemon.change(80 + change % 3, u32::from(change) + 1);
            if change % 7 == 6 {
                daemon.write();
            }
            let (memory, left) = Memory::read(run_dir.path()).unwrap();
            let left = left.unwrap();
            assert_eq!(left.control.with_limits(LIMITS), daemon.control);
            assert_eq!(left.statistics.step(&daemon.statistics), None);
            assert_eq!((memory.line, memory.length), (daemon.memory.line, daemon.memory.length));
        }
    }

    #[test]
    fn a_torn_line_is_the_state_before() {
        let run_dir = tempfile::tempdir().unwrap();
        let mut daemon = Daemon::start(run_dir.path());
        daemon.change(80, 1);
        daemon.change(80, 2);
        let lines = run_dir.path().join(LINES);
        let before = fs::read(&lines).unwrap().len();
        daemon.change(80, 3);
        let whole = fs::read(&lines).unwrap();
        for length in before..whole.len() {
            fs::write(&lines, &whole[..length]).unwrap();
            assert_eq!(left(run_dir.path()), Some((2, vec![2])), "{length} bytes");
        }
        // Of a crash of the machine, zeros may be left, or the end without the middle.
        let zeros = [&whole[..before], &vec![0; whole.len() - before][..]].concat();
        let holes = [&whole[..before], &vec![0; whole.len() - before - 1][..], b"\n"].concat();
        for torn in [zeros, holes] {
            fs::write(&lines, torn).unwrap();
            let (mut memory, there) = Memory::read(run_dir.path()).unwrap();
            assert_eq!(there.unwrap().control.revision(), 2);
            // The next line takes its place.
            memory.add(Line { director: Some(Director::default()), ..Line::default() }).unwrap();
            assert_eq!(left(run_dir.path()), Some((2, vec![2])));
        }
    }

    #[test]
    fn what_is_in_both_files_counts_once() {
        let run_dir = tempfile::tempdir().unwrap();
        let mut daemon = Daemon::start(run_dir.path());
        daemon.change(80, 1);
        daemon.change(81, 2);
        let lines = run_dir.path().join(LINES);
        let text = fs::read(&lines).unwrap();
        daemon.write();
        // As after a crash between the two.
        fs::write(&lines, &text).unwrap();
        assert_eq!(left(run_dir.path()), Some((2, vec![1, 2])));
    }

    #[test]
    fn what_is_missing_is_noticed() {
        let run_dir = tempfile::tempdir().unwrap();
        let mut daemon = Daemon::start(run_dir.path());
        let lines = run_dir.path().join(LINES);
        let mut ends = Vec::new();
        for weight in 1..=3 {
            daemon.change(80, weight);
            ends.push(fs::read(&lines).unwrap().len());
        }
        let whole = fs::read(&lines).unwrap();
        let without = |from: usize, to: usize| [&whole[..from], &whole[to..]].concat();
        let mut other = whole.clone();
        other[ends[0] + 3] ^= 1;
        for wrong in [without(0, ends[0]), without(ends[0], ends[1]), other] {
            fs::write(&lines, wrong).unwrap();
            assert_eq!(left(run_dir.path()), None);
        }
        assert!(!lines.exists(), "nobody takes it up again");
    }

    #[test]
    fn a_line_that_cannot_be_written_leaves_nothing() {
        let run_dir = tempfile::tempdir().unwrap();
        let mut daemon = Daemon::start(run_dir.path());
        daemon.change(80, 1);
        daemon.write();
        let lines = run_dir.path().join(LINES);
        fs::remove_file(&lines).unwrap();
        fs::create_dir(&lines).unwrap();
        let line = || Line { director: Some(Director::default()), ..Line::default() };
        assert!(daemon.memory.add(line()).is_err() && daemon.memory.is_long(), "all is to be written anew");
        fs::remove_dir(&lines).unwrap();
        assert_eq!(left(run_dir.path()), Some((1, vec![1])));
        daemon.memory.add(line()).unwrap();
        daemon.write();
        assert!(!daemon.memory.is_long());
        assert_eq!(left(run_dir.path()), Some((1, vec![1])));
    }
}
