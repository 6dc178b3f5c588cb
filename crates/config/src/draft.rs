//! What a reader found, before the rules are asked: each value beside its place, and a note where there was one that
//! could not be read, so that one mistake is not reported twice.

use crate::report::Span;
use relvs_model::health::{Check, Damping, Notify, Script, ServiceHealth};
use relvs_model::{
    Director, Listeners, Method, Rule, Scheduler, SchedulerFlags, ServiceKey, Settings, Timeouts, Tunnel,
};
use std::net::{IpAddr, Ipv4Addr};

/// A value of a file.
#[derive(Clone, Debug, Default)]
pub(crate) enum Given<T> {
    /// Nothing is said.
    #[default]
    Absent,
    /// Something is said that could not be understood, and has been reported.
    Wrong,
    /// It is said here.
    Is(T, Span),
}

impl<T> Given<T> {
    /// Where it is said.
    pub(crate) fn place(self) -> Option<Span> {
        match self {
            Given::Is(_, span) => Some(span),
            Given::Absent | Given::Wrong => None,
        }
    }
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
    /// The places of `flows` and `xdp_mode`, where they are written.
    pub(crate) flows: Option<Span>,
    pub(crate) xdp_mode: Option<Span>,
}

/// A virtual service as it is written.
#[derive(Debug)]
pub(crate) struct ServiceDraft {
    /// Where it is written: `listen`, or `mark`.
    pub(crate) key: Given<ServiceKey>,
    pub(crate) scheduler: Scheduler,
    /// Flags, each with the scheduler whose name it was written by.
    pub(crate) flags: Vec<(SchedulerFlags, Option<Scheduler>, Span)>,
    /// For the servers that do not say their own.
    pub(crate) method: Given<Method>,
    /// For the TUN servers that do not say their own.
    pub(crate) tunnel: Given<Tunnel>,
    pub(crate) persistence: Given<PersistenceDraft>,
    pub(crate) one_packet: Given<bool>,
    pub(crate) new_flows: Given<u32>,
    pub(crate) servers: Vec<ServerDraft>,
    /// What it does by its servers' health.
    pub(crate) health: Option<ServiceHealth>,
    /// What holds for servers that do not say otherwise.
    pub(crate) checked: HealthDraft,
    pub(crate) sorry: Option<ServerDraft>,
    /// Something of it was not understood: it is judged by the rules, and not accepted.
    pub(crate) broken: bool,
}

/// Persistence as it is written.
#[derive(Clone, Debug)]
pub(crate) struct PersistenceDraft {
    pub(crate) timeout_s: u32,
    pub(crate) netmask: Given<MaskDraft>,
}

/// A netmask as it is written, which only makes sense with the service's address family.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MaskDraft {
    Prefix(u8),
    Mask(Ipv4Addr),
}

/// A match rule as it is written.
#[derive(Debug)]
pub(crate) struct RuleDraft {
    pub(crate) rule: Rule,
    /// Its mark's.
    pub(crate) place: Span,
    /// Something of it was not understood, and it is not accepted.
    pub(crate) broken: bool,
}

/// What a file says beside its services.
#[derive(Debug, Default)]
pub(crate) struct Common {
    pub(crate) director: DirectorDraft,
    pub(crate) listeners: Listeners,
    /// Virtual routers, and where the interface of each is written.
    pub(crate) vrrp: (relvs_model::vrrp::Settings, Vec<Span>),
    pub(crate) notify: Notify,
    pub(crate) settings: Settings,
    pub(crate) timeouts: Timeouts,
    pub(crate) rules: Vec<Rule>,
}

/// A check as it is written.
#[derive(Clone, Debug)]
pub(crate) struct CheckDraft {
    pub(crate) check: Check,
    /// Its type's.
    pub(crate) place: Span,
    /// It asks a port.
    pub(crate) needs_port: bool,
}

/// What a service says about the health of its servers, or a server about its own.
#[derive(Debug, Default)]
pub(crate) struct HealthDraft {
    /// None: nothing is said.
    pub(crate) checks: Option<Vec<CheckDraft>>,
    pub(crate) inhibit_on_failure: Given<bool>,
    pub(crate) slow_start_ms: Given<u32>,
    pub(crate) damping: Option<Damping>,
    pub(crate) notify_up: Option<Script>,
    pub(crate) notify_down: Option<Script>,
}

/// A real server as it is written.
#[derive(Debug, Default)]
pub(crate) struct ServerDraft {
    pub(crate) address: Given<IpAddr>,
    pub(crate) port: Given<u16>,
    pub(crate) weight: Given<u32>,
    pub(crate) upper_threshold: Given<u32>,
    pub(crate) lower_threshold: Given<u32>,
    pub(crate) method: Given<Method>,
    pub(crate) tunnel: Given<Tunnel>,
    pub(crate) health: HealthDraft,
    /// Something of it was not understood: it is judged by the rules, and not accepted.
    pub(crate) broken: bool,
}
