//! Syntax errors, one for each line that has one, and what must not be said beside them.
//!
//! The TOML parser recovers after an error and goes on; what it then finds can be an echo of the first mistake.

use crate::diagnostic::Severity;
use crate::lines::Lines;
use crate::pattern::Good;
use crate::report::{Fault, Problem, Span, quoted};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

/// After this error the parser builds no more of the tree.
const STOPS: &str = "key with no value";

/// A parsed file: the tree as far as it was understood, and its syntax errors.
pub(super) struct Document<'p> {
    pub(super) root: Spanned<DeTable<'p>>,
    text: &'p str,
    lines: &'p Lines<'p>,
    /// The first problem of each line that has one, by the line.
    problems: BTreeMap<usize, Problem>,
    /// From here on the tree is not what was meant: a bracket or quote was left open.
    trusted_until: usize,
    /// Where tables with a header begin, in order.
    headers: Vec<usize>,
    /// Regular expressions that were judged.
    pub(super) patterns: Good,
}

/// Finds the syntax errors, and blanks the lines after which the parser would build no more (`None` if there are
/// none). Offsets stay as they are.
pub(super) fn patch(text: &str, lines: &Lines<'_>) -> (Vec<Error>, Option<String>) {
    let (_, errors) = DeTable::parse_recoverable(text);
    let mut stops: Vec<usize> = (errors.iter().filter(|error| error.message().starts_with(STOPS)))
        .map(|error| lines.line_of(start(error)))
        .collect();
    stops.sort_unstable();
    stops.dedup();
    let mut patched = String::new();
    let mut copied = 0;
    for line in stops {
        let range = lines.range_of(line);
        patched.push_str(text.get(copied..range.start).unwrap_or_default());
        patched.extend(std::iter::repeat_n(' ', range.len()));
        copied = range.end;
    }
    if copied == 0 {
        return (errors, None);
    }
    patched.push_str(text.get(copied..).unwrap_or_default());
    (errors, Some(patched))
}

impl<'p> Document<'p> {
    /// Parses a text that may have been patched. `known` are the errors of the text before that, `encoding` what was
    /// wrong with its bytes.
    pub(super) fn parse(text: &'p str, known: &[Error], encoding: Option<Problem>, lines: &'p Lines<'p>) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut tree = Tree { text, ..Tree::default() };
        tree.table(root.get_ref());
        tree.headers.sort_unstable();
        tree.scalars.sort_unstable_by_key(|span| span.start);
        tree.containers.sort_unstable_by_key(|span| span.start);

        let mut trusted_until = usize::MAX;
        let mut swallowed_from = usize::MAX;
        let mut problems: BTreeMap<usize, Problem> = BTreeMap::new();
        if let Some(problem) = encoding {
            problems.insert(lines.line_of(problem.span.start), problem);
        }
        for error in known.iter().chain(&errors) {
            let found = tree.explain(error);
            match found.breaks {
                Breaks::Line => {}
                Breaks::Tables => trusted_until = trusted_until.min(found.span.start),
                Breaks::Rest => swallowed_from = swallowed_from.min(found.span.start),
            }
            let line = lines.line_of(found.span.start);
            if problems.get(&line).is_none_or(|other| found.span.start < other.span.start) {
                problems.insert(line, Problem { severity: Severity::Error, span: found.span, fault: found.fault });
            }
        }
        problems.retain(|_, problem| problem.span.start <= swallowed_from);
        trusted_until = trusted_until.min(swallowed_from);
        Document { text, lines, problems, trusted_until, headers: tree.headers, patterns: Good::default(), root }
    }

    /// Whether a syntax error lies in the section that begins with this header, or is this inline table.
    pub(super) fn is_broken(&self, section: &Span) -> bool {
        let end = if self.text.get(section.start..).is_some_and(|text| text.starts_with('{')) {
            section.end
        } else {
            let next = self.headers.partition_point(|&header| header <= section.start);
            self.headers.get(next).copied().unwrap_or(usize::MAX)
        };
        let region = section.start..end;
        let of_region = self.lines.line_of(region.start)..=self.lines.line_of(region.end);
        self.problems.range(of_region).any(|(_, problem)| region.contains(&problem.span.start))
    }

    /// Whether a syntax error lies on the line of this byte.
    pub(super) fn is_broken_line(&self, at: usize) -> bool {
        self.problems.contains_key(&self.lines.line_of(at))
    }

    /// Whether what begins here stands where the tree has it.
    pub(super) fn is_meant(&self, at: usize) -> bool {
        at < self.trusted_until
    }

    /// Whether a table has a header or braces of its own, and not only a dotted key that leads through it.
    pub(super) fn is_written(&self, table: &Span) -> bool {
        self.text.get(table.start..).is_some_and(|text| text.starts_with(['[', '{']))
    }

