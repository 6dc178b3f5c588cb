//! What can go wrong between relvs and the kernel's network configuration.

use std::{io, time::Duration};

use nix::errno::Errno;

/// Why a question or a change was not answered as wished.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A socket of this crate could not be opened or used.
    #[error("cannot {action}: {source}{}", privilege(.source))]
    Socket {
        /// What was tried, as in "open a packet socket".
        action: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The kernel received the request and refused it.
    #[error("the kernel refused to {action}: {source}{}", privilege(.source))]
    Refused {
        /// What was asked, as in "add 192.0.2.1/32 to lo".
        action: String,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The kernel's answer did not come, or dumps kept being interrupted by changes.
    #[error("no complete answer from the kernel when asked to {action} within {} s", .within.as_secs())]
    Timeout {
        /// What was asked.
        action: String,
        /// How long it was waited.
        within: Duration,
    },
    /// The kernel's answer was not what the protocol says.
    #[error("cannot understand the kernel's answer when asked to {action}: {reason}")]
    Malformed {
        /// What was asked.
        action: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// There is no such interface in this namespace.
    #[error("there is no interface {name} here; `ip link` lists those that exist")]
    NoInterface {
        /// The name, or `#` and the index.
        name: String,
    },
    /// The interface carries no Ethernet frames, so ARP and neighbour discovery do not exist on it.
    #[error("interface {name} is no Ethernet interface; name one that has a MAC address")]
    NotEthernet {
        /// The interface's name, or `#` and the index.
        name: String,
    },
    /// A sysctl could not be read or written.
    #[error("cannot {action} {key}: {source}{}", privilege(.source))]
    Sysctl {
        /// "read" or "write".
        action: &'static str,
        /// The key as sysctl(8) prints it.
        key: String,
        /// The system's reason.
        source: io::Error,
    },
}

impl Error {
    /// The system's error number, where there is one.
    pub(crate) fn errno(&self) -> Option<Errno> {
        match self {
            Error::Socket { source, .. } | Error::Refused { source, .. } | Error::Sysctl { source, .. } => {
                source.raw_os_error().map(Errno::from_raw)
            }
            Error::Timeout { .. } | Error::Malformed { .. } | Error::NoInterface { .. } | Error::NotEthernet { .. } => {
                None
            }
        }
    }

    /// Whether what was named does not exist: an interface, an address, a sysctl.
    pub fn is_absent(&self) -> bool {
        matches!(self, Error::NoInterface { .. })
            || matches!(self.errno(), Some(Errno::ENOENT | Errno::ENODEV | Errno::EADDRNOTAVAIL))
    }

    /// Whether it was refused for want of privilege.
    pub fn is_forbidden(&self) -> bool {
        matches!(self.errno(), Some(Errno::EPERM | Errno::EACCES))
    }

    /// Whether what should be added exists already.
    pub fn is_present(&self) -> bool {
        self.errno() == Some(Errno::EEXIST)
    }

    pub(crate) fn socket(action: impl Into<String>, errno: impl Into<io::Error>) -> Self {
        Error::Socket { action: action.into(), source: errno.into() }
    }
}

/// The remedy for the commonest reason.
fn privilege(source: &io::Error) -> &'static str {
    if source.kind() == io::ErrorKind::PermissionDenied {
        "; run as root or with CAP_NET_ADMIN and CAP_NET_RAW"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_remedy_only_when_privilege_is_missing() {
        let refused = |errno: Errno| Error::Refused { action: "add 192.0.2.1/32 to lo".into(), source: errno.into() };
        assert!(refused(Errno::EPERM).to_string().ends_with("run as root or with CAP_NET_ADMIN and CAP_NET_RAW"));
        assert_eq!(
            refused(Errno::EEXIST).to_string(),
            "the kernel refused to add 192.0.2.1/32 to lo: File exists (os error 17)"
        );
        assert!(refused(Errno::EEXIST).is_present() && !refused(Errno::EEXIST).is_absent());
        assert!(refused(Errno::EADDRNOTAVAIL).is_absent());
    }
}
