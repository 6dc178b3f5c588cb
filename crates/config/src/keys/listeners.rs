//! `[metrics]` and `[api]`.

use super::{Default as Without, Key, Kind, Table};
use crate::toml_file::{SOCKET_MODES, word_of};
use relvs_model::{Metrics, SocketMode};

const FILE: Kind = Kind::Text { what: "an absolute path", examples: &["/etc/relvs/…"] };

/// `[metrics]`.
pub static METRICS: Table = Table {
    title: "[metrics]",
    about: "Where Prometheus finds this director. Without this section nothing is listened on; the control socket answers \
        `/metrics` in any case.",
    keys: &[
        Key {
            name: "listen",
            kind: Kind::OneOrMore(&Kind::Text {
                what: "ADDRESS:PORT, or the absolute path of a unix socket",
                examples: &["127.0.0.1:9110", "[::1]:9110", "/run/relvs/metrics.sock"],
            }),
            default: Without::Words("none"),
            meaning: "Where it is listened. Whoever reaches it may read it.",
            since: "0.1",
        },
        Key {
            name: "servers",
            kind: Kind::Boolean,
            default: Without::Is(|| Metrics::default().servers.to_string()),
            meaning: "`false`: services and sums alone, no metrics of each server.",
            since: "0.1",
        },
    ],
    later: &[],
};

/// `[api]`.
pub static API: Table = Table {
    title: "[api]",
    about: "Who may use the control socket, and the API over TCP, which is off unless it is said here. Nobody is let in \
        unseen: `listen` needs a token or `client_ca`, and without TLS it must be a loopback address. The files of tokens \
        and of the key must not be readable by everybody.",
    keys: &[
        Key {
            name: "listen",
            kind: Kind::OneOrMore(&Kind::Text { what: "ADDRESS:PORT", examples: &["192.0.2.1:9111", "[::1]:9111"] }),
            default: Without::Words("none"),
            meaning: "Where it is listened.",
            since: "0.1",
        },
        Key {
            name: "token_file",
            kind: FILE,
            default: Without::Words("none"),
            meaning: "A file with the token that allows everything: at least 16 characters.",
            since: "0.1",
        },
        Key {
            name: "read_token_file",
            kind: FILE,
            default: Without::Words("none"),
            meaning: "A file with the token that allows to read.",
            since: "0.1",
        },
        Key {
            name: "certificate",
            kind: FILE,
            default: Without::Words("none: no TLS"),
            meaning: "A PEM file with this director's certificate, followed by those that lead to its authority. Needs `key`.",
            since: "0.1",
        },
        Key {
            name: "key",
            kind: FILE,
            default: Without::Words("none"),
            meaning: "A PEM file with its key.",
            since: "0.1",
        },
        Key {
            name: "client_ca",
            kind: FILE,
            default: Without::Words("none"),
            meaning: "A PEM file with authorities: clients must have a certificate of one of them. It allows what their token \
                allows, or everything where there are no tokens.",
            since: "0.1",
        },
        Key {
            name: "group",
            kind: Kind::Text { what: "a group's name or number", examples: &["lvs"] },
            default: Without::Words("the daemon's"),
            meaning: "The group of the control socket.",
            since: "0.1",
        },
        Key {
            name: "mode",
            kind: Kind::Words(|| SOCKET_MODES.map(|(name, _)| name).to_vec()),
            default: Without::Is(|| word_of(&SOCKET_MODES, SocketMode::default())),
            meaning: "`0660`: the control socket is its group's too; `0600`: its owner's alone.",
            since: "0.1",
        },
    ],
    later: &[],
};
