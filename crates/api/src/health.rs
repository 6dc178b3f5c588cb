//! What `/healthz` and `/readyz` answer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// That the process lives, and its loop answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// It does.
    pub alive: bool,
}

/// Whether a director should get traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    /// It should.
    pub ready: bool,
    /// If not: why, one line each.
    pub reasons: Vec<String>,
}
