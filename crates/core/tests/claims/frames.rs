//! Frames of a scene's clients and servers, and what a forwarded one says.

use relvs_core::{Frame, wire::checksum};

/// TCP flags.
pub(crate) const SYN: u8 = 2;
/// See [`SYN`].
pub(crate) const ACK: u8 = 16;
/// See [`SYN`].
pub(crate) const RST: u8 = 4;

/// The director's MAC address.
pub(crate) const DIRECTOR: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// Index of its only interface.
pub(crate) const INTERFACE: u32 = 1;
/// The service's port, and the first one of a service of all ports.
pub(crate) const PORT: u16 = 80;
/// A NAT server's.
pub(crate) const SERVER_PORT: u16 = 8080;

/// The MAC address of a destination, or of all clients (0).
pub(crate) fn mac(destination: u8) -> [u8; 6] {
    [2, 0, 0, 0, 1, destination]
}

/// An address: who it is, as two words of a table.
pub(crate) fn address(six: bool, kind: u8, number: u8) -> [u64; 2] {
    if six {
        let first = u64::from_ne_bytes([0x20, 1, 0xd, 0xb8, kind, 0, 0, number]);
        return [first, u64::from_ne_bytes([0, 0, 0, kind, 0, 0, 0, number])];
    }
    [u64::from(u32::from_ne_bytes([10, kind, 0, number])), 0]
}

/// Of clients.
pub(crate) const CLIENT: u8 = 1;
/// Of the service.
pub(crate) const VIP: u8 = 2;
/// Of servers.
pub(crate) const SERVER: u8 = 3;

/// One end: address and port.
pub(crate) type End = ([u64; 2], u16);

/// A TCP segment without data to the director.
pub(crate) fn tcp(six: bool, from: End, to: End, flags: u8) -> Wire {
    let mut bytes = Vec::new();
    bytes.extend(DIRECTOR);
    bytes.extend(mac(0));
    let octets = |(address, _): End| -> Vec<u8> {
        let all: Vec<u8> = address.into_iter().flat_map(u64::to_ne_bytes).collect();
        if six { all } else { all[..4].to_vec() }
    };
    if six {
        bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 6, 64]);
    } else {
        bytes.extend([8, 0, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0]);
    }
    bytes.extend(octets(from));
    bytes.extend(octets(to));
    if !six {
        let header: [u8; 20] = bytes[14..34].try_into().unwrap();
        let sum = !checksum::fold(checksum::header(&header));
        bytes[24..26].copy_from_slice(&sum.to_ne_bytes());
    }
    bytes.extend(from.1.to_be_bytes());
    bytes.extend(to.1.to_be_bytes());
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 1, 5 << 4, flags, 1, 0, 0, 0, 0, 0]);
    Wire(bytes)
}

/// A frame.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Wire(Vec<u8>);

impl Wire {
    /// Where it goes on the link.
    pub(crate) fn to(&self) -> [u8; 6] {
        self.0[..6].try_into().unwrap()
    }

    /// Address and port that it comes from, or goes to.
    pub(crate) fn end(&self, source: bool) -> End {
        let six = self.0[12] == 0x86;
        let (size, ip, ports) = if six { (16, 22, 54) } else { (4, 26, 34) };
        let mut octets = [0; 16];
        let at = if source { ip } else { ip + size };
        octets[..size].copy_from_slice(&self.0[at..at + size]);
        let words = octets.as_chunks::<8>().0;
        let port = if source { ports } else { ports + 2 };
        let port = u16::from_be_bytes([self.0[port], self.0[port + 1]]);
        ([u64::from_ne_bytes(words[0]), u64::from_ne_bytes(words[1])], port)
    }
}

impl Frame for Wire {
    fn length(&self) -> usize {
        self.0.len()
    }
    fn view<const N: usize>(&self, at: usize) -> Option<&[u8; N]> {
        self.0.get(at..at + N)?.try_into().ok()
    }
    fn view_mut<const N: usize>(&mut self, at: usize) -> Option<&mut [u8; N]> {
        self.0.get_mut(at..at + N)?.try_into().ok()
    }
    fn grow_front(&mut self, _: i32) -> Option<()> {
        None
    }
    fn truncate(&mut self, _: usize) -> Option<()> {
        None
    }
    fn ingress(&self) -> u32 {
        INTERFACE
    }
}
