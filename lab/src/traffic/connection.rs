//! One HTTP/1.1 connection of the built-in client. Failures are texts that begin with the stage they happened in.

use std::error::Error as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HOST;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::SERVER_HEADER;
use super::content::Content;

/// The connection's task has this long to close its socket.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

pub(super) struct Connection {
    target: SocketAddr,
    sender: SendRequest<Content>,
    driver: JoinHandle<()>,
}

impl Connection {
    pub(super) async fn open(target: SocketAddr, source: Option<IpAddr>, deadline: Instant) -> Result<Self, String> {
        let connect = async {
            let socket = if target.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            if let Some(source) = source {
                socket.bind(SocketAddr::new(source, 0))?;
            }
            let stream = socket.connect(target).await?;
            stream.set_nodelay(true)?;
            Ok::<_, std::io::Error>(stream)
        };
        let stream = within("connect", deadline, async { connect.await.map_err(|error| error.to_string()) }).await?;
        let (sender, connection) =
            within("connect", deadline, async { handshake(TokioIo::new(stream)).await.map_err(|error| text(&error)) })
                .await?;
        let driver = tokio::spawn(async move {
            // The same error reaches the request that suffers from it.
            let _ = connection.await;
        });
        Ok(Self { target, sender, driver })
    }

    /// Sends a request and gives the answer's head and the server's name, once the status is 200.
    pub(super) async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Content,
        deadline: Instant,
    ) -> Result<(Response<Incoming>, String), String> {
        let request = Request::builder().method(method).uri(path).header(HOST, self.target.to_string()).body(body);
        let request = request.map_err(|error| format!("request: {error}"))?;
        let response = within("request", deadline, async {
            self.sender.ready().await.map_err(|error| text(&error))?;
            self.sender.send_request(request).await.map_err(|error| text(&error))
        });
        let response = response.await?;
        if response.status() != StatusCode::OK {
            return Err(format!("answer: status {}", response.status()));
        }
        let server = response.headers().get(SERVER_HEADER).and_then(|value| value.to_str().ok());
        let server = server.ok_or_else(|| format!("answer: no header {SERVER_HEADER}"))?.to_owned();
        Ok((response, server))
    }

    /// Closes from this side first, so that the waiting state and the port stay with the client.
    pub(super) async fn close(self) {
        drop(self.sender);
        let _ = timeout(CLOSE_LIMIT, self.driver).await;
    }
}

/// `stage: reason`, also for a deadline that passes.
pub(super) async fn within<T>(
    stage: &str,
    deadline: Instant,
    step: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    match timeout_at(deadline, step).await {
        Ok(outcome) => outcome.map_err(|reason| format!("{stage}: {reason}")),
        Err(_) => Err(format!("{stage}: timed out")),
    }
}

/// An error and its cause, which hyper keeps apart.
pub(super) fn text(error: &hyper::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
