//! `tunnel`: a table of type, port and checksum.

use super::section::{Section, wrong_type};
use crate::draft::Given;
use crate::keys::TUNNEL;
use crate::report::{Fault, Report, Span};
use relvs_model::Tunnel;
use toml::de::DeValue;

pub(super) fn read(section: &Section<'_>, report: &mut Report) -> Given<Tunnel> {
    let (value, span) = match section.value("tunnel") {
        Given::Absent => return Given::Absent,
        Given::Wrong => return Given::Wrong,
        Given::Is(value, span) => (value, span),
    };
    let DeValue::Table(table) = value else {
        let fault = wrong_type("`tunnel`", "a table", value);
        report.error(&span, fault.help("write { type = \"gre\" }, or { type = \"gue\", port = 6080 }"));
        return Given::Wrong;
    };
    let section = section.within(table, span.clone(), &TUNNEL);
    section.finish(report);
    let (port, checksum) = (section.integer("port", report), section.boolean("checksum", report));
    let types = Tunnel::TYPES.map(|name| (name, name));
    let kind = match section.word("type", "type", &types, &[], report) {
        Given::Absent => {
            section.missing("type", "type = \"gre\"", report);
            return Given::Wrong;
        }
        Given::Wrong => return Given::Wrong,
        Given::Is(kind, _) => kind,
    };
    let mut misplaced = |place: &Span, key: &str| {
        let fault = Fault::new(format!("`{key}` is not for a tunnel of type {kind}"));
        report.error(place, fault.help("leave it out"));
    };
    match (kind, port, checksum) {
        (_, Given::Wrong, _) | (_, _, Given::Wrong) => return Given::Wrong,
        ("ipip", Given::Absent, Given::Absent) => return Given::Is(Tunnel::Ipip, span),
        ("gre", Given::Absent, checksum) => {
            return Given::Is(Tunnel::Gre { checksum: checksum.or(false).unwrap_or(false) }, span);
        }
        ("gue", Given::Is(port, place), checksum) => {
            if let Ok(port) = u16::try_from(port) {
                return Given::Is(Tunnel::Gue { port, checksum: checksum.or(false).unwrap_or(false) }, span);
            }
            misplaced(&place, "port");
        }
        ("gue", Given::Absent, _) => section.missing("port", "port = 6080", report),
        (_, Given::Is(_, place), _) => misplaced(&place, "port"),
        (_, Given::Absent, checksum) => {
            if let Some(place) = checksum.place() {
                misplaced(&place, "checksum");
            }
        }
    }
    Given::Wrong
}
