//! ARP and neighbour discovery, which any host on the link can send: what is understood was said by the bytes.

use relvs_net::{arp, ndp};

pub(super) fn run(data: &[u8]) {
    if let Some(packet) = arp::Packet::parse(data) {
        let again = arp::Packet::parse(&packet.frame(packet.sender_mac)).expect("what was written is read");
        assert_eq!(again.claims(packet.sender), packet.claims(packet.sender));
        assert_eq!(again.sender_mac, packet.sender_mac);
    }
    if let Some((target, mac)) = ndp::parse_advertisement(data) {
        assert!(data.windows(16).any(|bytes| bytes == target.octets()));
        assert!(data.windows(6).any(|bytes| bytes == mac));
    }
}
