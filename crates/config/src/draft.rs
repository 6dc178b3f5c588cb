//! What a reader found, before the rules are asked: each value beside its place, and a note where there was one that
//! could not be read, so that one mistake is not reported twice.

use crate::report::Span;
use relvs_model::{Director, Method, Scheduler, ServiceKey};
use std::net::IpAddr;

/// A value of a file.
#[derive(Clone, Debug)]
pub(crate) enum Given<T> {
    /// Nothing is said.
    Absent,
    /// Something is said that could not be understood, and has been reported.
    Wrong,
    /// It is said here.
    Is(T, Span),
}

impl<T: Copy> Given<T> {
    /// The value, `default` where nothing is said, `None` where it was not understood.
    pub(crate) fn or(&self, default: T) -> Option<T> {
        match self {
            Given::Absent => Some(default),
            Given::Wrong => None,
            Given::Is(value, _) => Some(*value),
        }
    }
}

/// The director's settings, with defaults where they are not written.
#[derive(Debug, Default)]
pub(crate) struct DirectorDraft {
    pub(crate) settings: Director,
    /// The places of its interfaces, in their order.
    pub(crate) interfaces: Vec<Span>,
}

/// A virtual service as it is written.
#[derive(Debug)]
pub(crate) struct ServiceDraft {
    pub(crate) listen: Given<ServiceKey>,
    pub(crate) scheduler: Scheduler,
    /// For the servers that do not say their own.
    pub(crate) method: Given<Method>,
    /// Whether persistence is asked for.
    pub(crate) persistent: bool,
    pub(crate) servers: Vec<ServerDraft>,
    /// Something of it was not understood: it is judged by the rules, and not accepted.
    pub(crate) broken: bool,
}

/// A real server as it is written.
#[derive(Debug)]
pub(crate) struct ServerDraft {
    pub(crate) address: Given<IpAddr>,
    pub(crate) port: Given<u16>,
    pub(crate) weight: Given<u32>,
    pub(crate) method: Given<Method>,
    /// Something of it was not understood: it is judged by the rules, and not accepted.
    pub(crate) broken: bool,
}
