//! Services as resources: what they are and do.

use super::{
    Asker,
    answer::{Answer, failed, json, json_at},
    ask,
    request::{Asked, Options, guard, key, query},
};
use axum::{
    extract::{Path, State},
    http::HeaderMap,
};
use relvs_api::{Code, Failure, Outcome, Service};
use relvs_model::{Edit, ServiceKey, ServiceRef};

/// Every service, and what it does.
#[utoipa::path(get, path = "/v1/services", responses(
    (status = 200, description = "in the order of the configuration", body = Vec<Service>),
    (status = "default", description = "why not", body = Failure),
))]
pub(super) async fn all(State(asker): State<Asker>) -> Answer {
    let services = ask(&asker, |director| director.services(None)).await?;
    json(services.map_err(failed)?).await
}

/// A service, and what it does.
#[utoipa::path(get, path = "/v1/services/{key}",
    params(("key" = String, Path, pattern = r"^((\d{1,3}(\.\d{1,3}){3}|\[[0-9a-fA-F:.]+\]):\d{1,5}(/(tcp|udp|sctp))?|mark:\d{1,10}(/ipv[46])?)$", example = "192.0.2.100:80/tcp", description = "as in 192.0.2.100:80/tcp or mark:7")),
    responses(
        (status = 200, description = "the service", body = Service),
        (status = 400, description = "the key cannot be read", body = Failure),
        (status = 404, description = "there is no such service", body = Failure),
        (status = "default", description = "why not", body = Failure),
    ))]
pub(super) async fn one(State(asker): State<Asker>, Path(text): Path<String>) -> Answer {
    let key = key(&text)?;
    let services = ask(&asker, move |director| director.services(Some(key))).await?;
    match services.map_err(failed)?.pop() {
        Some(service) => json(service).await,
        None => Err(missing(key).into()),
    }
}

/// A service goes, with its servers.
#[utoipa::path(delete, path = "/v1/services/{key}",
    params(
        ("key" = String, Path, pattern = r"^((\d{1,3}(\.\d{1,3}){3}|\[[0-9a-fA-F:.]+\]):\d{1,5}(/(tcp|udp|sctp))?|mark:\d{1,10}(/ipv[46])?)$", example = "192.0.2.100:80/tcp", description = "as in 192.0.2.100:80/tcp or mark:7"),
        ("dry_run" = Option<bool>, Query, description = "only say what would change"),
        ("If-Match" = Option<String>, Header, pattern = r#"^("\d{1,19}"|\d{1,19}|\*)$"#, description = "the revision that must be in force"),
    ),
    responses(
        (status = 200, description = "what changed", body = Outcome),
        (status = 400, description = "the key cannot be read", body = Failure),
        (status = 404, description = "there is no such service", body = Failure),
        (status = 412, description = "another revision is in force; nothing was changed", body = Failure),
        (status = "default", description = "why not", body = Failure),
    ))]
pub(super) async fn delete(
    State(asker): State<Asker>,
    Path(text): Path<String>,
    options: Asked<Options>,
    headers: HeaderMap,
) -> Answer {
    let (key, guard) = (key(&text)?, guard(&query(options)?, &headers, None)?);
    let edit = Edit::DeleteService(ServiceRef { service: key });
    match ask(&asker, move |director| director.edit(&[edit], &guard)).await? {
        Ok(outcome) => json_at(outcome.revision, outcome).await,
        Err(failure) if failure.code == Code::NoService => Err(missing(key).into()),
        Err(failure) => Err(failure.into()),
    }
}

fn missing(key: ServiceKey) -> Failure {
    Failure::new(Code::NotFound, format_args!("there is no service {key}"))
}
