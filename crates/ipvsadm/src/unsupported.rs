//! What IPVS can do and relvs cannot. It is refused where the kernel would take it, in one line, with exit code 255.

use relvs_model::ServiceKey;
use std::net::SocketAddr;

/// What IPVS can do and relvs cannot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// `--pe sip`.
    #[error("relvs has no persistence engine {0}: leave out --pe, persistence is then by the client's address")]
    Engine(String),
    /// `-s none`.
    #[error("relvs has no service without a scheduler: name one with -s")]
    NoScheduler,
    /// `--tun-remcsum`.
    #[error("relvs has no tunnels with a remote checksum: take --tun-csum or --tun-nocsum")]
    RemoteChecksum,
    /// A NAT server on port 0 of a service that has a port.
    #[error("relvs cannot rewrite the packets of {service} to port 0: give the server {server} a port")]
    NoPort {
        /// The service.
        service: ServiceKey,
        /// The server.
        server: SocketAddr,
    },
    /// `--start-daemon`.
    #[error("relvs has no sync daemon yet: nothing was started")]
    SyncDaemon,
}

/// A place where relvs differs from ipvsadm 1.31 on a kernel, on purpose.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// Its name, by which tests refer to it.
    pub name: &'static str,
    /// The options that it is about, by their long names; none: it is about all, or about something else.
    pub options: &'static [&'static str],
    /// What is different.
    pub what: &'static str,
    /// Why.
    pub why: &'static str,
}

/// All differences. Everything else is the same to the byte.
///
/// "broadcast-address" and "table-order" cannot be helped here; the others are decisions.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "persistence-engine",
        options: &["pe"],
        what: "`--pe sip` is refused.",
        why: "No engine looks into packets here.",
    },
    Difference {
        name: "remote-checksum",
        options: &["tun-remcsum"],
        what: "`--tun-remcsum` is refused.",
        why: "It leaves the inner checksum to the receiver, to spare senders that compute it; a director's packets have theirs.",
    },
    Difference {
        name: "no-scheduler",
        options: &["scheduler"],
        what: "`-s none` is refused.",
        why: "A service without a scheduler drops every new connection.",
    },
    Difference {
        name: "port-zero",
        options: &["masquerading"],
        what: "A NAT server with port 0 is refused, unless its service has any port.",
        why: "The kernel takes it, and sends packets to port 0.",
    },
    Difference {
        name: "sync-daemon",
        options: &[
            "start-daemon",
            "stop-daemon",
            "daemon",
            "mcast-interface",
            "syncid",
            "sync-maxlen",
            "mcast-group",
            "mcast-port",
            "mcast-ttl",
        ],
        what: "`--start-daemon` is refused; `--stop-daemon` says that none is running, and `-L --daemon` shows none.",
        why: "There is no sync daemon yet.",
    },
    Difference {
        name: "broadcast-address",
        options: &[],
        what: "A server at the broadcast address of a director's own network is taken.",
        why: "The kernel refuses it by its own routing table, which is not looked into here.",
    },
    Difference {
        name: "table-order",
        options: &["nosort"],
        what: "`--nosort` lists services with the last added first.",
        why: "The kernel lists them in the order of a hash with a random part. Servers are listed as there.",
    },
    Difference {
        name: "arguments-first",
        options: &[],
        what: "A wrong command line, `-h` and `-v` are answered without a director, and without being root.",
        why: "The original asks the kernel before it looks at its arguments.",
    },
    Difference {
        name: "restore",
        options: &["restore"],
        what: "`-R` and `ipvsadm-restore` read their input to its end, change all or nothing, and name the line that failed.",
        why: "The original leaves a half-changed table, and its status is the last line's.",
    },
    Difference {
        name: "own-options",
        options: &["json", "full"],
        what: "`--json` with `-L`, and `--full` with `-S` and `ipvsadm-save`, are taken.",
        why: "The original knows neither.",
    },
    Difference {
        name: "help",
        options: &["help", "version"],
        what: "The texts of `-h` and `-v` are relvs's own.",
        why: "They describe relvs.",
    },
    Difference {
        name: "crashes",
        options: &["sched-flags"],
        what: "`-b ,` is an invalid flag; `!#:+` in an argument without a next word stays as it is.",
        why: "The original crashes at the one and never ends at the other.",
    },
    Difference {
        name: "utf-8",
        options: &[],
        what: "Bytes that are not UTF-8 are replaced where a message repeats them.",
        why: "Arguments are text here.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_can_read_of_every_difference() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ipvsadm.md")).unwrap();
        for Difference { name, what, why, .. } in DIFFERENCES {
            let row = format!("| `{name}` | {what} | {why} |");
            assert!(page.lines().any(|line| line == row), "docs/ipvsadm.md has no row: {row}");
        }
    }
}
