//! Listening for other machines that claim our addresses, by ARP or neighbour advertisements.
//!
//! Here, so that a storm of ARP makes no advert late: the thread of the virtual routers is told of what concerns it alone, and
//! of the same at a bounded rate. Whether it matters, as only while we have the address, is its decision.

use super::{Line, waitable};
use crate::vrrp::thread::Request;
use relvs_net::{Claims, Mac, Network};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::{Duration, Instant},
};

/// An interface that is missing or was lost is looked for after this time.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The same claim is told again after this time.
const QUIET: Duration = Duration::from_millis(100);
/// So many claims are remembered for that.
const KNOWN_MAX: usize = 1_024;

/// Where which addresses are ours: an interface and a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) interface: String,
    pub(super) is_ipv6: bool,
    pub(super) addresses: BTreeSet<IpAddr>,
}

/// Listens for ever. An interface without Ethernet has no claims.
pub(super) async fn listen(place: Place, line: Line) {
    let mut told: BTreeMap<(IpAddr, Mac), Instant> = BTreeMap::new();
    let mut said = false;
    loop {
        match open(&place) {
            Ok(claims) => {
                if let Some(mut claims) = waitable(claims) {
                    said = false;
                    while let Ok(mut ready) = claims.readable_mut().await {
                        match ready.get_inner_mut().hear() {
                            Ok(Some((address, by))) => tell(&place, address, by, &mut told, &line),
                            Ok(None) => ready.clear_ready(),
                            // The interface is gone or down: another socket, when it is back.
                            Err(_) => break,
                        }
                    }
                }
            }
            Err(relvs_net::Error::NotEthernet { .. }) => return,
            Err(relvs_net::Error::NoInterface { .. }) => {}
            Err(e) if !std::mem::replace(&mut said, true) => {
                tracing::warn!("{}: who else claims our addresses is not heard: {e}", place.interface);
            }
            Err(_) => {}
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn open(place: &Place) -> Result<Claims, relvs_net::Error> {
    let link = Network::open()?.link_named(&place.interface)?;
    Claims::open(link.index, place.is_ipv6)
}

fn tell(place: &Place, address: IpAddr, by: Mac, told: &mut BTreeMap<(IpAddr, Mac), Instant>, line: &Line) {
    let now = Instant::now();
    if !place.addresses.contains(&address) || told.get(&(address, by)).is_some_and(|last| now < *last + QUIET) {
        return;
    }
    if told.len() >= KNOWN_MAX {
        told.retain(|_, last| now < *last + QUIET);
    }
    if told.len() < KNOWN_MAX {
        told.insert((address, by), now);
        let interface = place.interface.clone();
        // The thread may have ended: then nobody wants to know.
        let _ = line.ask(Request::Claimed { interface, address, by });
    }
}
