//! What would become of a packet, and why: what `GET /v1/explain` answers. Nothing changes by asking.

use relvs_model::{Method, Protocol, Scheduler, ServiceKey};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use utoipa::ToSchema;

/// What would become of a packet, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The packet.
    pub packet: AskedPacket,
    /// What becomes of it.
    pub fate: Fate,
    /// Why, unless it is sent on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Why>,
    /// Whose packet it is.
    pub side: Side,
    /// The service that it is for, or of whose server it comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceKey>,
    /// How the service was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
    /// What it is to the flows that there are.
    pub flow: FlowPart,
    /// The flow that was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<KnownFlow>,
    /// The client's template of persistence, as it was or as it comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
    /// How the server of a new flow was chosen, or why none could be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
    /// The server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "10.0.0.11:80")]
    pub server: Option<SocketAddr>,
    /// How packets reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// What is written into the packet, and put in front of it.
    #[serde(default)]
    pub changes: Vec<FieldChange>,
    /// How it leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<WayOut>,
    /// How large it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<Mtu>,
}

/// The packet that was asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs, reason = "the names say it")]
pub struct AskedPacket {
    #[schema(value_type = String, example = "198.51.100.7:40000")]
    pub source: SocketAddr,
    #[schema(value_type = String, example = "192.0.2.100:80")]
    pub destination: SocketAddr,
    pub protocol: Protocol,
    /// TCP's flags, or the type of SCTP's first chunk; none of UDP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<String>,
    /// The interface that it comes in on.
    pub interface: String,
    /// Bytes, from the IP header on.
    pub length: u16,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It is sent on.
    Forwarded,
    /// Its sender gets an ICMP error.
    Answered,
    /// It is dropped.
    Dropped,
    /// The director's own stack gets it.
    Passed,
}

/// A reason, as it is counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// Its name.
    pub name: String,
    /// What it means.
    pub text: String,
    /// What can be done about it, or why there is nothing to be done.
    pub remedy: String,
}

/// Whose packet it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// A client's.
    Client,
    /// A NAT server's to its client.
    Server,
}

/// How a service was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// By its address and port.
    Address,
    /// By its address; it is of any port.
    AnyPort,
    /// By its address: a data connection of its FTP clients.
    FtpData,
    /// By this match rule.
    Rule(String),
}

/// What a packet is to the flows that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FlowPart {
    /// It is of none, and opens none.
    None,
    /// It opens one.
    New,
    /// It is of one that is not yet seen to be established.
    Young,
    /// By it a flow is seen to be established.
    Settles,
    /// It is of an established one.
    Known,
}

/// A flow that was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KnownFlow {
    /// Its state, by IPVS's name.
    pub state: String,
    /// Where it goes.
    #[schema(value_type = Option<String>, example = "10.0.0.11:80")]
    pub server: Option<SocketAddr>,
    /// Seconds since its last packet.
    pub age_s: u32,
    /// Seconds until it is forgotten, if no packet comes.
    pub expires_s: u32,
    /// Whether persistence bound it to its server.
    pub persistent: bool,
}

/// A template of persistence: where a client's new flows go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Template {
    /// The client, or its network.
    pub client: String,
    /// Where its flows go; none if it is yet to be made.
    #[schema(value_type = Option<String>, example = "10.0.0.11:80")]
    pub server: Option<SocketAddr>,
    /// Seconds until it is forgotten, if the client opens no flow.
    pub expires_s: u32,
}

/// How a server was chosen for a new flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Choice {
    /// By which scheduler.
    pub scheduler: Scheduler,
    /// How that one chooses, in a sentence.
    pub how: String,
    /// Of one that goes by a sequence or a table: where it begins to look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Of lblc and lblcr: servers that the destination address is remembered to go to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub remembered: Vec<SocketAddr>,
    /// Whether chance decides, so that the next packet may go elsewhere.
    #[serde(default)]
    pub random: bool,
    /// The servers, in the scheduler's order.
    pub servers: Vec<Candidate>,
}

/// A place in a sequence of choices or in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Place {
    /// From 0.
    pub at: u64,
    /// How many there are.
    pub of: u64,
}

/// A server that could be chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Candidate {
    /// The server.
    #[schema(value_type = String, example = "10.0.0.11:80")]
    pub server: SocketAddr,
    /// Its share.
    pub weight: u32,
    /// Flows in states that count as active.
    pub active: u32,
    /// The others.
    pub inactive: u32,
    /// What the scheduler compares, if it compares a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figure: Option<f64>,
    /// Why it takes no new flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<String>,
    /// Whether it is the one.
    pub chosen: bool,
}

/// A field of the packet that is written, or a header that is put in front.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldChange {
    /// Its name.
    pub field: String,
    /// What it was; empty of a new header.
    #[serde(default)]
    pub from: String,
    /// What it becomes.
    pub to: String,
}

/// How a packet leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WayOut {
    /// Out of this interface.
    pub interface: String,
    /// To this neighbour, if it is known: the server, the client, or a router.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "10.0.0.11")]
    pub neighbour: Option<IpAddr>,
    /// The neighbour's MAC.
    pub destination_mac: String,
    /// The interface's own.
    pub source_mac: String,
    /// VLAN tags, the outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vlans: Vec<u16>,
}

/// How large a packet is and may be, in bytes from its IP header on, tunnel headers already taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Mtu {
    /// The packet.
    pub length: u16,
    /// The most that its way carries.
    pub most: u16,
}
