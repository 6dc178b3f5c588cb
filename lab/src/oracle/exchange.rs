//! What a test asks the guest, and what that answers: JSON, a line for each case, in the folder that both see.
//!
//! The guest's side is an ignored test of the same program. It reads [`CASES`] and writes [`ANSWERS`]: a case's number, and
//! the answers to it.

use super::{FOLDER, Guest};
use anyhow::{Context, Result};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Tells the guest's side where the folder is.
const VARIABLE: &str = "RELVS_ORACLE_FOLDER";
/// The file of the cases.
pub const CASES: &str = "cases.jsonl";
/// The file of the answers.
pub const ANSWERS: &str = "answers.jsonl";
/// Memory of the guest, in MiB.
const MEMORY: u32 = 256;

/// The folder, as the guest's side finds it.
///
/// # Errors
/// This is not the guest.
pub fn folder() -> Result<PathBuf> {
    std::env::var_os(VARIABLE).map(PathBuf::from).with_context(|| format!("{VARIABLE} is not set"))
}

/// What the ignored test `driver`, run in the guest, answers to the cases, by their numbers; and how it ended. It has
/// answered some of them where it failed. `folder` is empty, and the caller's.
///
/// # Errors
/// The folder cannot be written, or an answer cannot be read.
pub fn ask<C: Serialize, A: DeserializeOwned>(
    driver: &str,
    cases: &[C],
    folder: &Path,
    limit: Duration,
) -> Result<(BTreeMap<u64, A>, Result<()>)> {
    let mut lines = String::new();
    for case in cases {
        lines += &serde_json::to_string(case)?;
        lines.push('\n');
    }
    fs::write(folder.join(CASES), lines)?;
    let arguments = ["--ignored", "--exact", driver, "--nocapture", "--test-threads=1"];
    let guest = Guest {
        program: std::env::current_exe()?,
        arguments: arguments.map(str::to_owned).to_vec(),
        environment: vec![(VARIABLE.to_owned(), FOLDER.to_owned())],
        folder: folder.to_owned(),
        memory: MEMORY,
        limit,
    };
    let ended = guest.run().map(drop);
    let text = fs::read_to_string(folder.join(ANSWERS)).unwrap_or_default();
    let answers = text.lines().map(serde_json::from_str).collect::<serde_json::Result<_>>()?;
    Ok((answers, ended))
}
