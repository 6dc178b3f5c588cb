//! The built-in HTTP/1.1 server: every answer carries the server's name in the header `x-server`.
//!
//! `GET /bytes/N[?seed=S]` N bytes of the pattern, `GET /slow/SECONDS/BYTES[?seed=S]` the same spread over time, `PUT /sink` reads all and
//! answers `LENGTH SHA256`, any other path answers the name and a line end.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::SERVER_HEADER;
use super::content::Content;
use super::pattern::hex;

/// Connections served at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 16_384;
/// Longest time for the head of a request.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// Longest slow download, in seconds.
const SLOW_MAX: u64 = 3600;
/// A listener that cannot accept (no file descriptors left) tries again after this.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Accepts and serves until the task is dropped; its connections end with it.
pub(crate) async fn serve(listener: TcpListener, name: Arc<str>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, Arc::clone(&name)));
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn connection(stream: TcpStream, name: Arc<str>) {
    // Small answers must not wait for an acknowledgement; a socket that refuses serves all the same.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, Arc::clone(&name)));
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
    // A client that goes away in the middle is the client's to report.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, name: Arc<str>) -> Result<Response<Content>, Infallible> {
    let (status, content) = content(request, &name).await;
    let mut response = Response::new(content);
    *response.status_mut() = status;
    if let Ok(value) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(SERVER_HEADER, value);
    }
    Ok(response)
}

async fn content(request: Request<Incoming>, name: &str) -> (StatusCode, Content) {
    let bad = |text: &str| (StatusCode::BAD_REQUEST, Content::text(format!("{text}\n")));
    let seed = request.uri().query().and_then(|query| query.strip_prefix("seed=")).map_or(Ok(0), str::parse);
    let Ok(seed) = seed else { return bad("seed: a number is wanted") };
    let path = request.uri().path().to_owned();
    let mut words = path.split('/').skip(1);
    let first = words.next().unwrap_or_default();
    let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
    match first {
        "bytes" => match number() {
            Some(length) => (StatusCode::OK, Content::pattern(seed, length, None)),
            None => bad("/bytes/N: a number is wanted"),
        },
        "slow" => match (number(), number()) {
            (Some(seconds @ 1..=SLOW_MAX), Some(length)) => {
                (StatusCode::OK, Content::pattern(seed, length, Some(seconds)))
            }
            _ => bad("/slow/SECONDS/BYTES: two numbers are wanted"),
        },
        "sink" if request.method() == Method::PUT => match sink(request.into_body()).await {
            Ok((length, digest)) => (StatusCode::OK, Content::text(format!("{length} {digest}\n"))),
            Err(error) => bad(&format!("upload: {error}")),
        },
        _ => (StatusCode::OK, Content::text(format!("{name}\n"))),
    }
}

async fn sink(mut body: Incoming) -> Result<(u64, String), hyper::Error> {
    let (mut length, mut digest) = (0, Sha256::new());
    while let Some(frame) = body.frame().await {
        if let Ok(bytes) = frame?.into_data() {
            length += bytes.len() as u64;
            digest.update(&bytes);
        }
    }
    Ok((length, hex(&digest.finalize())))
}
