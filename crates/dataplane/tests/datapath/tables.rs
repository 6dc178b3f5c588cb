//! Tables written by hand: services, their servers and next hops, the same on whatever side. Nothing here is taken
//! from `relvs-control`: a round, for one, is laid out anew.

use crate::{
    layout,
    packet::{Mac, Tunnel},
    world::{LO, MASTER_OF},
};
use relvs_core::table::{
    active,
    destination::{AVAILABLE, Destination, LOCAL, QUIESCED, WILDCARD},
    entry, limit,
    rule::Rule,
    service::{Service, flag},
};
use relvs_dataplane::{Area, Before, Entries, Half, HopTable, Neighbour, Side, install, write_destination, write_load};
use std::{collections::BTreeMap, net::IpAddr};

pub(crate) use relvs_core::table::destination::{
    method::{DR, NAT, TUN},
    tunnel,
};

/// The port of GUE tunnels.
pub(crate) const GUE_PORT: u16 = 6080;

/// VLAN tags, outer first: EtherType and tag control.
pub(crate) type Tags = Vec<(u16, u16)>;

/// A server of one service.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) weight: u32,
    pub(crate) method: u8,
    pub(crate) address: IpAddr,
    /// 0: the one that the client chose.
    pub(crate) port: u16,
    pub(crate) mac: Mac,
    /// VLAN tags in front of what it gets: EtherType and tag control.
    pub(crate) tags: Tags,
    /// Index of the interface towards it.
    pub(crate) interface: u32,
    /// Bytes that its next hop carries.
    pub(crate) mtu: u16,
    pub(crate) available: bool,
    pub(crate) resolved: bool,
    /// It is the director itself.
    pub(crate) local: bool,
    /// Upper and lower threshold.
    pub(crate) thresholds: (u32, u32),
}

/// A service. Its servers get numbers in order, beginning at `first`.
#[derive(Clone, Debug)]
pub(crate) struct Vip {
    /// 0: all, of a mark.
    pub(crate) protocol: u8,
    /// Of a mark only its family counts.
    pub(crate) address: IpAddr,
    /// 0: any.
    pub(crate) port: u16,
    pub(crate) servers: Vec<Server>,
    pub(crate) first: u32,
    /// Its ring names a destination that does not exist.
    pub(crate) broken: bool,
    /// See [`relvs_core::schedule::SCHEDULERS`].
    pub(crate) scheduler: u8,
    /// Of [`flag`]: those that do not follow from the rest.
    pub(crate) flags: u8,
    /// Bits of a client's address that count in its template. 0: no persistence.
    pub(crate) netmask: u8,
    /// 0: none.
    pub(crate) mark: u32,
    /// New flows a second. 0: no limit.
    pub(crate) rate: u32,
}

/// An address and how many of its bits count.
pub(crate) type Network = (IpAddr, u8);

/// A match rule. Its family is that of its networks.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub(crate) source: Network,
    pub(crate) destination: Network,
    /// 0: any.
    pub(crate) protocol: u8,
    pub(crate) ports: std::ops::RangeInclusive<u16>,
    pub(crate) mark: u32,
}

/// Everything that is installed.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) vips: Vec<Vip>,
    pub(crate) rules: Vec<Match>,
    /// Bits of the switch.
    pub(crate) settings: u64,
    /// Whether there are rules, and services of any port.
    pub(crate) marks: bool,
    /// The director's addresses towards the servers.
    pub(crate) dip: [IpAddr; 2],
    /// The interfaces' own MACs, by index.
    pub(crate) macs: Vec<(u32, Mac)>,
    /// Neighbours besides the servers that have a record: MAC, interface, tags, MTU.
    pub(crate) neighbours: Vec<(Mac, u32, Tags, u16)>,
}

/// One in so many packets that would open a flow is dropped, where a test sets that bit.
pub(crate) const DROP_RATE: u32 = 3;

pub(crate) fn word(mac: Mac) -> u64 {
    let [a, b, c, d, e, f] = mac;
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}

