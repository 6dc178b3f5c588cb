//! From a line to words, in keepalived's two ways.
//!
//! Most keywords' words are separated by blanks and put together by `"`, without escapes (alloc_strvec). Scripts and the like
//! are read as a shell would: both quotes, escapes, and parts of a word side by side (alloc_strvec_quoted_escaped).

use super::text::{BLANK, Place, Text};

/// A word of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// What it says, without its quotes.
    pub text: String,
    /// Where it stands.
    pub place: Place,
    /// Whether it stood in quotes.
    pub quoted: bool,
}

/// The words of a line. A quotation that is not closed ends the line: what is before it counts.
pub(super) fn words(line: &Text) -> Vec<Word> {
    let text = line.as_str();
    let mut words = Vec::new();
    let mut at = 0;
    loop {
        at += text[at..].len() - text[at..].trim_start_matches(BLANK).len();
        let rest = &text[at..];
        if rest.is_empty() {
            return words;
        }
        let (begin, end, next, quoted) = match rest.strip_prefix('"') {
            Some(inside) => match inside.find('"') {
                Some(length) => (at + 1, at + 1 + length, at + length + 2, true),
                None => return words,
            },
            None => {
                let length = rest.find([' ', '\t', '"']).unwrap_or(rest.len());
                (at, at + length, at + length, false)
            }
        };
        let place = line.place(if quoted { begin - 1..end + 1 } else { begin..end });
        words.push(Word { text: text[begin..end].to_owned(), place, quoted });
        at = next;
    }
}

/// A quotation or an escape that does not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unclosed {
    /// `"`, `'` or `\`.
    pub by: char,
}

/// The words of a text as a shell would have them, with the escapes of keepalived: `\a \b \E \f \n \r \t \v`, up to three octal
/// digits, `\x` and up to two hexadecimal ones, `\cC` for a control character; any other character stands for itself.
///
/// # Errors
///
/// A quotation that is not closed, or a `\` at the end.
pub fn shell_words(text: &str) -> Result<Vec<String>, Unclosed> {
    divided(text, true)
}

/// The same with escapes left as they are: the first of two looks at what is quoted twice.
pub(super) fn quoted_words(text: &str) -> Result<Vec<String>, Unclosed> {
    divided(text, false)
}

fn divided(text: &str, escapes: bool) -> Result<Vec<String>, Unclosed> {
    let mut words = Vec::new();
    let mut characters = text.chars().peekable();
    loop {
        while characters.next_if(char::is_ascii_whitespace).is_some() {}
        if characters.peek().is_none() {
            return Ok(words);
        }
        // Numbers may make bytes that are characters only together.
        let mut word: Vec<u8> = Vec::new();
        let mut quote = None;
        loop {
            match (characters.next(), quote) {
                (None, Some(by)) => return Err(Unclosed { by }),
                (None, None) => break,
                (Some('\\'), _) if escapes => escape(&mut characters, &mut word)?,
                (Some('\\'), _) => {
                    let next = characters.next().ok_or(Unclosed { by: '\\' })?;
                    word.push(b'\\');
                    word.extend(next.encode_utf8(&mut [0; 4]).bytes());
                }
                (Some(next), Some(by)) if next == by => quote = None,
                (Some(next @ ('"' | '\'')), None) => quote = Some(next),
                (Some(next), None) if next.is_ascii_whitespace() => break,
                (Some(next), _) => word.extend(next.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        words.push(String::from_utf8_lossy(&word).into_owned());
    }
}

fn escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>, word: &mut Vec<u8>) -> Result<(), Unclosed> {
    let Some(next) = characters.next() else { return Err(Unclosed { by: '\\' }) };
    let byte = match next {
        'x' if characters.peek().is_some_and(char::is_ascii_hexdigit) => number(characters, 16, 2, 0),
        'c' => match characters.next() {
            Some(control) => control as u8 & 0x1f,
            None => b'c',
        },
        '0'..='7' => number(characters, 8, 2, next.to_digit(8).unwrap_or_default()),
        'a' => 0x07,
        'b' => 0x08,
        'E' => 0x1b,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        other => {
            word.extend(other.encode_utf8(&mut [0; 4]).bytes());
            return Ok(());
        }
    };
    word.push(byte);
    Ok(())
}

/// Up to `most` digits after those that make `value`; what is too large is cut as by a C char.
fn number(characters: &mut std::iter::Peekable<std::str::Chars<'_>>, radix: u32, most: usize, value: u32) -> u8 {
    let mut value = value;
    for _ in 0..most {
        let Some(digit) = characters.peek().and_then(|next| next.to_digit(radix)) else { break };
        value = value * radix + digit;
        characters.next();
    }
    value as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Vec<(String, u32, u32)> {
        let found = words(&Text::of_file(0, 1, text));
        found.into_iter().map(|word| (word.text, word.place.column, word.place.length)).collect()
    }

    #[test]
    fn blanks_separate_and_double_quotes_put_together() {
        let word = |text: &str, column, length| (text.to_owned(), column, length);
        assert_eq!(plain("a  \tb"), [word("a", 1, 1), word("b", 5, 1)]);
        assert_eq!(plain("a \"b  c\" d"), [word("a", 1, 1), word("b  c", 3, 6), word("d", 10, 1)]);
        assert_eq!(
            plain("a\"b\"c"),
            [word("a", 1, 1), word("b", 2, 3), word("c", 5, 1)],
            "side by side are words apart"
        );
        assert_eq!(
            plain("a '\\\"' x"),
            [word("a", 1, 1), word("'\\", 3, 2)],
            "no escapes, and no end of the quotation"
        );
        assert_eq!(plain("a \"\""), [word("a", 1, 1), word("", 3, 2)]);
    }

    #[test]
    fn scripts_are_read_as_by_a_shell() {
        let of = |text: &str| shell_words(text);
        let words = |words: &[&str]| Ok(words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        assert_eq!(of(r#"abcd" efg h jkl "mnop"#), words(&["abcd efg h jkl mnop"]));
        assert_eq!(of(r#"abcd "efg h jkl" mnop"#), words(&["abcd", "efg h jkl", "mnop"]));
        assert_eq!(
            of(r#"/n.sh ' spaces\\x20f\x69le ' '\"s p a c e \"' SG1.low master"#),
            words(&["/n.sh", r" spaces\x20file ", r#""s p a c e ""#, "SG1.low", "master"])
        );
        assert_eq!(of(r"\101\7 \x4\x41g \cA\E\q"), words(&["A\u{7}", "\u{4}Ag", "\u{1}\u{1b}q"]));
        assert_eq!(of(r"\xc3\xa4"), words(&["ä"]));
        assert_eq!(of("''"), words(&[""]));
        assert_eq!(of("a 'b"), Err(Unclosed { by: '\'' }));
        assert_eq!(of("a \\"), Err(Unclosed { by: '\\' }));
        assert_eq!(of(""), words(&[]));
    }
}
