//! The addresses of a master that does not take packets for itself (accept of RFC 9568 section 6.1): its own programs neither
//! hear nor speak by them, and services at them are served as ever. It adds and removes no address.

use super::links::Links;
use relvs_model::vrrp::Instance;
use relvs_net::{Error, Refusal};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// What refuses, from the first address on.
#[derive(Default)]
pub(super) struct Refusing {
    /// By the interface's name; its index.
    addresses: BTreeMap<(String, IpAddr), u32>,
    refusal: Option<Refusal>,
}

impl Refusing {
    /// To be called before the addresses of an instance are added.
    pub(super) fn begin(&mut self, links: &Links, instance: &Instance) {
        for own in all(instance) {
            match links.index(&own.0).filter(|_| instance.refuses()) {
                Some(index) => self.addresses.insert(own, index),
                None => self.addresses.remove(&own),
            };
        }
        self.follow(instance);
    }

    /// To be called after they are removed.
    pub(super) fn end(&mut self, instance: &Instance) {
        for own in all(instance) {
            self.addresses.remove(&own);
        }
        self.follow(instance);
    }

    fn follow(&mut self, instance: &Instance) {
        if let Err(e) = self.set() {
            tracing::error!(
                "{}: programs of this machine get packets to its addresses all the same: {e}",
                instance.name
            );
        }
    }

    fn set(&mut self) -> Result<(), Error> {
        let addresses: BTreeSet<_> = self.addresses.iter().map(|((_, address), index)| (*address, *index)).collect();
        match &mut self.refusal {
            Some(refusal) => refusal.set(&addresses),
            None if addresses.is_empty() => Ok(()),
            none => none.insert(Refusal::open()?).set(&addresses),
        }
    }
}

fn all(instance: &Instance) -> impl Iterator<Item = (String, IpAddr)> {
    let all = instance.addresses.iter().chain(&instance.excluded);
    all.map(|own| (instance.interface_of(own).to_string(), own.address))
}
