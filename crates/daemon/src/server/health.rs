//! `/healthz` and `/readyz`, for those who restart a daemon, and for those who send it traffic.

use super::{
    Asker,
    answer::{Refused, failed},
    ask,
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use relvs_api::{Code, Failure, Health, Ready};
use std::time::Duration;
use tokio::time::timeout;

/// A loop that does not answer so long is stuck.
const STUCK: Duration = Duration::from_secs(5);

/// Whether the process lives, and its loop answers.
#[utoipa::path(get, path = "/healthz", responses(
    (status = 200, description = "it does", body = Health),
    (status = 503, description = "its loop does not answer", body = Failure),
    (status = "default", description = "why not", body = Failure),
))]
pub(super) async fn healthz(State(asker): State<Asker>) -> Result<Response, Refused> {
    asked(&asker, |_| ()).await?;
    Ok(Json(Health { alive: true }).into_response())
}

/// Whether this director should get traffic: every interface is served, and the tables are written.
#[utoipa::path(get, path = "/readyz", responses(
    (status = 200, description = "it should", body = Ready),
    (status = 503, description = "not yet, or not any more, and why", body = Ready),
    (status = "default", description = "why not", body = Failure),
))]
pub(super) async fn readyz(State(asker): State<Asker>) -> Result<Response, Refused> {
    let reasons = match asked(&asker, |director| director.unready()).await {
        Ok(reasons) => reasons.map_err(failed)?,
        Err(failure) => failure.errors,
    };
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(Ready { ready, reasons })).into_response())
}

async fn asked<T: Send + 'static>(
    asker: &Asker,
    question: impl FnOnce(&mut crate::director::Director) -> T + Send + 'static,
) -> Result<T, Failure> {
    let late =
        |_| Failure::new(Code::Busy, format!("the director's loop does not answer within {} s", STUCK.as_secs()));
    timeout(STUCK, ask(asker, question)).await.map_err(late)?
}
