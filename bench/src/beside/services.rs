//! What a known flow costs while the director has many services and servers: datagrams to all of them, as `packets` measures them.
//!
//! All servers are behind one router, whose cable ends where frames are counted and thrown away; so what differs between two rows is the
//! number of services and servers alone.

use super::{
    generator::{Generator, Order, Stream, To},
    outcome::Spread,
    packets::{CLIENT, FIRST, MAC_IN, MAC_OUT, TIME, cable, packets, send, sink},
    program::Redirect,
    stand::{indices, until},
};
use anyhow::{Context as _, Result, ensure};
use relvs_lab::{Lab, Node, Shape, Topology, demo::Progress, director::Director};
use serde::Serialize;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;

/// Services, and servers of each.
const SIZES: [(u16, u16); 4] = [(10, 10), (1000, 10), (10_000, 10), (10, 1000)];
/// Flows over all services.
const FLOWS: u32 = 1 << 16;
/// Flows that the director has room for.
const ROOM: u32 = 1 << 18;
/// The first service's address; the others follow it.
const FIRST_VIP: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 0);
const PORT: u16 = 9000;

/// Processor nanoseconds of a datagram.
#[derive(Debug, Serialize)]
pub(crate) struct ServicesRow {
    /// Services; none for the floor.
    pub(crate) services: u16,
    /// Servers of each.
    pub(crate) servers: u16,
    /// Generator and receiver included.
    pub(crate) cpu_ns: Spread,
    /// Less an XDP program in the director's place that only redirects.
    pub(crate) net_ns: f64,
}

/// Measures all sizes, the floor first.
pub(crate) fn measure(relvs: &Path, cpu: usize, rounds: u32) -> Result<Vec<ServicesRow>> {
    let mut stderr = std::io::stderr();
    let mut progress = Progress::new(&mut stderr)?;
    let lab = Lab::build(&Shape::new(Topology::OneArmed).servers(1))?;
    let (client, director, router) = (lab.client()?, lab.director(1)?, lab.server(1)?);
    cable(client, "gen0", director, "in0", 0)?;
    cable(director, "out1", router, "sink0", 10)?;
    director.ip("address add 198.18.0.2/24 dev in0")?;
    director.ip("address add 198.19.1.1/24 dev out1")?;
    router.ip("address add 198.19.1.2/24 dev sink0")?;
    director.ip("route add 10.0.0.0/8 via 198.19.1.2")?;
    let file = lab.write_file("sink.nft", &sink(&["sink0"]))?;
    router.check("nft", ["-f".as_ref(), file.as_os_str()])?;
    let mut rows = Vec::new();
    let out = indices(director, &["out1".to_owned()])?;
    let redirect = director.with(|| Redirect::attach("in0", out, 1))??;
    let floor = row(&lab, cpu, rounds, 0)?;
    progress.say(format!("XDP redirect alone: {:.0} ns", floor.median))?;
    rows.push(ServicesRow { services: 0, servers: 0, cpu_ns: floor, net_ns: 0.0 });
    drop(redirect);
    for (services, servers) in SIZES {
        progress.step(format!("{services} services of {servers} servers each"))?;
        let file = lab.write_file("services.toml", &configuration(services, servers))?;
        let file = file.to_str().context("the configuration's path is not UTF-8")?;
        let mut relvs = Director::new(&lab, director.name(), relvs)?.arguments(["--config", file]);
        relvs.start()?;
        let cpu_ns = row(&lab, cpu, rounds, services).with_context(|| relvs.log())?;
        let status = relvs.terminate()?;
        ensure!(status.success(), "relvs run: {status}");
        rows.push(ServicesRow { services, servers, cpu_ns, net_ns: cpu_ns.median - floor.median });
    }
    lab.remove()?;
    Ok(rows)
}

fn row(lab: &Lab, cpu: usize, rounds: u32, services: u16) -> Result<Spread> {
    let (client, router) = (lab.client()?, lab.server(1)?);
    let stream = Stream {
        interface: indices(client, &["gen0".to_owned()])?,
        to: if services == 0 { To::One } else { To::Services(services) },
        macs: [MAC_IN, MAC_OUT],
        client: CLIENT,
        destination: (FIRST_VIP, PORT),
        flows: FLOWS,
    };
    let (opener, generator) = (Generator::load(&stream, Order::Twice)?, Generator::load(&stream, Order::Once)?);
    // A new director is still finding its servers, whose datagrams it drops until then.
    until("every datagram arrives", || {
        let before = received(router)?;
        client.with(|| send(&opener, cpu, 2 * FLOWS))??;
        Ok(received(router)? - before == u64::from(2 * FLOWS))
    })?;
    let first = client.with(|| send(&generator, cpu, FIRST))??;
    let frames = ((TIME.as_secs_f64() / (first.wall / f64::from(first.frames))) as u32).clamp(100_000, 4_000_000) & !63;
    let mut times = Vec::new();
    for _ in 0..rounds {
        let before = received(router)?;
        let run = client.with(|| send(&generator, cpu, frames))??;
        let arrived = received(router)? - before;
        ensure!(arrived > 0, "no frame arrived");
        times.push(run.ran * 1e9 / arrived as f64);
    }
    Spread::of(&times).context("no rounds")
}

fn received(router: &Node) -> Result<u64> {
    let text = router.check("nft", ["list", "counter", "netdev", "sink", "sink0"])?;
    packets(&text).with_context(|| format!("nft printed no count: {text}"))
}

/// A relvs.toml: service n has the n-th address, and servers of its own.
fn configuration(services: u16, servers: u16) -> String {
    let mut text = format!("[director]\ninterfaces = [\"in0\", \"out1\"]\nflows = {ROOM}\non_exit = \"stop\"\n");
    for service in 0..services {
        let vip = Ipv4Addr::from_bits(FIRST_VIP.to_bits() + u32::from(service));
        let _ = write!(text, "\n[[service]]\nlisten = \"{vip}:{PORT}/udp\"\nscheduler = \"rr\"\nmethod = \"dr\"\n");
        for server in 0..servers {
            let rip = Ipv4Addr::from_bits(0x0a00_0001 + u32::from(service) * u32::from(servers) + u32::from(server));
            let _ = write!(text, "\n[[service.server]]\naddress = \"{rip}\"\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_services_share_an_address_or_a_server() {
        let text = configuration(300, 2);
        assert_eq!(text.matches("[[service]]").count(), 300);
        let addresses: std::collections::BTreeSet<&str> =
            text.lines().filter(|line| line.starts_with("listen") || line.starts_with("address")).collect();
        assert_eq!(addresses.len(), 300 * 3);
        assert!(text.contains("listen = \"172.16.1.43:9000/udp\""), "{text}");
    }
}
