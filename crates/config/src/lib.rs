//! Configuration files to the model, with diagnostics that name file, line and column.
//!
//! Reading never fails: it returns what it understood and what it has to say about the rest, and the caller decides
//! what to refuse. Nothing here opens a file, asks the kernel, or prints.
//!
//! A reader of one format (`toml_file`) turns text into a draft; the rules of virtual services, the words for
//! addresses and the diagnostics are shared by all formats.
#![forbid(unsafe_code)]

mod address;
mod checked;
mod diagnostic;
mod draft;
mod duration;
mod format;
mod host;
pub mod keepalived;
pub mod keys;
mod lines;
mod marks;
mod names;
mod network;
mod parsed;
mod pattern;
mod report;
mod rules;
mod sysctl;
mod toml_file;
mod web;
mod written;

pub use diagnostic::{Diagnostic, Severity};
pub use format::Format;
pub use lines::Location;
pub use parsed::{MAX_DIAGNOSTICS, Parsed};
pub use pattern::pattern;
pub use toml_file::{MAX_BYTES, MAX_FLOWS, MAX_WEIGHT, parse_toml, parse_toml_bytes};
pub use written::relvs_toml;
