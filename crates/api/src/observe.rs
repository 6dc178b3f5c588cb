//! The client's questions that change nothing: what would become of a packet, and what becomes of packets now.

use crate::{
    Client, EXPLAIN, Error, Explanation, Lines, TRACE, TraceLine,
    client::{asking, word},
};
use relvs_model::{Protocol, ServiceKey};
use std::net::SocketAddr;

/// A packet that is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Where it comes from.
    pub source: SocketAddr,
    /// Where it goes.
    pub destination: SocketAddr,
    /// Its protocol.
    pub protocol: Protocol,
    /// TCP's flags, as in `syn,ack`, or the type of SCTP's first chunk; none is what opens a flow.
    pub flags: Option<String>,
    /// The interface that it comes in on; none is the first that is served.
    pub interface: Option<String>,
    /// Bytes from the IP header on; none is the least.
    pub length: Option<u16>,
}

/// Which decisions are told. None is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// About packets from or to this address, or this network.
    pub client: Option<String>,
    /// About packets of this service.
    pub service: Option<ServiceKey>,
    /// For these reasons; `forwarded` are those that were sent on.
    pub reasons: Vec<String>,
    /// So many.
    pub count: Option<u64>,
    /// For so many seconds.
    pub seconds: Option<u32>,
}

impl Client {
    /// What would become of a packet, and why. Nothing changes by asking.
    ///
    /// # Errors
    ///
    /// Nobody listens, or there can be no such packet.
    pub fn explain(&self, question: &Question) -> Result<Explanation, Error> {
        self.get(&asking(
            EXPLAIN,
            [
                ("source", Some(question.source.to_string())),
                ("destination", Some(question.destination.to_string())),
                ("protocol", Some(question.protocol.to_string())),
                ("flags", question.flags.clone()),
                ("interface", question.interface.clone()),
                ("length", question.length.map(|length| length.to_string())),
            ],
        ))
    }

    /// Decisions as they are taken, until nobody wants more.
    ///
    /// # Errors
    ///
    /// Nobody listens, the filter is refused, or too many watch already.
    pub fn trace(&self, watch: &Watch) -> Result<Lines<TraceLine>, Error> {
        let reasons = (!watch.reasons.is_empty()).then(|| watch.reasons.join(","));
        let path = asking(
            TRACE,
            [
                ("client", watch.client.clone()),
                ("service", watch.service.map(word)),
                ("reason", reasons),
                ("count", watch.count.map(|count| count.to_string())),
                ("seconds", watch.seconds.map(|seconds| seconds.to_string())),
            ],
        );
        self.lines(&path, None)
    }
}
