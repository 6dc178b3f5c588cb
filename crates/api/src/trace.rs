//! A decision as it was taken: a line of JSON each of what `GET /v1/trace` answers.

use crate::{Fate, FlowPart, Side};
use relvs_model::ServiceKey;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use utoipa::ToSchema;

/// A line of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TraceLine {
    /// What was decided about a packet.
    Decision(Box<Decision>),
    /// So many decisions more were taken that are not told, because there were too many at once.
    Lost(u64),
}

/// What was decided about a packet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// When: seconds since 1970.
    pub time: f64,
    /// The interface that it came in on.
    pub interface: String,
    /// The IP header's protocol number; none if the packet could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u8>,
    /// Where it came from; port 0 where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "198.51.100.7:40000")]
    pub source: Option<SocketAddr>,
    /// Where it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "192.0.2.100:80")]
    pub destination: Option<SocketAddr>,
    /// TCP's flags, as in `syn,ack`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<String>,
    /// Bytes, from the IP header on.
    pub length: u16,
    /// What became of it.
    pub fate: Fate,
    /// The reason's name, unless it was sent on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whose packet it was.
    pub side: Side,
    /// The service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceKey>,
    /// The server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "10.0.0.11:80")]
    pub server: Option<SocketAddr>,
    /// What it was to the flows that there are.
    pub flow: FlowPart,
    /// The interface that it left by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out: Option<String>,
    /// The stage that decided.
    pub stage: String,
}
