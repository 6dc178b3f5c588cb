//! Regular expressions of checks: judged by compiling them, as the probe does, which uses them by this.

use std::{cell::RefCell, collections::BTreeSet};

/// The largest compiled pattern, in bytes.
const SIZE_MAX: usize = 1 << 20;

/// The pattern, compiled.
///
/// # Errors
///
/// Why it is none, half a sentence.
pub fn pattern(text: &str) -> Result<regex::bytes::Regex, String> {
    let compiled = regex::bytes::RegexBuilder::new(text).size_limit(SIZE_MAX).build();
    compiled.map_err(|error| {
        if matches!(error, regex::Error::CompiledTooBig(_)) {
            return "it takes too much memory".to_owned();
        }
        // Its lines show the place, which is the diagnostic's matter; the last says what is wrong.
        let text = error.to_string();
        text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })
}

/// Those that were good: many services have the same.
#[derive(Debug, Default)]
pub(crate) struct Good(RefCell<BTreeSet<String>>);

impl Good {
    /// Whether it is one, or why not.
    pub(crate) fn judge(&self, text: &str) -> Result<(), String> {
        if self.0.borrow().contains(text) {
            return Ok(());
        }
        pattern(text)?;
        self.0.borrow_mut().insert(text.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_on_one_line() {
        for (text, why) in [
            ("a(b", "unclosed group"),
            ("(?=a)", "look-around, including look-ahead and look-behind, is not supported"),
            ("(a)\\1", "backreferences are not supported"),
            ("[z-a]", "invalid character class range, the start must be <= the end"),
            ("(\\w{500}){500}", "it takes too much memory"),
        ] {
            assert_eq!(pattern(text).map(|_| ()), Err(why.to_owned()), "{text}");
        }
        let good = Good::default();
        assert_eq!((good.judge("^ok$"), good.judge("^ok$")), (Ok(()), Ok(())));
        assert!(good.judge("*").is_err());
    }
}
