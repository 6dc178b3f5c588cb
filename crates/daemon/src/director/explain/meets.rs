//! Which records a packet can meet: those of its own name, and, once its service is known, its client's template and the
//! replies of every server that it may be sent to.

use super::Asked;
use relvs_control::Control;
use relvs_core::schedule::{self, Arrival};
use relvs_dataplane::{Area, Copied, Kernel, Kind, Meets, Name, Record, Side as _, inactive_half};
use relvs_model::{Netmask, Network, Service, ServiceKey};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::atomic::Ordering::Acquire,
};

/// The port of FTP's control connections: its persistence is of all ports.
const FTP: u16 = 21;

/// What a packet can meet whatever its service, with the flow that it is a client's of, and the one that it is a
/// server's of.
pub(super) fn of_packet(kernel: &Kernel, control: &Control, asked: &Asked) -> (Meets, Option<Record>, Option<Record>) {
    let mut meets = Meets {
        destinations: control.destinations().map(|(number, ..)| number + 1).max().unwrap_or(0),
        services: control.services().len() as u32,
        ..Meets::default()
    };
    let ports = ports(asked.source.port(), asked.destination.port());
    let name = Name {
        source: asked.source.ip(),
        destination: asked.destination.ip(),
        ports,
        kind: Kind::Flow(asked.protocol.number()),
    };
    let flow = meets.add(kernel, &name);
    let reply = meets.add(kernel, &Name { kind: Kind::Reply(asked.protocol.number()), ..name });
    (meets, flow, reply)
}

/// Adds what it can meet as a packet of this service. Gives the client's template.
pub(super) fn of_service(
    meets: &mut Meets,
    kernel: &Kernel,
    control: &Control,
    service: &Service,
    asked: &Asked,
) -> Option<Record> {
    let port = asked.destination.port();
    for (number, ..) in control.destinations().filter(|(_, key, ..)| *key == service.key) {
        replies(meets, kernel, control, number, asked);
    }
    if let Some(words) = record(kernel, control, service.key) {
        meets.near = schedule::remembers(Copied(&words), &arrival(asked));
    }
    let persistence = service.persistence?;
    let (destination, ports) = match service.key {
        ServiceKey::Mark(mark) => (mark_address(mark.mark, mark.six), 0),
        ServiceKey::Listen(listen) => {
            let port = if matches!(listen.port, 0 | FTP) { 0 } else { port };
            (listen.address, u32::from(asked.protocol.number()) | u32::from(port.to_be()) << 16)
        }
    };
    let source = network(asked.source.ip(), persistence.netmask);
    let template = meets.add(kernel, &Name { source, destination, ports, kind: Kind::Template })?;
    // It may be of another service: FTP's and one of any port share theirs.
    replies(meets, kernel, control, template.number(), asked);
    Some(template)
}

/// Adds the replies of a server that the packet may be sent to.
fn replies(meets: &mut Meets, kernel: &Kernel, control: &Control, number: u32, asked: &Asked) {
    let (client, port) = (asked.source, asked.destination.port());
    let Some((_, server)) = control.sent_to(number) else { return };
    let server_port = if server.port() == 0 { port } else { server.port() };
    let (kind, ports) = (Kind::Reply(asked.protocol.number()), ports(server_port, client.port()));
    meets.add(kernel, &Name { source: server.ip(), destination: client.ip(), ports, kind });
}

/// The service of this identity in the tables.
pub(in crate::director) fn service<'a>(kernel: &Kernel, control: &'a Control, identity: u32) -> Option<&'a Service> {
    let is_it = |service: &&Service| self::identity(kernel, control, service.key) == Some(identity);
    if identity == 0 { None } else { control.services().iter().map(AsRef::as_ref).find(is_it) }
}

/// All services by what they are known by in the tables.
pub(in crate::director) fn services(kernel: &Kernel, control: &Control) -> BTreeMap<u32, ServiceKey> {
    let of = |service: &Service| Some((identity(kernel, control, service.key)?, service.key));
    control.services().iter().filter_map(|service| of(service)).collect()
}

/// What a service is known by in the tables.
pub(in crate::director) fn identity(kernel: &Kernel, control: &Control, key: ServiceKey) -> Option<u32> {
    record(kernel, control, key).map(|words| (words[2] >> 32) as u32)
}

/// A service's record in the half that is in use.
pub(super) fn record(kernel: &Kernel, control: &Control, key: ServiceKey) -> Option<Vec<u64>> {
    let half = 1 - inactive_half(kernel);
    let index = half * kernel.sizes().services + control.index_of(key)?;
    Some(kernel.record(Area::Services, index)?.iter().map(|word| word.load(Acquire)).collect())
}

/// The packet as schedulers see it.
pub(super) fn arrival(asked: &Asked) -> Arrival {
    Arrival {
        source: crate::decapsulator::words(asked.source.ip()),
        destination: crate::decapsulator::words(asked.destination.ip()),
        source_port: asked.source.port().to_be(),
        six: asked.source.is_ipv6(),
        now: 0,
    }
}

/// The part of a client's address that counts.
pub(super) fn network(client: IpAddr, netmask: Netmask) -> IpAddr {
    match (client, netmask) {
        (IpAddr::V4(client), Netmask::V4(mask)) => IpAddr::V4(Ipv4Addr::from_bits(client.to_bits() & mask.to_bits())),
        (client, Netmask::V6(prefix)) => Network::of(client, prefix).address,
        (client, Netmask::V4(_)) => client,
    }
}

/// A mark in the place of a VIP.
fn mark_address(mark: u32, six: bool) -> IpAddr {
    if six { Ipv6Addr::from_bits(u128::from(mark) << 96).into() } else { Ipv4Addr::from_bits(mark).into() }
}

/// Two ports as a record has them.
fn ports(source: u16, destination: u16) -> u32 {
    u32::from(source.to_be()) | u32::from(destination.to_be()) << 16
}
