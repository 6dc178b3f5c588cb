//! The words for durations: `90s`, `5m`, `2h`, `1d`.

use crate::report::{Fault, quoted};

/// Seconds.
pub(crate) fn seconds(text: &str) -> Result<u64, Fault> {
    let fault = || {
        let fault = Fault::new(format!("{} is not a duration", quoted(text)));
        fault.help("write a number and s, m, h or d, as in `90s` or `5m`")
    };
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(fault()),
    };
    number.parse().ok().and_then(|number: u64| number.checked_mul(factor)).ok_or_else(fault)
}

/// Milliseconds, for which there is a unit too.
pub(crate) fn millis(text: &str) -> Result<u64, Fault> {
    let number = text.strip_suffix("ms").filter(|number| !number.is_empty());
    if let Some(number) = number.filter(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
        return number.parse().map_err(|_| Fault::new(format!("{} is too long", quoted(text))));
    }
    match seconds(text) {
        Ok(seconds) => Ok(seconds.saturating_mul(1000)),
        Err(fault) => Err(fault.help("write a number and ms, s, m, h or d, as in `500ms` or `2s`")),
    }
}

/// As a file would have it: `500ms`, `2s`.
pub(crate) fn written_millis(millis: u32) -> String {
    if millis.is_multiple_of(1000) { written(millis / 1000) } else { format!("{millis}ms") }
}

/// As a file would have it: `5m`, `90s`.
pub(crate) fn written(seconds: u32) -> String {
    let units = [(24 * 60 * 60, "d"), (60 * 60, "h"), (60, "m")];
    let unit = units.into_iter().find(|(length, _)| seconds.is_multiple_of(*length) && seconds > 0);
    unit.map_or_else(|| format!("{seconds}s"), |(length, unit)| format!("{}{unit}", seconds / length))
}

/// As people write it: `5 minutes`, `90 seconds`.
pub(crate) fn spoken(seconds: u64) -> String {
    let units = [(24 * 60 * 60, "day"), (60 * 60, "hour"), (60, "minute"), (1, "second")];
    let (number, unit) = units
        .into_iter()
        .find(|(length, _)| seconds.is_multiple_of(*length) && seconds > 0)
        .map_or((seconds, "second"), |(length, unit)| (seconds / length, unit));
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units() {
        for (text, expected) in [("0s", 0), ("90s", 90), ("5m", 300), ("2h", 7200), ("31d", 2_678_400)] {
            assert_eq!(seconds(text), Ok(expected));
        }
        for text in ["", "5", "m", "5 m", "-5m", "1.5h", "5M", "5ms", "99999999999999999999s", "999999999999999999d"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn written_text_is_read_as_the_same() {
        for (length, expected) in [(0, "0s"), (90, "90s"), (360, "6m"), (64_800, "18h"), (2_678_400, "31d")] {
            assert_eq!(written(length), expected);
            assert_eq!(seconds(expected), Ok(length.into()));
        }
    }

    #[test]
    fn short_times_have_milliseconds() {
        for (length, expected) in [(0, "0s"), (500, "500ms"), (1_000, "1s"), (1_500, "1500ms"), (120_000, "2m")] {
            assert_eq!(written_millis(length), expected);
            assert_eq!(millis(expected), Ok(length.into()));
        }
        for text in ["", "ms", "5", "-5ms", "0.5s", "99999999999999999999ms"] {
            assert!(millis(text).is_err(), "{text}");
        }
        assert_eq!(millis("999999999999999s"), Ok(999_999_999_999_999_000));
    }

    #[test]
    fn spoken_in_the_largest_unit() {
        for (seconds, expected) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (90, "90 seconds"),
            (300, "5 minutes"),
            (64_800, "18 hours"),
            (86_400, "1 day"),
        ] {
            assert_eq!(spoken(seconds), expected);
        }
    }
}
