//! Which options a tunnel takes, by its kind. Nothing is said of whether relvs has such a tunnel.

use crate::{Failure, Id, Tunnel, TunnelChecksum, Use, parse};
use std::collections::BTreeSet;

/// Options that only a tunnel has: its kind, then what depends on that.
pub(crate) const IDS: [Id; 5] = [Id::TunType, Id::TunPort, Id::TunNoCsum, Id::TunCsum, Id::TunRemCsum];

/// What packets travel in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Ipip,
    Gue,
    Gre,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kind::Ipip => "ipip",
            Kind::Gue => "gue",
            Kind::Gre => "gre",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [Kind::Ipip, Kind::Gue, Kind::Gre].into_iter().find(|kind| kind.name() == name)
    }

    const fn uses(self, id: Id) -> Option<Use> {
        match (self, id) {
            (Kind::Gue, Id::TunPort) => Some(Use::Must),
            (Kind::Gue, Id::TunNoCsum | Id::TunCsum | Id::TunRemCsum) | (Kind::Gre, Id::TunNoCsum | Id::TunCsum) => {
                Some(Use::Alone)
            }
            _ => None,
        }
    }
}

/// A tunnel as far as it is described yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) kind: Kind,
    pub(crate) port: u16,
    pub(crate) checksum: TunnelChecksum,
}

impl Draft {
    pub(crate) const fn tunnel(self) -> Tunnel {
        match self.kind {
            Kind::Ipip => Tunnel::Ipip,
            Kind::Gue => Tunnel::Gue { port: self.port, checksum: self.checksum },
            Kind::Gre => Tunnel::Gre { checksum: self.checksum },
        }
    }
}

/// Whether the tunnel has what it needs, and nothing that it does not take.
pub(crate) fn check(kind: Kind, said: &BTreeSet<Id>) -> Result<(), Failure> {
    parse::check(&IDS[1..], |id| kind.uses(id), said, &format!("'{}' tunnel type", kind.name()))
}

impl Tunnel {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Tunnel::Ipip => Kind::Ipip.name(),
            Tunnel::Gue { .. } => Kind::Gue.name(),
            Tunnel::Gre { .. } => Kind::Gre.name(),
        }
    }
}
