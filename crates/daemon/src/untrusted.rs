//! What comes from outside, read as the daemon reads it: for fuzzing. It has no effect.

use crate::{director, health, server};
use relvs_api::Failure;
use relvs_control::Control;
use serde::de::DeserializeOwned;
use std::net::IpAddr;

/// A request's body.
///
/// # Errors
///
/// It is not understood, whole or in part.
pub fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    server::parse(bytes)
}

/// What an earlier daemon wrote down of what it applied: all, and lines of what changed since.
pub fn remembered(whole: &[u8], lines: &[u8]) -> Option<Control> {
    director::remembered(whole, lines)
}

/// What a server answers to a probe.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// A message to the query with this number; one of its records must be what is expected.
    Dns {
        /// The query's.
        id: u16,
        /// All of it.
        message: &'a [u8],
        /// See there.
        expect: Option<&'a str>,
    },
    /// A datagram, which must begin so.
    Udp {
        /// All of it.
        reply: &'a [u8],
        /// See there.
        expect: &'a [u8],
    },
    /// What a mail server says first.
    Smtp(&'a [u8]),
    /// A message of gRPC's health protocol, with what is around it.
    Grpc(&'a [u8]),
}

/// Whether it is a good one.
///
/// # Errors
///
/// Why not: half a sentence on one line, of 300 characters at most.
pub fn answer(answer: Answer<'_>) -> Result<(), String> {
    health::judged(answer)
}

/// A packet of a probe through the data path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The address and port of the probe that it is from.
    pub sender: Option<(IpAddr, u16)>,
    /// The address and port of the probe that it is for.
    pub receiver: Option<(IpAddr, u16)>,
    /// Without what follows it, and with its checksum.
    pub completed: Option<Vec<u8>>,
}

/// An IP packet that was picked up.
pub fn packet(bytes: &[u8]) -> Packet {
    health::packet(bytes)
}
