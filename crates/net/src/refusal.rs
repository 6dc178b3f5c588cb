//! Addresses of this host at which its own programs get nothing and send nothing: a table of nf_tables, by netlink.
//!
//! The table is its socket's: the kernel removes it when the socket is closed, however the process ends, and nobody else can
//! change it. What XDP programs take, and what this host forwards, never comes to it; neighbour discovery goes on. It says
//! nothing about who may send where. Sources: linux/netfilter/nf_tables.h, linux/netfilter/nfnetlink.h.

use std::{
    collections::BTreeSet,
    io,
    net::IpAddr,
    os::fd::{AsRawFd, OwnedFd},
};

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST, NetlinkBuffer};
use nix::{
    libc::{
        AF_UNSPEC, NF_ACCEPT, NF_DROP, NF_INET_LOCAL_IN, NF_INET_LOCAL_OUT, NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END,
        NFNL_SUBSYS_NFTABLES, NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6, NFT_META_IIF, NFT_META_L4PROTO,
        NFT_META_NFPROTO, NFT_META_OIF, NFT_MSG_DELTABLE, NFT_MSG_NEWCHAIN, NFT_MSG_NEWRULE, NFT_MSG_NEWTABLE,
    },
    sys::socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, getsockname, sendto, setsockopt,
        socket, sockopt,
    },
};

use crate::{
    Error,
    netlink::{DATAGRAM_MAX, messages, receive},
};

/// NFT_TABLE_F_OWNER.
const OWNED: u32 = 2;
/// Just before packet filters, as keepalived's.
const PRIORITY: i32 = -1;
/// NFT_REG_VERDICT and NFT_REG_1.
const VERDICT: u32 = 0;
const REGISTER: u32 = 1;
/// NFT_PAYLOAD_NETWORK_HEADER and NFT_PAYLOAD_TRANSPORT_HEADER.
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;
/// ICMPv6, and its types of neighbour solicitations and advertisements (RFC 4861 section 4).
const ICMPV6: u8 = 58;
const NEIGHBOURS: [u8; 2] = [135, 136];
/// NLMSG_ERROR, which also acknowledges.
const ERROR: u16 = 2;
/// Bytes.
const BATCH_MAX: usize = 4 << 20;
const ACTION: &str = "keep packets from addresses of this host (nf_tables)";

/// The chains: name, hook, where the address stands in an IPv4 and an IPv6 header, and which interface counts.
const CHAINS: [(&str, i32, u32, u32, i32); 2] =
    [("in", NF_INET_LOCAL_IN, 16, 24, NFT_META_IIF), ("out", NF_INET_LOCAL_OUT, 12, 8, NFT_META_OIF)];

/// Addresses that refuse what is sent to them, until it is dropped.
#[derive(Debug)]
pub struct Refusal {
    fd: OwnedFd,
    sequence: u32,
    table: String,
    addresses: BTreeSet<(IpAddr, u32)>,
}

