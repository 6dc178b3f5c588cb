//! What can be seen of virtual routers from outside.

use super::{State, Statistics, Version};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use utoipa::ToSchema;

/// All virtual routers at one moment. Moments are milliseconds since the machine's beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = VrrpStatus)]
pub struct Status {
    /// In the order of the configuration.
    pub instances: Vec<InstanceStatus>,
    /// In the order of the configuration.
    pub groups: Vec<GroupStatus>,
    /// Adverts for virtual routers that are not configured on their interface.
    pub unknown_router: u64,
    /// Packets too short to say which virtual router they are about.
    pub too_short: u64,
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
    /// Its state.
    pub state: State,
    /// Since when.
    pub since_ms: u64,
}
