//! Which director is asked: the one of this run directory, or one that listens on TCP.

use clap::{Args, Parser};
use relvs_api::{API_VARIABLE, Client};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(Args)]
pub(crate) struct Remote {
    /// Ask a director that listens on TCP, in place of the run directory's, as in https://192.0.2.1:9111
    #[arg(long, global = true, value_name = "URL", env = API_VARIABLE, help_heading = "A director elsewhere")]
    api: Option<String>,
    /// A file with the token that lets in
    #[arg(long, global = true, value_name = "FILE", env = "RELVS_TOKEN_FILE", help_heading = "A director elsewhere")]
    token_file: Option<PathBuf>,
    /// PEM: the authorities that its certificate must be of; else those of this machine
    #[arg(long, global = true, value_name = "FILE", env = "RELVS_CACERT", help_heading = "A director elsewhere")]
    cacert: Option<PathBuf>,
    /// PEM: a client certificate that lets in, with those that lead to its authority
    #[arg(long, global = true, value_name = "FILE", env = "RELVS_CERT", requires = "client_key")]
    #[arg(help_heading = "A director elsewhere")]
    client_cert: Option<PathBuf>,
    /// PEM: its key
    #[arg(long, global = true, value_name = "FILE", env = "RELVS_KEY", requires = "client_cert")]
    #[arg(help_heading = "A director elsewhere")]
    client_key: Option<PathBuf>,
}

impl Remote {
    /// The client, or what was complained of.
    pub(crate) fn client(self, run_dir: &Path) -> Result<Client, ExitCode> {
        let Some(url) = self.api else { return Ok(Client::new(run_dir)) };
        let remote = relvs_api::Remote {
            url,
            token_file: self.token_file,
            authorities: self.cacert,
            certificate: self.client_cert.zip(self.client_key),
        };
        Client::remote(&remote).map_err(|error| super::complain(&[error.to_string()]))
    }
}

/// What the environment says, for a program that has no options for it.
#[derive(Parser)]
struct Environment {
    #[arg(long, env = relvs_api::RUN_DIR_VARIABLE, default_value = relvs_api::RUN_DIR)]
    run_dir: PathBuf,
    #[command(flatten)]
    remote: Remote,
}

/// The same by the environment alone.
pub(crate) fn of_environment() -> Result<Client, ExitCode> {
    match Environment::try_parse_from(["relvs"]) {
        Ok(Environment { run_dir, remote }) => remote.client(&run_dir),
        Err(error) => Err(super::complain(&[error.to_string()])),
    }
}
