//! From lines to statements: keywords, their words, and their blocks.
//!
//! `{` and `}` stand for themselves wherever they are outside `"`, except in a name `${NAME}` that is not defined.

use super::{
    limits::Limits,
    reader::{Line, Reader},
    text::{Place, Text},
    words::{Word, words},
};
use crate::report::Fault;

/// A keyword with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The first word; in a block of values it is one of them.
    pub keyword: Word,
    /// The words after it.
    pub arguments: Vec<Word>,
    /// What follows the keyword on its line, as it is written: for what is read as by a shell.
    pub rest: String,
    /// What is within its braces, if it has any.
    pub block: Option<Vec<Statement>>,
    /// Where the definition is used by which it came.
    pub used: Option<Place>,
}

/// A block that is being read.
struct Open {
    statements: Vec<Statement>,
    /// Its first brace.
    place: Place,
    /// The last statement may still get a block.
    expects: bool,
}

/// A block that is left out, with all that is within it.
struct Lost {
    /// Its first brace.
    place: Place,
    /// So many braces are open in it, with its own.
    depth: usize,
}

/// All statements. Every brace without its partner is told.
pub(super) fn statements(reader: &mut Reader<'_>, limits: &Limits) -> Vec<Statement> {
    let start = Place { file: 0, line: 1, column: 1, length: 1 };
    let mut outermost = Open { statements: Vec::new(), place: start, expects: false };
    let mut open: Vec<Open> = Vec::new();
    let mut lost: Option<Lost> = None;
    let mut words = 0;
    while let Some(Line { text, used }) = reader.next() {
        let mut undefined = Vec::new();
        let parts = parts(&text, &mut undefined);
        for name in undefined {
            let name = text.place(name);
            let fault = Fault::new("this name is defined nowhere before it");
            reader.error(name, fault.help("define it by `$NAME=value` further up, or put it in double quotes"));
        }
        for part in parts {
            words += 1;
            let depth = open.len();
            let current = open.last_mut().unwrap_or(&mut outermost);
            match (part.as_str(), &mut lost) {
                ("{", Some(lost)) => lost.depth += 1,
                ("}", Some(Lost { depth, .. })) if *depth > 1 => *depth -= 1,
                ("}", Some(_)) => (lost, current.expects) = (None, false),
                (_, Some(_)) => {}
                ("{", None) if current.expects && depth < limits.blocks => {
                    current.expects = false;
                    open.push(Open { statements: Vec::new(), place: part.whole(), expects: false });
                }
                ("{", None) => {
                    unexpected(reader, &part, current.expects);
                    lost = Some(Lost { place: part.whole(), depth: 1 });
                }
                ("}", None) => match open.pop() {
                    Some(closed) => close(closed, open.last_mut().unwrap_or(&mut outermost)),
                    None => {
                        let fault = Fault::new("this brace closes nothing");
                        reader.error(part.whole(), fault.help("remove it, or add the `{` that is missing before it"));
                    }
                },
                (_, None) => {
                    if let Some(statement) = statement(&part, used) {
                        words += statement.arguments.len();
                        current.statements.push(statement);
                        current.expects = true;
                    }
                }
            }
        }
        if words > limits.words {
            let fault = Fault::new("there is more than is read");
            reader.end(text.whole(), fault.help(format!("stay below {} words", limits.words)));
        }
    }
    if let Some(lost) = lost {
        unclosed(reader, lost.place);
    }
    while let Some(closed) = open.pop() {
        unclosed(reader, closed.place);
        close(closed, open.last_mut().unwrap_or(&mut outermost));
    }
    outermost.statements
}

fn unexpected(reader: &mut Reader<'_>, part: &Text, deep: bool) {
    let fault = if deep {
        Fault::new("too many blocks are within each other").help("what is in this one is left out")
    } else {
        Fault::new("no keyword stands before this block").help("remove it, or write its keyword; it is left out")
    };
    reader.error(part.whole(), fault);
}

fn unclosed(reader: &mut Reader<'_>, place: Place) {
    reader.error(place, Fault::new("this block is never closed").help("add `}` after its last line"));
}

fn close(closed: Open, outer: &mut Open) {
    outer.expects = false;
    if let Some(owner) = outer.statements.last_mut() {
        owner.block = Some(closed.statements);
    }
}

/// A line without braces as a statement; none if it has no words.
fn statement(part: &Text, used: Option<Place>) -> Option<Statement> {
    let mut found = words(part).into_iter();
    let keyword = found.next()?;
    let length = keyword.text.len() + if keyword.quoted { 2 } else { 0 };
    let rest = part.as_str().get(length..).unwrap_or_default().trim().to_owned();
    Some(Statement { keyword, arguments: found.collect(), rest, block: None, used })
}

/// The line, divided at its braces; and where names `${NAME}` stand that are not defined.
fn parts(line: &Text, undefined: &mut Vec<std::ops::Range<usize>>) -> Vec<Text> {
    let text = line.as_str();
    let mut parts = Vec::new();
    let mut begin = 0;
    let mut add = |range: std::ops::Range<usize>| {
        let mut part = line.part(range);
        part.trim();
        if !part.is_empty() {
            parts.push(part);
        }
    };
    let mut at = 0;
    let mut quoted = false;
    while let Some(found) = text[at..].find(['{', '}', '"']).map(|next| at + next) {
        at = found + 1;
        if text[found..].starts_with('"') {
            quoted = !quoted;
        } else if !quoted {
            if let Some(end) = name_end(text, found) {
                undefined.push(found - 1..end);
                at = end;
                continue;
            }
            add(begin..found);
            add(found..found + 1);
            begin = found + 1;
        }
    }
    add(begin..text.len());
    parts
}

/// The end of `${NAME}` whose brace is here.
fn name_end(text: &str, brace: usize) -> Option<usize> {
    if !text[..brace].ends_with('$') || !text[brace..].starts_with('{') {
        return None;
    }
    let inside = &text[brace + 1..];
    let end = inside.find(|c: char| !(c == '_' || c.is_ascii_alphanumeric()))?;
    (end > 0 && inside[end..].starts_with('}')).then_some(brace + 1 + end + 1)
}
