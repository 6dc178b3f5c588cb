//! From files to lines: includes, conditions, definitions, sequences and lists.
//!
//! What lines come from is a stack: files, the lines of a definition, a text that is repeated. The uppermost gives the next
//! line.

use super::{
    Host, Source,
    comment::{self, Unterminated},
    definition::{Begun, Definitions, Following},
    include::{self, Check, Files},
    limits::Limits,
    predefined::Surroundings,
    repeat::Repeat,
    text::{BLANK, Place, Text},
};
use crate::{
    Severity,
    report::{Fault, quoted},
};
use std::rc::Rc;

/// So often a line is looked at again, because what was filled in begins a condition, a definition or a sequence.
const ROUNDS: usize = 64;

/// What lines come from.
enum From {
    File { source: usize, at: usize, line: u32, folder: String, check: Check },
    Definition { lines: Rc<[Text]>, next: usize, used: Place },
    Repeat { repeat: Repeat, used: Option<Place> },
}

/// A definition of several lines that is being read.
struct Open {
    /// None: it is of another host.
    name: Option<String>,
    lines: Vec<Text>,
}

/// What became of the names in a line.
enum Filled {
    In(Following),
    /// It has none.
    Nothing,
    /// It cannot be used, which is told.
    Wrong,
}

/// A line with all definitions filled in.
pub(super) struct Line {
    pub(super) text: Text,
    /// Where the definition is used whose line it is.
    pub(super) used: Option<Place>,
}

pub(super) struct Reader<'r> {
    files: &'r dyn Files,
    host: &'r Host,
    limits: &'r Limits,
    sources: Vec<Source>,
    stack: Vec<From>,
    definitions: Definitions,
    open: Option<Open>,
    check: Check,
    random: u64,
    problems: Vec<(Severity, Place, Fault)>,
    untold: usize,
    unread: bool,
    cut: bool,
    incomplete: bool,
    defined: usize,
    bytes: usize,
    lines: usize,
    expanded: usize,
}

impl<'r> Reader<'r> {
    pub(super) fn open(files: &'r dyn Files, name: &str, host: &'r Host, limits: &'r Limits) -> Self {
        let mut reader = Reader {
            files,
            host,
            limits,
            sources: Vec::new(),
            stack: Vec::new(),
            definitions: Definitions::default(),
            open: None,
            check: Check::NONE,
            random: host.seed,
            problems: Vec::new(),
            untold: 0,
            unread: false,
            cut: false,
            incomplete: false,
            defined: 0,
            bytes: 0,
            lines: 0,
            expanded: 0,
        };
        match reader.open_file(name) {
            Ok(file) => reader.stack.push(file),
            Err(why) => {
                reader.sources.push(Source { name: name.to_owned(), text: String::new() });
                reader.unread = true;
                let place = Place { file: 0, line: 1, column: 1, length: 1 };
                reader.error(place, Fault::new(format!("it cannot be read: {why}")));
            }
        }
        reader
    }

    /// What was read and what is to be said about it, in the order of the files and their lines.
    pub(super) fn close(mut self) -> (Vec<Source>, Vec<(Severity, Place, Fault)>) {
        self.problems.sort_by_key(|(_, place, _)| *place);
        if self.untold > 0 {
            let place = Place { file: 0, line: 1, column: 1, length: 1 };
            let fault = Fault::new(format!("there are {} more problems; these are the first", self.untold));
            self.problems.push((Severity::Error, place, fault));
        }
        (self.sources, self.problems)
    }

    /// Whether the first file could not be read.
    pub(super) fn is_unread(&self) -> bool {
        self.unread
    }

    /// Whether there is more than the limits allow.
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Whether a file is not there that must be.
    pub(super) fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// Reads no further: there is too much.
    pub(super) fn end(&mut self, place: Place, fault: Fault) {
        self.error(place, fault);
        self.stack.clear();
        self.cut = true;
    }

    pub(super) fn error(&mut self, place: Place, fault: Fault) {
        self.tell(Severity::Error, place, fault);
    }

