//! The compiler and the linker of the BPF crate: found, or installed.
//!
//! The compiler needs the source of `core` of its very own version. The linker works on the compiler's LLVM, so it is
//! built against that library; both come from package registries alone.

use super::manifest::Tools;
use crate::{packages, shell};
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The newest release; a plain `cargo install` of it wants the newest LLVM.
const BPF_LINKER: &str = "0.13.0";

/// What builds the BPF crate.
pub(crate) struct Toolchain {
    pub(crate) rustc: PathBuf,
    /// The folder of the source of `core` and its siblings.
    pub(crate) source: PathBuf,
    /// The folder that holds bpf-linker.
    pub(crate) linker_dir: PathBuf,
    /// Where the linker finds LLVM, unless the system knows.
    pub(crate) library_dir: Option<PathBuf>,
    pub(crate) versions: Tools,
}

struct Compiler {
    rustc: PathBuf,
    sysroot: PathBuf,
    source: PathBuf,
    /// First line of `rustc -vV`.
    name: String,
    host: String,
    /// "22.1.8"
    llvm: String,
}

/// Finds the toolchain, preferring the compiler that `recorded` names, or installs one.
pub(crate) fn toolchain(recorded: Option<&Tools>) -> Result<Toolchain> {
    let compiler = match find_compiler(recorded) {
        Some(compiler) => compiler,
        None => {
            install_compiler()?;
            find_compiler(recorded).context("the compiler is installed but was not found")?
        }
    };
    let (library, system) = llvm_library(&compiler)?;
    let linker_dir = linker(&compiler, &library)?;
    let library_dir = if system { None } else { library.parent().map(Path::to_owned) };
    let mut version = Command::new(linker_dir.join("bpf-linker"));
    if let Some(dir) = &library_dir {
        version.env("LD_LIBRARY_PATH", dir);
    }
    let versions = Tools {
        rustc: compiler.name,
        host: compiler.host,
        llvm: compiler.llvm,
        cargo: shell::read(shell::cargo().arg("--version"))?.trim().to_owned(),
        bpf_linker: shell::read(version.arg("--version"))?.trim().to_owned(),
    };
    Ok(Toolchain { rustc: compiler.rustc, source: compiler.source, linker_dir, library_dir, versions })
}

/// A compiler that is new enough and has its source beside it: the system's, or one of rustup's.
fn find_compiler(recorded: Option<&Tools>) -> Option<Compiler> {
    let mut candidates = vec![PathBuf::from("/usr/bin/rustc")];
    candidates.extend(entries(Path::new("/usr/bin"), "rustc-1."));
    let rustup = match std::env::var_os("RUSTUP_HOME") {
        Some(home) => Some(PathBuf::from(home)),
        None => std::env::home_dir().map(|home| home.join(".rustup")),
    };
    let toolchains = rustup.map(|home| entries(&home.join("toolchains"), "")).unwrap_or_default();
    candidates.extend(toolchains.iter().map(|toolchain| toolchain.join("bin/rustc")));
    let mut usable: Vec<Compiler> =
        candidates.iter().filter(|rustc| rustc.is_file()).filter_map(|rustc| inspect(rustc).ok()).collect();
    let same = |compiler: &Compiler| recorded.is_some_and(|tools| tools.rustc == compiler.name);
    let index = usable.iter().position(same).unwrap_or(0);
    (!usable.is_empty()).then(|| usable.swap_remove(index))
}

fn inspect(rustc: &Path) -> Result<Compiler> {
    let text = shell::read(Command::new(rustc).arg("-vV"))?;
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.map(str::to_owned).with_context(|| format!("`rustc -vV` has no {name}"))
    };
    let release = field("release")?;
    if packages::rust_minor(&release) < Some(packages::BPF_RUST_MINOR) {
        bail!("{} is {release}", rustc.display());
    }
    let sysroot = PathBuf::from(shell::read(Command::new(rustc).args(["--print", "sysroot"]))?.trim());
    let source = sysroot.join("lib/rustlib/src/rust/library");
    if !source.join("core/src/lib.rs").is_file() {
        bail!("{} has no source of core", rustc.display());
    }
    let name = text.lines().next().unwrap_or_default().to_owned();
    let (host, llvm) = (field("host")?, field("LLVM version")?);
    Ok(Compiler { rustc: rustc.to_owned(), sysroot, source, name, host, llvm })
}

