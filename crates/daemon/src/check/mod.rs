//! `relvs check`: what a configuration asks for, against the machine and the links that it is to run on.
//!
//! What is there is asked once and described (`Machine`); everything that is concluded from it is concluded from the
//! description alone, so that each conclusion can be tested without a network. It changes nothing; it asks the links
//! who answers for servers and VIPs, as any host does before it sends.

mod gather;
mod host;
mod interfaces;
mod machine;
mod routers;
mod servers;
#[cfg(test)]
mod tests;
mod vips;

use machine::View;
use relvs_config::{Location, Parsed, Severity};
use relvs_model::XdpMode;
use std::{collections::BTreeSet, path::PathBuf, time::Duration};

/// What a configuration is held against, beside this machine.
#[derive(Clone, Debug)]
pub struct Request {
    /// Interfaces of the command line; they count in place of the file's.
    pub interfaces: Vec<String>,
    /// How to attach, if the command line says so.
    pub xdp_mode: Option<XdpMode>,
    /// The run directory of the director that is to have this configuration. What it is attached to is no stranger's.
    pub run_dir: PathBuf,
    /// How long links are given to answer.
    pub patience: Duration,
}

/// How long links are given to answer: as `relvs realserver check` gives them.
pub const PATIENCE: Duration = crate::realserver::PROBE_TIME;

/// Something that does not work on this machine, or may not do what was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    severity: Severity,
    place: Place,
    message: String,
    /// What to do.
    remedy: String,
}

/// Where in the file something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    File,
    Interface(usize),
    Flows,
    XdpMode,
    Service(usize),
    /// A virtual router.
    Router(usize),
    /// A server of a service.
    Server(usize, usize),
}

impl Finding {
    fn error(place: Place, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Finding { severity: Severity::Error, place, message: message.into(), remedy: remedy.into() }
    }

    fn warning(place: Place, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Finding { severity: Severity::Warning, place, message: message.into(), remedy: remedy.into() }
    }
}

/// Adds to what is said of a configuration what cannot work on this machine, each at its place with its remedy.
///
/// # Errors
///
/// The kernel could not be asked. Nothing was added.
pub fn against_network(parsed: &mut Parsed, request: &Request) -> Result<(), relvs_net::Error> {
    let mut state = parsed.state.clone();
    let from_file = request.interfaces.is_empty();
    if !from_file {
        state.director.interfaces.clone_from(&request.interfaces);
    }
    state.director.xdp_mode = request.xdp_mode.unwrap_or(state.director.xdp_mode);
    let machine = gather::machine(&state, request)?;
    for finding in findings(&View::new(&machine, &state)) {
        let location = match finding.place {
            Place::Interface(index) if from_file => parsed.at_interface(index),
            Place::File | Place::Interface(_) => Location::START,
            Place::Flows => parsed.at_flows(),
            Place::XdpMode => parsed.at_xdp_mode(),
            Place::Router(router) => parsed.at_router(router),
            Place::Service(service) => parsed.at_service(service),
            Place::Server(service, server) => parsed.at_server(service, server),
        };
        parsed.add(finding.severity, location, finding.message, Some(finding.remedy));
    }
    Ok(())
}

/// All there is to say. What is true of several places in the same words is said at the first.
fn findings(view: &View<'_>) -> Vec<Finding> {
    let mut found = host::judge(view);
    found.extend(interfaces::judge(view));
    found.extend(routers::judge(view));
    found.extend(vips::judge(view));
    found.extend(servers::judge(view));
    let mut said = BTreeSet::new();
    found.retain(|finding| said.insert((finding.message.clone(), finding.remedy.clone())));
    found
}
