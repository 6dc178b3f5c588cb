//! The whole configuration, edits of it, and what came of either.

use relvs_model::{Director, Edit, Rule, Service, Settings, State, Timeouts, plan::Plan};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// All that is desired of a director, and applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Configuration {
    /// How often it was changed. In a request: what it must be, so that nobody's change is undone unseen; none is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The director's own settings. In a request, none leaves them as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub director: Option<Director>,
    /// IPVS's settings.
    #[serde(default)]
    pub settings: Settings,
    /// When flows are forgotten.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Which packets have which mark; the first that matches decides.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// The virtual services.
    pub services: Vec<Service>,
}

impl From<State> for Configuration {
    fn from(State { director, settings, timeouts, rules, services, .. }: State) -> Self {
        Configuration { revision: None, director: Some(director), settings, timeouts, rules, services }
    }
}

/// Edits that are made together, in their order, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Changes {
    /// Them.
    pub changes: Vec<Edit>,
}

/// What came of a change, or would come of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Outcome {
    /// The revision that is in force now.
    pub revision: u64,
    /// Whether it was only asked what would change.
    pub dry_run: bool,
    /// What changed, for people: like a diff, empty if nothing.
    pub text: String,
    /// The same for programs.
    pub plan: Plan,
}
