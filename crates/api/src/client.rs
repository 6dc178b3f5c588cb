//! A client of the control API, for programs that ask one thing and end.

use crate::{
    Beside, CHANGES, CHECKS, CONFIGURATION, Changes, Configuration, DIFFERENCES, DRAINS, Differences, Drain, FLOWS,
    Failure, Flow, Lines, Outcome, RELOAD, Remote, SERVICES, STATUS, Service, Status, VRRP, VRRP_COMMANDS, VrrpCommand,
    ZERO, socket, transport::Transport,
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, Response, body::Bytes, body::Incoming, header};
use relvs_model::{Edit, ServiceKey, health::ServiceStatus, vrrp};
use serde::de::DeserializeOwned;
use std::{
    fmt::{Display, Write as _},
    io,
    path::Path,
    time::Duration,
};
use tokio::{runtime::Runtime, task::JoinHandle, time::timeout};

/// The longest wait for an answer, or for the next part of a listing.
const LIMIT: Duration = Duration::from_secs(30);
/// Bytes of the largest answer.
const LARGEST: usize = 1 << 30;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens.
    #[error("no director answers at {place}: {source}; {}", remedy(place))]
    Connect {
        /// The socket's path, or an URL.
        place: String,
        /// Why.
        source: io::Error,
    },
    /// What was said of the way to the director cannot be.
    #[error("{0}")]
    Setting(String),
    /// The director refused.
    #[error(transparent)]
    Refused(Failure),
    /// The answer is not what was expected.
    #[error("the director's answer cannot be read: {0}")]
    Answer(String),
}

fn remedy(place: &str) -> &'static str {
    if place.starts_with('/') {
        "is `relvs run` running, with this run directory?"
    } else {
        "does its relvs.toml say `listen` in [api], and do the certificates fit?"
    }
}

pub(crate) fn answer(error: impl Display) -> Error {
    Error::Answer(error.to_string())
}

/// The client of one director.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Transport,
}

/// How a change is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// It is only asked what would change.
    pub dry_run: bool,
    /// The revision that must be in force; none is any.
    pub revision: Option<u64>,
}

/// Which flows are listed. None is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those of this client, or of clients of this network: `198.51.100.7`, `198.51.100.0/24`.
    pub client: Option<String>,
    /// Those of this service.
    pub service: Option<ServiceKey>,
    /// So many.
    pub limit: Option<u64>,
}

impl Client {
    /// Of this run directory's director.
    pub fn new(run_dir: &Path) -> Self {
        Client { transport: Transport::Socket(socket(run_dir)) }
    }

    /// Of a director that listens on TCP.
    ///
    /// # Errors
    ///
    /// The URL cannot be read, or one of the files.
    pub fn remote(remote: &Remote) -> Result<Self, Error> {
        Ok(Client { transport: remote.transport()? })
    }

    /// What the director does.
    ///
    /// # Errors
    ///
    /// Nobody listens, or the answer cannot be read.
    pub fn status(&self) -> Result<Status, Error> {
        self.get(STATUS)
    }

    /// Reads the configuration again. Gives what changed, as text.
    ///
    /// # Errors
    ///
    /// Nobody listens, or the configuration is refused.
    pub fn reload(&self) -> Result<String, Error> {
        let body = self.ask(Method::POST, RELOAD, None, Bytes::new())?;
        String::from_utf8(body.to_vec()).map_err(answer)
    }

    /// The whole configuration, with its revision.
    ///
    /// # Errors
    ///
    /// Nobody listens, or the answer cannot be read.
    pub fn configuration(&self) -> Result<Configuration, Error> {
        self.get(CONFIGURATION)
    }

    /// Makes this the configuration.
    ///
    /// # Errors
    ///
    /// Nobody listens, it is refused, or another revision is in force: then nothing was changed.
    pub fn replace(&self, configuration: &Configuration, how: How) -> Result<Outcome, Error> {
        self.change(Method::PUT, CONFIGURATION, how, serde_json::to_vec(configuration).map_err(answer)?)
    }

    /// How what only a file says differs from what is in force. Nothing is changed.
    ///
    /// # Errors
    ///
    /// Nobody listens, or the answer cannot be read.
    pub fn differences(&self, beside: &Beside) -> Result<Differences, Error> {
        let body = serde_json::to_vec(beside).map_err(answer)?;
        self.read(Method::POST, DIFFERENCES, None, body.into())
    }

    /// Makes these edits, all or none.
    ///
    /// # Errors
    ///
    /// Nobody listens, one cannot be made, or another revision is in force: then nothing was changed.
    pub fn edit(&self, edits: &[Edit], how: How) -> Result<Outcome, Error> {
        let changes = Changes { changes: edits.to_vec() };
        self.change(Method::POST, CHANGES, how, serde_json::to_vec(&changes).map_err(answer)?)
    }

    /// The services and what they do.
    ///
    /// # Errors
    ///
    /// Nobody listens, or the answer cannot be read.
    pub fn services(&self) -> Result<Vec<Service>, Error> {
        self.get(SERVICES)
    }

    /// A service and what it does.
    ///
    /// # Errors
    ///
    /// Nobody listens, or there is no such service.
    pub fn service(&self, key: ServiceKey) -> Result<Service, Error> {
        self.get(&format!("{SERVICES}/{}", escaped(&word(key))))
    }

    /// Counters begin at nothing: a service's, or all.
    ///
    /// # Errors
    ///
    /// Nobody listens, or there is no such service.
    pub fn zero(&self, key: Option<ServiceKey>) -> Result<Outcome, Error> {
        self.read(Method::POST, &asking(ZERO, [("service", key.map(word))]), None, Bytes::new())
    }

