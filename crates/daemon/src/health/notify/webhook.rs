//! Events as JSON to an address of HTTP or HTTPS, in order, each tried a bounded number of times.

use super::{
    Telling,
    counts::{Counts, Fate, Way},
    outlet::Outlet,
};
use crate::health::tls;
use http_body_util::Full;
use hyper::{
    Request, StatusCode, Uri,
    client::conn::http1,
    header::{CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use relvs_model::health::{Event, Tls, Webhook};
use serde::Serialize;
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::mpsc::Receiver,
};
use tokio_rustls::TlsConnector;

/// From the first attempt to the second; then twice as long each time ...
const PAUSE: Duration = Duration::from_millis(500);
/// ... up to this.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// What is sent.
#[derive(Serialize)]
struct Message<'a> {
    /// In milliseconds since 1970
    time_ms: u64,
    host: &'a str,
    #[serde(flatten)]
    event: &'a Event,
}

/// One who is told by HTTP.
pub(super) fn start(webhook: Webhook, host: String, counts: Counts) -> Outlet {
    // The address may hold a secret behind its host.
    let shown = webhook.url.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    let name = format!("webhook {}", shown.as_deref().unwrap_or("without a host"));
    let way = (Way::Webhook, counts);
    Outlet::start(name.clone(), way, |queue, counts| post_all(name, webhook, host, queue, counts))
}

async fn post_all(name: String, webhook: Webhook, host: String, mut queue: Receiver<Arc<Telling>>, counts: Counts) {
    let configs = tls::Configs::default();
    while let Some(telling) = queue.recv().await {
        let time = telling.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let time_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let message = Message { time_ms, host: &host, event: &telling.event };
        let fate = match serde_json::to_vec(&message) {
            Ok(json) => deliver(&name, &configs, &webhook, &json).await,
            Err(error) => {
                tracing::error!("{name}: {error}");
                Fate::Failed
            }
        };
        counts.add(Way::Webhook, fate, 1);
    }
}

async fn deliver(name: &str, configs: &tls::Configs, webhook: &Webhook, json: &[u8]) -> Fate {
    let patience = Duration::from_millis(webhook.timeout_ms.into());
    let mut pause = PAUSE;
    for attempt in 0..=webhook.retries {
        let posted = tokio::time::timeout(patience, post(configs, webhook, json)).await;
        let posted = posted.unwrap_or_else(|_| Err(Failure::Passing(format!("no answer within {patience:?}"))));
        let why = match posted {
            Ok(()) => return Fate::Sent,
            Err(Failure::Final(why)) => {
                tracing::warn!("{name}: {why}; it is not tried again");
                return Fate::Failed;
            }
            Err(Failure::Passing(why)) => why,
        };
        if attempt == webhook.retries {
            tracing::warn!("{name}: {why}; given up after {} attempts", attempt + 1);
        } else {
            tracing::debug!("{name}: {why}; tried again in {pause:?}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
    Fate::Failed
}

/// Why it was not taken.
enum Failure {
    /// It will not be taken later.
    Final(String),
    /// It may.
    Passing(String),
}

async fn post(configs: &tls::Configs, webhook: &Webhook, json: &[u8]) -> Result<(), Failure> {
    let wrong = |what: &str| Failure::Final(format!("{what}: an address begins with http:// or https:// and a host"));
    let uri: Uri = webhook.url.parse().map_err(|_| wrong("what is configured is no address"))?;
    let encrypted = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(wrong("another scheme")),
    };
    let host = uri.host().ok_or_else(|| wrong("no host"))?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let passing = |e: std::io::Error| Failure::Passing(tls::reason(&e).unwrap_or_else(|| e.to_string()));
    let request = request(webhook, &uri, json)?;
    let stream = TcpStream::connect((bare, port)).await.map_err(passing)?;
    let status = if encrypted {
        let wants = Tls { verify: true, ca: webhook.ca.clone(), ..Tls::default() };
        let config = configs.get(&wants, &[]).map_err(Failure::Final)?;
        let address = stream.peer_addr().map_err(passing)?.ip();
        let name = tls::name(&wants, Some(host), address).map_err(Failure::Final)?;
        send(TlsConnector::from(config).connect(name, stream).await.map_err(passing)?, request).await
    } else {
        send(stream, request).await
    };
    match status? {
        status if status.is_success() => Ok(()),
        status
            if status.is_client_error()
                && status != StatusCode::REQUEST_TIMEOUT
                && status != StatusCode::TOO_MANY_REQUESTS =>
        {
            Err(Failure::Final(format!("status {}", status.as_u16())))
        }
        status => Err(Failure::Passing(format!("status {}", status.as_u16()))),
    }
}

type Body = Full<VecDeque<u8>>;

fn request(webhook: &Webhook, uri: &Uri, json: &[u8]) -> Result<Request<Body>, Failure> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    // Not what stands before an @: that would be a name and a password.
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let mut request = Request::post(path)
        .header(HOST, host)
        .header(USER_AGENT, "relvs")
        .header(CONTENT_TYPE, "application/json")
        .header(CONNECTION, "close")
        .body(Full::new(VecDeque::from(json.to_vec())))
        .map_err(|e| Failure::Final(e.to_string()))?;
    for (name, value) in &webhook.headers {
        let wrong = || Failure::Final(format!("header {name} cannot be sent"));
        let key: HeaderName = name.parse().map_err(|_| wrong())?;
        request.headers_mut().insert(key, HeaderValue::from_str(value).map_err(|_| wrong())?);
    }
    Ok(request)
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Body>,
) -> Result<StatusCode, Failure> {
    let failed = |e: hyper::Error| Failure::Passing(e.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let mut answer = std::pin::pin!(sender.send_request(request));
    // Nothing but the status matters. When the connection is over the answer is there or never comes.
    let ended = tokio::select! {
        answer = &mut answer => return Ok(answer.map_err(failed)?.status()),
        ended = connection => ended,
    };
    match (answer.await, ended) {
        (Ok(answer), _) => Ok(answer.status()),
        (Err(_), Err(error)) | (Err(error), Ok(())) => Err(failed(error)),
    }
}
