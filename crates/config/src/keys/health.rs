//! Health checks and what follows from them: keys of services and servers, `check`, and the tables within.

use super::common::{COMMAND, FILE, PAUSE, PAUSE_OR_NONE, PROGRAM, TIMES, time};
use super::{Default as Without, Key, Kind, Table};
use crate::toml_file::{CHECKS, HTTP_VERSIONS, MAX_WEIGHT, RECORDS, word_of};
use relvs_model::health::{DnsProbe, HttpProbe, ServiceHealth, SmtpProbe, Timing};

/// What is the service's own.
pub(super) const SERVICE_CHECK: Key = key!(
    "check",
    Kind::Either(&[Kind::Table(&CHECK), Kind::Tables(&CHECK)]),
    Without::Words("none: all servers are always up"),
    "What each server of the service is asked, to know whether it is up. With several, all must succeed."
);
pub(super) const QUORUM: Key = key!(
    "quorum",
    Kind::Integer { least: 1, most: MAX_WEIGHT },
    Without::Is(|| ServiceHealth::default().quorum.to_string()),
    "The sum of weights of servers that are up from which on the service is up."
);
pub(super) const HYSTERESIS: Key = key!(
    "hysteresis",
    Kind::Integer { least: 0, most: MAX_WEIGHT },
    Without::Is(|| ServiceHealth::default().hysteresis.to_string()),
    "The service comes up with the quorum and this, and goes down below the quorum less this. Less than the quorum."
);
pub(super) const SORRY_SERVER: Key = key!(
    "sorry_server",
    Kind::Either(&[
        Kind::Text { what: "an address, with or without a port", examples: &["10.0.0.99", "[fd00::99]:8080"] },
        Kind::Table(&SORRY),
    ]),
    Without::Words("none"),
    "The server that takes the place of all while the service is not up."
);
pub(super) const SORRY_SERVER_INHIBIT: Key = key!(
    "sorry_server_inhibit",
    Kind::Boolean,
    Without::Is(|| false.to_string()),
    "While it is not needed, the sorry server keeps its place with weight 0, and its connections."
);
pub(super) const OMEGA: Key = key!(
    "omega",
    Kind::Boolean,
    Without::Is(|| false.to_string()),
    "When the daemon ends or the service is removed, what was up is told to be down: `notify_down` and `quorum_down` run."
);
pub(super) const HA_SUSPEND: Key = key!(
    "ha_suspend",
    Kind::Boolean,
    Without::Is(|| false.to_string()),
    "Servers are checked only while the VIP is an address of this machine."
);
pub(super) const QUORUM_UP: Key = key!("quorum_up", PROGRAM, Without::Words("none"), "Run when the service comes up.");
pub(super) const QUORUM_DOWN: Key =
    key!("quorum_down", PROGRAM, Without::Words("none"), "Run when the service goes down.");

/// What a service says for its servers, and a server for itself.
pub(super) const INHIBIT_ON_FAILURE: Key = key!(
    "inhibit_on_failure",
    Kind::Boolean,
    Without::Is(|| false.to_string()),
    "A server that is down keeps its place with weight 0, and its connections; else it is removed. Said at the service it \
        holds for all its servers that do not say otherwise."
);
pub(super) const SLOW_START: Key = key!(
    "slow_start",
    PAUSE_OR_NONE,
    Without::Is(|| time(0)),
    "Over this time a server that comes back gets its weight, in ten steps."
);
pub(super) const DAMPING_KEY: Key = key!(
    "damping",
    Kind::Table(&DAMPING),
    Without::Words("none"),
    "A server that goes down too often stays down for a while."
);
pub(super) const NOTIFY_UP: Key = key!("notify_up", PROGRAM, Without::Words("none"), "Run when a server comes up.");
pub(super) const NOTIFY_DOWN: Key =
    key!("notify_down", PROGRAM, Without::Words("none"), "Run when a server goes down.");

/// A server's own checks.
pub(super) const SERVER_CHECK: Key = key!(
    "check",
    Kind::Either(&[Kind::Table(&CHECK), Kind::Tables(&CHECK)]),
    Without::Words("the service's"),
    "What this server is asked, in place of what the service says. `check = []`: nothing, it is always up."
);

