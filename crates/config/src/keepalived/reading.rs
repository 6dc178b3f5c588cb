//! What readers of statements share: telling of faults, and reading values.

use super::{
    Document, Limits, Statement,
    keywords::{Context, Keyword, Shape, Support},
    text::Place,
    words::{quoted_words, shell_words},
};
use crate::{
    Diagnostic, Severity,
    report::{Fault, quoted},
};
use relvs_model::health::Script;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    net::IpAddr,
    ops::RangeInclusive,
};

/// What is to be said about a keyword that is no fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The keyword.
    pub keyword: &'static str,
    /// Where it stands.
    pub place: Place,
    /// What becomes of it.
    pub support: Support,
}

impl Remark {
    /// The remark in words; none if the keyword works.
    pub fn diagnostic(&self, document: &Document) -> Option<Diagnostic> {
        let keyword = self.keyword;
        let (message, why) = match self.support {
            // What is gone is told as a warning already.
            Support::Works | Support::Gone(_) => return None,
            Support::Differs(how) => (format!("`{keyword}` works in another way"), how.to_owned()),
            Support::Ignored(why) => (format!("`{keyword}` does nothing here"), why.to_owned()),
            Support::Obsolete(instead) => (format!("`{keyword}` is an older word"), format!("write `{instead}`")),
        };
        Some(document.diagnose(Severity::Warning, self.place, Fault::new(message).help(why)))
    }
}

/// How bad faults are, as `keepalived -t` tells it by its exit code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// 0: nothing is wrong.
    #[default]
    Fine,
    /// 5: something is wrong, and keepalived would run without it.
    Faulty,
    /// 6: scripts are run without a user of their own, or with too many rights.
    Insecure,
    /// 6 too: a file is not there that `include_check` or `includea` and the like ask for; keepalived does not start.
    Incomplete,
    /// 2: a keyword lacks the word that must follow it; keepalived reads no further, and does not start.
    Wordless,
    /// 4: there is more than is read, so it is not known what the whole means; it cannot be run.
    Fatal,
}

impl Verdict {
    /// With what `keepalived -t` ends.
    pub const fn exit_code(self) -> u8 {
        match self {
            Verdict::Fine => 0,
            Verdict::Wordless => 2,
            Verdict::Fatal => 4,
            Verdict::Faulty => 5,
            Verdict::Insecure | Verdict::Incomplete => 6,
        }
    }
}

/// A document that is being read.
pub(super) struct Reading<'d> {
    pub(super) document: &'d Document,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) remarks: Vec<Remark>,
    pub(super) supported: Vec<Remark>,
    pub(super) verdict: Verdict,
    /// The programs of all scripts, of those too that stand in what is left out.
    pub(super) programs: BTreeSet<String>,
    /// Some service or server asks for mail.
    pub(super) alerts: bool,
    /// Services and servers that there may still be.
    pub(super) room: Room,
    limits: &'d Limits,
    untold: usize,
    /// Of which block a keyword was asked for last.
    pub(super) context: Context,
}

/// How much more there may be of what is made of the statements.
pub(super) struct Room {
    /// Addresses of groups.
    pub(super) members: usize,
    pub(super) services: usize,
    pub(super) servers: usize,
}

impl Room {
    /// Takes room for services with so many servers each; whether there is some.
    pub(super) fn take(&mut self, services: usize, servers: usize) -> bool {
        let all = services.saturating_mul(servers);
        let fits = services <= self.services && all <= self.servers;
        if fits {
            self.services -= services;
            self.servers -= all;
        }
        fits
    }
}

impl<'d> Reading<'d> {
    pub(super) fn new(document: &'d Document, limits: &'d Limits) -> Self {
        let errors = document.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        // keepalived is content with a file that is not there.
        let verdict = match (document.cut, errors && !document.unread) {
            (true, _) => Verdict::Fatal,
            (false, true) if document.incomplete => Verdict::Incomplete,
            (false, true) => Verdict::Faulty,
            (false, false) => Verdict::Fine,
        };
        let room = Room { members: limits.services, services: limits.services, servers: limits.servers };
        Reading {
            document,
            diagnostics: Vec::new(),
            remarks: Vec::new(),
            supported: Vec::new(),
            verdict,
            programs: BTreeSet::new(),
            alerts: false,
            room,
            limits,
            untold: 0,
            context: Context::Top,
        }
    }

