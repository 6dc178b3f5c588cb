//! `[metrics]` and `[api]`: where the daemon answers, and to whom.

use super::section::Section;
use crate::address::endpoint;
use crate::draft::Given;
use crate::report::{Fault, Report, Span, quoted};
use relvs_model::{Api, Metrics, Place, SocketMode, is_loopback};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The words for who may use the control socket.
pub(crate) const SOCKET_MODES: [(&str, SocketMode); 2] = [("0660", SocketMode::Group), ("0600", SocketMode::Owner)];
/// Bytes of the longest path of a unix socket: `sun_path` less the final zero (unix(7)).
const LONGEST_SOCKET: usize = 107;

pub(super) fn metrics(section: &Section<'_>, report: &mut Report) -> Metrics {
    section.finish(report);
    let default = Metrics::default();
    let servers = section.boolean("servers", report).or(default.servers).unwrap_or(default.servers);
    let listen = places(section, report, |text| {
        if text.starts_with('/') {
            if text.len() > LONGEST_SOCKET {
                return Err(Fault::new(format!("a socket's path has at most {LONGEST_SOCKET} bytes")));
            }
            return Ok(Place::Unix(text.into()));
        }
        tcp(text, "write ADDRESS:PORT, as in \"127.0.0.1:9110\", or the absolute path of a unix socket").map(Place::Tcp)
    });
    Metrics { listen: listen.into_iter().map(|(place, _)| place).collect(), servers }
}

pub(super) fn api(section: &Section<'_>, report: &mut Report) -> Api {
    section.finish(report);
    let listen = places(section, report, |text| tcp(text, "write ADDRESS:PORT, as in \"192.0.2.1:9111\""));
    let mut file = |key| path(section, key, report);
    let (token_file, read_token_file) = (file("token_file"), file("read_token_file"));
    let (certificate, key, client_ca) = (file("certificate"), file("key"), file("client_ca"));
    let group = match section.string("group", report) {
        Given::Is("", span) => {
            report.error(&span, Fault::new("a group's name is empty"));
            None
        }
        Given::Is(name, _) => Some(name.to_owned()),
        Given::Absent | Given::Wrong => None,
    };
    let mode = section.word("mode", "mode", &SOCKET_MODES, &[], report);
    if !section.is_broken() {
        belong_together(section, &listen, report);
    }
    Api {
        listen: listen.into_iter().map(|(address, _)| address).collect(),
        token_file,
        read_token_file,
        certificate,
        key,
        client_ca,
        group,
        mode: mode.or(SocketMode::default()).unwrap_or_default(),
    }
}

/// Nobody is let in unseen: whoever comes over TCP shows a token or a certificate, and a token crosses no network
/// that others can read.
fn belong_together(section: &Section<'_>, listen: &[(SocketAddr, Span)], report: &mut Report) {
    let at = |key: &str| section.get(key).map(toml::Spanned::span);
    let keys = [at("token_file"), at("read_token_file"), at("client_ca")];
    if let (Some((_, span)), [None, None, None]) = (listen.first(), keys) {
        let fault = Fault::new("`listen` without `token_file` or `client_ca` would let everybody change everything");
        report.error(span, fault.help("add `token_file = \"/etc/relvs/token\"`, or certificates and `client_ca`"));
        return;
    }
    let needs = |has: &str, needs: &str, report: &mut Report| {
        if let (Some(span), None) = (at(has), at(needs)) {
            let fault = Fault::new(format!("`{has}` without `{needs}`"));
            report.error(&span, fault.help(format!("add `{needs} = \"/etc/relvs/{needs}.pem\"`")));
        }
    };
    needs("certificate", "key", report);
    needs("key", "certificate", report);
    needs("client_ca", "certificate", report);
    if at("certificate").is_none() {
        for (address, span) in listen.iter().filter(|(address, _)| !is_loopback(address.ip())) {
            let fault = Fault::new(format!("a token would cross the network of {} unencrypted", address.ip()));
            report.error(span, fault.help("add `certificate` and `key`, or listen on a loopback address"));
        }
    }
}

/// The places of `listen`, each once.
fn places<T: Clone + Ord>(
    section: &Section<'_>,
    report: &mut Report,
    read: impl Fn(&str) -> Result<T, Fault>,
) -> Vec<(T, Span)> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    for (text, span) in section.strings("listen", report) {
        match read(text) {
            Ok(place) if seen.insert(place.clone()) => found.push((place, span)),
            Ok(_) => report.error(&span, Fault::new(format!("{} is listed twice", quoted(text)))),
            Err(fault) => report.error(&span, fault),
        }
    }
    found
}

fn tcp(text: &str, shape: &str) -> Result<SocketAddr, Fault> {
    match endpoint(text)? {
        (address, Some(port)) if port > 0 => Ok(SocketAddr::new(address, port)),
        (_, Some(_)) => Err(Fault::new(format!("{} names port 0", quoted(text))).help("write a port from 1 to 65535")),
        (_, None) => Err(Fault::new(format!("{} names no port", quoted(text))).help(shape)),
    }
}

/// An absolute path: the file may be read again when the working directory is another.
fn path(section: &Section<'_>, key: &str, report: &mut Report) -> Option<PathBuf> {
    let Given::Is(text, span) = section.string(key, report) else { return None };
    if Path::new(text).is_absolute() {
        return Some(text.into());
    }
    let fault = Fault::new(format!("`{key}` must be an absolute path, not {}", quoted(text)));
    report.error(&span, fault.help(format!("write {key} = \"/etc/relvs/…\"")));
    None
}
