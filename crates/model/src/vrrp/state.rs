//! States and versions of the protocol.

use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// The protocol's version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[schema(as = VrrpVersion)]
pub enum Version {
    /// RFC 3768: IPv4, whole seconds.
    #[default]
    #[serde(rename = "2")]
    V2,
    /// RFC 9568 and RFC 5798: IPv4 and IPv6, hundredths of a second.
    #[serde(rename = "3")]
    V3,
}

impl Version {
    /// As it stands in the packet.
    pub const fn number(self) -> u8 {
        match self {
            Version::V2 => 2,
            Version::V3 => 3,
        }
    }
}

/// What an instance assumes at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = VrrpInitialState)]
pub enum InitialState {
    /// Another may be master: it waits until adverts are missed.
    #[default]
    Backup,
    /// It is meant to be master: it waits for one interval only.
    Master,
}

/// The state of an instance or of a group. The numbers are those of keepalived's JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = VrrpState)]
pub enum State {
    /// Not started, or waiting until everything it depends on is known.
    #[default]
    Initialize,
    /// Another is master.
    Backup,
    /// It has the addresses.
    Master,
    /// It takes no part: its interface is down, what it tracks has failed, or it was told so.
    Fault,
}

impl State {
    /// The number in keepalived's JSON.
    pub const fn number(self) -> u8 {
        match self {
            State::Initialize => 0,
            State::Backup => 1,
            State::Master => 2,
            State::Fault => 3,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            State::Initialize => "INITIALIZE",
            State::Backup => "BACKUP",
            State::Master => "MASTER",
            State::Fault => "FAULT",
        })
    }
}
