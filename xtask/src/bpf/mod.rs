//! The committed BPF objects: built, measured by the verifier, and proved to be what the source gives.

mod build;
mod manifest;
mod measure;
mod sources;
mod strip;
mod toolchain;

use crate::shell;
use anyhow::{Context as _, Result, ensure};
use manifest::{Manifest, Object, Program, VERIFIED_LIMIT};
use measure::Measurement;
use sources::Sources;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use toolchain::Toolchain;

/// The BPF crate's manifest, from the repository's folder.
pub(crate) const MANIFEST: &str = "crates/ebpf/Cargo.toml";

/// Whether a program may cost the verifier more than the manifest's maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Growth {
    /// The build fails.
    Refused,
    /// The new number becomes the maximum.
    Allowed,
}

/// A binary of the BPF crate that is committed as an object, with its manifest beside it.
struct Artifact {
    binary: &'static str,
    /// From the repository's folder.
    object: &'static str,
    manifest: &'static str,
}

/// The product's programs, and the benchmark's wrapper around them. One source set: they are built together.
const PRODUCT: Artifact = Artifact {
    binary: "relvs",
    object: "crates/dataplane/bpf/relvs.bpf.o",
    manifest: "crates/dataplane/bpf/relvs.bpf.toml",
};
const ARTIFACTS: [Artifact; 2] =
    [PRODUCT, Artifact { binary: "bench", object: "bench/bpf/bench.bpf.o", manifest: "bench/bpf/bench.bpf.toml" }];

impl Artifact {
    fn manifest(&self, root: &Path) -> Result<Manifest> {
        Manifest::read(&root.join(self.manifest))
    }

    /// The manifest, if there has been one.
    fn known(&self) -> Result<Option<Manifest>> {
        let path = shell::root().join(self.manifest);
        path.is_file().then(|| Manifest::read(&path)).transpose()
    }

    /// Fails unless the manifest, the object and the source of the tree at `root` belong together.
    fn current(&self, root: &Path, sources: &Sources) -> Result<()> {
        let Artifact { object: object_file, manifest: manifest_file, .. } = self;
        let manifest = self.manifest(root)?;
        let object = fs::read(root.join(object_file)).with_context(|| format!("cannot read {object_file}"))?;
        ensure!(
            sources::sha256(&object) == manifest.object.sha256,
            "{object_file} and {manifest_file} do not belong together: run `cargo xtask bpf` and commit both"
        );
        ensure!(
            sources.sha256() == manifest.object.source_sha256,
            "the source of {object_file} changed (crates/ebpf or crates/core), the object did not: run `cargo xtask \
             bpf` and commit what it writes"
        );
        Ok(())
    }
}

/// Finds or installs the compiler and the linker.
pub(crate) fn toolchain() -> Result<Toolchain> {
    let recorded = PRODUCT.manifest(shell::root()).ok();
    toolchain::toolchain(recorded.as_ref().map(|manifest| &manifest.tools))
}

/// Builds all objects in `dir`, and leaves each there as a file.
fn fresh(sources: &Sources, toolchain: &Toolchain, dir: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let objects = build::build(sources, toolchain, dir, &ARTIFACTS.map(|artifact| artifact.binary))?;
    let written = ARTIFACTS.iter().zip(objects).map(|(artifact, object)| {
        let file = dir.join(format!("{}.bpf.o", artifact.binary));
        fs::write(&file, &object)?;
        Ok((file, object))
    });
    written.collect()
}

/// Builds the objects and writes them and their manifests into the tree.
pub(crate) fn build(growth: Growth) -> Result<()> {
    let toolchain = toolchain()?;
    let sources = Sources::read(shell::root())?;
    let mut manifests = Vec::new();
    let objects = fresh(&sources, &toolchain, &shell::target_dir().join("bpf"))?;
    for (artifact, (file, object)) in ARTIFACTS.iter().zip(&objects) {
        let known = artifact.known()?;
        let measurement = measure::measure(file)?.context(
            "the objects are built, but programs must be loaded to be measured, which needs root (or sudo without a password)",
        )?;
        let known_programs = known.as_ref().map(|known| &known.program);
        let program = compare(known_programs, &measurement, growth == Growth::Allowed)
            .inspect_err(|_| print_kernels(known.as_ref()))?;
        limited(&measurement)?;
        manifests.push(Manifest {
            object: Object { sha256: sources::sha256(object), bytes: object.len(), source_sha256: sources.sha256() },
            tools: toolchain.versions.clone(),
            kernel: kernel()?,
            program,
        });
    }
    // Only when none was refused: the objects are of one source.
    for ((artifact, (_, object)), manifest) in ARTIFACTS.iter().zip(&objects).zip(&manifests) {
        let path = shell::root().join(artifact.object);
        fs::create_dir_all(path.parent().unwrap_or(shell::root()))?;
        fs::write(&path, object).with_context(|| format!("cannot write {}", path.display()))?;
        manifest.write(&shell::root().join(artifact.manifest))?;
        println!("wrote {} ({} bytes, sha256 {})", artifact.object, object.len(), manifest.object.sha256);
    }
    Ok(())
}

