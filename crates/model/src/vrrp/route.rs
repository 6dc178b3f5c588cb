//! Routes and rules that the master has besides its addresses: ip-route(8), ip-rule(8).

use crate::Network;
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};
use utoipa::ToSchema;

/// What becomes of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = VrrpRouteAction)]
pub enum RouteAction {
    /// They go their way.
    #[default]
    Forward,
    /// They are dropped.
    Blackhole,
    /// They are dropped, and the sender is told that there is no way.
    Unreachable,
    /// They are dropped, and the sender is told that it is forbidden.
    Prohibit,
}

impl RouteAction {
    /// As ip(8) writes it; nothing for those that go their way.
    pub const fn word(self) -> &'static str {
        match self {
            RouteAction::Forward => "",
            RouteAction::Blackhole => "blackhole ",
            RouteAction::Unreachable => "unreachable ",
            RouteAction::Prohibit => "prohibit ",
        }
    }
}

/// A route of the master (virtual_routes).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VirtualRoute {
    /// Where to.
    pub to: Network,
    /// What becomes of the packets.
    #[serde(default)]
    pub action: RouteAction,
    /// The next router (via).
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub via: Option<IpAddr>,
    /// By which interface (dev); none is the kernel's choice by `via`, and without that the instance's.
    #[serde(default)]
    pub interface: Option<String>,
    /// The source address of this machine's own packets (src).
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub source: Option<IpAddr>,
    /// The routing table's number; none is the main one.
    #[serde(default)]
    pub table: Option<u32>,
    /// Among routes to the same the lowest counts (metric).
    #[serde(default)]
    pub metric: Option<u32>,
    /// How far it is, as ip(8) names it: global, site, link, host; none is link without `via`, else global.
    #[serde(default)]
    pub scope: Option<String>,
    /// The path's MTU.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// The next router is on the link, whatever its address (onlink).
    #[serde(default)]
    pub on_link: bool,
    /// When someone removes it, it is not put back (no_track).
    #[serde(default)]
    pub no_track: bool,
}

impl VirtualRoute {
    /// To a network, by the instance's interface.
    pub const fn new(to: Network) -> Self {
        VirtualRoute {
            to,
            action: RouteAction::Forward,
            via: None,
            interface: None,
            source: None,
            table: None,
            metric: None,
            scope: None,
            mtu: None,
            on_link: false,
            no_track: false,
        }
    }
}

impl fmt::Display for VirtualRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "route {}{}", self.action.word(), self.to)?;
        if let Some(via) = self.via {
            write!(f, " via {via}")?;
        }
        if let Some(table) = self.table {
            write!(f, " table {table}")?;
        }
        Ok(())
    }
}

/// Which routing table counts for which packets while it is master (virtual_rules).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct VirtualRule {
    /// About IPv6, if `from` and `to` do not say it.
    pub ipv6: bool,
    /// Where packets come from.
    pub from: Option<Network>,
    /// Where they go.
    pub to: Option<Network>,
    /// By which interface they came (iif).
    pub input: Option<String>,
    /// By which interface they go, for packets of sockets that are bound to it (oif).
    pub output: Option<String>,
    /// Their mark.
    pub mark: Option<u32>,
    /// The lowest counts first (priority); none is the kernel's choice.
    pub priority: Option<u32>,
    /// What becomes of them.
    pub action: RouteAction,
    /// The routing table that counts; none is the main one.
    pub table: Option<u32>,
    /// When someone removes it, it is not put back (no_track).
    pub no_track: bool,
}

impl VirtualRule {
    /// Whether it is about IPv6.
    pub fn is_ipv6(&self) -> bool {
        self.from.or(self.to).map_or(self.ipv6, |network| network.address.is_ipv6())
    }
}

impl fmt::Display for VirtualRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rule")?;
        if let Some(from) = self.from {
            write!(f, " from {from}")?;
        }
        if let Some(to) = self.to {
            write!(f, " to {to}")?;
        }
        match self.table {
            Some(table) => write!(f, " table {table}"),
            None if self.action == RouteAction::Forward => Ok(()),
            None => write!(f, " {}", self.action.word().trim_end()),
        }
    }
}
