//! Neighbour solicitation and advertisement: RFC 4861 sections 4.3, 4.4 and 4.6.1.
//!
//! The ICMPv6 bodies only: the kernel writes the IPv6 header and the checksum of a raw ICMPv6 socket.
//!
//! ```text
//!  0 type 135 or 136    1 code 0    2 checksum    4 flags    8 target (16)    24 options: type, length / 8, MAC
//! ```

use std::net::Ipv6Addr;

use crate::Mac;

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;

/// Neighbour discovery is valid only with this hop limit: it cannot have crossed a router.
pub const HOP_LIMIT: u8 = 255;

/// The multicast group in which the owner of an address listens for solicitations (RFC 4291 section 2.7.1).
pub fn solicited_node(target: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = target.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]))
}

/// Asks who has an address; the checksum is left to the kernel.
pub fn solicitation(sender_mac: Mac, target: Ipv6Addr) -> [u8; 32] {
    let mut body = [0; 32];
    body[0] = SOLICITATION;
    body[8..24].copy_from_slice(&target.octets());
    body[24..26].copy_from_slice(&[SOURCE_LINK_LAYER, 1]);
    body[26..32].copy_from_slice(&sender_mac);
    body
}

/// Tells everyone who has an address now, whatever they believed before (RFC 4861 section 7.2.6); the checksum is left to
/// the kernel.
pub fn advertisement(mac: Mac, target: Ipv6Addr) -> [u8; 32] {
    /// Of a router, not solicited, override.
    const ROUTER_OVERRIDE: u8 = 0xa0;
    let mut body = solicitation(mac, target);
    body[0] = ADVERTISEMENT;
    body[4] = ROUTER_OVERRIDE;
    body[24] = TARGET_LINK_LAYER;
    body
}

/// The target and the MAC address of an advertisement; none if the body is not one, or says no MAC address.
pub fn parse_advertisement(body: &[u8]) -> Option<(Ipv6Addr, Mac)> {
    let (head, mut options) = body.split_first_chunk::<24>()?;
    if head[0] != ADVERTISEMENT || head[1] != 0 {
        return None;
    }
    let target = Ipv6Addr::from(<[u8; 16]>::try_from(&head[8..24]).ok()?);
    while let [kind, length, ..] = *options {
        // A length of 0 is an error and would not end (RFC 4861 section 4.6).
        let (option, rest) = options.split_at_checked(usize::from(length) * 8).filter(|(o, _)| !o.is_empty())?;
        if kind == TARGET_LINK_LAYER && length == 1 {
            return Some((target, option[2..8].try_into().ok()?));
        }
        options = rest;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_made_of_the_last_24_bits() {
        let target: Ipv6Addr = "2001:db8::1:abcd:ef01".parse().unwrap();
        assert_eq!(solicited_node(target), "ff02::1:ffcd:ef01".parse::<Ipv6Addr>().unwrap());
    }

    #[test]
    fn what_is_announced_is_read() {
        let target: Ipv6Addr = "2001:db8::100".parse().unwrap();
        let body = advertisement([2, 0, 0, 0, 0, 9], target);
        assert_eq!(parse_advertisement(&body), Some((target, [2, 0, 0, 0, 0, 9])));
        assert_eq!(body[4], 0xa0, "a router's, and it counts more than what was known");
    }

    #[test]
    fn an_advertisement_is_read_past_unknown_options() {
        let target: Ipv6Addr = "2001:db8::100".parse().unwrap();
        let mut body = solicitation([2, 0, 0, 0, 0, 1], target).to_vec();
        assert_eq!(parse_advertisement(&body), None, "a solicitation is none");
        body[0] = ADVERTISEMENT;
        assert_eq!(parse_advertisement(&body), None, "the source's MAC is not the target's");
        body.extend([TARGET_LINK_LAYER, 1, 2, 0, 0, 0, 0, 9]);
        assert_eq!(parse_advertisement(&body), Some((target, [2, 0, 0, 0, 0, 9])));
        assert_eq!(parse_advertisement(&body[..39]), None, "torn");
        body[25] = 0;
        assert_eq!(parse_advertisement(&body), None, "an option of length 0");
    }
}
