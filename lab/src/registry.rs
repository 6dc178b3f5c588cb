//! Which labs exist on this machine, who owns them, and how to remove one: also one whose owner was killed.
//!
//! A lab is claimed by its state file, `/run/relvs-lab/<name>.json`, before anything else of it exists; its directory beside it holds logs,
//! configurations and the run directories of its directors. A lab is gone when processes, mounts, namespaces, directory and file are.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::netns;
use crate::plan::Plan;

/// State files and directories of all labs.
const DIRECTORY: &str = "/run/relvs-lab";
/// What every namespace's name begins with; then the lab's name, `-`, the node's name.
const PREFIX: &str = "relvs-";
/// Digits of a lab's name.
const NAME_LENGTH: usize = 4;
/// After SIGTERM a process has this long before SIGKILL.
const GRACE: Duration = Duration::from_secs(3);
/// After SIGKILL a process is looked for this long.
const REAP: Duration = Duration::from_secs(5);

/// What is known about a lab besides its namespaces.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// Four hexadecimal digits.
    pub name: String,
    /// `None` while it is being laid out.
    pub plan: Option<Plan>,
    /// The process that removes it, or `None` for one that stays until `relvs lab down`.
    pub owner: Option<Owner>,
    /// Processes that `relvs lab up` left running, for the list.
    pub processes: Vec<Started>,
}

/// A process, told apart from a later one with the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Process id.
    pub pid: u32,
    /// Its start, in clock ticks after boot (proc_pid_stat(5), field 22).
    pub start: u64,
}

/// A process left running in a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The node's short name.
    pub node: String,
    /// What it is, for people.
    pub what: String,
    /// Process id.
    pub pid: u32,
}

/// Whether a lab is still wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Made by `relvs lab up`.
    Up,
    /// Belongs to a running test or demo with this process id.
    Owned(u32),
    /// Its owner is dead, or nobody knows whose it was.
    Leftover,
}

/// A lab found on this machine.
#[derive(Debug, Clone)]
pub struct Found {
    /// Four hexadecimal digits.
    pub name: String,
    /// Whether it is still wanted.
    pub status: Status,
    /// Its state, if the file is there and readable.
    pub state: Option<State>,
    /// Names of its namespaces.
    pub namespaces: Vec<String>,
}

impl Owner {
    pub(crate) fn current() -> Result<Self> {
        let pid = std::process::id();
        Ok(Self { pid, start: start_of(pid).context("/proc/self/stat is not readable")? })
    }

    fn is_alive(self) -> bool {
        start_of(self.pid) == Some(self.start)
    }
}

fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name, in parentheses, may hold spaces and parentheses.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?;
    // A zombie owns nothing any more. The start is field 22, the state is field 3.
    (state != "Z").then(|| fields.nth(18)?.parse().ok()).flatten()
}

/// The namespace of a node.
pub(crate) fn namespace(lab: &str, node: &str) -> String {
    format!("{PREFIX}{lab}-{node}")
}

/// The lab's own directory.
pub(crate) fn directory(lab: &str) -> PathBuf {
    Path::new(DIRECTORY).join(lab)
}

fn file(lab: &str) -> PathBuf {
    Path::new(DIRECTORY).join(format!("{lab}.json"))
}

/// Takes a free name, with a state file and a directory.
pub(crate) fn claim(owner: Option<Owner>) -> Result<State> {
    const ATTEMPTS: usize = 64;
    fs::create_dir_all(DIRECTORY).context(DIRECTORY)?;
    for _ in 0..ATTEMPTS {
        let mut random = [0; NAME_LENGTH / 2];
        File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random)).context("/dev/urandom")?;
        let name = format!("{:04x}", u16::from_le_bytes(random));
        let state = State { name: name.clone(), plan: None, owner, processes: Vec::new() };
        match OpenOptions::new().write(true).create_new(true).open(file(&name)) {
            Ok(mut file) => file.write_all(&serde_json::to_vec(&state)?).context("state file")?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error).with_context(|| file(&name).display().to_string()),
        }
        if netns::list(&namespace(&name, ""))?.is_empty() {
            fs::create_dir_all(directory(&name).join("log")).context("lab directory")?;
            return Ok(state);
        }
        // Namespaces without a file: somebody's leftovers, not ours to reuse.
        fs::remove_file(file(&name)).context("state file")?;
    }
    bail!("no free lab name after {ATTEMPTS} attempts: remove leftovers with `relvs lab down --all`");
}

/// Replaces the state file in one step.
pub(crate) fn store(state: &State) -> Result<()> {
    let path = file(&state.name);
    let fresh = path.with_extension("new");
    fs::write(&fresh, serde_json::to_vec_pretty(state)?).with_context(|| fresh.display().to_string())?;
    fs::rename(&fresh, &path).with_context(|| path.display().to_string())
}

