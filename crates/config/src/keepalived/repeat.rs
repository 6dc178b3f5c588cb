//! `~SEQ(var, start, step, end) text` and `~LST(var, value, ...) text`: a text that is read once for each value.

use super::text::{BLANK, Text};
use crate::report::Fault;

/// A text, and the values with which it is still to be read.
#[derive(Debug)]
pub(super) struct Repeat {
    values: Values,
    pub(super) text: Text,
}

#[derive(Debug)]
enum Values {
    Sequence { name: String, next: Option<i64>, step: i64, last: i64, hexadecimal: bool },
    List { names: Vec<String>, sets: std::vec::IntoIter<Vec<String>> },
}

/// How a specification is written.
const SEQUENCE: &str = "write ~SEQ(name, end), ~SEQ(name, start, end) or ~SEQ(name, start, step, end)";
const LIST: &str = "write ~LST(name, value, ...) or ~LST({name, name}, {value, value}, ...)";

impl Repeat {
    /// Whether a line begins one.
    pub(super) fn begins(line: &str) -> bool {
        line.starts_with("~SEQ") || line.starts_with("~LST")
    }

    /// Reads the specification with which a line begins; names of definitions in it are filled in already.
    pub(super) fn read(line: &Text) -> Result<Self, Fault> {
        let text = line.as_str();
        let list = text.starts_with("~LST");
        let wrong = || {
            let name = if list { "~LST" } else { "~SEQ" };
            Fault::new(format!("this {name} cannot be read")).help(if list { LIST } else { SEQUENCE })
        };
        let rest = text.get(4..).unwrap_or_default();
        let (hexadecimal, rest) = match rest.strip_prefix('x') {
            Some(rest) if !list => (true, rest),
            _ => (false, rest),
        };
        let inside = rest.trim_start_matches(BLANK).strip_prefix('(').ok_or_else(wrong)?;
        let end = inside.find(')').ok_or_else(wrong)?;
        let specification = &inside[..end];
        let at = text.len() - inside.len() + end + 1;
        let mut repeated = line.part(at..text.len());
        repeated.trim();
        let values = if list { values(specification) } else { sequence(specification, hexadecimal)? };
        Ok(Repeat { values: values.ok_or_else(wrong)?, text: repeated })
    }

    /// The next names with their values.
    pub(super) fn next(&mut self) -> Option<Vec<(String, String)>> {
        match &mut self.values {
            Values::List { names, sets } => {
                let mut set = sets.next()?.into_iter();
                Some(names.iter().map(|name| (name.clone(), set.next().unwrap_or_default())).collect())
            }
            Values::Sequence { name, next, step, last, hexadecimal } => {
                let value = (*next)?;
                let after = value.checked_add(*step);
                *next = after.filter(|after| if *step > 0 { after <= last } else { after >= last });
                let written = if *hexadecimal { format!("{value:x}") } else { value.to_string() };
                Some(vec![(name.clone(), written)])
            }
        }
    }
}

fn sequence(specification: &str, hexadecimal: bool) -> Result<Option<Values>, Fault> {
    let mut parts = specification.split(',').map(|part| part.trim_matches(BLANK));
    let Some(name) = parts.next().filter(|name| !name.is_empty() && !name.starts_with('{')) else { return Ok(None) };
    let Some(numbers) = parts.map(number).collect::<Option<Vec<i64>>>() else { return Ok(None) };
    let (start, step, last) = match *numbers.as_slice() {
        [end] => (if end < 0 { -1 } else { 1 }, if end < 1 { -1 } else { 1 }, end),
        [start, end] => (start, if start <= end { 1 } else { -1 }, end),
        [start, step, end] => (start, step, end),
        _ => return Ok(None),
    };
    if step == 0 || (start < last && step < 0) || (start > last && step > 0) {
        let fault = Fault::new(format!("from {start} by {step} one does not come to {last}"));
        return Err(fault.help("change the step's sign, or the ends"));
    }
    if hexadecimal && (start < 0 || last < 0) {
        return Err(Fault::new("~SEQx is for numbers from 0").help("use ~SEQ, or other ends"));
    }
    Ok(Some(Values::Sequence { name: name.to_owned(), next: Some(start), step, last, hexadecimal }))
}

