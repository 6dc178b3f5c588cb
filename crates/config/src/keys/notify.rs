//! `[notify]`: who is told of everything.

use super::common::{FILE, PAUSE, time};
use super::{Default as Without, Key, Kind, Table};
use crate::toml_file::{ENCRYPTIONS, RETRIES_MAX, word_of};
use relvs_model::health::{Encryption, Mail, Webhook};

/// `[notify]`.
pub static NOTIFY: Table = Table {
    title: "[notify]",
    about: "Who is told when servers and services go up and down, besides the programs that those name themselves.",
    keys: &[
        key!(
            "fifo",
            Kind::Text { what: "an absolute path", examples: &["/run/relvs/events"] },
            Without::Words("none"),
            "A FIFO that gets a line for each event, as keepalived writes them; it is made if it is not there."
        ),
        key!("mail", Kind::Table(&MAIL), Without::Words("none"), "Mail of each event."),
        key!("webhook", Kind::Tables(&WEBHOOK), Without::Words("none"), "Addresses that get each event as JSON."),
    ],
    later: &[],
};

/// `[notify.mail]`.
pub static MAIL: Table = Table {
    title: "[notify.mail]",
    about: "The mail server, and who gets mail. Events that come while a mail is sent go into the next one together.",
    keys: &[
        key!(
            "server",
            Kind::Text { what: "a host name or an address", examples: &["mail.example.org", "192.0.2.25"] },
            Without::Required,
            "The mail server."
        ),
        key!(
            "port",
            Kind::Integer { least: 1, most: u16::MAX as u32 },
            Without::Words("25; 465 with `encryption = \"tls\"`"),
            "Its port."
        ),
        key!(
            "from",
            Kind::Text { what: "a mail address", examples: &["relvs@example.org", "relvs <relvs@example.org>"] },
            Without::Required,
            "The sender."
        ),
        key!(
            "to",
            Kind::OneOrMore(&Kind::Text { what: "a mail address", examples: &["admin@example.org"] }),
            Without::Required,
            "Who gets it."
        ),
        key!(
            "helo",
            Kind::Text { what: "a host name", examples: &["director.example.org"] },
            Without::Words("this machine's name"),
            "The name in HELO."
        ),
        key!(
            "encryption",
            Kind::Words(|| ENCRYPTIONS.map(|(name, _)| name).to_vec()),
            Without::Is(|| word_of(&ENCRYPTIONS, Encryption::default())),
            "`none`: in the clear; `starttls`: by STARTTLS, which must succeed; `tls`: from the first byte. The certificate must \
                be valid for the server's name."
        ),
        key!(
            "user",
            Kind::Text { what: "a user", examples: &["relvs"] },
            Without::Words("none"),
            "As whom to log in. Needs `password`, and `encryption` unless the server is on this machine."
        ),
        key!(
            "password",
            Kind::Text { what: "a password", examples: &["…"] },
            Without::Words("none"),
            "The password. Let nobody but relvs read this file then."
        ),
        key!("timeout", PAUSE, Without::Is(|| time(Mail::TIMEOUT_MS)), "How long one attempt may take."),
    ],
    later: &[],
};

/// `[[notify.webhook]]`.
pub static WEBHOOK: Table = Table {
    title: "[[notify.webhook]]",
    about: "An address that gets each event by POST, as JSON, in order.",
    keys: &[
        key!(
            "url",
            Kind::Text { what: "an address of HTTP or HTTPS", examples: &["https://hooks.example.org/relvs"] },
            Without::Required,
            "The address. The certificate must be valid for its host."
        ),
        key!(
            "headers",
            Kind::OneOrMore(&Kind::Text { what: "a header", examples: &["Authorization: Bearer …"] }),
            Without::Words("none"),
            "More headers, as for a token."
        ),
        key!("ca", FILE, Without::Words("the system's authorities"), "A file of authorities, in PEM."),
        key!("timeout", PAUSE, Without::Is(|| time(Webhook::TIMEOUT_MS)), "How long one attempt may take."),
        key!(
            "retries",
            Kind::Integer { least: 0, most: RETRIES_MAX },
            Without::Is(|| Webhook::RETRIES.to_string()),
            "So many attempts more after one that failed, with growing pauses."
        ),
    ],
    later: &[],
};
