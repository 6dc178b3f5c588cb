//! `relvs flows`: connections and templates as they are found in the tables; none is kept here.

use clap::Args;
use relvs_api::{Client, Error, Filter, Flow};
use relvs_model::ServiceKey;
use std::{
    io::{self, BufWriter, Write},
    process::ExitCode,
};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Only those of this client, or of this network's, as in 198.51.100.0/24
    #[arg(long, value_name = "IP")]
    client: Option<String>,
    /// Only those of this service, as in 192.0.2.100:80/tcp or mark:7
    #[arg(long, value_name = "SERVICE")]
    service: Option<ServiceKey>,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// For programs: an object on each line
    #[arg(long)]
    json: bool,
}

pub(crate) fn flows(arguments: Arguments, director: &Client) -> ExitCode {
    let Arguments { client, service, limit, json } = arguments;
    let flows = match director.flows(&Filter { client, service, limit }) {
        Ok(flows) => flows,
        Err(error) => return super::complain(&[error.to_string()]),
    };
    super::written(write(&mut BufWriter::new(io::stdout().lock()), flows, json))
}

/// Writes them as they come. Gives why there are no more, if that is no good reason.
fn write(
    out: &mut impl Write,
    flows: impl Iterator<Item = Result<Flow, Error>>,
    json: bool,
) -> io::Result<Option<Error>> {
    if !json {
        writeln!(out, "{}", row(["pro", "expires", "state", "client", "vip", "server"]))?;
    }
    for flow in flows {
        match flow {
            Ok(flow) if json => {
                serde_json::to_writer(&mut *out, &flow)?;
                out.write_all(b"\n")?;
            }
            Ok(flow) => writeln!(out, "{}", line(&flow))?,
            Err(error) => {
                out.flush()?;
                return Ok(Some(error));
            }
        }
    }
    out.flush().map(|()| None)
}

fn line(flow: &Flow) -> String {
    let protocol = match flow.protocol {
        6 => "tcp",
        17 => "udp",
        132 => "sctp",
        _ => "any",
    };
    let expires = format!("{}:{:02}", flow.expires_s / 60, flow.expires_s % 60);
    let state = if flow.template { "TEMPLATE" } else { &flow.state };
    let (client, vip, server) = (flow.client.to_string(), flow.vip.to_string(), flow.server.to_string());
    row([protocol, &expires, state, &client, &vip, &server])
}

fn row([protocol, expires, state, client, vip, server]: [&str; 6]) -> String {
    format!("{protocol:<4} {expires:>7} {state:<11} {client:<26} {vip:<26} {server}")
}
