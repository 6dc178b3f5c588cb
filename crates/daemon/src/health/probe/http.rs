//! Does the server answer requests as it should? (HTTP_GET, SSL_GET)
//!
//! One request on a connection of its own, in HTTP 1.0, 1.1 or 2 by hyper. Redirects are answers like others and are not
//! followed; nothing is kept from one probe to the next.

use super::{
    Reason, Talk,
    body::{self, Wants},
    course::Waits,
    session::{self, Stream},
};
use crate::health::tls;
use hyper::{
    Method, Request, Response, Version,
    body::{Body, Incoming},
    client::conn::{http1, http2},
    header::{CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use relvs_model::health::{HttpProbe, HttpVersion, StatusRange};
use std::{
    collections::HashMap,
    error::Error as _,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::task::JoinHandle;

/// The largest head of an answer, in bytes.
const HEAD_MAX: usize = 64 << 10;
/// The greatest number of header fields of an answer.
const HEADERS_MAX: usize = 256;
/// The most patterns that are kept compiled.
const PATTERNS_MAX: usize = 4096;

const NOT_HTTP: &str = "the answer is not HTTP";
const CLOSED: &str = "connection closed before the whole answer came";

/// What is good if nothing is said.
const GOOD: [StatusRange; 1] = [StatusRange { first: 200, last: 299 }];

/// Regular expressions are compiled once.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    compiled: Mutex<HashMap<String, Arc<regex::bytes::Regex>>>,
}

impl Patterns {
    fn get(&self, pattern: &str) -> Result<Arc<regex::bytes::Regex>, Reason> {
        // What stands in the map is whole, whoever panicked.
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = compiled.get(pattern) {
            return Ok(found.clone());
        }
        let made = relvs_config::pattern(pattern);
        let made = Arc::new(made.map_err(|why| format!("`{pattern}` is not a regular expression: {why}"))?);
        if compiled.len() >= PATTERNS_MAX {
            compiled.clear();
        }
        compiled.insert(pattern.to_owned(), made.clone());
        Ok(made)
    }
}

/// Asks, and compares the answer with what it should be.
pub(super) async fn probe(talk: &Talk<'_>, http: &HttpProbe) -> Result<(), Reason> {
    let wants = Wants {
        digest: http.digest.as_deref(),
        matching: http.regex.as_deref().map(|pattern| talk.shared.patterns.get(pattern)).transpose()?,
        not_matching: http.regex_no_match.as_deref().map(|pattern| talk.shared.patterns.get(pattern)).transpose()?,
    };
    let host = match &http.host {
        Some(host) => host.clone(),
        None => authority(talk.address(), http.tls.is_some()),
    };
    let request = request(http, &host)?;
    let alpn: &[&[u8]] = if http.version == HttpVersion::Http2 { &[b"h2"] } else { &[] };
    let stream = session::open(talk, http.tls.as_ref(), http.host.as_deref(), alpn).await?;
    let (response, _connection) = send(stream, http.version, request).await?;
    judge(response.status().as_u16(), &http.status)?;
    talk.course.waits_for(Waits::Rest);
    body::judge(response.into_body(), &wants, &talk.course).await
}

/// A connection that is read and written beside; it ends with this value.
pub(super) struct Connection(JoinHandle<Result<(), hyper::Error>>);

impl Connection {
    fn of(connection: impl Future<Output = Result<(), hyper::Error>> + Send + 'static) -> Self {
        Connection(tokio::spawn(connection))
    }

    /// Why a request got no answer: where the connection ended first, it knows better.
    async fn reason(mut self, error: &hyper::Error) -> Reason {
        if (error.is_canceled() || error.is_closed())
            && let Ok(Err(error)) = (&mut self.0).await
        {
            return reason(&error);
        }
        reason(error)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends one request and gives the head of its answer. The body comes while the connection is kept.
pub(super) async fn send<B>(
    stream: Box<dyn Stream>,
    version: HttpVersion,
    request: Request<B>,
) -> Result<(Response<Incoming>, Connection), Reason>
where
    B: Body<Data: Send, Error: std::error::Error + Send + Sync> + Send + Unpin + 'static,
{
    let stream = TokioIo::new(stream);
    if version == HttpVersion::Http2 {
        let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
            .max_header_list_size(HEAD_MAX as u32)
            .handshake(stream)
            .await
            .map_err(|e| reason(&e))?;
        let connection = Connection::of(connection);
        match sender.send_request(request).await {
            Ok(response) => Ok((response, connection)),
            Err(error) => Err(connection.reason(&error).await),
        }
    } else {
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_MAX)
            .max_headers(HEADERS_MAX)
            .handshake(stream)
            .await
            .map_err(|e| reason(&e))?;
        let connection = Connection::of(connection);
        match sender.send_request(request).await {
            Ok(response) => Ok((response, connection)),
            Err(error) => Err(connection.reason(&error).await),
        }
    }
}

fn request(http: &HttpProbe, host: &str) -> Result<Request<http_body_util::Empty<&'static [u8]>>, Reason> {
    let method = Method::from_bytes(http.method.as_bytes()).map_err(|_| format!("`{}` is no method", http.method))?;
    let uri = match http.version {
        HttpVersion::Http2 => {
            let scheme = if http.tls.is_some() { "https" } else { "http" };
            format!("{scheme}://{host}{}", http.path)
        }
        HttpVersion::Http10 | HttpVersion::Http11 => http.path.clone(),
    };
    let mut request = Request::builder().method(method).uri(uri).header(USER_AGENT, "relvs");
    request = match http.version {
        HttpVersion::Http10 => request.version(Version::HTTP_10).header(HOST, host),
        // The server closes first, so the connection lingers there and not here.
        HttpVersion::Http11 => request.version(Version::HTTP_11).header(HOST, host).header(CONNECTION, "close"),
        HttpVersion::Http2 => request.version(Version::HTTP_2),
    };
    let mut request = request
        .body(http_body_util::Empty::new())
        .map_err(|e| format!("the request cannot be made: {e} (path {}, host {host})", http.path))?;
    for (name, value) in &http.headers {
        let wrong = |_| format!("header {name}: it cannot be sent");
        let name: HeaderName = name.parse().map_err(|_| format!("`{name}` is no header's name"))?;
        request.headers_mut().insert(name.clone(), HeaderValue::from_str(value).map_err(wrong)?);
    }
    Ok(request)
}

/// `192.0.2.1:8080`, without the port that everybody knows.
pub(super) fn authority(address: SocketAddr, tls: bool) -> String {
    match (address, address.port(), tls) {
        (SocketAddr::V4(_), 80, false) | (SocketAddr::V4(_), 443, true) => address.ip().to_string(),
        (SocketAddr::V6(_), 80, false) | (SocketAddr::V6(_), 443, true) => format!("[{}]", address.ip()),
        (SocketAddr::V4(_), ..) => address.to_string(),
        // Without a scope.
        (SocketAddr::V6(six), ..) => format!("[{}]:{}", six.ip(), six.port()),
    }
}

fn judge(status: u16, good: &[StatusRange]) -> Result<(), Reason> {
    let good = if good.is_empty() { &GOOD } else { good };
    if good.iter().any(|range| (range.first..=range.last).contains(&status)) {
        return Ok(());
    }
    let ranges: Vec<String> = good
        .iter()
        .map(|range| match (range.first, range.last) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first} to {last}"),
        })
        .collect();
    Err(format!("status {status}, expected {}", ranges.join(" or ")))
}

