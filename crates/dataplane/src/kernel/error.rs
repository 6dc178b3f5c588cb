//! What can go wrong on the kernel's side, in words that say what to do.

use std::{io, path::PathBuf};

/// An error of the kernel's side.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A table has no room left.
    #[error("no room for more {0}")]
    Full(&'static str),
    /// A map could not be read or written.
    #[error("map {map}: {source}")]
    Map {
        /// Its name.
        map: &'static str,
        /// Why.
        source: aya::maps::MapError,
    },
    /// The object lacks something: it is not the one that this program was built for.
    #[error("the BPF object has no {0}; rebuild it with `cargo xtask bpf`")]
    Missing(String),
    /// The kernel refused the programs.
    #[error(
        "the kernel refused the programs: {0}; a kernel of 5.17 or later and CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON are needed"
    )]
    Load(String),
    /// Maps without pins have no twin.
    #[error("the tables are not pinned, so nothing can be tried on them")]
    Unpinned,
    /// The program could not be attached.
    #[error("interface {interface}: the program could not be attached: {reason}")]
    Attach {
        /// Its name.
        interface: String,
        /// Why.
        reason: String,
    },
    /// A test run failed.
    #[error("a program could not be run: {0}")]
    Run(String),
    /// A file or directory.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A system call.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn map(map: &'static str, source: aya::maps::MapError) -> Self {
        Error::Map { map, source }
    }
    pub(crate) fn io(what: &'static str, source: io::Error) -> Self {
        Error::Io { what, source }
    }
    pub(crate) fn file(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Error::File { path: path.into(), source }
    }
    /// All that an error and its causes say, in one line.
    pub(crate) fn chain(error: &dyn std::error::Error) -> String {
        let mut text = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text = format!("{text}: {cause_text}");
            }
            next = cause.source();
        }
        text.lines().next().unwrap_or_default().to_owned()
    }
}