/// Proves that the committed objects are what the source gives, from a clean build in another folder.
pub(crate) fn check() -> Result<()> {
    let root = shell::root();
    let sources = Sources::read(root)?;
    for artifact in &ARTIFACTS {
        artifact.current(root, &sources)?;
    }
    let toolchain = toolchain()?;
    let dir = tempfile::tempdir()?;
    let mut differ = Vec::new();
    for (artifact, (file, object)) in ARTIFACTS.iter().zip(fresh(&sources, &toolchain, dir.path())?) {
        let manifest = artifact.manifest(root)?;
        match measure::measure(&file)? {
            Some(measurement) => {
                compare(Some(&manifest.program), &measurement, true)?;
                // Another kernel counts otherwise.
                if kernel()? == manifest.kernel {
                    limited(&measurement)?;
                }
            }
            None => println!("not root: the programs were not loaded"),
        }
        if object == fs::read(root.join(artifact.object))? {
            println!("ok: {} is byte-identical to a clean build ({})", artifact.object, manifest.object.sha256);
            continue;
        }
        let differences = manifest.tools.differences(&toolchain.versions);
        ensure!(
            !differences.is_empty(),
            "the same tools give other bytes than the committed {}, from the same source: run `cargo xtask bpf` and \
             commit it; if that changes nothing, the build depends on this machine, which is a fault of `cargo xtask \
             bpf`",
            artifact.object
        );
        println!("the bytes of {} differ, and so do the tools:", artifact.object);
        for difference in &differences {
            println!("  {difference}");
        }
        differ.push((artifact.binary, file));
    }
    // The wrapper has no packet tests: it has been loaded, and a benchmark checks what it does.
    let Some((_, product)) = differ.iter().find(|(binary, _)| *binary == PRODUCT.binary) else { return Ok(()) };
    println!("so the packet tests run on the fresh object instead");
    let mut tests = shell::cargo();
    tests.args(["test", "--package", "relvs-dataplane", "--no-fail-fast"]).env("RELVS_BPF_OBJECT", product);
    shell::run(&mut tests).context("the object that this machine's tools make does not pass the packet tests")?;
    println!("ok: an object of other tools passes the packet tests");
    Ok(())
}

/// Loads an object and prints one line for each program, for the process that started this one.
pub(crate) fn print_measurement(object: &Path) -> Result<()> {
    for (name, measured) in measure::load(object)? {
        println!("{}", measure::line(&name, measured));
    }
    Ok(())
}

/// Prints the programs' costs beside the known ones; what the manifest says next, or an error that names the growth.
fn compare(
    known: Option<&BTreeMap<String, Program>>,
    measurement: &Measurement,
    may_grow: bool,
) -> Result<BTreeMap<String, Program>> {
    println!("{:<20} {:>10} {:>10} {:>10} {:>11}", "program", "verified", "before", "maximum", "code bytes");
    let mut next = BTreeMap::new();
    let mut grown = Vec::new();
    for (name, &measured) in measurement {
        let known = known.and_then(|known| known.get(name));
        let number = |field: fn(&Program) -> u32| known.map_or("-".to_owned(), |known| field(known).to_string());
        let (before, maximum) = (number(|known| known.verified), number(|known| known.verified_max));
        println!("{name:<20} {:>10} {before:>10} {maximum:>10} {:>11}", measured.verified, measured.code_bytes);
        match Program::next(known, measured, may_grow) {
            Some(program) => drop(next.insert(name.clone(), program)),
            None => grown.push(name.as_str()),
        }
    }
    ensure!(
        grown.is_empty(),
        "the verifier has more work than the manifest's maximum allows with {}: make it less, or accept it with \
         `cargo xtask bpf --grow`",
        grown.join(", ")
    );
    Ok(next)
}

/// Fails if a program needs a tenth of the kernel's limit or more, whatever growth is allowed.
fn limited(measurement: &Measurement) -> Result<()> {
    let beyond = measurement.iter().filter(|(_, measured)| measured.verified >= VERIFIED_LIMIT);
    let beyond: Vec<&str> = beyond.map(|(name, _)| name.as_str()).collect();
    ensure!(
        beyond.is_empty(),
        "the verifier goes through {VERIFIED_LIMIT} instructions or more, a tenth of the kernel's limit, with {}: split \
         it into stages or steps (ARCHITECTURE.md)",
        beyond.join(", ")
    );
    Ok(())
}

fn print_kernels(known: Option<&Manifest>) {
    if let (Some(known), Ok(here)) = (known, kernel())
        && known.kernel != here
    {
        println!("the known numbers are from kernel {}, here is {here}: it may count differently", known.kernel);
    }
}

/// "6.18": builds of one release count the same.
fn kernel() -> Result<String> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(release.trim().splitn(3, '.').take(2).collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the source changed and the object did not.
    #[test]
    fn the_committed_objects_are_of_this_source() {
        let sources = Sources::read(shell::root()).unwrap();
        for artifact in &ARTIFACTS {
            if let Err(error) = artifact.current(shell::root(), &sources) {
                panic!("{error:#}");
            }
        }
    }

    #[test]
    fn the_committed_programs_need_less_than_a_tenth_of_the_kernels_limit() {
        for artifact in &ARTIFACTS {
            for (name, program) in artifact.manifest(shell::root()).unwrap().program {
                let verified = program.verified.max(program.verified_max);
                assert!((1..VERIFIED_LIMIT).contains(&verified), "{name}: {verified}");
            }
        }
    }

    #[test]
    fn no_growth_goes_beyond_a_tenth_of_the_kernels_limit() {
        let of = |verified| [("slow".to_owned(), manifest::Measured { verified, code_bytes: 8 })].into();
        limited(&of(99_999)).unwrap();
        let error = limited(&of(100_000)).unwrap_err().to_string();
        assert!(error.contains("slow") && error.contains("tenth"), "{error}");
    }

    #[test]
    fn growth_names_the_program() {
        let known = [("slow".to_owned(), Program { verified: 100, verified_max: 100, code_bytes: 8 })].into();
        let measurement = [("slow".to_owned(), manifest::Measured { verified: 200, code_bytes: 8 })].into();
        let error = compare(Some(&known), &measurement, false).unwrap_err().to_string();
        assert!(error.contains("slow") && error.contains("--grow"), "{error}");
        assert_eq!(compare(Some(&known), &measurement, true).unwrap()["slow"].verified_max, 200);
    }
}
