//! `relvs server add|edit|delete`.

use crate::{
    outcome::Making,
    words::{self, Rip},
};
use clap::{Args, Subcommand};
use relvs_api::Client;
use relvs_model::{Edit, Endpoint, Method, Server, ServerEdit, ServerOf, ServiceKey, Tunnel};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Add a server, as the last of its service
    Add {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        about: About,
        #[command(flatten)]
        making: Making,
    },
    /// Change a server at its place; what is not named stays
    Edit {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        about: About,
        #[command(flatten)]
        making: Making,
    },
    /// Delete a server; its connections are dropped, so `drain` it before
    Delete {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        making: Making,
    },
}

#[derive(Args)]
pub(crate) struct Which {
    /// The service, as in 192.0.2.100:80/tcp or mark:7
    service: ServiceKey,
    /// RIP or RIP:PORT; without a port the service's
    #[arg(value_parser = words::rip)]
    server: Rip,
}

impl Which {
    fn endpoint(&self) -> Endpoint {
        Endpoint { service: self.service, address: self.server.address, port: self.server.port }
    }
}

#[derive(Args)]
pub(crate) struct About {
    /// Its share; 0 takes no new connections. Of a new server 1, if nothing is said
    #[arg(long, value_name = "N")]
    weight: Option<u32>,
    /// How packets reach it: nat, dr (of a new server, if nothing is said) or tun
    #[arg(long, value_name = "NAME", value_parser = method)]
    method: Option<Method>,
    /// What its packets travel in, by tun: ipip (if nothing is said), gre, gre+checksum, gue:PORT or gue:PORT+checksum
    #[arg(long, value_name = "TUNNEL", value_parser = tunnel)]
    tunnel: Option<Tunnel>,
    /// With so many connections it takes no new ones; 0 is no limit
    #[arg(long, value_name = "N")]
    upper_threshold: Option<u32>,
    /// With fewer it takes new ones again
    #[arg(long, value_name = "N")]
    lower_threshold: Option<u32>,
}

fn method(text: &str) -> Result<Method, String> {
    text.parse().map_err(|()| format!("there are {}", Method::ALL.map(Method::name).join(", ")))
}

/// A tunnel of the command line.
pub(crate) fn tunnel(text: &str) -> Result<Tunnel, String> {
    text.parse().map_err(|()| "there are ipip, gre, gre+checksum, gue:PORT and gue:PORT+checksum".to_owned())
}

pub(crate) fn server(command: Command, client: &Client) -> ExitCode {
    match command {
        Command::Add { which, about, making } => {
            let port = which.endpoint().socket().port();
            let server = Server {
                tunnel: about.tunnel.unwrap_or_default(),
                upper_threshold: about.upper_threshold.unwrap_or_default(),
                lower_threshold: about.lower_threshold.unwrap_or_default(),
                ..Server::new(which.server.address, port, about.weight.unwrap_or(1), about.method.unwrap_or_default())
            };
            making.edit(client, Edit::AddServer(ServerOf { service: which.service, server }))
        }
        Command::Edit { which, about, making } => {
            let About { weight, method, tunnel, upper_threshold, lower_threshold } = about;
            let unchanged = ServerEdit::of(which.endpoint());
            let edit = ServerEdit { weight, method, tunnel, upper_threshold, lower_threshold, ..unchanged };
            making.edit(client, Edit::EditServer(edit))
        }
        Command::Delete { which, making } => making.edit(client, Edit::DeleteServer(which.endpoint())),
    }
}
