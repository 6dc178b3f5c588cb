//! `relvs check`: a configuration's errors and warnings, with the place of each.

use clap::Args;
use std::{fs, io::IsTerminal as _, path::PathBuf, process::ExitCode};

#[derive(Args)]
pub(crate) struct Arguments {
    /// relvs.toml
    file: PathBuf,
    /// Show the line and a mark under what is meant
    #[arg(long)]
    explain: bool,
}

pub(crate) fn check(arguments: &Arguments) -> ExitCode {
    let name = arguments.file.display().to_string();
    let bytes = match fs::read(&arguments.file) {
        Ok(bytes) => bytes,
        Err(error) => return super::complain(&[format!("{name}: {error}")]),
    };
    let parsed = relvs_config::parse_toml_bytes(&name, &bytes);
    let text = String::from_utf8_lossy(&bytes);
    let mut out = String::new();
    for diagnostic in &parsed.diagnostics {
        let shown = if arguments.explain {
            diagnostic.render(&text, std::io::stdout().is_terminal())
        } else {
            diagnostic.to_string()
        };
        out.push_str(&shown);
        out.push('\n');
    }
    if parsed.has_errors() {
        super::say(&out);
        return ExitCode::FAILURE;
    }
    let services = parsed.state.services.len();
    let servers: usize = parsed.state.services.iter().map(|s| s.servers.len()).sum();
    out.push_str(&format!("{name}: no errors; {services} services, {servers} servers\n"));
    super::say(&out)
}
