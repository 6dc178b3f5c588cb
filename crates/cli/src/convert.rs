//! `relvs convert`: keepalived.conf as relvs.toml. What is written is read again, and must say the same.

use clap::Args;
use relvs_config::{
    Diagnostic, Severity,
    keepalived::{Files, Keepalived, Verdict},
    parse_toml, relvs_toml,
};
use relvs_daemon::keepalived::{Disk, Elsewhere, host, served};
use relvs_model::Director;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(Args)]
pub(crate) struct Arguments {
    /// keepalived.conf
    file: PathBuf,
    /// On another machine than the director: its interfaces are left to be written by hand
    #[arg(long)]
    offline: bool,
    /// What lines after `@` are for, as keepalived's -i; without it the first part of the machine's name
    #[arg(short = 'i', long, value_name = "ID")]
    config_id: Option<String>,
}

/// Reads keepalived.conf on this machine, or as on another: there, interfaces and programs that are not here are no fault.
pub(crate) fn read(file: &Path, config_id: Option<&str>, offline: bool) -> Result<Keepalived, ExitCode> {
    let name = file.display().to_string();
    let mut host = host(config_id).map_err(|error| super::complain(&[format!("{error}")]))?;
    if offline {
        host.interfaces = None;
    }
    let files: &dyn Files = if offline { &Elsewhere } else { &Disk };
    let read = Keepalived::read(files, &name, &host);
    if read.document.unread {
        let lines: Vec<String> = read.document.diagnostics.iter().map(ToString::to_string).collect();
        return Err(super::complain(&lines));
    }
    Ok(read)
}

pub(crate) fn convert(arguments: &Arguments) -> ExitCode {
    // Whether its interfaces are there is not what is asked.
    let read = match read(&arguments.file, arguments.config_id.as_deref(), true) {
        Ok(read) => read,
        Err(code) => return code,
    };
    let interfaces = if arguments.offline { Ok(Vec::new()) } else { served(&read.state) };
    let interfaces = match interfaces {
        Ok(interfaces) => interfaces,
        Err(error) => return super::complain(&[format!("{error}; --offline leaves the interfaces out")]),
    };
    let remarks = read.remarks.iter().filter_map(|remark| remark.diagnostic(&read.document));
    let mut said: Vec<Diagnostic> = read.diagnostics.iter().cloned().chain(remarks).collect();
    said.sort_by(|one, other| (&one.file, one.line, one.column).cmp(&(&other.file, other.line, other.column)));
    super::complain(&said.iter().map(ToString::to_string).collect::<Vec<_>>());
    let name = arguments.file.display();
    if read.verdict == Verdict::Fatal {
        return super::complain(&[format!("{name}: nothing is written: it is not known what all of it means")]);
    }

    let text = relvs_toml(&read, &interfaces);
    let parsed = parse_toml("relvs.toml", &text);
    let shown = super::say(&text);
    let mut wrong: Vec<String> = parsed
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    let mut found = parsed.state;
    found.director = Director::default();
    if wrong.is_empty() && found != read.state {
        wrong.push("relvs.toml cannot say all of this: compare `relvs plan` of both files".to_owned());
    }
    let errors = said.iter().filter(|said| said.severity == Severity::Error).count();
    if errors > 0 {
        let errors = if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") };
        wrong.push(format!(
            "{name}: {errors}: what is written lacks what they are about, and begins with them as comments"
        ));
    }
    if wrong.is_empty() { shown } else { super::complain(&wrong) }
}
