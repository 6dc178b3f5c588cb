//! Generated cases and named ones, the same for relvs and for a real kernel's IPVS.
//!
//! RELVS_SEED begins other cases (it is printed), RELVS_CASES says how many, RELVS_CASE runs one alone.

use crate::{
    answer::Answer,
    case::Case,
    compare::{compare, report, short},
    director::{Director, in_kernel},
    generate, named, oracle,
};
use std::{collections::BTreeMap, panic::resume_unwind, thread};

/// Generated cases of a run.
const CASES: u64 = 325;
/// So many differences are told at length.
const TOLD: usize = 12;
/// The oracle runs on a machine that is busy with other things, and its timers may be late: cases that differ are asked
/// again so often, if there are no more than so many.
const AGAIN: usize = 2;
const MANY: usize = 16;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e}")))
}

/// So much of the listed lines may differ by what is meant to.
const PERCENT: usize = 2;

type Answers = BTreeMap<u64, Vec<Answer>>;

#[test]
fn cases_are_answered_as_by_ipvs() {
    if let Some(why) = relvs_lab::oracle::absent().unwrap() {
        println!("skipped: {why}");
        return;
    }
    let seed = variable("RELVS_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let numbers = 0..variable("RELVS_CASES").unwrap_or(CASES);
    println!("RELVS_SEED={seed}, cases {numbers:?}");
    let named = named::all();
    let shows: BTreeMap<u64, &str> = named.iter().filter_map(|n| Some((n.case.number, n.shows?))).collect();
    let generated = numbers.map(|number| generate::case(seed, number));
    let mut cases: Vec<Case> = generated.chain(named.into_iter().map(|named| named.case)).collect();
    if let Some(one) = variable("RELVS_CASE") {
        cases.retain(|case| case.number == one);
    }
    let (mut ipvs, sides) = thread::scope(|scope| {
        let ipvs = scope.spawn(|| oracle::ask(&cases));
        let sides = relvs(&cases);
        (ipvs.join().unwrap_or_else(|panic| resume_unwind(panic)), sides)
    });

    let all_different = |ipvs: &Answers| -> Vec<Case> {
        cases.iter().filter(|case| wrong(case, &shows, ipvs, &sides).is_some()).cloned().collect()
    };
    let mut different = all_different(&ipvs);
    let first = different.len();
    for _ in 0..AGAIN {
        if different.is_empty() || different.len() > MANY {
            break;
        }
        ipvs.extend(oracle::ask_all(&different));
        different = all_different(&ipvs);
    }
    for case in &cases {
        let refused = case.steps.iter().zip(&ipvs[&case.number]).find(|(_, a)| matches!(a, Answer::Refused(_)));
        if let Some((step, answer)) = refused {
            panic!("case {}: the oracle did not take\n{step}\n{answer}", case.number);
        }
    }
    let different: Vec<Wrong<'_>> = cases.iter().filter_map(|case| wrong(case, &shows, &ipvs, &sides)).collect();
    let steps: usize = cases.iter().map(|case| case.steps.len()).sum();
    let mut allowed = BTreeMap::<&str, usize>::new();
    let unshown = || cases.iter().filter(|case| !shows.contains_key(&case.number));
    for (case, (_, answers)) in unshown().flat_map(|case| sides.iter().map(move |side| (case, side))) {
        let compared = compare(case, &ipvs[&case.number], &answers[&case.number]);
        compared.allowed.into_iter().for_each(|(name, lines)| *allowed.entry(name).or_default() += lines);
    }
    let lines: usize = ipvs.values().flatten().map(Answer::lines).sum::<usize>() * sides.len();
    let left_out: usize = allowed.values().sum();
    println!(
        "{} cases with {steps} steps, all compared; of {lines} listed lines {left_out} were allowed to differ: {allowed:?}; \
         asked again, IPVS answered {} cases as relvs; {} differences",
        cases.len(),
        first - different.len(),
        different.len()
    );
    assert!(left_out * 100 <= lines * PERCENT, "more than {PERCENT} % of the lines were allowed to differ");
    for wrong in different.iter().take(TOLD) {
        println!("{}", wrong.at_length(seed));
    }
    let all: String = different.iter().map(Wrong::in_short).collect();
    assert!(different.is_empty(), "RELVS_SEED={seed}\n{all}");
}

/// A case that was not answered as by IPVS, or that was although it shows a difference.
struct Wrong<'a> {
    case: &'a Case,
    side: &'static str,
    /// Where they differ; nowhere, if they should.
    at: Option<usize>,
    ipvs: &'a [Answer],
    relvs: &'a [Answer],
}

fn wrong<'a>(
    case: &'a Case,
    shows: &BTreeMap<u64, &str>,
    ipvs: &'a Answers,
    sides: &'a [(&'static str, Answers)],
) -> Option<Wrong<'a>> {
    let ipvs = &ipvs[&case.number];
    let expected = shows.get(&case.number).map(|_| case.steps.len() - 1);
    sides.iter().find_map(|(side, answers)| {
        let relvs = &answers[&case.number];
        let at = compare(case, ipvs, relvs).at;
        (at != expected).then_some(Wrong { case, side, at, ipvs, relvs })
    })
}

impl Wrong<'_> {
    fn at_length(&self, seed: u64) -> String {
        let Wrong { case, side, at, ipvs, relvs } = self;
        at.map_or_else(String::new, |at| report(seed, case, side, at, ipvs, relvs))
    }

    fn in_short(&self) -> String {
        let Wrong { case: Case { number, title, steps }, side, at, ipvs, relvs } = self;
        match at {
            Some(at) => {
                format!("{number} ({title}) {side}, step {at}: {}\n{}", steps[*at], short(&ipvs[*at], &relvs[*at]))
            }
            None => format!("{number} ({title}) {side}: as IPVS, and documented as a difference\n"),
        }
    }
}

/// The answers of relvs, on the host's tables and, with privilege, in the kernel.
fn relvs(cases: &[Case]) -> Vec<(&'static str, Answers)> {
    let mut memory = Director::in_memory();
    let mut sides = vec![("in memory", cases.iter().map(|case| (case.number, memory.run(case))).collect())];
    in_kernel(|kernel| {
        if let Some(kernel) = kernel {
            let mut director = Director::with_kernel(kernel);
            sides.push(("in the kernel", cases.iter().map(|case| (case.number, director.run(case))).collect()));
        }
    });
    sides
}
