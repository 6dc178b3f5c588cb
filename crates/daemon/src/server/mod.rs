//! The control API: HTTP and JSON over the control socket, for the run directory's owner and group, and over TCP for those
//! who show a token or a certificate; and metrics.
//!
//! Each request becomes one question to the director's loop and waits for its answer; reading and writing JSON is done
//! beside the loop. Nothing that a client sends can hold up forwarding: that is the kernel's.

mod access;
mod answer;
mod change;
mod checks;
mod connections;
pub(crate) mod description;
mod door;
mod explain;
mod flows;
mod health;
mod listeners;
mod patience;
mod request;
mod scrape;
mod services;
mod show;
mod trace;
mod vrrp;

use crate::{director::Director, metrics::Requests};
use access::Keys;
use answer::{Refused, ending};
use axum::{
    Router,
    routing::{get, post},
};
use door::Setup;
use relvs_api::{
    CHANGES, CHECKS, CONFIGURATION, Code, DESCRIPTION, DIFFERENCES, DRAINS, EXPLAIN, FLOWS, Failure, HEALTH, METRICS,
    READY, RELOAD, SERVICES, STATUS, TRACE, VRRP, VRRP_COMMANDS, ZERO,
};
use scrape::{Scrapes, Scraping};
use std::sync::Arc;
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

pub(crate) use listeners::Listeners;
pub(crate) use request::parse;

/// What a client asks, or has done.
pub(crate) type Question = Box<dyn FnOnce(&mut Director) + Send>;

/// Questions that may wait.
pub(crate) const WAITING: usize = 64;

type Asker = mpsc::Sender<Question>;

/// What listeners share.
#[derive(Clone)]
struct Shared {
    asker: Asker,
    requests: Arc<Requests>,
    scrapes: Arc<Scrapes>,
}

impl Shared {
    fn new(asker: Asker) -> Self {
        let requests = Arc::new(Requests::default());
        Shared { scrapes: Scrapes::new(asker.clone(), Arc::clone(&requests)), asker, requests }
    }

    /// What holds at the control socket: whoever may connect may do everything.
    fn control(&self, most: usize) -> Setup {
        Setup {
            name: "control socket".to_owned(),
            most,
            tls: None,
            keys: Keys::default(),
            pace: None,
            routes: self.api(),
            requests: Some(Arc::clone(&self.requests)),
        }
    }

    /// Everything that is answered.
    fn api(&self) -> Router {
        let routes = Router::new()
            .route(STATUS, get(show::status))
            .route(RELOAD, post(show::reload))
            .route(CONFIGURATION, get(show::configuration).put(change::replace))
            .route(CHANGES, post(change::edit))
            .route(DIFFERENCES, post(show::differences))
            .route(ZERO, post(change::zero))
            .route(CHECKS, get(checks::all))
            .route(DRAINS, post(checks::drain))
            .route(VRRP, get(vrrp::status))
            .route(VRRP_COMMANDS, post(vrrp::command))
            .route(SERVICES, get(services::all))
            .route(&format!("{SERVICES}/{{*key}}"), get(services::one).delete(services::delete))
            .route(EXPLAIN, get(explain::explain))
            .route(FLOWS, get(flows::flows))
            .route(TRACE, get(trace::trace))
            .route(DESCRIPTION, get(description::description))
            .with_state(self.asker.clone());
        ended(routes.merge(self.health()).merge(self.metrics(true)))
    }

    /// What is answered where metrics are listened for.
    fn scraped(&self, servers: bool) -> Router {
        ended(self.health().merge(self.metrics(servers)))
    }

    fn health(&self) -> Router {
        Router::new()
            .route(HEALTH, get(health::healthz))
            .route(READY, get(health::readyz))
            .with_state(self.asker.clone())
    }

    fn metrics(&self, servers: bool) -> Router {
        let scraping = Scraping { scrapes: Arc::clone(&self.scrapes), servers };
        Router::new().route(METRICS, get(scrape::metrics)).with_state(scraping)
    }
}

/// Whatever else is asked.
fn ended(routes: Router) -> Router {
    let nothing = async || Refused::from(Failure::new(Code::NotFound, "there is nothing at this path"));
    let otherwise = async || Refused::from(Failure::new(Code::NotAllowed, "this path has no such method"));
    routes.method_not_allowed_fallback(otherwise).fallback(nothing)
}

/// Asks the director's loop.
async fn ask<T: Send + 'static>(
    asker: &Asker,
    question: impl FnOnce(&mut Director) -> T + Send + 'static,
) -> Result<T, Failure> {
    let (sender, receiver) = oneshot::channel();
    // A client that has gone away needs no answer.
    let question: Question = Box::new(move |director| drop(sender.send(question(director))));
    asker.try_send(question).map_err(|error| match error {
        TrySendError::Full(_) => Failure::new(Code::Busy, format!("{WAITING} requests wait already; try again")),
        TrySendError::Closed(_) => ending(),
    })?;
    receiver.await.map_err(|_| ending())
}
