//! The tables of one case: an interface, next hops, a service and its servers.

use crate::{
    case::{Case, Kind, Method},
    frame::{self, Address, DIRECTOR_MAC, PORT, ROUTER_MAC, SERVER_MAC, SERVER_PORT},
};
use anyhow::{Result, anyhow, ensure};
use relvs_core::{
    flow::{Link, control},
    schedule::{self, Layout},
    table::{
        active,
        destination::{AVAILABLE, Destination},
        entry,
        service::{self, Service},
    },
};
use relvs_dataplane::{
    Area, Before, Entries, Half, HopTable, Neighbour, Side, Sizes, inactive_half, install, serve_interface,
    write_destination, write_load,
};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

/// The interface of a test run: loopback.
const INTERFACE: u32 = 1;
const MTU: u16 = 1500;
/// Places the service entries; any odd number does.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
/// Multipliers of the flow hash; the product draws them.
pub(crate) const MULTIPLIERS: [u64; 6] = [
    0xbf58_476d_1ce4_e5b9,
    0x94d0_49bb_1331_11eb,
    0xd6e8_feb8_6659_fd93,
    0xa076_1d64_78bd_642f,
    0xe703_7ed1_a0b4_28db,
    0x8ebc_6af0_9c88_c6e3,
];

/// Tables at half load for the case's flows, as a director has them; of the other family next to nothing.
pub(crate) fn sizes(case: &Case) -> Sizes {
    const LEAST: u32 = 1 << 16;
    let least = if case.kind == Kind::New { case.flows } else { LEAST };
    let flows = Sizes::for_flows(case.records().max(least));
    let mut sizes =
        Sizes { sets: 1 << 10, services: 64, bands: 256, ring: 1 << 13, destinations: 1 << 11, hops: 256, ..flows };
    if case.kind == Kind::New {
        // Room for all: none gives way to another.
        let records = if case.method == Method::Nat { 2 * case.flows } else { case.flows };
        sizes.young4 = (records / 2).max(1 << 10);
        sizes.young6 = sizes.young4;
    }
    if case.six {
        (sizes.flows4, sizes.young4) = (64, 64);
    } else {
        (sizes.flows6, sizes.young6) = (64, 64);
    }
    sizes
}

/// An address as two words of a table.
fn words(six: bool, address: Address) -> [u64; 2] {
    let half = |at: usize| address[at..at + 8].iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
    if six { [half(0), half(8)] } else { [half(8) >> 32, 0] }
}

/// Writes everything that the case's packets need. Gives the reference of the clients' next hop.
pub(crate) fn fill(side: &impl Side, case: &Case) -> Result<u32> {
    serve_interface(side, INTERFACE, frame::mac(DIRECTOR_MAC)).map_err(|other| anyhow!("interface {other}"))?;
    let mut hops = HopTable::adopt(side);
    let mut hop = |destination| {
        let source = frame::mac(DIRECTOR_MAC);
        hops.take(
            side,
            Neighbour {
                via: INTERFACE,
                interface: INTERFACE,
                destination: frame::mac(destination),
                source,
                tags: [0; 2],
            },
            MTU,
        )
    };
    let (to_server, to_client) = (hop(SERVER_MAC)?, hop(ROUTER_MAC)?);
    let nat = case.method == Method::Nat;
    let outer = if case.method != Method::Tun {
        0
    } else if case.six {
        40
    } else {
        20
    };
    for number in 1..=case.servers {
        let destination = Destination {
            method: case.method.number(),
            flags: AVAILABLE,
            mtu: MTU - outer,
            hop: to_server,
            server_port: if nat { SERVER_PORT } else { PORT }.to_be(),
            service_port: PORT.to_be(),
            tunnel_port: 0,
            rip: words(case.six, frame::server(number)),
            vip: words(case.six, frame::vip()),
            dip: words(case.six, frame::director()),
        };
        write_destination(side, number, &destination);
        write_load(side, number, 1, 0, 0);
    }
    install_service(side, case)?;
    Ok(to_client)
}

