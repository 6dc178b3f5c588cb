//! What metrics say of virtual routers.

use super::{snapshot::Snapshot, table::Sink};
use relvs_model::vrrp::{ConditionKind, InstanceStatus, Statistics};

fn each(snapshot: &Snapshot) -> impl Iterator<Item = &InstanceStatus> {
    snapshot.vrrp.iter().flat_map(|status| &status.instances)
}

/// One value of each virtual router.
pub(super) fn value(snapshot: &Snapshot, to: Sink<'_>, value: impl Fn(&InstanceStatus) -> f64) {
    for router in each(snapshot) {
        to(&[&router.name], value(router));
    }
}

/// One count of each virtual router.
pub(super) fn count(snapshot: &Snapshot, to: Sink<'_>, count: impl Fn(&Statistics) -> u64) {
    value(snapshot, to, |router| count(&router.statistics) as f64);
}

pub(super) fn info(snapshot: &Snapshot, to: Sink<'_>) {
    for router in each(snapshot) {
        to(&[&router.name, &router.interface, &router.router_id.to_string()], 1.0);
    }
}

pub(super) fn dropped(snapshot: &Snapshot, to: Sink<'_>) {
    for router in each(snapshot) {
        for (reason, count) in router.statistics.dropped() {
            to(&[&router.name, &reason.to_lowercase().replace(' ', "_")], count as f64);
        }
    }
}

/// What lasts that is wrong: each kind, whether it is so now.
pub(super) fn wrong(snapshot: &Snapshot, to: Sink<'_>) {
    for router in each(snapshot) {
        for kind in ConditionKind::ALL {
            let is = router.conditions.iter().any(|condition| condition.kind == kind);
            to(&[&router.name, &kind.name().replace('-', "_")], f64::from(is));
        }
    }
}

/// What a split brain is seen by.
pub(super) fn split_brain(snapshot: &Snapshot, to: Sink<'_>) {
    for router in each(snapshot) {
        let of = &router.statistics;
        for (sign, count) in [
            ("other_master", of.other_master_rcvd),
            ("claimed_by_other", of.claimed_by_other),
            ("address_list", of.addr_list_err),
        ] {
            to(&[&router.name, sign], count as f64);
        }
    }
}

/// Adverts for virtual routers that nobody configured here.
pub(super) fn unknown(snapshot: &Snapshot, to: Sink<'_>) {
    if let Some(status) = &snapshot.vrrp {
        to(&[], status.unknown_router as f64);
    }
}

/// How often all of them began anew.
pub(super) fn restarts(snapshot: &Snapshot, to: Sink<'_>) {
    if let Some(status) = &snapshot.vrrp {
        to(&[], status.restarts as f64);
    }
}
