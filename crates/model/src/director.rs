//! The director's own settings.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the program is attached to an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum XdpMode {
    /// The fastest that delivers.
    #[default]
    Auto,
    /// In the driver, or not at all.
    Native,
    /// In the stack's generic hook.
    Generic,
}

/// What becomes of forwarding when the daemon is told to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnExit {
    /// Programs and tables stay, and go on forwarding.
    #[default]
    Keep,
    /// Programs are detached and tables given up.
    Stop,
}

/// The director's own settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Director {
    /// The interfaces that are served, by name.
    pub interfaces: Vec<String>,
    /// How many flows of each address family the tables are to hold.
    pub flows: u32,
    /// How the program is attached.
    pub xdp_mode: XdpMode,
    /// What SIGTERM leaves behind.
    pub on_exit: OnExit,
}

impl Director {
    /// `flows` where nothing is said.
    pub const DEFAULT_FLOWS: u32 = 1 << 20;
}

impl Default for Director {
    fn default() -> Self {
        Director { interfaces: Vec::new(), flows: Self::DEFAULT_FLOWS, xdp_mode: XdpMode::Auto, on_exit: OnExit::Keep }
    }
}