    fn tell(&mut self, severity: Severity, place: Place, fault: Fault) {
        if self.problems.len() < self.limits.problems {
            self.problems.push((severity, place, fault));
        } else {
            self.untold += 1;
        }
    }

    /// The next line that is not empty.
    pub(super) fn next(&mut self) -> Option<Line> {
        loop {
            let (line, used) = self.raw()?;
            self.lines += 1;
            self.expanded += line.len();
            if self.lines > self.limits.lines || self.expanded > self.limits.expanded {
                let fault = Fault::new("there is more than is read, with all sequences and definitions filled in");
                self.end(line.whole(), fault.help(format!("stay below {} lines", self.limits.lines)));
                return None;
            }
            if let Some(text) = self.meant(line, used) {
                return Some(Line { text, used });
            }
        }
    }

    /// The next line as it is written, without comments.
    fn raw(&mut self) -> Option<(Text, Option<Place>)> {
        loop {
            match self.stack.last_mut() {
                None => {
                    self.end_definition();
                    return None;
                }
                Some(From::File { source, at, line, .. }) => {
                    let rest = self.sources.get(*source).and_then(|source| source.text.get(*at..)).unwrap_or_default();
                    if rest.is_empty() {
                        self.pop_file();
                        continue;
                    }
                    let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
                    *at += length;
                    *line += 1;
                    let written = rest[..length].trim_end_matches(['\n', '\r']);
                    let too_long = written.len() > self.limits.line;
                    let shown = if too_long { "" } else { written };
                    let text = Text::of_file(*source, *line, shown);
                    if too_long {
                        let fault = Fault::new(format!("the line is longer than {} bytes", self.limits.line));
                        self.error(text.whole(), fault.help("split it; it is left out"));
                        continue;
                    }
                    if let Some(text) = self.written(text) {
                        return Some((text, None));
                    }
                }
                Some(From::Definition { lines, next, used }) => {
                    if let Some(line) = lines.get(*next) {
                        *next += 1;
                        return Some((line.clone(), Some(*used)));
                    }
                    self.stack.pop();
                }
                Some(From::Repeat { repeat, used }) => {
                    let used = *used;
                    if let Some(values) = repeat.next() {
                        let text = repeat.text.clone();
                        for (name, value) in values {
                            self.definitions.set(&name, &value);
                        }
                        return Some((text, used));
                    }
                    self.stack.pop();
                }
            }
        }
    }

    /// A line of a file: none if it is empty, or belongs to a definition.
    fn written(&mut self, mut text: Text) -> Option<Text> {
        if text.is_empty() {
            self.end_definition();
            return None;
        }
        if text.as_str().contains('\0') {
            self.error(text.whole(), Fault::new("the line has a NUL in it").help("remove it; the line is left out"));
            return None;
        }
        self.strip(&mut text);
        if text.is_empty() {
            return None;
        }
        if let Some(open) = &mut self.open {
            let more = text.as_str().strip_suffix('\\').map(|before| before.trim_end_matches(BLANK).len());
            if let Some(end) = more {
                text.keep(0..end);
            }
            if !text.is_empty() && open.name.is_some() {
                self.defined += text.len();
                if self.defined > self.limits.defined {
                    let fault = Fault::new(format!("definitions have more than {} bytes", self.limits.defined));
                    self.end(text.whole(), fault.help("remove some"));
                    return None;
                }
                open.lines.push(text);
            }
            if more.is_none() {
                self.end_definition();
            }
            return None;
        }
        Some(text)
    }

    fn strip(&mut self, text: &mut Text) {
        if let Err(Unterminated(at)) = comment::strip(text) {
            let fault = Fault::new("this quotation does not end on its line").help("close it with `\"`");
            let place = text.place(at..text.len());
            self.error(place, fault);
        }
    }

