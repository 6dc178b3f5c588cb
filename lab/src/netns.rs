//! Network namespaces by name: make, enter, list, find who lives inside, remove.
//!
//! Entering changes the calling thread alone (setns(2), CLONE_NEWNET) and keeps its mount namespace. So `/proc/thread-self/net` and
//! `/proc/sys/net` show the namespace, `/sys/class/net` does not. There is no way back: a thread that entered is used up.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns};

/// Where iproute2 keeps named namespaces.
const DIRECTORY: &str = "/run/netns";

fn path(namespace: &str) -> PathBuf {
    Path::new(DIRECTORY).join(namespace)
}

/// Moves the calling thread into the namespace, for the rest of the thread's life.
pub(crate) fn enter(namespace: &str) -> Result<()> {
    let path = path(namespace);
    let file = File::open(&path).with_context(|| format!("{}: cannot open the namespace", path.display()))?;
    setns(file, CloneFlags::CLONE_NEWNET).with_context(|| format!("{}: cannot enter the namespace", path.display()))
}

pub(crate) fn create(namespace: &str) -> Result<()> {
    ip(&["netns", "add", namespace])
}

/// The name goes at once; the namespace itself, with its interfaces, when its last process or socket is gone.
pub(crate) fn delete(namespace: &str) -> Result<()> {
    ip(&["netns", "delete", namespace])
}

fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(arguments).output().context("cannot run `ip`: install iproute2")?;
    if !output.status.success() {
        bail!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Names that begin with `prefix`, sorted.
pub(crate) fn list(prefix: &str) -> Result<Vec<String>> {
    let entries = match fs::read_dir(DIRECTORY) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context(DIRECTORY),
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(prefix))
        .collect();
    names.sort();
    Ok(names)
}

/// Processes whose main thread is in the namespace. The calling process is never among them.
pub(crate) fn processes(namespace: &str) -> Result<Vec<i32>> {
    let path = path(namespace);
    let wanted = fs::metadata(&path).with_context(|| path.display().to_string())?;
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc").context("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        // A process that ended meanwhile, or a zombie, has no namespace to compare.
        let Ok(found) = fs::metadata(entry.path().join("ns/net")) else { continue };
        if (found.dev(), found.ino()) == (wanted.dev(), wanted.ino()) && pid.unsigned_abs() != std::process::id() {
            pids.push(pid);
        }
    }
    Ok(pids)
}
