//! Interfaces that keep their other IPv4 addresses of a network when the first is removed: the kernel's promote_secondaries
//! (Documentation/networking/ip-sysctl.rst), for the instances that ask for it. It touches no address, and leaves an
//! interface alone whose switch was on before.

use super::{links::Links, virtual_mac::value};
use relvs_model::vrrp::Settings;
use relvs_net::{Network, Switch};
use std::collections::BTreeSet;

const SWITCH: Switch = Switch::PromoteSecondaries;

/// The interfaces whose switch was off, by their indices.
#[derive(Default)]
pub(super) struct Promoting(BTreeSet<u32>);

impl Promoting {
    /// Switches it on where settings ask for it and the interface is there. Each failure is logged.
    pub(super) fn set(&mut self, network: &mut Network, links: &Links, settings: &Settings) {
        for instance in settings.instances.iter().filter(|instance| instance.promote_secondaries) {
            let Some(index) = links.index(&instance.interface) else { continue };
            if self.0.contains(&index) || value(&instance.interface, SWITCH).is_some_and(|value| value != 0) {
                continue;
            }
            match network.set_switches(index, &[(SWITCH, 1)]) {
                Ok(()) => drop(self.0.insert(index)),
                Err(e) => tracing::warn!("{}: promote_secondaries: {e}", instance.name),
            }
        }
    }

    /// Switches it off again where it was, and settings do not ask for it.
    pub(super) fn retain(&mut self, network: &mut Network, links: &Links, settings: &Settings) {
        let asking = settings.instances.iter().filter(|instance| instance.promote_secondaries);
        let wanted: BTreeSet<u32> = asking.filter_map(|instance| links.index(&instance.interface)).collect();
        for index in self.0.difference(&wanted) {
            // It may be gone, and its switch with it.
            if let Err(e) = network.set_switches(*index, &[(SWITCH, 0)]) {
                tracing::debug!("{e}");
            }
        }
        self.0.retain(|index| wanted.contains(index));
    }
}
