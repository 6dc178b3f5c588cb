//! `include` and its variants, and how strict they are (`include_check`).

use super::text::BLANK;

/// How files are found and read: the reader opens none by itself.
pub trait Files {
    /// The files that a pattern of `include` means: `*`, `?`, `[...]` and `{a,b}`, relative to a folder, in order. An empty
    /// folder is the current one.
    fn find(&self, folder: &str, pattern: &str) -> Found;

    /// What is in a file, up to `most` bytes and one.
    ///
    /// # Errors
    ///
    /// Why not, as half a sentence.
    fn read(&self, path: &str, most: usize) -> Result<Vec<u8>, String>;

    /// Whether a program can be run.
    fn executable(&self, path: &str) -> bool;

    /// Where a program is that is named without its folder; nowhere, if it is not looked for.
    fn program(&self, _name: &str) -> Option<String> {
        None
    }
}

/// What a pattern means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The files that are there.
    pub paths: Vec<String>,
    /// Those that are named by the pattern or an alternative of its braces without a wildcard, and are not there.
    pub missing: Vec<String>,
}

/// What is wrong with a pattern that finds less than it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Check {
    /// Files must be readable.
    pub(super) read: bool,
    /// A file that is named must be there.
    pub(super) named: bool,
    /// A pattern must match something.
    pub(super) wildcard: bool,
    /// Every alternative of braces must be there.
    pub(super) braces: bool,
}

impl Check {
    pub(super) const NONE: Check = Check { read: false, named: false, wildcard: false, braces: false };
    pub(super) const ALL: Check = Check { read: true, named: true, wildcard: true, braces: true };

    pub(super) const fn and(self, other: Check) -> Check {
        Check {
            read: self.read | other.read,
            named: self.named | other.named,
            wildcard: self.wildcard | other.wildcard,
            braces: self.braces | other.braces,
        }
    }

    /// By the words of `include_check`; none adds or takes away with `+` and `-`. Gives the words that are unknown.
    pub(super) fn set(self, words: &[&str]) -> (Check, Vec<usize>) {
        let mut check = if words.is_empty() { Check::ALL } else { self };
        let mut unknown = Vec::new();
        for (at, word) in words.iter().enumerate() {
            let (name, value) = match word.as_bytes().first() {
                Some(b'+') => (&word[1..], true),
                Some(b'-') => (&word[1..], false),
                _ if at == 0 => {
                    check = Check { read: true, ..Check::NONE };
                    (*word, true)
                }
                _ => {
                    unknown.push(at);
                    continue;
                }
            };
            match name {
                // keepalived's code has the one, its manual the other.
                "read" | "readable" => check.read = value,
                "match" => check.named = value,
                "wildcard_match" => check.wildcard = value,
                "brace_match" => check.braces = value,
                _ => unknown.push(at),
            }
        }
        (check, unknown)
    }
}

/// What an `include` line says: how strict it is, and where in the line the pattern begins.
pub(super) fn include(line: &str) -> Option<(Check, usize)> {
    let rest = line.strip_prefix("include")?;
    let read = Check { read: true, ..Check::NONE };
    let (check, rest) = match rest.as_bytes().first()? {
        b'r' => (read, &rest[1..]),
        b'm' => (Check { named: true, ..read }, &rest[1..]),
        b'w' => (Check { named: true, wildcard: true, ..read }, &rest[1..]),
        b'b' => (Check { braces: true, ..read }, &rest[1..]),
        b'a' => (Check::ALL, &rest[1..]),
        _ => (Check::NONE, rest),
    };
    let pattern = rest.strip_prefix(BLANK)?.trim_start_matches(BLANK);
    Some((check, line.len() - pattern.len()))
}

/// The folder of a file: what is before its last slash.
pub(super) fn folder(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) => "/",
        Some(at) => &path[..at],
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_say_how_strict_they_are() {
        let of = |line| include(line).map(|(check, at): (Check, usize)| (check, line.get(at..).unwrap_or_default()));
        assert_eq!(of("include a.conf"), Some((Check::NONE, "a.conf")));
        assert_eq!(of("includea \t/b/*.conf"), Some((Check::ALL, "/b/*.conf")));
        assert_eq!(of("includer x").map(|(check, _)| (check.read, check.named)), Some((true, false)));
        for other in ["include", "includex a", "include_check", "includeda x", "included"] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn checks_are_set_added_and_taken_away() {
        assert_eq!(Check::NONE.set(&[]).0, Check::ALL);
        assert_eq!(Check::ALL.set(&["match"]).0, Check { read: true, named: true, ..Check::NONE });
        assert_eq!(
            Check::ALL.set(&["-wildcard_match", "-read"]).0,
            Check { wildcard: false, read: false, ..Check::ALL }
        );
        assert_eq!(Check::NONE.set(&["+brace_match"]).0, Check { braces: true, ..Check::NONE });
        assert_eq!(Check::NONE.set(&["match", "read", "-foo"]).1, [1, 2]);
    }

    #[test]
    fn folders_are_before_the_last_slash() {
        assert_eq!((folder("a/b/c.conf"), folder("/c.conf"), folder("c.conf")), ("a/b", "/", ""));
    }
}
