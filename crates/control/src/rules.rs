//! Match rules to records. A record has one network of each side and one range of ports; a rule is as many records as
//! it takes to say it, and keeps its place among the others.

use crate::{Limits, Refusal, memory_order};
use relvs_core::table::rule;
use relvs_model::{Mark, Network, PortRange, Protocol, Rule};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The records of these rules. `services` are the indices of the marks' services; a mark without one has records too,
/// so that no later rule is tried.
pub(crate) fn lay_out(
    rules: &[Rule],
    services: &BTreeMap<Mark, u32>,
    limits: &Limits,
) -> Result<Vec<[u64; rule::WORDS]>, Refusal> {
    let needed = rules.iter().map(records).fold(0, usize::saturating_add);
    if needed > limits.rules as usize {
        return Err(Refusal::Rules { rules: rules.len(), records: needed, limit: limits.rules });
    }
    let mut laid_out = Vec::with_capacity(needed);
    for rule in rules {
        for six in [false, true].into_iter().filter(|six| rule.is_of(!six)) {
            let service = services.get(&Mark { mark: rule.mark, six }).copied();
            let (sources, destinations) = (networks(&rule.sources, six), networks(&rule.destinations, six));
            for source in &sources {
                for destination in &destinations {
                    laid_out.extend(ports(rule).iter().map(|ports| {
                        rule::Rule {
                            six,
                            protocol: rule.protocol.map_or(0, Protocol::number),
                            first: ports.first,
                            last: ports.last,
                            service,
                            source: *source,
                            destination: *destination,
                        }
                        .pack()
                    }));
                }
            }
        }
    }
    Ok(laid_out)
}

/// How many records a rule takes.
fn records(rule: &Rule) -> usize {
    let of = |list: &[Network], ipv4: bool| match list {
        [] => 1,
        list => list.iter().filter(|network| network.address.is_ipv4() == ipv4).count(),
    };
    let families = [true, false].map(|ipv4| of(&rule.sources, ipv4).saturating_mul(of(&rule.destinations, ipv4)));
    (families[0].saturating_add(families[1])).saturating_mul(ports(rule).len())
}

fn ports(rule: &Rule) -> &[PortRange] {
    match &rule.ports[..] {
        [] => &[PortRange::ALL],
        some => some,
    }
}

/// The address and the mask of each network of a family. None at all is every address.
fn networks(list: &[Network], six: bool) -> Vec<[[u64; 2]; 2]> {
    if list.is_empty() {
        return vec![[[0; 2]; 2]];
    }
    list.iter()
        .filter(|network| network.address.is_ipv6() == six)
        .map(|network| [memory_order::words(network.address), memory_order::words(mask(network))])
        .collect()
}

fn mask(network: &Network) -> IpAddr {
    let ones = if network.address.is_ipv4() {
        IpAddr::V4(Ipv4Addr::BROADCAST)
    } else {
        IpAddr::V6(Ipv6Addr::from_bits(u128::MAX))
    };
    Network::of(ones, network.prefix).address
}
