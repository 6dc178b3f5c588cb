//! `[director]`.

use super::section::{Section, wrong_type};
use crate::draft::DirectorDraft;
use crate::report::{Fault, Report, Span, quoted};
use relvs_model::{Director, OnExit, XdpMode};
use std::collections::BTreeSet;

/// The most flows of each address family that can be asked for.
pub const MAX_FLOWS: u32 = 1 << 28;

/// The longest name of a network interface, in bytes: Linux's IFNAMSIZ less the final zero.
const MAX_INTERFACE_NAME: usize = 15;

/// The words for how the program is attached.
pub(crate) const XDP_MODES: [(&str, XdpMode); 3] =
    [("auto", XdpMode::Auto), ("native", XdpMode::Native), ("generic", XdpMode::Generic)];
/// The words for what SIGTERM leaves.
pub(crate) const ON_EXIT: [(&str, OnExit); 2] = [("keep", OnExit::Keep), ("stop", OnExit::Stop)];

pub(super) fn read(section: &Section<'_>, report: &mut Report) -> DirectorDraft {
    section.finish(report);
    let default = Director::default();
    let (names, interfaces) = interfaces(section, report);
    let flows = section.integer("flows", report);
    let xdp_mode = section.word("xdp_mode", "xdp_mode", &XDP_MODES, &[], report);
    let on_exit = section.word("on_exit", "on_exit", &ON_EXIT, &[], report);
    let settings = Director {
        interfaces: names,
        flows: flows.or(default.flows).unwrap_or(default.flows),
        xdp_mode: xdp_mode.or(default.xdp_mode).unwrap_or(default.xdp_mode),
        on_exit: on_exit.or(default.on_exit).unwrap_or(default.on_exit),
    };
    DirectorDraft { settings, interfaces, flows: flows.place(), xdp_mode: xdp_mode.place() }
}

fn interfaces(section: &Section<'_>, report: &mut Report) -> (Vec<String>, Vec<Span>) {
    let mut found = (Vec::new(), Vec::new());
    let Some(value) = section.get("interfaces") else { return found };
    let Some(array) = value.get_ref().as_array() else {
        let fault = wrong_type("`interfaces`", "an array of strings", value.get_ref());
        report.error(&value.span(), fault.help("write interfaces = [\"eth0\"]"));
        return found;
    };
    let mut seen = BTreeSet::new();
    for element in array.iter().filter(|element| !section.is_doubtful(element)) {
        let Some(name) = element.get_ref().as_str() else {
            report.error(&element.span(), wrong_type("an interface's name", "a string", element.get_ref()));
            continue;
        };
        if let Err(fault) = interface_name(name) {
            report.error(&element.span(), fault);
        } else if !seen.insert(name) {
            report.error(&element.span(), Fault::new(format!("the interface {} is listed twice", quoted(name))));
        } else {
            found.0.push(name.to_owned());
            found.1.push(element.span());
        }
    }
    found
}

/// What Linux takes as an interface's name (`dev_valid_name` in net/core/dev.c).
pub(super) fn interface_name(name: &str) -> Result<(), Fault> {
    if name.is_empty() {
        return Err(Fault::new("an interface's name is empty"));
    }
    let refused = |c: char| matches!(c, '/' | ':') || c.is_whitespace() || c.is_control();
    if name.len() > MAX_INTERFACE_NAME || matches!(name, "." | "..") || name.contains(refused) {
        return Err(Fault::new(format!("{} cannot be an interface's name", quoted(name)))
            .help(format!("names have up to {MAX_INTERFACE_NAME} bytes, without spaces, `/` and `:`")));
    }
    Ok(())
}
