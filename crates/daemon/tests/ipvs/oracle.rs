//! Asks a real kernel: one boot of the guest for all cases of a run.
//!
//! RELVS_ANSWERS names a folder where answers are kept: what was asked before is not asked again.

use crate::{
    answer::Answer,
    case::{Case, Step},
    guest::{ANSWERS, CASES, FOLDER},
};
use relvs_lab::oracle::Guest;
use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::Write as _,
    path::Path,
    time::Duration,
};

/// The longest that a guest may take for each case, and besides.
const PER_CASE: Duration = Duration::from_secs(2);
const BOOT: Duration = Duration::from_secs(60);

/// What the kernel answered to each step of each case, by the cases' numbers.
pub(crate) fn ask(cases: &[Case]) -> BTreeMap<u64, Vec<Answer>> {
    let Some(folder) = std::env::var_os("RELVS_ANSWERS") else { return ask_all(cases) };
    let kept = Path::new(&folder).join("answers.jsonl");
    let before = fs::read_to_string(&kept).unwrap_or_default();
    let mut known: HashMap<Vec<Step>, Vec<Answer>> = before.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let new: Vec<Case> = cases.iter().filter(|case| !known.contains_key(&case.steps)).cloned().collect();
    if !new.is_empty() {
        let mut file = File::options().append(true).create(true).open(&kept).unwrap();
        let mut answers = ask_all(&new);
        for case in new {
            let said = (case.steps, answers.remove(&case.number).unwrap());
            writeln!(file, "{}", serde_json::to_string(&said).unwrap()).unwrap();
            known.insert(said.0, said.1);
        }
    }
    cases.iter().map(|case| (case.number, known[&case.steps].clone())).collect()
}

/// The same, of every case.
pub(crate) fn ask_all(cases: &[Case]) -> BTreeMap<u64, Vec<Answer>> {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = cases.iter().map(|case| serde_json::to_string(case).unwrap() + "\n").collect();
    fs::write(folder.path().join(CASES), lines).unwrap();
    let limit = BOOT + PER_CASE * cases.len() as u32;
    let guest = Guest::of_test("guest::drive", FOLDER, folder.path(), limit).unwrap();
    let printed = guest.run();
    let answers = fs::read_to_string(folder.path().join(ANSWERS)).unwrap_or_default();
    let answers: BTreeMap<u64, Vec<Answer>> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    if let Err(error) = printed {
        let next = cases.iter().find(|case| !answers.contains_key(&case.number)).map(|case| case.number);
        panic!("the oracle failed in case {next:?}: {error:#}");
    }
    answers
}
