//! `relvs explain`: what would become of a packet and why, for people or for programs.

use clap::Args;
use relvs_api::{AskedPacket, Choice, Client, Explanation, Fate, FlowPart, Found, KnownFlow, Question, Side, Template};
use relvs_model::Protocol;
use std::{fmt::Write as _, net::SocketAddr, process::ExitCode};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Where the packet comes from, as in 198.51.100.7:40000 or `[2001:db8::7]:40000`
    #[arg(long, value_name = "IP:PORT")]
    src: SocketAddr,
    /// Where it goes
    #[arg(long, value_name = "IP:PORT")]
    dst: SocketAddr,
    /// tcp, udp or sctp
    #[arg(long, value_name = "PROTOCOL", default_value = "tcp", value_parser = protocol)]
    proto: Protocol,
    /// TCP's flags, as in syn or fin,ack; or the type of SCTP's first chunk, as in init. If not said, what opens a flow
    #[arg(long, value_name = "FLAGS")]
    flags: Option<String>,
    /// The interface it comes in on; if not said, the first that is served
    #[arg(long, value_name = "IF")]
    interface: Option<String>,
    /// Its bytes, from the IP header on; if not said, the least
    #[arg(long, value_name = "BYTES")]
    length: Option<u16>,
    /// For programs
    #[arg(long)]
    json: bool,
}

fn protocol(text: &str) -> Result<Protocol, String> {
    text.parse().map_err(|()| "there are tcp, udp and sctp".to_owned())
}

pub(crate) fn explain(arguments: Arguments, client: &Client) -> ExitCode {
    let Arguments { src, dst, proto, flags, interface, length, json } = arguments;
    let question = Question { source: src, destination: dst, protocol: proto, flags, interface, length };
    match client.explain(&question) {
        Ok(explanation) if json => super::say_json(&explanation),
        Ok(explanation) => super::say(&page(&explanation)),
        Err(error) => super::complain(&[error.to_string()]),
    }
}

/// A page for people.
fn page(e: &Explanation) -> String {
    let mut out = headline(e) + "\n\n";
    let mut line = |name: &str, text: &str| {
        for (at, text) in text.lines().enumerate() {
            let _ = writeln!(out, "{:<9} {text}", if at == 0 { name } else { "" });
        }
    };
    match (&e.service, e.side) {
        (Some(service), Side::Client) => {
            let found = e.found.as_ref().map(found).unwrap_or_default();
            line("service", &format!("{service}{found}"));
        }
        (Some(service), Side::Server) => line("service", &format!("{service}, of whose server it comes")),
        (None, _) => line("service", "none"),
    }
    line("flow", &flow(e));
    if let Some(template) = &e.template {
        line("template", &self::template(template));
    }
    if let Some(choice) = &e.choice {
        line("choice", &self::choice(choice));
    }
    if let (Some(server), Side::Client) = (e.server, e.side) {
        let method = e.method.map(|method| format!(", by {method}")).unwrap_or_default();
        line("server", &format!("{server}{method}"));
    }
    for (at, change) in e.changes.iter().enumerate() {
        let text = match change.from.as_str() {
            "" => format!("{} {} in front", change.field, change.to),
            from => format!("{} {from} becomes {}", change.field, change.to),
        };
        line(if at == 0 { "writes" } else { "" }, &text);
    }
    if let Some(way) = &e.way {
        let neighbour = way.neighbour.map(|address| format!("{address}, ")).unwrap_or_default();
        let vlans: String = way.vlans.iter().map(|vlan| format!(", VLAN {vlan}")).collect();
        line(
            "way",
            &format!("{}, to {neighbour}{}, from {}{vlans}", way.interface, way.destination_mac, way.source_mac),
        );
    }
    if let Some(mtu) = e.mtu {
        let fits = if mtu.length > mtu.most { "too big: " } else { "" };
        line("size", &format!("{fits}{} bytes, of {} at most", mtu.length, mtu.most));
    }
    if let Some(why) = &e.reason {
        line("reason", &format!("{}: {}\n{}", why.name, why.text, why.remedy));
    }
    out
}

