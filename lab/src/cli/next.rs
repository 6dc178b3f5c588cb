//! What can be done with a lab that stands: its picture, and commands to copy.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use anyhow::{Context, Result};

use super::up::HTTP;
use crate::lab::Lab;
use crate::plan::Role;
use crate::registry::{self, Status};

/// Shows it; `directed` when a director already serves these addresses.
pub(super) fn show(out: &mut dyn Write, lab: &Lab, vips: &[IpAddr], directed: bool) -> Result<()> {
    let relvs = program()?;
    let alone = !registry::list()?.iter().any(|other| other.status == Status::Up && other.name != lab.name());
    let shell = if alone { format!("{relvs} lab shell") } else { format!("{relvs} lab shell --lab {}", lab.name()) };
    let mut lines = Vec::new();
    if let Some(server) = lab.servers().next() {
        lines.push((format!("{shell} c -- curl http://{}/", server.v4()), "ask a server directly"));
    }
    if directed {
        for vip in vips {
            let url = SocketAddr::new(*vip, HTTP);
            lines.push((format!("{shell} c -- curl -g http://{url}/"), "ask through the director"));
        }
        lines.push((format!("{shell} d1 -- {relvs} status"), "see what the director counted"));
    } else {
        lines.push((format!("{shell} d1 -- {relvs} run --interface eth0"), "run a director"));
    }
    for node in lab.nodes().filter(|node| node.role() == Role::Director) {
        lines.push((format!("{shell} {}", node.name()), "look around in the director"));
    }
    lines.push((format!("{relvs} lab down {}", lab.name()), "remove everything"));
    let width = lines.iter().map(|(command, _)| command.chars().count()).max().unwrap_or(0);
    writeln!(out, "lab {}\n\n{}\nnext:", lab.name(), lab.picture())?;
    for (command, what) in lines {
        writeln!(out, "  {command:<width$}  {what}")?;
    }
    Ok(())
}

/// How to call this program: by its name where the shell finds it, else by its path.
fn program() -> Result<String> {
    let this = std::env::current_exe().context("the path of this program")?;
    let name = this.file_name().unwrap_or_default();
    let same = |directory: &Path| directory.join(name).canonicalize().is_ok_and(|found| found == this);
    let found = std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|entry| same(&entry)));
    Ok(if found { Path::new(name).display().to_string() } else { this.display().to_string() })
}
