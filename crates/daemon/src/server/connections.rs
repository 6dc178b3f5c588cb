//! Connections: so many at once, and none that says nothing, or takes nothing, for long.

use super::{door::Setup, patience::Patient};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{io, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, UnixListener},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

/// How long a request's head may take to come, from the moment that one could come.
const HEAD: Duration = Duration::from_secs(10);
/// How long TLS may take to be agreed upon.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may take nothing of an answer.
const TAKEN: Duration = Duration::from_secs(30);
/// How long a request may go on when its listener has closed or changed.
const LINGER: Duration = Duration::from_secs(60);
/// After a connection could not be taken: file descriptors may be free again then.
const PAUSE: Duration = Duration::from_millis(100);
/// What the others get.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n\
    {\"errors\":[\"there are as many connections as there may be; try again\"],\"code\":\"busy\"}";

/// A socket that is listened on.
pub(super) enum Listening {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// What bytes come from and go to.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Listening {
    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Listening::Unix(listener) => Ok(Box::new(listener.accept().await?.0)),
            Listening::Tcp(listener) => {
                let stream = listener.accept().await?.0;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// Serves connections until the task is dropped. Each is served by what holds when it comes, and ends when that changes.
pub(super) async fn serve(listening: Listening, mut setup: watch::Receiver<Arc<Setup>>) {
    let most = setup.borrow_and_update().most;
    let places = Arc::new(Semaphore::new(most));
    loop {
        let accepted = listening.accept().await;
        let now = Arc::clone(&setup.borrow_and_update());
        let mut stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!("{}: {error}", now.name);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => drop(tokio::spawn(connection(stream, now, setup.clone(), place))),
            // Before TLS nothing can be said.
            Err(_) if now.tls.is_some() => {}
            Err(_) => drop(timeout(PAUSE, stream.write_all(FULL)).await),
        }
    }
}

/// What becomes of a connection concerns its client alone.
async fn connection(
    stream: Box<dyn Stream>,
    setup: Arc<Setup>,
    mut changes: watch::Receiver<Arc<Setup>>,
    place: OwnedSemaphorePermit,
) {
    let stream: Box<dyn Stream> = match &setup.tls {
        None => stream,
        Some(tls) => match timeout(HANDSHAKE, tls.accept(stream)).await {
            Ok(Ok(stream)) => Box::new(stream),
            Ok(Err(error)) => return tracing::debug!("{}: {error}", setup.name),
            Err(_) => return,
        },
    };
    let service = hyper::service::service_fn(move |request| {
        let setup = Arc::clone(&setup);
        async move { Ok::<_, std::convert::Infallible>(setup.answer(request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Patient::new(stream, TAKEN)), service));
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = changes.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = timeout(LINGER, connection).await;
        }
    }
    drop(place);
}