/// What went wrong in HTTP, or below it.
pub(super) fn reason(error: &hyper::Error) -> Reason {
    let mut source = error.source();
    while let Some(inner) = source {
        // What ended the connection, within what that meant for the request.
        if let Some(error) = inner.downcast_ref::<hyper::Error>() {
            return reason(error);
        }
        if let Some(error) = inner.downcast_ref::<io::Error>() {
            return match error.kind() {
                io::ErrorKind::UnexpectedEof => CLOSED.to_owned(),
                // A chunk's length that is none. TLS has errors of its own under this kind.
                io::ErrorKind::InvalidInput => NOT_HTTP.to_owned(),
                io::ErrorKind::InvalidData => tls::reason(error).unwrap_or_else(|| format!("{NOT_HTTP}: {error}")),
                _ => session::reason(error),
            };
        }
        source = inner.source();
    }
    if error.is_parse_too_large() {
        return "the answer's header is too large".to_owned();
    }
    if error.is_parse() {
        return NOT_HTTP.to_owned();
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return CLOSED.to_owned();
    }
    match error.source() {
        Some(source) => format!("HTTP: {source}"),
        None => format!("HTTP: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_must_be_in_a_range() {
        assert_eq!(judge(204, &[]), Ok(()));
        assert_eq!(judge(500, &[]), Err("status 500, expected 200 to 299".to_owned()));
        let good = [StatusRange { first: 301, last: 301 }, StatusRange { first: 400, last: 404 }];
        assert_eq!((judge(301, &good), judge(404, &good)), (Ok(()), Ok(())));
        assert_eq!(judge(200, &good), Err("status 200, expected 301 or 400 to 404".to_owned()));
    }

    #[test]
    fn a_host_has_its_port_where_it_is_not_the_usual() {
        let host = |address: &str, tls| authority(address.parse().unwrap(), tls);
        assert_eq!(host("192.0.2.1:80", false), "192.0.2.1");
        assert_eq!(host("192.0.2.1:80", true), "192.0.2.1:80");
        assert_eq!(host("[2001:db8::1]:443", true), "[2001:db8::1]");
        assert_eq!(host("[2001:db8::1]:8443", true), "[2001:db8::1]:8443");
    }

    #[test]
    fn what_cannot_be_sent_is_a_reason() {
        let with = |path: &str, header: (&str, &str)| HttpProbe {
            path: path.to_owned(),
            headers: vec![(header.0.to_owned(), header.1.to_owned())],
            ..HttpProbe::default()
        };
        assert!(request(&with("/a b", ("x", "y")), "h").is_err());
        assert!(request(&with("/", ("x y", "z")), "h").unwrap_err().contains("`x y`"));
        assert!(request(&with("/", ("x", "y\nz")), "h").unwrap_err().contains("header x"));
        let request = request(&with("/a?b=c", ("Host", "other.example")), "h").unwrap();
        assert_eq!(request.headers().get(HOST).unwrap(), "other.example", "what is said wins");
    }

    #[test]
    fn what_a_configuration_may_ask_for_can_be_asked() {
        for (path, host) in [
            ("/", "www.example.org"),
            ("/healthz?a=b&c=%20", "a:8080"),
            ("/a;b=c/{d}", "192.0.2.7:80"),
            ("/\u{e9}", "[2001:db8::1]:8443"),
        ] {
            let text = format!(
                "[[service]]\nlisten = \"192.0.2.1:80/tcp\"\ncheck = {{ type = \"http\", path = \"{path}\", host = \"{host}\", \
                 headers = \"X-\u{41}: \u{e9} b\" }}\n[[service.server]]\naddress = \"10.0.0.1\"\n"
            );
            let parsed = relvs_config::parse_toml("f", &text);
            assert_eq!(parsed.diagnostics, [], "{path} {host}");
            let health = parsed.state.services[0].servers[0].health.clone().unwrap();
            let relvs_model::health::Probe::Http(http) = &health.checks[0].probe else { panic!("{health:?}") };
            for version in [HttpVersion::Http11, HttpVersion::Http2] {
                let http = HttpProbe { version, ..http.clone() };
                assert!(request(&http, host).is_ok(), "{path} {host}");
            }
        }
    }

    #[test]
    fn a_pattern_that_is_none_is_said() {
        let patterns = Patterns::default();
        assert!(patterns.get("a(b").unwrap_err().contains("`a(b`"));
        assert!(Arc::ptr_eq(&patterns.get("a+").unwrap(), &patterns.get("a+").unwrap()));
    }
}
