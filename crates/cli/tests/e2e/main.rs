//! End to end: the program itself, as an administrator calls it, in namespaces that each test makes and removes.
//!
//! One binary for all, so that it is linked once; a module for each subject. They count and compare, and never measure
//! time: every wait is for something to become so, and bounded.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, reason = "what tests share is a test too")]

mod bed;
mod changes;
mod checks;
mod commands;
mod configuration;
mod described;
mod directors;
mod drain;
mod examples;
mod explain;
mod failing;
mod faults;
mod health;
mod icmp;
mod ipvsadm;
mod keepalived;
mod life;
mod listener;
mod listing;
mod local;
mod marks;
mod methods;
mod metrics;
mod mtu;
mod neighbours;
mod notify;
mod package;
mod persistence;
mod quoted;
mod realserver;
mod restart;
mod scale;
mod schedulers;
mod service_manager;
mod status;
mod swaps;
mod trace;
mod tunnels;
mod vrrp;
mod wrong;
