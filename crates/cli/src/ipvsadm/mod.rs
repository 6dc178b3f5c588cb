//! ipvsadm, ipvsadm-save and ipvsadm-restore, as users know them, driving the running director.
//!
//! The command line, listings and messages are `relvs-ipvsadm`'s; here a director is asked over its control socket, and
//! names are looked up. Called as one of the three, or as `relvs ipvsadm`, `relvs ipvsadm-save`, `relvs ipvsadm-restore`.

mod director;
mod edits;
mod names;

use director::Remote;
use names::System;
use relvs_api::Client;
use relvs_ipvsadm::{Restore, Session, ipvsadm, ipvsadm_restore, ipvsadm_save};
use std::{
    io::{self, BufWriter, Write as _},
    process::ExitCode,
};

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Main,
    Save,
    Restore,
}

impl Program {
    /// By the name that the command was called by.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "ipvsadm" => Some(Program::Main),
            "ipvsadm-save" => Some(Program::Save),
            "ipvsadm-restore" => Some(Program::Restore),
            _ => None,
        }
    }
}

/// Runs one. `called` is its name in messages.
pub(crate) fn run(program: Program, called: &str, arguments: &[String], client: Client) -> ExitCode {
    let (mut input, output, mut errors) = (io::stdin().lock(), io::stdout().lock(), io::stderr().lock());
    let mut out = BufWriter::new(output);
    let mut session = Session {
        director: &mut Remote::new(client),
        names: &System,
        // What ipvsadm does when a line fails, its users' scripts may count on; `relvs apply` is all or nothing.
        restore: if std::env::var_os("RELVS_RESTORE").is_some_and(|way| way == "original") {
            Restore::Original
        } else {
            Restore::Atomic
        },
        input: &mut input,
        out: &mut out,
        err: &mut errors,
    };
    let ended = match program {
        Program::Main => ipvsadm(called, arguments, &mut session),
        Program::Save => ipvsadm_save(called, arguments, &mut session),
        Program::Restore => ipvsadm_restore(&mut session),
    };
    match ended.and_then(|code| out.flush().map(|()| code)) {
        Ok(code) => ExitCode::from(code),
        // Nobody reads any more.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(errors, "{called}: {error}");
            ExitCode::from(2)
        }
    }
}
