//! `relvs run`.

use crate::log;
use clap::{Args, ValueEnum};
use relvs_daemon::{Options, Source};
use std::{path::PathBuf, process::ExitCode};

#[derive(Args)]
pub(crate) struct Arguments {
    /// relvs.toml; without one the director goes on with what it did before, or starts empty
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
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
    // The configuration may be read again after the working directory has gone.
    let config = match arguments.config.map(std::path::absolute).transpose() {
        Ok(config) => config,
        Err(error) => return super::complain(&[format!("--config: {error}")]),
    };
    let source =
        Source { file: config, interfaces: arguments.interfaces, xdp_mode: arguments.xdp_mode.map(Into::into) };
    match relvs_daemon::run(&Options { source, run_dir }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::complain(&error.0),
    }
}
