//! Requests and dumps on one NETLINK_ROUTE socket, answered or given up within a deadline.
//!
//! It knows messages, not their meaning. Source: netlink(7), Documentation/userspace-api/netlink/intro.rst.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    time::Instant,
};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvfrom, sendto, socket,
    },
};

use crate::{Error, Network, wait};

/// The kernel sends dumps in datagrams of at most 32 KiB; one link with very many attributes stays below this too.
pub(crate) const DATAGRAM_MAX: usize = 128 * 1024;

/// How often a dump is repeated that a change interrupted.
const DUMP_ATTEMPTS: usize = 16;

/// A NETLINK_ROUTE socket with its sequence of requests.
#[derive(Debug)]
pub(crate) struct Connection {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

/// Opens a NETLINK_ROUTE socket that listens to the groups (RTMGRP_* bits).
pub(crate) fn open_socket(groups: u32) -> Result<OwnedFd, Error> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)
        .map_err(|e| Error::socket("open a netlink socket", e))?;
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups)).map_err(|e| Error::socket("bind a netlink socket", e))?;
    Ok(fd)
}

/// Reads one datagram of the kernel's. `Ok(None)`: nothing there, or it came from another process.
pub(crate) fn receive<'b>(fd: &OwnedFd, buffer: &'b mut [u8]) -> Result<Option<&'b [u8]>, Errno> {
    match recvfrom::<NetlinkAddr>(fd.as_raw_fd(), buffer) {
        // Any process may send to this socket; only the kernel's port is 0.
        Ok((length, Some(from))) if from.pid() == 0 => Ok(buffer.get(..length)),
        Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// The messages of one datagram, each with its header. Ends at the first that is not whole.
pub(crate) fn messages(mut datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = usize::try_from(NetlinkBuffer::new_checked(datagram).ok()?.length()).ok()?;
        let message = datagram.get(..length)?;
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// What the answers to one request amount to so far.
enum Progress {
    Done,
    /// A dump during which something changed: it may lack entries.
    Interrupted,
    GoOn,
}

impl Connection {
    pub(crate) fn open() -> Result<Self, Error> {
        Ok(Connection { fd: open_socket(0)?, sequence: 0, buffer: vec![0; DATAGRAM_MAX] })
    }

    /// All entries of a table. `action` completes "asked to ...".
    pub(crate) fn dump(
        &mut self,
        request: &RouteNetlinkMessage,
        action: &str,
    ) -> Result<Vec<RouteNetlinkMessage>, Error> {
        for _ in 0..DUMP_ATTEMPTS {
            let mut answers = Vec::new();
            if self.exchange(request, NLM_F_REQUEST | NLM_F_DUMP, action, &mut answers)? {
                return Ok(answers);
            }
        }
        Err(Error::Timeout { action: action.into(), within: Network::TIMEOUT })
    }

    /// One entry. The kernel answers with it or with an error, without acknowledgement.
    pub(crate) fn get(&mut self, request: &RouteNetlinkMessage, action: &str) -> Result<RouteNetlinkMessage, Error> {
        let mut answers = Vec::new();
        self.exchange(request, NLM_F_REQUEST, action, &mut answers)?;
        answers.pop().ok_or_else(|| Error::Malformed { action: action.into(), reason: "it has no entry".into() })
    }

    /// A change, acknowledged by the kernel.
    pub(crate) fn change(&mut self, request: &RouteNetlinkMessage, flags: u16, action: &str) -> Result<(), Error> {
        self.exchange(request, NLM_F_REQUEST | NLM_F_ACK | flags, action, &mut Vec::new()).map(drop)
    }

    /// Sends a request and collects its answers; `false` when a dump was interrupted by a change.
    fn exchange(
        &mut self,
        request: &RouteNetlinkMessage,
        flags: u16,
        action: &str,
        answers: &mut Vec<RouteNetlinkMessage>,
    ) -> Result<bool, Error> {
        self.sequence = self.sequence.wrapping_add(1);
        self.send(request, flags, action)?;
        let deadline = Instant::now() + Network::TIMEOUT;
        let single = flags & (NLM_F_DUMP | NLM_F_ACK) == 0;
        let mut whole = true;
        let failed = |errno: Errno| Error::socket(format!("{action} over netlink"), errno);
        while wait::readable(self.fd.as_fd(), deadline).map_err(failed)? {
            let Some(datagram) = receive(&self.fd, &mut self.buffer).map_err(failed)? else { continue };
            for message in messages(datagram) {
                match digest(message, self.sequence, single, action, answers)? {
                    Progress::Done => return Ok(whole),
                    Progress::Interrupted => whole = false,
                    Progress::GoOn => {}
                }
            }
        }
        Err(Error::Timeout { action: action.into(), within: Network::TIMEOUT })
    }

    fn send(&self, request: &RouteNetlinkMessage, flags: u16, action: &str) -> Result<(), Error> {
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(request.clone()));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        sendto(self.fd.as_raw_fd(), &bytes, &NetlinkAddr::new(0, 0), MsgFlags::empty())
            .map(drop)
            .map_err(|e| Error::socket(format!("{action} over netlink"), e))
    }
}

/// Takes one message of the answer to the request with this sequence number.
fn digest(
    message: &[u8],
    sequence: u32,
    single: bool,
    action: &str,
    answers: &mut Vec<RouteNetlinkMessage>,
) -> Result<Progress, Error> {
    let Ok(head) = NetlinkBuffer::new_checked(message) else { return Ok(Progress::GoOn) };
    // The late answer to a request that was given up.
    if head.sequence_number() != sequence {
        return Ok(Progress::GoOn);
    }
    let refused = |code: i32| Error::Refused { action: action.into(), source: io::Error::from_raw_os_error(-code) };
    // One entry that this library cannot read (a newer kernel, an odd device) must not hide the others.
    let Ok(parsed) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(message) else {
        if single {
            return Err(Error::Malformed { action: action.into(), reason: "it does not parse".into() });
        }
        return Ok(Progress::GoOn);
    };
    match parsed.payload {
        NetlinkPayload::Done(done) if done.code < 0 => return Err(refused(done.code)),
        NetlinkPayload::Done(_) => return Ok(Progress::Done),
        NetlinkPayload::Error(error) if error.code.is_some() => return Err(refused(error.raw_code())),
        NetlinkPayload::Error(_) => return Ok(Progress::Done),
        NetlinkPayload::InnerMessage(entry) => answers.push(entry),
        _ => {}
    }
    if single {
        return Ok(Progress::Done);
    }
    let interrupted = head.flags() & NLM_F_DUMP_INTR != 0;
    Ok(if interrupted { Progress::Interrupted } else { Progress::GoOn })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An acknowledgement: nlmsghdr, error 0, the request's header.
    fn answer(sequence: u32, code: i32) -> Vec<u8> {
        let mut bytes = vec![36, 0, 0, 0, 2, 0, 0, 0];
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(code.to_ne_bytes());
        bytes.extend([0; 16]);
        bytes
    }

    #[test]
    fn a_datagram_is_cut_into_its_messages_and_a_torn_one_ends_it() {
        let mut datagram = answer(1, 0);
        datagram.extend(answer(2, 0));
        datagram.extend(&answer(3, 0)[..20]);
        assert_eq!(messages(&datagram).map(<[u8]>::len).collect::<Vec<_>>(), [36, 36]);
        let lying = [4, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(messages(&lying).count(), 0, "a length below the header's must not loop");
    }

    #[test]
    fn answers_to_another_request_are_passed_over() {
        let mut answers = Vec::new();
        assert!(matches!(digest(&answer(7, -1), 8, false, "test", &mut answers), Ok(Progress::GoOn)));
        assert!(matches!(digest(&answer(8, 0), 8, false, "test", &mut answers), Ok(Progress::Done)));
        let refused = digest(&answer(8, -17), 8, false, "test", &mut answers).err().map(|e| e.is_present());
        assert_eq!(refused, Some(true));
    }
}
