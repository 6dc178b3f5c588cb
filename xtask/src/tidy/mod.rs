//! The house's own rules, those that no lint of the compiler knows: fails with one line for each place.

mod arrows;
mod code;
mod text;

use crate::shell;
use anyhow::{Context as _, Result, bail};
use std::fmt;
use std::fs;
use std::path::Path;

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// From the repository's folder.
    path: String,
    /// From 1; 0 for the file as a whole.
    line: usize,
    rule: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.rule),
            line => write!(f, "{}:{line}: {}", self.path, self.rule),
        }
    }
}

/// A file of the tree.
struct File {
    path: String,
    content: Vec<u8>,
}

/// Checks the whole tree and prints what it finds.
pub(crate) fn check() -> Result<()> {
    let mut files = Vec::new();
    collect(shell::root(), Path::new(""), &mut files)?;
    let mut findings = findings(&files)?;
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("tidy: {} to mend", findings.len());
    }
    Ok(())
}

fn findings(files: &[File]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in files {
        findings.extend(text::check(file));
        let Ok(source) = std::str::from_utf8(&file.content) else { continue };
        if file.path.ends_with(".rs") {
            findings.extend(code::check(&file.path, source));
        }
        if file.path.ends_with("Cargo.toml") {
            let manifest: toml::Table = source.parse().with_context(|| file.path.clone())?;
            findings.extend(arrows::check(&file.path, &manifest));
        }
    }
    Ok(findings)
}

/// All files but those that cargo and git make.
fn collect(root: &Path, below: &Path, files: &mut Vec<File>) -> Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let name = entry.file_name();
        let path = below.join(&name);
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if name != "target" && name != ".git" {
                collect(root, &path, files)?;
            }
        } else if kind.is_file() && path.extension().is_none_or(|extension| extension != "pcap") {
            files.push(File { path: path.to_string_lossy().into_owned(), content: fs::read(root.join(&path))? });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_asked() {
        let file = |path: &str, content: &str| File { path: path.into(), content: content.into() };
        let files = [
            file("lab/src/lib.rs", "fn no_head() {}\n"),
            file("docs/guide.md", &["cd /ro", "ot/relvs\n"].concat()),
            file("crates/model/Cargo.toml", "[package]\nname = \"relvs-model\"\n[dependencies]\nrelvs-core = \"1\"\n"),
        ];
        let found = findings(&files).unwrap();
        let paths: Vec<&str> = found.iter().map(|finding| finding.path.as_str()).collect();
        assert_eq!(paths, ["lab/src/lib.rs", "docs/guide.md", "crates/model/Cargo.toml"], "{found:?}");
        assert_eq!(found[0].to_string(), "lab/src/lib.rs:1: begin the file with `//!`: what it is, what it never does");
    }
}
