//! Loads an object's programs once, to see that the verifier takes them and what they cost it.
//!
//! Attaches nothing and pins nothing: all of it is gone when the process is.

use super::manifest::Measured;
use crate::shell;
use anyhow::{Context as _, Result, bail};
use aya::EbpfLoader;
use aya::programs::Program;
use std::collections::BTreeMap;
use std::path::Path;

/// Program name -> what the verifier said of it.
pub(crate) type Measurement = BTreeMap<String, Measured>;

/// Measures in this process, or in one that sudo starts; `None` where there is no privilege to load programs.
pub(crate) fn measure(object: &Path) -> Result<Option<Measurement>> {
    if shell::is_root() {
        return load(object).map(Some);
    }
    let Some(mut command) = shell::as_root(&std::env::current_exe()?) else { return Ok(None) };
    let text = shell::read(command.arg("bpf-measure").arg(object))?;
    text.lines().map(parse_line).collect::<Result<_>>().map(Some)
}

/// Loads the programs of an object file; needs root.
pub(crate) fn load(object: &Path) -> Result<Measurement> {
    let bytes = std::fs::read(object).with_context(|| format!("cannot read {}", object.display()))?;
    let mut ebpf = EbpfLoader::new().load(&bytes).context("the kernel does not take the object's maps or BTF")?;
    let mut measurement = Measurement::new();
    let mut refused = BTreeMap::new();
    for (name, program) in ebpf.programs_mut() {
        match load_one(program) {
            Ok(measured) => drop(measurement.insert(name.to_owned(), measured)),
            Err(error) => drop(refused.insert(name.to_owned(), error)),
        }
    }
    if !refused.is_empty() {
        // All of them at once: one build shows every program that must change.
        let refused: Vec<String> = refused.iter().map(|(name, error)| format!("program {name}: {error}")).collect();
        let taken: Vec<String> = measurement.iter().map(|(name, &measured)| line(name, measured)).collect();
        bail!("{}\nthe verifier takes the others (instructions, bytes): {}", refused.join("\n"), taken.join(", "));
    }
    if measurement.is_empty() {
        bail!("{} holds no program", object.display());
    }
    Ok(measurement)
}

fn load_one(program: &mut Program) -> Result<Measured> {
    let Program::Xdp(xdp) = program else {
        bail!("is no XDP program");
    };
    xdp.load()?;
    let info = xdp.info()?;
    let measured = info.verified_instruction_count().zip(info.size_translated());
    let (verified, code_bytes) = measured.context("this kernel does not count verified instructions: 5.16 does")?;
    Ok(Measured { verified, code_bytes })
}

/// One line of `bpf-measure`'s output.
pub(crate) fn line(name: &str, measured: Measured) -> String {
    format!("{name} {} {}", measured.verified, measured.code_bytes)
}

fn parse_line(line: &str) -> Result<(String, Measured)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [name, verified, code_bytes] = fields[..] else { bail!("bpf-measure wrote `{line}`") };
    Ok((name.to_owned(), Measured { verified: verified.parse()?, code_bytes: code_bytes.parse()? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_survives_sudo() {
        let measured = Measured { verified: 12, code_bytes: 96 };
        assert_eq!(parse_line(&line("decap", measured)).unwrap(), ("decap".to_owned(), measured));
        assert!(parse_line("decap 12").is_err());
    }
}
