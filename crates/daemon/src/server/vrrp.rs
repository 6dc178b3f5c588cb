//! Virtual routers: what they are and do, and what an operator wants of them.

use super::{
    Asker,
    answer::{Answer, failed, json},
    ask,
    request::body,
};
use axum::{body::Body, extract::State};
use relvs_api::{Code, Failure, VrrpCommand, VrrpVerb};
use relvs_model::vrrp::Status;
use relvs_proto::vrrp::{Command, Refused};

/// What the virtual routers are and do.
#[utoipa::path(get, path = "/v1/vrrp", responses(
    (status = 200, description = "in the order of the configuration; nothing, if there are none", body = Status),
    (status = "default", description = "why not", body = Failure),
))]
pub(super) async fn status(State(asker): State<Asker>) -> Answer {
    let status = ask(&asker, |director| director.shown_routers()).await?;
    json(status.map_err(failed)?.unwrap_or_default()).await
}

/// Hands over, takes virtual routers out of service, or puts them back. What comes of it the status says: it takes a part of
/// an interval.
#[utoipa::path(post, path = "/v1/vrrp/commands", request_body = VrrpCommand, responses(
    (status = 200, description = "it is begun; this is how they are now", body = Status),
    (status = 400, description = "the request cannot be read", body = Failure),
    (status = 422, description = "there is no such virtual router, or it has nothing to hand over", body = Failure),
    (status = "default", description = "why not", body = Failure),
))]
pub(super) async fn command(State(asker): State<Asker>, request: Body) -> Answer {
    let VrrpCommand { command, name } = body(request).await?;
    let command = match command {
        VrrpVerb::Failover => Command::FailOver,
        VrrpVerb::Maintenance => Command::Maintain,
        VrrpVerb::Release => Command::Release,
    };
    let done = ask(&asker, move |director| {
        let done = director.command_routers(name.as_deref(), command)?;
        Ok(done.and(Ok(director.shown_routers()?.unwrap_or_default())))
    });
    let done: Result<Result<Status, Refused>, crate::director::Error> = done.await?;
    match done.map_err(failed)? {
        Ok(status) => json(status).await,
        Err(refused) => Err(Failure::new(Code::Refused, refused).into()),
    }
}
