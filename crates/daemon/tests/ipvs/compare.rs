//! Compares what two directors answered to a case, step by step, and says where they differ first.

use crate::{
    allowed::{OWN_ANSWERS, OwnAnswers, without},
    answer::{Answer, Connection, Look},
    case::Case,
};
use std::{collections::BTreeMap, fmt::Write as _};

/// Seconds by which remaining times may differ: each side rounds, and a case takes some time in the oracle's guest.
const SECONDS: u32 = 4;
/// relvs's coarse second is up to so many thousandths longer or shorter than a second.
const SKEW: u32 = 25;

/// What came of a comparison.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    /// The first step at which they differ, if any.
    pub(crate) at: Option<usize>,
    /// How many lines of IPVS's looks and statistics were left out or allowed to differ, by the difference's name.
    pub(crate) allowed: BTreeMap<&'static str, usize>,
}

/// The two answers to each step of a case.
pub(crate) fn compare(case: &Case, ipvs: &[Answer], relvs: &[Answer]) -> Compared {
    assert_eq!((case.steps.len(), ipvs.len()), (ipvs.len(), relvs.len()), "answers of case {}", case.number);
    let mut compared = Compared::default();
    compared.at = (0..ipvs.len()).find(|at| !same(case, ipvs, *at, &relvs[*at], &mut compared.allowed));
    compared
}

fn same(case: &Case, ipvs: &[Answer], at: usize, relvs: &Answer, allowed: &mut BTreeMap<&'static str, usize>) -> bool {
    let own = || OwnAnswers::before(case, ipvs, at);
    match (&ipvs[at], relvs) {
        (Answer::Look(a), Answer::Look(b)) if a.servers == b.servers && connections(a, b) => true,
        (Answer::Look(a), Answer::Look(b)) => {
            let (a, lines) = without(a, b, &own());
            lines.into_iter().for_each(|(name, lines)| *allowed.entry(name).or_default() += lines);
            a.servers == b.servers && connections(&a, b)
        }
        (Answer::Statistics(a), Answer::Statistics(b)) => {
            let (own, more) = (own(), a.iter().zip(b).filter(|(a, b)| a != b).count());
            *allowed.entry(OWN_ANSWERS).or_default() += more;
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| own.same(a, b))
        }
        (a, b) => a == b,
    }
}

fn connections(a: &Look, b: &Look) -> bool {
    a.connections.len() == b.connections.len() && a.connections.iter().zip(&b.connections).all(|(a, b)| alike(a, b))
}

fn alike(a: &Connection, b: &Connection) -> bool {
    let allowed = SECONDS + a.expires_s * SKEW / 1000;
    a.expires_s.abs_diff(b.expires_s) <= allowed && *a == Connection { expires_s: a.expires_s, ..b.clone() }
}

/// The story up to the difference, both answers, and how to see it again.
pub(crate) fn report(seed: u64, case: &Case, side: &str, at: usize, ipvs: &[Answer], relvs: &[Answer]) -> String {
    let mut text = format!("case {} of seed {seed}, {}: relvs {side} differs at step {at}\n", case.number, case.title);
    for (step, answer) in case.steps[..at].iter().zip(ipvs) {
        let _ = writeln!(text, "{step}");
        if !matches!(answer, Answer::Done | Answer::Look(_)) {
            let _ = writeln!(text, "    # {answer}");
        }
    }
    let _ = writeln!(text, "{}\n  IPVS: {}\n  relvs: {}", case.steps[at], ipvs[at], relvs[at]);
    text.push_str(&short(&ipvs[at], &relvs[at]));
    let number = case.number;
    let _ =
        writeln!(text, "again: RELVS_SEED={seed} RELVS_CASE={number} cargo test -p relvs-daemon --test ipvs generated");
    text
}

/// The two answers to one step; of looks only what is not in both.
pub(crate) fn short(ipvs: &Answer, relvs: &Answer) -> String {
    match (ipvs, relvs) {
        (Answer::Look(a), Answer::Look(b)) => lines("IPVS", &only(a, b)) + &lines("relvs", &only(b, a)),
        (a, b) => format!("  IPVS: {a}\n  relvs: {b}\n"),
    }
}

fn lines(who: &str, lines: &[String]) -> String {
    lines.iter().map(|line| format!("  only {who}: {line}\n")).collect()
}

/// What one look has and the other has not, or has more often.
fn only(a: &Look, b: &Look) -> Vec<String> {
    let mut rest: Vec<&Connection> = b.connections.iter().collect();
    let alone = |c: &&Connection| {
        let at = rest.iter().position(|d| alike(c, d));
        at.map(|at| rest.swap_remove(at)).is_none()
    };
    let counts = a.servers.iter().filter(|c| !b.servers.contains(c)).map(|c| format!("{c:?}"));
    let counts: Vec<String> = counts.collect();
    counts.into_iter().chain(a.connections.iter().filter(alone).map(ToString::to_string)).collect()
}
