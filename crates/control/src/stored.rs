//! How what is applied is written to disk. What contradicts itself is not read.

use crate::{
    Control, Limits, Refusal,
    check::check,
    destinations::{Destinations, Held, Identity},
    schedule::Start,
};
use relvs_model::{Server, Service, ServiceKey};
use serde::{Deserialize, Serialize};

/// Why a stored state was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// Its services could not have been applied.
    #[error("the stored state contradicts itself: {0}")]
    Services(#[from] Refusal),
    /// The number is 0, or there twice, or its destination has another.
    #[error("the stored state contradicts itself: destination number {0} cannot be what it says")]
    Number(u32),
    /// A server has no destination, or a destination no server.
    #[error("the stored state contradicts itself: its servers and destinations differ")]
    Servers,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stored {
    revision: u64,
    services: Vec<StoredService>,
    destinations: Vec<StoredDestination>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredService {
    service: Service,
    start: Start,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredDestination {
    number: u32,
    service: ServiceKey,
    server: Server,
    retired: bool,
}

impl From<Control> for Stored {
    fn from(control: Control) -> Self {
        let destinations = control.destinations().map(|(number, service, server, retired)| StoredDestination {
            number,
            service,
            server: server.clone(),
            retired,
        });
        Stored {
            destinations: destinations.collect(),
            revision: control.revision,
            services: control
                .services
                .into_iter()
                .zip(control.starts)
                .map(|(service, start)| StoredService { service, start })
                .collect(),
        }
    }
}

impl TryFrom<Stored> for Control {
    type Error = Corrupt;

    fn try_from(stored: Stored) -> Result<Self, Corrupt> {
        let (services, starts): (Vec<_>, Vec<_>) =
            stored.services.into_iter().map(|stored| (stored.service, stored.start)).unzip();
        check(&services)?;
        let mut destinations = Destinations::default();
        for StoredDestination { number, service, server, retired } in stored.destinations {
            if !destinations.adopt(number, Held { service, server, retired }) {
                return Err(Corrupt::Number(number));
            }
        }
        agree(&services, &destinations)?;
        Ok(Control::of(Limits::default(), stored.revision, services, starts, destinations))
    }
}

/// Every server has a destination that is not retired, and there are no others.
fn agree(services: &[Service], destinations: &Destinations) -> Result<(), Corrupt> {
    let known = |service: ServiceKey, server: &Server| (Identity::new(service, server), server.weight);
    let servers = services.iter().flat_map(|service| service.servers.iter().map(|server| known(service.key, server)));
    let held = destinations.iter().filter(|(_, held)| !held.retired).map(|(_, held)| known(held.service, &held.server));
    let (mut wanted, mut there): (Vec<_>, Vec<_>) = (servers.collect(), held.collect());
    wanted.sort_unstable();
    there.sort_unstable();
    if wanted == there { Ok(()) } else { Err(Corrupt::Servers) }
}