/// `[service.check]` and `[service.server.check]`.
pub static CHECK: Table = Table {
    title: "[service.check]",
    about: "One thing that servers are asked again and again: those of a service, or one alone as `[service.server.check]`. Several \
        are written in double brackets, `[[service.check]]`. Which keys there are depends on the `type`.",
    keys: &[
        key!(
            "type",
            Kind::Words(|| CHECKS.map(|(name, _)| name).to_vec()),
            Without::Required,
            "What is asked: does it accept a connection (`tcp`); does it answer a request (`http`, `https`), as a mail server \
                (`smtp`), a query (`dns`), a datagram (`udp`), an echo request (`ping`), a call of gRPC's health service \
                (`grpc`); does a program (`misc`) or a file (`file`) say that it is up."
        ),
        key!(
            "interval",
            PAUSE,
            Without::Is(|| time(Timing::default().interval_ms)),
            "From the end of one probe to the next."
        ),
        key!(
            "timeout",
            PAUSE,
            Without::Is(|| time(Timing::default().timeout_ms)),
            "How long a whole probe may take. What is not answered by then has failed."
        ),
        key!("connect_timeout", PAUSE, Without::Words("the timeout"), "How much of it the connection may take."),
        key!(
            "fall",
            TIMES,
            Without::Is(|| Timing::default().fall.to_string()),
            "So many failures in a row make the server down. The very first outcome decides alone."
        ),
        key!(
            "rise",
            TIMES,
            Without::Is(|| Timing::default().rise.to_string()),
            "So many successes in a row make it up again."
        ),
        key!(
            "retry_interval",
            PAUSE,
            Without::Words("1 second, or the interval if that is shorter"),
            "From a failure to the next probe, while failures are counted."
        ),
        key!(
            "warmup",
            PAUSE_OR_NONE,
            Without::Words("the interval"),
            "The first probe is made at a random moment of this time, so that not all begin at once."
        ),
        key!(
            "fast_recovery",
            Kind::Boolean,
            Without::Is(|| false.to_string()),
            "A server that is down is asked at the retry interval."
        ),
        key!(
            "alpha",
            Kind::Boolean,
            Without::Is(|| false.to_string()),
            "A server is down until this check has succeeded; else it is up until the first outcome."
        ),
        key!(
            "log_all_failures",
            Kind::Boolean,
            Without::Is(|| false.to_string()),
            "Every failure is logged, not only the one that changes something."
        ),
        key!(
            "address",
            Kind::Text { what: "an address", examples: &["10.0.1.11", "fd00::11"] },
            Without::Words("the server's"),
            "Where to ask."
        ),
        key!(
            "port",
            Kind::Integer { least: 1, most: u16::MAX as u32 },
            Without::Words("the server's"),
            "On which port; not for `ping`, `misc` and `file`."
        ),
        key!(
            "from",
            Kind::Text { what: "an address", examples: &["10.0.0.1"] },
            Without::Words("the kernel's choice"),
            "From which address."
        ),
        key!(
            "from_port",
            Kind::Integer { least: 1, most: u16::MAX as u32 },
            Without::Words("the kernel's choice"),
            "From which port."
        ),
        key!(
            "interface",
            Kind::Text { what: "the name of an interface", examples: &["eth1"] },
            Without::Words("the kernel's choice"),
            "By which interface."
        ),
        key!(
            "mark",
            Kind::Integer { least: 0, most: u32::MAX },
            Without::Is(|| 0.to_string()),
            "The probe's packets have this mark, for the routing rules; 0 is none."
        ),
        key!(
            "through_data_path",
            Kind::Boolean,
            Without::Is(|| false.to_string()),
            "The VIP itself is asked, at this server: by its MAC address or through its tunnel, as clients' packets come to it. So \
                a server that lacks the VIP or does not take packets out of the tunnel is down. For `dr` and `tun`."
        ),
        key!(
            "path",
            Kind::Text { what: "a path", examples: &["/healthz", "/run/weight"] },
            Without::Is(|| format!("\"{}\"", HttpProbe::default().path)),
            "`http`, `https`: what is asked for, with its query. `file`: the file; it must be written."
        ),
        key!(
            "method",
            Kind::Words(|| vec!["GET", "HEAD"]),
            Without::Is(|| format!("\"{}\"", HttpProbe::default().method)),
            "`http`, `https`: the method."
        ),
        key!(
            "host",
            Kind::Text { what: "a host name", examples: &["www.example.org"] },
            Without::Words("the address and port"),
            "`http`, `https`, `grpc`: whose site."
        ),
        key!(
            "headers",
            Kind::OneOrMore(&Kind::Text { what: "a header", examples: &["Accept: text/plain"] }),
            Without::Words("none"),
            "`http`, `https`: more headers."
        ),
        key!(
            "status",
            Kind::OneOrMore(&Kind::Either(&[
                Kind::Integer { least: 100, most: 599 },
                Kind::Text { what: "a range of statuses", examples: &["200-399"] },
            ])),
            Without::Words("`\"200-299\"`"),
            "`http`, `https`: the good statuses."
        ),
        key!(
            "digest",
            Kind::Text { what: "32 hexadecimal digits", examples: &["5eb63bbbe01eeed093cb22bb8f5acdc3"] },
            Without::Words("any body"),
            "`http`, `https`: the MD5 of the body, as `genhash` prints it."
        ),
        key!(
            "regex",
            Kind::Text { what: "a regular expression", examples: &["^ok"] },
            Without::Words("any body"),
            "`http`, `https`: the body must match this."
        ),
        key!(
            "regex_no_match",
            Kind::Text { what: "a regular expression", examples: &["maintenance"] },
            Without::Words("none"),
            "`http`, `https`: the body must not match this."
        ),
        key!(
            "version",
            Kind::Words(|| HTTP_VERSIONS.map(|(name, _)| name).to_vec()),
            Without::Is(|| word_of(&HTTP_VERSIONS, HttpProbe::default().version)),
            "`http`, `https`: the version of HTTP."
        ),
        key!(
            "tls",
            Kind::Boolean,
            Without::Is(|| false.to_string()),
            "`smtp`, `grpc`: TLS from the first byte. `https` always has it. TLS is 1.2 or 1.3."
        ),
        key!(
            "server_name",
            Kind::Text { what: "a host name", examples: &["www.example.org"] },
            Without::Words("`host`"),
            "With TLS: the name that is asked for (SNI), and that the certificate must be for if it is verified."
        ),
        key!("sni", Kind::Boolean, Without::Is(|| true.to_string()), "With TLS: a name is asked for."),
        key!(
            "verify",
            Kind::Boolean,
            Without::Is(|| false.to_string()),
            "With TLS: the certificate must be valid, by the system's authorities or those in `ca`."
        ),
        key!("ca", FILE, Without::Words("the system's authorities"), "With TLS: a file of authorities, in PEM."),
        key!("certificate", FILE, Without::Words("none"), "With TLS: a file with a certificate to show, in PEM."),
        key!("key", FILE, Without::Words("none"), "With TLS: a file with its key, in PEM."),
        key!(
            "helo",
            Kind::Text { what: "a host name", examples: &["director.example.org"] },
            Without::Is(|| format!("\"{}\"", SmtpProbe::default().helo)),
            "`smtp`: the name in HELO."
        ),
        key!(
            "record",
            Kind::Words(|| RECORDS.map(|(name, _)| name).to_vec()),
            Without::Is(|| word_of(&RECORDS, DnsProbe::default().record)),
            "`dns`: the type of the query."
        ),
        key!(
            "name",
            Kind::Text { what: "a domain name", examples: &["www.example.org"] },
            Without::Is(|| format!("\"{}\"", DnsProbe::default().name)),
            "`dns`: what is asked for."
        ),
        key!(
            "expect",
            Kind::Text { what: "an answer", examples: &["192.0.2.7", "706f6e67"] },
            Without::Words("any answer"),
            "`dns`: one of the answers must be this. `udp`: the reply begins with these bytes, in hexadecimal."
        ),
        key!("tcp", Kind::Boolean, Without::Is(|| false.to_string()), "`dns`: by TCP in place of UDP."),
        key!(
            "payload",
            Kind::Text { what: "bytes in hexadecimal", examples: &["70696e67"] },
            Without::Words("an empty datagram"),
            "`udp`: what is sent."
        ),
        key!(
            "require_reply",
            Kind::Boolean,
            Without::Is(|| false.to_string()),
            "`udp`: silence is a failure; else only a refusal is."
        ),
        key!(
            "min_reply_length",
            Kind::Integer { least: 0, most: u16::MAX as u32 },
            Without::Is(|| 0.to_string()),
            "`udp`: the least length of a reply, in bytes."
        ),
        key!(
            "max_reply_length",
            Kind::Integer { least: 0, most: u16::MAX as u32 },
            Without::Is(|| 0.to_string()),
            "`udp`: the greatest; 0 is any."
        ),
        key!(
            "size",
            Kind::Integer { least: 0, most: 65_507 },
            Without::Is(|| 0.to_string()),
            "`ping`: so many bytes of data."
        ),
        key!(
            "command",
            COMMAND,
            Without::Words("must be written for `misc`"),
            "`misc`: the program; it exits with 0 if the server is up, and with 1 if it is down. No shell looks at it."
        ),
        key!(
            "user",
            Kind::Text { what: "a user", examples: &["nobody"] },
            Without::Words("the daemon's"),
            "`misc`: as whom it is run."
        ),
        key!(
            "group",
            Kind::Text { what: "a group", examples: &["nogroup"] },
            Without::Words("the user's"),
            "`misc`: as which group."
        ),
        key!(
            "dynamic",
            Kind::Boolean,
            Without::Is(|| false.to_string()),
            "`misc`: exit codes from 2 to 255 say that the server is up with weight 0 to 253."
        ),
        key!(
            "weight",
            Kind::Signed { least: -253, most: 253 },
            Without::Is(|| 1.to_string()),
            "`file`: the number in the file is multiplied by this and added to the server's weight; with 0 any number but 0 is \
                down. A number of -254 and less is down in any case."
        ),
        key!(
            "service",
            Kind::Text { what: "a service of gRPC", examples: &["shop.Cart"] },
            Without::Words("the whole server"),
            "`grpc`: whose health is asked."
        ),
    ],
    later: &[],
};

