//! `/metrics`: a snapshot that the director's loop gives, turned into text beside the loop and sent as fast as it is taken.
//!
//! However often it is asked for, the loop spends no more than a tenth of its time on it: a snapshot is given again for ten
//! times as long as it took.

use super::{
    Asker,
    answer::{Answer, Refused, failed},
    ask,
};
use crate::metrics::{CONTENT_TYPE, Process, Requests, Snapshot, Text};
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, header},
    response::IntoResponse as _,
};
use http_body_util::channel::Channel;
use relvs_api::{Code, Failure};
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{Mutex, Semaphore},
    time::{sleep, timeout},
};

/// So many scrapes at once.
const MOST: usize = 4;
/// How long a scrape may take from its beginning to its end.
const LIMIT: Duration = Duration::from_secs(30);
/// A snapshot is given again for so many times as long as it took to take.
const SHARE: u32 = 10;
/// It is not worth keeping for less.
const LEAST: Duration = Duration::from_millis(50);

/// What scrapes share.
pub(crate) struct Scrapes {
    asker: Asker,
    requests: Arc<Requests>,
    places: Arc<Semaphore>,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    snapshot: Arc<Snapshot>,
    until: Instant,
}

/// A listener's way to them.
#[derive(Clone)]
pub(crate) struct Scraping {
    pub(crate) scrapes: Arc<Scrapes>,
    /// With metrics of each server.
    pub(crate) servers: bool,
}

impl Scrapes {
    pub(crate) fn new(asker: Asker, requests: Arc<Requests>) -> Arc<Self> {
        Arc::new(Scrapes { asker, requests, places: Arc::new(Semaphore::new(MOST)), kept: Mutex::new(None) })
    }

    /// A snapshot of this moment, or of a moment ago.
    async fn snapshot(self: &Arc<Self>) -> Result<Arc<Snapshot>, Refused> {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| Instant::now() < kept.until) {
            return Ok(Arc::clone(&kept.snapshot));
        }
        *kept = None;
        let timed = |director: &mut crate::director::Director| {
            let begin = Instant::now();
            (director.snapshot(), begin.elapsed())
        };
        let (snapshot, took) = ask(&self.asker, timed).await?;
        let mut snapshot = snapshot.map_err(failed)?;
        snapshot.process = Process::now();
        snapshot.requests = self.requests.counts();
        let (snapshot, again) = (Arc::new(snapshot), took * SHARE);
        if again >= LEAST {
            *kept = Some(Kept { snapshot: Arc::clone(&snapshot), until: Instant::now() + again });
            let scrapes = Arc::clone(self);
            tokio::spawn(async move {
                sleep(again).await;
                let mut kept = scrapes.kept.lock().await;
                if kept.as_ref().is_some_and(|kept| kept.until <= Instant::now()) {
                    *kept = None;
                }
            });
        }
        Ok(snapshot)
    }
}

/// Metrics for Prometheus.
#[utoipa::path(get, path = "/metrics", responses(
    (status = 200, description = "in Prometheus's text format", content_type = "text/plain", body = String),
    (status = 503, description = "too many ask at once", body = Failure),
    (status = "default", description = "why not", body = Failure),
))]
pub(super) async fn metrics(State(scraping): State<Scraping>) -> Answer {
    let busy = |_| Failure::new(Code::Busy, format!("{MOST} scrapes are under way already; try again"));
    let place = Arc::clone(&scraping.scrapes.places).try_acquire_owned().map_err(busy)?;
    let late = |_| Failure::new(Code::Busy, "the director's loop did not answer in time");
    let snapshot = timeout(LIMIT, scraping.scrapes.snapshot()).await.map_err(late)??;
    let (mut sender, body) = Channel::<Bytes, io::Error>::new(1);
    let text = Text::new(snapshot, scraping.servers);
    tokio::spawn(async move {
        let _place = place;
        let sent = timeout(LIMIT, async {
            for part in text {
                // Nobody takes it any more.
                if sender.send_data(part.into()).await.is_err() {
                    break;
                }
            }
        });
        if sent.await.is_err() {
            sender.abort(io::ErrorKind::TimedOut.into());
        }
    });
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE))], Body::new(body)).into_response())
}