    /// What a line means: none if it was for the reader alone.
    fn meant(&mut self, mut line: Text, used: Option<Place>) -> Option<Text> {
        for _ in 0..ROUNDS {
            line.trim();
            if line.as_str().starts_with('@') && !self.condition(&mut line) {
                return None;
            }
            if line.is_empty() || self.define(&line) {
                return None;
            }
            if Repeat::begins(line.as_str()) {
                self.repeat(line, used);
                return None;
            }
            if !line.as_str().contains('$') {
                break;
            }
            let following = match self.fill_in(&mut line) {
                Filled::In(following) => following,
                Filled::Nothing => break,
                Filled::Wrong => return None,
            };
            let place = used.unwrap_or_else(|| line.whole());
            for lines in following {
                self.push(From::Definition { lines, next: 1, used: place }, place);
            }
            self.strip(&mut line);
        }
        if line.is_empty() || self.include(&line) {
            return None;
        }
        if line.as_str().ends_with('\\') {
            let end = line.len();
            let fault = Fault::new("a line is not continued by `\\`: only the lines of a definition `$NAME=` are");
            self.error(line.place(end - 1..end), fault.help("write it on one line"));
            line.keep(0..end - 1);
            line.trim();
        }
        self.look(&line);
        (!line.is_empty()).then_some(line)
    }

    fn fill_in(&mut self, line: &mut Text) -> Filled {
        let mut surroundings =
            Surroundings { host: self.host, folder: folder(&self.stack).to_owned(), random: &mut self.random };
        match self.definitions.fill_in(line, &mut surroundings, self.limits) {
            Ok(Some(following)) => Filled::In(following),
            Ok(None) => Filled::Nothing,
            Err(fault) if self.definitions.is_full(self.limits) => {
                self.end(line.whole(), fault);
                Filled::Wrong
            }
            Err(fault) => {
                self.error(line.whole(), fault);
                Filled::Wrong
            }
        }
    }

    /// Whether this host is meant. If so, the condition is taken away.
    fn condition(&mut self, line: &mut Text) -> bool {
        let text = line.as_str();
        let (not, at) = if text[1..].starts_with('^') { (true, 2) } else { (false, 1) };
        let Some(end) = text[at..].find(BLANK).map(|length| at + length) else { return false };
        let meant = (text[at..end] == self.host.config_id) != not;
        line.keep(end..line.len());
        line.trim();
        if !meant && line.as_str().starts_with('$') && line.as_str().ends_with('\\') {
            // The lines of a definition for another host belong to nobody.
            self.open = Some(Open { name: None, lines: Vec::new() });
        }
        meant
    }

    /// Whether the line defines something.
    fn define(&mut self, line: &Text) -> bool {
        match self.definitions.read(line, self.limits) {
            None => return false,
            Some(Ok(Begun::Complete)) => {}
            Some(Ok(Begun::Open { name, first })) => {
                let lines = if first.is_empty() { Vec::new() } else { vec![first] };
                self.open = Some(Open { name: Some(name), lines });
            }
            Some(Err(fault)) => self.error(line.whole(), fault),
        }
        true
    }

    fn end_definition(&mut self) {
        if let Some(Open { name: Some(name), lines }) = self.open.take() {
            self.definitions.set_lines(name, lines);
        }
    }

    fn repeat(&mut self, mut line: Text, used: Option<Place>) {
        // Names in the specification count now, those in the text later.
        let end = line.as_str().find(')').map_or(line.len(), |end| end + 1);
        let mut specification = line.part(0..end);
        if let Filled::Wrong = self.fill_in(&mut specification) {
            return;
        }
        line.put_in(0..end, &specification);
        match Repeat::read(&line) {
            Ok(repeat) => self.push(From::Repeat { repeat, used }, line.whole()),
            Err(fault) => self.error(line.place(0..end), fault),
        }
    }

    fn push(&mut self, from: From, place: Place) {
        if self.stack.len() > self.limits.depth {
            let fault = Fault::new("too many files, definitions or sequences are within each other");
            self.error(place, fault.help("one of them refers to itself; remove that"));
            return;
        }
        self.stack.push(from);
    }