pub(crate) fn words(address: IpAddr) -> [u64; 2] {
    match address {
        IpAddr::V4(a) => [u64::from(u32::from_ne_bytes(a.octets())), 0],
        IpAddr::V6(a) => {
            let bits = u128::from_ne_bytes(a.octets());
            [bits as u64, (bits >> 64) as u64]
        }
    }
}

/// As two tags stand in a frame.
fn tags(tags: &[(u16, u16)]) -> [u32; 2] {
    let one = |i: usize| {
        tags.get(i).map_or(0, |(kind, control)| {
            let [[a, b], [c, d]] = [kind.to_be_bytes(), control.to_be_bytes()];
            u32::from_ne_bytes([a, b, c, d])
        })
    };
    [one(0), one(1)]
}

impl Server {
    /// Bytes that a client's packet may have.
    pub(crate) fn room(&self) -> u16 {
        if !self.tunnels() {
            return self.mtu;
        }
        let ip = if self.address.is_ipv6() { 40 } else { 20 };
        let between = match (self.method & tunnel::TYPE, self.method & tunnel::CHECKSUM) {
            (tunnel::GRE, 0) => 4,
            (tunnel::GRE, _) => 8,
            (tunnel::GUE, _) => 12,
            _ => 0,
        };
        self.mtu - ip - between
    }

    /// Whether its packets travel inside others.
    pub(crate) fn tunnels(&self) -> bool {
        self.method & 7 == TUN
    }

    /// What they travel in, from this port if that is GUE.
    pub(crate) fn tunnel(&self, port: u16) -> Tunnel {
        let sum = self.method & tunnel::CHECKSUM != 0;
        match self.method & tunnel::TYPE {
            tunnel::GRE => Tunnel::Gre { sum },
            tunnel::GUE => Tunnel::Gue { ports: (port, GUE_PORT), sum },
            _ => Tunnel::Ip,
        }
    }
}

impl Vip {
    pub(crate) fn new(protocol: u8, address: IpAddr, port: u16, servers: Vec<Server>) -> Self {
        let scheduler = relvs_core::schedule::ROUND;
        Vip {
            protocol,
            address,
            port,
            servers,
            first: 0,
            broken: false,
            scheduler,
            flags: 0,
            netmask: 0,
            mark: 0,
            rate: 0,
        }
    }

    /// A client stays with its server if so many bits of its address are the same.
    pub(crate) fn persistent(self, netmask: u8) -> Self {
        Vip { netmask, ..self }
    }

    fn ftp(&self) -> bool {
        self.port == FTP && self.netmask != 0 && self.protocol == 6
    }

    /// Whether its service is found by an address.
    pub(crate) fn listens(&self) -> bool {
        self.mark == 0
    }

    fn flags(&self) -> u8 {
        let of = |is: bool, flag: u8| if is { flag } else { 0 };
        self.flags
            | of(self.netmask != 0, flag::PERSISTENT)
            | of(self.servers.iter().any(|server| server.thresholds.0 != 0), flag::THRESHOLDS)
            | of(!self.listens(), flag::MARK)
            | of(self.rate != 0, flag::LIMITED)
            | of(self.listens() && self.port == 0 || self.ftp(), flag::ANY_PORT)
    }

    /// Of its packets that come back.
    fn protocols(&self) -> Vec<u8> {
        if self.protocol == 0 { vec![6, 17, 132] } else { vec![self.protocol] }
    }

    /// The record of one of its servers.
    fn record(&self, server: &Server, hop: u32, dip: IpAddr) -> Destination {
        let of = |is: bool, flag: u8| if is { flag } else { 0 };
        Destination {
            method: server.method,
            flags: of(server.available, AVAILABLE)
                | of(server.available && server.weight == 0, QUIESCED)
                | of(self.port == 0 || server.port == 0, WILDCARD)
                | of(server.local, LOCAL),
            mtu: server.room(),
            hop,
            server_port: server.port.to_be(),
            service_port: self.port.to_be(),
            tunnel_port: if server.method & tunnel::TYPE == tunnel::GUE { GUE_PORT.to_be() } else { 0 },
            rip: words(server.address),
            vip: if self.listens() { words(self.address) } else { [0; 2] },
            dip: words(dip),
        }
    }
}

/// The port of FTP's control connection.
const FTP: u16 = 21;

