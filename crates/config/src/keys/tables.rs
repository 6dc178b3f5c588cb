//! The sections of relvs.toml and their keys. A new key is a row here and a line in its reader.

use super::health;
use super::{API, Default as Without, Key, Kind, METRICS, NOTIFY, Table};
use crate::duration::written;
use crate::toml_file::{FAMILIES, MAX_FLOWS, MAX_WEIGHT, ON_EXIT, XDP_MODES, word_of};
use relvs_model::{Director, Method, Persistence, Protocol, Scheduler, SchedulerFlags, Server, Timeouts, Tunnel};

/// A time as it would be written.
fn time(seconds: u32) -> String {
    format!("\"{}\"", written(seconds))
}

/// All sections.
pub static ROOT: Table = Table {
    title: "relvs.toml",
    about: "The sections of the file. Each may be left out.",
    keys: &[
        Key {
            name: "director",
            kind: Kind::Table(&DIRECTOR),
            default: Without::Words("each key's default"),
            meaning: "The director's own settings.",
            since: "0.1",
        },
        Key {
            name: "service",
            kind: Kind::Tables(&SERVICE),
            default: Without::Words("none"),
            meaning: "The virtual services.",
            since: "0.1",
        },
        Key {
            name: "rule",
            kind: Kind::Tables(&RULE),
            default: Without::Words("none"),
            meaning: "Which packets have which mark.",
            since: "0.1",
        },
        Key {
            name: "timeouts",
            kind: Kind::Table(&TIMEOUTS),
            default: Without::Words("each key's default"),
            meaning: "When connections are forgotten.",
            since: "0.1",
        },
        Key {
            name: "ipvs",
            kind: Kind::Settings(&IPVS),
            default: Without::Words("the kernel's"),
            meaning: "What IPVS has under net.ipv4.vs.",
            since: "0.1",
        },
        Key {
            name: "metrics",
            kind: Kind::Table(&METRICS),
            default: Without::Words("off"),
            meaning: "Where Prometheus finds this director.",
            since: "0.1",
        },
        Key {
            name: "api",
            kind: Kind::Table(&API),
            default: Without::Words("the control socket alone"),
            meaning: "Who may use the API, and where.",
            since: "0.1",
        },
        super::vrrp::SECTION,
        Key {
            name: "notify",
            kind: Kind::Table(&NOTIFY),
            default: Without::Words("nobody"),
            meaning: "Who is told of everything.",
            since: "0.1",
        },
    ],
    later: &[],
};

/// `[director]`.
pub static DIRECTOR: Table = Table {
    title: "[director]",
    about: "The director's own settings.",
    keys: &[
        Key {
            name: "interfaces",
            kind: Kind::Array(&Kind::Text { what: "the name of an interface", examples: &["eth0"] }),
            default: Without::Words("none; `relvs run --interface` names them too"),
            meaning: "The network interfaces whose packets are looked at: those on which clients' packets arrive and, \
                for NAT, those on which servers' replies arrive.",
            since: "0.1",
        },
        Key {
            name: "flows",
            kind: Kind::Integer { least: 1, most: MAX_FLOWS },
            default: Without::Is(|| Director::default().flows.to_string()),
            meaning: "How many connections of each address family the tables are made for; rounded up to a power of two.",
            since: "0.1",
        },
        Key {
            name: "xdp_mode",
            kind: Kind::Words(|| XDP_MODES.map(|(name, _)| name).to_vec()),
            default: Without::Is(|| word_of(&XDP_MODES, Director::default().xdp_mode)),
            meaning: "Where the program is attached. `auto`: the fastest that delivers; `native`: in the network driver or not \
                at all; `generic`: in the kernel's stack, slower, with any driver.",
            since: "0.1",
        },
        Key {
            name: "on_exit",
            kind: Kind::Words(|| ON_EXIT.map(|(name, _)| name).to_vec()),
            default: Without::Is(|| word_of(&ON_EXIT, Director::default().on_exit)),
            meaning: "What the end of the daemon by SIGTERM leaves. `keep`: forwarding goes on as configured; `stop`: programs and \
                tables are removed.",
            since: "0.1",
        },
    ],
    later: &[],
};

