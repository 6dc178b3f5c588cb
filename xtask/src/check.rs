//! Everything that is checked without running the product.

use crate::{bpf, packages, shell, tidy};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// The newest cargo-deny whose minimum is not above the compilers that `./x` accepts.
const CARGO_DENY: &str = "0.20.2";

type Step = fn() -> Result<()>;

/// Runs every check, the quick ones first, and fails at the end if any did.
pub(crate) fn all() -> Result<()> {
    packages::lints()?;
    let steps: [(&str, Step); 5] =
        [("tidy", tidy::check), ("fmt", fmt), ("clippy", clippy), ("doc", doc), ("deny", deny)];
    let mut failed = Vec::new();
    for (name, step) in steps {
        let start = Instant::now();
        match step() {
            Ok(()) => println!("check {name}: ok ({:.1} s)", start.elapsed().as_secs_f32()),
            Err(error) => {
                println!("check {name}: FAILED ({:.1} s): {error:#}", start.elapsed().as_secs_f32());
                failed.push(name);
            }
        }
    }
    if !failed.is_empty() {
        bail!("check failed: {}", failed.join(", "));
    }
    Ok(())
}

fn fmt() -> Result<()> {
    shell::run(shell::cargo().args(["fmt", "--all", "--check"]))?;
    for manifest in [bpf::MANIFEST, "fuzz/Cargo.toml"] {
        shell::run(shell::cargo().args(["fmt", "--check", "--manifest-path", manifest]))?;
    }
    Ok(())
}

fn clippy() -> Result<()> {
    shell::run(shell::cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn doc() -> Result<()> {
    shell::run(shell::cargo().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}

/// Licences, duplicates and sources. Advisories are left out: their database is a download that many machines cannot
/// make, and a new advisory would fail a tree that has not changed.
fn deny() -> Result<()> {
    let tool = cargo_deny()?;
    for manifest in ["Cargo.toml", bpf::MANIFEST] {
        let mut deny = Command::new(&tool);
        deny.current_dir(shell::root()).args([
            "--manifest-path",
            manifest,
            "--config",
            "deny.toml",
            "--locked",
            "check",
        ]);
        shell::run(deny.args(["bans", "licenses", "sources"]))?;
    }
    Ok(())
}

/// The one on PATH, or ours.
fn cargo_deny() -> Result<PathBuf> {
    if let Some(tool) = shell::find("cargo-deny") {
        return Ok(tool);
    }
    shell::installed("cargo-deny", CARGO_DENY)
}
