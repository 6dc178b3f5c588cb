//! A service's record, as far as it does not depend on how its servers are chosen.

use crate::{image::Known, memory_order};
use relvs_core::table::service::{self, flag};
use relvs_model::{Netmask, SchedulerFlags, Service, ServiceKey};

/// The port of FTP's control connections. Persistent, it has the data connections of its clients too.
pub(crate) const FTP: u16 = 21;

/// The record of a service, without its choices.
pub(crate) fn record(service: &Service, known: &Known<'_>) -> service::Service {
    let (netmask4, netmask6) = match service.persistence.map(|persistence| persistence.netmask) {
        Some(Netmask::V4(mask)) => (memory_order::four(mask), 0),
        Some(Netmask::V6(prefix)) => (0, prefix),
        None => (0, 0),
    };
    let mark = match service.key {
        ServiceKey::Mark(mark) => mark.mark.to_be(),
        ServiceKey::Listen(_) => 0,
    };
    service::Service {
        flags: flags(service),
        netmask4,
        netmask6,
        mark,
        identity: known.identity,
        beginning: known.start.cursor,
        cursor: known.cursor,
        ..service::Service::default()
    }
}

fn flags(service: &Service) -> u8 {
    let any_port = service.key.port() == 0 || service.key.port() == FTP;
    [
        (service.persistence.is_some(), flag::PERSISTENT),
        (service.one_packet, flag::ONE_PACKET),
        (service.servers.iter().any(|server| server.upper_threshold > 0), flag::THRESHOLDS),
        (service.flags.has(SchedulerFlags::FALLBACK), flag::FALLBACK),
        (service.flags.has(SchedulerFlags::PORT), flag::PORT),
        (matches!(service.key, ServiceKey::Mark(_)), flag::MARK),
        (any_port, flag::ANY_PORT),
        (service.new_flows_per_second > 0, flag::LIMITED),
    ]
    .into_iter()
    .filter(|(is, _)| *is)
    .fold(0, |flags, (_, flag)| flags | flag)
}
