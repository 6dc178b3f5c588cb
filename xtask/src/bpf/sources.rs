//! The files that the BPF object is made of: their hash, and a copy to build from.
//!
//! The copy is what makes the build reproducible: cargo mixes the absolute path of a package outside its workspace
//! into the names of that package's symbols, so the copy is one workspace that holds both crates, under their own
//! paths, which the compiler's messages therefore show.

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const EBPF: &str = "crates/ebpf";
const CORE: &str = "crates/core";

/// The source set of one tree.
pub(crate) struct Sources {
    /// Path in the repository -> content.
    files: BTreeMap<String, Vec<u8>>,
    /// What the crates inherit from the root manifest: edition and version end up in the object.
    inherited: toml::Table,
}

impl Sources {
    /// Reads the source set of the tree at `root`.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        for (folder, names) in
            [(EBPF, &["src", "Cargo.toml", "Cargo.lock", ".cargo"][..]), (CORE, &["src", "Cargo.toml"])]
        {
            for name in names {
                collect(root, &format!("{folder}/{name}"), &mut files)?;
            }
        }
        let manifest: toml::Table = fs::read_to_string(root.join("Cargo.toml"))?.parse()?;
        let package = manifest.get("workspace").and_then(|workspace| workspace.get("package"));
        let inherited = package.and_then(toml::Value::as_table).context("Cargo.toml: no [workspace.package]")?.clone();
        Ok(Self { files, inherited })
    }

    /// SHA-256 over the sorted paths and their contents, in hexadecimal.
    pub(crate) fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        let inherited = self.inherited.to_string().into_bytes();
        let inherited = [("Cargo.toml [workspace.package]", &inherited)];
        let files = self.files.iter().map(|(path, content)| (path.as_str(), content));
        for (path, content) in inherited.into_iter().chain(files) {
            // Lengths, so that no two sets of files give the same bytes.
            hash.update((path.len() as u64).to_le_bytes());
            hash.update(path);
            hash.update((content.len() as u64).to_le_bytes());
            hash.update(content);
        }
        hex(&hash.finalize())
    }

    /// Writes the set to `stage` as one workspace. Leaves files alone that are right already, so that cargo builds
    /// only what changed, and removes those that are gone.
    pub(crate) fn stage(&self, stage: &Path) -> Result<()> {
        let mut wanted = BTreeMap::new();
        for (path, content) in &self.files {
            match path.as_str() {
                "crates/ebpf/Cargo.toml" => {
                    let (root, member) = self.manifests(content)?;
                    wanted.insert("Cargo.toml".to_owned(), root);
                    wanted.insert(path.clone(), member);
                }
                "crates/core/Cargo.toml" => drop(wanted.insert(path.clone(), core_manifest(content)?)),
                // These two cargo reads at the workspace's root.
                "crates/ebpf/Cargo.lock" | "crates/ebpf/.cargo/config.toml" => {
                    wanted.insert(path.replacen("crates/ebpf/", "", 1), content.clone());
                }
                _ => drop(wanted.insert(path.clone(), content.clone())),
            }
        }
        let mut present = BTreeMap::new();
        if stage.is_dir() {
            for entry in fs::read_dir(stage)? {
                collect(stage, &entry?.file_name().to_string_lossy(), &mut present)?;
            }
        }
        for path in present.keys().filter(|path| !wanted.contains_key(*path)) {
            fs::remove_file(stage.join(path))?;
        }
        for (path, content) in wanted.into_iter().filter(|(path, content)| present.get(path) != Some(content)) {
            let file = stage.join(&path);
            fs::create_dir_all(file.parent().unwrap_or(stage))?;
            fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(())
    }

    /// The BPF crate's manifest in two: what only a workspace's root may say, and the rest.
    fn manifests(&self, content: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
        let mut member: toml::Table = std::str::from_utf8(content)?.parse()?;
        let mut workspace = toml::Table::new();
        workspace.insert("resolver".into(), "3".into());
        workspace.insert("members".into(), vec![EBPF].into());
        workspace.insert("package".into(), self.inherited.clone().into());
        let mut root = toml::Table::new();
        root.insert("workspace".into(), workspace.into());
        if let Some(profile) = member.remove("profile") {
            root.insert("profile".into(), profile);
        }
        member.remove("workspace");
        Ok((root.to_string().into_bytes(), member.to_string().into_bytes()))
    }
}

/// Without what only its tests and lints want: the BPF crate's lock file does not know those.
fn core_manifest(content: &[u8]) -> Result<Vec<u8>> {
    let mut manifest: toml::Table = std::str::from_utf8(content)?.parse()?;
    for table in ["dev-dependencies", "lints", "bench", "test", "example"] {
        manifest.remove(table);
    }
    Ok(manifest.to_string().into_bytes())
}

