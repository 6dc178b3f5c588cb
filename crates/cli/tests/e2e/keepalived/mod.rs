//! keepalived.conf as it is: whole configurations, of the shapes that people have, do their work.

mod called;
mod pairs;
mod plan;
mod reload;
mod services;
mod signals;
mod virtual_macs;

use crate::bed::{Bed, RELVS};
use crate::configuration::Service;
use relvs_lab::{Shape, director::Director};
use std::{fs, net::IpAddr, os::unix::fs::PermissionsExt as _, path::Path, path::PathBuf};

/// Out within a second, back within a half.
const PACE: &str = "delay_loop 0.3\n delay_before_retry 0.1\n retry 1\n connect_timeout 0.3\n";

/// What keepalived.conf cannot say and a small machine needs.
const SETTINGS: &str = "[director]\nflows = 16_384\n";

/// A lab whose director runs by keepalived.conf; `like` says how the servers are reached.
fn start(shape: &Shape, like: &[Service], settings: &str, conf: impl FnOnce(&Bed) -> String) -> Option<Bed> {
    let mut bed = Bed::bare(shape)?;
    bed.prepare(like);
    let path = write(&bed, &conf(&bed));
    let settings = bed.lab.write_file("settings.toml", &format!("{SETTINGS}{settings}")).unwrap();
    let arguments = ["--config", &path.display().to_string(), "--settings", &settings.display().to_string()];
    // Files that signals ask for are this test's own.
    let program = script(&bed, "relvs-here", &format!("TMPDIR={} exec {RELVS} \"$@\"", dumps(&bed).display()));
    fs::create_dir(dumps(&bed)).unwrap();
    bed.director = Director::new(&bed.lab, "d1", &program).unwrap().arguments(arguments);
    bed.director.start().unwrap();
    Some(bed)
}

/// Where the director writes what signals ask for.
fn dumps(bed: &Bed) -> PathBuf {
    bed.lab.directory().join("dumps")
}

fn write(bed: &Bed, conf: &str) -> PathBuf {
    bed.lab.write_file("keepalived.conf", conf).unwrap()
}

/// A `real_server` with these lines.
fn server(bed: &Bed, name: &str, vip: IpAddr, lines: &str) -> String {
    format!("  real_server {} 80 {{\n   {lines}\n  }}\n", crate::configuration::rip(&bed.lab, name, vip))
}

/// A program of these lines.
fn script(bed: &Bed, name: &str, lines: &str) -> PathBuf {
    let path = bed.lab.write_file(name, &format!("#!/bin/sh\n{lines}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Whether the servers that are checked are up.
fn up(bed: &Bed) -> Vec<bool> {
    bed.status().checks.iter().flat_map(|service| &service.servers).map(|server| server.up).collect()
}

/// What was written into a file, line by line.
fn told(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}
