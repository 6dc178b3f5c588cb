//! In the background, as daemons were before service managers: whoever started it goes on when the director answers.
//!
//! Nothing is forked: it starts itself once more, and waits for the director's control socket.

use rustix::{net::sockopt::socket_peercred, process::setsid};
use std::{
    env,
    io::{self, Read as _, Write as _},
    os::unix::{net::UnixStream, process::CommandExt as _},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

/// Says to the process that it is the one in the background.
const VARIABLE: &str = "RELVS_IN_BACKGROUND";
/// How often it is looked whether the director answers.
const LOOK: Duration = Duration::from_millis(20);

/// Whether this process is the one in the background.
pub(super) fn is_there() -> bool {
    env::var_os(VARIABLE).is_some()
}

/// Belongs to no terminal from now on.
pub(super) fn detach() {
    // It leads no process group, for it was started as one of another's.
    let _ = setsid();
}

/// Keeps no folder from being unmounted. Paths must have been made absolute.
pub(super) fn leave_folder() {
    let _ = env::set_current_dir("/");
}

/// Starts it, and waits until it answers or ends.
pub(super) fn begin(words: &[String], run_dir: &Path) -> ExitCode {
    let started = env::current_exe().and_then(|program| {
        let mut command = Command::new(program);
        command.arg0("keepalived").args(words).env(VARIABLE, "1");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()
    });
    match started {
        Ok(child) => wait(child, run_dir),
        Err(error) => crate::complain(&[format!("keepalived: {error}")]),
    }
}

fn wait(mut child: Child, run_dir: &Path) -> ExitCode {
    let errors = child.stderr.take();
    // What it says until then is for whoever started it.
    let relay = thread::spawn(move || {
        let mut buffer = [0; 4096];
        let Some(mut errors) = errors else { return };
        while let Ok(length @ 1..) = errors.read(&mut buffer) {
            let _ = io::stderr().write_all(buffer.get(..length).unwrap_or_default());
        }
    });
    let socket = relvs_api::socket(run_dir);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                let _ = relay.join();
                let code = status.code().and_then(|code| u8::try_from(code).ok());
                return code.map_or(ExitCode::FAILURE, ExitCode::from);
            }
            Ok(None) => {}
            Err(error) => return crate::complain(&[format!("keepalived: {error}")]),
        }
        // Another director's socket is no answer: then this one ends, as two do not share a folder.
        let answers = UnixStream::connect(&socket).ok().and_then(|stream| socket_peercred(stream).ok());
        if answers.is_some_and(|peer| peer.pid.as_raw_nonzero().get().cast_unsigned() == child.id()) {
            return ExitCode::SUCCESS;
        }
        thread::sleep(LOOK);
    }
}
