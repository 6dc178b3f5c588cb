//! Generated command lines, the same for relvs and for the real ipvsadm on a real kernel: output, errors, exit codes and
//! what is left in the table are compared to the byte.
//!
//! RELVS_SEED begins other cases (it is printed), RELVS_CASES says how many, RELVS_CASE runs one alone.

use crate::{
    generate::{self, Case, Step},
    memory::{Memory, Output},
    names::Machine,
};
use relvs_ipvsadm::Restore;
use relvs_lab::oracle;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Cases of a run; each has three to seven generated command lines, and three that look at the table.
const CASES_OF_A_RUN: u64 = 120;
/// So many generated lines at least are compared in a run; a tenth of them wrong ones, and not half.
const LINES_OF_A_RUN: usize = 500;
/// The longest that a guest may take for each case, and besides.
const PER_CASE: Duration = Duration::from_secs(3);
const BOOT: Duration = Duration::from_secs(60);
/// So many differences are told.
const TOLD: usize = 20;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e}")))
}

fn ask(cases: &[Case]) -> BTreeMap<u64, Vec<Output>> {
    let folder = tempfile::tempdir().unwrap();
    let limit = BOOT + PER_CASE * cases.len() as u32;
    let (answers, ended) = oracle::ask::<_, Vec<Output>>("guest::drive", cases, folder.path(), limit).unwrap();
    if let Err(error) = ended {
        let next = cases.iter().find(|case| !answers.contains_key(&case.number));
        panic!("the oracle failed in {next:?}: {error:#}");
    }
    answers
}

/// How a case came out here and there.
enum Compared {
    Same,
    /// Another answer for a reason that is told; what follows means nothing.
    Otherwise(&'static str),
    Different(String),
}

fn compare(case: &Case, answers: &[Output], names: &Machine) -> (usize, Compared) {
    let mut memory = Memory::default();
    for (at, (Step { words, stdin }, answer)) in case.steps.iter().zip(answers).enumerate() {
        let said = memory.run(words, stdin, Restore::Original, names).unwrap();
        if said != *answer {
            let otherwise = memory.met.iter().find(|name| matches!(**name, "no-scheduler" | "sync-daemon"));
            if let Some(name) = otherwise {
                return (at, Compared::Otherwise(name));
            }
            let before: Vec<String> = case.steps[..at].iter().map(|step| format!("{step:?}")).collect();
            let before = before.join("\n   ");
            let line = format!("   {before}\n-> {words:?} {stdin:?}\n   is {said:?}\n  not {answer:?}");
            return (at, Compared::Different(format!("case {}:\n{line}", case.number)));
        }
    }
    (case.steps.len(), Compared::Same)
}

#[test]
fn generated_command_lines_are_answered_as_by_ipvsadm() {
    if let Some(why) = oracle::absent().unwrap() {
        println!("skipped: {why}");
        return;
    }
    let seed = variable("RELVS_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let count = variable("RELVS_CASES").unwrap_or(CASES_OF_A_RUN);
    println!("RELVS_SEED={seed}, {count} cases");
    let mut cases: Vec<Case> = (0..count).map(|number| generate::case(seed, number)).collect();
    if let Some(one) = variable("RELVS_CASE") {
        cases.retain(|case| case.number == one);
    }
    let begin = Instant::now();
    let answers = ask(&cases);
    let names = Machine::new();
    let (mut same, mut generated, mut failed) = (0, 0, 0);
    let mut otherwise = BTreeMap::<&str, usize>::new();
    let mut different = Vec::new();
    for case in &cases {
        let (lines, compared) = compare(case, &answers[&case.number], &names);
        same += lines;
        generated += lines.min(case.steps.len() - generate::LOOKS);
        failed += answers[&case.number].iter().take(lines).filter(|answer| answer.exit != 0).count();
        match compared {
            Compared::Same => {}
            Compared::Otherwise(name) => *otherwise.entry(name).or_default() += 1,
            Compared::Different(text) => different.push(text),
        }
    }
    println!("{same} command lines the same, {generated} generated, {failed} wrong ones, in {:?}", begin.elapsed());
    println!("cases that end with a difference on purpose: {otherwise:?}");
    let told = different.iter().take(TOLD).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(different.is_empty(), "{} cases differ, RELVS_SEED={seed}\n{told}", different.len());
    assert!(otherwise.values().sum::<usize>() * 10 <= cases.len() || cases.len() == 1, "{otherwise:?}");
    if count >= CASES_OF_A_RUN && cases.len() as u64 == count {
        assert!(generated >= LINES_OF_A_RUN, "only {generated} generated lines were compared");
        assert!(failed * 10 >= generated && failed * 2 <= same, "{failed} wrong lines of {same}");
    }
}
