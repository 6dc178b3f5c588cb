//! Byte offsets to lines and columns, as an editor counts them: lines end with LF or CRLF, columns are characters,
//! and a byte order mark has no column.

use std::ops::Range;

/// The byte order mark that some editors put first.
pub(crate) const BOM: char = '\u{feff}';

/// So many bytes lie between two known character counts, so that a column costs the same in a line of any length.
const BLOCK: usize = 256;

/// A place in what was read: a file, one line, a column, and how far the mark reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Which of the files that were read, from 0: the one that was asked for, and then those it includes.
    pub file: usize,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters. One past the line's last character means the line's end.
    pub column: usize,
    /// How many characters are meant, at least 1, all on this line.
    pub length: usize,
}

impl Location {
    /// The first character of the first file: where something is said about all of it.
    pub const START: Location = Location { file: 0, line: 1, column: 1, length: 1 };
}

/// Where the lines of a text begin.
pub(crate) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
    /// The number of characters before each block.
    counts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let mut counts = vec![0];
        let mut count = 0;
        for block in text.as_bytes().chunks(BLOCK) {
            count += characters(block);
            counts.push(count);
        }
        Lines { text, starts, counts }
    }

    /// The line, from 0, on which this byte lies. The end of a text that ends with a line break belongs to the last
    /// line that has content.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        let offset = if offset >= self.text.len() && self.text.ends_with('\n') { self.text.len() - 1 } else { offset };
        self.starts.partition_point(|&start| start <= offset).saturating_sub(1)
    }

    /// The bytes of a line, without its line break.
    pub(crate) fn range_of(&self, line: usize) -> Range<usize> {
        let start = self.starts.get(line).copied().unwrap_or(self.text.len());
        let end = self.starts.get(line + 1).map_or(self.text.len(), |next| next - 1);
        let carriage_return = end > start && self.text.as_bytes().get(end - 1) == Some(&b'\r');
        start..if carriage_return { end - 1 } else { end }
    }

    /// The location of a span. What reaches over the end of its first line is cut there.
    pub(crate) fn location(&self, span: &Range<usize>) -> Location {
        let line = self.line_of(span.start);
        let mut range = self.range_of(line);
        if range.start == 0 && self.text.starts_with(BOM) {
            range.start = BOM.len_utf8();
        }
        let start = span.start.clamp(range.start, range.end.max(range.start));
        let end = span.end.clamp(start, range.end.max(start));
        let column = self.characters_before(start) - self.characters_before(range.start) + 1;
        let length = (self.characters_before(end) - self.characters_before(start)).max(1);
        Location { file: 0, line: line + 1, column, length }
    }

    fn characters_before(&self, offset: usize) -> usize {
        let offset = offset.min(self.text.len());
        let block = offset / BLOCK;
        let counted = self.counts.get(block).copied().unwrap_or_default();
        counted + self.text.as_bytes().get(block * BLOCK..offset).map_or(0, characters)
    }
}

/// How many characters begin in these bytes of UTF-8: all but the continuation bytes.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte & 0xc0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, span: Range<usize>) -> (usize, usize, usize) {
        let location = Lines::new(text).location(&span);
        (location.line, location.column, location.length)
    }

    #[test]
    fn columns_are_characters() {
        assert_eq!(at("", 0..0), (1, 1, 1));
        assert_eq!(at("äöü = 1", 3 * 2 + 3..3 * 2 + 4), (1, 7, 1));
        assert_eq!(at("a\nb = 12\n", 6..8), (2, 5, 2));
    }

    #[test]
    fn line_breaks_have_no_column() {
        assert_eq!(at("ab\r\ncd\r\n", 1..5), (1, 2, 1), "cut at the line's end");
        assert_eq!(at("ab\r\ncd\r\n", 4..6), (2, 1, 2));
        assert_eq!(at("ab\r\ncd\r\n", 8..8), (2, 3, 1), "the end of the text is the end of its last line");
        assert_eq!(at("ab\r", 3..3), (1, 3, 1));
        assert_eq!(at("\n", 1..1), (1, 1, 1));
        assert_eq!(at("ab\n\n", 99..100), (2, 1, 1));
    }

    #[test]
    fn a_byte_order_mark_has_no_column() {
        assert_eq!(at("\u{feff}ab", 3..5), (1, 1, 2));
        assert_eq!(at("\u{feff}ab", 0..0), (1, 1, 1));
        assert_eq!(at("\u{feff}", 3..3), (1, 1, 1));
        assert_eq!(at("\u{feff}\nab", 5..6), (2, 2, 1));
    }

    #[test]
    fn long_lines_are_counted_across_blocks() {
        let text = "é".repeat(10_000) + "x";
        for character in [0, 127, 128, 129, 9_999] {
            assert_eq!(at(&text, character * 2..character * 2 + 2), (1, character + 1, 1));
        }
        assert_eq!(at(&text, 20_000..20_001), (1, 10_001, 1));
    }
}
