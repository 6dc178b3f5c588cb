//! Problems while a file is read, kept by byte span until the whole file is known.

use crate::diagnostic::Severity;
use std::ops::Range;

/// Bytes of the text.
pub(crate) type Span = Range<usize>;

/// So much of a user's text is quoted in a message.
const QUOTED: usize = 60;

/// What is wrong, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Fault { message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A fault with its place.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) severity: Severity,
    pub(crate) span: Span,
    pub(crate) fault: Fault,
}

/// What is to be said about a file, in any order.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) problems: Vec<Problem>,
}

impl Report {
    pub(crate) fn error(&mut self, span: &Span, fault: Fault) {
        self.problems.push(Problem { severity: Severity::Error, span: span.clone(), fault });
    }

    /// Whether an error is among the problems after the first so many.
    pub(crate) fn has_error_since(&self, before: usize) -> bool {
        self.problems.iter().skip(before).any(|problem| problem.severity == Severity::Error)
    }

    pub(crate) fn warning(&mut self, span: &Span, fault: Fault) {
        self.problems.push(Problem { severity: Severity::Warning, span: span.clone(), fault });
    }
}

/// A user's text for a message: in backticks, cut to a length that can be read, and harmless to a terminal.
pub(crate) fn quoted(text: &str) -> String {
    let mut cut: String = text.chars().take(QUOTED).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format!("`{}`", printable(&cut))
}

/// The text without what would break a line or steer a terminal: control characters, and Unicode's line separators
/// and direction marks.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let steers = character.is_control()
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if steers { out.extend(character.escape_default()) } else { out.push(character) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_short_and_harmless() {
        assert_eq!(quoted("10.0.0.1"), "`10.0.0.1`");
        assert_eq!(quoted("a\0b\u{202e}ü"), "`a\\u{0}b\\u{202e}ü`");
        assert_eq!(quoted(&"é".repeat(1000)).chars().count(), 60 + 3);
    }
}
