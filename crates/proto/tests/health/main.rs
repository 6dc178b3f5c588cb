//! The monitor of servers from outside: each rule of keepalived's by itself, and all of them together in virtual time.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test ends at what it did not expect")]

mod figures;
mod many;
mod oracle;
mod promise;
mod reload;
mod rules;
mod scene;
mod services;
mod simulation;
mod world;
