//! The listing of flows: a line of JSON each, as they are found. The next part of the tables is read when the client has
//! taken the one before, so however many there are, a part is all that is held.

use super::{
    Asker,
    answer::{Answer, Refused, failed},
    ask,
    request::{Asked, key, malformed, query},
};
use crate::director::Wanted;
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, header},
    response::IntoResponse as _,
};
use http_body_util::channel::{Channel, Sender};
use relvs_api::{Failure, Flow};
use relvs_dataplane::Cursor;
use relvs_model::Network;
use serde::Deserialize;
use std::{io, time::Duration};
use tokio::time::timeout;

/// How long a client may take for a part.
const TAKEN: Duration = Duration::from_secs(30);

/// Which flows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    client: Option<String>,
    service: Option<String>,
    limit: Option<u64>,
}

/// Flows and templates of persistence at this moment: a JSON object on each line.
#[utoipa::path(get, path = "/v1/flows",
    params(
        ("client" = Option<String>, Query, pattern = r"^[0-9a-fA-F:.]+(/\d{1,3})?$", description = "of this client, or of this network's, as in 198.51.100.0/24"),
        ("service" = Option<String>, Query, pattern = r"^((\d{1,3}(\.\d{1,3}){3}|\[[0-9a-fA-F:.]+\]):\d{1,5}(/(tcp|udp|sctp))?|mark:\d{1,10}(/ipv[46])?)$", description = "of this service, as in 192.0.2.100:80/tcp or mark:7"),
        ("limit" = Option<u64>, Query, description = "so many"),
    ),
    responses(
        (status = 200, description = "one on each line", content_type = "application/x-ndjson", body = Flow),
        (status = 400, description = "the filter cannot be read", body = Failure),
        (status = "default", description = "why not", body = Failure),
    ))]
pub(super) async fn flows(State(asker): State<Asker>, filter: Asked<Filter>) -> Answer {
    let filter = query(filter)?;
    let wanted = Wanted {
        client: filter.client.as_deref().map(network).transpose()?,
        service: filter.service.as_deref().map(key).transpose()?,
    };
    let limit = filter.limit.unwrap_or(u64::MAX);
    // The first part before the answer begins, so that a failure can still be said.
    let first = part(&asker, Cursor::default(), wanted).await?;
    let (sender, body) = Channel::<Bytes, io::Error>::new(1);
    tokio::spawn(async move {
        let mut sender = sender;
        if let Err(error) = send(&asker, &mut sender, wanted, limit, first).await {
            sender.abort(error);
        }
    });
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))];
    Ok((kind, Body::new(body)).into_response())
}

type Part = (Vec<Flow>, Option<Cursor>);

async fn part(asker: &Asker, cursor: Cursor, wanted: Wanted) -> Result<Part, Refused> {
    let found = ask(asker, move |director| director.flows(cursor, &wanted)).await?;
    Ok(found.map_err(failed)?)
}

/// Sends flows until there are no more, or the limit is reached, or nobody takes them.
async fn send(
    asker: &Asker,
    sender: &mut Sender<Bytes, io::Error>,
    wanted: Wanted,
    mut limit: u64,
    first: Part,
) -> io::Result<()> {
    let (mut found, mut next) = first;
    loop {
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        limit -= found.len() as u64;
        if !found.is_empty() {
            let text = tokio::task::spawn_blocking(move || lines(&found)).await.map_err(io::Error::other)??;
            match timeout(TAKEN, sender.send_data(text)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Ok(()),
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
        let Some(cursor) = next.filter(|_| limit > 0) else { return Ok(()) };
        let gone = |_| io::Error::other("the director is ending or busy");
        (found, next) = part(asker, cursor, wanted).await.map_err(gone)?;
    }
}

fn lines(flows: &[Flow]) -> io::Result<Bytes> {
    let mut text = Vec::new();
    for flow in flows {
        serde_json::to_writer(&mut text, flow)?;
        text.push(b'\n');
    }
    Ok(text.into())
}

/// An address, or a network by its prefix.
pub(super) fn network(text: &str) -> Result<Network, Failure> {
    let bad = || malformed(format_args!("client `{text}` is no address and no network"));
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address: std::net::IpAddr = address.parse().map_err(|_| bad())?;
    let longest = Network::longest(address.is_ipv4());
    let prefix = prefix.map_or(Ok(longest), str::parse).map_err(|_| bad())?;
    if prefix > longest { Err(bad()) } else { Ok(Network::of(address, prefix)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_an_address_or_a_network() {
        let shown = |text| network(text).map(|network| network.to_string());
        assert_eq!(shown("198.51.100.7").unwrap(), "198.51.100.7");
        assert_eq!(shown("198.51.100.7/24").unwrap(), "198.51.100.0/24");
        assert_eq!(shown("2001:db8::7/32").unwrap(), "2001:db8::/32");
        for text in ["", "x", "198.51.100.7/33", "198.51.100.7/", "198.51.100.7:80"] {
            assert!(shown(text).is_err(), "{text}");
        }
    }
}
