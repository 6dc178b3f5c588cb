//! What is checked before an advert is believed: RFC 9568 section 7.1, RFC 3768 section 7.1.

use super::{
    input::Datagram,
    instance::Instance,
    packet::{Authentication, Malformed, Packet, TTL},
};
use relvs_model::vrrp::{ConditionKind, Statistics, UnicastPeer, Version};
use std::{net::IpAddr, time::Duration};
use thiserror::Error;

/// Why an advert was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Rejected {
    /// It is none.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Another version than ours.
    #[error("version {found}, not {expected}")]
    Version {
        /// What it has.
        found: u8,
        /// What we have.
        expected: u8,
    },
    /// It has crossed a router, or was forged beyond one.
    #[error("TTL {0}, not 255")]
    Ttl(u8),
    /// Not between what the peer may have.
    #[error("TTL {0}, which this peer may not have")]
    PeerTtl(u8),
    /// Multicast to an instance with unicast peers.
    #[error("multicast, but we have unicast peers")]
    Multicast,
    /// Unicast to an instance without.
    #[error("unicast, but we have no unicast peers")]
    Unicast,
    /// Its sender is none of the unicast peers.
    #[error("not from one of our unicast peers")]
    Stranger,
    /// An authentication that is not known.
    #[error("authentication {0}, which is not known")]
    AuthenticationKind(u8),
    /// Another authentication than ours.
    #[error("authentication {found}, not {expected}")]
    Authentication {
        /// What it has.
        found: u8,
        /// What we have.
        expected: u8,
    },
    /// Another password than ours.
    #[error("another password than ours")]
    Password,
    /// Version 2: another interval than ours.
    #[error("interval {} s, not {} s", .found.as_secs(), .expected.as_secs())]
    Interval {
        /// What it has.
        found: Duration,
        /// What we have.
        expected: Duration,
    },
    /// We own the addresses.
    #[error("we own the addresses and do not listen")]
    Owner,
}

impl Rejected {
    /// Its name in metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Rejected::Malformed(Malformed::TooShort(_) | Malformed::Length { .. }) => "length",
            Rejected::Malformed(Malformed::Version(_) | Malformed::Family) | Rejected::Version { .. } => "version",
            Rejected::Malformed(Malformed::Type(_)) => "type",
            Rejected::Malformed(Malformed::Checksum) => "checksum",
            Rejected::Malformed(Malformed::Interval) | Rejected::Interval { .. } => "interval",
            Rejected::Ttl(_) | Rejected::PeerTtl(_) => "ttl",
            Rejected::Multicast | Rejected::Unicast => "destination",
            Rejected::Stranger => "source",
            Rejected::AuthenticationKind(_) => "authentication kind",
            Rejected::Authentication { .. } => "authentication",
            Rejected::Password => "password",
            Rejected::Owner => "owner",
        }
    }

    /// Counts it where keepalived would, if it would.
    pub(super) fn count(&self, statistics: &mut Statistics) {
        let counter = match self {
            Rejected::Malformed(Malformed::TooShort(_) | Malformed::Length { .. }) => &mut statistics.packet_len_err,
            Rejected::Malformed(Malformed::Version(_) | Malformed::Family) | Rejected::Version { .. } => {
                &mut statistics.version_err
            }
            Rejected::Malformed(Malformed::Type(_)) => &mut statistics.invalid_type_rcvd,
            Rejected::Malformed(Malformed::Checksum) => &mut statistics.checksum_err,
            Rejected::Malformed(Malformed::Interval) | Rejected::Interval { .. } => &mut statistics.advert_interval_err,
            Rejected::Ttl(_) | Rejected::PeerTtl(_) => &mut statistics.ip_ttl_err,
            Rejected::Multicast | Rejected::Unicast => &mut statistics.addr_list_err,
            Rejected::Stranger => &mut statistics.source_err,
            Rejected::AuthenticationKind(_) => &mut statistics.invalid_authtype,
            Rejected::Authentication { .. } => &mut statistics.authtype_mismatch,
            Rejected::Password => &mut statistics.auth_failure,
            Rejected::Owner => &mut statistics.owner_ignored,
        };
        *counter += 1;
    }
}

