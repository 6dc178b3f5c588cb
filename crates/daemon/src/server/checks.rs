//! What is known by health checks, and drains.

use super::{
    Asker,
    answer::{Answer, failed, json},
    ask,
    request::body,
};
use axum::{body::Body, extract::State};
use relvs_api::{Code, Drain, Failure};
use relvs_model::health::ServiceStatus;
use std::net::SocketAddr;

/// What is known of servers by their health checks; of services that have any.
#[utoipa::path(get, path = "/v1/checks", responses(
    (status = 200, description = "in the order of their keys", body = Vec<ServiceStatus>),
    (status = "default", description = "why not", body = Failure),
))]
pub(super) async fn all(State(asker): State<Asker>) -> Answer {
    json(ask(&asker, |director| director.health()).await?).await
}

/// Drains a server, or takes that back.
#[utoipa::path(post, path = "/v1/drains", request_body = Drain, responses(
    (status = 200, description = "done", body = Drain),
    (status = 400, description = "the request cannot be read", body = Failure),
    (status = 422, description = "there is no such server", body = Failure),
    (status = "default", description = "why not", body = Failure),
))]
pub(super) async fn drain(State(asker): State<Asker>, request: Body) -> Answer {
    let wanted: Drain = body(request).await?;
    let Drain { service, address, port, drained } = wanted;
    let server = SocketAddr::new(address, port);
    let done = ask(&asker, move |director| {
        director.has_server(service, server).then(|| director.drain(service, server, drained))
    });
    match done.await? {
        Some(done) => {
            done.map_err(failed)?;
            json(wanted).await
        }
        None => {
            let error = format_args!("the service {service} has no server {server}");
            Err(Failure::new(Code::NoServer, error).into())
        }
    }
}