/// `[[service]]`.
pub static SERVICE: Table = Table {
    title: "[[service]]",
    about: "A virtual service. One begins with each `[[service]]`; its servers are the `[[service.server]]` below it. It has \
        `listen`, or `mark`.",
    keys: &[
        Key {
            name: "listen",
            kind: Kind::Text {
                what: "ADDRESS:PORT/PROTOCOL",
                examples: &["192.0.2.100:80/tcp", "[2001:db8::100]:443/tcp"],
            },
            default: Without::Words("`listen` or `mark` must be written"),
            meaning: "The VIP, the port, and `tcp`, `udp` or `sctp`. An IPv6 address stands in brackets. Port 0 is any port, \
                and needs persistence.",
            since: "0.1",
        },
        Key {
            name: "mark",
            kind: Kind::Integer { least: 1, most: u32::MAX },
            default: Without::Words("`listen` or `mark` must be written"),
            meaning: "The service is of the packets that a `[[rule]]` gives this mark, whatever their VIP, protocol and port.",
            since: "0.1",
        },
        Key {
            name: "family",
            kind: Kind::Words(|| FAMILIES.map(|(name, _)| name).to_vec()),
            default: Without::Is(|| word_of(&FAMILIES, false)),
            meaning: "The address family of a mark's packets.",
            since: "0.1",
        },
        Key {
            name: "scheduler",
            kind: Kind::Words(|| Scheduler::ALL.map(Scheduler::name).to_vec()),
            default: Without::Is(|| format!("\"{}\"", Scheduler::default())),
            meaning: "How a server is chosen for a new connection.",
            since: "0.1",
        },
        Key {
            name: "flags",
            kind: Kind::OneOrMore(&Kind::Words(|| SchedulerFlags::all_names().collect())),
            default: Without::Words("none"),
            meaning: "What is said to the scheduler: by its own names, or by IPVS's names for any scheduler, `flag-1` (fallback), \
                `flag-2` (port) and `flag-3`.",
            since: "0.1",
        },
        Key {
            name: "method",
            kind: Kind::Words(|| Method::ALL.map(Method::name).to_vec()),
            default: Without::Is(|| format!("\"{}\"", Method::default())),
            meaning: "How packets reach the servers that do not say their own: `dr`, only the MAC address changes; `tun`, inside \
                another packet; `nat`, the destination is rewritten, and the reply's source back.",
            since: "0.1",
        },
        Key {
            name: "tunnel",
            kind: Kind::Table(&TUNNEL),
            default: Without::Words("IP in IP"),
            meaning: "What packets to the `tun` servers travel in that do not say their own.",
            since: "0.2",
        },
        Key {
            name: "persistence",
            kind: Kind::Either(&[Kind::Duration, Kind::Boolean, Kind::Table(&PERSISTENCE)]),
            default: Without::Words("none: each connection anew"),
            meaning: "How long a client keeps its server after its last connection was opened. `true` is 6 minutes.",
            since: "0.1",
        },
        Key {
            name: "one_packet",
            kind: Kind::Boolean,
            default: Without::Is(|| false.to_string()),
            meaning: "A server is chosen for each packet, and no connection remembered; for UDP and marks.",
            since: "0.1",
        },
        Key {
            name: "new_flows_per_second",
            kind: Kind::Integer { least: 1, most: u32::MAX },
            default: Without::Words("no limit"),
            meaning: "So many new connections a second are let through to the servers; packets of more are dropped, and counted \
                (`new_flows_limited`).",
            since: "0.1",
        },
        health::SERVICE_CHECK,
        health::QUORUM,
        health::HYSTERESIS,
        health::SORRY_SERVER,
        health::SORRY_SERVER_INHIBIT,
        health::INHIBIT_ON_FAILURE,
        health::SLOW_START,
        health::DAMPING_KEY,
        health::NOTIFY_UP,
        health::NOTIFY_DOWN,
        health::QUORUM_UP,
        health::QUORUM_DOWN,
        health::OMEGA,
        health::HA_SUSPEND,
        Key {
            name: "server",
            kind: Kind::Tables(&SERVER),
            default: Without::Words("none: clients are refused"),
            meaning: "The servers.",
            since: "0.1",
        },
    ],
    later: &[],
};

