//! relvs.toml (TOML 1.1) to a draft. Every value is read by itself and keeps its span; what is not known is reported.

mod check;
mod director;
mod health;
mod listeners;
mod notify;
mod persistence;
mod routes;
mod rule;
mod script;
mod section;
mod service;
mod settings;
mod syntax;
#[cfg(test)]
mod tests;
mod tracked;
mod tunnel;
mod value;
mod vrrp;

use crate::diagnostic::Severity;
use crate::draft::Common;
use crate::keys::{API, DIRECTOR, IPVS, METRICS, NOTIFY, ROOT, RULE, SERVICE, TIMEOUTS, VRRP};
use crate::lines::Lines;
use crate::parsed::Parsed;
use crate::report::{Fault, Problem, Report};
use crate::{marks, rules};
use relvs_model::{Listeners, ServiceKey};
use section::Section;
use syntax::Document;

pub(crate) use check::{CHECKS, HTTP_VERSIONS, RECORDS};
pub use director::MAX_FLOWS;
pub(crate) use director::{ON_EXIT, XDP_MODES};
pub(crate) use listeners::SOCKET_MODES;
pub(crate) use notify::{ENCRYPTIONS, RETRIES_MAX};
pub(crate) use routes::ACTIONS;
pub(crate) use section::word_of;
pub(crate) use service::FAMILIES;
pub use service::MAX_WEIGHT;
pub(crate) use vrrp::{SCOPES, STATES};

/// A larger file is not read: it is no configuration.
pub const MAX_BYTES: usize = 16 << 20;

/// Reads the text of a relvs.toml; `file` is its name in diagnostics.
pub fn parse_toml(file: &str, text: &str) -> Parsed {
    read(file, text, None)
}

/// Reads the bytes of a relvs.toml. What is not UTF-8 is an error at its place, and read as U+FFFD: the text for
/// [`Diagnostic::render`](crate::Diagnostic::render) is `String::from_utf8_lossy(bytes)`.
pub fn parse_toml_bytes(file: &str, bytes: &[u8]) -> Parsed {
    let encoding = std::str::from_utf8(bytes).err().map(|error| {
        let at = error.valid_up_to();
        let fault = Fault::new("this is not UTF-8").help("save the file as UTF-8");
        Problem { severity: Severity::Error, span: at..at + 1, fault }
    });
    read(file, &String::from_utf8_lossy(bytes), encoding)
}

fn read(file: &str, text: &str, encoding: Option<Problem>) -> Parsed {
    let mut report = Report::default();
    if text.len() > MAX_BYTES {
        report.error(&(0..0), Fault::new(format!("the file has {} bytes, of {MAX_BYTES} at most", text.len())));
        return Parsed::new(file, &Lines::new(""), Common::default(), Vec::new(), report);
    }
    let lines = Lines::new(text);
    let (errors, patched) = syntax::patch(text, &lines);
    let document = Document::parse(patched.as_deref().unwrap_or(text), &errors, encoding, &lines);

    let root = Section::new(&document, document.root.get_ref(), 0..0, &ROOT);
    let director = root.table(&DIRECTOR, &mut report);
    let metrics = root.table(&METRICS, &mut report);
    let api = root.table(&API, &mut report);
    let notify = root.table(&NOTIFY, &mut report);
    let timeouts = root.table(&TIMEOUTS, &mut report);
    let ipvs = root.table(&IPVS, &mut report);
    let rules = root.tables(&RULE, &mut report);
    let services = root.tables(&SERVICE, &mut report);
    let vrrp = root.table(&VRRP, &mut report);
    root.finish(&mut report);
    let director = director.map(|section| director::read(&section, &mut report)).unwrap_or_default();
    let metrics = metrics.map(|section| listeners::metrics(&section, &mut report)).unwrap_or_default();
    let api = api.map(|section| listeners::api(&section, &mut report)).unwrap_or_default();
    let notify = notify.map(|section| notify::read(&section, &mut report)).unwrap_or_default();
    let timeouts = timeouts.map(|section| settings::timeouts(&section, &mut report)).unwrap_or_default();
    let settings = ipvs.map(|section| settings::ipvs(&section, &mut report)).unwrap_or_default();
    let rules = rules.iter().map(|section| rule::read(section, &mut report)).collect();
    let services: Vec<_> = services.iter().map(|section| service::read(section, &mut report)).collect();
    let written = services.len();
    let services = rules::accept(services, &lines, &mut report);
    let known: Vec<ServiceKey> = services.iter().map(|accepted| accepted.service.key).collect();
    let known = (known.len() == written).then_some(&known[..]);
    let vrrp = vrrp.map(|section| vrrp::read(&section, known, &mut report)).unwrap_or_default();
    let rules = marks::accept(rules, &services, &mut report);
    let listeners = Listeners { metrics, api };
    let common = Common { director, listeners, notify, vrrp, settings, timeouts, rules };

    report.problems.retain(|problem| !document.explains(problem));
    report.problems.extend(document.into_problems());
    Parsed::new(file, &lines, common, services, report)
}
