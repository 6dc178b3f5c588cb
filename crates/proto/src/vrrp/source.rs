//! What a script's exit codes, an address's answers and a file's text come to: `keepalived.conf(5)`, VRRP scripts and track
//! files.

use super::input::Outcome;
use relvs_model::vrrp::{TrackPing, TrackScript};

/// Counts how a script ended, or whether an address answered: so many successes in a row are well (rise), so many failures are
/// not (fall). The first of all counts alone, unless the script is taken for failed at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    rise: u32,
    fall: u32,
    well: Option<bool>,
    against: u32,
}

impl Tally {
    /// Before a script's first end.
    pub fn of_script(script: &TrackScript) -> Self {
        Tally { rise: script.rise, fall: script.fall, well: script.init_fail.then_some(false), against: 0 }
    }

    /// Before an address is asked for the first time.
    pub const fn of_ping(ping: &TrackPing) -> Self {
        Tally { rise: ping.rise, fall: ping.fall, well: None, against: 0 }
    }

    /// What it has come to, if that is known.
    pub const fn outcome(&self) -> Option<Outcome> {
        match self.well {
            Some(true) => Some(Outcome::Well),
            Some(false) => Some(Outcome::Failed),
            None => None,
        }
    }

    /// The script has ended, or the address was asked. Gives whether that changes what it has come to.
    pub const fn count(&mut self, well: bool) -> bool {
        match self.well {
            Some(before) if before == well => {
                self.against = 0;
                return false;
            }
            Some(_) => {
                self.against += 1;
                if self.against < if well { self.rise } else { self.fall } {
                    return false;
                }
            }
            None => {}
        }
        (self.well, self.against) = (Some(well), 0);
        true
    }
}

impl Outcome {
    /// What stands in a file: the number at its beginning, as strtol(3) with base 0 reads it; 0 if there is none. None if
    /// it is too large to count.
    pub fn of_file(text: &str) -> Option<Outcome> {
        let text = text.trim_start();
        let (minus, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
        let hexadecimal = hexadecimal.filter(|rest| rest.starts_with(|digit: char| digit.is_ascii_hexdigit()));
        let (digits, radix) = match hexadecimal {
            Some(rest) => (rest, 16),
            None => (digits, if digits.starts_with('0') { 8 } else { 10 }),
        };
        let length = digits.find(|digit: char| !digit.is_digit(radix)).unwrap_or(digits.len());
        let digits = &digits[..length];
        if digits.is_empty() {
            return Some(Outcome::Number(0));
        }
        let number = i64::from_str_radix(digits, radix).ok()?;
        i32::try_from(if minus { -number } else { number }).ok().map(Outcome::Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relvs_model::{health::Script, vrrp::TrackSource};

    fn tally(rise: u32, fall: u32, init_fail: bool) -> Tally {
        let script = Script::new(vec!["/bin/true".into()]);
        let name = TrackSource::Script("check".into()).to_string();
        Tally::of_script(&TrackScript { name, script, interval_ms: 1_000, rise, fall, init_fail })
    }

    /// `+` and `-` are ends; gives where the outcome changed, and to what.
    fn changes(mut tally: Tally, ends: &str) -> Vec<(usize, Outcome)> {
        let ends = ends.chars().enumerate();
        let changed = ends.filter(|&(_, end)| tally.count(end == '+')).map(|(at, end)| (at, end == '+'));
        changed.map(|(at, well)| (at, if well { Outcome::Well } else { Outcome::Failed })).collect()
    }

    #[test]
    fn ends_in_a_row_count_and_the_first_alone() {
        use Outcome::{Failed, Well};
        assert_eq!(changes(tally(3, 2, false), "+-+--+++-"), [(0, Well), (4, Failed), (7, Well)]);
        assert_eq!(changes(tally(3, 2, false), "-++"), [(0, Failed)]);
        assert_eq!(changes(tally(2, 1, true), "-+-++-"), [(4, Well), (5, Failed)]);
        assert_eq!((tally(1, 1, false).outcome(), tally(1, 1, true).outcome()), (None, Some(Failed)));
    }

    #[test]
    fn a_file_says_a_number() {
        for (text, expected) in [
            ("", Some(0)),
            ("7\n", Some(7)),
            (" -12 and more", Some(-12)),
            ("+3", Some(3)),
            ("0x1f", Some(31)),
            ("010", Some(8)),
            ("0", Some(0)),
            ("0x", Some(0)),
            ("well", Some(0)),
            ("-", Some(0)),
            ("2147483647", Some(i32::MAX)),
            ("2147483648", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(Outcome::of_file(text), expected.map(Outcome::Number), "{text:?}");
        }
    }
}
