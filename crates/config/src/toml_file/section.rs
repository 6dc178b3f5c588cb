//! One table of the file: its values by key and type, and what it holds that nobody knows.

use super::syntax::Document;
use crate::address::unknown;
use crate::draft::Given;
use crate::duration;
use crate::keys::{Key, Kind, Table};
use crate::names::nearest;
use crate::report::{Fault, Report, Span, quoted};
use relvs_model::{Persistence, Timeouts};
use std::ops::RangeInclusive;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(super) struct Section<'d> {
    document: &'d Document<'d>,
    table: &'d DeTable<'d>,
    /// Its header, or all of it if it is written in one line.
    pub(super) span: Span,
    /// What it may hold.
    of: &'static Table,
}

impl<'d> Section<'d> {
    pub(super) fn new(document: &'d Document<'d>, table: &'d DeTable<'d>, span: Span, of: &'static Table) -> Self {
        Section { document, table, span, of }
    }

    /// The value under a key, unless it only seems to be there because of a syntax error before it.
    pub(super) fn get(&self, key: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        #[cfg(test)]
        super::tests::note(self.of, key);
        self.table.get(key).filter(|value| self.document.is_meant(value.span().start))
    }

    /// Whether a syntax error lies in the line where a value begins: what was read of it may not be what was meant.
    pub(super) fn is_doubtful(&self, value: &Spanned<DeValue<'_>>) -> bool {
        self.document.is_broken_line(value.span().start)
    }

    /// Whether a syntax error lies in this section, so that something may be missing from it.
    pub(super) fn is_broken(&self) -> bool {
        self.document.is_broken(&self.span)
    }

