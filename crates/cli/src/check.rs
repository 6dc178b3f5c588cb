//! `relvs check`: a configuration's errors and warnings, with the place and the remedy of each: those of the file by
//! itself, and what cannot work on this machine.

use clap::Args;
use relvs_config::{
    Diagnostic, Format, Parsed, Severity,
    keepalived::{Keepalived, Remark, Support},
};
use relvs_daemon::{
    check::{PATIENCE, Request, against_network},
    keepalived::served,
};
use serde::Serialize;
use std::{
    fs,
    io::IsTerminal as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(Args)]
pub(crate) struct Arguments {
    /// relvs.toml or keepalived.conf
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
    /// keepalived.conf: every line, with what becomes of its keyword
    #[arg(long, conflicts_with = "json")]
    keywords: bool,
    /// What lines of keepalived.conf after `@` are for; without it the first part of the machine's name
    #[arg(short = 'i', long, value_name = "ID")]
    config_id: Option<String>,
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
    /// What becomes of the words of keepalived.conf.
    #[serde(skip_serializing_if = "Option::is_none")]
    keywords: Option<Vec<Word<'a>>>,
}

#[derive(Serialize)]
struct Word<'a> {
    file: &'a str,
    line: u32,
    keyword: &'static str,
    support: &'static str,
    /// How it differs, why it does nothing, or which word is meant.
    why: Option<&'static str>,
}

#[derive(Serialize)]
struct One<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    severity: String,
    line: usize,
    column: usize,
    length: usize,
    message: &'a str,
    help: Option<&'a str>,
}

pub(crate) fn check(arguments: &Arguments, run_dir: &Path) -> ExitCode {
    let name = arguments.file.display().to_string();
    let (mut read, mut bytes) = (None, Vec::new());
    let mut parsed = if Format::of(&arguments.file) == Format::Keepalived {
        let found = match crate::convert::read(&arguments.file, arguments.config_id.as_deref(), arguments.offline) {
            Ok(found) => found,
            Err(code) => return code,
        };
        Parsed::of_keepalived(read.insert(found))
    } else {
        bytes = match fs::read(&arguments.file) {
            Ok(bytes) => bytes,
            Err(error) => return super::complain(&[format!("{name}: {error}")]),
        };
        relvs_config::parse_toml_bytes(&name, &bytes)
    };
    // What a file with errors means is not known, so neither is whether it would work.
    let network = !arguments.offline && !parsed.has_errors();
    if network && read.is_some() && arguments.interfaces.is_empty() {
        match served(&parsed.state) {
            Ok(interfaces) => parsed.state.director.interfaces = interfaces,
            Err(error) => return super::complain(&[format!("{error}; --offline checks the file alone")]),
        }
    }
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
        super::say_json(&said(&name, &parsed, network, read.as_ref()))
    } else {
        let own = String::from_utf8_lossy(&bytes);
        let text = |file: &str| read.as_ref().map_or(&*own, |read| read.document.text(file));
        let mut page = page(&name, &parsed, network, arguments.explain.then_some(&text));
        if let Some(read) = &read {
            page.push_str(&keywords(&name, read, arguments.keywords));
        }
        super::say(&page)
    };
    if parsed.has_errors() { ExitCode::FAILURE } else { shown }
}

fn count(parsed: &Parsed, severity: Severity) -> usize {
    parsed.diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
}

fn servers(parsed: &Parsed) -> usize {
    parsed.state.services.iter().map(|service| service.servers.len()).sum()
}

/// A word of keepalived.conf and what becomes of it.
fn word<'a>(read: &'a Keepalived, remark: &Remark) -> Word<'a> {
    let (support, why) = match remark.support {
        Support::Works => ("works", None),
        Support::Differs(how) => ("works differently", Some(how)),
        Support::Ignored(why) => ("does nothing", Some(why)),
        Support::Obsolete(instead) => ("is an older word", Some(instead)),
        Support::Gone(instead) => ("is gone", Some(instead)),
    };
    let file = read.document.sources.get(remark.place.file).map_or("", |source| &source.name);
    Word { file, line: remark.place.line, keyword: remark.keyword, support, why }
}

/// All of them, in the order in which they stand.
fn words(read: &Keepalived) -> Vec<Word<'_>> {
    let mut all: Vec<&Remark> = read.remarks.iter().chain(&read.supported).collect();
    all.sort_by_key(|remark| remark.place);
    all.into_iter().map(|remark| word(read, remark)).collect()
}

/// How many words do what, and with `each` a line for every one.
fn keywords(name: &str, read: &Keepalived, each: bool) -> String {
    let words = words(read);
    let mut out = String::new();
    if each {
        for Word { file, line, keyword, support, why } in &words {
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            out.push_str(&format!("{file}:{line}: {keyword} {support}{why}\n"));
        }
    }
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for support in ["works", "works differently", "is an older word", "does nothing"] {
        let count = words.iter().filter(|word| word.support == support).count();
        if count > 0 {
            counts.push((support, count));
        }
    }
    let counts: Vec<String> =
        counts.iter().map(|(support, count)| format!("{count} {}", several(support, *count))).collect();
    out.push_str(&format!("{name}: {} of keepalived: {}\n", plural(words.len(), "keyword"), counts.join(", ")));
    out
}

/// A verb for one or for several.
fn several(support: &'static str, count: usize) -> &'static str {
    match (support, count) {
        (one, 1) => one,
        ("works", _) => "work",
        ("works differently", _) => "work differently",
        ("is an older word", _) => "are older words",
        _ => "do nothing",
    }
}

fn said<'a>(name: &'a str, parsed: &'a Parsed, network: bool, read: Option<&'a Keepalived>) -> Said<'a> {
    let one = |diagnostic: &'a Diagnostic| One {
        file: read.is_some().then_some(diagnostic.file.as_str()),
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
        keywords: read.map(words),
    }
}

/// One line for each, or several with the line of the file; a file without errors is summed up.
fn page<'t>(name: &str, parsed: &Parsed, network: bool, text: Option<&dyn Fn(&str) -> &'t str>) -> String {
    let mut out = String::new();
    for diagnostic in &parsed.diagnostics {
        let shown = match text {
            Some(text) => diagnostic.render(text(&diagnostic.file), std::io::stdout().is_terminal()),
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
