//! DR and TUN: servers answer the client past the director, and nobody but the director says that the VIP is his.
//!
//! Two independent witnesses for the first: a packet socket on the director, and the switch port's counters against what the director
//! counted as forwarded. For the second every ARP and neighbour discovery packet on the LAN.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;

use super::results::Bypass;
use super::stage::Stage;
use crate::capture::{Capture, Frame, Heading, Kind};
use crate::plan::{CLIENT, ROUTER, SWITCH};

/// Packets into the director that nobody forwards: ARP, neighbour discovery, what the switch floods. One reply for each request would be more.
const NOISE_MAX: u64 = 200;
/// The last packets of closed connections are under way this long at most.
const SETTLE: Duration = Duration::from_millis(100);

/// From now on.
pub(super) struct Watch {
    vip: IpAddr,
    claims: Capture,
    replies: Capture,
    before: Numbers,
}

struct Numbers {
    to_client: u64,
    into_director: u64,
    forwarded: u64,
}

impl Numbers {
    fn now(stage: &Stage) -> Result<Self> {
        let director = stage.lab.director(1)?;
        let port = director.port_on("lan")?.peer(director.name());
        Ok(Self {
            to_client: stage.lab.node(CLIENT)?.counters("eth0")?.rx_packets,
            into_director: stage.lab.node(SWITCH)?.counters(&port)?.tx_packets,
            forwarded: stage.status()?.packets(),
        })
    }
}

impl Watch {
    /// Begins, and lets the router forget who has the VIP, so that it has to ask.
    pub(super) fn start(stage: &Stage, vip: IpAddr) -> Result<Self> {
        let claims = Capture::start(stage.lab.node(SWITCH)?, Kind::Resolution, move |frame| {
            frame.heading == Heading::Received && claimed(frame) == Some(vip)
        })?;
        // It sees what the director's kernel gets to see: a reply that came this way would be none of relvs's business, and passed on.
        let replies = Capture::start(stage.lab.director(1)?, Kind::All, move |frame| {
            frame.heading == Heading::Received && frame.addresses().is_some_and(|(source, _)| source == vip)
        })?;
        let router = stage.lab.node(ROUTER)?;
        router.ip(&format!("neigh flush to {vip} dev {}", router.port_on("lan")?.interface))?;
        Ok(Self { vip, claims, replies, before: Numbers::now(stage)? })
    }

    /// Ends, and gives what was seen with what is wrong about it.
    pub(super) fn end(self, stage: &Stage) -> Result<(Bypass, Vec<String>)> {
        sleep(SETTLE);
        let now = Numbers::now(stage)?;
        let replies = self.replies.stop()?.len() as u64;
        let claims: BTreeSet<String> = self.claims.stop()?.iter().map(|frame| who(stage, frame)).collect();
        let seen = Bypass {
            to_client: now.to_client - self.before.to_client,
            replies_at_director: replies,
            into_director: now.into_director - self.before.into_director,
            forwarded: now.forwarded - self.before.forwarded,
            vip_claimed_by: claims.into_iter().collect(),
        };
        let failures = wrong(&seen, self.vip);
        Ok((seen, failures))
    }
}

fn wrong(seen: &Bypass, vip: IpAddr) -> Vec<String> {
    let mut failures = Vec::new();
    if seen.replies_at_director > 0 {
        failures.push(format!("{} replies from {vip} came by the director", seen.replies_at_director));
    }
    if seen.into_director.saturating_sub(seen.forwarded) > NOISE_MAX {
        let Bypass { into_director, forwarded, .. } = seen;
        failures.push(format!("the switch gave the director {into_director} packets, and it forwarded {forwarded}"));
    }
    if seen.vip_claimed_by != ["d1"] {
        let who = if seen.vip_claimed_by.is_empty() { "nobody".to_owned() } else { seen.vip_claimed_by.join(", ") };
        failures.push(format!("ARP or neighbour discovery for {vip} was answered by {who}, not by d1 alone"));
    }
    failures
}

/// The address that the sender of the frame says it has; also by the way, as the sender of an ARP request.
fn claimed(frame: &Frame) -> Option<IpAddr> {
    frame.claims().map(|(address, _)| address).or_else(|| Some(frame.arp()?.sender.into()))
}

fn who(stage: &Stage, frame: &Frame) -> String {
    let mac = frame.claims().map(|(_, mac)| mac).or_else(|| frame.source_mac());
    let mut nodes = stage.lab.nodes();
    let found = nodes.find(|node| node.ports().iter().any(|port| Some(port.mac) == mac));
    found.map_or_else(|| "a stranger".to_owned(), |node| node.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Bypass {
        Bypass {
            to_client: 70_000,
            replies_at_director: 0,
            into_director: 30_012,
            forwarded: 30_000,
            vip_claimed_by: vec!["d1".to_owned()],
        }
    }

    #[test]
    fn each_witness_is_heard() {
        let vip: IpAddr = "192.0.2.100".parse().unwrap();
        assert_eq!(wrong(&seen(), vip), Vec::<String>::new());
        let each = [
            Bypass { replies_at_director: 1, ..seen() },
            Bypass { into_director: 30_900, ..seen() },
            Bypass { vip_claimed_by: vec!["d1".to_owned(), "s2".to_owned()], ..seen() },
            Bypass { vip_claimed_by: Vec::new(), ..seen() },
        ];
        for one in each {
            assert_eq!(wrong(&one, vip).len(), 1, "{one:?}");
        }
    }
}
