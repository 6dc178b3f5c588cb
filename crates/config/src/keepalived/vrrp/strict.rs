//! `strict_mode` and `vrrp_strict`: what strays from the RFC is taken away, as keepalived does.

use crate::{
    keepalived::{Place, reading::Reading},
    report::Fault,
};
use relvs_model::vrrp::{InitialState, Instance};

/// Makes an instance as strict as it says it is.
pub(super) fn complied(instance: &mut Instance, place: Place, reading: &mut Reading<'_>) {
    let mut told = |what: &str, help: &str| {
        reading.fault(place, Fault::new(format!("{}: strict mode {what}", instance.name)).help(help));
    };
    if instance.auth_pass.take().is_some() {
        told("has no passwords", "leave `authentication` out; it is left out");
    }
    if std::mem::take(&mut instance.preempt_delay_ms) != 0 {
        told("has no preempt_delay", "remove it; it is left out");
    }
    if std::mem::take(&mut instance.higher_prio_send_advert) {
        told("has no higher_prio_send_advert", "remove it; it is left out");
    }
    let meant = if instance.priority == Instance::OWNER { InitialState::Master } else { InitialState::Backup };
    if instance.state != meant {
        told("has state MASTER with priority 255, and only with it", "correct one of them; the priority counts");
        instance.state = meant;
    }
    // keepalived takes these without a word.
    if std::mem::take(&mut instance.announcements.refresh_ms) != 0 {
        let fault = Fault::new(format!("{}: strict mode has no garp_master_refresh", instance.name));
        reading.warning(place, fault.help("remove it; it is left out"));
    }
    if instance.unicast.is_some() {
        let fault = Fault::new(format!("{}: strict mode has no unicast peers", instance.name));
        reading.warning(place, fault.help("remove one of them; the peers count, and it is not strict"));
        instance.strict = false;
    }
}
