//! Words to options, in the way of the popt library (popt(3), version 1.19): letters may be bundled, long names are never
//! abbreviated, an argument may stand behind `=`, in the same word or in the next. It says what was written, and judges
//! none of it.

use crate::option::{Argument, Entry};
use std::collections::BTreeSet;

/// What popt replaces by the next word that is no option, and takes that away.
const NEXT_WORD: &str = "!#:+";

/// Why a word is no option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// There is no such option.
    Unknown,
    /// Its argument is missing.
    Missing,
    /// It has an argument that it does not take.
    Unwanted,
}

impl Wrong {
    /// In popt's words.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Wrong::Unknown => "unknown option",
            Wrong::Missing => "missing argument",
            Wrong::Unwanted => "option does not take an argument",
        }
    }
}

/// A command line on the way.
pub(crate) struct Words<'a> {
    words: &'a [String],
    /// The word to be read next.
    next: usize,
    /// Letters that are left of the word before that.
    letters: Option<&'a str>,
    /// `--` was there: nothing after it is an option.
    no_more: bool,
    /// Words that were put in somewhere else.
    taken: BTreeSet<usize>,
    /// Words that are no options, in their order.
    pub(crate) leftovers: Vec<String>,
}

impl<'a> Words<'a> {
    /// Of words without the program's name.
    pub(crate) fn new(words: &'a [String]) -> Self {
        Words { words, next: 0, letters: None, no_more: false, taken: BTreeSet::new(), leftovers: Vec::new() }
    }

    /// The word that was read last, which is what popt blames.
    pub(crate) fn current(&self) -> &'a str {
        self.next.checked_sub(1).and_then(|at| self.words.get(at)).map_or("", String::as_str)
    }

    /// The next option and its argument; none at the end.
    pub(crate) fn option(&mut self) -> Result<Option<(&'static Entry, Option<String>)>, Wrong> {
        loop {
            if let Some(letters) = self.letters.take() {
                return self.letter(letters).map(Some);
            }
            let Some(word) = self.words.get(self.next).map(String::as_str) else { return Ok(None) };
            self.next += 1;
            if self.taken.contains(&(self.next - 1)) {
                continue;
            }
            let Some(name) = word.strip_prefix('-').filter(|name| !self.no_more && !name.is_empty()) else {
                self.leftovers.push(word.to_owned());
                continue;
            };
            match name.strip_prefix('-') {
                Some("") => self.no_more = true,
                Some(long) => return self.long(long).map(Some),
                None => self.letters = Some(name),
            }
        }
    }

    fn long(&mut self, text: &'a str) -> Result<(&'static Entry, Option<String>), Wrong> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let entry = Entry::long(name).ok_or(Wrong::Unknown)?;
        match (entry.argument, value) {
            (Argument::None, Some(_)) => Err(Wrong::Unwanted),
            (Argument::None, None) => Ok((entry, None)),
            (Argument::Needed(_) | Argument::Optional(_), Some(value)) => Ok((entry, Some(self.expand(value)))),
            (Argument::Needed(_) | Argument::Optional(_), None) => self.argument(entry),
        }
    }

    fn letter(&mut self, letters: &'a str) -> Result<(&'static Entry, Option<String>), Wrong> {
        let mut rest = letters.chars();
        let entry = rest.next().and_then(Entry::short).ok_or(Wrong::Unknown)?;
        let rest = rest.as_str();
        match entry.argument {
            Argument::None if rest.starts_with('=') => Err(Wrong::Unwanted),
            Argument::None => {
                self.letters = (!rest.is_empty()).then_some(rest);
                Ok((entry, None))
            }
            Argument::Needed(_) | Argument::Optional(_) if !rest.is_empty() => {
                Ok((entry, Some(self.expand(rest.strip_prefix('=').unwrap_or(rest)))))
            }
            Argument::Needed(_) | Argument::Optional(_) => self.argument(entry),
        }
    }

    /// An argument in the next word.
    fn argument(&mut self, entry: &'static Entry) -> Result<(&'static Entry, Option<String>), Wrong> {
        let optional = matches!(entry.argument, Argument::Optional(_));
        match self.words.get(self.next) {
            None if !optional => Err(Wrong::Missing),
            None => Ok((entry, None)),
            Some(word) if optional && word.starts_with('-') => Ok((entry, None)),
            Some(word) => {
                self.next += 1;
                Ok((entry, Some(self.expand(word))))
            }
        }
    }

    /// An argument with [`NEXT_WORD`] replaced, if there is a word for it.
    fn expand(&mut self, text: &str) -> String {
        if !text.contains(NEXT_WORD) {
            return text.to_owned();
        }
        let here = self.next..self.words.len();
        let word = here.into_iter().find(|at| !self.taken.contains(at) && !self.words[*at].starts_with('-'));
        match word {
            Some(at) => {
                self.taken.insert(at);
                text.replace(NEXT_WORD, &self.words[at])
            }
            None => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (Vec<String>, Result<(), Wrong>, Vec<String>) {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let mut words = Words::new(&words);
        let mut seen = Vec::new();
        let end = loop {
            match words.option() {
                Ok(Some((entry, value))) => {
                    seen.push(value.map_or(entry.long.to_owned(), |value| format!("{}={value}", entry.long)));
                }
                Ok(None) => break Ok(()),
                Err(wrong) => break Err(wrong),
            }
        };
        (seen, end, words.leftovers)
    }

    fn options(line: &str) -> Vec<String> {
        let (seen, end, _) = read(line);
        assert_eq!(end, Ok(()), "{line}");
        seen
    }

    #[test]
    fn letters_are_bundled_and_arguments_stand_where_they_like() {
        assert_eq!(options("-Ln"), ["list", "numeric"]);
        for line in ["-At a:1", "-A -ta:1", "-A -t=a:1", "-A --tcp-service a:1", "-A --tcp-service=a:1"] {
            assert_eq!(options(line), ["add-service", "tcp-service=a:1"], "{line}");
        }
        assert_eq!(options("-A -t -n"), ["add-service", "tcp-service=-n"]);
        assert_eq!(options("--weight= -t="), ["weight=", "tcp-service="]);
    }

    #[test]
    fn an_optional_argument_is_no_option() {
        assert_eq!(options("-p -n"), ["persistent", "numeric"]);
        assert_eq!(options("-p 5 -n -p"), ["persistent=5", "numeric", "persistent"]);
        assert_eq!(options("-p7 -p=8 --persistent=9"), ["persistent=7", "persistent=8", "persistent=9"]);
    }

    #[test]
    fn names_are_not_abbreviated_and_need_two_dashes() {
        assert_eq!(read("--num").1, Err(Wrong::Unknown));
        assert_eq!(options("-list"), ["list", "ipip", "scheduler=t"]);
        assert_eq!(read("-L=1").1, Err(Wrong::Unwanted));
        assert_eq!(read("--list=1").1, Err(Wrong::Unwanted));
        assert_eq!(read("-At").1, Err(Wrong::Missing));
    }

    #[test]
    fn what_is_left_over_keeps_its_order() {
        let (seen, end, left) = read("a -L b -- -n c");
        assert_eq!((seen, end), (vec!["list".to_owned()], Ok(())));
        assert_eq!(left, ["a", "b", "-n", "c"]);
        assert_eq!(read("-").2, ["-"]);
    }

    #[test]
    fn a_word_is_put_in() {
        let (seen, end, left) = read("-t !#:+:80 -n a b");
        assert_eq!((seen, end), (vec!["tcp-service=a:80".to_owned(), "numeric".to_owned()], Ok(())));
        assert_eq!(left, ["b"]);
    }
}
