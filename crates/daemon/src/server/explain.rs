//! What would become of a packet.

use super::{
    Asker,
    answer::{Answer, json},
    ask,
    request::{Asked as Query, malformed, query},
};
use crate::director::explain::{Asked, LARGEST, frame};
use axum::extract::State;
use relvs_api::{Explanation, Failure};
use relvs_model::Protocol;
use serde::Deserialize;
use std::net::SocketAddr;

/// The packet.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Packet {
    source: String,
    destination: String,
    #[serde(default)]
    protocol: Option<String>,
    flags: Option<String>,
    interface: Option<String>,
    length: Option<u16>,
}

/// What would become of a packet, and why: what the program decides, and the numbers behind it. Nothing changes by that.
#[utoipa::path(get, path = "/v1/explain",
    params(
        ("source" = String, Query, description = "where it comes from, as in 198.51.100.7:40000"),
        ("destination" = String, Query, description = "where it goes, as in 192.0.2.100:80"),
        ("protocol" = Option<String>, Query, description = "tcp, udp or sctp; tcp if none is said"),
        ("flags" = Option<String>, Query, description = "TCP's flags, as in syn,ack, or the type of SCTP's first chunk; \
            what opens a flow if none is said"),
        ("interface" = Option<String>, Query, description = "where it comes in; the first that is served if none is said"),
        ("length" = Option<u16>, Query, description = "bytes from the IP header on; the least if none is said"),
    ),
    responses(
        (status = 200, description = "what becomes of it", body = Explanation),
        (status = 400, description = "there is no such packet", body = Failure),
        (status = 422, description = "it cannot come in there", body = Failure),
        (status = "default", description = "why not", body = Failure),
    ))]
pub(super) async fn explain(State(asker): State<Asker>, packet: Query<Packet>) -> Answer {
    let asked = asked(query(packet)?)?;
    json(ask(&asker, move |director| director.explain(&asked)).await??).await
}

fn asked(packet: Packet) -> Result<Asked, Failure> {
    let end = |name: &str, text: &str| -> Result<SocketAddr, Failure> {
        text.parse().map_err(|_| {
            malformed(format!("{name}: `{text}`: write ADDRESS:PORT, as in 192.0.2.100:80 or [2001:db8::100]:80"))
        })
    };
    let (source, destination) = (end("source", &packet.source)?, end("destination", &packet.destination)?);
    if source.is_ipv4() != destination.is_ipv4() {
        return Err(malformed("source and destination are of different address families"));
    }
    let protocol = packet.protocol.as_deref().unwrap_or("tcp");
    let protocol: Protocol =
        protocol.parse().map_err(|()| malformed(format!("protocol: `{protocol}`: there are tcp, udp and sctp")))?;
    let flags = frame::flags(protocol, packet.flags.as_deref()).map_err(malformed)?;
    let least = Asked::least(protocol, source.is_ipv4());
    let length = packet.length.unwrap_or(least);
    if !(least..=LARGEST).contains(&length) {
        return Err(malformed(format!("length: {length}: such a packet has {least} to {LARGEST} bytes")));
    }
    Ok(Asked { source, destination, protocol, flags, interface: packet.interface, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_understood_or_refused_in_a_line() {
        let of = |source: &str, destination: &str, protocol: Option<&str>, flags: Option<&str>, length| {
            let text = |text: Option<&str>| text.map(str::to_owned);
            asked(Packet {
                source: source.to_owned(),
                destination: destination.to_owned(),
                protocol: text(protocol),
                flags: text(flags),
                interface: None,
                length,
            })
        };
        let (client, vip) = ("198.51.100.7:40000", "192.0.2.100:80");
        let usual = of(client, vip, None, None, None).unwrap();
        assert_eq!((usual.protocol, usual.flags, usual.length), (Protocol::Tcp, 2, 40));
        assert_eq!(of("[2001:db8::7]:1", "[2001:db8::1]:2", Some("udp"), None, None).unwrap().length, 48);
        assert_eq!(of(client, vip, Some("sctp"), Some("cookie-echo"), Some(1500)).unwrap().flags, 10);
        for wrong in [
            of("198.51.100.7", vip, None, None, None),
            of(client, "x", None, None, None),
            of(client, "[2001:db8::1]:80", None, None, None),
            of(client, vip, Some("icmp"), None, None),
            of(client, vip, None, Some("psh"), None),
            of(client, vip, Some("udp"), Some("syn"), None),
            of(client, vip, None, None, Some(39)),
            of(client, vip, None, None, Some(LARGEST + 1)),
        ] {
            let failure = wrong.unwrap_err();
            assert_eq!((failure.errors.len(), failure.to_string().lines().count()), (1, 1), "{failure}");
        }
    }
}
