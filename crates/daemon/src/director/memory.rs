//! What the next daemon has to know and the tables do not say: `control.json` of the run directory.
//!
//! One file, so that the numbers of destinations and what those had that were forgotten are always of the same moment.

use super::Error;
use crate::files;
use relvs_control::{Control, Statistics};
use relvs_model::Director;
use serde::{Deserialize, Serialize};
use std::{fs, io, path::Path};

const FILE: &str = "control.json";
/// How large the tables are; the dataplane's own.
const SHAPE: &str = "shape.json";

/// What was applied when the daemon before wrote it down.
#[derive(Deserialize)]
pub(super) struct Memory {
    pub(super) control: Control,
    pub(super) statistics: Statistics,
    /// Missing where an earlier version wrote it.
    #[serde(default)]
    pub(super) director: Option<Director>,
}

/// The same, to be written.
#[derive(Serialize)]
struct Written<'a> {
    control: &'a Control,
    statistics: &'a Statistics,
    director: &'a Director,
}

/// What an earlier daemon left. Without it nobody knows whose the destinations are: then tables that are left would be
/// strangers', and are given up.
pub(super) fn read(run_dir: &Path) -> Result<Option<Memory>, Error> {
    let left = fs::read(run_dir.join(FILE)).ok().and_then(|text| serde_json::from_slice(&text).ok());
    if left.is_none() {
        let shape = run_dir.join(SHAPE);
        match fs::remove_file(&shape) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::File { path: shape, source: e }),
            _ => {}
        }
    }
    Ok(left)
}

/// Writes down what is applied, or will be in a moment.
pub(super) fn write(
    run_dir: &Path,
    control: &Control,
    statistics: &Statistics,
    director: &Director,
) -> Result<(), Error> {
    let path = run_dir.join(FILE);
    let text = serde_json::to_vec(&Written { control, statistics, director }).map_err(io::Error::other);
    text.and_then(|text| files::write(&path, &text)).map_err(|source| Error::File { path, source })
}

/// Leaves nothing to the next daemon.
pub(super) fn remove(run_dir: &Path) -> Result<(), Error> {
    for name in [FILE, SHAPE] {
        let path = run_dir.join(name);
        fs::remove_file(&path).map_err(|source| Error::File { path, source })?;
    }
    Ok(())
}
