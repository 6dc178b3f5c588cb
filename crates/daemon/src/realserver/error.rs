//! Why a command could not do its work; each names what helps.

use std::{io, net::IpAddr, path::PathBuf};

use super::DecapsulatorError;

/// Why a command could not do its work. Unless it says otherwise, everything is as it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No VIP was named.
    #[error("no VIP is named; name at least one: --vip 192.0.2.100")]
    NoVip,
    /// A VIP that cannot be one.
    #[error("{vip} cannot be a VIP: it is {what}; name the address that clients connect to")]
    NotAVip {
        /// The address.
        vip: IpAddr,
        /// "a loopback address" and the like.
        what: &'static str,
    },
    /// NAT servers have no VIP.
    #[error("a NAT server needs no VIP: make the director its default gateway; --method is dr or tun")]
    NatServer,
    /// The VIP is on an interface where it cannot be hidden.
    #[error(
        "{vip} is an address of {interface}, so this host answers for it there; remove it: ip addr del {vip} dev {interface}"
    )]
    VipOnLink {
        /// The address.
        vip: IpAddr,
        /// The interface's name.
        interface: String,
    },
    /// lo is down: its addresses receive nothing.
    #[error("interface lo is down, so a VIP on it would receive nothing; set it up: ip link set lo up")]
    LoopbackDown,
    /// IPv6 is switched off on lo.
    #[error("IPv6 is off on lo, so {vip} cannot be added; switch it on: sysctl -w net.ipv6.conf.lo.disable_ipv6=0")]
    Ipv6Off {
        /// The address.
        vip: IpAddr,
    },
    /// There is no interface where tunnelled packets could arrive.
    #[error("no Ethernet interface is up here; set one up, or name one: --interface eth0")]
    NoInterface,
    /// The run directory or the state in it could not be used.
    #[error("cannot {action} {}: {source}; is it writable, and are you root?", .path.display())]
    RunDirectory {
        /// "create", "read", "write", "lock".
        action: &'static str,
        /// The directory or file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The state is not what `up` wrote.
    #[error("{} is not what `relvs realserver up` writes ({reason}); move it away and run `up` again", .path.display())]
    StateUnreadable {
        /// The state's file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The state was written in another network namespace.
    #[error(
        "{} belongs to another network namespace; use that one's own --run-dir, or remove the file if it is gone",
        .path.display()
    )]
    OtherNamespace {
        /// The state's file.
        path: PathBuf,
    },
    /// Another command holds the run directory.
    #[error("another `relvs realserver` is at work in {}; try again when it has ended", .path.display())]
    Busy {
        /// The run directory.
        path: PathBuf,
    },
    /// The kernel's configuration could not be read or changed.
    #[error(transparent)]
    Network(#[from] relvs_net::Error),
    /// The decapsulator could not be attached, detached or asked.
    #[error("the decapsulator: {0}")]
    Decapsulator(DecapsulatorError),
    /// A change failed, and those before it were taken back.
    #[error("{cause}; nothing is changed, what was done before it is undone")]
    Undone {
        /// Why it failed.
        cause: Box<Error>,
    },
    /// A change failed, and taking back those before it failed too.
    #[error("{cause}; and these changes could not be undone: {}; undo them by hand", .left.join(", "))]
    HalfDone {
        /// Why it failed.
        cause: Box<Error>,
        /// What is still changed, with the reason.
        left: Vec<String>,
    },
}
