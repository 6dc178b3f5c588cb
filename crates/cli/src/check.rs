//! `relvs check`: a configuration's errors and warnings, with the place and the remedy of each: those of the file by
//! itself, and what cannot work on this machine.

use clap::Args;
use relvs_config::{Diagnostic, Parsed, Severity};
use relvs_daemon::check::{PATIENCE, Request, against_network};
use serde::Serialize;
use std::{
    fs,
    io::IsTerminal as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(Args)]
pub(crate) struct Arguments {
    /// relvs.toml
    file: PathBuf,
    /// Only the file by itself: as on another machine than the director
    #[arg(long)]
    offline: bool,
    /// As `run --interface`: an interface to serve in place of the file's; may be given several times
    #[arg(long = "interface", value_name = "IF", conflicts_with = "offline")]
    interfaces: Vec<String>,
    /// Show the line and a mark under what is meant
    #[arg(long, conflicts_with = "json")]
    explain: bool,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// What is said of a file, for programs.
#[derive(Serialize)]
struct Said<'a> {
    file: &'a str,
    errors: usize,
    warnings: usize,
    services: usize,
    servers: usize,
    /// Whether it was held against this machine's network.
    network: bool,
    diagnostics: Vec<One<'a>>,
}

#[derive(Serialize)]
struct One<'a> {
    severity: String,
    line: usize,
    column: usize,
    length: usize,
    message: &'a str,
    help: Option<&'a str>,
}

pub(crate) fn check(arguments: &Arguments, run_dir: &Path) -> ExitCode {
    let name = arguments.file.display().to_string();
    let bytes = match fs::read(&arguments.file) {
        Ok(bytes) => bytes,
        Err(error) => return super::complain(&[format!("{name}: {error}")]),
    };
    let mut parsed = relvs_config::parse_toml_bytes(&name, &bytes);
    // What a file with errors means is not known, so neither is whether it would work.
    let network = !arguments.offline && !parsed.has_errors();
    if network {
        let request = Request {
            interfaces: arguments.interfaces.clone(),
            xdp_mode: None,
            run_dir: run_dir.to_owned(),
            patience: PATIENCE,
        };
        if let Err(error) = against_network(&mut parsed, &request) {
            return super::complain(&[format!("{error}; --offline checks the file alone")]);
        }
    }
    let shown = if arguments.json {
        super::say_json(&said(&name, &parsed, network))
    } else {
        let text = String::from_utf8_lossy(&bytes);
        super::say(&page(&name, &parsed, network, arguments.explain.then_some(&*text)))
    };
    if parsed.has_errors() { ExitCode::FAILURE } else { shown }
}

fn count(parsed: &Parsed, severity: Severity) -> usize {
    parsed.diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
}

fn servers(parsed: &Parsed) -> usize {
    parsed.state.services.iter().map(|service| service.servers.len()).sum()
}

fn said<'a>(name: &'a str, parsed: &'a Parsed, network: bool) -> Said<'a> {
    let one = |diagnostic: &'a Diagnostic| One {
        severity: diagnostic.severity.to_string(),
        line: diagnostic.line,
        column: diagnostic.column,
        length: diagnostic.length,
        message: &diagnostic.message,
        help: diagnostic.help.as_deref(),
    };
    Said {
        file: name,
        errors: count(parsed, Severity::Error),
        warnings: count(parsed, Severity::Warning),
        services: parsed.state.services.len(),
        servers: servers(parsed),
        network,
        diagnostics: parsed.diagnostics.iter().map(one).collect(),
    }
}

/// One line for each, or several with the line of the file; a file without errors is summed up.
fn page(name: &str, parsed: &Parsed, network: bool, text: Option<&str>) -> String {
    let mut out = String::new();
    for diagnostic in &parsed.diagnostics {
        let shown = match text {
            Some(text) => diagnostic.render(text, std::io::stdout().is_terminal()),
            None => diagnostic.to_string(),
        };
        out.push_str(&shown);
        out.push('\n');
    }
    if !parsed.has_errors() {
        let warnings = match count(parsed, Severity::Warning) {
            0 => String::new(),
            warnings => format!(", {}", plural(warnings, "warning")),
        };
        let (services, servers) = (plural(parsed.state.services.len(), "service"), plural(servers(parsed), "server"));
        let against = if network { " on this machine" } else { " in the file by itself" };
        out.push_str(&format!("{name}: no errors{warnings}{against}; {services}, {servers}\n"));
    }
    out
}

fn plural(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}
