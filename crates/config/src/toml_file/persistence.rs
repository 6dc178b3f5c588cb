//! `persistence`: a duration, `true`, or a table of timeout and netmask.

use super::section::{Section, wrong_type};
use crate::draft::{Given, MaskDraft, PersistenceDraft};
use crate::keys::PERSISTENCE;
use crate::report::{Fault, Report, quoted};
use relvs_model::Persistence;
use toml::de::DeValue;

pub(super) fn read(section: &Section<'_>, report: &mut Report) -> Given<PersistenceDraft> {
    let default = Persistence::DEFAULT_TIMEOUT_S;
    let (value, span) = match section.value("persistence") {
        Given::Absent => return Given::Absent,
        Given::Wrong => return Given::Wrong,
        Given::Is(value, span) => (value, span),
    };
    let (timeout, netmask) = match value {
        DeValue::Boolean(false) => return Given::Absent,
        DeValue::Boolean(true) => (Some(default), Given::Absent),
        DeValue::Integer(_) | DeValue::String(_) => {
            (section.duration("persistence", report).or(default), Given::Absent)
        }
        DeValue::Table(table) => {
            let section = section.within(table, span.clone(), &PERSISTENCE);
            section.finish(report);
            (section.duration("timeout", report).or(default), netmask(&section, report))
        }
        other @ (DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_)) => {
            let fault = wrong_type("`persistence`", "a duration or a table", other);
            report.error(&span, fault.help("write \"5m\", or { timeout = \"5m\", netmask = 24 }"));
            return Given::Wrong;
        }
    };
    match timeout {
        Some(timeout_s) => Given::Is(PersistenceDraft { timeout_s, netmask }, span),
        None => Given::Wrong,
    }
}

/// A prefix, or a mask like 255.255.255.0.
fn netmask(section: &Section<'_>, report: &mut Report) -> Given<MaskDraft> {
    let (text, span) = match section.value("netmask") {
        Given::Is(DeValue::String(text), span) => (text, span),
        Given::Absent => return Given::Absent,
        Given::Wrong | Given::Is(..) => {
            return match section.integer("netmask", report) {
                Given::Is(prefix, span) => {
                    u8::try_from(prefix).map_or(Given::Wrong, |p| Given::Is(MaskDraft::Prefix(p), span))
                }
                Given::Absent | Given::Wrong => Given::Wrong,
            };
        }
    };
    match text.parse() {
        Ok(mask) => Given::Is(MaskDraft::Mask(mask), span),
        Err(_) => {
            let fault = Fault::new(format!("{} is not a netmask", quoted(text)));
            report.error(&span, fault.help("write a prefix, as in 24, or a mask, as in \"255.255.255.0\""));
            Given::Wrong
        }
    }
}