/// An address's bits that count.
fn mask(six: bool, bits: u8) -> [u64; 2] {
    words(if six {
        IpAddr::from(u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0).to_be_bytes())
    } else {
        IpAddr::from(u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0).to_be_bytes())
    })
}

/// Whether an address is in a network.
fn within((network, bits): Network, address: IpAddr) -> bool {
    let ([a, b], [c, d], [m, n]) = (words(network), words(address), mask(network.is_ipv6(), bits));
    network.is_ipv6() == address.is_ipv6() && (a ^ c) & m == 0 && (b ^ d) & n == 0
}

impl Plan {
    /// Numbers the servers.
    pub(crate) fn number(&mut self) {
        let mut next = 1;
        for vip in &mut self.vips {
            vip.first = next;
            next += vip.servers.len() as u32;
        }
    }

    /// All servers with their number and service.
    pub(crate) fn servers(&self) -> impl Iterator<Item = (u32, &Vip, &Server)> {
        self.vips
            .iter()
            .flat_map(|vip| vip.servers.iter().enumerate().map(move |(i, s)| (vip.first + i as u32, vip, s)))
    }

    /// Whether a packet to this address and port may be for this service; a later fragment has no port.
    pub(crate) fn serves(&self, vip: &Vip, protocol: u8, address: IpAddr, port: Option<u16>) -> bool {
        // Of IPv6 a later fragment does not say its protocol either.
        let fits = |wanted: u8| wanted == 0 || wanted == protocol || port.is_none();
        if vip.listens() {
            let any = vip.port == 0 || vip.ftp();
            return fits(vip.protocol) && vip.address == address && port.is_none_or(|port| any || port == vip.port);
        }
        let matches = |rule: &&Match| {
            rule.mark == vip.mark
                && rule.destination.0.is_ipv6() == vip.address.is_ipv6()
                && fits(rule.protocol)
                && within(rule.destination, address)
                && port.is_none_or(|port| rule.ports.contains(&port))
        };
        self.rules.iter().find(matches).is_some()
    }

    /// The number of the first server of the service that this finds.
    pub(crate) fn vip(&self, find: impl Fn(&Vip) -> bool) -> usize {
        self.vips.iter().position(find).unwrap()
    }

    /// Writes everything to a side.
    pub(crate) fn install(&self, side: &impl Side) {
        let mut hops = HopTable::adopt(side);
        for (index, mac) in &self.macs {
            relvs_dataplane::serve_interface(side, *index, word(*mac)).unwrap();
        }
        for (six, id) in MASTER_OF {
            relvs_dataplane::answer_for(side.area(Area::Interfaces), LO, six, id, true).unwrap();
        }
        let own = |index| word(self.macs.iter().find(|(i, _)| *i == index).unwrap().1);
        for (mac, interface, tagged, mtu) in &self.neighbours {
            let neighbour = Neighbour {
                via: *interface,
                interface: *interface,
                destination: word(*mac),
                source: own(*interface),
                tags: tags(tagged),
            };
            hops.take(side, neighbour, *mtu).unwrap();
        }
        for (number, vip, server) in self.servers() {
            let neighbour = Neighbour {
                via: server.interface,
                interface: server.interface,
                destination: word(server.mac),
                source: own(server.interface),
                tags: tags(&server.tags),
            };
            let hop = if server.resolved { hops.take(side, neighbour, server.mtu).unwrap() } else { 0 };
            let dip = self.dip[usize::from(server.address.is_ipv6())];
            write_load(side, number, server.weight, server.thresholds.0, server.thresholds.1);
            write_destination(side, number, &vip.record(server, hop, dip));
        }
        self.services(side);
    }

