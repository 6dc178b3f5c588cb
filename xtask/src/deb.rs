//! `cargo xtask deb`: Debian packages, by cargo-deb, of a release build or of a binary that is there.
//!
//! What belongs into them says crates/cli/Cargo.toml; here is laid out what must be generated first.

use crate::{packages, shell};
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The newest cargo-deb whose minimum is not above the compilers that `./x` accepts.
const CARGO_DEB: &str = "3.8.0";
/// What cargo-deb calls them; `None` is relvs itself.
const VARIANTS: [Option<&str>; 2] = [None, Some("ipvsadm")];

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    /// A binary that is there, in place of a release build; then packing is quick, and not small.
    binary: Option<PathBuf>,
    /// The packages' version, in place of the workspace's.
    version: Option<String>,
    /// Where they are written.
    output: Option<PathBuf>,
}

impl Wanted {
    fn read(arguments: &[&str]) -> Result<Self> {
        let mut wanted = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let value = words.next().with_context(|| format!("deb: {word} wants a value"))?;
            match *word {
                "--binary" => wanted.binary = Some(value.into()),
                "--version" => wanted.version = Some((*value).to_owned()),
                "--output" => wanted.output = Some(value.into()),
                _ => bail!("deb: `{word}` is none of --binary FILE, --version VERSION, --output DIR"),
            }
        }
        Ok(wanted)
    }
}

/// Builds the packages, and says where they are.
pub(crate) fn deb(arguments: &[&str]) -> Result<()> {
    let wanted = Wanted::read(arguments)?;
    packages::setup(Some("deb"))?;
    let binary = match &wanted.binary {
        Some(binary) => binary.clone(),
        None => {
            shell::run(shell::cargo().args(["build", "--release", "--locked", "--package", "relvs"]))?;
            shell::target_dir().join("release/relvs")
        }
    };
    let output = wanted.output.clone().unwrap_or_else(|| shell::target_dir().join("debian"));
    pack(&binary, wanted.version.as_deref(), &output, wanted.binary.is_some())
}

/// Packs a binary. In haste it is not compressed well.
pub(crate) fn pack(binary: &Path, version: Option<&str>, output: &Path, haste: bool) -> Result<()> {
    let tool = tool()?;
    // What cargo-deb takes for the target folder: nothing is there but what is packed.
    let stage = shell::target_dir().join("debian-stage");
    lay_out(binary, &stage.join("release"))?;
    fs::create_dir_all(output).with_context(|| output.display().to_string())?;
    for variant in VARIANTS {
        let mut deb = std::process::Command::new(&tool);
        deb.current_dir(shell::root()).env("CARGO_TARGET_DIR", &stage);
        deb.args(["--no-build", "--locked", "--quiet", "--strip", "--compress-system", "--package", "relvs"]);
        deb.arg("--output").arg(output);
        if haste {
            deb.arg("--fast");
        }
        if let Some(version) = version {
            deb.args(["--deb-version", version]);
        }
        if let Some(variant) = variant {
            deb.args(["--variant", variant]);
        }
        shell::run(&mut deb)?;
    }
    Ok(())
}

/// The binary, and what it says of itself: manual pages and completions.
fn lay_out(binary: &Path, release: &Path) -> Result<()> {
    let generated = release.join("packaging");
    if generated.exists() {
        fs::remove_dir_all(&generated)?;
    }
    fs::create_dir_all(&generated)?;
    fs::copy(binary, release.join("relvs")).with_context(|| binary.display().to_string())?;
    let relvs = || std::process::Command::new(binary);
    let man = generated.join("man");
    shell::read(relvs().arg("man").arg(&man))?;
    // Without names and times inside, as Debian wants it.
    for page in fs::read_dir(&man)? {
        shell::read(std::process::Command::new("gzip").arg("-9n").arg(page?.path()))?;
    }
    for of in ["relvs", "ipvsadm"] {
        for shell in ["bash", "zsh", "fish"] {
            let text = shell::read(relvs().args(["completions", shell, "--of", of]))?;
            fs::write(generated.join(format!("{of}.{shell}")), text)?;
        }
    }
    Ok(())
}

/// The cargo-deb on PATH, or ours, built on first use. Unoptimised, and without its own compressors: xz is there.
pub(crate) fn tool() -> Result<PathBuf> {
    if let Some(tool) = shell::find("cargo-deb") {
        return Ok(tool);
    }
    shell::installed("cargo-deb", CARGO_DEB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packages_changelog_begins_with_this_version() {
        let changelog = fs::read_to_string(shell::root().join("packaging/debian/changelog")).unwrap();
        let version = changelog.strip_prefix("relvs (").and_then(|rest| rest.split_once('-')).unwrap().0;
        assert_eq!(version, env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn arguments_are_pairs() {
        let wanted = Wanted::read(&["--binary", "relvs", "--version", "2-1"]).unwrap();
        assert_eq!(wanted.binary, Some("relvs".into()));
        assert_eq!((wanted.version.as_deref(), wanted.output), (Some("2-1"), None));
        assert!(Wanted::read(&["--binary"]).is_err() && Wanted::read(&["--fast", "1"]).is_err());
    }
}
