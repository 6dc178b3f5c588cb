//! Tables written by hand: services, their servers and next hops, the same on whatever side. Nothing here is taken
//! from `relvs-control`: a round, for one, is laid out anew.

use crate::packet::Mac;
use relvs_core::table::{
    destination::{AVAILABLE, Destination},
    entry,
    service::{Service, band},
};
use relvs_dataplane::{Half, HopTable, Neighbour, Side, install, write_destination};
use std::{collections::BTreeSet, net::IpAddr};

pub(crate) use relvs_core::table::destination::method::{DR, NAT, TUN};

/// VLAN tags, outer first: EtherType and tag control.
pub(crate) type Tags = Vec<(u16, u16)>;

/// A server of one service.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) weight: u32,
    pub(crate) method: u8,
    pub(crate) address: IpAddr,
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
}

/// A service. Its servers get numbers in order, beginning at `first`.
#[derive(Clone, Debug)]
pub(crate) struct Vip {
    pub(crate) protocol: u8,
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) servers: Vec<Server>,
    pub(crate) first: u32,
    /// Its ring names a destination that does not exist.
    pub(crate) broken: bool,
}

/// Everything that is installed.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) vips: Vec<Vip>,
    /// The director's addresses towards the servers.
    pub(crate) dip: [IpAddr; 2],
    /// The interfaces' own MACs, by index.
    pub(crate) macs: Vec<(u32, Mac)>,
    /// Neighbours besides the servers that have a record: MAC, interface, tags, MTU.
    pub(crate) neighbours: Vec<(Mac, u32, Tags, u16)>,
}

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
        match (self.method, self.address.is_ipv6()) {
            (TUN, false) => self.mtu - 20,
            (TUN, true) => self.mtu - 40,
            _ => self.mtu,
        }
    }
}

/// Weighted round robin as bands: down from the highest weight, each step a round of those that reach it.
fn round(servers: &[(u32, u32)]) -> Vec<(u64, Vec<u32>)> {
    let mut weights: Vec<u32> = servers.iter().map(|(weight, _)| *weight).filter(|w| *w > 0).collect();
    weights.sort_unstable_by(|a, b| b.cmp(a));
    weights.dedup();
    let step = weights.iter().fold(0, |a, b| gcd(a, *b)).max(1);
    let mut bands: Vec<(u64, Vec<u32>)> = Vec::new();
    for (i, weight) in weights.iter().enumerate() {
        let below = weights.get(i + 1).copied().unwrap_or(0);
        let ring: Vec<u32> = servers.iter().filter(|(w, _)| w >= weight).map(|(_, number)| *number).collect();
        let turns = u64::from((weight - below) / step);
        let begin = bands.last().map_or(0, |(end, _)| *end);
        bands.push((begin + turns * ring.len() as u64, ring));
    }
    bands
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
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

    /// Writes everything to a side.
    pub(crate) fn install(&self, side: &impl Side) {
        let mut hops = HopTable::adopt(side);
        for (index, mac) in &self.macs {
            relvs_dataplane::serve_interface(side, *index, word(*mac)).unwrap();
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
            let record = Destination {
                method: server.method,
                flags: if server.available { AVAILABLE } else { 0 },
                mtu: server.room(),
                hop,
                server_port: server.port.to_be(),
                service_port: vip.port.to_be(),
                rip: words(server.address),
                vip: words(vip.address),
                dip: words(self.dip[usize::from(vip.address.is_ipv6())]),
            };
            write_destination(side, number, &record);
        }
        self.services(side);
    }

    fn services(&self, side: &impl Side) {
        let half = relvs_dataplane::inactive_half(side);
        let sizes = *side.sizes();
        let (mut services, mut bands, mut rings) = (Vec::new(), Vec::new(), Vec::new());
        let mut keys: Vec<(IpAddr, u64, u64)> = Vec::new();
        for vip in &self.vips {
            let weighted: Vec<(u32, u32)> =
                vip.servers.iter().enumerate().map(|(i, s)| (s.weight, vip.first + i as u32)).collect();
            let first_band = half * sizes.bands + bands.len() as u32;
            let mut record = Service { scheduler: relvs_core::schedule::ROUND, band: first_band, ..Service::default() };
            for (i, (end, ring)) in round(&weighted).into_iter().enumerate() {
                let at = half * sizes.ring + rings.len() as u32;
                if i == 0 {
                    (record.ring, record.ring_length) = (at, ring.len() as u32);
                }
                bands.push(band(end, at, ring.len() as u32));
                rings.extend(ring.iter().map(|number| if vip.broken { 0xf_ffff } else { u64::from(*number) }));
                record.bands += 1;
                record.round = end;
            }
            let index = half * sizes.services + services.len() as u32;
            services.push(record.pack());
            keys.push((vip.address, entry::key(vip.port.to_be(), vip.protocol), u64::from(index)));
        }
        let nat: BTreeSet<(IpAddr, u64)> = self
            .servers()
            .filter(|(_, _, server)| server.method == NAT)
            .map(|(_, vip, server)| (server.address, entry::key(server.port.to_be(), vip.protocol) | entry::SERVER))
            .collect();
        keys.extend(nat.iter().map(|(address, key)| (*address, *key, 0)));
        let (multiplier, sets4, sets6) =
            (0..1000).find_map(|i| place(&keys, 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(2 * i + 1), sizes.sets)).unwrap();
        let image = Half {
            sets4: &sets4,
            sets6: &sets6,
            services: &services,
            bands: &bands,
            rings: &rings,
            multiplier,
            nat: !nat.is_empty(),
        };
        install(side, &image);
    }
}

/// Multiplier, sets of IPv4, sets of IPv6.
type Sets = (u64, Vec<[u64; 8]>, Vec<[u64; 16]>);

/// The service sets with this multiplier, if no set overflows.
fn place(keys: &[(IpAddr, u64, u64)], multiplier: u64, sets: u32) -> Option<Sets> {
    let (mut sets4, mut sets6) = (vec![[0; 8]; sets as usize], vec![[0; 16]; sets as usize]);
    for (address, key, value) in keys {
        let [a, b] = words(*address);
        if address.is_ipv4() {
            let set = &mut sets4[(entry::set4(multiplier, key | a) & (sets - 1)) as usize];
            let slot = (0..entry::SLOTS).find(|slot| set[slot * 2] == 0)?;
            set[slot * 2..][..2].copy_from_slice(&[key | a, *value]);
        } else {
            let set = &mut sets6[(entry::set6(multiplier, [a, b], *key) & (sets - 1)) as usize];
            let slot = (0..entry::SLOTS).find(|slot| set[slot * 4] == 0)?;
            set[slot * 4..][..4].copy_from_slice(&[*key, a, b, *value]);
        }
    }
    Some((multiplier, sets4, sets6))
}
