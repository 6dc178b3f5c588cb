//! `relvs drain`: a server gets nothing new, and what it has comes to its end.

use crate::words::{self, Rip};
use clap::Args;
use relvs_api::{Client, Code, Error, How, Server, Service};
use relvs_model::{Edit, Endpoint, Protocol, ServerEdit, ServiceKey};
use serde_json::json;
use std::{
    net::SocketAddr,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

/// How often the director is asked.
const ASK: Duration = Duration::from_millis(500);

#[derive(Args)]
pub(crate) struct Arguments {
    /// The service, as in 192.0.2.100:80/tcp or mark:7
    service: ServiceKey,
    /// The server: RIP, or RIP:PORT where it has several
    #[arg(value_parser = words::rip)]
    server: Rip,
    /// How long to wait; its weight stays 0 after that
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = words::duration)]
    timeout: Duration,
    /// Wait for inactive connections too: those that are closing
    #[arg(long)]
    all: bool,
    /// Give it the weight that it had
    #[arg(long, conflicts_with_all = ["timeout", "all"])]
    undo: bool,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(crate) fn drain(arguments: &Arguments, client: &Client) -> ExitCode {
    let drain = Drain { arguments, client: client.clone() };
    let done = drain.find().and_then(|(endpoint, service, server)| {
        if arguments.undo { drain.undo(endpoint, &server) } else { drain.drain(endpoint, &service, &server) }
    });
    done.unwrap_or_else(|error| super::complain(&[error]))
}

struct Drain<'a> {
    arguments: &'a Arguments,
    client: Client,
}

impl Drain<'_> {
    fn find(&self) -> Result<(Endpoint, Service, Server), String> {
        let (key, Rip { address, port }) = (self.arguments.service, self.arguments.server);
        let service = self.client.service(key).map_err(|e| e.to_string())?;
        let is_it = |s: &&Server| !s.removed && s.address == address && port.is_none_or(|port| port == s.port);
        let mut found = service.servers.iter().filter(is_it);
        let name = port.map_or_else(|| address.to_string(), |port| SocketAddr::new(address, port).to_string());
        match (found.next().cloned(), found.next()) {
            (Some(server), None) => Ok((Endpoint { service: key, address, port: Some(server.port) }, service, server)),
            (Some(_), Some(_)) => Err(format!("the service {key} has several servers {name}: say the port too")),
            (None, _) => Err(format!("the service {key} has no server {name}")),
        }
    }

    fn weigh(&self, endpoint: Endpoint, weight: u32) -> Result<(), String> {
        let edit = Edit::EditServer(ServerEdit { weight: Some(weight), ..ServerEdit::of(endpoint) });
        self.client.edit(&[edit], How::default()).map(drop).map_err(|e| e.to_string())
    }

    /// Drains it, or takes that back.
    fn set(&self, endpoint: Endpoint, drained: bool) -> Result<(), String> {
        let (service, server) = (endpoint.service, endpoint.socket());
        let drain = relvs_api::Drain { service, address: server.ip(), port: server.port(), drained };
        self.client.drain(&drain).map_err(|e| e.to_string())
    }

    fn undo(&self, endpoint: Endpoint, server: &Server) -> Result<ExitCode, String> {
        let name = endpoint.socket();
        self.set(endpoint, false)?;
        let server = &self.now(endpoint)?.unwrap_or_else(|| server.clone());
        if server.weight == 0 && server.last_weight == 0 {
            return Err(format!("the server {name} never had a weight: give it one by `relvs server edit --weight`"));
        }
        let weight = if server.weight == 0 { server.last_weight } else { server.weight };
        if server.weight == 0 {
            self.weigh(endpoint, weight)?;
        }
        if self.arguments.json {
            return Ok(super::say_json(&json!({ "server": name, "weight": weight })));
        }
        Ok(super::say(&format!("server {name} of {}: weight {weight}\n", endpoint.service)))
    }

    fn drain(&self, endpoint: Endpoint, service: &Service, server: &Server) -> Result<ExitCode, String> {
        let (name, key, begin) = (endpoint.socket(), endpoint.service, Instant::now());
        if server.weight > 0 {
            self.set(endpoint, true)?;
            self.tell(&format!("server {name} of {key}: weight {} -> 0", server.weight));
        }
        if service.persistence.is_some() && server.templates > 0 {
            self.tell("persistent clients still come back to it, unless expire_quiescent_template is 1");
        }
        let mut said = None;
        loop {
            let now = self.now(endpoint)?;
            if let Some(other) = now.as_ref().filter(|server| server.weight > 0) {
                return Err(format!("the server {name} has been given the weight {} meanwhile", other.weight));
            }
            let left = now.as_ref().map_or(0, |server| self.left(server));
            let counts = now.map_or((0, 0), |server| (server.active, server.inactive));
            if said != Some(counts) {
                said = Some(counts);
                self.tell(&format!("{} active and {} inactive connections remain", counts.0, counts.1));
            }
            if left == 0 || begin.elapsed() >= self.arguments.timeout {
                return self.end(name, left, counts, begin.elapsed());
            }
            thread::sleep(ASK);
        }
    }

    fn end(
        &self,
        name: SocketAddr,
        left: u32,
        (active, inactive): (u32, u32),
        took: Duration,
    ) -> Result<ExitCode, String> {
        if self.arguments.json {
            let (drained, seconds) = (left == 0, took.as_secs());
            let end = json!({
                "server": name, "drained": drained, "active": active, "inactive": inactive, "seconds": seconds,
            });
            let _ = super::say_json(&end);
        }
        if left == 0 {
            self.tell("drained");
            return Ok(ExitCode::SUCCESS);
        }
        let waited = self.arguments.timeout.as_secs();
        Err(format!("{left} connections remain after {waited} s; its weight stays 0, which `--undo` takes back"))
    }

    /// The server as it is now; none if it is gone.
    fn now(&self, endpoint: Endpoint) -> Result<Option<Server>, String> {
        let is_it = |s: &Server| !s.removed && SocketAddr::new(s.address, s.port) == endpoint.socket();
        match self.client.service(endpoint.service) {
            Ok(service) => Ok(service.servers.into_iter().find(is_it)),
            Err(Error::Refused(failure)) if failure.code == Code::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// How many connections are waited for. Only TCP and SCTP know active ones.
    fn left(&self, server: &Server) -> u32 {
        let all = self.arguments.all || matches!(self.arguments.service.protocol(), None | Some(Protocol::Udp));
        server.active + if all { server.inactive } else { 0 }
    }

    fn tell(&self, line: &str) {
        if !self.arguments.json {
            super::say(&format!("{line}\n"));
        }
    }
}
