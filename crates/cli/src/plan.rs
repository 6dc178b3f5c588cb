//! `relvs plan` and `relvs apply`: a file, against what is in force. Virtual routers and who is told are not applied, as no request
//! changes them: what a reload would do about them is shown.

use crate::outcome::{self, Making};
use clap::Args;
use relvs_api::{Beside, Client, Code, Configuration, Error, How, Outcome};
use relvs_config::{Format, keepalived::Verdict, relvs_toml};
use relvs_model::Timeouts;
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Something would change.
const CHANGES: u8 = 3;
/// What is said of what `apply` leaves.
const LEFT: &str = "by `relvs reload` of the director's own file, not by `relvs apply`";

#[derive(Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    wanted: Wanted,
    /// For programs
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Apply {
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    making: Making,
}

#[derive(Args)]
struct Wanted {
    /// relvs.toml or keepalived.conf
    file: PathBuf,
    /// What lines of keepalived.conf after `@` are for; without it the first part of the machine's name
    #[arg(short = 'i', long, value_name = "ID")]
    config_id: Option<String>,
}

/// What a file would change, for programs.
#[derive(Serialize)]
struct Planned<'a> {
    #[serde(flatten)]
    outcome: &'a Outcome,
    /// What `apply` leaves and a reload changes, a line each.
    by_reload: &'a [String],
}

pub(crate) fn plan(arguments: &Plan, client: &Client) -> ExitCode {
    let (wanted, beside) = match read(&arguments.wanted, client) {
        Ok(read) => read,
        Err(code) => return code,
    };
    let dry_run = How { dry_run: true, ..How::default() };
    let asked = client.replace(&wanted, dry_run).and_then(|outcome| Ok((outcome, differences(&beside, client)?)));
    let (outcome, left) = match asked {
        Ok(asked) => asked,
        Err(error) => return super::complain(&[error.to_string()]),
    };
    let shown = if arguments.json {
        super::say_json(&Planned { outcome: &outcome, by_reload: &left })
    } else if left.is_empty() {
        outcome::show(&outcome, false)
    } else {
        let mut lines = vec![outcome.text.clone()];
        lines.retain(|text| !text.is_empty());
        lines.push(format!("{LEFT}:"));
        lines.extend(left.iter().cloned());
        super::say(&(lines.join("\n") + "\n"))
    };
    let changes = !outcome.plan.is_empty() || !left.is_empty();
    if changes && shown == ExitCode::SUCCESS { ExitCode::from(CHANGES) } else { shown }
}

pub(crate) fn apply(arguments: &Apply, client: &Client) -> ExitCode {
    let (wanted, beside) = match read(&arguments.wanted, client) {
        Ok(read) => read,
        Err(code) => return code,
    };
    let applied = client.replace(&wanted, arguments.making.how());
    let done = applied.is_ok();
    let shown = arguments.making.show(applied);
    if done {
        match differences(&beside, client) {
            Ok(left) if left.is_empty() => {}
            Ok(left) => {
                // What was asked for is done all the same.
                super::complain(&[format!("{}: {LEFT}: {}", arguments.wanted.file.display(), left.join("; "))]);
            }
            Err(error) => return super::complain(&[error.to_string()]),
        }
    }
    shown
}

/// What a reload would change that no request does. A director before this version does not say it.
fn differences(beside: &Beside, client: &Client) -> Result<Vec<String>, Error> {
    match client.differences(beside) {
        Ok(differences) => Ok(differences.lines),
        Err(Error::Refused(failure)) if failure.code == Code::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// What the file asks for, of `apply` and of a reload alone. What is to be said of it is said.
fn read(wanted: &Wanted, client: &Client) -> Result<(Configuration, Beside), ExitCode> {
    let Wanted { file, config_id } = wanted;
    let name = file.display().to_string();
    if Format::of(file) == Format::Keepalived {
        return keepalived(file, config_id.as_deref(), client);
    }
    let bytes = fs::read(file).map_err(|error| super::complain(&[format!("{name}: {error}")]))?;
    let parsed = relvs_config::parse_toml_bytes(&name, &bytes);
    let lines: Vec<String> = parsed.diagnostics.iter().map(ToString::to_string).collect();
    let refused = super::complain(&lines);
    if parsed.has_errors() {
        return Err(refused);
    }
    let toml = String::from_utf8_lossy(&bytes).into_owned();
    Ok((parsed.state.into(), Beside { toml, partial: false }))
}

/// What keepalived.conf asks for, with what it cannot say as it is in force. As keepalived, it goes on without what is wrong,
/// and says so.
fn keepalived(file: &Path, id: Option<&str>, client: &Client) -> Result<(Configuration, Beside), ExitCode> {
    let read = crate::convert::read(file, id, true)?;
    let lines: Vec<String> = read.diagnostics.iter().map(ToString::to_string).collect();
    let refused = super::complain(&lines);
    if read.verdict == Verdict::Fatal {
        return Err(refused);
    }
    let beside = Beside { toml: relvs_toml(&read, &[]), partial: true };
    let Configuration { timeouts, services, .. } = read.state.into();
    let mut wanted = client.configuration().map_err(|error| super::complain(&[error.to_string()]))?;
    wanted.services = services;
    if timeouts != Timeouts::default() {
        wanted.timeouts = timeouts;
    }
    Ok((wanted, beside))
}
