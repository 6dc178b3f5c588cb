//! Comments, and the escapes that keep `#` and `!` from beginning one.

use super::text::Text;

/// A quotation that does not end on its line; where it begins.
pub(super) struct Unterminated(pub(super) usize);

/// Where the comment of a line begins, if it has one: with `#` or `!` outside `"`.
pub(crate) fn begins(line: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, character) in line.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '#' | '!' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// Takes away blanks at both ends, what follows `#` or `!` outside `"`, and the `\` of `\#` and `\!`. A `\` at the end stays, with
/// no blank before it.
pub(super) fn strip(line: &mut Text) -> Result<(), Unterminated> {
    line.trim();
    let mut quote = None;
    let mut at = 0;
    let mut continued = None;
    while let Some(found) = line.as_str()[at..].find(['!', '#', '"', '\\']).map(|next| at + next) {
        let rest = &line.as_str()[found..];
        let escaped = rest[1..].chars().next();
        match (rest.as_bytes()[0], escaped) {
            (b'"', _) => {
                quote = if quote.is_some() { None } else { Some(found) };
                at = found + 1;
            }
            (b'\\', None) => {
                continued = Some(line.part(found..found + 1));
                line.keep(0..found);
                break;
            }
            (b'\\', Some('#' | '!')) if quote.is_none() => {
                line.remove(found..found + 1);
                at = found + 1;
            }
            (b'\\', Some(next)) => at = found + 1 + next.len_utf8(),
            _ if quote.is_none() => {
                line.keep(0..found);
                break;
            }
            _ => at = found + 1,
        }
    }
    line.trim();
    if let Some(backslash) = continued {
        let end = line.len();
        line.put_in(end..end, &backslash);
    }
    quote.map_or(Ok(()), |at| Err(Unterminated(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(line: &str) -> (String, Option<usize>) {
        let mut text = Text::of_file(0, 1, line);
        let unterminated = strip(&mut text).err().map(|Unterminated(at)| at);
        (text.as_str().to_owned(), unterminated)
    }

    #[test]
    fn comments_begin_outside_quotations() {
        for (line, left) in [
            (" a b # c", "a b"),
            ("! a", ""),
            ("a!b", "a"),
            (r#"a "b # c" # d"#, r#"a "b # c""#),
            (r"a \# b \! c \x # d", r"a # b ! c \x"),
            (r#"a "\#" \" # b"#, r#"a "\#" \""#),
            ("a  \\", "a\\"),
            ("\\", "\\"),
            ("a # b \\", "a"),
        ] {
            assert_eq!(stripped(line), (left.to_owned(), None), "{line}");
        }
    }

    #[test]
    fn a_quotation_ends_on_its_line() {
        assert_eq!(stripped(r#"  a "b # c"#), (r#"a "b # c"#.to_owned(), Some(2)));
    }
}
