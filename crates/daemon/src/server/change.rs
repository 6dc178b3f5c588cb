//! Requests that change what is in force.

use super::{
    Asker,
    answer::{Answer, json_at},
    ask,
    request::{Asked, Options, body, guard, key, query},
};
use crate::director::Guard;
use axum::{body::Body, extract::State, http::HeaderMap};
use relvs_api::{Changes, Configuration, Failure, Outcome};
use relvs_model::{Edit, Zero};
use serde::Deserialize;

/// Makes this the configuration: all of it or nothing.
#[utoipa::path(put, path = "/v1/configuration",
    params(
        ("dry_run" = Option<bool>, Query, description = "only say what would change"),
        ("If-Match" = Option<String>, Header, pattern = r#"^("\d{1,19}"|\d{1,19}|\*)$"#, description = "the revision that must be in force"),
    ),
    request_body(content = Configuration, example = json!({"services": [{
        "key": {"protocol": "tcp", "address": "192.0.2.100", "port": 80}, "scheduler": "wrr",
        "servers": [{"address": "10.0.0.11", "port": 80, "weight": 2, "method": "dr"}]}]})),
    responses(
        (status = 200, description = "what changed", body = Outcome,
            headers(("ETag" = String, description = "the revision that is in force now"))),
        (status = 400, description = "it cannot be read", body = Failure),
        (status = 412, description = "another revision is in force; nothing was changed", body = Failure),
        (status = 413, description = "it is too large", body = Failure),
        (status = 422, description = "it cannot be; nothing was changed", body = Failure),
        (status = "default", description = "why not", body = Failure),
    ))]
pub(super) async fn replace(
    State(asker): State<Asker>,
    options: Asked<Options>,
    headers: HeaderMap,
    request: Body,
) -> Answer {
    let options = query(options)?;
    let wanted: Configuration = body(request).await?;
    let guard = guard(&options, &headers, wanted.revision)?;
    outcome(ask(&asker, move |director| director.replace(wanted, &guard)).await?).await
}

/// Makes these changes, in their order: all of them or none.
#[utoipa::path(post, path = "/v1/changes",
    params(
        ("dry_run" = Option<bool>, Query, description = "only say what would change"),
        ("If-Match" = Option<String>, Header, pattern = r#"^("\d{1,19}"|\d{1,19}|\*)$"#, description = "the revision that must be in force"),
    ),
    request_body(content = Changes, example = json!({"changes": [
        {"clear": {}},
        {"add_service": {"key": {"protocol": "tcp", "address": "192.0.2.100", "port": 80}, "scheduler": "wlc", "servers": []}},
        {"add_server": {"service": {"protocol": "tcp", "address": "192.0.2.100", "port": 80},
            "server": {"address": "10.0.0.12", "port": 80, "weight": 1, "method": "dr"}}},
        {"edit_server": {"service": {"protocol": "tcp", "address": "192.0.2.100", "port": 80},
            "address": "10.0.0.12", "weight": 0}},
        {"set_timeouts": {"tcp_s": 600}}]})),
    responses(
        (status = 200, description = "what changed", body = Outcome,
            headers(("ETag" = String, description = "the revision that is in force now"))),
        (status = 400, description = "they cannot be read", body = Failure),
        (status = 412, description = "another revision is in force; nothing was changed", body = Failure),
        (status = 413, description = "they are too large", body = Failure),
        (status = 422, description = "one cannot be made, which `change` names; nothing was changed", body = Failure),
        (status = "default", description = "why not", body = Failure),
    ))]
pub(super) async fn edit(
    State(asker): State<Asker>,
    options: Asked<Options>,
    headers: HeaderMap,
    request: Body,
) -> Answer {
    let options = query(options)?;
    let Changes { changes } = body(request).await?;
    made(&asker, changes, guard(&options, &headers, None)?).await
}

/// Whose counters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    service: Option<String>,
}

/// Counters begin at nothing: a service's and its servers', or everything's.
#[utoipa::path(post, path = "/v1/zero",
    params(("service" = Option<String>, Query, pattern = r"^((\d{1,3}(\.\d{1,3}){3}|\[[0-9a-fA-F:.]+\]):\d{1,5}(/(tcp|udp|sctp))?|mark:\d{1,10}(/ipv[46])?)$", description = "whose, as in 192.0.2.100:80/tcp or mark:7")),
    responses(
        (status = 200, description = "done", body = Outcome),
        (status = 400, description = "the service's key cannot be read", body = Failure),
        (status = 422, description = "there is no such service", body = Failure),
        (status = "default", description = "why not", body = Failure),
    ))]
pub(super) async fn zero(State(asker): State<Asker>, whose: Asked<Whose>) -> Answer {
    let service = query(whose)?.service.as_deref().map(key).transpose()?;
    made(&asker, vec![Edit::Zero(Zero { service })], Guard::default()).await
}

/// Has these edits made.
pub(super) async fn made(asker: &Asker, edits: Vec<Edit>, guard: Guard) -> Answer {
    outcome(ask(asker, move |director| director.edit(&edits, &guard)).await?).await
}

async fn outcome(outcome: Result<Outcome, Failure>) -> Answer {
    let outcome = outcome?;
    json_at(outcome.revision, outcome).await
}
