//! One build of the BPF crate: the same bytes in every folder, given the same tools.

use super::sources::Sources;
use super::strip::strip;
use super::toolchain::Toolchain;
use crate::shell;
use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "bpfel-unknown-none";

/// Builds in `dir` (copy of the sources and target folder) and returns the stripped objects of these binaries.
pub(crate) fn build(sources: &Sources, toolchain: &Toolchain, dir: &Path, binaries: &[&str]) -> Result<Vec<Vec<u8>>> {
    let stage = dir.join("source");
    sources.stage(&stage)?;
    // First, so that the folder of every package is there when the prefixes are made.
    shell::run(cargo(toolchain, &stage).args(["fetch", "--quiet", "--locked"]))?;
    let target = dir.join("target");
    let mut build = cargo(toolchain, &stage);
    build.args(["build", "--release", "--locked", "--offline", "--target-dir"]).arg(&target);
    for binary in binaries {
        build.args(["--bin", binary]);
    }
    shell::run(build.arg("--config").arg(prefixes(toolchain, &stage)?))?;
    let stripped = |binary: &&str| {
        let object = target.join(TARGET).join("release").join(binary);
        strip(&fs::read(&object).with_context(|| format!("cannot read {}", object.display()))?)
    };
    binaries.iter().map(stripped).collect()
}

fn cargo(toolchain: &Toolchain, stage: &Path) -> Command {
    let mut cargo = shell::cargo();
    cargo.current_dir(stage).env("RUSTC", &toolchain.rustc).env("RUSTC_BOOTSTRAP", "1");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(toolchain.linker_dir.clone()).chain(std::env::split_paths(&path));
    if let Ok(path) = std::env::join_paths(path) {
        cargo.env("PATH", path);
    }
    if let Some(libraries) = &toolchain.library_dir {
        cargo.env("LD_LIBRARY_PATH", libraries);
    }
    // What a developer sets for builds of his own would change the bytes.
    let settings = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"];
    for name in settings {
        cargo.env_remove(name);
    }
    let prefixes = ["CARGO_BUILD_", "CARGO_PROFILE_", "CARGO_TARGET_", "CARGO_UNSTABLE_"];
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| prefixes.iter().any(|prefix| name.starts_with(prefix))) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// The setting that takes this machine's folders out of the object. rustc follows the last prefix that fits.
fn prefixes(toolchain: &Toolchain, stage: &Path) -> Result<String> {
    let mut names: Vec<(PathBuf, &str)> = Vec::new();
    names.push((fs::canonicalize(&toolchain.source)?, "rust"));
    names.push((toolchain.source.clone(), "rust"));
    let registry = cargo_home()?.join("registry/src");
    for index in fs::read_dir(&registry).with_context(|| format!("cannot read {}", registry.display()))? {
        names.push((index?.path(), "registry"));
    }
    names.push((stage.to_owned(), "relvs"));
    let flags = names.iter().map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()).into());
    Ok(format!("target.{TARGET}.rustflags={}", toml::Value::Array(flags.collect())))
}

fn cargo_home() -> Result<PathBuf> {
    match std::env::var_os("CARGO_HOME") {
        Some(home) => Ok(home.into()),
        None => Ok(std::env::home_dir().context("HOME is not set; cargo needs it")?.join(".cargo")),
    }
}