impl Refusal {
    /// Of no address, in the network namespace of the calling thread.
    pub fn open() -> Result<Self, Error> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkNetFilter)
            .map_err(|e| Error::socket("open a netfilter socket", e))?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0)).map_err(|e| Error::socket("bind a netfilter socket", e))?;
        // One message is all of it, and must fit, with thousands of addresses.
        let _ = setsockopt(&fd, sockopt::SndBufForce, &BATCH_MAX);
        let own: NetlinkAddr =
            getsockname(fd.as_raw_fd()).map_err(|e| Error::socket("look at a netfilter socket", e))?;
        // No other socket of the namespace has this number at the same time.
        let table = format!("relvs-{}", own.pid());
        Ok(Refusal { fd, sequence: 0, table, addresses: BTreeSet::new() })
    }

    /// These addresses and no others, from one moment to the next. With each goes the index of the interface that has it,
    /// which counts for link-local ones. After an error it is as before.
    pub fn set(&mut self, addresses: &BTreeSet<(IpAddr, u32)>) -> Result<(), Error> {
        if *addresses == self.addresses {
            return Ok(());
        }
        let mut batch = Batch { bytes: Vec::new(), sequence: self.sequence };
        let subsystem = u16::try_from(NFNL_SUBSYS_NFTABLES).unwrap_or_default();
        batch.message(NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, subsystem, &[]);
        if !self.addresses.is_empty() {
            batch.change(NFT_MSG_DELTABLE, NLM_F_ACK, &name(1, &self.table));
        }
        if !addresses.is_empty() {
            batch.table(&self.table, addresses);
        }
        batch.message(NFNL_MSG_BATCH_END, 0, AF_UNSPEC, subsystem, &[]);
        let first = self.sequence;
        self.sequence = batch.sequence;
        let failed = |e| Error::socket(ACTION, e);
        sendto(self.fd.as_raw_fd(), &batch.bytes, &NetlinkAddr::new(0, 0), MsgFlags::empty()).map_err(failed)?;
        // All of it has been answered when sending is done.
        let mut buffer = vec![0; DATAGRAM_MAX];
        let mut acknowledged = false;
        while let Some(datagram) = receive(&self.fd, &mut buffer).map_err(failed)? {
            for message in messages(datagram) {
                match answer(message) {
                    Some((sequence, _)) if sequence.wrapping_sub(first) > self.sequence.wrapping_sub(first) => {}
                    Some((_, 0)) => acknowledged = true,
                    Some((_, code)) => {
                        let source = io::Error::from_raw_os_error(-code);
                        return Err(Error::Refused { action: ACTION.into(), source });
                    }
                    None => {}
                }
            }
        }
        if !acknowledged {
            return Err(Error::Malformed { action: ACTION.into(), reason: "it does not say that it is done".into() });
        }
        self.addresses.clone_from(addresses);
        Ok(())
    }
}

/// The request that a message answers, and with what: 0, or an error number below it.
fn answer(message: &[u8]) -> Option<(u32, i32)> {
    let head = NetlinkBuffer::new_checked(message).ok().filter(|head| head.message_type() == ERROR)?;
    let code = message.get(16..20)?.try_into().ok()?;
    Some((head.sequence_number(), i32::from_ne_bytes(code)))
}

/// Messages that the kernel takes all or none of.
struct Batch {
    bytes: Vec<u8>,
    sequence: u32,
}

