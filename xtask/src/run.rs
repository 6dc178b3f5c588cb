//! The commands that run the product: demo, test, bench.

use crate::{deb, packages, schemathesis, shell, steady};
use anyhow::{Context as _, Result};
use std::process::Command;

/// Builds relvs and plays the demonstration of its lab.
pub(crate) fn demo(arguments: &[&str]) -> Result<()> {
    packages::setup(Some("test"))?;
    shell::run(shell::cargo().args(["build", "--release", "--package", "relvs"]))?;
    let relvs = shell::target_dir().join("release/relvs");
    let mut demo: Command = shell::as_root(&relvs).with_context(|| {
        format!("the demo makes network namespaces, which needs root: sudo {} lab demo", relvs.display())
    })?;
    shell::run(demo.args(["lab", "demo"]).args(arguments).current_dir(shell::root()))
}

/// Runs every test whose name contains the filter; the tests find the built command in RELVS_BIN.
pub(crate) fn test(arguments: &[&str]) -> Result<()> {
    packages::setup(Some("test"))?;
    packages::setup(Some("deb"))?;
    packages::setup(Some("oracle"))?;
    schemathesis::setup()?;
    if !shell::is_root() {
        println!("not root: the tests that make network namespaces or load programs will say that they skip");
    }
    // One resolution of features for both steps, so that nothing is compiled twice.
    shell::run(shell::cargo().args(["build", "--workspace", "--bins", "--tests"]))?;
    let relvs = shell::target_dir().join("debug/relvs");
    let mut environment = vec![("RELVS_BIN", relvs.clone())];
    if arguments.is_empty() || arguments.iter().any(|filter| filter.contains("package")) {
        let packages = shell::target_dir().join("debian-test");
        for version in ["0.1.0-1", "0.1.0-2"] {
            deb::pack(&relvs, Some(version), &packages, true)?;
        }
        environment.push(("RELVS_PACKAGES", packages));
    }
    let tests = [&["--workspace", "--no-fail-fast"], arguments].concat();
    steady::run(&tests, |cargo| {
        cargo.envs(environment.iter().map(|(name, value)| (name, value)));
    })
}

/// Measures nanoseconds per packet, or with `beside` or `scale` what their help says; loads programs, so it wants root.
pub(crate) fn bench(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["beside", rest @ ..] => {
            let out = shell::target_dir().join("beside");
            let out = out.to_str().context("the folder of the build is not UTF-8")?;
            // What is asked for later counts.
            return beside(&[&["beside", "--out", out], rest].concat());
        }
        ["scale", ..] => return beside(arguments),
        _ => {}
    }
    packages::setup(Some("build"))?;
    shell::run(shell::cargo().args(["run", "--release", "--package", "relvs-bench", "--"]).args(arguments))
}

/// What wants the lab and the product itself.
fn beside(arguments: &[&str]) -> Result<()> {
    packages::setup(Some("beside"))?;
    shell::run(shell::cargo().args(["build", "--release", "--package", "relvs", "--package", "relvs-bench"]))?;
    let bench = shell::target_dir().join("release/relvs-bench");
    let mut command: Command = shell::as_root(&bench).with_context(|| {
        let (bench, what) = (bench.display(), arguments.join(" "));
        format!("it makes network namespaces and loads programs, which needs root: sudo {bench} {what}")
    })?;
    shell::run(command.args(arguments).current_dir(shell::root()))
}
