//! keepalived.stats: what was counted of virtual routers, in keepalived's layout.

use super::Cleared;
use relvs_model::vrrp::{Statistics, Status};
use std::fmt::Write as _;

pub(super) fn text(status: &Status, cleared: &Cleared) -> String {
    let mut text = String::new();
    for instance in &status.instances {
        let counted = since(&instance.name, instance.statistics, cleared);
        let _ = write!(
            text,
            "VRRP Instance: {}\n  Advertisements:\n    Received: {}\n    Sent: {}\n  Became master: {}\n  Released master: {}\n  \
             Packet Errors:\n    Length: {}\n    TTL: {}\n    Invalid Type: {}\n    Advertisement Interval: {}\n    Address List: {}\n  \
             Authentication Errors:\n    Invalid Type: {}\n    Type Mismatch: {}\n    Failure: {}\n  Priority Zero:\n    \
             Received: {}\n    Sent: {}\n",
            instance.name,
            counted.advert_rcvd,
            counted.advert_sent,
            counted.become_master,
            counted.release_master,
            counted.packet_len_err,
            counted.ip_ttl_err,
            counted.invalid_type_rcvd,
            counted.advert_interval_err,
            counted.addr_list_err,
            counted.invalid_authtype,
            counted.authtype_mismatch,
            counted.auth_failure,
            counted.pri_zero_rcvd,
            counted.pri_zero_sent,
        );
    }
    text
}

/// What was counted since counts began anew. A router that is newer than that has counted less.
pub(super) fn since(name: &str, now: Statistics, cleared: &Cleared) -> Statistics {
    let Some(before) = cleared.get(name) else { return now };
    let less = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
    Statistics {
        advert_rcvd: less(now.advert_rcvd, before.advert_rcvd),
        advert_sent: less(now.advert_sent, before.advert_sent),
        become_master: less(now.become_master, before.become_master),
        release_master: less(now.release_master, before.release_master),
        packet_len_err: less(now.packet_len_err, before.packet_len_err),
        advert_interval_err: less(now.advert_interval_err, before.advert_interval_err),
        ip_ttl_err: less(now.ip_ttl_err, before.ip_ttl_err),
        invalid_type_rcvd: less(now.invalid_type_rcvd, before.invalid_type_rcvd),
        addr_list_err: less(now.addr_list_err, before.addr_list_err),
        invalid_authtype: less(now.invalid_authtype, before.invalid_authtype),
        authtype_mismatch: less(now.authtype_mismatch, before.authtype_mismatch),
        auth_failure: less(now.auth_failure, before.auth_failure),
        pri_zero_rcvd: less(now.pri_zero_rcvd, before.pri_zero_rcvd),
        pri_zero_sent: less(now.pri_zero_sent, before.pri_zero_sent),
        ..now
    }
}
