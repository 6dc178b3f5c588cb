//! Which crate of ours may depend on which: the arrows of the house, read from the manifests.
//!
//! What only tests need (dev-dependencies) is free.

use super::Finding;
use toml::{Table, Value};

/// Crate -> what it may depend on. A new crate or arrow is a decision: it is made here, and said in ARCHITECTURE.md.
const ARROWS: &[(&str, &[&str])] = &[
    ("relvs-model", &[]),
    ("relvs-core", &[]),
    ("relvs-net", &[]),
    ("relvs-proto", &["relvs-model"]),
    ("relvs-ebpf", &["relvs-core"]),
    ("relvs-config", &["relvs-model"]),
    ("relvs-api", &["relvs-model"]),
    ("relvs-ipvsadm", &["relvs-model"]),
    ("relvs-control", &["relvs-core", "relvs-model"]),
    ("relvs-dataplane", &["relvs-core", "relvs-model", "relvs-net"]),
    (
        "relvs-daemon",
        &[
            "relvs-api",
            "relvs-config",
            "relvs-control",
            "relvs-core",
            "relvs-dataplane",
            "relvs-model",
            "relvs-net",
            "relvs-proto",
        ],
    ),
    ("relvs-lab", &["relvs-config", "relvs-model"]),
    ("relvs", &["relvs-api", "relvs-config", "relvs-daemon", "relvs-ipvsadm", "relvs-lab", "relvs-model"]),
    ("relvs-bench", &["relvs-control", "relvs-core", "relvs-dataplane", "relvs-lab", "relvs-model"]),
    (
        "relvs-fuzz",
        &[
            "relvs-api",
            "relvs-config",
            "relvs-control",
            "relvs-core",
            "relvs-daemon",
            "relvs-dataplane",
            "relvs-ipvsadm",
            "relvs-model",
            "relvs-net",
            "relvs-proto",
        ],
    ),
    ("xtask", &[]),
];

/// Checks one manifest; one without a package (the workspace's) has no arrows.
pub(super) fn check(path: &str, manifest: &Table) -> Vec<Finding> {
    let finding = |rule: String| Finding { path: path.to_owned(), line: 0, rule };
    let Some(name) = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str) else {
        return Vec::new();
    };
    let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) else {
        return vec![finding(format!(
            "crate {name} has no arrows yet: say in xtask/src/tidy/arrows.rs what it may use"
        ))];
    };
    let dependencies = dependencies(manifest);
    let mut findings = Vec::new();
    for dependency in &dependencies {
        let ours = *dependency == "relvs" || *dependency == "xtask" || dependency.starts_with("relvs-");
        if ours && !allowed.contains(dependency) {
            findings.push(finding(format!("{name} must not depend on {dependency}")));
        }
    }
    if name == "relvs-core" && !dependencies.is_empty() {
        findings.push(finding(format!("{name} has no dependencies, but here is {}", dependencies.join(", "))));
    }
    findings
}

/// The packages that the crate is built with, on any target.
fn dependencies(manifest: &Table) -> Vec<&str> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let tables =
        std::iter::once(manifest).chain(targets.into_iter().flat_map(Table::values).filter_map(Value::as_table));
    tables
        .flat_map(|table| ["dependencies", "build-dependencies"].map(|kind| table.get(kind)))
        .filter_map(|dependencies| dependencies?.as_table())
        .flatten()
        // A dependency may be renamed.
        .map(|(key, value)| value.get("package").and_then(Value::as_str).unwrap_or(key))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(manifest: &str) -> Vec<String> {
        check("Cargo.toml", &manifest.parse().unwrap()).into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn a_wrong_arrow_is_found() {
        let control = |dependencies: &str| rules(&format!("[package]\nname = \"relvs-control\"\n{dependencies}"));
        assert_eq!(
            control("[dependencies]\nrelvs-model = { workspace = true }\nserde = \"1\"\n"),
            Vec::<String>::new()
        );
        let found = ["relvs-control must not depend on relvs-dataplane"];
        for wrong in [
            "[dependencies]\nrelvs-dataplane = { workspace = true }\n",
            "[dependencies.relvs-dataplane]\nworkspace = true\n",
            "[build-dependencies]\nrelvs-dataplane = { path = \"../dataplane\" }\n",
            "[dependencies]\nother = { path = \"../dataplane\", package = \"relvs-dataplane\" }\n",
            "[target.'cfg(unix)'.dependencies]\nrelvs-dataplane = { path = \"../dataplane\" }\n",
        ] {
            assert_eq!(control(wrong), found, "{wrong}");
        }
        assert_eq!(
            control("[dev-dependencies]\nrelvs-dataplane = { path = \"../dataplane\" }\n"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn core_depends_on_nothing() {
        let core = |dependencies: &str| rules(&format!("[package]\nname = \"relvs-core\"\n{dependencies}"));
        assert_eq!(core("[dependencies]\n[dev-dependencies]\nproptest = \"1\"\n"), Vec::<String>::new());
        assert_eq!(core("[dependencies]\nlibc = \"0.2\"\n"), ["relvs-core has no dependencies, but here is libc"]);
    }

    #[test]
    fn a_crate_without_arrows_is_found() {
        assert_eq!(rules("[package]\nname = \"relvs-new\"\n").len(), 1);
        assert_eq!(rules("[workspace]\nmembers = []\n"), Vec::<String>::new());
    }

    #[test]
    fn no_arrow_leads_to_an_unknown_crate_or_in_a_circle() {
        // Every crate stands below those that it may use, when those that use nothing left go first.
        let mut left: Vec<_> = ARROWS.to_vec();
        while !left.is_empty() {
            let before = left.len();
            let names: Vec<&str> = left.iter().map(|(name, _)| *name).collect();
            left.retain(|(_, uses)| uses.iter().any(|name| names.contains(name)));
            assert!(left.len() < before, "a circle among {names:?}");
        }
        for (name, uses) in ARROWS {
            for used in *uses {
                assert!(ARROWS.iter().any(|(known, _)| known == used), "{name} -> {used}");
            }
        }
    }
}
