//! Match rules: what the records say is what the rules mean.

use crate::rig::{Rig, SMALL};
use proptest::prelude::*;
use relvs_control::{Desired, Limits};
use relvs_core::{Block, Tables, table::rule};
use relvs_model::{Network, PortRange, Protocol, Rule, Scheduler, Service, ServiceKey};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const LIMITS: Limits = Limits { rules: 1 << 12, ..SMALL };

#[derive(Clone, Debug)]
struct Packet {
    source: IpAddr,
    destination: IpAddr,
    protocol: Protocol,
    port: u16,
}

/// Few addresses, so that networks have them.
fn address(six: bool) -> impl Strategy<Value = IpAddr> {
    (0..4_u32, 0..4_u32).prop_map(move |(high, low)| match six {
        false => Ipv4Addr::from_bits(0x0a00_0000 | high << 16 | low).into(),
        true => Ipv6Addr::from_bits(0xfd00 << 112 | u128::from(high) << 64 | u128::from(low)).into(),
    })
}

fn network() -> impl Strategy<Value = Network> {
    any::<bool>().prop_flat_map(|six| {
        let prefixes = if six { vec![0, 1, 60, 63, 64, 126, 127, 128] } else { vec![0, 1, 8, 14, 16, 30, 31, 32] };
        (address(six), prop::sample::select(prefixes)).prop_map(|(address, prefix)| Network::of(address, prefix))
    })
}

fn networks() -> impl Strategy<Value = Vec<Network>> {
    prop::collection::vec(network(), 0..3)
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop::sample::select(Protocol::ALL.to_vec())
}

fn rule_of_some_family() -> impl Strategy<Value = Rule> {
    let port = prop_oneof![0..4_u16, 65_533..=65_535_u16];
    let range = (port.clone(), port).prop_map(|(a, b)| PortRange { first: a.min(b), last: a.max(b) });
    let ports = prop::collection::vec(range, 0..3);
    (1..5_u32, networks(), networks(), prop::option::of(protocol()), ports)
        .prop_map(|(mark, sources, destinations, protocol, ports)| Rule {
            mark,
            sources,
            destinations,
            protocol,
            ports,
        })
        .prop_filter("it matches something", |rule| rule.is_of(true) || rule.is_of(false))
}

fn packet() -> impl Strategy<Value = Packet> {
    let port = prop_oneof![0..5_u16, 65_532..=65_535_u16];
    (any::<bool>(), port, protocol()).prop_flat_map(|(six, port, protocol)| {
        (address(six), address(six)).prop_map(move |(source, destination)| Packet {
            source,
            destination,
            protocol,
            port,
        })
    })
}

fn matches(rule: &Rule, packet: &Packet) -> bool {
    let within = |list: &[Network], address: IpAddr| {
        list.is_empty()
            || list.iter().any(|network| {
                network.address.is_ipv4() == address.is_ipv4() && Network::of(address, network.prefix) == *network
            })
    };
    within(&rule.sources, packet.source)
        && within(&rule.destinations, packet.destination)
        && rule.protocol.is_none_or(|protocol| protocol == packet.protocol)
        && (rule.ports.is_empty() || rule.ports.iter().any(|range| (range.first..=range.last).contains(&packet.port)))
}

fn words(address: IpAddr) -> [u64; 2] {
    match address {
        IpAddr::V4(address) => [u32::from_ne_bytes(address.octets()).into(), 0],
        IpAddr::V6(address) => {
            let octets = address.octets();
            [0, 8].map(|at| u64::from_ne_bytes(octets[at..at + 8].try_into().unwrap()))
        }
    }
}

/// What the core finds: the first record that matches.
fn found(rig: &Rig, records: usize, packet: &Packet) -> Option<Option<u32>> {
    let first = rig.half * rig.limits.rules;
    let six = packet.source.is_ipv6();
    let (source, destination) = (words(packet.source), words(packet.destination));
    let (protocol, port) = (packet.protocol.number(), packet.port.to_be());
    (first..first + records as u32).find_map(|at| {
        let record = (&rig.memory).rule(at).unwrap();
        let named = record.load(1);
        rule::matches(record, six, source, destination, protocol, port)
            .then_some((named & rule::NOBODY == 0).then_some(named as u32))
    })
}

proptest! {
    #[test]
    fn the_first_rule_that_matches_decides(
        rules in prop::collection::vec(rule_of_some_family(), 0..6),
        marks in prop::collection::btree_set((1..5_u32, any::<bool>()), 0..8),
        packets in prop::collection::vec(packet(), 1..60),
    ) {
        let services: Vec<Service> = marks.iter()
            .map(|(mark, six)| Service::new(ServiceKey::mark(*mark, *six), Scheduler::Wlc, Vec::new()))
            .collect();
        let desired = Desired { rules: rules.clone(), ..Desired::from(services) };
        let mut rig = Rig::new(LIMITS);
        let records = rig.control.prepare(&desired, 0, 0, &|_| 0).unwrap().image.rules.len();
        rig.apply_all(&desired).unwrap();
        for packet in &packets {
            let expected = rules.iter().find(|rule| matches(rule, packet))
                .map(|rule| rig.service(ServiceKey::mark(rule.mark, packet.source.is_ipv6())));
            prop_assert_eq!(found(&rig, records, packet), expected, "{:?}", packet);
        }
    }
}

#[test]
fn a_removed_service_s_flows_are_still_found_by_its_rule() {
    let mut rig = Rig::new(LIMITS);
    let rule = Rule { mark: 7, sources: vec![], destinations: vec![], protocol: None, ports: vec![] };
    let service = Service::new(ServiceKey::mark(7, false), Scheduler::Rr, vec![crate::rig::server("10.0.0.1:0", 1)]);
    let with = Desired { rules: vec![rule.clone()], services: vec![service.into()], ..Desired::default() };
    let without = Desired { services: vec![], ..with.clone() };
    let packet = Packet {
        source: Ipv4Addr::LOCALHOST.into(),
        destination: Ipv4Addr::LOCALHOST.into(),
        protocol: Protocol::Sctp,
        port: 9,
    };
    rig.apply_all(&with).unwrap();
    rig.apply_all(&without).unwrap();
    let index = found(&rig, 2, &packet).flatten().expect("its retired server's");
    assert!(rig.takes_none(index));
    assert!(rig.release(1));
    rig.apply_all(&without).unwrap();
    assert_eq!(found(&rig, 2, &packet), Some(None));
}