    /// All that is to be said, of the language too, in the order of the files and their lines.
    pub(super) fn told(&mut self) -> Vec<Diagnostic> {
        let sources = &self.document.sources;
        let files: BTreeMap<&str, usize> =
            sources.iter().enumerate().rev().map(|(at, source)| (source.name.as_str(), at)).collect();
        let mut all = std::mem::take(&mut self.diagnostics);
        all.extend(self.document.diagnostics.iter().cloned());
        all.sort_by_key(|diagnostic| (files.get(diagnostic.file.as_str()), diagnostic.line, diagnostic.column));
        all.dedup();
        if self.untold > 0 {
            let place = Place { file: 0, line: 1, column: 1, length: 1 };
            let fault = Fault::new(format!("there are {} more problems; these are the first", self.untold));
            all.push(self.document.diagnose(Severity::Error, place, fault));
        }
        all
    }

    /// Whether there is room for one problem more.
    fn has_room(&mut self) -> bool {
        let room = self.diagnostics.len() < self.limits.problems;
        self.untold += usize::from(!room);
        room
    }

    /// Something is left out or taken otherwise than it is written, as by keepalived.
    pub(super) fn fault(&mut self, place: Place, fault: Fault) {
        self.verdict = self.verdict.max(Verdict::Faulty);
        if self.has_room() {
            self.diagnostics.push(self.document.diagnose(Severity::Error, place, fault));
        }
    }

    /// Something may not do what was meant; keepalived takes it without a word.
    pub(super) fn warning(&mut self, place: Place, fault: Fault) {
        if self.has_room() {
            self.diagnostics.push(self.document.diagnose(Severity::Warning, place, fault));
        }
    }

    /// Something is as it is meant, or does no harm; but keepalived complains of it, and says so by its exit code.
    pub(super) fn complaint(&mut self, place: Place, fault: Fault) {
        self.verdict = self.verdict.max(Verdict::Faulty);
        self.warning(place, fault);
    }