impl Instance {
    /// The advert in a datagram, if it may be believed.
    pub(super) fn accept<'a>(&self, datagram: &Datagram<'a>) -> Result<Packet<'a>, Rejected> {
        let multicast = datagram.destination.is_multicast();
        let peer = self.check_way(datagram, multicast)?;
        let packet = Packet::new(datagram.payload, datagram.source, datagram.destination)?;
        if packet.version() != self.version {
            let (found, expected) = (packet.version().number(), self.version.number());
            return Err(Rejected::Version { found, expected });
        }
        if packet.version() == Version::V2 {
            self.check_version_2(&packet)?;
        }
        if let (Some(ttl), Some(peer)) = (datagram.ttl, peer)
            && (peer.min_ttl.is_some_and(|least| ttl < least) || peer.max_ttl.is_some_and(|most| ttl > most))
        {
            return Err(Rejected::PeerTtl(ttl));
        }
        if self.ignores_adverts() {
            return Err(Rejected::Owner);
        }
        Ok(packet)
    }

    /// Where it came from, and to whom. Gives the peer, if sources are checked.
    fn check_way(&self, datagram: &Datagram<'_>, multicast: bool) -> Result<Option<&UnicastPeer>, Rejected> {
        match &self.settings.unicast {
            None if !multicast => Err(Rejected::Unicast),
            None => match datagram.ttl {
                Some(ttl) if ttl != TTL => Err(Rejected::Ttl(ttl)),
                _ => Ok(None),
            },
            Some(_) if multicast => Err(Rejected::Multicast),
            Some(unicast) if unicast.check_source => {
                let peer = unicast.peers.iter().find(|peer| peer.address == datagram.source);
                peer.map(Some).ok_or(Rejected::Stranger)
            }
            Some(_) => Ok(None),
        }
    }

    fn check_version_2(&self, packet: &Packet<'_>) -> Result<(), Rejected> {
        let found = packet.authentication();
        match (self.authentication, found) {
            (_, Authentication::Other(kind)) => return Err(Rejected::AuthenticationKind(kind)),
            (Authentication::Password(ours), Authentication::Password(theirs)) => {
                // Every byte is looked at, so that the time says nothing about where the first wrong one is.
                let different =
                    ours.iter().zip(theirs).fold(0, |different, (ours, theirs)| different | (ours ^ theirs));
                if different != 0 {
                    return Err(Rejected::Password);
                }
            }
            (Authentication::None, Authentication::None) => {}
            (ours, theirs) => {
                return Err(Rejected::Authentication { found: theirs.number(), expected: ours.number() });
            }
        }
        if packet.interval() != self.interval {
            return Err(Rejected::Interval { found: packet.interval(), expected: self.interval });
        }
        Ok(())
    }

    /// Compares the addresses of an advert with ours: what differs is said, but the advert is believed.
    pub(super) fn compare_addresses(
        &mut self,
        now: Duration,
        from: IpAddr,
        packet: &Packet<'_>,
    ) -> Option<&'static str> {
        let known = self.master.as_ref().is_some_and(|master| master.address == from);
        if self.settings.skip_check_adv_addr && known {
            return None;
        }
        let ours = || self.settings.addresses.iter().map(|address| address.address);
        let common = packet.addresses().filter(|theirs| ours().any(|own| own == *theirs)).count();
        let count = packet.addresses().count();
        if common == count && count == ours().count() {
            return None;
        }
        self.statistics.addr_list_err += 1;
        let (kind, text) = if common == 0 && count != 0 && ours().count() != 0 {
            (ConditionKind::DuplicateRouterId, "uses our number for addresses that are not ours: give it another")
        } else {
            (ConditionKind::AddressListDiffers, "names other addresses than ours: make them the same everywhere")
        };
        self.conditions.note(now, kind, &from.to_string());
        Some(text)
    }
}