/// The service, and for NAT what makes their packets known.
fn install_service(side: &impl Side, case: &Case) -> Result<()> {
    let sizes = *side.sizes();
    let half = inactive_half(side);
    let protocol = if case.udp { 17 } else { 6 };
    let (mut four, mut six) = (Vec::new(), Vec::new());
    let mut place = |address: Address, key: u64, value: u64| {
        let address = words(case.six, address);
        if case.six {
            six.push((address, key, value));
        } else {
            four.push((key | address[0], value));
        }
    };
    place(frame::vip(), entry::key(PORT.to_be(), protocol), 0);
    let nat = case.method == Method::Nat;
    if nat {
        for number in 1..=case.servers {
            let key = entry::key(SERVER_PORT.to_be(), protocol) | entry::SERVER;
            place(frame::server(number), key, u64::from(number));
        }
    }
    let scheduler = schedule::SCHEDULERS.iter().find(|known| known.name == case.scheduler);
    let scheduler = scheduler.ok_or_else(|| anyhow!("no scheduler {}", case.scheduler))?;
    let slots = match scheduler.layout {
        Layout::List | Layout::Turns | Layout::WeightedTurns => case.servers,
        Layout::WeightedSlots | Layout::Slots => schedule::sh::SLOTS,
        Layout::Maglev => schedule::mh::SLOTS,
    };
    // What stands in a table's slots does not matter to the time.
    let rings: Vec<u64> = (0..slots).map(|at| service::slot(1 + at % case.servers, 1)).collect();
    let (band, ring) = (half * sizes.bands, half * sizes.ring);
    let round = u64::from(slots);
    let service = Service {
        scheduler: scheduler.number,
        bands: 1,
        round,
        band,
        ring,
        ring_length: slots,
        identity: 1,
        ..Service::default()
    };
    let image = Half {
        entries: Entries { multiplier: MULTIPLIER, four: &four, six: &six },
        services: &[service.pack()],
        limits: &[],
        bands: &[service::band(round, ring, slots)],
        rings: &rings,
        rules: &[],
        switch: active::REUSE | if nat { active::NAT } else { 0 },
        drop_rate: 0,
    };
    install(side, &image, Before::Unknown);
    Ok(())
}

/// The tables of settled and of young flows, the words of a record, and which of them is the link.
const fn flows(six: bool) -> ([Area; 2], usize, usize) {
    if six { ([Area::Flows6, Area::Young6], 8, 6) } else { ([Area::Flows4, Area::Young4], 4, 3) }
}

/// Live records: settled, young.
pub(crate) fn live(side: &impl Side, six: bool) -> [u64; 2] {
    let (areas, size, _) = flows(six);
    areas.map(|area| {
        let records = side.area(area).chunks_exact(size);
        records.filter(|record| record[0].load(Acquire) & control::PHASE == control::LIVE).count() as u64
    })
}

/// Forgets all flows.
pub(crate) fn clear(side: &impl Side, six: bool) {
    for area in flows(six).0 {
        for word in side.area(area) {
            word.store(0, Release);
        }
    }
}

/// Makes the way back of every flow known and fresh, as its first reply would. Gives the time that was written.
pub(crate) fn freshen(side: &impl Side, six: bool, hop: u32) -> Result<u16> {
    let (areas, size, link) = flows(six);
    let now = side.now()?;
    for record in side.area(areas[0]).chunks_exact(size) {
        let seen = record[0].load(Acquire);
        if seen & control::PHASE != control::LIVE || seen & control::REPLY == 0 {
            continue;
        }
        let fresh = seen & !control::SECONDS | control::mutable(0, now);
        ensure!(record[0].compare_exchange(seen, fresh, AcqRel, Acquire).is_ok(), "somebody else changes the flows");
        record[link].store(Link(record[link].load(Acquire)).with_hop(hop).0, Release);
    }
    Ok(now)
}