/// `sorry_server` as a table.
pub static SORRY: Table = Table {
    title: "sorry_server",
    about: "A sorry server in full: `sorry_server = { address = \"10.0.0.99\", port = 8080, method = \"nat\" }`.",
    keys: &[
        key!(
            "address",
            Kind::Text { what: "an address, with or without a port", examples: &["10.0.0.99", "[fd00::99]:8080"] },
            Without::Required,
            "Its own address, of the VIP's address family; by `tun` of either."
        ),
        key!(
            "port",
            Kind::Integer { least: 1, most: u16::MAX as u32 },
            Without::Words("the service's port"),
            "The port, where it is not in `address`."
        ),
        key!(
            "method",
            Kind::Words(|| relvs_model::Method::ALL.map(relvs_model::Method::name).to_vec()),
            Without::Words("the service's"),
            "How packets reach it."
        ),
        key!(
            "tunnel",
            Kind::Table(&super::TUNNEL),
            Without::Words("the service's"),
            "What its packets travel in, by `tun`."
        ),
    ],
    later: &[],
};

/// `damping`.
pub static DAMPING: Table = Table {
    title: "damping",
    about: "What is too often: `damping = { falls = 3, within = \"5m\", hold = \"10m\" }`. All three must be written.",
    keys: &[
        key!("falls", TIMES, Without::Required, "So many times down ..."),
        key!("within", PAUSE, Without::Required, "... within this time, and the server ..."),
        key!("hold", PAUSE, Without::Required, "... stays down for at least this time."),
    ],
    later: &[],
};
