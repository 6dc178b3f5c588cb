//! The log of `relvs run`: lines for people, JSON for programs, or the journal with its fields.
//!
//! It decides only how the log is written; RELVS_LOG says how much of it. Source: systemd.exec(5) on JOURNAL_STREAM.

use clap::ValueEnum;
use std::{
    fs::File,
    io::{self, IsTerminal as _},
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, registry, util::SubscriberInitExt as _};

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// journald where standard error is the journal, else text
    Auto,
    /// Lines on standard error
    Text,
    /// A JSON object a line on standard error
    Json,
    /// To the journal itself, with fields
    Journald,
}

/// What the journal's own fields of an event begin with.
const PREFIX: &str = "RELVS";

/// Starts the log of this process.
pub(crate) fn start(format: Format) {
    match format {
        Format::Json => json(),
        Format::Journald => journald(),
        Format::Auto if is_journal() => journald(),
        Format::Auto | Format::Text => text(),
    }
}

fn filter() -> EnvFilter {
    EnvFilter::try_from_env("RELVS_LOG").unwrap_or_else(|_| EnvFilter::new("info"))
}

fn text() {
    tracing_subscriber::fmt()
        .with_env_filter(filter())
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
}

fn json() {
    tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter()).with_writer(io::stderr).init();
}

fn journald() {
    match tracing_journald::layer() {
        Ok(journal) => {
            let journal = journal.with_field_prefix(Some(PREFIX.to_owned())).with_syslog_identifier("relvs".to_owned());
            registry().with(filter()).with(journal).init();
        }
        // A log in another form is better than none.
        Err(error) => {
            text();
            tracing::warn!("the journal does not answer, so the log is text on standard error: {error}");
        }
    }
}

/// Whether standard error leads to the journal.
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let stderr = io::stderr().as_fd().try_clone_to_owned().and_then(|fd| File::from(fd).metadata());
    stderr.is_ok_and(|file| names(&stream, file.dev(), file.ino()))
}

/// Whether a JOURNAL_STREAM, `DEVICE:INODE`, names this file.
fn names(stream: &str, device: u64, inode: u64) -> bool {
    let parts = stream.split_once(':').map(|(device, inode)| (device.parse(), inode.parse()));
    parts == Some((Ok(device), Ok(inode)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journals_stream_is_the_file_that_it_names() {
        assert!(names("9:4711", 9, 4711));
        for other in ["9:4712", "8:4711", "9:", "9", "", "9:4711:1", "a:b"] {
            assert!(!names(other, 9, 4711), "{other}");
        }
    }
}
