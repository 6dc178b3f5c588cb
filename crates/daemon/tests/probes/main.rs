//! Probes and notifications against servers: real ones, and ones that fail in every way.
//!
//! Servers that fail are threads of the test on the loopback and need no privilege. Real ones (nginx, dnsmasq, aiosmtpd) run in
//! network namespaces of the test's own, so that needs root.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test ends at what it did not expect"
)]

mod ask;
mod certificates;
mod data_path;
mod failing;
mod grpc;
mod hostile;
mod many;
mod measure;
mod notify;
mod place;
mod programs;
mod real;
