//! Which interfaces are served where no configuration names them, as keepalived.conf does not: those by which clients and servers
//! can be reached. One too many costs its packets a few nanoseconds; one too few is not forwarded from.

use relvs_model::{Network as Subnet, ServiceKey, State};
use relvs_net::{Address, Error, Link, Network};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// A VLAN on a VLAN on a bond is as deep as it gets.
const DEPTH: usize = 4;
/// The ways to so many servers that are no neighbours are asked for. Others are behind the same routers, all of which count.
const ASKED: usize = 1_000;

/// The machine, as far as it matters here.
#[derive(Debug, Default)]
struct Machine {
    links: Vec<Link>,
    addresses: Vec<Address>,
    /// Interfaces with a router on them.
    routers: BTreeSet<u32>,
    /// Interfaces by which servers are reached.
    ways: BTreeMap<IpAddr, u32>,
}

/// The interfaces that are served for this state, where nobody names them: those by which its clients and servers are reached.
///
/// # Errors
///
/// The kernel could not be asked.
pub fn served(state: &State) -> Result<Vec<String>, Error> {
    Ok(needed(state)?.into_iter().map(|(name, _)| name).collect())
}

/// The interfaces that this state needs, with why, in the kernel's order; then those that are not there yet.
pub(crate) fn needed(state: &State) -> Result<Vec<(String, String)>, Error> {
    let mut network = Network::open()?;
    let mut machine = Machine {
        links: network.links()?,
        addresses: network.addresses()?,
        routers: network.gateways()?.into_iter().map(|(interface, _)| interface).collect(),
        ways: BTreeMap::new(),
    };
    let mut asked = 0;
    for server in servers(state) {
        let near = machine.addresses.iter().find(|own| is_on(server, own)).map(|own| own.interface);
        let way = if near.is_some() || asked == ASKED {
            near
        } else {
            asked += 1;
            network.route(server)?.interface
        };
        machine.ways.extend(way.map(|interface| (server, interface)));
    }
    Ok(chosen(state, &machine))
}

fn servers(state: &State) -> BTreeSet<IpAddr> {
    let servers = state.services.iter().flat_map(|service| {
        let sorry = service.health.as_ref().and_then(|health| health.sorry.as_ref());
        service.servers.iter().chain(sorry)
    });
    servers.map(|server| server.address).collect()
}

fn chosen(state: &State, machine: &Machine) -> Vec<(String, String)> {
    let mut why: BTreeMap<u32, String> = BTreeMap::new();
    let mut absent: BTreeMap<&str, String> = BTreeMap::new();
    for instance in &state.vrrp.instances {
        let others =
            instance.addresses.iter().chain(&instance.excluded).filter_map(|address| address.interface.as_deref());
        for name in std::iter::once(instance.interface.as_str()).chain(others).filter(|name| !name.is_empty()) {
            let because = || format!("of {}", instance.name);
            match machine.links.iter().find(|link| link.name == name) {
                Some(link) => drop(why.entry(link.index).or_insert_with(because)),
                None => drop(absent.entry(name).or_insert_with(because)),
            }
        }
    }
    if !state.services.is_empty() {
        for vip in vips(state) {
            for index in machine.addresses.iter().filter(|there| shares(vip, there)).map(|there| there.interface) {
                why.entry(index).or_insert_with(|| format!("{vip} is on its network"));
            }
        }
        for (server, index) in &machine.ways {
            why.entry(*index).or_insert_with(|| format!("the way to {server}"));
        }
        for index in &machine.routers {
            why.entry(*index).or_insert_with(|| "a router is there".to_owned());
        }
    }
    let mut found: Vec<(String, String)> = Vec::new();
    for (index, because) in why {
        if let Some(link) = underneath(machine, index)
            && found.iter().all(|(name, _)| *name != link.name)
        {
            found.push((link.name.clone(), because));
        }
    }
    found.extend(absent.into_iter().map(|(name, because)| (name.to_owned(), because)));
    found
}

/// Where clients' packets go to: addresses of services, and what rules give the mark of one.
fn vips(state: &State) -> BTreeSet<Subnet> {
    let alone = |address: IpAddr| Subnet::of(address, Subnet::longest(address.is_ipv4()));
    let mut found: BTreeSet<Subnet> =
        state.services.iter().filter_map(|service| service.key.address()).map(alone).collect();
    for key in state.services.iter().map(|service| service.key) {
        let ServiceKey::Mark(mark) = key else { continue };
        for rule in state.rules.iter().filter(|rule| rule.mark == mark.mark && rule.is_of(key.is_ipv4())) {
            found.extend(&rule.destinations);
            if rule.destinations.is_empty() {
                let any = if key.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
                found.insert(Subnet::of(any, 0));
            }
        }
    }
    found
}

