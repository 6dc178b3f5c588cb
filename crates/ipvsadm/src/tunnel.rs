//! Which options a tunnel takes, by its kind. And which of them relvs has.

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

impl From<relvs_model::Tunnel> for Tunnel {
    fn from(tunnel: relvs_model::Tunnel) -> Self {
        let of = |checksum: bool| if checksum { TunnelChecksum::Plain } else { TunnelChecksum::None };
        match tunnel {
            relvs_model::Tunnel::Ipip => Tunnel::Ipip,
            relvs_model::Tunnel::Gue { port, checksum } => Tunnel::Gue { port, checksum: of(checksum) },
            relvs_model::Tunnel::Gre { checksum } => Tunnel::Gre { checksum: of(checksum) },
        }
    }
}

impl Tunnel {
    /// As relvs has it; none if its checksum is left to the other end.
    pub(crate) const fn supported(self) -> Option<relvs_model::Tunnel> {
        match self {
            Tunnel::Ipip => Some(relvs_model::Tunnel::Ipip),
            Tunnel::Gue { checksum: TunnelChecksum::Remote, .. } | Tunnel::Gre { checksum: TunnelChecksum::Remote } => {
                None
            }
            Tunnel::Gue { port, checksum } => {
                Some(relvs_model::Tunnel::Gue { port, checksum: matches!(checksum, TunnelChecksum::Plain) })
            }
            Tunnel::Gre { checksum } => {
                Some(relvs_model::Tunnel::Gre { checksum: matches!(checksum, TunnelChecksum::Plain) })
            }
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Tunnel::Ipip => Kind::Ipip.name(),
            Tunnel::Gue { .. } => Kind::Gue.name(),
            Tunnel::Gre { .. } => Kind::Gre.name(),
        }
    }
}
