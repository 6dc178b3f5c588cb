//! A client of the control socket, for programs that ask one thing and end.

use crate::{Failure, RELOAD, STATUS, Status, socket};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Method, Request, body::Bytes};
use hyper_util::rt::TokioIo;
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// The longest wait for an answer.
const LIMIT: Duration = Duration::from_secs(30);
/// Bytes of the largest answer.
const LARGEST: usize = 1 << 30;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens.
    #[error("no director answers at {}: {source}; is `relvs run` running, with this run directory?", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The director refused.
    #[error("{}", .0.join("\n"))]
    Refused(Vec<String>),
    /// The answer is not what was expected.
    #[error("the director's answer cannot be read: {0}")]
    Answer(String),
}

/// The client of one run directory's director.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// Of this run directory.
    pub fn new(run_dir: &Path) -> Self {
        Client { socket: socket(run_dir) }
    }

    /// What the director does.
    ///
    /// # Errors
    ///
    /// Nobody listens, or the answer cannot be read.
    pub fn status(&self) -> Result<Status, Error> {
        let body = self.ask(Method::GET, STATUS)?;
        serde_json::from_slice(&body).map_err(|e| Error::Answer(e.to_string()))
    }

    /// Reads the configuration again. Gives what changed, as text.
    ///
    /// # Errors
    ///
    /// Nobody listens, or the configuration is refused.
    pub fn reload(&self) -> Result<String, Error> {
        let body = self.ask(Method::POST, RELOAD)?;
        String::from_utf8(body.to_vec()).map_err(|e| Error::Answer(e.to_string()))
    }

    fn ask(&self, method: Method, path: &str) -> Result<Bytes, Error> {
        let answer = |e: &dyn std::fmt::Display| Error::Answer(e.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| answer(&e))?;
        runtime.block_on(async {
            match tokio::time::timeout(LIMIT, self.exchange(method, path)).await {
                Ok(result) => result,
                Err(_) => Err(Error::Answer(format!("none within {} s", LIMIT.as_secs()))),
            }
        })
    }

    async fn exchange(&self, method: Method, path: &str) -> Result<Bytes, Error> {
        let answer = |e: &dyn std::fmt::Display| Error::Answer(e.to_string());
        let stream = tokio::net::UnixStream::connect(&self.socket).await;
        let stream = stream.map_err(|source| Error::Connect { path: self.socket.clone(), source })?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| answer(&e))?;
        let driver = tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header("host", "relvs");
        let request = request.body(Empty::<Bytes>::new()).map_err(|e| answer(&e))?;
        let response = sender.send_request(request).await.map_err(|e| answer(&e))?;
        let success = response.status().is_success();
        let body = Limited::new(response.into_body(), LARGEST).collect().await.map_err(|e| answer(&e))?.to_bytes();
        driver.abort();
        if success {
            return Ok(body);
        }
        match serde_json::from_slice::<Failure>(&body) {
            Ok(failure) => Err(Error::Refused(failure.errors)),
            Err(_) => Err(Error::Answer(String::from_utf8_lossy(&body).into_owned())),
        }
    }
}
