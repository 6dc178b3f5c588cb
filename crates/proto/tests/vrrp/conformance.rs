//! Recorded cases: what happens, and what the machine does, line by line (`conformance/*.txt`).
//!
//! Lines that begin with `|` are what the machine does; `RELVS_REGENERATE=1` writes them anew. All others are the case:
//! `case`, `from` (the RFC's section), `router` and `group` (settings; later ones are for the next `reload`), and what happens
//! at which second.

use crate::script::{Run, settings};
use std::{fmt::Write as _, fs, path::PathBuf};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vrrp/conformance")
}

/// The text of a file with the machine's lines made anew, and its cases' names.
fn played(text: &str) -> (String, Vec<String>) {
    let (mut out, mut names) = (String::new(), Vec::new());
    let mut run: Option<Run> = None;
    let mut heads: Vec<String> = Vec::new();
    let mut reloading = false;
    for line in text.lines().filter(|line| !line.trim_start().starts_with('|')) {
        let words = line.trim();
        let word = words.split(' ').next().unwrap_or_default();
        let mut before = String::new();
        match word {
            "" | "#" | "from" => {}
            "case" => {
                run = None;
                heads.clear();
                reloading = false;
                names.push(words.to_owned());
            }
            "router" | "group" | "startup-delay" => {
                // After something has happened these are the other settings of a reload.
                if run.is_some() && !reloading {
                    heads.clear();
                    reloading = true;
                }
                heads.push(words.to_owned());
            }
            _ => {
                let run = run.get_or_insert_with(|| Run::new(&settings(&heads)));
                let (at, what) = words.split_once(' ').unwrap_or_else(|| panic!("`{line}`: a time and what happens"));
                let at = at.parse::<f64>().unwrap_or_else(|_| panic!("`{line}`: `{at}` is no time"));
                let at = std::time::Duration::from_nanos((at * 1e9).round() as u64);
                for said in run.until(at) {
                    writeln!(before, "        | {said}").unwrap();
                }
                out.push_str(&before);
                writeln!(out, "{}", line.trim_end()).unwrap();
                let happens = if what == "reload" { run.reload(at, &heads) } else { run.happens(at, what) };
                reloading = false;
                for said in happens {
                    writeln!(out, "        | {said}").unwrap();
                }
                continue;
            }
        }
        writeln!(out, "{}", line.trim_end()).unwrap();
    }
    (out, names)
}

#[test]
fn recorded_cases_are_repeated() {
    let mut files: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let (now, names) = played(&text);
        cases.extend(names.iter().map(|name| format!("{} {name}", file.display())));
        if std::env::var_os("RELVS_REGENERATE").is_some() {
            fs::write(&file, now).unwrap();
            continue;
        }
        let different = text.lines().zip(now.lines()).position(|(recorded, now)| recorded != now);
        if text != now {
            let at = different.unwrap_or_else(|| text.lines().count().min(now.lines().count()));
            panic!(
                "{}:{}: recorded\n  {}\nbut now it is\n  {}\nRELVS_REGENERATE=1 records it anew",
                file.display(),
                at + 1,
                text.lines().nth(at).unwrap_or("the end"),
                now.lines().nth(at).unwrap_or("the end"),
            );
        }
    }
    let count = cases.len();
    assert!(count >= 60, "only {count} cases were found");
    cases.sort();
    cases.dedup();
    assert_eq!(cases.len(), count, "two cases have one name");
}
