//! What can be desired of the tables.

use relvs_model::{Rule, Service, Settings, State, Timeouts};
use std::sync::Arc;

/// What is desired, or applied: of a [`State`] all that tables express.
///
/// Services are shared: a change of one among thousands copies that one, and what is the same is seen to be the same
/// without being read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// IPVS's settings.
    pub settings: Settings,
    /// When flows are forgotten.
    pub timeouts: Timeouts,
    /// Which packets have which mark; the first that matches decides.
    pub rules: Vec<Rule>,
    /// The virtual services.
    pub services: Vec<Arc<Service>>,
}

impl Desired {
    /// Makes it a part of this state, in place of what that had.
    pub fn put_into(self, state: &mut State) {
        let Desired { settings, timeouts, rules, services } = self;
        state.settings = settings;
        state.timeouts = timeouts;
        state.rules = rules;
        state.services = services.into_iter().map(Arc::unwrap_or_clone).collect();
    }
}

impl From<&State> for Desired {
    fn from(state: &State) -> Self {
        Desired {
            settings: state.settings.clone(),
            timeouts: state.timeouts,
            rules: state.rules.clone(),
            services: state.services.iter().cloned().map(Arc::new).collect(),
        }
    }
}

impl From<Vec<Service>> for Desired {
    /// These services, and everything else as where nothing is said.
    fn from(services: Vec<Service>) -> Self {
        Desired { services: services.into_iter().map(Arc::new).collect(), ..Desired::default() }
    }
}