    fn services(&self, side: &impl Side) {
        let half = relvs_dataplane::inactive_half(side);
        let sizes = *side.sizes();
        let mut tables = layout::Tables::new(half * sizes.bands, half * sizes.ring);
        let mut services = Vec::new();
        let mut keys: Vec<(IpAddr, u64, u64)> = Vec::new();
        let there = |vip: &Vip| self.marks || vip.listens() && vip.port != 0 && !vip.ftp();
        for (number, vip) in self.vips.iter().enumerate() {
            let weighted: Vec<(u32, u32)> =
                vip.servers.iter().enumerate().map(|(i, s)| (s.weight, vip.first + i as u32)).collect();
            let six = vip.address.is_ipv6();
            let record = Service {
                scheduler: vip.scheduler,
                flags: vip.flags(),
                netmask6: if six { vip.netmask } else { 0 },
                identity: number as u32 + 1,
                netmask4: if six { 0 } else { mask(false, vip.netmask)[0] as u32 },
                mark: vip.mark.to_be(),
                ..Service::default()
            };
            services.push(tables.lay_out(record, &weighted, vip.broken).pack());
            if vip.listens() && there(vip) {
                keys.push((vip.address, entry::key(vip.port.to_be(), vip.protocol), number as u64));
            }
        }
        let mut nat: BTreeMap<(IpAddr, u64), u64> = BTreeMap::new();
        for (number, vip, server) in self.servers().filter(|(_, vip, s)| s.method == NAT && !s.local && there(vip)) {
            for protocol in vip.protocols() {
                let key = entry::key(server.port.to_be(), protocol) | entry::SERVER;
                nat.entry((server.address, key)).or_insert(u64::from(number));
            }
        }
        let any = keys.iter().map(|key| key.1).chain(nat.keys().map(|key| key.1)).any(|key| key >> 32 & 0xffff == 0);
        keys.extend(nat.iter().map(|((address, key), number)| (*address, *key, *number)));
        let mut multipliers = (0..4000).map(|i| 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(2 * i + 1));
        let multiplier = multipliers.find(|multiplier| fits(&keys, *multiplier, sizes.sets)).unwrap();
        let (four, six): (Vec<_>, Vec<_>) = keys.iter().partition(|(address, ..)| address.is_ipv4());
        let four: Vec<_> = four.into_iter().map(|(address, key, value)| (key | words(address)[0], value)).collect();
        let six: Vec<_> = six.into_iter().map(|(address, key, value)| (words(address), key, value)).collect();
        let rules = if self.marks { self.match_rules(half * sizes.services) } else { Vec::new() };
        let of = |is: bool, bit: u64| if is { bit } else { 0 };
        let image = Half {
            entries: Entries { multiplier, four: &four, six: &six },
            services: &services,
            limits: &self.vips.iter().map(|vip| limit::of_rate(vip.rate)).collect::<Vec<_>>(),
            bands: &tables.bands,
            rings: &tables.rings,
            rules: &rules,
            switch: self.settings
                | of(!nat.is_empty(), active::NAT)
                | of(!rules.is_empty(), active::RULES)
                | of(any, active::ANY_PORT),
            drop_rate: DROP_RATE,
        };
        install(side, &image, Before::Unknown);
    }

    /// The rules' records, where the services begin at `first`.
    fn match_rules(&self, first: u32) -> Vec<[u64; 16]> {
        let record = |rule: &Match| {
            let six = rule.destination.0.is_ipv6();
            let network = |(address, bits): Network| [words(address), mask(six, bits)];
            let of_mark = |vip: &Vip| vip.mark == rule.mark && vip.address.is_ipv6() == six;
            let rule = Rule {
                six,
                protocol: rule.protocol,
                first: *rule.ports.start(),
                last: *rule.ports.end(),
                service: self.vips.iter().position(of_mark).map(|at| first + at as u32),
                source: network(rule.source),
                destination: network(rule.destination),
            };
            rule.pack()
        };
        self.rules.iter().map(record).collect()
    }
}

/// Whether no set overflows with this multiplier.
fn fits(keys: &[(IpAddr, u64, u64)], multiplier: u64, sets: u32) -> bool {
    let mut counts: BTreeMap<(bool, u32), usize> = BTreeMap::new();
    keys.iter().all(|(address, key, _)| {
        let [a, b] = words(*address);
        let four = address.is_ipv4();
        let set = if four { entry::set4(multiplier, key | a) } else { entry::set6(multiplier, [a, b], *key) };
        let count = counts.entry((four, set & (sets - 1))).or_default();
        *count += 1;
        *count <= entry::SLOTS
    })
}