    /// The keyword of a statement; none if it is unknown or does nothing here, which is noted.
    pub(super) fn keyword(&mut self, context: Context, statement: &Statement) -> Option<&'static str> {
        let name = statement.keyword.text.as_str();
        self.context = context;
        let Some(Keyword { name, support }) = context.keyword(name) else {
            self.unknown(context, statement);
            return None;
        };
        if let Some(why) = context.deprecated(name) {
            let fault = Fault::new(format!("keepalived calls `{name}` deprecated"));
            self.complaint(statement.keyword.place, fault.help(why));
        }
        match support {
            Support::Works => {
                if self.supported.len() < self.limits.remarks {
                    self.supported.push(Remark { keyword: name, place: statement.keyword.place, support: *support });
                }
                Some(name)
            }
            Support::Differs(_) => {
                self.remark(name, statement.keyword.place, *support);
                Some(name)
            }
            Support::Ignored(_) => {
                self.remark(name, statement.keyword.place, *support);
                self.ignored(context.shape(name), statement);
                None
            }
            Support::Obsolete(instead) => {
                self.remark(name, statement.keyword.place, *support);
                context.keyword(instead).filter(|meant| !matches!(meant.support, Support::Ignored(_)))?;
                Some(instead)
            }
            Support::Gone(instead) => {
                self.verdict = self.verdict.max(Verdict::Faulty);
                let fault = Fault::new(format!("keepalived no longer knows {} here", quoted(name)));
                self.warning(statement.keyword.place, fault.help(*instead));
                None
            }
        }
    }

    fn remark(&mut self, keyword: &'static str, place: Place, support: Support) {
        if self.remarks.len() < self.limits.remarks {
            self.remarks.push(Remark { keyword, place, support });
        }
    }

    fn unknown(&mut self, context: Context, statement: &Statement) {
        if self.diagnostics.len() >= self.limits.problems {
            // To look for the nearest keyword takes time.
            self.verdict = self.verdict.max(Verdict::Faulty);
            self.untold += 1;
            return;
        }
        let name = &statement.keyword.text;
        let within = if context == Context::Top { String::new() } else { format!(" in {}", context.name()) };
        let fault = Fault::new(format!("unknown keyword {}{within}", quoted(name)));
        let help = match (context.nearest(name), Context::of(name)) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, Some(other)) => format!("it stands in {}", other.name()),
            (None, None) => "it is left out".to_owned(),
        };
        self.fault(statement.keyword.place, fault.help(help));
    }

    /// The statements of a block, with a fault if there is none.
    pub(super) fn block<'s>(&mut self, statement: &'s Statement) -> &'s [Statement] {
        match &statement.block {
            Some(block) => block,
            None => {
                let fault = Fault::new(format!("`{}` has no block", statement.keyword.text));
                self.fault(statement.keyword.place, fault.help("write what belongs to it between `{` and `}`"));
                &[]
            }
        }
    }

    /// A word after the keyword, which must be there.
    pub(super) fn word<'s>(&mut self, statement: &'s Statement, at: usize, what: &str) -> Option<&'s str> {
        let found = statement.arguments.get(at).map(|word| word.text.as_str());
        if found.is_none() {
            if at == 0 && !self.context.endures(&statement.keyword.text) {
                self.verdict = self.verdict.max(Verdict::Wordless);
            }
            let fault = Fault::new(format!("`{}` needs {what}", statement.keyword.text));
            self.fault(statement.keyword.place, fault.help("write it after the keyword"));
        }
        found
    }

    /// Where a word after the keyword stands; where the keyword stands, if it is not there.
    pub(super) fn place(statement: &Statement, at: usize) -> Place {
        statement.arguments.get(at).map_or(statement.keyword.place, |word| word.place)
    }

    /// A whole number.
    pub(super) fn integer<N>(&mut self, statement: &Statement, at: usize, range: RangeInclusive<N>) -> Option<N>
    where
        N: TryFrom<i64> + PartialOrd + Display + Copy,
    {
        let word = self.word(statement, at, "a number")?;
        let number = word.parse::<i64>().ok().and_then(|number| N::try_from(number).ok());
        let found = number.filter(|number| range.contains(number));
        if found.is_none() {
            let (least, most) = (range.start(), range.end());
            let keyword = &statement.keyword.text;
            let fault = Fault::new(format!("{} is no number from {least} to {most}", quoted(word)));
            self.fault(Self::place(statement, at), fault.help(format!("correct it; `{keyword}` is left out")));
        }
        found
    }

    /// A time in seconds, which may have a fraction, in milliseconds.
    pub(super) fn seconds(&mut self, statement: &Statement, at: usize, range: RangeInclusive<u32>) -> Option<u32> {
        let word = self.word(statement, at, "a time in seconds")?;
        let plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit() || c == '.');
        let milliseconds = word.parse::<f64>().ok().filter(|_| plain).map(|seconds| (seconds * 1000.0).round());
        let fits = |ms: &f64| (f64::from(*range.start())..=f64::from(*range.end())).contains(ms);
        if let Some(found) = milliseconds.filter(fits) {
            return Some(found as u32);
        }
        let (least, most) = (f64::from(*range.start()) / 1000.0, f64::from(*range.end()) / 1000.0);
        let keyword = &statement.keyword.text;
        let fault = Fault::new(format!("{} is no time from {least} to {most} seconds", quoted(word)));
        self.fault(Self::place(statement, at), fault.help(format!("correct it; `{keyword}` is left out")));
        None
    }

    /// A time that keepalived 2.2 takes in whole seconds alone; one with a fraction counts here, and is told.
    pub(super) fn whole_seconds(&mut self, statement: &Statement, range: RangeInclusive<u32>) -> Option<u32> {
        let found = self.seconds(statement, 0, range)?;
        if !found.is_multiple_of(1_000) {
            let keyword = &statement.keyword.text;
            let fault = Fault::new(format!("keepalived 2.2 takes whole seconds for `{keyword}`, and leaves this out"));
            self.complaint(Self::place(statement, 0), fault.help("here it counts; write whole seconds for both"));
        }
        Some(found)
    }

    /// A keyword that is on by itself, or says `on` or `off`.
    pub(super) fn boolean(&mut self, statement: &Statement) -> Option<bool> {
        match statement.arguments.first().map(|word| word.text.as_str()) {
            None | Some("on" | "true" | "yes") => Some(true),
            Some("off" | "false" | "no") => Some(false),
            Some(other) => {
                let fault = Fault::new(format!("{} is neither on nor off", quoted(other)));
                self.fault(Self::place(statement, 0), fault.help("write on, off, true, false, yes or no"));
                None
            }
        }
    }

    /// One of these words.
    pub(super) fn choice<T: Copy>(&mut self, statement: &Statement, at: usize, choices: &[(&str, T)]) -> Option<T> {
        let word = self.word(statement, at, "a word")?;
        let found = choices.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let fault = Fault::new(format!("{} is no value of `{}`", quoted(word), statement.keyword.text));
            self.fault(Self::place(statement, at), fault.help(format!("write one of {}", names.join(", "))));
        }
        found
    }

    /// An IP address.
    pub(super) fn address(&mut self, statement: &Statement, at: usize) -> Option<IpAddr> {
        let word = self.word(statement, at, "an IP address")?;
        let found = word.parse().ok();
        if found.is_none() {
            let fault = Fault::new(format!("{} is no IP address", quoted(word)));
            self.fault(Self::place(statement, at), fault.help("names are not looked up; write the address itself"));
        }
        found
    }

    /// A weight, and whether `reverse` follows it.
    pub(super) fn weight(&mut self, statement: &Statement, at: usize, most: i64) -> Option<(i32, bool)> {
        let weight = self.integer(statement, at, -most..=most)?;
        let after = statement.arguments.get(at + 1);
        if let Some(other) = after.filter(|word| word.text != "reverse") {
            let fault = Fault::new(format!("{} is nothing of a weight", quoted(&other.text)));
            self.complaint(other.place, fault.help("remove it; only `reverse` may follow"));
        }
        Some((i32::try_from(weight).ok()?, after.is_some_and(|word| word.text == "reverse")))
    }

    /// A script with its user and group: the first word is the command with its arguments, as a shell would divide it.
    pub(super) fn script(&mut self, statement: &Statement) -> Option<Script> {
        let words = match quoted_words(&statement.rest) {
            Ok(words) => words,
            Err(unclosed) => {
                let fault = Fault::new(format!("{} is not closed", unclosed.by));
                self.fault(Self::place(statement, 0), fault.help("close it on the same line"));
                return None;
            }
        };
        let mut words = words.into_iter();
        let command = self.command(statement, words.next().as_deref())?;
        let mut script = Script::new(command);
        script.user = words.next();
        script.group = words.next().and_then(|word| group(&word));
        if let Some(more) = words.next() {
            let fault = Fault::new(format!("{} is left out: a user and a group follow a script", quoted(&more)));
            self.warning(statement.keyword.place, fault.help("put the script and its arguments in double quotes"));
        }
        Some(script)
    }

    /// A user, and a group if one is named. `:` asks for the user's groups, which a script has anyway.
    pub(super) fn user(&mut self, statement: &Statement) -> Option<(String, Option<String>)> {
        let user = self.word(statement, 0, "a user")?.to_owned();
        Some((user, statement.arguments.get(1).and_then(|word| group(&word.text))))
    }

    /// What is said with a keyword that does nothing must be right nevertheless.
    fn ignored(&mut self, shape: Option<&Shape>, statement: &Statement) {
        let Some(shape) = shape else { return };
        let Some(word) = statement.arguments.first() else {
            if let Some(verdict) = shape.bare() {
                let fault = Fault::new(format!("`{}` needs a word", statement.keyword.text));
                self.warning(statement.keyword.place, fault.help("remove the line"));
                self.verdict = self.verdict.max(verdict);
            }
            return;
        };
        if let Some(what) = shape.misses(&word.text) {
            let fault = Fault::new(format!("{} is {what}", quoted(&word.text)));
            self.complaint(word.place, fault.help("correct it, or remove the line"));
        }
    }

    fn command(&mut self, statement: &Statement, text: Option<&str>) -> Option<Vec<String>> {
        let Some(text) = text else {
            self.word(statement, 0, "a script");
            return None;
        };
        match shell_words(text) {
            Ok(command) if command.is_empty() => {
                let fault = Fault::new(format!("`{}` has an empty script", statement.keyword.text));
                self.fault(Self::place(statement, 0), fault.help("write the path of a program"));
                None
            }
            Ok(command) => {
                self.programs.extend(command.first().cloned());
                Some(command)
            }
            Err(unclosed) => {
                let fault = Fault::new(format!("{} is not closed in the script", unclosed.by));
                self.fault(Self::place(statement, 0), fault.help("close it"));
                None
            }
        }
    }
}

/// A value that was read takes the place of one before; a faulty one does not.
pub(super) fn keep<T>(place: &mut Option<T>, found: Option<T>) {
    if found.is_some() {
        *place = found;
    }
}

/// The group that a word after a user names.
fn group(word: &str) -> Option<String> {
    Some(word.trim_start_matches(':')).filter(|group| !group.is_empty()).map(str::to_owned)
}
