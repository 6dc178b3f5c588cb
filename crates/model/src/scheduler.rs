//! Schedulers, by name.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// How a server is chosen for a new flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheduler {
    /// One after the other.
    Rr,
    /// One after the other, in proportion to the weights.
    Wrr,
}

impl Scheduler {
    /// All that exist.
    pub const ALL: [Scheduler; 2] = [Scheduler::Rr, Scheduler::Wrr];

    /// The name in configuration files and listings.
    pub const fn name(self) -> &'static str {
        match self {
            Scheduler::Rr => "rr",
            Scheduler::Wrr => "wrr",
        }
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Scheduler {
    type Err = ();
    fn from_str(s: &str) -> Result<Self, ()> {
        Scheduler::ALL.into_iter().find(|m| m.name() == s).ok_or(())
    }
}
