//! `relvs run`.

use crate::log;
use clap::{Args, ValueEnum};
use relvs_daemon::{Options, Source, keepalived};
use std::{path::PathBuf, process::ExitCode};

#[derive(Args)]
pub(crate) struct Arguments {
    /// relvs.toml or keepalived.conf; without one the director goes on with what it did before, or starts empty
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Whose words it is written in; if nothing is said, what ends in .toml is relvs.toml, anything else keepalived.conf
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// With keepalived.conf: relvs.toml with what that cannot say, such as rules for marks; without services
    #[arg(long, value_name = "FILE", env = "RELVS_SETTINGS")]
    settings: Option<PathBuf>,
    /// With keepalived.conf: whom lines that begin with @ are for; if nothing is said, the first part of this machine's name
    #[arg(long, value_name = "ID")]
    config_id: Option<String>,
    /// An interface to serve, in place of those of the configuration; may be given several times
    #[arg(long = "interface", value_name = "IF")]
    interfaces: Vec<String>,
    /// How to attach to interfaces
    #[arg(long, value_enum)]
    xdp_mode: Option<Mode>,
    /// How to write the log; RELVS_LOG says how much: error, warn, info (the default), debug, trace
    #[arg(long, value_enum, env = "RELVS_LOG_FORMAT", default_value = "auto")]
    log_format: log::Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// relvs.toml
    Relvs,
    /// keepalived.conf
    Keepalived,
}

impl From<Format> for relvs_config::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Relvs => Self::Relvs,
            Format::Keepalived => Self::Keepalived,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// The fastest that delivers
    Auto,
    /// In the driver, or not at all
    Native,
    /// In the stack's hook, which every driver has
    Generic,
}

impl From<Mode> for relvs_model::XdpMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Auto => Self::Auto,
            Mode::Native => Self::Native,
            Mode::Generic => Self::Generic,
        }
    }
}

pub(crate) fn run(arguments: Arguments, run_dir: PathBuf) -> ExitCode {
    log::start(arguments.log_format);
    let Arguments { config, format, settings, config_id, interfaces, xdp_mode, .. } = arguments;
    // The configuration may be read again after the working directory has gone.
    let absolute = |option: &str, file: Option<PathBuf>| {
        let file = file.map(std::path::absolute).transpose();
        file.map_err(|error| super::complain(&[format!("{option}: {error}")]))
    };
    let (file, settings) = match (absolute("--config", config), absolute("--settings", settings)) {
        (Ok(file), Ok(settings)) => (file, settings),
        (Err(code), _) | (_, Err(code)) => return code,
    };
    let source = Source {
        file,
        format: format.map(Into::into),
        keepalived: keepalived::Options { settings, config_id, ..keepalived::Options::default() },
        interfaces,
        xdp_mode: xdp_mode.map(Into::into),
    };
    match relvs_daemon::run(&Options { source, run_dir, pid_files: Vec::new() }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::complain(&error.0),
    }
}