    /// Drains a server, or takes that back.
    ///
    /// # Errors
    ///
    /// Nobody listens, or there is no such server.
    pub fn drain(&self, drain: &Drain) -> Result<(), Error> {
        let body = serde_json::to_vec(drain).map_err(answer)?;
        self.read::<Drain>(Method::POST, DRAINS, None, body.into()).map(drop)
    }

    /// What is known of servers by their health checks.
    ///
    /// # Errors
    ///
    /// Nobody listens, or the answer cannot be read.
    pub fn checks(&self) -> Result<Vec<ServiceStatus>, Error> {
        self.get(CHECKS)
    }

    /// What the virtual routers are and do.
    ///
    /// # Errors
    ///
    /// Nobody listens, or the answer cannot be read.
    pub fn vrrp(&self) -> Result<vrrp::Status, Error> {
        self.get(VRRP)
    }

    /// Begins what an operator wants of virtual routers. Gives how they are then; it goes on.
    ///
    /// # Errors
    ///
    /// Nobody listens, there is no such virtual router, or it has nothing to hand over.
    pub fn vrrp_command(&self, command: &VrrpCommand) -> Result<vrrp::Status, Error> {
        let body = serde_json::to_vec(command).map_err(answer)?;
        self.read(Method::POST, VRRP_COMMANDS, None, body.into())
    }

    /// The flows at this moment, one after the other as they are found.
    ///
    /// # Errors
    ///
    /// Nobody listens, or the filter is refused.
    pub fn flows(&self, filter: &Filter) -> Result<Lines<Flow>, Error> {
        let limit = filter.limit.map(|limit| limit.to_string());
        let path =
            asking(FLOWS, [("client", filter.client.clone()), ("service", filter.service.map(word)), ("limit", limit)]);
        self.lines(&path, Some(LIMIT))
    }

    /// What comes line by line: for each part no longer than this is waited.
    pub(crate) fn lines<T>(&self, path: &str, limit: Option<Duration>) -> Result<Lines<T>, Error> {
        let runtime = runtime()?;
        let exchange = self.exchange(Method::GET, path.to_owned(), None, Bytes::new());
        let (body, driver) = runtime.block_on(async { timeout(LIMIT, exchange).await.map_err(|_| late())? })?;
        Ok(Lines::new(runtime, body, driver, limit))
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.read(Method::GET, path, None, Bytes::new())
    }

    fn change(&self, method: Method, path: &str, how: How, body: Vec<u8>) -> Result<Outcome, Error> {
        let path = format!("{path}{}", if how.dry_run { "?dry_run=true" } else { "" });
        self.read(method, &path, how.revision, body.into())
    }

    fn read<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        revision: Option<u64>,
        body: Bytes,
    ) -> Result<T, Error> {
        serde_json::from_slice(&self.ask(method, path, revision, body)?).map_err(answer)
    }

    fn ask(&self, method: Method, path: &str, revision: Option<u64>, body: Bytes) -> Result<Bytes, Error> {
        let asked = async {
            let (body, driver) = self.exchange(method, path.to_owned(), revision, body).await?;
            let body = Limited::new(body, LARGEST).collect().await.map_err(answer)?.to_bytes();
            driver.abort();
            Ok(body)
        };
        runtime()?.block_on(async { timeout(LIMIT, asked).await.map_err(|_| late())? })
    }

    /// The body of the answer, if it is a success, and the task that receives it.
    async fn exchange(
        &self,
        method: Method,
        path: String,
        revision: Option<u64>,
        body: Bytes,
    ) -> Result<(Incoming, JoinHandle<hyper::Result<()>>), Error> {
        let (mut sender, driver) = self.transport.connect().await?;
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, self.transport.host());
        if let Some(token) = self.transport.token() {
            request = request.header(header::AUTHORIZATION, token);
        }
        if let Some(revision) = revision {
            request = request.header(header::IF_MATCH, format!("\"{revision}\""));
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let response = sender.send_request(request.body(Full::new(body)).map_err(answer)?).await.map_err(answer)?;
        if response.status().is_success() {
            return Ok((response.into_body(), driver));
        }
        Err(refusal(response).await)
    }
}

async fn refusal(response: Response<Incoming>) -> Error {
    let body = match Limited::new(response.into_body(), LARGEST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return answer(error),
    };
    match serde_json::from_slice(&body) {
        Ok(failure) => Error::Refused(failure),
        Err(_) => Error::Answer(String::from_utf8_lossy(&body).into_owned()),
    }
}

fn runtime() -> Result<Runtime, Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(answer)
}

pub(crate) fn late() -> Error {
    answer(format_args!("none within {} s", LIMIT.as_secs()))
}

/// A path with a query of what is said.
pub(crate) fn asking<const N: usize>(path: &str, query: [(&str, Option<String>); N]) -> String {
    let mut asked = path.to_owned();
    let said = query.into_iter().filter_map(|(name, value)| Some((name, value?)));
    for (at, (name, value)) in said.enumerate() {
        let _ = write!(asked, "{}{name}={}", if at == 0 { '?' } else { '&' }, escaped(&value));
    }
    asked
}

/// A key in one word.
pub(crate) fn word(key: ServiceKey) -> String {
    match key {
        ServiceKey::Listen(_) => key.to_string(),
        ServiceKey::Mark(mark) => format!("mark:{}{}", mark.mark, if mark.six { "/ipv6" } else { "" }),
    }
}

/// As it is written in a path or a query (RFC 3986).
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte);
    text.bytes().fold(String::new(), |mut out, byte| {
        let _ = if plain(byte) { write!(out, "{}", char::from(byte)) } else { write!(out, "%{byte:02X}") };
        out
    })
}
