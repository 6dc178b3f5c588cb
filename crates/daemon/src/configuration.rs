//! The configuration as the daemon takes it: a file, and what the command line says beside it.

use crate::keepalived;
use crate::rights::Rights;
use relvs_config::{Format, MAX_FLOWS, Parsed, parse_toml_bytes};
use relvs_model::{Director, State, XdpMode};
use relvs_net::Network;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Where the desired state comes from.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The configuration, if there is one.
    pub file: Option<PathBuf>,
    /// Whose words it is written in; none: by its name.
    pub format: Option<Format>,
    /// How keepalived.conf is read.
    pub keepalived: keepalived::Options,
    /// Interfaces of the command line; they count in place of the file's.
    pub interfaces: Vec<String>,
    /// How to attach, if the command line says so.
    pub xdp_mode: Option<XdpMode>,
}

impl Source {
    /// The director's own settings as this command line has them.
    pub(crate) fn over(&self, mut director: Director) -> Director {
        if !self.interfaces.is_empty() {
            director.interfaces.clone_from(&self.interfaces);
        }
        director.xdp_mode = self.xdp_mode.unwrap_or(director.xdp_mode);
        director
    }

    /// Whose words the file is written in, if there is one.
    pub(crate) fn format(&self) -> Option<Format> {
        self.file.as_ref().map(|file| self.format.unwrap_or_else(|| Format::of(file)))
    }
}

/// What was read, and what there is to say about it.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) state: State,
    /// One line each.
    pub(crate) warnings: Vec<String>,
    /// What a file was taken with.
    pub(crate) taken: Taken,
    /// Nobody named the interfaces that are served: they were found.
    pub(crate) found: bool,
}

/// What a file was taken with although it is wrong, or works otherwise than in keepalived, in words without places: it is not said
/// again, and no reason to refuse the next one.
pub(crate) type Taken = BTreeSet<String>;

/// Why lo and tunnels are refused.
const NOT_ETHERNET: &str = "carries no Ethernet frames, so it cannot be served";

/// Reads and checks it. `before` is what the file before was taken with; none at the start.
///
/// # Errors
///
/// Every error, one line each. Nothing was changed.
pub(crate) fn read(source: &Source, before: Option<&Taken>) -> Result<Loaded, Vec<String>> {
    let existing = interfaces().map_err(|e| vec![format!("interfaces cannot be listed: {e}")])?;
    let mut loaded = match (&source.file, source.format()) {
        (Some(file), Some(Format::Keepalived)) => keepalived::load(file, source, before)?,
        (Some(file), _) => relvs_toml(file, source, &existing)?,
        (None, _) => Loaded::default(),
    };
    if !source.interfaces.is_empty() {
        let wrong: Vec<String> = source
            .interfaces
            .iter()
            .filter_map(|name| match existing.get(name) {
                None => {
                    Some(format!("--interface {name}: there is no such interface; `ip link` lists those there are"))
                }
                Some(false) => Some(format!("--interface {name}: it {NOT_ETHERNET}")),
                Some(true) => None,
            })
            .collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
    }
    loaded.state.director = source.over(loaded.state.director);
    let lacks = Rights::here().map(|rights| rights.lacking(&loaded.state)).unwrap_or_default();
    loaded.warnings.extend(lacks.into_iter().map(|lack| format!("{}; {}", lack.message, lack.remedy)));
    Ok(loaded)
}

/// Reads relvs.toml.
pub(crate) fn relvs_toml(
    file: &Path,
    source: &Source,
    existing: &BTreeMap<String, bool>,
) -> Result<Loaded, Vec<String>> {
    let bytes = fs::read(file).map_err(|e| vec![format!("{}: {e}", file.display())])?;
    let mut parsed: Parsed = parse_toml_bytes(&file.display().to_string(), &bytes);
    // The command line's interfaces stand in place of the file's, so those need not exist.
    if source.interfaces.is_empty() {
        parsed.check_interfaces(|name| existing.contains_key(name));
        for (index, name) in parsed.state.director.interfaces.clone().into_iter().enumerate() {
            if existing.get(&name) == Some(&false) {
                let why = format!("interface `{name}` {NOT_ETHERNET}");
                parsed.error(parsed.at_interface(index), why, None);
            }
        }
    }
    let lines: Vec<String> = parsed.diagnostics.iter().map(ToString::to_string).collect();
    if parsed.has_errors() {
        return Err(lines);
    }
    Ok(Loaded { state: parsed.state, warnings: lines, ..Loaded::default() })
}

/// What the control socket may make of a director's own settings: interfaces that it did not have before must be there.
///
/// # Errors
///
/// Every error, one line each.
pub(crate) fn admissible(wanted: &Director, before: &Director) -> Result<(), Vec<String>> {
    let existing = interfaces().map_err(|e| vec![format!("interfaces cannot be listed: {e}")])?;
    let mut errors = Vec::new();
    let mut seen = BTreeSet::new();
    for name in &wanted.interfaces {
        if !seen.insert(name) {
            errors.push(format!("director: the interface `{name}` is listed twice"));
        } else if !before.interfaces.contains(name) {
            match existing.get(name) {
                Some(true) => {}
                Some(false) => errors.push(format!("director: interface `{name}` {NOT_ETHERNET}")),
                None => errors.push(format!("director: interface `{name}` does not exist")),
            }
        }
    }
    if !(1..=MAX_FLOWS).contains(&wanted.flows) {
        errors.push(format!("director: flows must be a number from 1 to {MAX_FLOWS}"));
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// The interfaces there are, and whether they carry Ethernet frames.
pub(crate) fn interfaces() -> Result<BTreeMap<String, bool>, relvs_net::Error> {
    Ok(Network::open()?.links()?.into_iter().map(|link| (link.name, link.mac.is_some())).collect())
}
