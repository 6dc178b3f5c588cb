//! keepalived.conf as the daemon takes it: what it says, and beside it what it cannot say.

use super::{Disk, host, interfaces::needed};
use crate::configuration::{self, Loaded, Source, Taken};
use relvs_config::{
    Severity,
    keepalived::{Host, Keepalived},
};
use relvs_model::{ServiceKey, State, vrrp};
use std::path::{Path, PathBuf};

/// How keepalived.conf is read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What lines after `@` are for; none: the first part of the machine's name.
    pub config_id: Option<String>,
    /// relvs.toml with what keepalived.conf cannot say, as which packets have a mark. It has no services.
    pub settings: Option<PathBuf>,
    /// Which part of it counts.
    pub part: Part,
}

/// A part of keepalived's work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    #[default]
    All,
    /// Virtual routers alone.
    Vrrp,
    /// Virtual services alone.
    Checkers,
}

/// Reads it. At the start, where keepalived goes on without what is wrong, so does relvs. A reload of a file with an error that was
/// not there before is refused.
///
/// # Errors
///
/// Every error, one line each.
pub(crate) fn load(file: &Path, source: &Source, before: Option<&Taken>) -> Result<Loaded, Vec<String>> {
    let options = &source.keepalived;
    let mut loaded = match &options.settings {
        Some(settings) => beside(settings, source)?,
        None => Loaded::default(),
    };
    let host = host(options.config_id.as_deref()).map_err(|e| vec![format!("interfaces cannot be listed: {e}")])?;
    // An instance whose interface is not there is no fault of the file, and waits for it.
    let host = Host { interfaces: None, ..host };
    let read = Keepalived::read(&Disk, &file.display().to_string(), &host);
    let remarks = read.remarks.iter().filter_map(|remark| remark.diagnostic(&read.document));
    let all = read.diagnostics.iter().cloned().chain(remarks);
    let mut errors = Vec::new();
    for diagnostic in all {
        let is_new = before.is_none_or(|before| !before.contains(&diagnostic.message));
        if is_new {
            let lines = if diagnostic.severity == Severity::Error { &mut errors } else { &mut loaded.warnings };
            lines.push(diagnostic.to_string());
        }
        loaded.taken.insert(diagnostic.message);
    }
    if read.document.unread || (before.is_some() && !errors.is_empty()) {
        return Err(errors);
    }
    loaded.warnings.append(&mut errors);
    put_into(&mut loaded.state, read.state, options.part);
    unmarked(&mut loaded);
    if loaded.state.director.interfaces.is_empty() && source.interfaces.is_empty() {
        choose(&mut loaded, before.is_none())?;
    }
    Ok(loaded)
}

/// Reads the file with what keepalived.conf cannot say.
fn beside(settings: &Path, source: &Source) -> Result<Loaded, Vec<String>> {
    let failed = |e: relvs_net::Error| vec![format!("interfaces cannot be listed: {e}")];
    let loaded = configuration::relvs_toml(settings, source, &configuration::interfaces().map_err(failed)?)?;
    let State { services, vrrp, .. } = &loaded.state;
    if services.is_empty() && *vrrp == vrrp::Settings::default() {
        Ok(loaded)
    } else {
        let why = "services and virtual routers are those of keepalived.conf; leave them out here";
        Err(vec![format!("{}: {why}", settings.display())])
    }
}

/// What keepalived.conf says takes its place in what is said beside it.
fn put_into(state: &mut State, said: State, part: Part) {
    let State { notify, vrrp, timeouts, services, .. } = said;
    if part != Part::Vrrp {
        state.services = services;
    }
    if part != Part::Checkers {
        state.vrrp = vrrp;
    }
    if timeouts != relvs_model::Timeouts::default() {
        state.timeouts = timeouts;
    }
    state.notify.fifo = notify.fifo.or(state.notify.fifo.take());
    state.notify.mail = notify.mail.or(state.notify.mail.take());
}

/// Marks that no rule gives: netfilter's come after XDP.
fn unmarked(loaded: &mut Loaded) {
    let State { services, rules, .. } = &loaded.state;
    for key in services.iter().map(|service| service.key) {
        let ServiceKey::Mark(mark) = key else { continue };
        if !rules.iter().any(|rule| rule.mark == mark.mark && rule.is_of(key.is_ipv4())) {
            let warning = format!(
                "no packet has the mark of {key}: netfilter marks packets too late; write a [[rule]] for it, and name that file by \
                 --settings"
            );
            // Once, as everything else.
            if loaded.taken.insert(warning.clone()) {
                loaded.warnings.push(warning);
            }
        }
    }
}

/// Serves the interfaces that are needed.
fn choose(loaded: &mut Loaded, says: bool) -> Result<(), Vec<String>> {
    let needed = needed(&loaded.state).map_err(|e| vec![format!("the ways to servers cannot be found: {e}")])?;
    if needed.is_empty() && !loaded.state.services.is_empty() {
        let warning = "no interface leads to clients or servers, so none is served; --interface names them";
        loaded.warnings.push(warning.to_owned());
    }
    let because: Vec<String> = needed.iter().map(|(name, why)| format!("{name} ({why})")).collect();
    if says && !because.is_empty() {
        tracing::info!("interfaces that are served, unless --interface says otherwise: {}", because.join(", "));
    }
    loaded.found = true;
    loaded.state.director.interfaces = needed.into_iter().map(|(name, _)| name).collect();
    Ok(())
}
