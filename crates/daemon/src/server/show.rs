//! Requests that only ask, and the one that has the file read again.

use super::{
    Asker,
    answer::{Answer, failed, json, json_at},
    ask,
    request::body,
};
use crate::director::Director;
use axum::{body::Body, extract::State, response::IntoResponse as _};
use relvs_api::{Beside, Code, Configuration, Differences, Failure, Status};
use relvs_config::parse_toml;
use tokio::task::spawn_blocking;

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

/// How a file differs from what is in force, in what no request changes: virtual routers, and who is told. Nothing changes; a
/// reload brings the director's own file into force.
#[utoipa::path(post, path = "/v1/differences",
    request_body(content = Beside, example = json!({"toml": "[notify]\nfifo = \"/run/relvs/events\"\n"})),
    responses(
        (status = 200, description = "what would change, a line each", body = Differences),
        (status = 400, description = "the request cannot be read", body = Failure),
        (status = 413, description = "it is too large", body = Failure),
        (status = 422, description = "the file is wrong", body = Failure),
        (status = "default", description = "why not", body = Failure),
    ))]
pub(super) async fn differences(State(asker): State<Asker>, request: Body) -> Answer {
    let Beside { toml, partial } = body(request).await?;
    let read = spawn_blocking(move || parse_toml("relvs.toml", &toml)).await.map_err(failed)?;
    if read.has_errors() {
        let errors = read.diagnostics.iter().map(ToString::to_string).collect();
        return Err(Failure { errors, ..Failure::new(Code::Refused, "") }.into());
    }
    let (notify, vrrp) = (read.state.notify, read.state.vrrp);
    json(ask(&asker, move |director| Differences { lines: director.differences(notify, &vrrp, partial) }).await?).await
}
