//! What a service and its servers do by their checks: quorum, sorry server, scripts, slow start, damping.

use super::{check, script::script, section::Section};
use crate::address;
use crate::draft::{Given, HealthDraft, ServerDraft};
use crate::keys::{CHECK, DAMPING, SORRY};
use crate::report::{Fault, Report};
use relvs_model::health::{Damping, ServiceHealth};
use toml::de::DeValue;

/// What a service says for itself.
pub(super) fn service(section: &Section<'_>, report: &mut Report) -> (Option<ServiceHealth>, Option<ServerDraft>) {
    let default = ServiceHealth::default();
    let quorum = section.integer("quorum", report);
    let hysteresis = section.integer("hysteresis", report);
    let needed = quorum.or(default.quorum).unwrap_or(default.quorum);
    if let Given::Is(hysteresis, span) = &hysteresis
        && *hysteresis >= needed
    {
        let fault = Fault::new(format!("`hysteresis` is {hysteresis}, not less than the quorum, which is {needed}"));
        report.warning(span, fault.help(format!("it acts as {}", needed - 1)));
    }
    let sorry = sorry(section, report);
    let mut flag = |key| section.boolean(key, report).or(false).unwrap_or(false);
    let (inhibit_sorry, omega, ha_suspend) = (flag("sorry_server_inhibit"), flag("omega"), flag("ha_suspend"));
    let (quorum_up, quorum_down) = (script(section, "quorum_up", report), script(section, "quorum_down", report));
    let health = ServiceHealth {
        quorum: needed,
        hysteresis: hysteresis.or(0).unwrap_or(0),
        sorry: None,
        inhibit_sorry,
        omega,
        ha_suspend,
        quorum_up,
        quorum_down,
    };
    ((health != default).then_some(health), sorry)
}

/// What a service says for its servers, or a server for itself.
pub(super) fn servers(section: &Section<'_>, report: &mut Report) -> HealthDraft {
    let checks = section.one_or_more("check", &CHECK, report);
    let checks = checks.map(|checks| checks.iter().filter_map(|section| check::read(section, report)).collect());
    HealthDraft {
        checks,
        inhibit_on_failure: section.boolean("inhibit_on_failure", report),
        slow_start_ms: section.pause("slow_start", report),
        damping: damping(section, report),
        notify_up: script(section, "notify_up", report),
        notify_down: script(section, "notify_down", report),
    }
}

fn damping(section: &Section<'_>, report: &mut Report) -> Option<Damping> {
    let section = section.table(&DAMPING, report)?;
    section.finish(report);
    for (key, example) in [("falls", "falls = 3"), ("within", "within = \"5m\""), ("hold", "hold = \"10m\"")] {
        if section.get(key).is_none() {
            section.missing(key, example, report);
        }
    }
    let (falls, within, hold) =
        (section.integer("falls", report), section.pause("within", report), section.pause("hold", report));
    match (falls, within, hold) {
        (Given::Is(falls, _), Given::Is(within_ms, _), Given::Is(hold_ms, _)) => {
            Some(Damping { falls, within_ms, hold_ms })
        }
        _ => None,
    }
}

/// The sorry server: an address, or a table.
fn sorry(section: &Section<'_>, report: &mut Report) -> Option<ServerDraft> {
    let before = report.problems.len();
    let Given::Is(value, span) = section.value("sorry_server") else { return None };
    let mut draft = match value {
        DeValue::Table(table) => super::service::sorry(&section.within(table, span.clone(), &SORRY), report),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_) => {
            let mut draft = ServerDraft::default();
            if let Given::Is(text, span) = section.string("sorry_server", report) {
                match address::endpoint(text) {
                    Ok((address, port)) => {
                        draft.address = Given::Is(address, span.clone());
                        draft.port = port.map_or(Given::Absent, |port| Given::Is(port, span));
                    }
                    Err(fault) => report.error(&span, fault),
                }
            }
            draft
        }
    };
    draft.broken = section.is_broken() || report.has_error_since(before);
    Some(draft)
}
