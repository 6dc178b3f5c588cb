//! Programs: a path, an array with arguments, or a table with user, group and timeout.

use super::section::{Section, wrong_type};
use crate::draft::Given;
use crate::keys::SCRIPT;
use crate::report::{Fault, Report, Span, quoted};
use relvs_model::health::Script;
use toml::de::DeValue;

/// The program under a key; none if nothing is said, or nothing that can be run.
pub(super) fn script(section: &Section<'_>, key: &'static str, report: &mut Report) -> Option<Script> {
    let Given::Is(value, span) = section.value(key) else { return None };
    let DeValue::Table(table) = value else {
        return command(section, key, report).map(|(command, _)| Script::new(command));
    };
    let section = section.within(table, span, &SCRIPT);
    section.finish(report);
    let command = command(&section, "command", report);
    if command.is_none() && section.get("command").is_none() {
        section.missing("command", "command = [\"/usr/local/bin/tell\"]", report);
    }
    let user = name(&section, "user", report);
    let group = name(&section, "group", report);
    let timeout = section.pause("timeout", report).or(Script::TIMEOUT_MS);
    Some(Script { command: command?.0, user, group, timeout_ms: timeout? })
}

/// A program and its arguments, with their place.
pub(super) fn command(section: &Section<'_>, key: &'static str, report: &mut Report) -> Option<(Vec<String>, Span)> {
    let Given::Is(value, span) = section.value(key) else { return None };
    let is_text = matches!(value, DeValue::String(_));
    let mut words = Vec::new();
    for (value, place) in section.elements(key) {
        let Some(word) = value.as_str() else {
            report.error(
                &place,
                wrong_type(&format!("`{key}`"), "a program, or an array of it and its arguments", value),
            );
            return None;
        };
        words.push(word.to_owned());
    }
    let Some(program) = words.first() else {
        report.error(
            &span,
            Fault::new(format!("`{key}` names no program")).help("write [\"/path/of/program\", \"argument\"]"),
        );
        return None;
    };
    if is_text && program.contains(char::is_whitespace) {
        let fault = Fault::new(format!("`{key}` is taken as one path, spaces too: {}", quoted(program)));
        let parts = program.split_whitespace().map(|part| format!("\"{part}\"")).collect::<Vec<_>>();
        report.error(&span, fault.help(format!("write [{}]", parts.join(", "))));
        return None;
    }
    if !program.starts_with('/') {
        let fault = Fault::new(format!("{} is not an absolute path", quoted(program)));
        report.error(&span, fault.help("write where the program is, as in \"/usr/local/bin/tell\""));
        return None;
    }
    if words.iter().any(|word| word.contains('\0')) {
        report.error(&span, Fault::new(format!("`{key}` has a zero byte in it")));
        return None;
    }
    Some((words, span))
}

/// The name of a user or a group.
pub(super) fn name(section: &Section<'_>, key: &'static str, report: &mut Report) -> Option<String> {
    match section.string(key, report) {
        Given::Is("", span) => {
            report.error(&span, Fault::new(format!("the {key}'s name is empty")));
            None
        }
        Given::Is(name, _) => Some(name.to_owned()),
        Given::Absent | Given::Wrong => None,
    }
}
