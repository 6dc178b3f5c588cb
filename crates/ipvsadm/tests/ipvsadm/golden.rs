//! Transcripts of the real ipvsadm on a real kernel: those of tests/golden, and those of the folder that RELVS_GOLDEN
//! names. A file is of this form if its records have `cmd`, `setup` and `stdout`; other files are left alone.

use crate::memory::{Memory, Output};
use relvs_ipvsadm::{DIFFERENCES, Failure, Restore};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

#[derive(Debug, Deserialize)]
struct Record {
    id: String,
    cmd: String,
    setup: Vec<Before>,
    stdin: Option<String>,
    stdout: String,
    stderr: String,
    exit: u8,
    #[serde(default)]
    after: Vec<After>,
}

/// A command that is run first, perhaps with input.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Before {
    Plain(String),
    Fed(String, Option<String>),
}

#[derive(Debug, Deserialize)]
struct After {
    cmd: String,
    stdout: String,
    stderr: String,
    exit: u8,
}

/// How the records of a folder came out.
#[derive(Debug, Default)]
struct Ran {
    same: usize,
    /// The same, but for what was put in by hand, by the names of the differences.
    with: BTreeMap<&'static str, usize>,
    /// Different, by the name of the difference.
    differ: BTreeMap<&'static str, Vec<String>>,
    /// Commands that are none of ours, or of a kernel's own files.
    others: Vec<String>,
    wrong: Vec<String>,
}

fn records(folder: &Path) -> Vec<Record> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    let mut records = Vec::new();
    for path in paths {
        for (at, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{path:?}:{}: {e}", at + 1));
            if ["cmd", "setup", "stdout"].iter().all(|key| value.get(key).is_some()) {
                let record = serde_json::from_value(value).unwrap_or_else(|e| panic!("{path:?}:{}: {e}", at + 1));
                records.push(record);
            }
        }
    }
    records
}

/// What the command, and then those that look at what it left, are to say.
fn expected(record: &Record) -> Vec<Output> {
    let output =
        |stdout: &str, stderr: &str, exit| Output { stdout: stdout.to_owned(), stderr: stderr.to_owned(), exit };
    let after = record.after.iter().map(|after| output(&after.stdout, &after.stderr, after.exit));
    std::iter::once(output(&record.stdout, &record.stderr, record.exit)).chain(after).collect()
}

/// What they say here; none if the command is another program's.
fn said(record: &Record, restore: Restore) -> Option<(Vec<Output>, BTreeSet<&'static str>)> {
    let mut memory = Memory::default();
    for before in &record.setup {
        let (line, stdin) = match before {
            Before::Plain(line) => (line, ""),
            Before::Fed(line, stdin) => (line, stdin.as_deref().unwrap_or_default()),
        };
        memory.line(line, stdin, restore)?;
    }
    let output = if record.cmd.starts_with("setpriv --reuid=") && record.cmd.contains(" ipvsadm ") {
        // Whoever is not root is told so, whatever was asked.
        let Failure { stderr, exit, .. } = Failure::no_permission();
        Output { stdout: String::new(), stderr, exit }
    } else {
        memory.line(&record.cmd, record.stdin.as_deref().unwrap_or_default(), restore)?
    };
    let mut outputs = vec![output];
    for after in &record.after {
        outputs.push(memory.line(&after.cmd, "", restore)?);
    }
    Some((outputs, memory.met))
}

fn run(records: &[Record], restore: Restore) -> Ran {
    let mut ran = Ran::default();
    for record in records {
        let Some((said, met)) = said(record, restore) else {
            ran.others.push(record.id.clone());
            continue;
        };
        let expected = expected(record);
        if said == expected {
            ran.same += 1;
            met.into_iter().for_each(|name| *ran.with.entry(name).or_default() += 1);
        } else if met.contains("sync-daemon") {
            ran.differ.entry("sync-daemon").or_default().push(record.id.clone());
        } else if restore == Restore::Atomic
            && said[0].stderr.starts_with(&expected[0].stderr)
            && said[0].stderr.ends_with(": nothing was changed\n")
            && said[0].exit == expected[0].exit
        {
            ran.differ.entry("restore").or_default().push(record.id.clone());
        } else {
            ran.wrong.push(format!("{}\n   is {said:?}\n  not {expected:?}", record.id));
        }
    }
    let names: BTreeSet<&str> = DIFFERENCES.iter().map(|difference| difference.name).collect();
    for name in ran.with.keys().chain(ran.differ.keys()) {
        assert!(names.contains(name), "{name} is no difference that is told");
    }
    ran
}

fn check(folder: &Path, restore: Restore) -> Ran {
    let ran = run(&records(folder), restore);
    let Ran { same, with, differ, others, wrong } = &ran;
    println!("{} ({restore:?}): {same} the same, of which with what relvs has not {with:?}", folder.display());
    println!("different on purpose: {differ:?}; not ours: {others:?}");
    assert!(wrong.is_empty(), "{} differ from the recorded ones\n{}", wrong.len(), wrong.join("\n"));
    ran
}

#[test]
fn what_was_recorded_is_repeated() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let ran = check(&own, Restore::Original);
    assert!(ran.same >= 184, "{ran:?}");
    let daemons = ["daemon00", "daemon03", "daemon04", "daemon06", "daemon20", "daemon21", "daemon22"];
    let differ: Vec<&str> = ran.differ["sync-daemon"].iter().map(|id| id.split(':').next().unwrap()).collect();
    assert_eq!((differ, ran.differ.len()), (daemons.to_vec(), 1));
    assert!(ran.others.iter().all(|id| id.starts_with("proc:")), "{:?}", ran.others);
}

#[test]
fn restoring_all_or_nothing_differs_only_where_a_line_fails() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let ran = check(&own, Restore::Atomic);
    assert_eq!(ran.differ["restore"], ["restore:bad line in the middle", "restore:comment and blank"]);
}

#[test]
fn what_a_named_folder_has_is_repeated() {
    match std::env::var_os("RELVS_GOLDEN") {
        Some(folder) => drop(check(Path::new(&folder), Restore::Original)),
        None => println!("skipped: RELVS_GOLDEN names no folder"),
    }
}
