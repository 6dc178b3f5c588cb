//! A line that remembers where each of its characters was written.
//!
//! Definitions are filled in before words are looked at, so a word's place in the line is not its place in a file.

use crate::Location;
use std::ops::Range;

/// A place in one of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Which of [`super::Document::sources`].
    pub file: usize,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
    /// How many characters are meant, at least 1.
    pub length: u32,
}

impl Place {
    /// As diagnostics have it.
    pub fn location(&self) -> Location {
        let Place { file, line, column, length } = *self;
        Location { file, line: line as usize, column: column as usize, length: length as usize }
    }
}

/// Where a character stands. Those of a definition's value stand where the definition is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Origin {
    line: u32,
    column: u32,
    file: u32,
    /// How many characters stand here: of a use of a definition, all of its name.
    width: u32,
}

/// A line of a configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    characters: String,
    /// One for each byte.
    origins: Vec<Origin>,
    /// The beginning of the line, for when nothing is left of it.
    start: Option<Origin>,
}

impl Text {
    /// A line as it stands in a file; `line` counts from 1.
    pub(super) fn of_file(file: usize, line: u32, characters: &str) -> Self {
        let mut origins = Vec::with_capacity(characters.len());
        for (at, character) in characters.chars().enumerate() {
            let origin = Origin { line, column: column(at), file: column(file) - 1, width: 1 };
            origins.extend(std::iter::repeat_n(origin, character.len_utf8()));
        }
        let start = Some(Origin { line, column: 1, file: column(file) - 1, width: 1 });
        Text { characters: characters.to_owned(), origins, start }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.characters
    }

    pub(super) fn len(&self) -> usize {
        self.characters.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.characters.is_empty()
    }

    /// A part of it; the whole, if it is not one.
    pub(super) fn part(&self, range: Range<usize>) -> Text {
        let (Some(characters), Some(origins)) = (self.characters.get(range.clone()), self.origins.get(range)) else {
            return self.clone();
        };
        Text { characters: characters.to_owned(), origins: origins.to_vec(), start: self.start }
    }

    /// Keeps only this part.
    pub(super) fn keep(&mut self, range: Range<usize>) {
        *self = self.part(range);
    }

    pub(super) fn trim(&mut self) {
        let trimmed = self.characters.trim_matches(BLANK);
        let begin = self.characters.len() - self.characters.trim_start_matches(BLANK).len();
        self.keep(begin..begin + trimmed.len());
    }

    /// Puts characters in the place of others; they stand where those stood.
    pub(super) fn fill_in(&mut self, range: Range<usize>, value: &str) {
        let place = self.place(range.clone());
        let origin =
            Origin { line: place.line, column: place.column, file: column(place.file) - 1, width: place.length };
        if self.characters.get(range.clone()).is_some() {
            self.characters.replace_range(range.clone(), value);
            self.origins.splice(range, std::iter::repeat_n(origin, value.len()));
        }
    }

    /// Puts a line in the place of some characters, with its own places.
    pub(super) fn put_in(&mut self, range: Range<usize>, line: &Text) {
        if self.characters.get(range.clone()).is_some() {
            self.characters.replace_range(range.clone(), &line.characters);
            self.origins.splice(range, line.origins.iter().copied());
        }
    }

    /// Removes characters.
    pub(super) fn remove(&mut self, range: Range<usize>) {
        self.fill_in(range, "");
    }

    /// Where these characters stand.
    pub(super) fn place(&self, range: Range<usize>) -> Place {
        let last = self.origins.last().map(|last| Origin { column: last.column + last.width, width: 1, ..*last });
        let Some(first) = self.origins.get(range.start).copied().or(last).or(self.start) else {
            return Place { file: 0, line: 1, column: 1, length: 1 };
        };
        let end = self.origins.get(range).and_then(<[Origin]>::last).unwrap_or(&first);
        let length = if (end.file, end.line) == (first.file, first.line) {
            (end.column + end.width).saturating_sub(first.column).max(1)
        } else {
            first.width
        };
        Place { file: first.file as usize, line: first.line, column: first.column, length }
    }

    /// Where the line stands.
    pub(super) fn whole(&self) -> Place {
        self.place(0..self.len())
    }
}

/// What separates words.
pub(super) const BLANK: [char; 2] = [' ', '\t'];

/// A count from 0 as one from 1, where files are never so long that it would not fit.
fn column(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX - 1) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(place: Place) -> (u32, u32, u32) {
        (place.line, place.column, place.length)
    }

    #[test]
    fn what_is_filled_in_stands_where_its_name_did() {
        let mut text = Text::of_file(0, 3, "ä ${A}b c");
        text.fill_in(3..7, "10.0");
        assert_eq!(text.as_str(), "ä 10.0b c");
        assert_eq!(at(text.place(3..8)), (3, 3, 5), "the use and what follows it");
        assert_eq!(at(text.place(4..5)), (3, 3, 4));
        assert_eq!(at(text.place(9..10)), (3, 9, 1));
        text.remove(0..9);
        assert_eq!((text.as_str(), at(text.whole())), ("c", (3, 9, 1)));
        text.remove(0..1);
        assert_eq!(at(text.whole()), (3, 1, 1));
    }

    #[test]
    fn blanks_go_from_both_ends() {
        let mut text = Text::of_file(1, 1, " \t a b\t ");
        text.trim();
        assert_eq!((text.as_str(), at(text.whole())), ("a b", (1, 4, 3)));
        let mut nothing = Text::of_file(1, 7, "  ");
        nothing.trim();
        assert_eq!((nothing.is_empty(), at(nothing.whole())), (true, (7, 1, 1)));
    }
}
