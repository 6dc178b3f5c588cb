//! keepalived.json: virtual routers for programs, by keepalived's names (version 1), and virtual services, which keepalived leaves out.
//!
//! It is a list of virtual routers, as those who read keepalived's expect it; what relvs adds stands within `data` of each.

use super::{Cleared, Seen, statistics::since};
use relvs_model::vrrp::{Instance, InstanceStatus, TrackSource, VirtualAddress};
use serde_json::{Value, json};

pub(super) fn text(seen: &Seen<'_>, cleared: &Cleared) -> String {
    let all: Vec<Value> = (seen.settings.instances.iter())
        .filter_map(|instance| {
            let status = seen.routers.instances.iter().find(|status| status.name == instance.name)?;
            Some(one(seen, instance, status, cleared))
        })
        .collect();
    Value::from(all).to_string()
}

fn one(seen: &Seen<'_>, instance: &Instance, status: &InstanceStatus, cleared: &Cleared) -> Value {
    let seconds = |ms: u32| f64::from(ms) / 1000.0;
    let announced = &instance.announcements;
    let scripts = instance.track.iter().filter_map(|tracked| match &tracked.source {
        TrackSource::Script(name) => {
            let script = seen.settings.scripts.iter().find(|script| script.name == *name)?;
            Some(format!("'{}'", script.script.command.join(" ")))
        }
        TrackSource::Interface(_)
        | TrackSource::File(_)
        | TrackSource::Process(_)
        | TrackSource::Ping(_)
        | TrackSource::Health(_) => None,
    });
    let since_1970 = seen.began.as_secs_f64() + status.since_ms as f64 / 1000.0;
    let master = if status.state == relvs_model::vrrp::State::Master {
        0
    } else {
        status.master.as_ref().map_or(0, |master| master.priority)
    };
    json!({
        "data": {
            "iname": instance.name,
            "dont_track_primary": u8::from(instance.dont_track_primary),
            "skip_check_adv_addr": u8::from(instance.skip_check_adv_addr),
            "strict_mode": u8::from(instance.strict),
            "vmac_ifname": instance.virtual_interface().unwrap_or_default(),
            "ifp_ifname": instance.interface,
            "master_priority": master,
            "last_transition": since_1970,
            "garp_delay": seconds(announced.delay_ms),
            "garp_refresh": seconds(announced.refresh_ms),
            "garp_rep": announced.repeat,
            "garp_refresh_rep": announced.refresh_repeat,
            "garp_lower_prio_delay": seconds(announced.lower_prio_delay_ms.unwrap_or(announced.delay_ms)),
            "garp_lower_prio_rep": announced.lower_prio_repeat.unwrap_or(announced.repeat),
            "lower_prio_no_advert": u8::from(instance.lower_prio_no_advert),
            "higher_prio_send_advert": u8::from(instance.higher_prio_send_advert),
            "vrid": instance.router_id,
            "base_priority": status.base_priority,
            "effective_priority": status.effective_priority,
            "vipset": status.state == relvs_model::vrrp::State::Master,
            "promote_secondaries": instance.promote_secondaries,
            "adver_int": seconds(instance.advert_interval_ms),
            "master_adver_int": seconds(status.master_advert_interval_ms),
            "accept": u8::from(instance.accept),
            "nopreempt": instance.nopreempt,
            "preempt_delay": seconds(instance.preempt_delay_ms),
            "state": status.state.number(),
            "wantstate": status.state.number(),
            "version": status.version.number(),
            "smtp_alert": instance.notify.smtp_alert,
            "notify_deleted": instance.notify.deleted.is_some(),
            "why": status.why,
            "vips": addresses(instance, &instance.addresses),
            "evips": addresses(instance, &instance.excluded),
            "track_script": scripts.collect::<Vec<_>>(),
            "auth_type": u8::from(instance.auth_pass.is_some()),
        },
        "stats": since(&status.name, status.statistics, cleared),
    })
}

fn addresses(instance: &Instance, all: &[VirtualAddress]) -> Vec<String> {
    all.iter().map(|one| address(instance, one)).collect()
}

/// `192.0.2.100/24 dev eth0 scope global`, as ip(8) says it.
pub(super) fn address(instance: &Instance, one: &VirtualAddress) -> String {
    let (interface, scope) =
        (one.interface.as_ref().unwrap_or(&instance.interface), one.scope.as_deref().unwrap_or("global"));
    format!("{}/{} dev {interface} scope {scope}", one.address, one.prefix_length())
}
