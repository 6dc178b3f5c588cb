//! Reasons, by what became of the packet. A reason's text begins with that word.

use relvs_core::Reason;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The stack has it.
    Passed,
    /// Nobody has it.
    Dropped,
    /// Its sender got an ICMP error.
    Answered,
    /// It went on; something else is worth a count.
    Noted,
}

/// What became of packets of this reason.
pub(super) fn fate(reason: Reason) -> Fate {
    match reason.text().split([':', ' ']).next() {
        Some("Passed") => Fate::Passed,
        Some("Dropped") => Fate::Dropped,
        Some("Answered") => Fate::Answered,
        _ => Fate::Noted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_fate() {
        let of = |fate_of: Fate| Reason::ALL.iter().filter(|reason| fate(**reason) == fate_of).count();
        assert_eq!(of(Fate::Noted), Reason::ALL.iter().filter(|reason| reason.text().starts_with("Noted: ")).count());
        assert!(of(Fate::Passed) >= 14 && of(Fate::Dropped) >= 10 && of(Fate::Answered) >= 4);
        assert_eq!(fate(Reason::NoRoute), Fate::Dropped);
        assert_eq!(fate(Reason::TimeExceeded), Fate::Answered);
        assert_eq!(fate(Reason::Displaced), Fate::Noted);
    }
}