/// Whether a network has addresses in common with that of an interface's own address.
fn shares(network: Subnet, own: &Address) -> bool {
    let prefix = network.prefix.min(own.prefix);
    network.address.is_ipv4() == own.address.is_ipv4()
        && Subnet::of(network.address, prefix) == Subnet::of(own.address, prefix)
}

/// Whether an address is one's own or on its network.
fn is_on(address: IpAddr, own: &Address) -> bool {
    shares(Subnet::of(address, Subnet::longest(address.is_ipv4())), own)
}

/// The interface that frames come in by: that under a VLAN or a MAC address of its own. None if it carries no such frames.
fn underneath(machine: &Machine, index: u32) -> Option<&Link> {
    let mut at = machine.links.iter().find(|link| link.index == index)?;
    for _ in 0..DEPTH {
        let Some(parent) = at.parent.and_then(|parent| machine.links.iter().find(|link| link.index == parent)) else {
            break;
        };
        at = parent;
    }
    Some(at).filter(|link| link.mac.is_some() && !link.loopback)
}

#[cfg(test)]
mod tests {
    use super::*;
    use relvs_config::keepalived::{Files, Found, Host, Keepalived};
    use relvs_net::Scope;

    struct One(&'static str);

    impl Files for One {
        fn find(&self, _: &str, _: &str) -> Found {
            Found::default()
        }

        fn read(&self, _: &str, _: usize) -> Result<Vec<u8>, String> {
            Ok(self.0.into())
        }

        fn executable(&self, _: &str) -> bool {
            true
        }

        fn program(&self, name: &str) -> Option<String> {
            Some(format!("/usr/bin/{name}"))
        }
    }

    fn link(index: u32, name: &str, parent: Option<u32>) -> Link {
        Link {
            index,
            name: name.to_owned(),
            mac: (name != "lo").then_some([2, 0, 0, 0, 0, 1]),
            mtu: 1500,
            up: true,
            running: true,
            loopback: name == "lo",
            kind: None,
            parent,
            vlan: None,
            master: None,
            peer: None,
            xdp_attached: false,
        }
    }

    fn address(interface: u32, address: &str, prefix: u8) -> Address {
        Address {
            interface,
            address: address.parse().unwrap(),
            prefix,
            scope: Scope::Global,
            label: None,
            tentative: false,
            duplicate: false,
            deprecated: false,
        }
    }

    #[test]
    fn interfaces_of_clients_and_servers_are_served() {
        let text = "virtual_server 192.0.2.100 80 {\n lb_algo rr\n protocol TCP\n real_server 10.0.0.11 80 {\n }\n}\n\
            vrrp_instance V {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n 192.0.2.100 dev eth9\n }\n}\n";
        let state = Keepalived::read(&One(text), "k.conf", &Host::default()).state;
        let mut machine = Machine {
            links: vec![
                link(1, "lo", None),
                link(2, "eth0", None),
                link(3, "eth1", None),
                link(4, "eth1.7", Some(3)),
                link(5, "eth2", None),
                link(6, "eth3", None),
                link(7, "eth4", None),
            ],
            addresses: vec![address(1, "127.0.0.1", 8), address(5, "192.0.2.1", 24), address(7, "198.51.100.1", 24)],
            routers: [6].into(),
            ways: [("10.0.0.11".parse().unwrap(), 4)].into(),
        };
        let names = |machine: &Machine, state: &State| {
            chosen(state, machine).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(&machine, &state), ["eth0", "eth1", "eth2", "eth3", "eth9"]);
        // Of a mark those where packets that a rule gives it arrive.
        let mut marked = State { services: Vec::new(), ..State::default() };
        marked.services =
            vec![relvs_model::Service::new(ServiceKey::mark(7, false), relvs_model::Scheduler::Rr, vec![])];
        let everything =
            relvs_model::Rule { mark: 7, sources: vec![], destinations: vec![], protocol: None, ports: vec![] };
        let one = Subnet::of("198.51.100.7".parse().unwrap(), 32);
        let some = relvs_model::Rule { destinations: vec![one], ..everything.clone() };
        for (rules, expected) in [
            (vec![], vec!["eth1", "eth3"]),
            (vec![some], vec!["eth1", "eth3", "eth4"]),
            (vec![everything], vec!["eth1", "eth2", "eth3", "eth4"]),
        ] {
            marked.rules = rules;
            assert_eq!(names(&machine, &marked), expected);
        }
        // Without services only those of virtual routers.
        let routers = State { services: Vec::new(), ..state.clone() };
        assert_eq!(names(&machine, &routers), ["eth0", "eth9"]);
        // A server that is this machine itself needs none.
        machine.ways = [("10.0.0.11".parse().unwrap(), 1)].into();
        assert_eq!(names(&machine, &state), ["eth0", "eth2", "eth3", "eth9"]);
    }
}
