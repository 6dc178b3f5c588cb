//! What an instance has counted.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Counts since the start. Up to `pri_zero_sent` the names are those of keepalived's JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = VrrpStatistics)]
pub struct Statistics {
    /// Adverts that passed all checks.
    pub advert_rcvd: u64,
    /// Adverts sent; to several peers is once.
    pub advert_sent: u64,
    /// Times it became master.
    pub become_master: u64,
    /// Times it left that state.
    pub release_master: u64,
    /// Dropped: too short, or of another length than it should be.
    pub packet_len_err: u64,
    /// Version 2: dropped, another interval than ours; version 3: an impossible interval.
    pub advert_interval_err: u64,
    /// Dropped: the TTL or hop limit is not 255, or not what the peer may have.
    pub ip_ttl_err: u64,
    /// Dropped: not an advert.
    pub invalid_type_rcvd: u64,
    /// Not dropped: names other addresses than ours; dropped: unicast in place of multicast, or the other way.
    pub addr_list_err: u64,
    /// Dropped: an authentication that is not known.
    pub invalid_authtype: u64,
    /// Dropped: another authentication than ours.
    pub authtype_mismatch: u64,
    /// Dropped: another password than ours.
    pub auth_failure: u64,
    /// Adverts of a router that leaves.
    pub pri_zero_rcvd: u64,
    /// Adverts that say that we leave.
    pub pri_zero_sent: u64,
    /// Dropped: wrong checksum.
    pub checksum_err: u64,
    /// Dropped: another version than ours.
    pub version_err: u64,
    /// Dropped: from someone who is no peer, or with our own address.
    pub source_err: u64,
    /// Dropped: we are the owner and do not listen.
    pub owner_ignored: u64,
    /// As master, adverts heard of another master.
    pub other_master_rcvd: u64,
    /// ARP or neighbour packets in which another claimed one of our addresses.
    pub claimed_by_other: u64,
    /// Gratuitous ARPs and neighbour advertisements sent.
    pub announced: u64,
    /// Changes to master that the arbiter withheld.
    pub arbiter_withheld: u64,
    /// Times a timer was handled later than an advert's interval.
    pub timer_late: u64,
    /// The longest that a timer was late, in microseconds.
    pub timer_late_max_us: u64,
}

impl Statistics {
    /// Why adverts were dropped, in words, and how many of each; in the order of the checks.
    pub const fn dropped(&self) -> [(&'static str, u64); 11] {
        [
            ("too short or long", self.packet_len_err),
            ("wrong TTL", self.ip_ttl_err),
            ("no advert", self.invalid_type_rcvd),
            ("other version", self.version_err),
            ("wrong checksum", self.checksum_err),
            ("unknown authentication", self.invalid_authtype),
            ("other authentication", self.authtype_mismatch),
            ("other password", self.auth_failure),
            ("other interval", self.advert_interval_err),
            ("wrong source", self.source_err),
            ("not listened to", self.owner_ignored),
        ]
    }
}
