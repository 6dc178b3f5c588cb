//! What holds at one listener: who is let in, how often, and what is answered there.

use super::{access::Keys, answer::Refused};
use crate::metrics::Requests;
use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Request, header},
    response::{IntoResponse as _, Response},
};
use hyper::{body::Incoming, service::Service as _};
use hyper_util::service::TowerToHyperService;
use relvs_api::{Code, Failure};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use tokio_rustls::TlsAcceptor;

/// What holds at one listener.
pub(super) struct Setup {
    /// In the log.
    pub(super) name: String,
    /// So many connections at once.
    pub(super) most: usize,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) keys: Keys,
    pub(super) pace: Option<Pace>,
    pub(super) routes: Router,
    /// Where requests of the API are counted.
    pub(super) requests: Option<Arc<Requests>>,
}

impl Setup {
    /// The answer to a request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response {
        let response = match self.admit(&request) {
            Ok(()) => match TowerToHyperService::new(self.routes.clone()).call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
            Err(failure) => refuse(failure),
        };
        if let Some(requests) = &self.requests {
            requests.count(response.status().as_u16());
        }
        response
    }

    fn admit<B>(&self, request: &Request<B>) -> Result<(), Failure> {
        self.keys.admit(request.method(), request.headers())?;
        match self.pace.as_ref().is_none_or(|pace| pace.take(Instant::now())) {
            true => Ok(()),
            false => Err(Failure::new(Code::Limited, "these are more requests than are taken in a second; try again")),
        }
    }
}

/// The connection ends with it: what follows of the request is not read.
fn refuse(failure: Failure) -> Response<Body> {
    let wants_token = failure.code == Code::Unauthorized;
    let mut response = Refused::from(failure).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if wants_token {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// How often something may happen: so often a second, and so often at once.
pub(super) struct Pace {
    a_second: f64,
    at_once: f64,
    left: Mutex<(f64, Instant)>,
}

impl Pace {
    pub(super) fn new(a_second: f64, at_once: f64) -> Self {
        Pace { a_second, at_once, left: Mutex::new((at_once, Instant::now())) }
    }

    /// Whether it may happen now; then it has.
    fn take(&self, now: Instant) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let grown = now.saturating_duration_since(left.1).as_secs_f64() * self.a_second;
        *left = ((left.0 + grown).min(self.at_once), now.max(left.1));
        let may = left.0 >= 1.0;
        if may {
            left.0 -= 1.0;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn so_often_at_once_and_so_often_a_second() {
        let pace = Pace::new(10.0, 3.0);
        let begin = Instant::now();
        let taken = |after_ms: u64| pace.take(begin + Duration::from_millis(after_ms));
        assert_eq!([taken(1), taken(1), taken(1), taken(1)], [true, true, true, false]);
        assert_eq!([taken(102), taken(103)], [true, false]);
        // However long nothing happens, it is no more than so often at once.
        assert_eq!([60_000; 4].map(taken), [true, true, true, false]);
    }
}
