//! Values and tables as TOML writes them.

use crate::duration::{written, written_millis};
use relvs_model::health::Script;
use std::fmt::{Display, Write as _};

/// Keys and their values, in order.
#[derive(Default)]
pub(super) struct Table {
    entries: Vec<(&'static str, String)>,
}

impl Table {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A value that is written already.
    pub(super) fn value(&mut self, key: &'static str, value: impl Display) {
        self.entries.push((key, value.to_string()));
    }

    /// A value, unless it is what is meant without it.
    pub(super) fn unless<T: Copy + PartialEq + Display>(&mut self, usual: T, key: &'static str, value: T) {
        if value != usual {
            self.value(key, value);
        }
    }

    pub(super) fn flag(&mut self, key: &'static str, value: bool) {
        self.unless(false, key, value);
    }

    pub(super) fn text(&mut self, key: &'static str, value: &str) {
        self.value(key, quoted(value));
    }

    pub(super) fn maybe(&mut self, key: &'static str, value: Option<&String>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    pub(super) fn texts(&mut self, key: &'static str, values: &[String]) {
        self.value(key, array(values.iter().map(|value| quoted(value))));
    }

    /// A time, unless it is what is meant without it.
    pub(super) fn time(&mut self, key: &'static str, milliseconds: u32, usual: u32) {
        if milliseconds != usual {
            self.value(key, time(milliseconds));
        }
    }

    /// A program: its path, that and its arguments, or all that is said of it.
    pub(super) fn script(&mut self, key: &'static str, script: Option<&Script>) {
        let Some(script) = script else { return };
        if *script == Script::new(script.command.clone()) {
            return self.value(key, command(&script.command));
        }
        let mut table = Table::default();
        table.value("command", command(&script.command));
        table.maybe("user", script.user.as_ref());
        table.maybe("group", script.group.as_ref());
        table.time("timeout", script.timeout_ms, Script::TIMEOUT_MS);
        self.value(key, table.inline());
    }

    /// On one line, as a value.
    pub(super) fn inline(&self) -> String {
        let parts: Vec<String> = self.entries.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        format!("{{ {} }}", parts.join(", "))
    }

    /// A line for each.
    pub(super) fn lines(&self) -> String {
        self.entries.iter().fold(String::new(), |mut text, (key, value)| {
            let _ = writeln!(text, "{key} = {value}");
            text
        })
    }
}

/// A program as text; with arguments, or a blank in its path, as an array.
pub(super) fn command(words: &[String]) -> String {
    match words {
        [program] if !program.contains(char::is_whitespace) => quoted(program),
        words => array(words.iter().map(|word| quoted(word))),
    }
}

pub(super) fn array(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(", "))
}

/// A time with its unit.
pub(super) fn time(milliseconds: u32) -> String {
    let text =
        if milliseconds.is_multiple_of(1_000) { written(milliseconds / 1_000) } else { written_millis(milliseconds) };
    quoted(&text)
}

/// A basic string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            control if control.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(control));
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_tomls() {
        assert_eq!(quoted("a\"b\\c\u{1}é\n"), r#""a\"b\\c\u0001é\n""#);
        assert_eq!(
            (time(1_500), time(90_000), time(300_000), time(0)),
            ("\"1500ms\"".into(), "\"90s\"".into(), "\"5m\"".into(), "\"0s\"".into())
        );
        let words = |words: &[&str]| command(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        assert_eq!(words(&["/bin/a"]), r#""/bin/a""#);
        assert_eq!(words(&["/bin/a", "b c"]), r#"["/bin/a", "b c"]"#);
        let mut script = Script::new(vec!["/bin/a".to_owned()]);
        script.user = Some("nobody".to_owned());
        let mut table = Table::default();
        table.script("notify_up", Some(&script));
        table.flag("omega", false);
        assert_eq!(table.lines(), "notify_up = { command = \"/bin/a\", user = \"nobody\" }\n");
    }
}
