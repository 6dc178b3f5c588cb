//! Other programs: shown before they run, and named in the error when they fail.

use anyhow::{Context as _, Result, bail};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// After the end of a command, nothing more is printed if nothing was for so long.
const SILENCE: Duration = Duration::from_secs(3);

/// The repository's folder: cargo names it to what it runs. The folder of the build is the second choice, for a target
/// folder that two clones share.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let xtask =
            std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        xtask.parent().map_or(xtask.clone(), Path::to_owned)
    })
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The user's cache, where tools stay between two clones: bpf-linker and cargo-deny take a minute each to build.
pub(crate) fn tools_dir() -> Result<PathBuf> {
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(dir) if Path::new(&dir).is_absolute() => PathBuf::from(dir),
        _ => std::env::home_dir().context("HOME is not set; tools need a place to stay")?.join(".cache"),
    };
    Ok(cache.join("relvs-tools"))
}

/// A cargo command of our own, built on first use. Unoptimised and without its features: that builds in a third of the
/// time.
pub(crate) fn installed(name: &str, version: &str) -> Result<PathBuf> {
    let dir = tools_dir()?.join(format!("{name}-{version}"));
    let tool = dir.join("bin").join(name);
    if !tool.is_file() {
        println!("installing {name} {version} into {} (some minutes, once)", dir.display());
        let mut install = cargo();
        install.args(["install", "--quiet", "--locked", "--debug", "--no-default-features"]);
        install.arg(format!("{name}@{version}")).arg("--root").arg(&dir);
        run(install.arg("--target-dir").arg(target_dir().join("tools")))?;
    }
    Ok(tool)
}

/// The cargo that runs this program, in the repository's folder.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Prints the command and runs it; fails unless it exits with 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("+ {}", shown(command));
    let status = command.status().with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", shown(command));
    }
    Ok(())
}

/// As [`run`]; each line of what it prints is shown, and given to `each`.
pub(crate) fn run_and_read(command: &mut Command, mut each: impl FnMut(&str)) -> Result<()> {
    println!("+ {}", shown(command));
    let what = shown(command);
    let (reader, writer) = std::io::pipe().context("no pipe can be made")?;
    let errors = writer.try_clone().context("no pipe can be made")?;
    let mut child = command.stdout(writer).stderr(errors).spawn().with_context(|| format!("cannot start `{what}`"))?;
    // The command keeps its ends of the pipe; the last must be closed for the reader to come to an end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
    loop {
        match lines.recv_timeout(SILENCE) {
            Ok(line) => {
                println!("{line}");
                each(&line);
            }
            // A process that outlives the command may hold the pipe.
            Err(RecvTimeoutError::Timeout) if child.try_wait()?.is_none() => {}
            Err(_) => break,
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{what}` failed: {status}");
    }
    Ok(())
}

/// Runs the command quietly and returns what it wrote to stdout; fails, with its stderr, unless it exits with 0.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !output.status.success() {
        bail!("`{}`: {}: {}", shown(command), output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` wrote no text", shown(command)))
}

/// A command that runs as root: directly, or by a sudo that does not ask; `None` where neither goes.
pub(crate) fn as_root(program: &Path) -> Option<Command> {
    if is_root() {
        return Some(Command::new(program));
    }
    let mut probe = Command::new("sudo");
    probe.args(["-n", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        return None;
    }
    let mut command = Command::new("sudo");
    command.arg("-n").arg(program);
    Some(command)
}

/// Whether this process is root: /proc/self belongs to the effective user.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Where a program is, looking in the folders of system programs too: a plain user's PATH often lacks them.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// The command line as one would type it.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| {
        let word = word.to_string_lossy();
        if word.is_empty() || word.contains([' ', '\n', '\'', '"', '$', ';', '|', '*']) {
            format!("'{}'", word.replace('\'', r"'\''"))
        } else {
            word.into_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}
