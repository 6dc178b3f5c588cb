//! The frames that are sent, and the addresses in them.

use crate::case::{Case, Kind, Method};
use relvs_core::Reason;

/// The first client's address; the wrapper counts up its last four bytes.
pub(crate) const CLIENT: u32 = 0x0a64_0000;
/// The same of flows that have no packets.
pub(crate) const IDLE: u32 = 0x0a70_0000;
/// The same of a flood.
pub(crate) const ATTACKER: u32 = 0x0a78_0000;
/// Identification of the first client's packets.
pub(crate) const IDENTIFICATION: u16 = 0x4000;
/// The director's MAC.
pub(crate) const DIRECTOR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// The servers' next hop.
pub(crate) const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];
/// The clients' next hop.
pub(crate) const ROUTER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
/// The service's port.
pub(crate) const PORT: u16 = 80;
/// A port without a service.
const OTHER_PORT: u16 = 22;
/// The servers' port behind NAT.
pub(crate) const SERVER_PORT: u16 = 8080;
/// The wrapper's first client port.
const CLIENT_PORT: u16 = 1024;
/// Bytes of every frame: a little more than the wrapper's template.
const LENGTH: usize = 96;

const TCP: u8 = 6;
const UDP: u8 = 17;
/// TCP flags.
pub(crate) const SYN: u8 = 0x02;
/// TCP flags.
pub(crate) const ACK: u8 = 0x10;

/// An address: 16 bytes, of which IPv4 has the last four.
pub(crate) type Address = [u8; 16];

/// An address of the benchmark's networks.
pub(crate) fn address(number: u32) -> Address {
    let mut address = [0; 16];
    address[12..].copy_from_slice(&number.to_be_bytes());
    address[..2].copy_from_slice(&[0xfc, 0]);
    address
}

/// The service's address.
pub(crate) fn vip() -> Address {
    address(0x0ac8_0101)
}

/// The address of the server of this number.
pub(crate) fn server(number: u32) -> Address {
    address(0x0a00_0100 + number)
}

/// The director's address towards the servers.
pub(crate) fn director() -> Address {
    address(0x0a00_0001)
}

/// A MAC address in the low 48 bits, as tables have it.
pub(crate) fn mac(bytes: [u8; 6]) -> u64 {
    let [a, b, c, d, e, f] = bytes;
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}

/// The first frame of a case with these TCP flags.
pub(crate) fn of(case: &Case, flags: u8) -> Vec<u8> {
    from(case, flags, address(if case.kind == Kind::Flood { ATTACKER } else { CLIENT }))
}

fn from(case: &Case, flags: u8, client: Address) -> Vec<u8> {
    let (source, destination, ports) = if case.kind == Kind::Reply {
        (server(1), client, [SERVER_PORT, CLIENT_PORT])
    } else {
        (client, vip(), [CLIENT_PORT, if case.kind == Kind::Pass(Reason::NotOurs) { OTHER_PORT } else { PORT }])
    };
    let to = if case.kind == Kind::Pass(Reason::OtherHost) { [2, 0, 0, 0, 0, 66] } else { DIRECTOR_MAC };
    let mut frame = Vec::with_capacity(LENGTH);
    frame.extend(to);
    frame.extend(ROUTER_MAC);
    let header = if case.six { ipv6 } else { ipv4 };
    header(&mut frame, case.udp, source, destination);
    if case.kind == Kind::Pass(Reason::NotIp) {
        // ARP's type: what follows is nobody's business.
        frame[12..14].copy_from_slice(&[8, 6]);
    }
    transport(&mut frame, case.udp, ports, flags);
    frame.resize(LENGTH, b'x');
    frame
}

/// A frame of the same flows before they are settled.
pub(crate) fn opening(case: &Case) -> Vec<u8> {
    let kind = if case.kind == Kind::Reply { Kind::Known } else { case.kind };
    of(&Case { kind, ..case.clone() }, SYN)
}

/// The first frame of the flows that have no packets.
pub(crate) fn idle(case: &Case) -> Vec<u8> {
    from(case, SYN, address(IDLE))
}

/// A frame of the flows that are settled when a flood comes.
pub(crate) fn before_flood(case: &Case) -> Vec<u8> {
    of(&Case { kind: Kind::Known, ..case.clone() }, SYN)
}

fn ipv4(frame: &mut Vec<u8>, udp: bool, source: Address, destination: Address) {
    frame.extend([8, 0]);
    let begin = frame.len();
    frame.extend([0x45, 0]);
    frame.extend(((LENGTH - 14) as u16).to_be_bytes());
    frame.extend(IDENTIFICATION.to_be_bytes());
    frame.extend([0x40, 0, 64, if udp { UDP } else { TCP }, 0, 0]);
    frame.extend(&source[12..]);
    frame.extend(&destination[12..]);
    let mut sum: u32 = frame[begin..].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    frame[begin + 10..begin + 12].copy_from_slice(&(!sum as u16).to_be_bytes());
}

fn ipv6(frame: &mut Vec<u8>, udp: bool, source: Address, destination: Address) {
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    frame.extend(((LENGTH - 54) as u16).to_be_bytes());
    frame.extend([if udp { UDP } else { TCP }, 64]);
    frame.extend(source);
    frame.extend(destination);
}

/// The checksum is any: it is changed, never tested.
fn transport(frame: &mut Vec<u8>, udp: bool, [source, destination]: [u16; 2], flags: u8) {
    let length = (LENGTH - frame.len()) as u16;
    frame.extend(source.to_be_bytes());
    frame.extend(destination.to_be_bytes());
    if udp {
        frame.extend(length.to_be_bytes());
        frame.extend([0x12, 0x34]);
    } else {
        frame.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0x20, 0, 0x12, 0x34, 0, 0]);
    }
}

/// Whether a frame that was sent out is what the method makes of one of [`of`]: length, MACs, and addresses.
pub(crate) fn is_forwarded(case: &Case, frame: &[u8]) -> bool {
    let (to, length) = match (case.kind, case.method) {
        (Kind::Reply, _) => (ROUTER_MAC, LENGTH),
        (_, Method::Tun) => (SERVER_MAC, LENGTH + if case.six { 40 } else { 20 }),
        _ => (SERVER_MAC, LENGTH),
    };
    let (kind, source, destination, width) = if case.six { ([0x86, 0xdd], 22, 38, 16) } else { ([8, 0], 26, 30, 4) };
    let at = |begin: usize, wanted: &Address| frame.get(begin..begin + width) == Some(&wanted[16 - width..]);
    let is_server = (1..=u32::from(u8::MAX)).any(|number| at(destination, &server(number)));
    let addressed = match (case.kind, case.method) {
        (Kind::Reply, _) => at(source, &vip()),
        (_, Method::Tun) => is_server && at(source, &director()),
        (_, Method::Nat) => is_server,
        (_, Method::Dr) => at(destination, &vip()),
    };
    frame.len() == length
        && frame.get(..6) == Some(&to[..])
        && frame.get(6..12) == Some(&DIRECTOR_MAC[..])
        && frame.get(12..14) == Some(&kind[..])
        && addressed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_header_sums_up() {
        let case = crate::case::all().into_iter().find(|case| case.kind == Kind::Known && !case.six).unwrap();
        let frame = of(&case, ACK);
        assert_eq!(frame.len(), LENGTH);
        let mut header = [0; 20];
        header.copy_from_slice(&frame[14..34]);
        assert_eq!(relvs_core::wire::checksum::fold(relvs_core::wire::checksum::header(&header)), 0xffff);
        assert!(!is_forwarded(&case, &frame), "as it came it is for nobody");
    }
}
