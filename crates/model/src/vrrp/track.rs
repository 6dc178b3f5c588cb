//! What priorities depend on.

use crate::health::Script;
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};
use utoipa::ToSchema;

/// Something that is well or not, by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrackSource {
    /// A network interface: up or down (track_interface).
    Interface(String),
    /// A script: by its exit code (track_script).
    Script(String),
    /// A file: by the number in it (track_file).
    File(String),
    /// A process: running or not (track_process).
    Process(String),
    /// An address elsewhere: it answers echo requests or not.
    Ping(String),
    /// This director's own health: `data-path`, or a service by its key.
    Health(String),
}

impl fmt::Display for TrackSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrackSource::Interface(name) => write!(f, "interface {name}"),
            TrackSource::Script(name) => write!(f, "script {name}"),
            TrackSource::File(name) => write!(f, "file {name}"),
            TrackSource::Process(name) => write!(f, "process {name}"),
            TrackSource::Ping(name) => write!(f, "ping {name}"),
            TrackSource::Health(name) => write!(f, "health {name}"),
        }
    }
}

/// What follows from a source for an instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[schema(as = VrrpTracked)]
pub struct Tracked {
    /// What is looked at.
    pub source: TrackSource,
    /// 0: if it is not well, the instance takes no part (FAULT). Above: added to the priority while it is well. Below: added
    /// (that is, taken away) while it is not. For a file: by what its number is multiplied. -253 to 253; a file's to 254.
    #[serde(default)]
    pub weight: i16,
    /// The other way round.
    #[serde(default)]
    pub reverse: bool,
}

impl Tracked {
    /// Without it the instance takes no part.
    pub const fn needed(source: TrackSource) -> Self {
        Tracked { source, weight: 0, reverse: false }
    }
}

/// A script that is run again and again (vrrp_script). 0 is well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrackScript {
    /// How it is called.
    pub name: String,
    /// What is run, as whom, and for how long at most.
    pub script: Script,
    /// From one start to the next (interval).
    #[serde(default = "one_second")]
    pub interval_ms: u32,
    /// So many failures in a row count (fall).
    #[serde(default = "one")]
    pub fall: u32,
    /// So many successes in a row count (rise).
    #[serde(default = "one")]
    pub rise: u32,
    /// It counts as failed until it has succeeded (init_fail).
    #[serde(default)]
    pub init_fail: bool,
}

const fn one_second() -> u32 {
    1_000
}

const fn one() -> u32 {
    1
}

/// A file with a number in it (track_file); absent or empty is 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrackFile {
    /// How it is called.
    pub name: String,
    /// Where it is.
    pub path: String,
}

/// A process that must run (vrrp_track_process).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrackProcess {
    /// How it is called.
    pub name: String,
    /// The program's name or path, as the process has it.
    pub process: String,
    /// So many must run (quorum).
    #[serde(default = "one")]
    pub quorum: u32,
}

/// An address that is asked again and again whether it is there, by ICMP or ICMPv6 echo requests: a router that is there as
/// long as the network is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrackPing {
    /// How it is called.
    pub name: String,
    /// Who is asked. None of the virtual addresses, which the master has itself.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// From which address; without it the kernel's choice.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub from: Option<IpAddr>,
    /// By which interface; a link-local address needs one.
    #[serde(default)]
    pub interface: Option<String>,
    /// From one request to the next.
    #[serde(default = "one_second")]
    pub interval_ms: u32,
    /// An answer that comes later is none.
    #[serde(default = "one_second")]
    pub timeout_ms: u32,
    /// So many requests in a row without an answer count.
    #[serde(default = "TrackPing::fall")]
    pub fall: u32,
    /// So many answers in a row count.
    #[serde(default = "one")]
    pub rise: u32,
}

impl TrackPing {
    /// One packet that is lost says nothing.
    pub const FALL: u32 = 2;

    /// Asked once a second.
    pub fn new(name: impl Into<String>, address: IpAddr) -> Self {
        let (interval_ms, fall) = (one_second(), Self::FALL);
        TrackPing {
            name: name.into(),
            address,
            from: None,
            interface: None,
            interval_ms,
            timeout_ms: interval_ms,
            fall,
            rise: 1,
        }
    }

    const fn fall() -> u32 {
        Self::FALL
    }
}
