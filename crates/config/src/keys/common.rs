//! What keys of several sections have in common: times, counts, files, and programs that are run.

use super::{Default as Without, Key, Kind, Table};
use relvs_model::health::Script;

/// A time as it would be written.
pub(super) fn time(millis: u32) -> String {
    format!("\"{}\"", crate::duration::written_millis(millis))
}

pub(super) const FILE: Kind = Kind::Text { what: "an absolute path", examples: &["/etc/relvs/…"] };
pub(super) const PAUSE: Kind = Kind::Pause { least_ms: 10 };
pub(super) const PAUSE_OR_NONE: Kind = Kind::Pause { least_ms: 0 };
pub(super) const TIMES: Kind = Kind::Integer { least: 1, most: 1000 };

/// A program that is told something.
pub(super) const PROGRAM: Kind = Kind::Either(&[
    Kind::Text { what: "a program", examples: &["/usr/local/bin/tell"] },
    Kind::Array(&Kind::Text { what: "a program and its arguments", examples: &["/usr/local/bin/tell", "web"] }),
    Kind::Table(&SCRIPT),
]);

/// A program, where the keys beside it say as whom it is run.
pub(super) const COMMAND: Kind = Kind::Either(&[
    Kind::Text { what: "a program", examples: &["/usr/local/bin/check"] },
    Kind::Array(&Kind::Text { what: "a program and its arguments", examples: &["/usr/local/bin/check"] }),
]);

/// The keys that say as whom a program is run.
pub(super) const USER: Key = key!(
    "user",
    Kind::Text { what: "a user", examples: &["nobody"] },
    Without::Words("the daemon's"),
    "As whom it is run."
);
/// As [`USER`].
pub(super) const GROUP: Key = key!(
    "group",
    Kind::Text { what: "a group", examples: &["nogroup"] },
    Without::Words("the user's"),
    "As which group."
);

/// A program in full.
pub static SCRIPT: Table = Table {
    title: "program",
    about: "A program in full, for `notify_up`, `notify_down`, `quorum_up` and `quorum_down`: \
        `{ command = [\"/usr/local/bin/tell\", \"web\"], user = \"nobody\" }`. No shell looks at it.",
    keys: &[
        key!("command", COMMAND, Without::Required, "The program and its arguments."),
        USER,
        GROUP,
        key!(
            "timeout",
            PAUSE,
            Without::Is(|| time(Script::TIMEOUT_MS)),
            "After this time it is ended, with all that it has started."
        ),
    ],
    later: &[],
};