    /// `include_check` counts from where it stands, wherever that is.
    fn look(&mut self, line: &Text) {
        let mut words = line.as_str().split(BLANK).filter(|word| !word.is_empty());
        if words.next() != Some("include_check") {
            return;
        }
        let words: Vec<&str> = words.collect();
        let (check, unknown) = self.check.set(&words);
        self.check = check;
        for at in unknown {
            let word = words.get(at).copied().unwrap_or_default();
            let fault = Fault::new(format!("include_check does not know {}", quoted(word)));
            self.error(line.whole(), fault.help("it knows read, match, wildcard_match and brace_match"));
        }
    }

    /// Whether the line includes files; if so, they are read next.
    fn include(&mut self, line: &Text) -> bool {
        let Some((check, at)) = include::include(line.as_str()) else { return false };
        let check = check.and(self.check);
        let place = line.place(at..line.len());
        let pattern = line.as_str()[at..].trim_matches('"');
        let found = self.files.find(folder(&self.stack), pattern);
        let wild = pattern.contains(['*', '?', '[']);
        let braces = pattern.contains('{');
        if !found.missing.is_empty() {
            let severe = if braces { check.braces } else { check.named };
            let names: Vec<String> = found.missing.iter().take(4).map(|name| quoted(name)).collect();
            let fault = Fault::new(format!("there is no {}", names.join(" and no ")));
            let severity = if severe { Severity::Error } else { Severity::Warning };
            self.incomplete |= severe;
            self.tell(severity, place, fault.help("create it, or remove the include"));
            if braces && severe {
                return true;
            }
        } else if found.paths.is_empty() && wild && check.wildcard {
            let fault = Fault::new(format!("no file matches {}", quoted(pattern)));
            self.incomplete = true;
            self.error(place, fault.help("create one, or write `include`, which takes that"));
        }
        let mut opened = Vec::new();
        for path in found.paths.iter().take(self.limits.files) {
            match self.open_file(path) {
                Ok(file) => opened.push(file),
                Err(why) => {
                    let severity = if check.read || self.cut { Severity::Error } else { Severity::Warning };
                    self.incomplete |= check.read;
                    self.tell(severity, place, Fault::new(format!("{} cannot be read: {why}", quoted(path))));
                }
            }
        }
        // The last is on top of the stack, the first is to be read first.
        self.stack.extend(opened.into_iter().rev());
        true
    }

    fn open_file(&mut self, path: &str) -> Result<From, String> {
        if self.sources.len() >= self.limits.files {
            self.cut = true;
            return Err(format!("more than {} files are too many", self.limits.files));
        }
        let within = self.stack.iter().filter(|from| matches!(from, From::File { at, .. } if *at > 0)).count();
        if within >= self.limits.depth {
            self.cut = true;
            return Err(format!("{} files include each other", self.limits.depth));
        }
        let most = self.limits.bytes - self.bytes;
        let bytes = self.files.read(path, most)?;
        if bytes.len() > most {
            self.cut = true;
            return Err(format!("all files together are larger than {} MiB", self.limits.bytes >> 20));
        }
        self.bytes += bytes.len();
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        let folder = include::folder(path).to_owned();
        let source = self.sources.len();
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        self.sources.push(Source { name: path.to_owned(), text });
        Ok(From::File { source, at, line: 0, folder, check: self.check })
    }

    /// A file is over: what it said about includes is over too.
    fn pop_file(&mut self) {
        self.end_definition();
        if let Some(From::File { check, .. }) = self.stack.pop() {
            self.check = check;
        }
    }
}

/// The folder of the file that is being read.
fn folder(stack: &[From]) -> &str {
    let folder = |from: &'_ From| match from {
        From::File { .. } => true,
        From::Definition { .. } | From::Repeat { .. } => false,
    };
    match stack.iter().rfind(|from| folder(from)) {
        Some(From::File { folder, .. }) => folder,
        _ => "",
    }
}
