//! Runs the tests, and says of a failure whether it stays.
//!
//! Most tests send real packets through namespaces, on machines that are busy or slow with other things. A test that failed
//! is run again by itself: if it passes [`AGAIN`] times in a row, it is named as unsteady, and the run goes on; else, or if
//! more than a few failed, the run has failed. An unsteady test is a fault to be mended, of the test or of what it tests.

use crate::shell;
use anyhow::{Context as _, Result, bail};
use std::process::Command;

/// So often must a test pass alone that failed among the others.
const AGAIN: usize = 3;
/// If more tests than this failed, no machine's mood is the cause.
const FEW: usize = 4;

/// A program of tests, as cargo is told to run it alone, and its tests that failed.
#[derive(Debug, PartialEq, Eq)]
struct Failed {
    program: Vec<String>,
    tests: Vec<String>,
}

/// What a run has printed so far.
#[derive(Debug, Default)]
struct Record {
    /// Names since the last program's end.
    tests: Vec<String>,
    /// How many there should be, as the program itself counts.
    counted: usize,
    failed: Vec<Failed>,
    /// A program ended otherwise than by failed tests: it did not build, or crashed.
    broken: bool,
}

impl Record {
    fn read(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.tests.push(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("test result: FAILED. ") {
            let number = rest.split(';').find_map(|part| part.trim().strip_suffix(" failed"));
            self.counted = number.and_then(|number| number.parse().ok()).unwrap_or(usize::MAX);
        } else if let Some(rest) = line.strip_prefix("error: ") {
            match rest.split_once("to rerun pass `").and_then(|(_, rest)| rest.split_once('`')) {
                Some((program, _)) if !self.tests.is_empty() && self.tests.len() == self.counted => {
                    let program = program.split_whitespace().map(str::to_owned).collect();
                    self.failed.push(Failed { program, tests: std::mem::take(&mut self.tests) });
                }
                // Cargo's own last word, after what it has said of each.
                None if rest.ends_with("failed:") || rest.ends_with("failed") => {}
                _ => self.broken = true,
            }
            self.counted = 0;
        }
    }

    /// The failures that are worth another look.
    fn worth_it(self) -> Option<Vec<Failed>> {
        let number: usize = self.failed.iter().map(|failed| failed.tests.len()).sum();
        let whole = !self.broken && self.tests.is_empty();
        (whole && (1..=FEW).contains(&number)).then_some(self.failed)
    }
}

/// Runs `cargo test` with these arguments. `prepare` gives each cargo the environment that the tests need.
pub(crate) fn run(arguments: &[&str], prepare: impl Fn(&mut Command)) -> Result<()> {
    let mut tests = shell::cargo();
    tests.arg("test").args(arguments);
    prepare(&mut tests);
    let mut record = Record::default();
    let Err(error) = shell::run_and_read(&mut tests, |line| record.read(line)) else { return Ok(()) };
    let Some(failures) = record.worth_it() else { return Err(error) };
    let mut unsteady = Vec::new();
    for Failed { program, tests } in failures {
        for name in tests {
            println!("\n{name} failed; it is run again by itself, {AGAIN} times");
            for _ in 0..AGAIN {
                let mut alone = shell::cargo();
                alone.arg("test").args(&program).args(["--", "--exact", &name]);
                prepare(&mut alone);
                let mut passed = false;
                shell::run_and_read(&mut alone, |line| passed |= line == format!("test {name} ... ok"))
                    .with_context(|| format!("{name} fails by itself too"))?;
                if !passed {
                    bail!("{name} was not found when it was to be run again");
                }
            }
            unsteady.push(format!("{} {name}", program.join(" ")));
        }
    }
    for name in unsteady {
        println!("unsteady: {name}: failed among the others, passed {AGAIN} times alone; find out why");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(lines: &[&str]) -> Record {
        let mut record = Record::default();
        lines.iter().for_each(|line| record.read(line));
        record
    }

    const ONE: [&str; 5] = [
        "test a_cable_is_pulled ... ok",
        "test loss ... FAILED",
        "test result: FAILED. 5 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 10.49s",
        "error: test failed, to rerun pass `-p relvs-lab --test faults`",
        "error: 1 target failed:",
    ];

    #[test]
    fn a_failure_is_known_by_program_and_name() {
        let program = ["-p", "relvs-lab", "--test", "faults"].map(str::to_owned).to_vec();
        let expected = Failed { program, tests: vec!["loss".into()] };
        assert_eq!(record(&ONE).worth_it(), Some(vec![expected]));
    }

    #[test]
    fn what_is_not_a_few_failed_tests_stays_a_failure() {
        // A crash: no result is printed.
        assert_eq!(record(&[ONE[1], ONE[3]]).worth_it(), None);
        assert_eq!(record(&[ONE[3]]).worth_it(), None);
        // Does not build.
        assert_eq!(
            record(&["error: could not compile `relvs` (bin \"relvs\") due to 1 previous error"]).worth_it(),
            None
        );
        assert_eq!(record(&[&ONE[..], &["error[E0063]: missing fields", "error: aborting"]].concat()).worth_it(), None);
        // More than a few, in one program or in several.
        let many = [&ONE[..4]; FEW + 1].concat();
        assert_eq!(record(&many).worth_it(), None);
        assert!(record(&many[4..]).worth_it().is_some());
        // The names that were read are not all there are.
        let two = ONE[2].replace("1 failed", "2 failed");
        assert_eq!(record(&[ONE[1], &two, ONE[3]]).worth_it(), None);
        assert_eq!(record(&[]).worth_it(), None);
    }
}