/// A number as C writes it: decimal, hexadecimal with 0x, octal with 0.
fn number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let magnitude = match lower.strip_prefix("0x") {
        Some(hexadecimal) => i64::from_str_radix(hexadecimal, 16),
        None if lower.len() > 1 && lower.starts_with('0') => i64::from_str_radix(&lower[1..], 8),
        None => lower.parse(),
    };
    magnitude.ok().filter(|_| !digits.starts_with(['+', '-'])).map(|value| if negative { -value } else { value })
}

/// Names and the sets of their values; a set may have fewer values than there are names.
fn values(specification: &str) -> Option<Values> {
    let mut sets = Vec::new();
    let mut rest = specification.trim_matches(BLANK);
    loop {
        let (set, after) = match rest.strip_prefix('{') {
            Some(inside) => inside.split_once('}').map(|(set, after)| (set, after.trim_start_matches(BLANK)))?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (&rest[..end], &rest[end..])
            }
        };
        let braced = rest.starts_with('{');
        let words = if braced { set.split(',').collect() } else { vec![set] };
        sets.push(words.into_iter().map(|word| word.trim_matches(BLANK).to_owned()).collect::<Vec<_>>());
        if after.is_empty() {
            break;
        }
        rest = after.strip_prefix(',')?.trim_start_matches(BLANK);
    }
    let mut sets = sets.into_iter();
    let names = sets.next()?;
    let well = names.iter().all(|name| !name.is_empty()) && sets.len() > 0;
    let fits = sets.as_slice().iter().all(|set| set.len() <= names.len());
    (well && fits).then_some(Values::List { names, sets })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(line: &str) -> Option<Vec<String>> {
        let mut repeat = Repeat::read(&Text::of_file(0, 1, line)).ok()?;
        let mut found = vec![repeat.text.as_str().to_owned()];
        while let Some(values) = repeat.next() {
            found.push(values.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "));
        }
        Some(found)
    }

    fn lines(lines: &[&str]) -> Option<Vec<String>> {
        Some(lines.iter().map(|&line| line.to_owned()).collect())
    }

    #[test]
    fn sequences_go_from_start_to_end() {
        assert_eq!(all("~SEQ(A, 0, 3) ip ${A}"), lines(&["ip ${A}", "A=0", "A=1", "A=2", "A=3"]));
        assert_eq!(all("~SEQ(A,3)"), lines(&["", "A=1", "A=2", "A=3"]));
        assert_eq!(all("~SEQ(A,-2) x"), lines(&["x", "A=-1", "A=-2"]));
        assert_eq!(all("~SEQ (A, 5, -2, 1) x"), lines(&["x", "A=5", "A=3", "A=1"]));
        assert_eq!(all("~SEQ(A, 3, 1) x"), lines(&["x", "A=3", "A=2", "A=1"]));
        assert_eq!(all("~SEQx(A, 0x90, 0x10, 0xc0) x"), lines(&["x", "A=90", "A=a0", "A=b0", "A=c0"]));
        assert_eq!(all("~SEQ(A, 9223372036854775806, 9223372036854775807) x").map(|all| all.len()), Some(3));
        for wrong in ["~SEQ(A) x", "~SEQ(A, 1", "~SEQ(, 1, 2) x", "~SEQ(A, 1, 0, 2) x", "~SEQ(A, 1, -1, 2) x"] {
            assert_eq!(all(wrong), None, "{wrong}");
        }
        for wrong in ["~SEQx(A, -1, 2) x", "~SEQ(A, b) x", "~SEQ(A, 1, 2, 3, 4) x", "~SEQ A", "~SEQ(A, --1) x"] {
            assert_eq!(all(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn lists_give_each_name_its_value() {
        assert_eq!(all("~LST(A, b, c) x"), lines(&["x", "A=b", "A=c"]));
        assert_eq!(all("~LST({A, B}, {1, 2}, {3}) x"), lines(&["x", "A=1 B=2", "A=3 B="]));
        for wrong in ["~LST(A) x", "~LST(A, {1, 2}) x", "~LST({A,B} {1,2}) x", "~LST({A,B}, {1,2) x", "~LST"] {
            assert_eq!(all(wrong), None, "{wrong}");
        }
    }
}
