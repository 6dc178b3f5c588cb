//! `[notify]`: a FIFO, mail, webhooks.

use super::section::Section;
use super::value::{file, headers, judged, small};
use crate::draft::Given;
use crate::host::{host, mailbox};
use crate::keys::{MAIL, WEBHOOK};
use crate::report::{Fault, Report, Span, quoted};
use crate::web;
use relvs_model::health::{Encryption, Mail, Notify, Webhook};
use relvs_model::is_loopback;
use std::net::IpAddr;

/// The words for encryption.
pub(crate) const ENCRYPTIONS: [(&str, Encryption); 3] =
    [("none", Encryption::None), ("starttls", Encryption::Starttls), ("tls", Encryption::Tls)];

/// With pauses that double this is a quarter of an hour.
pub(crate) const RETRIES_MAX: u32 = 30;

pub(super) fn read(section: &Section<'_>, report: &mut Report) -> Notify {
    section.finish(report);
    let fifo = judged(section, "fifo", fifo, report);
    let mail = section.table(&MAIL, report).and_then(|section| mail(&section, report));
    let webhooks = section.tables(&WEBHOOK, report);
    Notify { fifo, mail, webhooks: webhooks.iter().filter_map(|section| webhook(section, report)).collect() }
}

fn fifo(path: &str) -> Result<(), Fault> {
    if path.starts_with('/') && !path.contains(char::is_control) {
        return Ok(());
    }
    let fault = Fault::new(format!("`fifo` must be an absolute path, not {}", quoted(path)));
    Err(fault.help("write fifo = \"/run/relvs/events\""))
}

fn mail(section: &Section<'_>, report: &mut Report) -> Option<Mail> {
    section.finish(report);
    for (key, example) in [("server", "mail.example.org"), ("from", "relvs@example.org"), ("to", "admin@example.org")] {
        if section.get(key).is_none() {
            section.missing(key, &format!("{key} = \"{example}\""), report);
        }
    }
    let server = judged(section, "server", host, report);
    let from = judged(section, "from", mailbox, report);
    let mut to = Vec::new();
    for (text, span) in section.strings("to", report) {
        match mailbox(text) {
            Ok(()) => to.push(text.to_owned()),
            Err(fault) => report.error(&span, fault),
        }
    }
    if let Given::Is(value, span) = section.value("to")
        && value.as_array().is_some_and(|array| array.is_empty())
    {
        report.error(&span, Fault::new("`to` names nobody").help("write to = \"admin@example.org\""));
    }
    let helo = judged(section, "helo", host, report);
    let encryption = section.word("encryption", "encryption", &ENCRYPTIONS, &[], report);
    let encryption = encryption.or(Encryption::None).unwrap_or_default();
    let port = small(section, "port", report);
    let login = login(section, server.as_deref(), encryption, report);
    let timeout_ms = section.pause("timeout", report).or(Mail::TIMEOUT_MS).unwrap_or(Mail::TIMEOUT_MS);
    let [usual, encrypted] = Mail::PORTS;
    let port = port.unwrap_or(if encryption == Encryption::Tls { encrypted } else { usual });
    (!to.is_empty()).then_some(Mail { server: server?, port, from: from?, to, helo, encryption, login, timeout_ms })
}

/// User and password: both, and not where others can read them on their way.
fn login(
    section: &Section<'_>,
    server: Option<&str>,
    encryption: Encryption,
    report: &mut Report,
) -> Option<(String, String)> {
    let (user, password) = (given(section, "user", report), given(section, "password", report));
    for (has, needs) in [("user", "password"), ("password", "user")] {
        if let (Some(there), None) = (section.get(has), section.get(needs)) {
            report
                .error(&there.span(), Fault::new(format!("`{has}` without `{needs}`")).help(format!("add `{needs}`")));
        }
    }
    let (user, (password, span)) = (user?.0, password?);
    let here = server.is_none_or(|server| server == "localhost" || server.parse::<IpAddr>().is_ok_and(is_loopback));
    if encryption == Encryption::None && !here && !section.is_broken() {
        let fault = Fault::new("the password would cross the network unencrypted");
        report.error(&span, fault.help("add `encryption = \"starttls\"`, or \"tls\""));
    }
    Some((user, password))
}

fn given(section: &Section<'_>, key: &str, report: &mut Report) -> Option<(String, Span)> {
    let Given::Is(text, span) = section.string(key, report) else { return None };
    if !text.is_empty() && !text.contains(char::is_control) {
        return Some((text.to_owned(), span));
    }
    report.error(&span, Fault::new(format!("`{key}` is empty, or has control characters in it")));
    None
}

fn webhook(section: &Section<'_>, report: &mut Report) -> Option<Webhook> {
    section.finish(report);
    if section.get("url").is_none() {
        section.missing("url", "url = \"https://hooks.example.org/relvs\"", report);
    }
    let url = judged(section, "url", web::url, report);
    let headers = headers(section, report);
    let ca = file(section, "ca", report);
    if let (Some(url), Some(ca)) = (&url, section.get("ca"))
        && !url.to_ascii_lowercase().starts_with("https:")
    {
        let fault = Fault::new("`ca` does nothing for an address without TLS");
        report.warning(&ca.span(), fault.help("write https://, or remove it"));
    }
    let timeout_ms = section.pause("timeout", report).or(Webhook::TIMEOUT_MS).unwrap_or(Webhook::TIMEOUT_MS);
    let retries = section.integer("retries", report).or(Webhook::RETRIES).unwrap_or(Webhook::RETRIES);
    Some(Webhook { url: url?, headers, ca, timeout_ms, retries })
}
