//! What `POST /v1/differences` takes and answers.

use relvs_model::{health::Notify, vrrp::Settings};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a file says that no request changes, and a reload of the director's own file does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Beside {
    /// Who is told of everything.
    pub notify: Notify,
    /// The virtual routers.
    pub vrrp: Settings,
    /// It is keepalived.conf: whom `notify` does not name is told as now.
    pub partial: bool,
}

/// How that differs from what is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Differences {
    /// What would go (`-`), come (`+`) or be otherwise (`~`), for people; the same words as a reload's.
    pub lines: Vec<String>,
}
