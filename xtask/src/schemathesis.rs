//! schemathesis, which asks the API whatever its description allows, and more: from PyPI, into the target folder.

use crate::{packages, shell};
use anyhow::{Context as _, Result};
use std::{fs, path::Path, process::Command};

/// Each package at one version.
const REQUIREMENTS: &str = include_str!("schemathesis.txt");

/// Installs it where its test finds it. Where PyPI cannot be reached that test is skipped; under CI it must be there.
pub(crate) fn setup() -> Result<()> {
    match install() {
        Err(error) if std::env::var_os("CI").is_none_or(|value| value != "true") => {
            println!("{error:#}: the API is not fuzzed by schemathesis");
            Ok(())
        }
        outcome => outcome,
    }
}

fn install() -> Result<()> {
    let place = shell::target_dir().join("tools/schemathesis");
    let installed = place.join("requirements.txt");
    if fs::read_to_string(&installed).is_ok_and(|there| there == REQUIREMENTS) {
        return Ok(());
    }
    if place.exists() {
        fs::remove_dir_all(&place).with_context(|| place.display().to_string())?;
    }
    if environment(&place).is_err() {
        packages::install(&["python3", "python3-venv"])?;
        environment(&place)?;
    }
    println!("installing schemathesis into {}", place.display());
    let wanted = place.join("wanted.txt");
    fs::write(&wanted, REQUIREMENTS)?;
    let mut pip = Command::new(place.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:", "--requirement"]).arg(&wanted);
    shell::run(&mut pip)?;
    // Written last: what was broken off begins anew.
    fs::rename(&wanted, &installed).context("requirements.txt")
}

/// A Python of its own, beside the system's.
fn environment(place: &Path) -> Result<()> {
    shell::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_is_of_one_version() {
        let lines: Vec<&str> = REQUIREMENTS.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(lines.iter().all(|line| line.split("==").count() == 2 && !line.contains([' ', ';', '@'])), "{lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("schemathesis==")));
    }
}