/// Every lab on this machine, by name.
///
/// # Errors
/// A directory exists and cannot be read.
pub fn list() -> Result<Vec<Found>> {
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    let blank =
        |name: &str| Found { name: name.to_owned(), status: Status::Leftover, state: None, namespaces: Vec::new() };
    // Namespaces first: a lab that appears meanwhile has its file before its first namespace.
    for namespace in netns::list(PREFIX)? {
        let Some((name, _)) = namespace[PREFIX.len()..].split_once('-') else { continue };
        if is_name(name) {
            let name = name.to_owned();
            found.entry(name.clone()).or_insert_with(|| blank(&name)).namespaces.push(namespace);
        }
    }
    let entries = match fs::read_dir(DIRECTORY) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found.into_values().collect()),
        Err(error) => return Err(error).context(DIRECTORY),
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Some(name) = path.file_stem().and_then(|stem| stem.to_str()).filter(|name| is_name(name)) else { continue };
        let lab = found.entry(name.to_owned()).or_insert_with(|| blank(name));
        if let Ok(state) = read(&file(name)) {
            lab.status = match state.owner {
                None => Status::Up,
                Some(owner) if owner.is_alive() => Status::Owned(owner.pid),
                Some(_) => Status::Leftover,
            };
            lab.state = Some(state);
        }
    }
    Ok(found.into_values().collect())
}

fn is_name(name: &str) -> bool {
    name.len() == NAME_LENGTH && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn read(path: &Path) -> Result<State> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// Ends every process in the lab's namespaces (SIGTERM, then SIGKILL), unmounts what is mounted in its directory, removes namespaces,
/// directory and state file. Goes on after an error, so that as much as possible is gone.
///
/// # Errors
/// The first thing that could not be removed.
pub fn remove(name: &str) -> Result<()> {
    remove_after(name, GRACE)
}

pub(crate) fn remove_after(name: &str, grace: Duration) -> Result<()> {
    if !is_name(name) {
        bail!("{name}: not the name of a lab (four hexadecimal digits): see `relvs lab list`");
    }
    let namespaces = netns::list(&namespace(name, ""))?;
    let mut outcome = end_processes(&namespaces, grace);
    let mut also = |result: Result<()>| {
        if outcome.is_ok() {
            outcome = result;
        }
    };
    also(unmount_below(&directory(name)));
    for namespace in &namespaces {
        also(netns::delete(namespace));
    }
    for removed in [fs::remove_dir_all(directory(name)), fs::remove_file(file(name))] {
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => also(Err(error).context("lab directory")),
            _ => {}
        }
    }
    outcome
}

fn end_processes(namespaces: &[String], grace: Duration) -> Result<()> {
    let rounds = [(Signal::SIGTERM, grace), (Signal::SIGKILL, REAP)];
    for (signal, limit) in rounds.into_iter().filter(|(_, limit)| !limit.is_zero()) {
        let deadline = Instant::now() + limit;
        let mut signalled = Vec::new();
        loop {
            let mut left = Vec::new();
            for namespace in namespaces {
                left.extend(netns::processes(namespace)?);
            }
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                break;
            }
            for pid in left {
                if !signalled.contains(&pid) {
                    // It may have ended since it was listed.
                    let _ = kill(Pid::from_raw(pid), signal);
                    signalled.push(pid);
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    bail!("processes in {} are still running after SIGKILL", namespaces.join(" "));
}

/// A director mounts a bpffs in its run directory, and leaves it there on purpose.
fn unmount_below(directory: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("/proc/self/mountinfo")?;
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(Path::new);
    let mut points: Vec<&Path> = points.filter(|point| point.starts_with(directory)).collect();
    points.sort();
    // What was mounted inside another mount goes first.
    for point in points.into_iter().rev() {
        umount2(point, MntFlags::MNT_DETACH).with_context(|| format!("cannot unmount {}", point.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_this_process_and_not_another_with_its_id() {
        let owner = Owner::current().unwrap();
        assert!(owner.is_alive());
        assert!(!Owner { start: owner.start + 1, ..owner }.is_alive());
        assert!(!Owner { pid: u32::MAX, ..owner }.is_alive());
    }

    #[test]
    fn only_four_hexadecimal_digits_name_a_lab() {
        assert!(is_name("3fa1"));
        for wrong in ["", "3fa", "3fa11", "../x", "c---", "zzzz"] {
            assert!(!is_name(wrong), "{wrong}");
            assert!(remove(wrong).is_err());
        }
    }
}