    /// Whether a problem may only follow from a syntax error.
    pub(super) fn explains(&self, problem: &Problem) -> bool {
        let at = problem.span.start;
        let is_warning = problem.severity == Severity::Warning;
        !self.is_meant(at) || self.is_broken_line(at) || (is_warning && !self.problems.is_empty())
    }

    /// The syntax errors.
    pub(super) fn into_problems(self) -> impl Iterator<Item = Problem> {
        self.problems.into_values()
    }
}

/// How far an error reaches.
enum Breaks {
    /// Its own line.
    Line,
    /// What the tables after it belong to.
    Tables,
    /// All that follows, syntax errors too.
    Rest,
}

struct Explained {
    span: Span,
    fault: Fault,
    breaks: Breaks,
}

/// Where things are in the tree.
#[derive(Default)]
struct Tree<'p> {
    text: &'p str,
    headers: Vec<usize>,
    scalars: Vec<Span>,
    /// Arrays and inline tables that are in no other.
    containers: Vec<Span>,
}

impl Tree<'_> {
    fn table(&mut self, table: &DeTable<'_>) {
        for value in table.values() {
            self.value(value, false);
        }
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, within: bool) {
        let span = value.span();
        let at = self.text.get(span.start..).unwrap_or_default();
        let is_header = if let Some(table) = value.get_ref().as_table() {
            for inner in table.values() {
                self.value(inner, within || at.starts_with('{'));
            }
            !at.starts_with('{')
        } else if let Some(array) = value.get_ref().as_array() {
            // An array of tables has the span of its first header.
            let is_header = array.iter().next().is_some_and(|first| first.span() == span);
            for inner in array {
                self.value(inner, within || !is_header);
            }
            is_header
        } else {
            self.scalars.push(span);
            return;
        };
        if is_header {
            // A table that exists only by a dotted key has the key's span.
            if at.starts_with('[') {
                self.headers.push(span.start);
            }
        } else if !within {
            self.containers.push(span);
        }
    }

    /// Says an error so that it helps, and at the place of the mistake rather than where it was noticed.
    fn explain(&self, error: &Error) -> Explained {
        let span = error.span().unwrap_or(0..0);
        let message = error.message();
        let line = |span: Span, fault: Fault| Explained { span, fault, breaks: Breaks::Line };

        if message.starts_with("duplicate key") {
            let name = self.text.get(span.clone()).unwrap_or_default();
            let help = match name {
                "service" => "each service begins with [[service]], in double brackets",
                "server" => "each server begins with [[service.server]], in double brackets",
                _ => "keep one of the two",
            };
            return line(span, Fault::new(format!("{} is written twice", quoted(name))).help(help));
        }
        if message.starts_with("unclosed table") || message.starts_with("unclosed array table") {
            let fault = Fault::new("this header has no closing bracket");
            return Explained {
                span,
                fault: fault.help("close it with as many brackets as open it"),
                breaks: Breaks::Tables,
            };
        }
        if message.starts_with("unclosed")
            && let Some(container) = around(&self.containers, span.start)
        {
            let open = container.start..container.start + 1;
            let fault = Fault::new("this bracket is never closed");
            return Explained { span: open, fault, breaks: Breaks::Rest };
        }
        if let Some(scalar) = around(&self.scalars, span.start) {
            let text = self.text.get(scalar.clone()).unwrap_or_default();
            let is_string = text.starts_with(['"', '\'']);
            if is_string && span.start == scalar.end {
                let fault = Fault::new("this string has no closing quote");
                let many_lines = text.starts_with("\"\"\"") || text.starts_with("'''");
                let breaks = if many_lines { Breaks::Rest } else { Breaks::Line };
                return Explained { span: scalar, fault, breaks };
            }
            if text.is_empty() {
                return line(span, Fault::new("there is no value after `=`"));
            }
            let is_address = text.contains([':', '/']) || text.matches('.').count() > 1;
            if !is_string && (is_address || message.starts_with("string values must be quoted")) {
                let fault = Fault::new(format!("{} is text without quotes", quoted(text)));
                return line(scalar, fault.help(format!("write \"{}\"", quoted(text).trim_matches('`'))));
            }
        }
        line(span, Fault::new(format!("not valid TOML: {message}")))
    }
}

/// The span, of disjoint ones in order, in which this byte lies or after which it follows at once.
fn around(spans: &[Span], at: usize) -> Option<Span> {
    let next = spans.partition_point(|span| span.start <= at);
    spans.get(next.checked_sub(1)?).filter(|span| at <= span.end).cloned()
}

fn start(error: &Error) -> usize {
    error.span().map_or(0, |span| span.start)
}