/// `persistence` as a table.
pub static PERSISTENCE: Table = Table {
    title: "persistence",
    about: "Persistence in full: `persistence = { timeout = \"5m\", netmask = 24 }`.",
    keys: &[
        Key {
            name: "timeout",
            kind: Kind::Duration,
            default: Without::Is(|| time(Persistence::DEFAULT_TIMEOUT_S)),
            meaning: "How long a client keeps its server. More than 18 hours act as 18 hours.",
            since: "0.1",
        },
        Key {
            name: "netmask",
            kind: Kind::Either(&[
                Kind::Integer { least: 1, most: 128 },
                Kind::Text { what: "a mask", examples: &["255.255.255.0"] },
            ]),
            default: Without::Words("the whole address"),
            meaning: "What of a client's address counts: a prefix, up to 32 for IPv4; for IPv4 also a mask.",
            since: "0.1",
        },
    ],
    later: &[],
};

/// `[[service.server]]`.
pub static SERVER: Table = Table {
    title: "[[service.server]]",
    about: "A real server of the service above it.",
    keys: &[
        Key {
            name: "address",
            kind: Kind::Text {
                what: "an address, with or without a port",
                examples: &["10.0.0.11", "[fd00::11]:8080"],
            },
            default: Without::Required,
            meaning: "The server's own address. It is of the VIP's address family, but by `tun` it may be of the other one. Names \
                are not looked up.",
            since: "0.1",
        },
        Key {
            name: "port",
            kind: Kind::Integer { least: 1, most: u16::MAX as u32 },
            default: Without::Words("the service's port"),
            meaning: "The port, where it is not in `address`. Another than the service's needs `nat`.",
            since: "0.1",
        },
        Key {
            name: "weight",
            kind: Kind::Integer { least: 0, most: MAX_WEIGHT },
            default: Without::Is(|| Server::DEFAULT_WEIGHT.to_string()),
            meaning: "The server's share of new connections. With 0 it gets no new ones, and keeps those it has.",
            since: "0.1",
        },
        Key {
            name: "method",
            kind: Kind::Words(|| Method::ALL.map(Method::name).to_vec()),
            default: Without::Words("the service's"),
            meaning: "How packets reach this server.",
            since: "0.1",
        },
        Key {
            name: "tunnel",
            kind: Kind::Table(&TUNNEL),
            default: Without::Words("the service's"),
            meaning: "What packets to this server travel in, by `tun`.",
            since: "0.2",
        },
        Key {
            name: "upper_threshold",
            kind: Kind::Integer { least: 0, most: MAX_WEIGHT },
            default: Without::Is(|| 0.to_string()),
            meaning: "With so many connections it gets no new ones, until they are fewer than the lower threshold; 0 is no limit.",
            since: "0.1",
        },
        Key {
            name: "lower_threshold",
            kind: Kind::Integer { least: 0, most: MAX_WEIGHT },
            default: Without::Words("three quarters of the upper one"),
            meaning: "See there; at most the upper one.",
            since: "0.1",
        },
        health::SERVER_CHECK,
        health::INHIBIT_ON_FAILURE,
        health::SLOW_START,
        health::DAMPING_KEY,
        health::NOTIFY_UP,
        health::NOTIFY_DOWN,
    ],
    later: &[],
};

