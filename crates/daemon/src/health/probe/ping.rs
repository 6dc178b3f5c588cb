//! Does the server answer an echo request? (PING_CHECK; RFC 792, RFC 4443)
//!
//! The kernel's echo sockets need no privilege where net.ipv4.ping_group_range allows it; elsewhere a raw socket is used.

use super::{Reason, Talk, course::Waits, socket};
use relvs_model::health::PingProbe;
use std::sync::atomic::{AtomicU32, Ordering};

/// Type, code, checksum, identifier and sequence number.
const HEADER: usize = 8;
/// Larger ones do not fit into a packet.
const DATA_MAX: usize = 65_000;
/// Echo request and reply, of ICMP and of ICMPv6.
const TYPES: [(u8, u8); 2] = [(8, 0), (128, 129)];

/// No two requests at a time are alike.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Sends a request and waits for its reply.
pub(super) async fn probe(talk: &Talk<'_>, ping: &PingProbe) -> Result<(), Reason> {
    let (socket, raw) = socket::echo(talk).await?;
    let four = talk.address().is_ipv4();
    let mut number = NUMBER.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    if let Some(seat) = talk.seat.get() {
        // Its reply is found by the identifier.
        let [high, low] = seat.port().to_be_bytes();
        let [_, _, third, fourth] = number;
        number = [high, low, third, fourth];
    }
    let request = request(four, number, usize::from(ping.size).min(DATA_MAX));
    let failed = |e: std::io::Error| socket::reason(&e);
    talk.course.waits_for(Waits::Answer);
    socket.send(&request).await.map_err(failed)?;
    let mut buffer = vec![0; request.len() + 128];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(failed)?;
        // A raw IPv4 socket gives the IP header too.
        let skip = if raw && four { usize::from(buffer.first().copied().unwrap_or(0) & 0x0f) * 4 } else { 0 };
        let packet = buffer.get(skip..length).unwrap_or_default();
        if is_reply(packet, four, number, raw) {
            return Ok(());
        }
    }
}

fn request(four: bool, number: [u8; 4], size: usize) -> Vec<u8> {
    let [(request4, _), (request6, _)] = TYPES;
    let mut packet = vec![if four { request4 } else { request6 }, 0, 0, 0];
    packet.extend(number);
    packet.extend((0..size).map(|place| place.to_le_bytes()[0]));
    if four {
        // Of ICMPv6, and on an echo socket, the kernel computes it.
        let sum = checksum(&packet).to_be_bytes();
        for (place, byte) in packet.iter_mut().skip(2).zip(sum) {
            *place = byte;
        }
    }
    packet
}

/// An echo socket has an identifier of its own, and gets no others' replies.
fn is_reply(packet: &[u8], four: bool, number: [u8; 4], raw: bool) -> bool {
    let [(_, reply4), (_, reply6)] = TYPES;
    let [i, d, s, q] = number;
    packet.len() >= HEADER
        && packet.first() == Some(if four { &reply4 } else { &reply6 })
        && (!raw || packet.get(4..6) == Some(&[i, d]))
        && packet.get(6..8) == Some(&[s, q])
}

/// RFC 1071.
fn checksum(packet: &[u8]) -> u16 {
    let words = packet.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_its_checksum_and_its_size() {
        let packet = request(true, [1, 2, 3, 4], 5);
        assert_eq!((packet.len(), packet[0], checksum(&packet)), (13, 8, 0));
        assert_eq!(request(false, [1, 2, 3, 4], 0), [128, 0, 0, 0, 1, 2, 3, 4]);
    }

    #[test]
    fn only_the_reply_to_this_request_counts() {
        let reply = [0, 0, 0, 0, 1, 2, 3, 4];
        assert!(is_reply(&reply, true, [1, 2, 3, 4], true));
        assert!(!is_reply(&reply, true, [1, 2, 3, 5], true));
        assert!(!is_reply(&reply, true, [9, 2, 3, 4], true) && is_reply(&reply, true, [9, 2, 3, 4], false));
        assert!(!is_reply(&reply[..7], true, [1, 2, 3, 4], true));
        assert!(!is_reply(&[8, 0, 0, 0, 1, 2, 3, 4], true, [1, 2, 3, 4], true), "the request, seen on the loopback");
    }
}