fn install_compiler() -> Result<()> {
    let minor = packages::BPF_RUST_MINOR;
    println!("missing: a Rust compiler 1.{minor} or newer with the source of core (for the BPF object)");
    match packages::rust_packages(minor, &["rustc", "source"])? {
        Some(list) => packages::install(&list.iter().map(String::as_str).collect::<Vec<_>>()),
        None => bail!(
            "this system's packages have no Rust 1.{minor}; with rustup, type: \
             rustup toolchain install 1.{minor}.0 --component rust-src"
        ),
    }
}

/// The LLVM library that the compiler works with, and whether the system's loader finds it by itself.
fn llvm_library(compiler: &Compiler) -> Result<(PathBuf, bool)> {
    let mut parts = compiler.llvm.split('.');
    let (Some(major), Some(minor)) = (parts.next(), parts.next()) else {
        bail!("{} has no LLVM version", compiler.name);
    };
    let name = format!("libLLVM.so.{major}.{minor}");
    let architecture = compiler.host.split('-').next().unwrap_or_default();
    let multiarch = format!("/usr/lib/{architecture}-linux-gnu");
    for dir in [multiarch.as_str(), "/usr/lib64", "/usr/lib"] {
        let library = Path::new(dir).join(&name);
        if library.is_file() {
            return Ok((library, true));
        }
    }
    for dir in [compiler.sysroot.join("lib"), PathBuf::from(format!("/usr/lib/llvm-{major}/lib"))] {
        if let Some(library) = entries(&dir, &name).pop() {
            return Ok((library, false));
        }
    }
    bail!("{} works with LLVM {}, whose library {name} was not found", compiler.name, compiler.llvm)
}

/// The folder of a bpf-linker that fits; builds it where it is not there.
fn linker(compiler: &Compiler, library: &Path) -> Result<PathBuf> {
    let major = compiler.llvm.split('.').next().unwrap_or_default();
    let library_name = library.file_name().unwrap_or_default().to_string_lossy();
    let dir = shell::tools_dir()?.join(format!("bpf-linker-{BPF_LINKER}-{library_name}"));
    let bin = dir.join("bin");
    if !bin.join("bpf-linker").is_file() {
        println!("missing: bpf-linker; building {BPF_LINKER} for LLVM {major} into {} (once)", dir.display());
        // bpf-linker looks for lib/libLLVM.so below a prefix; only a development package has that name.
        let prefix = dir.join("llvm");
        let link = prefix.join("lib/libLLVM.so");
        fs::create_dir_all(prefix.join("lib"))?;
        // A left-over of a build that was broken off may point elsewhere.
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(library, &link)?;
        let mut install = shell::cargo();
        install.args(["install", "--quiet", "--locked", "--no-default-features"]);
        install.args(["--features", &format!("llvm-{major}")]).arg(format!("bpf-linker@{BPF_LINKER}"));
        install.arg("--root").arg(&dir).arg("--target-dir").arg(shell::target_dir().join("tools"));
        shell::run(install.env("LLVM_PREFIX", &prefix))?;
    }
    Ok(bin)
}

/// The entries of a folder whose names begin so, sorted; none where there is no such folder.
fn entries(dir: &Path, start: &str) -> Vec<PathBuf> {
    let Ok(found) = fs::read_dir(dir) else { return Vec::new() };
    let named = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start));
    let mut paths: Vec<PathBuf> = found.flatten().map(|entry| entry.path()).filter(named).collect();
    paths.sort();
    paths
}
