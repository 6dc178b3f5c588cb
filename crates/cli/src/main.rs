//! `relvs`: one binary for the director, the real server and the lab.
//!
//! Here are words and exit codes; what they mean is done in the daemon's library, or by the running daemon over its
//! control socket. Exit codes: 0 done, 1 it did not work or something is wrong, 2 a wrong command line, 3 `plan` found changes.
#![forbid(unsafe_code)]
#![allow(clippy::print_stderr, reason = "a command line prints")]

mod check;
mod completions;
mod convert;
mod drain;
mod explain;
mod flows;
mod health;
mod ipvsadm;
mod keepalived;
mod log;
mod man;
mod outcome;
mod plan;
mod realserver;
mod reload;
mod remote;
mod run;
mod server;
mod service;
mod status;
mod trace;
mod vrrp;
mod words;

use clap::{Parser, Subcommand};
use ipvsadm::Program;
use relvs_api::Client;
use std::{io::Write as _, path::PathBuf, process::ExitCode};

/// What every program that calls this one may rely on.
const EXIT_CODES: &str = "Exit codes: 0 done, 1 it did not work or something is wrong, 2 a wrong command line, \
    3 `plan` found something that would change";

/// A layer-4 load balancer on XDP: LVS's NAT, DR and TUN.
#[derive(Parser)]
#[command(name = "relvs", version, arg_required_else_help = true, disable_help_subcommand = true, after_help = EXIT_CODES)]
struct Arguments {
    /// Where the control socket, pins and state are; a director of its own for each
    #[arg(long, global = true, value_name = "DIR", env = relvs_api::RUN_DIR_VARIABLE, default_value = relvs_api::RUN_DIR)]
    run_dir: PathBuf,
    #[command(flatten)]
    remote: remote::Remote,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a director until SIGTERM; SIGHUP reads the configuration again
    Run(run::Arguments),
    /// Check a configuration file and whether this machine can do what it says, and change nothing; exit code 1 for errors
    Check(check::Arguments),
    /// Write keepalived.conf as relvs.toml, with its comments, to standard output; exit code 1 for errors, without what they are about
    Convert(convert::Arguments),
    /// Show what the running director does
    Status(status::Arguments),
    /// Show what a configuration file would change; exit code 0 nothing, 3 something
    Plan(plan::Plan),
    /// Bring a configuration file into force: all of it, or nothing
    Apply(plan::Apply),
    /// Have the director read its configuration file again; shows what that changed
    Reload,
    /// Show, add, change and delete virtual services
    #[command(subcommand)]
    Service(service::Command),
    /// Add, change and delete servers of a service
    #[command(subcommand)]
    Server(server::Command),
    /// Give a server nothing new, and wait until what it has has ended; exit code 1 if that takes too long
    Drain(drain::Arguments),
    /// Show virtual routers, hand them over, take them out of service
    #[command(subcommand)]
    Vrrp(vrrp::Command),
    /// List connections, and the clients that persistence keeps
    Flows(flows::Arguments),
    /// Show what would become of a packet, and why; nothing changes by asking
    Explain(explain::Arguments),
    /// Show what is decided about packets, as it is; meanwhile every packet takes the slow way
    Trace(trace::Arguments),
    /// What ipvsadm does, for the running director; also what this command is when it is called by that name
    #[command(disable_help_flag = true)]
    Ipvsadm(Words),
    /// Write the services as rules, as ipvsadm-save does; --full keeps thresholds and timeouts
    #[command(disable_help_flag = true)]
    IpvsadmSave(Words),
    /// Bring rules from standard input into force in place of all services, all or none; as ipvsadm-restore does
    #[command(disable_help_flag = true)]
    IpvsadmRestore(Words),
    /// Make this machine a real server for DR or TUN, undo that, or examine it
    #[command(subcommand)]
    Realserver(realserver::Command),
    /// Lay a network of namespaces to try relvs in, on this machine alone
    #[command(subcommand)]
    Lab(relvs_lab::cli::LabCommand),
    /// Write a shell's completions for relvs or ipvsadm to standard output
    Completions(completions::Arguments),
    /// Write the manual pages into a directory
    #[command(hide = true)]
    Man(man::Arguments),
}

