//! Whom an event is about: scripts about one are run one after the other.

use relvs_model::{ServiceKey, health::Event};
use std::net::IpAddr;

/// Whom an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    Service(ServiceKey),
    Server(ServiceKey, IpAddr, u16),
    Router(String),
}

impl From<&Event> for Subject {
    fn from(event: &Event) -> Self {
        match event {
            Event::Server { service, address, port, .. } => Subject::Server(*service, *address, *port),
            Event::Quorum { service, .. } | Event::Sorry { service, .. } => Subject::Service(*service),
            Event::Router { name, .. } => Subject::Router(name.clone()),
        }
    }
}
