//! What can be seen of virtual routers from outside.

use super::{State, Statistics, Version};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use utoipa::ToSchema;

/// All virtual routers at one moment. Moments are milliseconds since the machine's beginning; where the director shows it,
/// since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = VrrpStatus)]
pub struct Status {
    /// This moment.
    #[serde(default)]
    pub now_ms: u64,
    /// In the order of the configuration.
    pub instances: Vec<InstanceStatus>,
    /// In the order of the configuration.
    pub groups: Vec<GroupStatus>,
    /// Adverts for virtual routers that are not configured on their interface.
    pub unknown_router: u64,
    /// Packets too short to say which virtual router they are about.
    pub too_short: u64,
    /// How often they have begun anew, because they had ended by a fault of relvs. Counts begin anew as well.
    #[serde(default)]
    pub restarts: u64,
}

impl Status {
    /// The same with moments that count from elsewhere, so that this one is `now_ms`.
    pub fn at(mut self, now_ms: u64) -> Self {
        let before = std::mem::replace(&mut self.now_ms, now_ms);
        // What is said to be later than this moment is not.
        let shift = |moment: &mut u64| *moment = now_ms.saturating_sub(before.saturating_sub(*moment));
        for group in &mut self.groups {
            shift(&mut group.since_ms);
        }
        for instance in &mut self.instances {
            shift(&mut instance.since_ms);
            if let Some(master) = &mut instance.master {
                shift(&mut master.since_ms);
            }
            instance.peers.iter_mut().for_each(|peer| shift(&mut peer.heard_ms));
            for condition in &mut instance.conditions {
                shift(&mut condition.since_ms);
                shift(&mut condition.last_ms);
            }
        }
        self
    }
}

/// One virtual router at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = VrrpInstanceStatus)]
pub struct InstanceStatus {
    /// Its name.
    pub name: String,
    /// Its interface.
    pub interface: String,
    /// Its number on the link.
    pub router_id: u8,
    /// The protocol's version.
    pub version: Version,
    /// Its state.
    pub state: State,
    /// Since when.
    pub since_ms: u64,
    /// Why it is in this state, in words.
    pub why: String,
    /// What the master has: those in adverts, and the others.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub addresses: Vec<IpAddr>,
    /// As configured.
    pub base_priority: u8,
    /// As what it tracks makes it.
    pub effective_priority: u8,
    /// The address that its adverts come from, if there is one.
    #[schema(value_type = Option<String>)]
    pub source: Option<IpAddr>,
    /// From one advert of the master to the next.
    pub master_advert_interval_ms: u32,
    /// Who is master, as far as is known.
    pub master: Option<MasterStatus>,
    /// It is handing over to another.
    pub handing_over: bool,
    /// It handed over on command and does not preempt until released.
    pub held: bool,
    /// It is in maintenance until released.
    pub maintenance: bool,
    /// What is wrong or odd now.
    pub conditions: Vec<Condition>,
    /// Routers that were heard.
    pub peers: Vec<PeerStatus>,
    /// What it counted.
    pub statistics: Statistics,
}

/// Who is master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MasterStatus {
    /// Its address.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// Its priority.
    pub priority: u8,
    /// Since when.
    pub since_ms: u64,
}

/// A router that was heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = VrrpPeerStatus)]
pub struct PeerStatus {
    /// Its address.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// What it said last; 0 is that it leaves.
    pub priority: u8,
    /// How often it says it sends.
    pub advert_interval_ms: u32,
    /// When it was heard last.
    pub heard_ms: u64,
    /// How many of its adverts were heard.
    pub adverts: u64,
    /// Version 3 over IPv4: its checksum covers the message alone.
    pub plain_checksum: bool,
}

/// Something wrong that lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = VrrpCondition)]
pub struct Condition {
    /// What it is.
    pub kind: ConditionKind,
    /// Who is involved: another router's address, or another machine's link-layer address.
    pub who: String,
    /// When it was seen first.
    pub since_ms: u64,
    /// When it was seen last.
    pub last_ms: u64,
    /// How often.
    pub count: u64,
}

/// Kinds of lasting wrongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = VrrpConditionKind)]
pub enum ConditionKind {
    /// We are master, and so says another, for longer than a hand-over takes.
    TwoMasters,
    /// Another router names other addresses for this virtual router.
    AddressListDiffers,
    /// Another router uses this number for other addresses, none of which is ours.
    DuplicateRouterId,
    /// Another router sends adverts from our own address.
    DuplicateSource,
    /// Another machine claims one of our addresses while we are master.
    ClaimedByOther,
    /// The arbiter is not well: it does not become master.
    ArbiterWithholds,
    /// Adverts of this virtual router were dropped, as they are of another version, password or interval, or damaged.
    AdvertsDropped,
}

impl ConditionKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        ConditionKind::TwoMasters,
        ConditionKind::AddressListDiffers,
        ConditionKind::DuplicateRouterId,
        ConditionKind::DuplicateSource,
        ConditionKind::ClaimedByOther,
        ConditionKind::ArbiterWithholds,
        ConditionKind::AdvertsDropped,
    ];

    /// Its name in files, on screens and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            ConditionKind::TwoMasters => "two-masters",
            ConditionKind::AddressListDiffers => "address-list-differs",
            ConditionKind::DuplicateRouterId => "duplicate-router-id",
            ConditionKind::DuplicateSource => "duplicate-source",
            ConditionKind::ClaimedByOther => "claimed-by-other",
            ConditionKind::ArbiterWithholds => "arbiter-withholds",
            ConditionKind::AdvertsDropped => "adverts-dropped",
        }
    }
}

/// A group at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = VrrpGroupStatus)]
pub struct GroupStatus {
    /// Its name.
    pub name: String,
    /// Its virtual routers.
    #[serde(default)]
    pub members: Vec<String>,
    /// Its state.
    pub state: State,
    /// Since when.
    pub since_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_keep_their_distance() {
        let group = |since_ms| GroupStatus { name: "g".into(), members: Vec::new(), state: State::Master, since_ms };
        let status = |now_ms, since_ms| Status { now_ms, groups: vec![group(since_ms)], ..Status::default() };
        assert_eq!(status(1_000, 400).at(50_000), status(50_000, 49_400));
        assert_eq!(status(1_000, 1_001).at(50_000), status(50_000, 50_000));
    }
}
