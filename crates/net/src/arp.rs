//! ARP for IPv4 over Ethernet: RFC 826, with the probe and the announcement of RFC 5227.
//!
//! Bytes only: nothing here opens a socket. After the Ethernet header (14 bytes) the packet is
//!
//! ```text
//!  0 hardware type 1     2 protocol 0x0800    4 lengths 6, 4    6 operation
//!  8 sender's MAC       14 sender's IP       18 target's MAC   24 target's IP
//! ```

use std::net::Ipv4Addr;

use crate::Mac;

/// The EtherType, in host order.
pub const ETHERTYPE: u16 = 0x0806;

/// Everyone on the link.
pub const BROADCAST: Mac = [0xff; 6];

/// A frame with one ARP packet, without padding; drivers pad to Ethernet's minimum.
pub type Frame = [u8; 42];

/// Ethernet, 6-byte addresses; IPv4, 4-byte addresses.
const FIXED: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];

/// What an ARP packet asks or says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Who has the target address?
    Request,
    /// The sender has the sender address.
    Reply,
}

/// An ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Request or reply.
    pub operation: Operation,
    /// Whose packet it is: this MAC address goes into caches.
    pub sender_mac: Mac,
    /// The sender's IP address, 0.0.0.0 in a probe.
    pub sender: Ipv4Addr,
    /// Meaningless in a request.
    pub target_mac: Mac,
    /// The address that is asked for.
    pub target: Ipv4Addr,
}

impl Packet {
    /// Asks who has an address without claiming one, so that no cache changes (RFC 5227 section 2.1.1).
    pub fn probe(sender_mac: Mac, target: Ipv4Addr) -> Self {
        Packet::request(sender_mac, Ipv4Addr::UNSPECIFIED, target)
    }

    /// Asks who has an address.
    pub fn request(sender_mac: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> Self {
        Packet { operation: Operation::Request, sender_mac, sender, target_mac: [0; 6], target }
    }

    /// Tells everyone who has an address now (RFC 5227 section 2.3; "gratuitous ARP").
    pub fn announcement(sender_mac: Mac, address: Ipv4Addr) -> Self {
        Packet::request(sender_mac, address, address)
    }

    /// The frame that carries it to `destination`.
    pub fn frame(&self, destination: Mac) -> Frame {
        let mut frame = [0; 42];
        let operation: u8 = match self.operation {
            Operation::Request => 1,
            Operation::Reply => 2,
        };
        frame[..6].copy_from_slice(&destination);
        frame[6..12].copy_from_slice(&self.sender_mac);
        frame[12..14].copy_from_slice(&ETHERTYPE.to_be_bytes());
        frame[14..20].copy_from_slice(&FIXED);
        frame[20..22].copy_from_slice(&[0, operation]);
        frame[22..28].copy_from_slice(&self.sender_mac);
        frame[28..32].copy_from_slice(&self.sender.octets());
        frame[32..38].copy_from_slice(&self.target_mac);
        frame[38..42].copy_from_slice(&self.target.octets());
        frame
    }

    /// Reads an untagged frame; none if it is not a whole ARP packet for IPv4 over Ethernet.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let frame: &Frame = frame.first_chunk()?;
        if frame[12..14] != ETHERTYPE.to_be_bytes() || frame[14..20] != FIXED {
            return None;
        }
        let operation = match frame[20..22] {
            [0, 1] => Operation::Request,
            [0, 2] => Operation::Reply,
            _ => return None,
        };
        Some(Packet {
            operation,
            sender_mac: frame[22..28].try_into().ok()?,
            sender: Ipv4Addr::from(<[u8; 4]>::try_from(&frame[28..32]).ok()?),
            target_mac: frame[32..38].try_into().ok()?,
            target: Ipv4Addr::from(<[u8; 4]>::try_from(&frame[38..42]).ok()?),
        })
    }

    /// Whether its sender claims to have the address, by a reply, a request or an announcement.
    pub fn claims(&self, address: Ipv4Addr) -> bool {
        self.sender == address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = [0x02, 0, 0, 0, 0, 0x0a];

    #[test]
    fn a_probe_is_laid_out_as_rfc_5227_says() {
        let frame = Packet::probe(MAC, Ipv4Addr::new(192, 0, 2, 100)).frame(BROADCAST);
        let expected: [u8; 42] = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 0x0a, 8, 6, // Ethernet
            0, 1, 8, 0, 6, 4, 0, 1, // Ethernet and IPv4, request
            2, 0, 0, 0, 0, 0x0a, 0, 0, 0, 0, // sender: MAC, no address
            0, 0, 0, 0, 0, 0, 192, 0, 2, 100, // target
        ];
        assert_eq!(frame, expected);
    }

    #[test]
    fn what_is_written_is_read_and_what_is_odd_is_not() {
        let mut reply = Packet::announcement(MAC, Ipv4Addr::new(192, 0, 2, 100));
        reply.operation = Operation::Reply;
        let frame = reply.frame(MAC);
        assert_eq!(Packet::parse(&frame), Some(reply));
        assert!(reply.claims(Ipv4Addr::new(192, 0, 2, 100)) && !reply.claims(Ipv4Addr::UNSPECIFIED));
        assert_eq!(Packet::parse(&frame[..41]), None);
        for position in [12, 15, 18, 21] {
            let mut odd = frame;
            odd[position] = 9;
            assert_eq!(Packet::parse(&odd), None, "byte {position}");
        }
    }
}
