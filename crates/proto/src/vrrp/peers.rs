//! Which other routers were heard, and whether one of them is master beside us.

use super::packet::{Form, Packet};
use relvs_model::vrrp::PeerStatus;
use std::{collections::BTreeMap, net::IpAddr, time::Duration};

/// So many are remembered: who forges adverts must not fill the memory.
const MOST: usize = 32;

/// A router that was heard.
struct Peer {
    priority: u8,
    interval: Duration,
    heard: Duration,
    adverts: u64,
    form: Form,
}

/// Another that says it is master while we are.
struct Rival {
    who: IpAddr,
    first: Duration,
    last: Duration,
}

/// The routers that share our addresses.
#[derive(Default)]
pub(super) struct Peers {
    heard: BTreeMap<IpAddr, Peer>,
    rival: Option<Rival>,
}

impl Peers {
    /// One of them was heard.
    pub(super) fn heard(&mut self, now: Duration, who: IpAddr, packet: &Packet<'_>) {
        if self.heard.len() == MOST
            && !self.heard.contains_key(&who)
            && let Some(oldest) = self.heard.iter().min_by_key(|(_, peer)| peer.heard).map(|(who, _)| *who)
        {
            self.heard.remove(&oldest);
        }
        let adverts = self.heard.get(&who).map_or(0, |peer| peer.adverts) + 1;
        let (priority, interval) = (packet.priority(), packet.interval());
        self.heard.insert(who, Peer { priority, interval, heard: now, adverts, form: packet.form() });
    }

    /// As masters we heard another that gives no way. Whether it has done so for longer than an advert of ours takes to
    /// turn it, so that it does not hear us.
    pub(super) fn persists(&mut self, now: Duration, who: IpAddr, interval: Duration, down: Duration) -> bool {
        match &mut self.rival {
            Some(rival) if rival.who == who && now <= rival.last + down => {
                rival.last = now;
                now >= rival.first + interval
            }
            _ => {
                self.rival = Some(Rival { who, first: now, last: now });
                false
            }
        }
    }

    /// We are master no more.
    pub(super) fn no_rival(&mut self) {
        self.rival = None;
    }

    pub(super) fn status(&self) -> Vec<PeerStatus> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let status = |(address, peer): (&IpAddr, &Peer)| PeerStatus {
            address: *address,
            priority: peer.priority,
            advert_interval_ms: u32::try_from(peer.interval.as_millis()).unwrap_or(u32::MAX),
            heard_ms: millis(peer.heard),
            adverts: peer.adverts,
            plain_checksum: peer.form == Form::Plain,
        };
        self.heard.iter().map(status).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rival_that_stays_is_noticed() {
        let mut peers = Peers::default();
        let [one, two]: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
        let s = Duration::from_secs;
        let mut at = |seconds, who| peers.persists(s(seconds), who, s(1), s(3));
        assert!(!at(10, one), "it may not have heard us yet");
        assert!(at(11, one), "it has, and goes on");
        assert!(!at(15, one), "it was silent for long: anew");
        assert!(!at(16, two), "another");
    }
}
