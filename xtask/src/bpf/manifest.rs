//! The manifest beside a committed object: what made it, of what, and what the verifier made of it.

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const HEAD: &str = "# Written by `cargo xtask bpf` together with the object beside it; not to be edited.\n\n";

/// The growth in verified instructions, in percent of the known maximum, that a build accepts unasked.
const SLACK_PERCENT: u64 = 2;

/// The most instructions that the verifier may go through in one program: a tenth of what the kernel lets it
/// (BPF_COMPLEXITY_LIMIT_INSNS in include/linux/bpf.h). Another kernel counts otherwise, and the next change adds.
pub(crate) const VERIFIED_LIMIT: u32 = 1_000_000 / 10;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) object: Object,
    pub(crate) tools: Tools,
    /// The kernel that verified the programs: another one may count differently.
    pub(crate) kernel: String,
    pub(crate) program: BTreeMap<String, Program>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Object {
    /// Of the committed bytes.
    pub(crate) sha256: String,
    pub(crate) bytes: usize,
    /// Of the source set; see `sources`.
    pub(crate) source_sha256: String,
}

/// All that decides over the bytes beside the source and Cargo.lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tools {
    pub(crate) rustc: String,
    pub(crate) host: String,
    pub(crate) llvm: String,
    /// Its way of hashing packages is part of the symbols' names.
    pub(crate) cargo: String,
    pub(crate) bpf_linker: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Program {
    /// Instructions that the verifier went through.
    pub(crate) verified: u32,
    /// The number that grows only by `--grow`.
    pub(crate) verified_max: u32,
    /// Bytes of the loaded program, before the JIT.
    pub(crate) code_bytes: u32,
}

/// What one load of a program gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) verified: u32,
    pub(crate) code_bytes: u32,
}

impl Manifest {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read {}: run `cargo xtask bpf` to build the object", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{}: run `cargo xtask bpf` to write it anew", path.display()))
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = format!("{HEAD}{}", toml::to_string(self)?);
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Tools {
    /// One line for each difference between what is recorded and what is here.
    pub(crate) fn differences(&self, here: &Self) -> Vec<String> {
        [
            ("rustc", &self.rustc, &here.rustc),
            ("host", &self.host, &here.host),
            ("llvm", &self.llvm, &here.llvm),
            ("cargo", &self.cargo, &here.cargo),
            ("bpf-linker", &self.bpf_linker, &here.bpf_linker),
        ]
        .into_iter()
        .filter(|(_, recorded, here)| recorded != here)
        .map(|(name, recorded, here)| format!("{name}: the manifest says {recorded}, here is {here}"))
        .collect()
    }
}

impl Program {
    /// What the manifest says next, or `None` where the verifier's work grew beyond the slack and nobody allowed it.
    /// The maximum follows a program down by itself, so that what was won is not lost again unseen.
    pub(crate) fn next(known: Option<&Self>, measured: Measured, may_grow: bool) -> Option<Self> {
        let Measured { verified, code_bytes } = measured;
        let verified_max = match known {
            None => verified,
            Some(known) if verified <= known.verified_max || may_grow => verified,
            Some(known) => {
                let limit = u64::from(known.verified_max) * (100 + SLACK_PERCENT) / 100;
                if u64::from(verified) > limit {
                    return None;
                }
                known.verified_max
            }
        };
        Some(Self { verified, verified_max, code_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_grows_only_knowingly() {
        let known = Program { verified: 990, verified_max: 1000, code_bytes: 8 };
        let next = |verified, may_grow| {
            Program::next(Some(&known), Measured { verified, code_bytes: 8 }, may_grow).map(|next| next.verified_max)
        };
        assert_eq!(next(900, false), Some(900), "the maximum follows down");
        assert_eq!(next(1000, false), Some(1000));
        assert_eq!(next(1020, false), Some(1000), "within the slack the maximum stays: no growth by small steps");
        assert_eq!(next(1021, false), None);
        assert_eq!(next(1021, true), Some(1021));
        assert_eq!(next(u32::MAX, true), Some(u32::MAX));
        let new = Program::next(None, Measured { verified: 5, code_bytes: 8 }, false);
        assert_eq!(new.map(|new| new.verified_max), Some(5), "a new program starts where it is");
    }

    #[test]
    fn the_manifest_survives_its_file() {
        let tools = Tools {
            rustc: "rustc 1.96.0".into(),
            host: "x86_64-unknown-linux-gnu".into(),
            llvm: "22.1.8".into(),
            cargo: "cargo 1.95.0".into(),
            bpf_linker: "bpf-linker 0.13.0".into(),
        };
        let program = Program { verified: 1, verified_max: 2, code_bytes: 3 };
        let manifest = Manifest {
            object: Object { sha256: "ab".into(), bytes: 7, source_sha256: "cd".into() },
            tools: tools.clone(),
            kernel: "6.18".into(),
            program: [("decap".to_owned(), program.clone())].into(),
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.toml");
        manifest.write(&path).unwrap();
        let read = Manifest::read(&path).unwrap();
        assert_eq!(read.tools, tools);
        assert_eq!(read.program["decap"], program);
        let other = Tools { llvm: "22.1.9".into(), ..tools.clone() };
        assert_eq!(tools.differences(&tools), Vec::<String>::new());
        assert_eq!(tools.differences(&other), ["llvm: the manifest says 22.1.8, here is 22.1.9"]);
    }
}
