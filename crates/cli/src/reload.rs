//! `relvs reload`: the file in force again, and whether that worked, which SIGHUP cannot tell.

use relvs_api::Client;
use std::process::ExitCode;

pub(crate) fn reload(client: &Client) -> ExitCode {
    match client.reload() {
        Ok(plan) if plan.is_empty() => super::say("nothing changes\n"),
        Ok(plan) => super::say(&(plan + "\n")),
        Err(error) => super::complain(&[error.to_string()]),
    }
}
