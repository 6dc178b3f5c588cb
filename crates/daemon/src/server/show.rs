//! Requests that only ask, and the one that has the file read again.

use super::{
    Asker,
    answer::{Answer, failed, json, json_at},
    ask,
};
use crate::director::Director;
use axum::{extract::State, response::IntoResponse as _};
use relvs_api::{Code, Configuration, Failure, Status};

/// What the director does at this moment.
#[utoipa::path(get, path = "/v1/status", responses(
    (status = 200, description = "everything that it does", body = Status),
    (status = "default", description = "why not", body = Failure),
))]
pub(super) async fn status(State(asker): State<Asker>) -> Answer {
    let status = ask(&asker, |director| director.status()).await?;
    json(status.map_err(failed)?).await
}

/// Reads the configuration file again, which then is in force whatever was changed since.
#[utoipa::path(post, path = "/v1/reload", responses(
    (status = 200, description = "what changed, like a diff", content_type = "text/plain", body = String),
    (status = 422, description = "the file is wrong; nothing was changed", body = Failure),
    (status = "default", description = "why not", body = Failure),
))]
pub(super) async fn reload(State(asker): State<Asker>) -> Answer {
    let plan = ask(&asker, Director::reload).await?;
    let plan = plan.map_err(|errors| Failure { errors, ..Failure::new(Code::Refused, "") })?;
    Ok(plan.into_response())
}

/// The whole configuration that is in force, with its revision.
#[utoipa::path(get, path = "/v1/configuration", responses(
    (status = 200, description = "all of it", body = Configuration,
        headers(("ETag" = String, description = "the revision, for If-Match"))),
    (status = "default", description = "why not", body = Failure),
))]
pub(super) async fn configuration(State(asker): State<Asker>) -> Answer {
    let configuration = ask(&asker, |director| director.configuration()).await?;
    json_at(configuration.revision.unwrap_or_default(), configuration).await
}
