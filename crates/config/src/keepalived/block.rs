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
    /// It has no keyword, or is too deep: what is in it is left out.
    lost: bool,
    /// The last statement may still get a block.
    expects: bool,
}

/// All statements. Every brace without its partner is told.
pub(super) fn statements(reader: &mut Reader<'_>, limits: &Limits) -> Vec<Statement> {
    let start = Place { file: 0, line: 1, column: 1, length: 1 };
    let mut outermost = Open { statements: Vec::new(), place: start, lost: false, expects: false };
    let mut open: Vec<Open> = Vec::new();
    while let Some(Line { text, used }) = reader.next() {
        for part in parts(&text) {
            let current = open.last_mut().unwrap_or(&mut outermost);
            match part.as_str() {
                "{" => {
                    let lost = !current.expects || current.lost || open.len() >= limits.blocks;
                    if lost {
                        unexpected(reader, &part, open.len() >= limits.blocks, open.last().is_some_and(|o| o.lost));
                    }
                    let current = open.last_mut().unwrap_or(&mut outermost);
                    current.expects = false;
                    open.push(Open { statements: Vec::new(), place: part.whole(), lost, expects: false });
                }
                "}" => match open.pop() {
                    Some(closed) => close(closed, open.last_mut().unwrap_or(&mut outermost)),
                    None => {
                        let fault = Fault::new("this brace closes nothing");
                        reader.error(part.whole(), fault.help("remove it, or add the `{` that is missing before it"));
                    }
                },
                _ => {
                    if let Some(statement) = statement(&part, used) {
                        current.statements.push(statement);
                        current.expects = true;
                    }
                }
            }
        }
    }
    while let Some(closed) = open.pop() {
        reader.error(closed.place, Fault::new("this block is never closed").help("add `}` after its last line"));
        close(closed, open.last_mut().unwrap_or(&mut outermost));
    }
    outermost.statements
}

fn unexpected(reader: &mut Reader<'_>, part: &Text, deep: bool, told: bool) {
    if told {
        return;
    }
    let fault = if deep {
        Fault::new("too many blocks are within each other").help("what is in this one is left out")
    } else {
        Fault::new("no keyword stands before this block").help("remove it, or write its keyword; it is left out")
    };
    reader.error(part.whole(), fault);
}

fn close(closed: Open, outer: &mut Open) {
    outer.expects = false;
    if closed.lost {
        return;
    }
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

/// The line, divided at its braces.
fn parts(line: &Text) -> Vec<Text> {
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
