//! Files of what a real kernel recorded: those of tests/golden, and those of the folder that RELVS_GOLDEN names. A record
//! is recognised by its keys, whatever its file is called, and run on the host's tables and in the kernel.

use crate::{
    director::{Director, Taker, in_kernel},
    sequences, states,
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Every line of every file whose name ends in .jsonl: where it stands, and what it says.
fn records(folder: &Path) -> Vec<(String, Value)> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    files.sort();
    let mut records = Vec::new();
    for path in files {
        for (at, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            let place = format!("{}:{}", path.file_name().unwrap().to_string_lossy(), at + 1);
            let record = serde_json::from_str(line).unwrap_or_else(|e| panic!("{place}: {e}"));
            records.push((place, record));
        }
    }
    records
}

/// What of the records is about decisions.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ran {
    sequences: usize,
    states: usize,
    /// Listings and tools' output, whose tests are elsewhere.
    others: usize,
    wrong: Vec<String>,
}

fn run<S: Taker>(director: &mut Director<S>, side: &str, records: &[(String, Value)]) -> Ran {
    let mut ran = Ran::default();
    for (place, record) in records {
        director.forget();
        let outcome = if sequences::is_one(record) {
            ran.sequences += 1;
            sequences::run(director, record)
        } else if states::is_one(record) {
            ran.states += 1;
            states::run(director, record)
        } else {
            ran.others += 1;
            continue;
        };
        if let Err(why) = outcome {
            let name = record.get("name").or(record.get("tag")).and_then(Value::as_str).unwrap_or_default();
            ran.wrong.push(format!("{place} {} {name}, {side}: {why}", record["sched"].as_str().unwrap_or_default()));
        }
    }
    ran
}

fn check(folder: &Path) -> Vec<Ran> {
    let records = records(folder);
    let mut ran = vec![run(&mut Director::in_memory(), "in memory", &records)];
    in_kernel(|kernel| {
        if let Some(kernel) = kernel {
            ran.push(run(&mut Director::with_kernel(kernel), "in the kernel", &records));
        }
    });
    for ran in &ran {
        let Ran { sequences, states, others, wrong } = ran;
        println!("{}: {sequences} sequences, {states} states, {others} others", folder.display());
        assert!(wrong.is_empty(), "{} differ from the recorded ones\n{}", wrong.len(), wrong.join("\n"));
    }
    ran
}

#[test]
fn what_was_recorded_is_repeated() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for ran in check(&own) {
        assert!(ran.sequences >= 139 && ran.states >= 19, "of the repository's own records: {ran:?}");
    }
}

#[test]
fn what_a_named_folder_has_is_repeated() {
    match std::env::var_os("RELVS_GOLDEN") {
        Some(folder) => drop(check(Path::new(&folder))),
        None => println!("skipped: RELVS_GOLDEN names no folder"),
    }
}