/// `tunnel`.
pub static TUNNEL: Table = Table {
    title: "tunnel",
    about: "What packets to `tun` servers travel in: `tunnel = { type = \"gue\", port = 6080 }`.",
    keys: &[
        Key {
            name: "type",
            kind: Kind::Words(|| Tunnel::TYPES.to_vec()),
            default: Without::Required,
            meaning: "`ipip`, IP and nothing else; `gre`, RFC 2784; `gue`, generic UDP encapsulation, whose source port is the \
                flow's own, so that the server's queues and cores get their shares.",
            since: "0.2",
        },
        Key {
            name: "port",
            kind: Kind::Integer { least: 1, most: u16::MAX as u32 },
            default: Without::Words("none: `gue` needs one"),
            meaning: "The UDP port that the server takes `gue` at; 6080 is the one assigned.",
            since: "0.2",
        },
        Key {
            name: "checksum",
            kind: Kind::Boolean,
            default: Without::Is(|| false.to_string()),
            meaning: "With a checksum of all that is inside, for `gre` and `gue`. It costs the director a look at every byte.",
            since: "0.2",
        },
    ],
    later: &[],
};

const NETWORK: Kind = Kind::Text { what: "an address or a network", examples: &["192.0.2.100", "10.0.0.0/8"] };

/// `[[rule]]`.
pub static RULE: Table = Table {
    title: "[[rule]]",
    about: "Which packets have which mark, in the place of netfilter's marks, which come too late to be seen. The first rule \
        that matches decides.",
    keys: &[
        Key {
            name: "mark",
            kind: Kind::Integer { least: 1, most: u32::MAX },
            default: Without::Required,
            meaning: "The mark.",
            since: "0.1",
        },
        Key {
            name: "source",
            kind: Kind::OneOrMore(&NETWORK),
            default: Without::Words("anywhere"),
            meaning: "Where packets come from.",
            since: "0.1",
        },
        Key {
            name: "destination",
            kind: Kind::OneOrMore(&NETWORK),
            default: Without::Words("anywhere"),
            meaning: "Where they go to.",
            since: "0.1",
        },
        Key {
            name: "protocol",
            kind: Kind::Words(|| Protocol::ALL.map(Protocol::name).to_vec()),
            default: Without::Words("all three"),
            meaning: "Their protocol.",
            since: "0.1",
        },
        Key {
            name: "ports",
            kind: Kind::OneOrMore(&Kind::Either(&[
                Kind::Integer { least: 1, most: u16::MAX as u32 },
                Kind::Text { what: "a range of ports", examples: &["8000-8100"] },
            ])),
            default: Without::Words("all"),
            meaning: "Their destination ports.",
            since: "0.1",
        },
    ],
    later: &[],
};

/// `[timeouts]`.
pub static TIMEOUTS: Table = Table {
    title: "[timeouts]",
    about: "The times without a packet after which a connection is forgotten: the three that `ipvsadm --set` changes. The \
        other states have IPVS's fixed times.",
    keys: &[
        Key {
            name: "tcp",
            kind: Kind::Duration,
            default: Without::Is(|| time(Timeouts::default().tcp_s)),
            meaning: "An established TCP connection.",
            since: "0.1",
        },
        Key {
            name: "tcp_fin",
            kind: Kind::Duration,
            default: Without::Is(|| time(Timeouts::default().tcp_fin_s)),
            meaning: "A TCP connection after a FIN.",
            since: "0.1",
        },
        Key {
            name: "udp",
            kind: Kind::Duration,
            default: Without::Is(|| time(Timeouts::default().udp_s)),
            meaning: "UDP.",
            since: "0.1",
        },
    ],
    later: &[],
};

/// `[ipvs]`.
pub static IPVS: Table = Table {
    title: "[ipvs]",
    about: "Every name under net.ipv4.vs, with the kernel's values. Some act here. The others are accepted and do nothing; each \
        that is set to something else than its default gives a warning that says why.",
    keys: &[],
    later: &[],
};
