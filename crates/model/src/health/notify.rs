//! Who is told when servers and services go up and down, besides the scripts that they name themselves.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// All who are told of everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Notify {
    /// A FIFO that gets a line for each event, as keepalived writes them (lvs_notify_fifo); it is made if it is not there.
    pub fifo: Option<String>,
    /// Mail.
    pub mail: Option<Mail>,
    /// Addresses that get each event as JSON.
    pub webhooks: Vec<Webhook>,
}

/// How a mail server is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// In the clear, as keepalived does.
    #[default]
    None,
    /// STARTTLS, which must succeed.
    Starttls,
    /// TLS from the first byte.
    Tls,
}

/// A mail for each event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Mail {
    /// The mail server's name or address (smtp_server).
    pub server: String,
    /// Its port.
    #[serde(default = "smtp")]
    pub port: u16,
    /// The sender (notification_email_from).
    pub from: String,
    /// The recipients (notification_email).
    pub to: Vec<String>,
    /// The name in HELO (smtp_helo_name); none is this machine's.
    #[serde(default)]
    pub helo: Option<String>,
    /// How it is spoken to. A certificate must be valid for the server's name.
    #[serde(default)]
    pub encryption: Encryption,
    /// User and password, if it asks for them.
    #[serde(default)]
    pub login: Option<(String, String)>,
    /// How long one mail may take (smtp_connect_timeout).
    #[serde(default = "patience")]
    pub timeout_ms: u32,
}

/// A POST of an event as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    /// `http://` or `https://`
    pub url: String,
    /// More headers, as for a token.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// A file of authorities in PEM; none is the system's.
    #[serde(default)]
    pub ca: Option<String>,
    /// How long one attempt may take.
    #[serde(default = "patience")]
    pub timeout_ms: u32,
    /// So many attempts more after one that failed.
    #[serde(default = "retries")]
    pub retries: u32,
}

impl Notify {
    /// A line for each kind of them that changes, for people. What they are is not said: addresses may be secret.
    pub fn changes(&self, next: &Notify) -> Vec<String> {
        let sign = |before: bool, after: bool| match (before, after) {
            (false, _) => '+',
            (_, false) => '-',
            (true, true) => '~',
        };
        let kinds = [
            ("FIFO", self.fifo != next.fifo, sign(self.fifo.is_some(), next.fifo.is_some())),
            ("mail", self.mail != next.mail, sign(self.mail.is_some(), next.mail.is_some())),
            ("webhooks", self.webhooks != next.webhooks, sign(!self.webhooks.is_empty(), !next.webhooks.is_empty())),
        ];
        let changed = kinds.into_iter().filter(|(_, changed, _)| *changed);
        changed.map(|(kind, _, sign)| format!("{sign} notifications: {kind}")).collect()
    }
}

impl Mail {
    /// The port of mail servers, and that of mail by TLS from the first byte (RFC 8314).
    pub const PORTS: [u16; 2] = [25, 465];
    /// The time that an attempt has if nothing else is said.
    pub const TIMEOUT_MS: u32 = 10_000;
}

impl Webhook {
    /// The time that an attempt has if nothing else is said.
    pub const TIMEOUT_MS: u32 = 10_000;
    /// The attempts after the first if nothing else is said.
    pub const RETRIES: u32 = 3;
}

const fn smtp() -> u16 {
    Mail::PORTS[0]
}

const fn patience() -> u32 {
    Mail::TIMEOUT_MS
}

const fn retries() -> u32 {
    Webhook::RETRIES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_comes_and_changes() {
        let webhook = |url: &str| {
            let (headers, ca) = (Vec::new(), None);
            Webhook { url: url.into(), headers, ca, timeout_ms: Webhook::TIMEOUT_MS, retries: Webhook::RETRIES }
        };
        let with = |fifo: Option<&str>, urls: &[&str]| Notify {
            fifo: fifo.map(str::to_owned),
            webhooks: urls.iter().map(|url| webhook(url)).collect(),
            ..Notify::default()
        };
        let old = with(Some("/a"), &["http://192.0.2.1/"]);
        assert_eq!(old.changes(&old), [""; 0]);
        assert_eq!(
            old.changes(&with(None, &["http://192.0.2.2/"])),
            ["- notifications: FIFO", "~ notifications: webhooks"]
        );
        assert_eq!(Notify::default().changes(&with(None, &["http://192.0.2.2/"])), ["+ notifications: webhooks"]);
    }
}
