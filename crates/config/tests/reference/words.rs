//! Kinds and defaults of keys in words. Text in backticks is as it is written in a file.

use relvs_config::keys::{Default, Kind, Setting, Table};

/// What a value may be.
pub(crate) fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Text { what, examples } => {
            let examples: Vec<String> = examples.iter().map(|example| format!("`\"{example}\"`")).collect();
            format!("{what}: {}", examples.join(", "))
        }
        Kind::Words(words) => either(words().iter().map(|word| format!("`\"{word}\"`")).collect()),
        Kind::Integer { least, most } => format!("a number from {least} to {most}"),
        Kind::Signed { least, most } => format!("a number from {least} to {most}"),
        Kind::Boolean => "`true` or `false`".to_owned(),
        Kind::Duration => "a time".to_owned(),
        Kind::Pause { least_ms: 0 } => "a short time, or 0".to_owned(),
        Kind::Pause { .. } => "a short time".to_owned(),
        Kind::Array(one) => format!("an array of: {}", self::kind(one)),
        Kind::OneOrMore(one) => format!("{}; or an array of them", self::kind(one)),
        Kind::Either(kinds) => either(kinds.iter().map(self::kind).collect()),
        Kind::Table(table) if is_section(table) => format!("one section `{}`", table.title),
        Kind::Table(table) => format!("a table, see `{}`", table.title),
        Kind::Tables(table) => format!("sections `{}`", table.title),
        Kind::Settings(table) => format!("one section `{}`", table.title),
    }
}

/// Whether it has a header of its own.
pub(crate) fn is_section(table: &Table) -> bool {
    table.title.starts_with('[')
}

fn either(mut words: Vec<String>) -> String {
    let last = words.pop().unwrap_or_default();
    if words.is_empty() { last } else { format!("{} or {last}", words.join(", ")) }
}

/// What holds without the key.
pub(crate) fn default(default: &Default) -> String {
    match default {
        Default::Required => "must be written".to_owned(),
        Default::Is(value) => format!("`{}`", value()),
        Default::Words(words) => (*words).to_owned(),
    }
}

/// A setting's default.
pub(crate) fn setting(setting: &Setting) -> String {
    match setting.default.as_str() {
        "" => "empty".to_owned(),
        "by memory" => "by the memory there is".to_owned(),
        value => format!("`{value}`"),
    }
}

/// What a time is.
pub(crate) const TIME: &str = "A time is a number of seconds, or text of a number and its unit: `\"90s\"`, `\"5m\"`, `\"2h\"`, \
    `\"1d\"`. The longest is 31 days; more than 18 hours act as 18 hours. A short \
    time may have the unit `ms` too: `\"500ms\"`.";
