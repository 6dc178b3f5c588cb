//! One process for a virtual router on an interface: two would each hear nothing of the other, and both be master.
//!
//! The claim is an abstract socket (unix(7)): those belong to the network namespace, as interfaces do, and end with the
//! process, however it ends.

use super::Error;
use relvs_model::vrrp::Settings;
use std::{
    collections::BTreeMap,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
};

/// The claims of this process.
#[derive(Debug, Default)]
pub(super) struct Claims(BTreeMap<String, UnixDatagram>);

impl Claims {
    /// Claims what settings need, besides what is claimed already. If one cannot be had, none is new.
    pub(super) fn extend(&mut self, settings: &Settings) -> Result<(), Error> {
        let mut new = BTreeMap::new();
        for instance in &settings.instances {
            let family = if instance.is_ipv6() { "IPv6" } else { "IPv4" };
            let name = format!("relvs-vrrp/{}/{}/{family}", instance.interface, instance.router_id);
            if self.0.contains_key(&name) || new.contains_key(&name) {
                continue;
            }
            let claim = SocketAddr::from_abstract_name(&name).and_then(|address| UnixDatagram::bind_addr(&address));
            let claim = claim.map_err(|e| {
                if e.kind() != std::io::ErrorKind::AddrInUse {
                    return Error::socket(format!("claim {name}"), e);
                }
                Error::Settings(format!(
                    "{}: another process has virtual router {} on {} ({family}): end it, or choose another number",
                    instance.name, instance.router_id, instance.interface
                ))
            })?;
            new.insert(name, claim);
        }
        self.0.extend(new);
        Ok(())
    }
}
