//! A program that is run when something happens.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A program with its arguments. No shell looks at them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Script {
    /// The program and its arguments; the first is a path. A shell is used only if it is said here: `["/bin/sh", "-c", ...]`.
    pub command: Vec<String>,
    /// As whom (script_user); none is the daemon's own user.
    #[serde(default)]
    pub user: Option<String>,
    /// As which group; none is the user's.
    #[serde(default)]
    pub group: Option<String>,
    /// It is ended with its whole process group after this time.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u32,
}

const fn default_timeout_ms() -> u32 {
    Script::TIMEOUT_MS
}

impl Script {
    /// The time that a script has if nothing else is said.
    pub const TIMEOUT_MS: u32 = 30_000;

    /// This program with these arguments.
    pub const fn new(command: Vec<String>) -> Self {
        Script { command, user: None, group: None, timeout_ms: Self::TIMEOUT_MS }
    }
}
