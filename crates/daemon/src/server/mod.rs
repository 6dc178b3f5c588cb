//! The control socket: HTTP and JSON, for the run directory's owner and group.
//!
//! Each request becomes one question to the director's loop and waits for its answer; reading and writing JSON is done
//! beside the loop. Nothing that a client sends can hold up forwarding: that is the kernel's.

mod answer;
mod change;
mod connections;
pub(crate) mod description;
mod flows;
mod request;
mod services;
mod show;

use crate::director::Director;
use answer::{Refused, ending};
use axum::{
    Router,
    routing::{get, post},
};
use relvs_api::{CHANGES, CONFIGURATION, Code, DESCRIPTION, FLOWS, Failure, RELOAD, SERVICES, STATUS, ZERO};
use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path};
use tokio::{
    net::UnixListener,
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot,
    },
};

/// What a client asks, or has done.
pub(crate) type Question = Box<dyn FnOnce(&mut Director) + Send>;

/// Questions that may wait.
pub(crate) const WAITING: usize = 64;

type Asker = mpsc::Sender<Question>;

/// Opens the socket. One that a killed daemon left is removed: the caller holds the run directory.
pub(crate) fn listen(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Answers requests until the task is dropped.
pub(crate) async fn serve(listener: UnixListener, asker: Asker) {
    let nothing = async || Refused::from(Failure::new(Code::NotFound, "there is nothing at this path"));
    let otherwise = async || Refused::from(Failure::new(Code::NotAllowed, "this path has no such method"));
    let routes = Router::new()
        .route(STATUS, get(show::status))
        .route(RELOAD, post(show::reload))
        .route(CONFIGURATION, get(show::configuration).put(change::replace))
        .route(CHANGES, post(change::edit))
        .route(ZERO, post(change::zero))
        .route(SERVICES, get(services::all))
        .route(&format!("{SERVICES}/{{*key}}"), get(services::one).delete(services::delete))
        .route(FLOWS, get(flows::flows))
        .route(DESCRIPTION, get(description::description))
        .fallback(nothing)
        .method_not_allowed_fallback(otherwise)
        .with_state(asker);
    connections::serve(listener, routes).await;
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