/// Words that are another program's.
#[derive(clap::Args)]
struct Words {
    /// As ipvsadm(8) has them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    words: Vec<String>,
}

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let called = words.next().and_then(|path| PathBuf::from(path).file_name()?.to_str().map(str::to_owned));
    if let Some((program, name)) = called.as_deref().and_then(|name| Some((Program::named(name)?, name))) {
        let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
        return match remote::of_environment() {
            Ok(client) => ipvsadm::run(program, name, &words, client),
            Err(code) => code,
        };
    }
    if called.as_deref().is_some_and(keepalived::is_called) {
        let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
        return keepalived::run(&words);
    }
    let Arguments { run_dir, remote, command } = Arguments::parse();
    // Where no director is asked, nothing that is said of the way to one can be wrong.
    let here = matches!(
        command,
        Command::Run(_)
            | Command::Check(_)
            | Command::Convert(_)
            | Command::Realserver(_)
            | Command::Lab(_)
            | Command::Completions(_)
            | Command::Man(_)
    );
    let client = if here { Ok(Client::new(&run_dir)) } else { remote.client(&run_dir) };
    match client {
        Ok(client) => carry_out(command, client, run_dir),
        Err(code) => code,
    }
}

fn carry_out(command: Command, client: Client, run_dir: PathBuf) -> ExitCode {
    match command {
        Command::Ipvsadm(Words { words }) => ipvsadm::run(Program::Main, "ipvsadm", &words, client),
        Command::IpvsadmSave(Words { words }) => ipvsadm::run(Program::Save, "ipvsadm-save", &words, client),
        Command::IpvsadmRestore(Words { words }) => ipvsadm::run(Program::Restore, "ipvsadm-restore", &words, client),
        Command::Run(run) => run::run(run, run_dir),
        Command::Check(check) => check::check(&check, &run_dir),
        Command::Convert(convert) => convert::convert(&convert),
        Command::Status(status) => status::status(&status, &client),
        Command::Plan(plan) => plan::plan(&plan, &client),
        Command::Apply(apply) => plan::apply(&apply, &client),
        Command::Service(command) => service::service(command, &client),
        Command::Server(command) => server::server(command, &client),
        Command::Drain(drain) => drain::drain(&drain, &client),
        Command::Vrrp(command) => vrrp::vrrp(command, &client),
        Command::Flows(flows) => flows::flows(flows, &client),
        Command::Explain(explain) => explain::explain(explain, &client),
        Command::Trace(trace) => trace::trace(trace, &client),
        Command::Realserver(command) => realserver::realserver(command, run_dir),
        Command::Reload => reload::reload(&client),
        Command::Completions(completions) => completions::completions(&completions),
        Command::Man(man) => man::man(&man),
        Command::Lab(command) => match relvs_lab::cli::run(command, &mut std::io::stdout()) {
            Ok(code) => code,
            Err(error) => complain(&[format!("{error:#}")]),
        },
    }
}

/// Prints what was asked for.
fn say(text: &str) -> ExitCode {
    written(std::io::stdout().write_all(text.as_bytes()).map(|()| None))
}

/// Prints something for a program.
fn say_json(value: &impl serde::Serialize) -> ExitCode {
    match serde_json::to_string_pretty(value) {
        Ok(text) => say(&(text + "\n")),
        Err(error) => complain(&[error.to_string()]),
    }
}

/// One line for each error, and the exit code that says so.
fn complain(errors: &[String]) -> ExitCode {
    let mut output = std::io::stderr().lock();
    for error in errors {
        // Whoever started a daemon in the background may be gone.
        let _ = writeln!(output, "{error}");
    }
    ExitCode::FAILURE
}

/// Ends a command that has written to standard output: with what kept it from writing, or why there was no more to write, if
/// that is no good reason.
fn written(outcome: std::io::Result<Option<relvs_api::Error>>) -> ExitCode {
    match outcome {
        // A reader that has seen enough, as `head` has, is no error.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => complain(&[format!("standard output: {error}")]),
        Ok(Some(error)) => complain(&[error.to_string()]),
        Ok(None) => ExitCode::SUCCESS,
    }
}
