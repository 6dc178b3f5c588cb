//! The control socket: HTTP and JSON, for the run directory's owner and group.
//!
//! Each request becomes one message to the director's loop and waits for its answer. Nothing that a client sends can
//! hold up forwarding: that is the kernel's.

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use relvs_api::{Failure, RELOAD, STATUS, Status};
use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path};
use tokio::{
    net::UnixListener,
    sync::{mpsc, oneshot},
};

/// What a client asks.
pub(crate) enum Question {
    /// For the status.
    Status(oneshot::Sender<Result<Status, Vec<String>>>),
    /// To read the configuration again.
    Reload(oneshot::Sender<Result<String, Vec<String>>>),
}

/// Questions that may wait.
pub(crate) const WAITING: usize = 64;
/// Bytes of the largest request.
const LARGEST: usize = 1 << 20;

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
pub(crate) async fn serve(listener: UnixListener, asker: Asker) -> io::Result<()> {
    let routes = Router::new()
        .route(STATUS, get(status))
        .route(RELOAD, post(reload))
        .layer(DefaultBodyLimit::max(LARGEST))
        .fallback(async || failure(StatusCode::NOT_FOUND, vec!["there is nothing at this path".to_owned()]))
        .with_state(asker);
    axum::serve(listener, routes).await
}

async fn status(State(asker): State<Asker>) -> Response {
    match ask(&asker, Question::Status).await {
        Ok(status) => Json(status).into_response(),
        Err(answer) => answer,
    }
}

async fn reload(State(asker): State<Asker>) -> Response {
    match ask(&asker, Question::Reload).await {
        Ok(plan) => plan.into_response(),
        Err(answer) => answer,
    }
}

async fn ask<T>(
    asker: &Asker,
    question: impl FnOnce(oneshot::Sender<Result<T, Vec<String>>>) -> Question,
) -> Result<T, Response> {
    let (sender, receiver) = oneshot::channel();
    let ending = || failure(StatusCode::SERVICE_UNAVAILABLE, vec!["the director is ending".to_owned()]);
    asker.send(question(sender)).await.map_err(|_| ending())?;
    match receiver.await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(errors)) => Err(failure(StatusCode::UNPROCESSABLE_ENTITY, errors)),
        Err(_) => Err(ending()),
    }
}

fn failure(status: StatusCode, errors: Vec<String>) -> Response {
    (status, Json(Failure { errors })).into_response()
}
