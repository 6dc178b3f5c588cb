//! Values that several sections have: text, files, headers, ports.

use super::section::Section;
use crate::draft::Given;
use crate::report::{Fault, Report, quoted};
use crate::web;

/// Text that is not empty, on one line.
pub(super) fn text(section: &Section<'_>, key: &str, report: &mut Report) -> Option<String> {
    let Given::Is(text, span) = section.string(key, report) else { return None };
    if !text.is_empty() && !text.contains(char::is_control) {
        return Some(text.to_owned());
    }
    report.error(&span, Fault::new(format!("`{key}` is empty, or has control characters in it")).help("leave it out"));
    None
}

/// An absolute path.
pub(super) fn file(section: &Section<'_>, key: &str, report: &mut Report) -> Option<String> {
    let Given::Is(text, span) = section.string(key, report) else { return None };
    if text.starts_with('/') {
        return Some(text.to_owned());
    }
    let fault = Fault::new(format!("`{key}` must be an absolute path, not {}", quoted(text)));
    report.error(&span, fault.help(format!("write {key} = \"/etc/relvs/…\"")));
    None
}

/// A number of 16 bits.
pub(super) fn small(section: &Section<'_>, key: &str, report: &mut Report) -> Option<u16> {
    match section.integer(key, report) {
        Given::Is(number, _) => u16::try_from(number).ok(),
        Given::Absent | Given::Wrong => None,
    }
}

/// Text that is what it should be.
pub(super) fn judged(
    section: &Section<'_>,
    key: &str,
    judge: impl Fn(&str) -> Result<(), Fault>,
    report: &mut Report,
) -> Option<String> {
    let Given::Is(text, span) = section.string(key, report) else { return None };
    match judge(text) {
        Ok(()) => Some(text.to_owned()),
        Err(fault) => {
            report.error(&span, fault);
            None
        }
    }
}

/// Header fields, each `Name: value`.
pub(super) fn headers(section: &Section<'_>, report: &mut Report) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (text, span) in section.strings("headers", report) {
        match web::header(text) {
            Ok(header) => found.push(header),
            Err(fault) => report.error(&span, fault),
        }
    }
    found
}
