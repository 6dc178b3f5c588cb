//! `relvs trace`: decisions as they are taken, a line each.

use clap::Args;
use relvs_api::{Client, Decision, Error, Fate, FlowPart, TraceLine, Watch};
use relvs_model::ServiceKey;
use std::{
    fmt::Write as _,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Only packets from or to this address, or this network, as in 198.51.100.0/24
    #[arg(long, value_name = "NET")]
    client: Option<String>,
    /// Only packets of this service, as in 192.0.2.100:80/tcp or mark:7
    #[arg(long, value_name = "SERVICE")]
    service: Option<ServiceKey>,
    /// Only those that were not sent on for this reason, as `status` names it; `forwarded` are those that were. May be
    /// said several times
    #[arg(long, value_name = "NAME")]
    reason: Vec<String>,
    /// End after so many
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = crate::words::duration)]
    duration: Option<Duration>,
    /// For programs: an object on each line
    #[arg(long)]
    json: bool,
}

pub(crate) fn trace(arguments: Arguments, client: &Client) -> ExitCode {
    let Arguments { client: of, service, reason, count, duration, json } = arguments;
    let seconds = duration.map(|duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX));
    let watch = Watch { client: of, service, reasons: reason, count, seconds };
    let lines = match client.trace(&watch) {
        Ok(lines) => lines,
        Err(error) => return super::complain(&[error.to_string()]),
    };
    super::written(write(&mut io::stdout().lock(), lines, json))
}

/// Writes them as they come. Gives why there are no more, if that is no good reason.
fn write(
    out: &mut impl Write,
    lines: impl Iterator<Item = Result<TraceLine, Error>>,
    json: bool,
) -> io::Result<Option<Error>> {
    for line in lines {
        match line {
            Err(error) => return Ok(Some(error)),
            Ok(line) if json => {
                serde_json::to_writer(&mut *out, &line)?;
                out.write_all(b"\n")?;
            }
            Ok(TraceLine::Decision(decision)) => writeln!(out, "{}", text(&decision))?,
            Ok(TraceLine::Lost(count)) => writeln!(out, "... {count} more, which were too many at once")?,
        }
        out.flush()?;
    }
    Ok(None)
}

/// `12:34:56.789 eth0 tcp 198.51.100.7:40000 > 192.0.2.100:80 syn: 10.0.0.11:80 by eth1, new flow`.
fn text(decision: &Decision) -> String {
    let seconds = decision.time.rem_euclid(86_400.0);
    let (whole, part) = (seconds as u32, (seconds.fract() * 1e3) as u32);
    let time = format!("{:02}:{:02}:{:02}.{part:03}", whole / 3600, whole / 60 % 60, whole % 60);
    let mut out = format!("{time} {}", decision.interface);
    match (decision.protocol, decision.source, decision.destination) {
        (Some(protocol), Some(source), Some(destination)) => {
            let name = match protocol {
                6 => "tcp".to_owned(),
                17 => "udp".to_owned(),
                132 => "sctp".to_owned(),
                1 | 58 => "icmp".to_owned(),
                other => other.to_string(),
            };
            let _ = write!(out, " {name} {source} > {destination}");
            if let Some(flags) = decision.flags.as_ref().filter(|flags| !flags.is_empty()) {
                let _ = write!(out, " {flags}");
            }
        }
        _ => out.push_str(" a frame"),
    }
    out.push_str(": ");
    let by = decision.out.as_ref().map(|name| format!(" by {name}")).unwrap_or_default();
    let reason = decision.reason.as_deref().unwrap_or_default();
    let _ = match (decision.fate, decision.server) {
        (Fate::Forwarded, Some(server)) if Some(server) != decision.source => write!(out, "to {server}{by}"),
        (Fate::Forwarded, _) => write!(out, "to the client{by}"),
        (Fate::Answered, _) => write!(out, "answered{by}, {reason}"),
        (Fate::Dropped, _) => write!(out, "dropped, {reason}"),
        (Fate::Passed, _) => write!(out, "passed to the stack, {reason}"),
    };
    if let Some(service) = &decision.service {
        let _ = write!(out, ", service {service}");
    }
    out.push_str(match decision.flow {
        FlowPart::None => "",
        FlowPart::New => ", new flow",
        FlowPart::Young => ", flow not established yet",
        FlowPart::Settles => ", flow established",
        FlowPart::Known => ", known flow",
    });
    out
}
