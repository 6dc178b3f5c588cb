//! What an interface's driver can do for XDP, asked of the kernel's "netdev" family over generic netlink.
//!
//! It attaches nothing. A kernel before 6.3 has no such family: then nobody knows without trying.
//! Source: Documentation/netlink/specs/netdev.yaml, include/uapi/linux/genetlink.h, include/uapi/linux/netdev.h.

use std::{
    os::fd::{AsFd, AsRawFd, OwnedFd},
    time::Instant,
};

use nix::{
    errno::Errno,
    sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, sendto, socket},
};

use crate::{Error, Network, netlink, wait};

/// What a driver can do for XDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XdpFeatures {
    /// Programs run in the driver (NETDEV_XDP_ACT_BASIC), and may send frames to other interfaces
    /// (NETDEV_XDP_ACT_REDIRECT).
    pub native: bool,
    /// Frames that other interfaces' programs send here are taken (NETDEV_XDP_ACT_NDO_XMIT).
    pub target: bool,
}

/// The numbers of genetlink.h and netdev.h.
const HEADER: usize = 16 + 4;
const ERROR: u16 = 2;
const REQUEST: u16 = 1;
const CONTROL: u16 = 16;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const DEVICE_GET: u8 = 1;
const DEVICE_INDEX: u16 = 1;
const DEVICE_XDP: u16 = 3;
const BASIC: u64 = 1;
const REDIRECT: u64 = 2;
const NDO_XMIT: u64 = 4;

/// What the driver of the interface with this index can do for XDP; none if this kernel does not tell.
///
/// # Errors
///
/// The socket failed, or the kernel refused for another reason than not knowing the question.
pub fn xdp_features(interface: u32) -> Result<Option<XdpFeatures>, Error> {
    let fd = open()?;
    let name = attribute(FAMILY_NAME, b"netdev\0");
    let Some(family) = ask(&fd, CONTROL, GET_FAMILY, &name, FAMILY_ID)? else { return Ok(None) };
    let Some(family) = family.get(..2).and_then(|id| id.try_into().ok()).map(u16::from_ne_bytes) else {
        return Ok(None);
    };
    let index = attribute(DEVICE_INDEX, &interface.to_ne_bytes());
    let bits = ask(&fd, family, DEVICE_GET, &index, DEVICE_XDP)?;
    let bits = bits.and_then(|bits| bits.get(..8)?.try_into().ok()).map(u64::from_ne_bytes);
    Ok(bits.map(|bits| XdpFeatures {
        native: bits & (BASIC | REDIRECT) == BASIC | REDIRECT,
        target: bits & NDO_XMIT != 0,
    }))
}

fn open() -> Result<OwnedFd, Error> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let failed = |e| Error::socket("open a generic netlink socket", e);
    let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkGeneric).map_err(failed)?;
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0)).map_err(failed)?;
    Ok(fd)
}

/// Asks one question and gives one attribute of the answer. That the kernel does not know what was asked for is none.
fn ask(fd: &OwnedFd, family: u16, command: u8, attributes: &[u8], wanted: u16) -> Result<Option<Vec<u8>>, Error> {
    let failed = |e| Error::socket("ask what a driver can do for XDP", e);
    let mut request = Vec::with_capacity(HEADER + attributes.len());
    request.extend(u32::try_from(HEADER + attributes.len()).unwrap_or(u32::MAX).to_ne_bytes());
    request.extend(family.to_ne_bytes());
    request.extend(REQUEST.to_ne_bytes());
    // The sequence tells answers apart: no family has command 0.
    request.extend(u32::from(command).to_ne_bytes());
    request.extend([0; 4]);
    request.extend([command, 1, 0, 0]);
    request.extend(attributes);
    sendto(fd.as_raw_fd(), &request, &NetlinkAddr::new(0, 0), MsgFlags::empty()).map_err(failed)?;
    let deadline = Instant::now() + Network::TIMEOUT;
    let mut buffer = vec![0; netlink::DATAGRAM_MAX];
    while wait::readable(fd.as_fd(), deadline).map_err(failed)? {
        let Some(datagram) = netlink::receive(fd, &mut buffer).map_err(failed)? else { continue };
        for message in netlink::messages(datagram) {
            match answered(message, command, wanted) {
                Answer::To(found) => return Ok(found),
                Answer::Refused(Errno::ENOENT | Errno::EOPNOTSUPP | Errno::EINVAL | Errno::ENODEV) => return Ok(None),
                Answer::Refused(errno) => return Err(failed(errno)),
                Answer::Other => {}
            }
        }
    }
    Ok(None)
}

/// What a message is.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// The answer, and the attribute wanted if it has it.
    To(Option<Vec<u8>>),
    Refused(Errno),
    /// To another question.
    Other,
}

fn answered(message: &[u8], command: u8, wanted: u16) -> Answer {
    let number =
        |from: usize| message.get(from..from + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_ne_bytes);
    if number(8) != u32::from(command) {
        return Answer::Other;
    }
    let kind = number(4) as u16;
    if kind == ERROR {
        return match number(16).cast_signed() {
            0 => Answer::Other,
            code => Answer::Refused(Errno::from_raw(code.saturating_neg())),
        };
    }
    Answer::To(find(message.get(HEADER..).unwrap_or_default(), wanted).map(<[u8]>::to_vec))
}

/// An attribute with its header, padded.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + value.len().next_multiple_of(4));
    bytes.extend(u16::try_from(4 + value.len()).unwrap_or(u16::MAX).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The value of the first attribute of this kind.
fn find(mut attributes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let [a, b, c, d, ..] = *attributes else { return None };
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let value = attributes.get(4..length)?;
        if u16::from_ne_bytes([c, d]) & 0x3fff == kind {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_and_torn_ones_end_it() {
        let mut list = attribute(1, b"ab");
        list.extend(attribute(3, &7u64.to_ne_bytes()));
        assert_eq!(find(&list, 3), Some(&7u64.to_ne_bytes()[..]));
        assert_eq!(find(&list, 1), Some(&b"ab"[..]));
        assert_eq!(find(&list, 2), None);
        assert_eq!(find(&list[..list.len() - 1], 3), None);
        assert_eq!(find(&[0, 0, 3, 0], 3), None, "a length below the header's must not loop");
    }

    #[test]
    fn a_refusal_and_a_late_answer_are_told_apart() {
        let message = |kind: u16, sequence: u32, code: i32| {
            let mut bytes = vec![20, 0, 0, 0];
            bytes.extend(kind.to_ne_bytes());
            bytes.extend([0; 2]);
            bytes.extend(sequence.to_ne_bytes());
            bytes.extend([0; 4]);
            bytes.extend(code.to_ne_bytes());
            bytes
        };
        assert_eq!(answered(&message(ERROR, 1, -2), 1, 3), Answer::Refused(Errno::ENOENT));
        assert_eq!(answered(&message(ERROR, 3, -2), 1, 3), Answer::Other);
        assert_eq!(answered(&message(30, 1, 0), 1, 3), Answer::To(None));
        assert_eq!(answered(&[], 1, 3), Answer::Other);
    }

    #[test]
    fn the_loopback_interface_has_no_native_xdp() {
        // Interface 1 is lo in every namespace. A kernel that does not tell says so.
        let found = xdp_features(1).unwrap();
        assert!(found.is_none_or(|features| !features.native), "{found:?}");
        assert_eq!(xdp_features(u32::MAX >> 1).unwrap(), None);
    }
}