/// Adds the file at `path` below `root`, or all files of the folder.
fn collect(root: &Path, path: &str, files: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    let full = root.join(path);
    if full.is_dir() {
        for entry in fs::read_dir(&full)? {
            let name = entry?.file_name();
            let name = name.to_str().with_context(|| format!("{path}: a file name that is no text"))?;
            collect(root, &format!("{path}/{name}"), files)?;
        }
    } else {
        let content = fs::read(&full).with_context(|| format!("cannot read {path}"))?;
        files.insert(path.to_owned(), content);
    }
    Ok(())
}

/// SHA-256 of some bytes, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, content) in [
            ("Cargo.toml", "[workspace.package]\nversion = \"1.0.0\"\nedition = \"2024\"\n[workspace.lints]\n"),
            (
                "crates/ebpf/Cargo.toml",
                "[dependencies]\nrelvs-core = { path = \"../core\" }\n[workspace]\n[profile.release]\nlto = true\n",
            ),
            ("crates/ebpf/Cargo.lock", ""),
            ("crates/ebpf/.cargo/config.toml", ""),
            ("crates/ebpf/src/main.rs", "fn main() {}"),
            ("crates/ebpf/target/left.o", "not a source"),
            ("crates/core/Cargo.toml", "[lints]\nworkspace = true\n[dev-dependencies]\nproptest = \"1\"\n"),
            ("crates/core/src/lib.rs", "pub mod a;"),
            ("crates/core/src/a/mod.rs", ""),
            ("crates/core/tests/all.rs", "not a source"),
        ] {
            fs::create_dir_all(dir.path().join(path).parent().unwrap()).unwrap();
            fs::write(dir.path().join(path), content).unwrap();
        }
        dir
    }

    #[test]
    fn every_source_and_nothing_else_changes_the_hash() {
        let tree = tree();
        let hash = || Sources::read(tree.path()).unwrap().sha256();
        let before = hash();
        for path in ["crates/ebpf/target/left.o", "crates/core/tests/all.rs"] {
            fs::write(tree.path().join(path), "changed").unwrap();
            assert_eq!(hash(), before, "{path}");
        }
        for path in [
            "crates/ebpf/src/main.rs",
            "crates/ebpf/Cargo.lock",
            "crates/ebpf/.cargo/config.toml",
            "crates/core/src/a/mod.rs",
        ] {
            let content = fs::read(tree.path().join(path)).unwrap();
            fs::write(tree.path().join(path), "changed").unwrap();
            assert_ne!(hash(), before, "{path}");
            fs::write(tree.path().join(path), content).unwrap();
        }
        assert_eq!(hash(), before);
        fs::write(tree.path().join("crates/core/src/b.rs"), "").unwrap();
        assert_ne!(hash(), before, "a new, empty file");
        fs::remove_file(tree.path().join("crates/core/src/b.rs")).unwrap();
        fs::write(tree.path().join("Cargo.toml"), "[workspace.package]\nversion = \"1.0.1\"\n").unwrap();
        assert_ne!(hash(), before, "the version");
    }

    #[test]
    fn the_stage_is_one_workspace_and_follows_the_tree() {
        let tree = tree();
        let stage = tempfile::tempdir().unwrap();
        fs::write(stage.path().join("left-over.rs"), "").unwrap();
        Sources::read(tree.path()).unwrap().stage(stage.path()).unwrap();
        let manifest =
            |path: &str| -> toml::Table { fs::read_to_string(stage.path().join(path)).unwrap().parse().unwrap() };
        let root = manifest("Cargo.toml");
        assert_eq!(root["workspace"]["members"][0].as_str(), Some("crates/ebpf"));
        assert_eq!(root["workspace"]["package"]["edition"].as_str(), Some("2024"));
        assert_eq!(root["profile"]["release"]["lto"].as_bool(), Some(true));
        let ebpf = manifest("crates/ebpf/Cargo.toml");
        assert_eq!(ebpf.keys().collect::<Vec<_>>(), ["dependencies"]);
        assert_eq!(ebpf["dependencies"]["relvs-core"]["path"].as_str(), Some("../core"));
        assert!(manifest("crates/core/Cargo.toml").is_empty());
        for path in ["Cargo.lock", ".cargo/config.toml", "crates/core/src/a/mod.rs", "crates/ebpf/src/main.rs"] {
            assert!(stage.path().join(path).is_file(), "{path}");
        }
        assert!(!stage.path().join("left-over.rs").exists());
        assert!(!stage.path().join("crates/ebpf/target").exists());
    }
}
