//! Everything that is wanted of a director.

use crate::{Director, Listeners, Rule, Service, Settings, Timeouts, health::Notify, vrrp};
use serde::{Deserialize, Serialize};

/// Everything that is wanted of a director: the desired state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Its own settings.
    pub director: Director,
    /// Where the daemon itself answers.
    #[serde(default)]
    pub listeners: Listeners,
    /// Who is told of what happens to servers and services.
    #[serde(default)]
    pub notify: Notify,
    /// The virtual routers of this machine.
    #[serde(default)]
    pub vrrp: vrrp::Settings,
    /// IPVS's settings.
    #[serde(default)]
    pub settings: Settings,
    /// When flows are forgotten.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Which packets have which mark; the first that matches decides.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Its virtual services.
    pub services: Vec<Service>,
}
