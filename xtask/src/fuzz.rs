//! Fuzzing: `./x fuzz [TARGET] [--seconds N] [--keep] [FILE]...`, by libFuzzer, with a stable compiler.
//!
//! What makes a program report its branches is a pass of LLVM that stable Rust takes too; only the sanitizers would need
//! a nightly one, and what is fuzzed here has no unsafe code of its own. The committed corpus is read and not changed,
//! unless `--keep` says so.

use crate::{packages, shell};
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// How long each target runs where nothing is said.
const SECONDS: u32 = 60;
/// A run that takes longer than this many seconds is a find.
const TIMEOUT: u32 = 10;
/// The flags that cargo-fuzz gives without a sanitizer.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked<'a> {
    target: Option<&'a str>,
    seconds: u32,
    keep: bool,
    files: Vec<&'a str>,
}

pub(crate) fn fuzz(arguments: &[&str]) -> Result<()> {
    let asked = asked(arguments)?;
    let all = targets()?;
    let chosen: Vec<&String> = all.iter().filter(|name| asked.target.is_none_or(|target| *name == target)).collect();
    if chosen.is_empty() {
        bail!("fuzz: there is no target `{}`; there are {}", asked.target.unwrap_or_default(), all.join(", "));
    }
    packages::setup(Some("build"))?;
    let program = build()?;
    for target in chosen {
        run(&program, target, &asked)?;
    }
    Ok(())
}

fn asked<'a>(arguments: &[&'a str]) -> Result<Asked<'a>> {
    let mut asked = Asked { target: None, seconds: SECONDS, keep: false, files: Vec::new() };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match *word {
            "--keep" => asked.keep = true,
            "--seconds" => {
                let number = words.next().and_then(|number| number.parse().ok());
                asked.seconds = number.filter(|n| *n > 0).context("fuzz: --seconds is followed by a number from 1")?;
            }
            option if option.starts_with('-') => bail!("fuzz: `{option}` is not known here"),
            name if asked.target.is_none() => asked.target = Some(name),
            file => asked.files.push(file),
        }
    }
    Ok(asked)
}

/// Each target has a corpus, and its name is the folder's.
fn targets() -> Result<Vec<String>> {
    let corpus = shell::root().join("fuzz/corpus");
    let entries = fs::read_dir(&corpus).with_context(|| corpus.display().to_string())?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Builds the fuzzer. With a target named, the flags are not those of build scripts.
fn build() -> Result<PathBuf> {
    let version = shell::read(Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
    let folder = shell::target_dir().join("fuzz");
    let mut cargo = shell::cargo();
    cargo.args(["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", host, "--target-dir"]);
    shell::run(cargo.arg(&folder).env("RUSTFLAGS", FLAGS))?;
    Ok(folder.join(host).join("release/relvs-fuzz"))
}

fn run(program: &Path, target: &str, asked: &Asked<'_>) -> Result<()> {
    let committed = shell::root().join("fuzz/corpus").join(target);
    let folder = |name: &str| -> Result<PathBuf> {
        let folder = shell::target_dir().join("fuzz").join(name).join(target);
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(folder)
    };
    let (found, failing) = (folder("found")?, folder("failing")?);
    let fuzzer = || {
        let mut fuzzer = Command::new(program);
        fuzzer.current_dir(shell::root()).env("RELVS_FUZZ_TARGET", target).arg(format!("-timeout={TIMEOUT}"));
        fuzzer.arg(format!("-artifact_prefix={}/", failing.display()));
        fuzzer
    };
    if !asked.files.is_empty() {
        return shell::run(fuzzer().args(&asked.files));
    }
    let mut long = fuzzer();
    long.arg(format!("-max_total_time={}", asked.seconds)).args(["-max_len=4096", "-print_final_stats=1"]);
    let dictionary = shell::root().join("fuzz/dictionaries").join(target);
    if dictionary.is_file() {
        long.arg(format!("-dict={}", dictionary.display()));
    }
    let failing = failing.display();
    shell::run(long.arg(&found).arg(&committed)).with_context(|| {
        format!(
            "fuzz {target}: what it failed at is in {failing}; `./x fuzz {target} FILE` shows it again. Mend it, and keep the \
             file in fuzz/corpus/{target}"
        )
    })?;
    if asked.keep {
        shell::run(fuzzer().arg("-merge=1").arg(&committed).arg(&found))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_in_any_order() {
        let plain = Asked { target: None, seconds: SECONDS, keep: false, files: Vec::new() };
        assert_eq!(asked(&[]).unwrap(), plain);
        let some = asked(&["--seconds", "5", "api", "--keep", "file"]).unwrap();
        assert_eq!(some, Asked { target: Some("api"), seconds: 5, keep: true, files: vec!["file"] });
        for wrong in [&["--seconds"][..], &["--seconds", "0"], &["--second", "5"]] {
            assert!(asked(wrong).is_err(), "{wrong:?}");
        }
    }
}
