//! This command, called as `keepalived`: its options, its exit codes, its place in the background.
//!
//! What it does then is `relvs run`'s. Source: keepalived(8) and keepalived 2.2.7's behaviour.

mod background;
mod options;
mod syslog;

use crate::log;
use options::{Asked, Run};
use relvs_config::keepalived::Keepalived;
use relvs_daemon::{
    Options, Source,
    keepalived::{self, Disk},
};
use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Names a relvs.toml with what keepalived.conf cannot say.
const SETTINGS: &str = "RELVS_SETTINGS";
/// Nothing to run by, in the words of the LSB.
const NOT_CONFIGURED: u8 = 6;

/// Whether a command of this name is keepalived.
pub(crate) fn is_called(name: &str) -> bool {
    name == "keepalived"
}

pub(crate) fn run(words: &[String]) -> ExitCode {
    match options::read(words) {
        Ok(Asked::Version) => super::say(&format!("keepalived of relvs {}\n", env!("CARGO_PKG_VERSION"))),
        Ok(Asked::Help) => super::say(&options::help()),
        Ok(Asked::Signal(number)) => super::say(&format!("{number}\n")),
        Ok(Asked::Test(run, log)) => test(&run, log.as_deref()),
        Ok(Asked::Run(run)) => start(run, words),
        Err(error) => super::complain(&[format!("keepalived: {error}")]),
    }
}

/// Says what is wrong with the configuration, and how wrong by the exit code.
fn test(run: &Run, log: Option<&Path>) -> ExitCode {
    let host = match keepalived::host(run.config_id.as_deref()) {
        Ok(host) => host,
        Err(error) => return super::complain(&[error.to_string()]),
    };
    let read = Keepalived::read(&Disk, &run.file.display().to_string(), &host);
    let lines: Vec<String> = read.diagnostics.iter().map(ToString::to_string).collect();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let written = match log {
        Some(log) => {
            File::options().create(true).append(true).open(log).and_then(|mut file| file.write_all(text.as_bytes()))
        }
        None => {
            super::complain(&lines);
            Ok(())
        }
    };
    match (written, log) {
        (Err(error), Some(log)) => super::complain(&[format!("{}: {error}", log.display())]),
        _ => ExitCode::from(read.verdict.exit_code()),
    }
}

fn start(run: Run, words: &[String]) -> ExitCode {
    let run_dir =
        std::env::var_os(relvs_api::RUN_DIR_VARIABLE).map_or_else(|| relvs_api::RUN_DIR.into(), PathBuf::from);
    if let Err(error) = fs::metadata(&run.file) {
        super::complain(&[format!("{}: {error}; -f names another", run.file.display())]);
        return ExitCode::from(NOT_CONFIGURED);
    }
    if !run.foreground && !background::is_there() {
        return background::begin(words, &run_dir);
    }
    if background::is_there() {
        background::detach();
        syslog::start(run.facility);
    } else {
        log::start(if run.console { log::Format::Text } else { log::Format::Auto });
    }
    match director(run, run_dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(errors) => {
            for error in &errors {
                tracing::error!("{error}");
            }
            super::complain(&errors)
        }
    }
}

fn director(run: Run, run_dir: PathBuf) -> Result<(), Vec<String>> {
    if let Some(name) = &run.namespace {
        relvs_daemon::enter_namespace(name).map_err(|error| vec![format!("-s {name}: {error}")])?;
    }
    for remark in &run.remarks {
        tracing::warn!("{remark}");
    }
    // It may be read again after the working directory has gone.
    let absolute =
        |file: &Path| std::path::absolute(file).map_err(|error| vec![format!("{}: {error}", file.display())]);
    let settings = std::env::var_os(SETTINGS).map(|file| absolute(Path::new(&file))).transpose()?;
    let source = Source {
        file: Some(absolute(&run.file)?),
        format: Some(relvs_config::Format::Keepalived),
        keepalived: keepalived::Options { config_id: run.config_id, settings, part: run.part },
        ..Source::default()
    };
    let pid_files = run.pid_files.iter().map(|file| absolute(file)).collect::<Result<_, _>>()?;
    if background::is_there() {
        background::leave_folder();
    }
    relvs_daemon::run(&Options { source, run_dir, pid_files }).map_err(|error| error.0)
}
