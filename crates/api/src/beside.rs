//! What `POST /v1/differences` takes and answers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A file, for what it says of virtual routers and of who is told: no request changes that, a reload of the director's own file
/// does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Beside {
    /// relvs.toml.
    pub toml: String,
    /// It is made of keepalived.conf, which cannot say everything: whom it does not name is told as now.
    #[serde(default)]
    pub partial: bool,
}

/// How that differs from what is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Differences {
    /// What would go (`-`), come (`+`) or be otherwise (`~`), for people; the same words as a reload's.
    pub lines: Vec<String>,
}
