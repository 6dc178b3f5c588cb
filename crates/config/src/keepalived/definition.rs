//! `$NAME=VALUE`, and filling in `$NAME` and `${NAME}`.
//!
//! A value is filled in when it is used, not when it is defined, and looked at again for more names. One that is not
//! defined stays as it is written.

use super::{
    limits::Limits,
    predefined::{self, Surroundings},
    text::{BLANK, Text},
};
use crate::report::{Fault, quoted};
use std::{collections::BTreeMap, ops::Range, rc::Rc};

/// What a name stands for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    One(Rc<str>),
    /// The lines of a definition that ends lines with `\`.
    Lines(Rc<[Text]>),
}

/// Definitions whose lines follow, the innermost last.
pub(super) type Following = Vec<Rc<[Text]>>;

/// All names.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    values: BTreeMap<String, Value>,
    /// How much was filled in, as [`Limits::filled`] counts it.
    filled: usize,
}

/// What `$NAME=` begins.
pub(super) enum Begun {
    /// It is complete.
    Complete,
    /// More lines belong to it; this is what the first one gave.
    Open { name: String, first: Text },
}

impl Definitions {
    /// Reads `$NAME=VALUE`; none if the line is something else.
    pub(super) fn read(&mut self, line: &Text, limits: &Limits) -> Option<Result<Begun, Fault>> {
        let text = line.as_str();
        let rest = text.strip_prefix('$')?;
        let length = name_length(rest)?;
        let name = &rest[..length];
        let value = rest[length..].trim_start_matches(BLANK).strip_prefix('=')?.trim_start_matches(BLANK);
        let at = text.len() - value.len();
        if !self.values.contains_key(name) && self.values.len() >= limits.definitions {
            return Some(Err(Fault::new(format!("there are more than {} definitions", limits.definitions))));
        }
        let Some(open) = value.strip_suffix('\\') else {
            self.set(name, value);
            return Some(Ok(Begun::Complete));
        };
        let first = line.part(at..at + open.trim_end_matches(BLANK).len());
        Some(Ok(Begun::Open { name: name.to_owned(), first }))
    }

    /// Whether no more is filled in.
    pub(super) fn is_full(&self, limits: &Limits) -> bool {
        self.filled > limits.filled
    }

    /// Gives a name a value of one line, in place of any before.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), Value::One(value.into()));
    }

    /// Gives a name the lines of its definition.
    pub(super) fn set_lines(&mut self, name: String, lines: Vec<Text>) {
        let value = if lines.is_empty() { Value::One("".into()) } else { Value::Lines(lines.into()) };
        self.values.insert(name, value);
    }

    /// Fills in the names of a line; none if it has none. Gives definitions of several lines that stood at its end: their
    /// first lines are in it, the others are to follow.
    pub(super) fn fill_in(
        &mut self,
        line: &mut Text,
        surroundings: &mut Surroundings<'_>,
        limits: &Limits,
    ) -> Result<Option<Following>, Fault> {
        let mut following = Vec::new();
        let mut from = 0;
        let mut count = 0;
        while let Some(found) = line.as_str()[from..].find('$').map(|at| from + at) {
            let Some(used) = name_at(line.as_str(), found) else {
                from = found + 1;
                continue;
            };
            let name = line.as_str()[used.name.clone()].to_owned();
            let parameters = line.as_str()[used.parameters.clone()].trim_matches(BLANK).to_owned();
            let value = match self.values.get(&name) {
                Some(value) if parameters.is_empty() => value.clone(),
                Some(_) => {
                    from = found + 1;
                    continue;
                }
                None => match predefined::value(&name, &parameters, surroundings) {
                    Some(value) => Value::One(value?.into()),
                    None => {
                        from = found + 1;
                        continue;
                    }
                },
            };
            count += 1;
            self.filled = self.filled.saturating_add(line.len());
            if self.filled > limits.filled {
                let fault = Fault::new("definitions are filled in more often than is done");
                return Err(fault.help("write what they stand for, or use fewer"));
            }
            if count > limits.substitutions {
                let fault = Fault::new(format!("{} refers to itself", quoted(&format!("${name}"))));
                return Err(fault.help("define it without its own name"));
            }
            match value {
                Value::One(value) => {
                    line.fill_in(used.all, &value);
                    if value.trim_start_matches(BLANK).starts_with('~') {
                        break;
                    }
                }
                // Lines can only stand at the end of one.
                Value::Lines(_) if used.all.end != line.len() => {
                    from = found + 1;
                    continue;
                }
                Value::Lines(lines) => {
                    if let Some(first) = lines.first() {
                        line.put_in(used.all, first);
                    }
                    following.push(lines);
                }
            }
            if line.len() > limits.line {
                let fault = Fault::new(format!("the line is longer than {} bytes with its definitions", limits.line));
                return Err(fault.help("split it"));
            }
        }
        Ok((count > 0).then_some(following))
    }
}

/// Where a name is used.
struct Used {
    /// From the `$` to the end of the name or its brace.
    all: Range<usize>,
    name: Range<usize>,
    /// After the name, within the braces.
    parameters: Range<usize>,
}

/// The use of a name that begins with the `$` here. Without braces a blank, a comma, a closing parenthesis or the end of the
/// line must follow.
fn name_at(text: &str, at: usize) -> Option<Used> {
    let rest = &text[at + 1..];
    if let Some(inside) = rest.strip_prefix('{') {
        let length = name_length(inside)?;
        let more = &inside[length..];
        let end = more.find(|c: char| !(c == ' ' || c == '\t' || c == '_' || c.is_ascii_alphanumeric()))?;
        let ends_well = more[end..].starts_with('}') && !(end > 0 && more[..end].ends_with(BLANK));
        let name = at + 2..at + 2 + length;
        return ends_well.then(|| Used { all: at..name.end + end + 1, parameters: name.end..name.end + end, name });
    }
    let length = name_length(rest)?;
    let follows = rest[length..].chars().next();
    let name = at + 1..at + 1 + length;
    let ends_well = follows.is_none_or(|next| matches!(next, ' ' | '\t' | ',' | ')'));
    ends_well.then_some(Used { all: at..name.end, parameters: name.end..name.end, name })
}

/// How long the name is with which this begins: letters, digits and `_`, no digit first.
fn name_length(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    if !(first.is_ascii_alphabetic() || first == '_') {
        return None;
    }
    Some(text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len()))
}
