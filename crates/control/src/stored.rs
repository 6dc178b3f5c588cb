//! How what is applied is written to disk. What contradicts itself is not read.

use crate::{
    Control, Desired, Limits, Refusal,
    check::check,
    destinations::{Destinations, Held, Identity},
    schedule::Start,
};
use relvs_model::{Rule, Server, Service, ServiceKey, Settings, Timeouts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Why a stored state was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// Its services could not have been applied.
    #[error("the stored state contradicts itself: {0}")]
    Services(#[from] Refusal),
    /// The number is 0, or there twice, or its destination has another.
    #[error("the stored state contradicts itself: destination number {0} cannot be what it says")]
    Number(u32),
    /// Two services have the same identity.
    #[error("the stored state contradicts itself: two services have the identity {0}")]
    Identity(u32),
    /// A server has no destination, or a destination no server.
    #[error("the stored state contradicts itself: its servers and destinations differ")]
    Servers,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stored {
    revision: u64,
    #[serde(default)]
    settings: Settings,
    #[serde(default)]
    timeouts: Timeouts,
    #[serde(default)]
    rules: Vec<Rule>,
    #[serde(default)]
    last_identity: u32,
    services: Vec<StoredService>,
    destinations: Vec<StoredDestination>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredService {
    service: Service,
    start: Start,
    /// 0 where an earlier version stored it.
    #[serde(default)]
    identity: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredDestination {
    number: u32,
    service: ServiceKey,
    server: Server,
    #[serde(default)]
    client_port: bool,
    /// Missing where an earlier version stored it.
    #[serde(default)]
    last_weight: Option<u32>,
    #[serde(default)]
    template_s: u32,
    retired: bool,
}

impl From<Control> for Stored {
    fn from(control: Control) -> Self {
        let destinations = control.destinations.iter().map(|(number, held)| StoredDestination {
            number,
            service: held.service,
            server: held.server.clone(),
            client_port: held.client_port,
            last_weight: Some(held.last_weight),
            template_s: held.template_s,
            retired: held.retired,
        });
        let destinations = destinations.collect();
        let Desired { settings, timeouts, rules, services } = control.desired;
        let services = (services.into_iter().zip(control.starts).zip(control.identities))
            .map(|((service, start), identity)| StoredService { service, start, identity })
            .collect();
        Stored {
            revision: control.revision,
            settings,
            timeouts,
            rules,
            last_identity: control.last_identity,
            services,
            destinations,
        }
    }
}

impl TryFrom<Stored> for Control {
    type Error = Corrupt;

    fn try_from(stored: Stored) -> Result<Self, Corrupt> {
        let mut last_identity = stored.last_identity;
        let mut control = Control::new(Limits::default());
        for StoredService { service, start, identity } in stored.services {
            let identity = if identity == 0 { last_identity.wrapping_add(1) } else { identity };
            last_identity = last_identity.max(identity);
            control.desired.services.push(service);
            control.starts.push(start);
            control.identities.push(identity);
        }
        control.desired.settings = stored.settings;
        control.desired.timeouts = stored.timeouts;
        control.desired.rules = stored.rules;
        check(&control.desired)?;
        let mut seen = BTreeSet::new();
        if let Some(twice) = control.identities.iter().find(|identity| !seen.insert(**identity)) {
            return Err(Corrupt::Identity(*twice));
        }
        for destination in stored.destinations {
            let StoredDestination { number, service, server, client_port, last_weight, template_s, retired } =
                destination;
            let last_weight = last_weight.unwrap_or(server.weight);
            let held = Held { service, server, client_port, last_weight, template_s, retired };
            if !control.destinations.adopt(number, held) {
                return Err(Corrupt::Number(number));
            }
        }
        agree(&control.desired.services, &control.destinations)?;
        control.revision = stored.revision;
        control.last_identity = last_identity;
        Ok(control.indexed())
    }
}

/// Every server has a destination that is not retired, and there are no others.
fn agree(services: &[Service], destinations: &Destinations) -> Result<(), Corrupt> {
    let rest = |server: &Server| (server.weight, server.upper_threshold, server.lower_threshold);
    let known = |service, server| (Identity::of(service, server), rest(server));
    let servers = services.iter().flat_map(|service| service.servers.iter().map(move |server| known(service, server)));
    let there = destinations.iter().filter(|(_, held)| !held.retired);
    let held = there.map(|(_, held)| (held.identity(), rest(&held.server)));
    let (mut wanted, mut there): (Vec<_>, Vec<_>) = (servers.collect(), held.collect());
    wanted.sort_unstable();
    there.sort_unstable();
    if wanted == there { Ok(()) } else { Err(Corrupt::Servers) }
}