impl Batch {
    fn message(&mut self, kind: i32, flags: u16, family: i32, resource: u16, attributes: &[u8]) {
        self.sequence = self.sequence.wrapping_add(1);
        let length = u32::try_from(20 + attributes.len()).unwrap_or(u32::MAX);
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(u16::try_from(kind).unwrap_or_default().to_ne_bytes());
        self.bytes.extend((NLM_F_REQUEST | flags).to_ne_bytes());
        self.bytes.extend(self.sequence.to_ne_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend([u8::try_from(family).unwrap_or_default(), 0]);
        self.bytes.extend(resource.to_be_bytes());
        self.bytes.extend(attributes);
    }

    fn change(&mut self, kind: i32, flags: u16, attributes: &[u8]) {
        self.message(NFNL_SUBSYS_NFTABLES << 8 | kind, flags, NFPROTO_INET, 0, attributes);
    }

    fn table(&mut self, table: &str, addresses: &BTreeSet<(IpAddr, u32)>) {
        // An answer to each message would not fit where answers wait; errors are told all the same.
        self.change(NFT_MSG_NEWTABLE, NLM_F_ACK | NLM_F_CREATE, &[name(1, table), number(2, OWNED)].concat());
        for (chain, hook, v4, v6, interface) in CHAINS {
            let hook = [number(1, hook.cast_unsigned()), number(2, PRIORITY.cast_unsigned())].concat();
            let attributes = [name(1, table), name(3, chain), nested(4, &hook), name(7, "filter")].concat();
            self.change(NFT_MSG_NEWCHAIN, NLM_F_CREATE, &attributes);
            for kind in NEIGHBOURS {
                let discovery = [
                    meta(NFT_META_NFPROTO),
                    equal(&[u8::try_from(NFPROTO_IPV6).unwrap_or_default()]),
                    meta(NFT_META_L4PROTO),
                    equal(&[ICMPV6]),
                    payload(TRANSPORT, 0, 1),
                    equal(&[kind]),
                    verdict(NF_ACCEPT),
                ];
                self.rule(table, chain, &discovery.concat());
            }
            for (address, index) in addresses {
                let (family, offset, bytes) = match address {
                    IpAddr::V4(address) => (NFPROTO_IPV4, v4, address.octets().to_vec()),
                    IpAddr::V6(address) => (NFPROTO_IPV6, v6, address.octets().to_vec()),
                };
                let length = u32::try_from(bytes.len()).unwrap_or_default();
                let mut expressions =
                    [meta(NFT_META_NFPROTO), equal(&[u8::try_from(family).unwrap_or_default()])].concat();
                expressions.extend([payload(NETWORK, offset, length), equal(&bytes)].concat());
                if matches!(address, IpAddr::V6(address) if address.is_unicast_link_local()) {
                    expressions.extend([meta(interface), equal(&index.to_ne_bytes())].concat());
                }
                expressions.extend(verdict(NF_DROP));
                self.rule(table, chain, &expressions);
            }
        }
    }

    fn rule(&mut self, table: &str, chain: &str, expressions: &[u8]) {
        /// NLM_F_APPEND.
        const LAST: u16 = 0x800;
        let attributes = [name(1, table), name(2, chain), nested(4, expressions)].concat();
        self.change(NFT_MSG_NEWRULE, NLM_F_CREATE | LAST, &attributes);
    }
}

/// Something of the packet into the register.
fn meta(key: i32) -> Vec<u8> {
    expression("meta", &[number(2, key.cast_unsigned()), number(1, REGISTER)].concat())
}

/// Bytes of a header into the register.
fn payload(header: u32, offset: u32, length: u32) -> Vec<u8> {
    let attributes = [number(1, REGISTER), number(2, header), number(3, offset), number(4, length)];
    expression("payload", &attributes.concat())
}

/// The rule goes on if this is in the register.
fn equal(bytes: &[u8]) -> Vec<u8> {
    expression("cmp", &[number(1, REGISTER), number(2, 0), nested(3, &attribute(1, bytes))].concat())
}

fn verdict(code: i32) -> Vec<u8> {
    let verdict = nested(2, &number(1, code.cast_unsigned()));
    expression("immediate", &[number(1, VERDICT), nested(2, &verdict)].concat())
}

fn expression(kind: &str, attributes: &[u8]) -> Vec<u8> {
    nested(1, &[name(1, kind), nested(2, attributes)].concat())
}

fn number(kind: u16, value: u32) -> Vec<u8> {
    attribute(kind, &value.to_be_bytes())
}

fn name(kind: u16, text: &str) -> Vec<u8> {
    attribute(kind, &[text.as_bytes(), &[0]].concat())
}

fn nested(kind: u16, inside: &[u8]) -> Vec<u8> {
    attribute(netlink_packet_core::NLA_F_NESTED | kind, inside)
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_whole_messages_that_begin_and_end() {
        let mut batch = Batch { bytes: Vec::new(), sequence: 0 };
        batch.table("relvs-1", &[([192, 0, 2, 1].into(), 1)].into());
        let all: Vec<usize> = messages(&batch.bytes).map(<[u8]>::len).collect();
        // A table; twice a chain, two rules of neighbour discovery and one of the address.
        assert_eq!(all.len(), 9);
        assert_eq!(all.iter().sum::<usize>(), batch.bytes.len());
    }

    #[test]
    fn a_text_is_padded_behind_its_length() {
        assert_eq!(attribute(1, b"in\0")[..2], 7_u16.to_ne_bytes());
        assert_eq!(attribute(1, b"in\0").len(), 8);
    }
}
