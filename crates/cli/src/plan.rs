//! `relvs plan` and `relvs apply`: a file, against what is in force.

use crate::outcome::{self, Making};
use clap::Args;
use relvs_api::{Client, Configuration, How};
use relvs_config::{Format, keepalived::Verdict};
use relvs_model::Timeouts;
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Something would change.
const CHANGES: u8 = 3;

#[derive(Args)]
pub(crate) struct Plan {
    /// relvs.toml or keepalived.conf
    file: PathBuf,
    /// For programs
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Apply {
    /// relvs.toml or keepalived.conf
    file: PathBuf,
    #[command(flatten)]
    making: Making,
}

pub(crate) fn plan(arguments: &Plan, client: &Client) -> ExitCode {
    let wanted = match read(&arguments.file, client) {
        Ok(wanted) => wanted,
        Err(code) => return code,
    };
    let dry_run = How { dry_run: true, ..How::default() };
    match client.replace(&wanted, dry_run) {
        Ok(outcome) => {
            let shown = outcome::show(&outcome, arguments.json);
            let changes = !outcome.plan.is_empty();
            if changes && shown == ExitCode::SUCCESS { ExitCode::from(CHANGES) } else { shown }
        }
        Err(error) => super::complain(&[error.to_string()]),
    }
}

pub(crate) fn apply(arguments: &Apply, client: &Client) -> ExitCode {
    match read(&arguments.file, client) {
        Ok(wanted) => arguments.making.show(client.replace(&wanted, arguments.making.how())),
        Err(code) => code,
    }
}

/// What the file asks for. What is to be said of it is said.
fn read(file: &Path, client: &Client) -> Result<Configuration, ExitCode> {
    let name = file.display().to_string();
    if Format::of(file) == Format::Keepalived {
        return keepalived(file, client);
    }
    let bytes = fs::read(file).map_err(|error| super::complain(&[format!("{name}: {error}")]))?;
    let parsed = relvs_config::parse_toml_bytes(&name, &bytes);
    let lines: Vec<String> = parsed.diagnostics.iter().map(ToString::to_string).collect();
    let refused = super::complain(&lines);
    if parsed.has_errors() { Err(refused) } else { Ok(parsed.state.into()) }
}

/// What keepalived.conf asks for, with what it cannot say as it is in force. As keepalived, it goes on without what is wrong,
/// and says so.
fn keepalived(file: &Path, client: &Client) -> Result<Configuration, ExitCode> {
    let read = crate::convert::read(file, None, true)?;
    let lines: Vec<String> = read.diagnostics.iter().map(ToString::to_string).collect();
    let refused = super::complain(&lines);
    if read.verdict == Verdict::Fatal {
        return Err(refused);
    }
    let Configuration { timeouts, services, .. } = read.state.into();
    let mut wanted = client.configuration().map_err(|error| super::complain(&[error.to_string()]))?;
    wanted.services = services;
    if timeouts != Timeouts::default() {
        wanted.timeouts = timeouts;
    }
    Ok(wanted)
}
