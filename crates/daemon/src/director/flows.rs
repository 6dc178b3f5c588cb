//! Flows and templates for a listing, a part of the tables at a time.

use super::{Director, Error};
use relvs_api::Flow;
use relvs_dataplane::{Cursor, Entry, entries_from};
use relvs_model::{Network, ServiceKey};
use std::net::SocketAddr;

/// Records that are looked at in one go: about a millisecond, for which timers and others wait.
const RECORDS: usize = 1 << 14;

/// Which flows are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    /// Those of these clients.
    pub(crate) client: Option<Network>,
    /// Those of this service.
    pub(crate) service: Option<ServiceKey>,
}

impl Wanted {
    fn is(&self, client: SocketAddr, service: ServiceKey) -> bool {
        let of = |network: Network| {
            network.address.is_ipv4() == client.is_ipv4() && Network::of(client.ip(), network.prefix) == network
        };
        self.client.is_none_or(of) && self.service.is_none_or(|wanted| wanted == service)
    }
}

impl Director {
    /// The flows of the next part, and where to go on.
    pub(crate) fn flows(&self, cursor: Cursor, wanted: &Wanted) -> Result<(Vec<Flow>, Option<Cursor>), Error> {
        let mut found = Vec::new();
        let give = |entry: Entry| {
            let client = SocketAddr::new(entry.client.0, entry.client.1);
            let Some((service, server)) = self.control.sent_to(entry.destination) else { return };
            if !wanted.is(client, service) {
                return;
            }
            let vip = SocketAddr::new(entry.service.0, entry.service.1);
            let port = if server.port() == 0 { vip.port() } else { server.port() };
            found.push(Flow {
                protocol: entry.protocol,
                client,
                vip,
                server: SocketAddr::new(server.ip(), port),
                service,
                state: entry.state.to_owned(),
                expires_s: entry.expires_s,
                template: entry.template,
                young: entry.young,
            });
        };
        let next = entries_from(&self.kernel, &self.timeouts, cursor, RECORDS, give)?;
        Ok((found, next))
    }
}
