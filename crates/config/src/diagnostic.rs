//! What is said about a file: one problem, its place, and what to do. The drawing is rustc's (annotate-snippets).

use crate::lines::{BOM, Lines};
use crate::report::printable;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use std::fmt;

/// So many characters of a line are shown on either side of where the mark begins.
const SHOWN: usize = 100;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The file does not say what it means, or means what cannot be.
    Error,
    /// The file can be used, and may not do what was meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// One problem in a file.
///
/// `Display` gives exactly one line: `relvs.toml:12:11: error: message; help`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// How many characters are meant, at least 1.
    pub length: usize,
    /// What is wrong: one line.
    pub message: String,
    /// What to do, where there is something to say: one line.
    pub help: Option<String>,
}

impl Diagnostic {
    /// The problem with the line of `text` in which it lies and a mark under the place, on several lines without a
    /// line break at the end. `text` is what was parsed; with another text the mark stays within it. `color` adds
    /// ANSI colours.
    pub fn render(&self, text: &str, color: bool) -> String {
        let lines = Lines::new(text);
        let line = text.get(lines.range_of(self.line.saturating_sub(1))).unwrap_or_default();
        let line = if self.line == 1 { line.trim_start_matches(BOM) } else { line };
        let (shown, mark) = window(line, self.column.saturating_sub(1), self.length);

        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let file = printable(&self.file);
        let mut snippet =
            Snippet::source(shown).line_start(self.line).annotation(AnnotationKind::Primary.span(mark.start..mark.end));
        let mut group = Group::with_title(level.primary_title(printable(&self.message)));
        if self.column <= SHOWN {
            snippet = snippet.path(file.as_str());
        } else {
            // The column of a part of the line is not the column.
            group = group.element(Origin::path(file.as_str()).line(self.line).char_column(self.column));
        }
        group = group.element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(printable(help)));
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic { severity, file, line, column, message, help, .. } = self;
        write!(f, "{}:{line}:{column}: {severity}: {}", printable(file), printable(message))?;
        if let Some(help) = help {
            write!(f, "; {}", printable(help))?;
        }
        Ok(())
    }
}

/// The part of a line around the mark, and the mark's bytes in it. A line of a megabyte is no help to anyone.
fn window(line: &str, column: usize, length: usize) -> (String, std::ops::Range<usize>) {
    let first = column.saturating_sub(SHOWN);
    let mut shown = String::new();
    let mut mark = 0..0;
    if first > 0 {
        shown.push('…');
    }
    let mut rest = line.chars().skip(first);
    for at in first..column.saturating_add(SHOWN) {
        if at == column {
            mark.start = shown.len();
        }
        let Some(character) = rest.next() else { break };
        shown.push(character);
        if at >= column && at - column < length {
            mark.end = shown.len();
        }
    }
    if rest.next().is_some() {
        shown.push('…');
    }
    if mark.end == 0 {
        mark = shown.len()..shown.len();
    }
    (shown, mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic() -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            file: "relvs.toml".into(),
            line: 2,
            column: 9,
            length: 1,
            message: "`flows` is out of range".into(),
            help: Some("write less".into()),
        }
    }

    #[test]
    fn one_line_whatever_is_in_it() {
        assert_eq!(diagnostic().to_string(), "relvs.toml:2:9: error: `flows` is out of range; write less");
        let bare = Diagnostic { help: None, severity: Severity::Warning, ..diagnostic() };
        assert_eq!(bare.to_string(), "relvs.toml:2:9: warning: `flows` is out of range");
        let hostile = Diagnostic { file: "a\nb".into(), message: "c\r\u{1b}[1m\u{2028}".into(), ..diagnostic() };
        assert_eq!(hostile.to_string(), "a\\nb:2:9: error: c\\r\\u{1b}[1m\\u{2028}; write less");
    }

    #[test]
    fn the_mark_stands_under_the_place() {
        let expected = "\
error: `flows` is out of range
 --> relvs.toml:2:9
  |
2 | flows = 0
  |         ^
  |
  = help: write less";
        assert_eq!(diagnostic().render("\u{feff}[director]\r\nflows = 0\r\n", false), expected);
    }

    #[test]
    fn colour_only_when_asked() {
        let text = "[director]\nflows = 0\n";
        assert!(!diagnostic().render(text, false).contains('\u{1b}'));
        assert!(diagnostic().render(text, true).contains('\u{1b}'));
    }

    #[test]
    fn a_long_line_is_shown_in_part() {
        let text = "x".repeat(1 << 20);
        let far = Diagnostic { line: 1, column: 500_000, length: 400_000, ..diagnostic() };
        let rendered = far.render(&text, false);
        assert!(rendered.contains("relvs.toml:1:500000"), "{rendered}");
        assert!(rendered.contains('…') && rendered.len() < 2_000, "{} bytes", rendered.len());
    }

    #[test]
    fn another_text_does_no_harm() {
        for text in ["", "\n", "é", "\u{feff}", "a\nb"] {
            for (line, column, length) in [(0, 0, 0), (1, 1, 1), (2, 9, 9), (usize::MAX, usize::MAX, usize::MAX)] {
                let lost = Diagnostic { line, column, length, ..diagnostic() };
                assert!(lost.render(text, false).contains("out of range"));
            }
        }
    }
}
