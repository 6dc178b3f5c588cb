//! Mail of events, by SMTP with lettre. Events that come while one is sent go into the next one together.
//!
//! A mail is plain ASCII text (RFC 5322): any other character is written as a question mark.

use super::{
    Telling,
    counts::{Counts, Fate, Way},
    outlet::Outlet,
    words,
};
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor,
    address::Envelope,
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
        extension::ClientId,
    },
};
use relvs_model::health::{Encryption, Event, Mail};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::sync::mpsc::Receiver;

/// So many events are told in one mail.
const EVENTS_MAX: usize = 200;
/// So often a mail is tried.
const ATTEMPTS: u32 = 3;
/// From one attempt to the next.
const PAUSE: Duration = Duration::from_secs(5);

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// One who sends mail.
pub(super) fn start(mail: Mail, host: String, counts: Counts) -> Outlet {
    let name = format!("mail by {}", mail.server);
    Outlet::start(name.clone(), (Way::Mail, counts), |queue, counts| send_all(name, mail, host, queue, counts))
}

async fn send_all(name: String, mail: Mail, host: String, mut queue: Receiver<Arc<Telling>>, counts: Counts) {
    let made = transport(&mail, &host);
    if let Err(why) = &made {
        tracing::error!("{name}: {why}; no mail is sent");
    }
    let mut events = Vec::new();
    while queue.recv_many(&mut events, EVENTS_MAX).await > 0 {
        events.retain(|telling| is_mailed(&telling.event));
        if events.is_empty() {
            continue;
        }
        let fate = match (&made, message(&mail, &host, &events)) {
            (Ok(transport), Ok((envelope, message))) => send(&name, transport, &mail, &envelope, &message).await,
            (Ok(_), Err(why)) => {
                tracing::error!("{name}: {why}; no mail is sent");
                Fate::Failed
            }
            (Err(_), _) => Fate::Failed,
        };
        counts.add(Way::Mail, fate, events.len());
        events.clear();
    }
}

/// A virtual router says itself whether its changes are.
const fn is_mailed(event: &Event) -> bool {
    !matches!(event, Event::Router { mail: false, .. })
}

async fn send(name: &str, transport: &Transport, mail: &Mail, envelope: &Envelope, message: &str) -> Fate {
    // The library's own time is one of each step.
    let patience = Duration::from_millis(mail.timeout_ms.into());
    for attempt in 1..=ATTEMPTS {
        let why = match tokio::time::timeout(patience, transport.send_raw(envelope, message.as_bytes())).await {
            Ok(Ok(_)) => return Fate::Sent,
            Ok(Err(error)) if error.is_permanent() => {
                tracing::warn!("{name}: {error}; it is not tried again");
                return Fate::Failed;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("not done within {} ms", mail.timeout_ms),
        };
        if attempt == ATTEMPTS {
            tracing::warn!("{name}: {why}; given up after {ATTEMPTS} attempts");
        } else {
            tracing::debug!("{name}: {why}; tried again");
            tokio::time::sleep(PAUSE.min(patience)).await;
        }
    }
    Fate::Failed
}

fn transport(mail: &Mail, host: &str) -> Result<Transport, String> {
    let parameters = || TlsParameters::new(mail.server.clone()).map_err(|e| e.to_string());
    let tls = match mail.encryption {
        Encryption::None => Tls::None,
        Encryption::Starttls => Tls::Required(parameters()?),
        Encryption::Tls => Tls::Wrapper(parameters()?),
    };
    let helo = mail.helo.clone().unwrap_or_else(|| host.to_owned());
    let mut builder = Transport::builder_dangerous(&mail.server)
        .port(mail.port)
        .tls(tls)
        .hello_name(ClientId::Domain(helo))
        .timeout(Some(Duration::from_millis(mail.timeout_ms.into())));
    if let Some((user, password)) = &mail.login {
        builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
    }
    Ok(builder.build())
}

fn message(mail: &Mail, host: &str, events: &[Arc<Telling>]) -> Result<(Envelope, String), String> {
    let from = address(&mail.from)?;
    let to = mail.to.iter().map(|to| address(to)).collect::<Result<Vec<_>, _>>()?;
    let envelope = Envelope::new(Some(from), to).map_err(|e| e.to_string())?;
    let first = events.first().map(|telling| words::sentence(&telling.event)).unwrap_or_default();
    let subject = match events.len() {
        0 | 1 => format!("[{host}] {first}"),
        many => format!("[{host}] {first}, and {} events more", many - 1),
    };
    let date = httpdate::fmt_http_date(SystemTime::now());
    let headers = [
        ("From", mail.from.as_str()),
        ("To", &mail.to.join(",\r\n ")),
        ("Subject", &subject),
        ("Date", &date),
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain"),
    ];
    let head: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let text = format!("{head}\r\n{}", body(events).replace('\n', "\r\n"));
    Ok((envelope, text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()))
}

/// The address of `name <address>`, or the whole.
fn address(text: &str) -> Result<Address, String> {
    let bare = text.rsplit_once('<').map_or(text, |(_, rest)| rest.trim_end().trim_end_matches('>'));
    // It becomes a header, which must not become two.
    if text.chars().any(char::is_control) {
        return Err(format!("`{}` is no mail address", text.escape_debug()));
    }
    bare.trim().parse().map_err(|e| format!("`{text}` is no mail address: {e}"))
}

fn body(events: &[Arc<Telling>]) -> String {
    let lines = events.iter().map(|telling| {
        let ago = telling.at.elapsed().unwrap_or_default().as_secs();
        let when = if ago == 0 { String::new() } else { format!(" ({ago} s ago)") };
        let why = words::why(&telling.event).filter(|why| !why.is_empty());
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        format!("{}{why}{when}\n", words::sentence(&telling.event))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_routers_changes_are_mailed_if_it_says_so() {
        let event =
            |mail| Event::Router { group: false, name: "VI".into(), state: "MASTER".into(), priority: 100, mail };
        assert!(is_mailed(&event(true)) && !is_mailed(&event(false)));
        let telling = Arc::new(Telling { event: event(true), at: SystemTime::now() });
        assert_eq!(body(&[telling]), "virtual router VI is MASTER, priority 100\n");
    }

    #[test]
    fn an_address_may_have_a_name_and_nothing_else() {
        assert_eq!(address("a@example.org").unwrap().to_string(), "a@example.org");
        assert_eq!(address("relvs at work <a@example.org>").unwrap().to_string(), "a@example.org");
        assert!(address("a").is_err() && address("").is_err());
        assert!(address("a\r\nBcc: b <a@example.org>").is_err());
    }

    #[test]
    fn what_a_configuration_may_say_can_be_sent() {
        for (from, to) in [
            ("root@localhost", "a.b+c@example.org"),
            ("relvs <relvs@example.org>", "\\\"L. V. S., Inc.\\\" <a@example.org>"),
            ("<a@example.org>", "a@[192.0.2.7]"),
            ("!#$%&'*+-/=?^_`{|}~@a-b.example", "a@b_c.example"),
        ] {
            let text = format!("[notify.mail]\nserver = \"a\"\nfrom = \"{from}\"\nto = \"{to}\"\n");
            let parsed = relvs_config::parse_toml("f", &text);
            assert_eq!(parsed.diagnostics, [], "{text}");
            let mail = parsed.state.notify.mail.unwrap();
            assert!(message(&mail, "host", &[]).is_ok(), "{text}");
            assert!(transport(&mail, "host").is_ok());
        }
    }
}
