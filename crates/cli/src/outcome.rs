//! How changes are made from a command line, and how is shown what came of them.

use clap::Args;
use relvs_api::{Client, Error, How, Outcome};
use relvs_model::Edit;
use std::process::ExitCode;

/// What every command that changes something takes.
#[derive(Args)]
pub(crate) struct Making {
    /// Only show what would change
    #[arg(long)]
    dry_run: bool,
    /// Only if this revision is in force, as `status` shows it; else say so and change nothing
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
    /// For programs
    #[arg(long)]
    json: bool,
}

impl Making {
    pub(crate) fn how(&self) -> How {
        How { dry_run: self.dry_run, revision: self.revision }
    }

    /// Makes an edit and shows it.
    pub(crate) fn edit(&self, client: &Client, edit: Edit) -> ExitCode {
        self.show(client.edit(&[edit], self.how()))
    }

    /// What came of a change.
    pub(crate) fn show(&self, outcome: Result<Outcome, Error>) -> ExitCode {
        match outcome {
            Ok(outcome) => show(&outcome, self.json),
            Err(error) => super::complain(&[error.to_string()]),
        }
    }
}

/// What came of a change: a diff.
pub(crate) fn show(outcome: &Outcome, json: bool) -> ExitCode {
    if json {
        return super::say_json(outcome);
    }
    match outcome.text.as_str() {
        "" => super::say("nothing changes\n"),
        text => super::say(&format!("{text}\n")),
    }
}