fn headline(e: &Explanation) -> String {
    let packet = &e.packet;
    let flags = packet.flags.as_ref().map(|flags| format!(" {flags}")).unwrap_or_default();
    let fate = match (e.fate, e.side, e.server) {
        (Fate::Forwarded, Side::Client, Some(server)) => format!("is sent to {server}"),
        (Fate::Forwarded, ..) => "is sent to the client".to_owned(),
        (Fate::Answered, ..) => "is answered by an ICMP error".to_owned(),
        (Fate::Dropped, ..) => "is dropped".to_owned(),
        (Fate::Passed, ..) => "goes to the stack".to_owned(),
    };
    let AskedPacket { source, destination, protocol, interface, .. } = packet;
    format!("{source} > {destination} {protocol}{flags}, in by {interface}: {fate}")
}

fn found(found: &Found) -> String {
    match found {
        Found::Address => ", by its address and port".to_owned(),
        Found::AnyPort => ", by its address; it is of any port".to_owned(),
        Found::FtpData => ", by its address: a data connection of its FTP clients".to_owned(),
        Found::Rule(rule) => format!(", by the rule `{rule}`"),
    }
}

fn flow(e: &Explanation) -> String {
    let known = |known: &KnownFlow| {
        let server = known.server.map(|server| format!(" to {server}")).unwrap_or_default();
        let bound = if known.persistent { ", bound by persistence" } else { "" };
        format!("{}{server}, last packet {} s ago, {} s left{bound}", known.state, known.age_s, known.expires_s)
    };
    match (e.flow, &e.known) {
        (FlowPart::New, Some(flow)) => format!("new: the one that is there ends ({})", known(flow)),
        (FlowPart::New, None) => "new".to_owned(),
        (FlowPart::None, None) => "none".to_owned(),
        (FlowPart::None, Some(flow)) => known(flow),
        (FlowPart::Young, Some(flow)) => format!("{}; not established yet", known(flow)),
        (FlowPart::Settles, Some(flow)) => format!("{}; established by this packet", known(flow)),
        (FlowPart::Known, Some(flow)) => known(flow),
        (FlowPart::Young | FlowPart::Settles | FlowPart::Known, None) => "there is one".to_owned(),
    }
}

fn template(template: &Template) -> String {
    match template.server {
        Some(server) => format!("the client {} belongs to {server}, {} s left", template.client, template.expires_s),
        None => format!("none yet; the client {} keeps the server for {} s", template.client, template.expires_s),
    }
}

fn choice(choice: &Choice) -> String {
    let mut out = format!("{}: {}", choice.scheduler, choice.how);
    if let Some(place) = choice.place {
        let _ = write!(out, "\nplace {} of {}, counted from 0", place.at, place.of);
    }
    if !choice.remembered.is_empty() {
        let all: Vec<String> = choice.remembered.iter().map(ToString::to_string).collect();
        let _ = write!(out, "\nthe address has {}", all.join(", "));
    }
    if choice.random {
        out.push_str("\nchance decides: the next packet may go elsewhere");
    }
    let figures = choice.servers.iter().any(|server| server.figure.is_some());
    let figure = |text: String| if figures { format!(" {text:>12}") } else { String::new() };
    let _ = write!(
        out,
        "\n  {:<28} {:>6} {:>8} {:>8}{}",
        "server",
        "weight",
        "active",
        "inactive",
        figure("figure".to_owned())
    );
    for server in &choice.servers {
        let number = server.figure.map_or_else(String::new, |figure| format!("{figure:.3}"));
        let _ = write!(
            out,
            "\n{} {:<28} {:>6} {:>8} {:>8}{}",
            if server.chosen { '>' } else { ' ' },
            server.server,
            server.weight,
            server.active,
            server.inactive,
            figure(number),
        );
        if let Some(why) = &server.excluded {
            let _ = write!(out, "  {why}");
        }
    }
    if choice.servers.is_empty() {
        out.push_str("\n  no server");
    }
    out
}