    /// Reports keys that its table does not have.
    pub(super) fn finish(&self, report: &mut Report) {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if self.of.key(name).is_some() {
                continue;
            }
            let fault = if self.of.later.contains(&name) {
                Fault::new(format!("`{name}` is not available in this version")).help("remove it")
            } else {
                let fault = Fault::new(format!("unknown key {} in {}", quoted(name), self.of.title));
                match nearest(name, self.of.names().chain(self.of.later.iter().copied())) {
                    Some(known) => fault.help(format!("did you mean `{known}`?")),
                    None => fault.help(format!("known here: {}", self.of.names().collect::<Vec<_>>().join(", "))),
                }
            };
            report.error(&key.span(), fault);
        }
    }

    /// Reports that a key is missing, unless a syntax error in this section may have swallowed it.
    pub(super) fn missing(&self, key: &str, example: &str, report: &mut Report) {
        if !self.is_broken() {
            let fault = Fault::new(format!("{} has no `{key}`", self.of.title));
            report.error(&self.span, fault.help(format!("add `{example}`")));
        }
    }

    /// Whether it is of this table.
    pub(super) fn is(&self, of: &Table) -> bool {
        std::ptr::eq(self.of, of)
    }

    /// A table within this one.
    pub(super) fn within(&self, table: &'d DeTable<'d>, span: Span, of: &'static Table) -> Self {
        Section::new(self.document, table, span, of)
    }

    /// Its keys, those included that nobody knows.
    pub(super) fn names(&self) -> impl Iterator<Item = (&'d str, Span)> {
        self.table.keys().map(|key| (&**key.get_ref(), key.span()))
    }

    /// A regular expression.
    pub(super) fn pattern(&self, key: &str, report: &mut Report) -> Option<String> {
        let Given::Is(text, span) = self.string(key, report) else { return None };
        match self.document.patterns.judge(text) {
            Ok(()) => Some(text.to_owned()),
            Err(why) => {
                report.error(&span, Fault::new(format!("{} is not a regular expression: {why}", quoted(text))));
                None
            }
        }
    }

    /// The value under a key, if it is what was meant.
    pub(super) fn value(&self, key: &str) -> Given<&'d DeValue<'d>> {
        match self.get(key) {
            None => Given::Absent,
            Some(value) if self.is_doubtful(value) => Given::Wrong,
            Some(value) => Given::Is(value.get_ref(), value.span()),
        }
    }

    /// The elements of an array, or what stands in the place of one that has only one element.
    pub(super) fn elements(&self, key: &str) -> Vec<(&'d DeValue<'d>, Span)> {
        match self.value(key) {
            Given::Absent | Given::Wrong => Vec::new(),
            Given::Is(DeValue::Array(array), _) => {
                let meant = array.iter().filter(|element| !self.is_doubtful(element));
                meant.map(|element| (element.get_ref(), element.span())).collect()
            }
            Given::Is(value, span) => vec![(value, span)],
        }
    }

    /// Strings: one, or an array of them.
    pub(super) fn strings(&self, key: &str, report: &mut Report) -> Vec<(&'d str, Span)> {
        let mut found = Vec::new();
        for (value, span) in self.elements(key) {
            match value.as_str() {
                Some(text) => found.push((text, span)),
                None => report.error(&span, wrong_type(&format!("`{key}`"), "a string, or an array of strings", value)),
            }
        }
        found
    }

    pub(super) fn string(&self, key: &str, report: &mut Report) -> Given<&'d str> {
        let (value, span) = match self.value(key) {
            Given::Absent => return Given::Absent,
            Given::Wrong => return Given::Wrong,
            Given::Is(value, span) => (value, span),
        };
        let Some(text) = value.as_str() else {
            report.error(&span, wrong_type(&format!("`{key}`"), "a string", value));
            return Given::Wrong;
        };
        Given::Is(text, span)
    }

    pub(super) fn boolean(&self, key: &str, report: &mut Report) -> Given<bool> {
        match self.value(key) {
            Given::Absent => Given::Absent,
            Given::Wrong => Given::Wrong,
            Given::Is(DeValue::Boolean(value), span) => Given::Is(*value, span),
            Given::Is(value, span) => {
                report.error(&span, wrong_type(&format!("`{key}`"), "true or false", value));
                Given::Wrong
            }
        }
    }

    /// A time of at least a second and at most 31 days, in seconds: a number, or text with a unit.
    pub(super) fn duration(&self, key: &str, report: &mut Report) -> Given<u32> {
        let most = Persistence::MAX_TIMEOUT_S;
        let found = match self.value(key) {
            Given::Is(DeValue::String(text), span) => match duration::seconds(text) {
                Ok(seconds) if (1..=u64::from(most)).contains(&seconds) => Given::Is(seconds as u32, span),
                Ok(_) => {
                    let fault = Fault::new(format!("`{key}` must be from 1 second to 31 days, not {}", quoted(text)));
                    report.error(&span, fault);
                    Given::Wrong
                }
                Err(fault) => {
                    report.error(&span, fault);
                    Given::Wrong
                }
            },
            Given::Is(..) | Given::Absent | Given::Wrong => self.number(key, 1..=most, report),
        };
        if let Given::Is(seconds, span) = &found
            && *seconds > Timeouts::LONGEST_S
        {
            let longest = duration::spoken(Timeouts::LONGEST_S.into());
            let fault =
                Fault::new(format!("`{key}` is longer than {longest}, the longest time that flows are told apart by"));
            report.warning(span, fault.help(format!("it acts as {longest}")));
        }
        found
    }

    /// A time in milliseconds: a number of seconds, or text with a unit. The table of keys says how short it may be.
    pub(super) fn pause(&self, key: &str, report: &mut Report) -> Given<u32> {
        let least = match self.of.key(key).map(|key| key.kind) {
            Some(Kind::Pause { least_ms }) => least_ms,
            Some(_) | None => 0,
        };
        let most = Persistence::MAX_TIMEOUT_S;
        let (millis, span) = match self.value(key) {
            Given::Is(DeValue::String(text), span) => match duration::millis(text) {
                Ok(millis) => (millis, span),
                Err(fault) => {
                    report.error(&span, fault);
                    return Given::Wrong;
                }
            },
            Given::Is(DeValue::Float(_), span) => {
                let fault = Fault::new(format!("`{key}` must be a whole number of seconds, or text with a unit"));
                report.error(&span, fault.help(format!("write {key} = \"500ms\"")));
                return Given::Wrong;
            }
            Given::Is(..) | Given::Absent | Given::Wrong => match self.number(key, 0..=most, report) {
                Given::Is(seconds, span) => (u64::from(seconds) * 1000, span),
                other @ (Given::Absent | Given::Wrong) => return other,
            },
        };
        match u32::try_from(millis) {
            Ok(millis) if (least..=most * 1000).contains(&millis) => Given::Is(millis, span),
            Ok(_) | Err(_) => {
                let least = duration::written_millis(least);
                report.error(&span, Fault::new(format!("`{key}` must be from {least} to 31 days")));
                Given::Wrong
            }
        }
    }

    /// A whole number that may be negative, within the range that the table of keys gives it.
    pub(super) fn signed(&self, key: &str, report: &mut Report) -> Given<i32> {
        let (least, most) = match self.of.key(key).map(|key| key.kind) {
            Some(Kind::Signed { least, most }) => (least, most),
            Some(_) | None => (i32::MIN, i32::MAX),
        };
        let (value, span) = match self.value(key) {
            Given::Absent => return Given::Absent,
            Given::Wrong => return Given::Wrong,
            Given::Is(value, span) => (value, span),
        };
        let Some(integer) = value.as_integer() else {
            report.error(&span, wrong_type(&format!("`{key}`"), "an integer", value));
            return Given::Wrong;
        };
        match i32::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .filter(|number| (least..=most).contains(number))
        {
            Some(number) => Given::Is(number, span),
            None => {
                report.error(&span, Fault::new(format!("`{key}` must be from {least} to {most}")));
                Given::Wrong
            }
        }
    }

    /// The tables under a key that may stand for one or for several; none, if nothing is said.
    pub(super) fn one_or_more(
        &self,
        key: &'static str,
        of: &'static Table,
        report: &mut Report,
    ) -> Option<Vec<Section<'d>>> {
        let value = self.get(key)?;
        if let Some(table) = value.get_ref().as_table() {
            return Some(vec![Section::new(self.document, table, value.span(), of)]);
        }
        let array = value.get_ref().as_array().into_iter().flatten();
        let mut found = Vec::new();
        let mut wrong = value.get_ref().as_array().is_none().then(|| value.span());
        for element in array.filter(|element| self.document.is_meant(element.span().start)) {
            match element.get_ref().as_table() {
                Some(table) => found.push(Section::new(self.document, table, element.span(), of)),
                None => wrong = Some(element.span()),
            }
        }
        if let Some(span) = wrong {
            let fault = Fault::new(format!("`{key}` is a table, or several"));
            report.error(&span, fault.help(format!("write {} above its keys", of.title)));
        }
        Some(found)
    }

    /// An integer within the range that the table of keys gives it.
    pub(super) fn integer(&self, key: &str, report: &mut Report) -> Given<u32> {
        let (least, most) = self.of.key(key).and_then(|key| key.kind.range()).unwrap_or((0, u32::MAX));
        self.number(key, least..=most, report)
    }

    fn number(&self, key: &str, range: RangeInclusive<u32>, report: &mut Report) -> Given<u32> {
        let (value, span) = match self.value(key) {
            Given::Absent => return Given::Absent,
            Given::Wrong => return Given::Wrong,
            Given::Is(value, span) => (value, span),
        };
        let Some(integer) = value.as_integer() else {
            report.error(&span, wrong_type(&format!("`{key}`"), "an integer", value));
            return Given::Wrong;
        };
        let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
        match number.and_then(|number| u32::try_from(number).ok()).filter(|number| range.contains(number)) {
            Some(number) => Given::Is(number, span),
            None => {
                let (least, most) = range.into_inner();
                let given = number.map_or_else(|| quoted(&integer.to_string()), |number| number.to_string());
                let fault = Fault::new(format!("`{key}` must be from {least} to {most}, not {given}"));
                report.error(&span, fault);
                Given::Wrong
            }
        }
    }

    /// One of the words in `available`. `kind` is what they are called in messages.
    pub(super) fn word<T: Copy>(
        &self,
        key: &str,
        kind: &str,
        available: &[(&'static str, T)],
        later: &[&str],
        report: &mut Report,
    ) -> Given<T> {
        let (text, span) = match self.string(key, report) {
            Given::Absent => return Given::Absent,
            Given::Wrong => return Given::Wrong,
            Given::Is(text, span) => (text, span),
        };
        if let Some(&(_, value)) = available.iter().find(|(name, _)| *name == text) {
            return Given::Is(value, span);
        }
        let names: Vec<&str> = available.iter().map(|&(name, _)| name).collect();
        report.error(&span, unknown(kind, text, &names, later));
        Given::Wrong
    }

    /// The section under a key.
    pub(super) fn table(&self, of: &'static Table, report: &mut Report) -> Option<Section<'d>> {
        let key = self.holding(of)?;
        let value = self.get(key)?;
        let Some(table) = value.get_ref().as_table() else {
            report.error(&value.span(), Fault::new(format!("`{key}` is written once, as {}", of.title)));
            return None;
        };
        Some(Section::new(self.document, table, value.span(), of))
    }

    /// The name of the key under which such tables are.
    fn holding(&self, of: &'static Table) -> Option<&'static str> {
        let holds = |key: &&Key| key.kind.tables().into_iter().any(|table| std::ptr::eq(table, of));
        self.of.keys.iter().find(holds).map(|key| key.name)
    }

    /// The tables under a key that may occur more than once. One that is written as if it could not is reported,
    /// and read; one that is only there because of a table within it is reported.
    pub(super) fn tables(&self, of: &'static Table, report: &mut Report) -> Vec<Section<'d>> {
        let Some(key) = self.holding(of) else { return Vec::new() };
        let Some(value) = self.get(key) else { return Vec::new() };
        let fault = || Fault::new(format!("each `{key}` begins with {}, in double brackets", of.title));
        let section = |table, span| Section::new(self.document, table, span, of);
        if let Some(array) = value.get_ref().as_array() {
            let mut sections = Vec::with_capacity(array.len());
            for element in array.iter().filter(|element| self.document.is_meant(element.span().start)) {
                match element.get_ref().as_table() {
                    Some(table) => sections.push(section(table, element.span())),
                    None => report.error(&element.span(), fault()),
                }
            }
            return sections;
        }
        report.error(&value.span(), fault());
        let table = value.get_ref().as_table().filter(|_| self.document.is_written(&value.span()));
        table.map(|table| section(table, value.span())).into_iter().collect()
    }
}

/// The word that stands for a value, as it is written. `words` has every value.
pub(crate) fn word_of<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> String {
    words.iter().find(|(_, other)| *other == value).map(|(name, _)| format!("\"{name}\"")).unwrap_or_default()
}

/// That a value has another type than `subject` wants.
pub(super) fn wrong_type(subject: &str, wanted: &str, value: &DeValue<'_>) -> Fault {
    let found = match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    };
    Fault::new(format!("{subject} must be {wanted}, not {found}"))
}
