//! Connections to the control socket: so many at once, and none that says nothing for long.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{sync::Arc, time::Duration};
use tokio::{net::UnixListener, sync::Semaphore};

/// So many at once.
const MOST: usize = 128;
/// How long a request's head may take to come, from the moment that one could come.
const HEAD: Duration = Duration::from_secs(10);
/// After a connection could not be taken: file descriptors may be free again then.
const PAUSE: Duration = Duration::from_millis(100);
/// What the others get.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n\
    {\"errors\":[\"the control socket has as many connections as it can; try again\"],\"code\":\"busy\"}";

/// Serves connections until the task is dropped.
pub(super) async fn serve(listener: UnixListener, routes: Router) {
    let places = Arc::new(Semaphore::new(MOST));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("control socket: {error}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            let _ = stream.try_write(FULL);
            continue;
        };
        let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes.clone()));
        tokio::spawn(async move {
            // What becomes of a connection concerns its client alone.
            let _ = connection.await;
            drop(place);
        });
    }
}
