//! Decisions as they are taken: a line of JSON each, until nobody wants more.

use super::{
    Asker,
    answer::{Answer, failed},
    ask,
    flows::network,
    request::{Asked, key, malformed, query},
};
use crate::director::{Watched, reason_bit};
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, header},
    response::IntoResponse as _,
};
use http_body_util::channel::{Channel, Sender};
use relvs_api::{Failure, TraceLine};
use serde::Deserialize;
use std::{io, time::Duration};
use tokio::time::{Instant, sleep, timeout};

/// How often what was decided is taken.
const TAKEN: Duration = Duration::from_millis(100);
/// How long a client may take for a part.
const SENT: Duration = Duration::from_secs(5);

/// Which decisions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    client: Option<String>,
    service: Option<String>,
    reason: Option<String>,
    count: Option<u64>,
    seconds: Option<u32>,
}

/// Decisions as they are taken: a JSON object on each line. While somebody asks, every packet takes the slow way.
#[utoipa::path(get, path = "/v1/trace",
    params(
        ("client" = Option<String>, Query, description = "about packets from or to this address, or this network"),
        ("service" = Option<String>, Query, description = "about packets of this service, as in 192.0.2.100:80/tcp"),
        ("reason" = Option<String>, Query, description = "for these reasons, separated by commas; `forwarded` are \
            those that were sent on"),
        ("count" = Option<u64>, Query, description = "so many"),
        ("seconds" = Option<u32>, Query, description = "for so long"),
    ),
    responses(
        (status = 200, description = "one on each line", content_type = "application/x-ndjson", body = TraceLine),
        (status = 400, description = "the filter cannot be read", body = Failure),
        (status = 422, description = "there is no such service", body = Failure),
        (status = 503, description = "as many ask already as can", body = Failure),
        (status = "default", description = "why not", body = Failure),
    ))]
pub(super) async fn trace(State(asker): State<Asker>, wanted: Asked<Wanted>) -> Answer {
    let wanted = query(wanted)?;
    let mut limit = wanted.count.unwrap_or(u64::MAX);
    let end = wanted.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds.into()));
    let watched = watched(&wanted)?;
    let id = ask(&asker, move |director| director.watch(watched)).await??;
    let (sender, body) = Channel::<Bytes, io::Error>::new(1);
    tokio::spawn(async move {
        let mut sender = sender;
        let ended = send(&asker, &mut sender, id, &mut limit, end).await;
        // If it cannot be said now, the director gives up by itself who does not ask.
        let _ = ask(&asker, move |director| director.unwatch(id)).await;
        if let Err(error) = ended {
            sender.abort(error);
        }
    });
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))];
    Ok((kind, Body::new(body)).into_response())
}

fn watched(wanted: &Wanted) -> Result<Watched, Failure> {
    let mut reasons = 0;
    for name in wanted.reason.iter().flat_map(|names| names.split(',')) {
        reasons |= reason_bit(name.trim()).ok_or_else(|| {
            malformed(format!("reason: `{name}`: there is none of this name; docs/explain.md has all, and forwarded"))
        })?;
    }
    Ok(Watched {
        client: wanted.client.as_deref().map(network).transpose()?,
        service: wanted.service.as_deref().map(key).transpose()?,
        reasons: if reasons == 0 { u64::MAX } else { reasons },
    })
}

/// Sends what is decided until the limit or the end is reached, or nobody takes it.
async fn send(
    asker: &Asker,
    sender: &mut Sender<Bytes, io::Error>,
    id: u64,
    limit: &mut u64,
    end: Option<Instant>,
) -> io::Result<()> {
    loop {
        let over = end.is_some_and(|end| Instant::now() >= end);
        let taken = ask(asker, move |director| director.watched(id)).await;
        let lines = match taken {
            Ok(Ok(Some(lines))) => lines,
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => return Err(io::Error::other(failed(error))),
            // Too much is asked of it just now.
            Err(_) => Vec::new(),
        };
        let text = lines_of(lines, limit)?;
        // Nothing is sent too: that shows whether somebody is there.
        match timeout(SENT, sender.send_data(text)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Ok(()),
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
        if *limit == 0 || over {
            return Ok(());
        }
        sleep(end.map_or(TAKEN, |end| TAKEN.min(end.saturating_duration_since(Instant::now())))).await;
    }
}

/// As many as are wanted.
fn lines_of(lines: Vec<TraceLine>, limit: &mut u64) -> io::Result<Bytes> {
    let mut text = Vec::new();
    for line in lines {
        match line {
            TraceLine::Decision(_) if *limit == 0 => break,
            TraceLine::Decision(_) => *limit -= 1,
            TraceLine::Lost(_) => {}
        }
        serde_json::to_writer(&mut text, &line)?;
        text.push(b'\n');
    }
    Ok(text.into())
}
