//! Datagrams a second: one CPU makes live frames, which pass the director over veth and are counted and thrown away by the servers.
//!
//! Making, forwarding and receiving a frame is all done in the generator's own time: what it sends is received in softirq before it goes
//! on. So a frame's processor time is that thread's and that of the CPU's softirq thread, whatever else the machine does, and the
//! floor (the same generator, the same receiver, no director) can be taken off. Every server has a cable of its own to the director.

use super::{
    cpu,
    generator::{Generator, Order, Stream, To},
    outcome::{Packets, PacketsRow, Spread},
    stand::{Standing, absent, indices, until},
    ways::{Choice, Service, Way},
};
use anyhow::{Context as _, Result, ensure};
use relvs_lab::{Lab, Node, demo::Progress};
use relvs_model::Method;
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Flows of the rows.
const FLOWS: [u32; 2] = [1 << 10, 1 << 16];
/// A measurement takes about so long.
pub(super) const TIME: Duration = Duration::from_millis(400);
/// Frames by which a measurement's number is found, and flows become known.
pub(super) const FIRST: u32 = 1 << 17;
/// What the floor's cables have in their MACs.
const DIRECT: u8 = 100;
pub(super) const MAC_OUT: [u8; 6] = [2, 0, 0, 0, 0xf0, 1];
pub(super) const MAC_IN: [u8; 6] = [2, 0, 0, 0, 0xf0, 2];
pub(super) const CLIENT: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 10);
const VIP: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 100);
const PORT: u16 = 9000;

const WAYS: [Way; 11] = [
    Way::Direct,
    Way::Redirect,
    Way::Forward,
    Way::Route,
    Way::Nftables(Choice::Numgen),
    Way::Nftables(Choice::Jhash),
    Way::Ipvs(Method::Nat),
    Way::Ipvs(Method::Dr),
    Way::Relvs(Method::Nat),
    Way::Relvs(Method::Dr),
    Way::Relvs(Method::Tun),
];

/// One way over one number of flows.
struct Case {
    way: Way,
    flows: u32,
    absent: Option<String>,
    per_second: Vec<f64>,
    nanoseconds: Vec<f64>,
    sent: u64,
    received: Vec<u64>,
}

/// The cables beside the lab's own, and what is measured over them.
pub(super) struct Bed<'a> {
    lab: &'a Lab,
    relvs: &'a Path,
    cpu: usize,
    cases: Vec<Case>,
}

impl<'a> Bed<'a> {
    /// Lays the cables.
    pub(super) fn new(lab: &'a Lab, relvs: &'a Path, cpu: usize, filter: &[String]) -> Result<Self> {
        let (client, director) = (lab.client()?, lab.director(1)?);
        cable(client, "gen0", director, "in0", 0)?;
        director.ip("address add 198.18.0.2/24 dev in0")?;
        for (at, server) in lab.servers().enumerate() {
            let (number, name) = (at + 1, format!("out{}", at + 1));
            cable(director, &name, server, "sink0", 10 * number as u8)?;
            director.ip(&format!("address add 198.19.{number}.1/24 dev {name}"))?;
            server.ip(&format!("address add {}/24 dev sink0", rip(number)))?;
        }
        // A route of several next hops chooses by ports too.
        director.set_sysctl("ipv4/fib_multipath_hash_policy", "1")?;
        for (at, server) in lab.servers().enumerate() {
            cable(client, &format!("gen{}", at + 1), server, "sink1", DIRECT)?;
            let file = lab.write_file(format!("sink-{}.nft", server.name()), &sink(&["sink0", "sink1"]))?;
            server.check("nft", ["-f".as_ref(), file.as_os_str()])?;
        }
        let flows = |way| FLOWS.map(|flows| (way, flows));
        let cases = WAYS.into_iter().filter(|way| way.is_wanted(filter)).flat_map(flows).map(|(way, flows)| Case {
            way,
            flows,
            absent: absent(way),
            per_second: Vec::new(),
            nanoseconds: Vec::new(),
            sent: 0,
            received: vec![0; lab.servers().count()],
        });
        Ok(Bed { lab, relvs, cpu, cases: cases.collect() })
    }

    /// Measures every way once.
    pub(super) fn round(&mut self, number: u32, progress: &mut Progress<'_>) -> Result<()> {
        // Whoever comes first in one round does not in the next.
        let ways = WAYS.iter().cycle().skip(number as usize).take(WAYS.len());
        for way in ways.filter(|way| absent(**way).is_none()) {
            if self.cases.iter().all(|case| case.way != *way) {
                continue;
            }
            progress.go_on()?;
            let measured = self.way(*way).with_context(|| format!("packets, {}", way.name()));
            progress.say(format!("  packets, {}: {}", way.name(), measured?))?;
        }
        Ok(())
    }

    fn way(&mut self, way: Way) -> Result<String> {
        let servers: Vec<Ipv4Addr> = (1..=self.lab.servers().count()).map(rip).collect();
        let interfaces = std::iter::once("in0".to_owned()).chain((1..=servers.len()).map(|n| format!("out{n}")));
        let service = Service { protocol: "udp", vip: VIP, port: PORT, interfaces: interfaces.collect(), servers };
        // A balancer owns the address, a route leads away from it.
        let owned = !matches!(way, Way::Direct | Way::Redirect | Way::Forward | Way::Route);
        if owned {
            self.lab.director(1)?.ip(&format!("address add {VIP}/32 dev in0"))?;
        }
        let standing = Standing::up(self.lab, self.relvs, way, &service)?;
        let mut said = Vec::new();
        for case in self.cases.iter_mut().filter(|case| case.way == way) {
            let measured = measure(self.lab, self.cpu, case).with_context(|| standing.said())?;
            said.push(format!("{measured:.0} ns with {} flows", case.flows));
        }
        standing.end()?;
        if owned {
            self.lab.director(1)?.ip(&format!("address delete {VIP}/32 dev in0"))?;
        }
        Ok(said.join(", "))
    }

    /// What came out, with the floor of the same number of flows taken off.
    pub(super) fn outcome(&self) -> Packets {
        let of = |way, flows| {
            let case = self.cases.iter().find(|case| case.way == way && case.flows == flows)?;
            Spread::of(&case.nanoseconds)
        };
        let row = |case: &Case| {
            let floor = of(Way::Direct, case.flows).map(|floor| floor.median);
            let cpu_ns = Spread::of(&case.nanoseconds);
            let net = |spread: Option<Spread>| Some(spread?.median - floor?);
            let (net_ns, forwarding) = (net(cpu_ns), net(of(Way::Forward, case.flows)));
            PacketsRow {
                name: case.way.name(),
                flows: case.flows,
                absent: case.absent.clone(),
                per_second: Spread::of(&case.per_second),
                cpu_ns,
                net_ns: net_ns.filter(|_| case.way != Way::Direct),
                of_forwarding: net_ns.zip(forwarding).filter(|_| case.way != Way::Direct).map(|(net, of)| net / of),
                sent: case.sent,
                received: case.received.clone(),
            }
        };
        Packets { cpu: self.cpu, frame_bytes: super::generator::LENGTH, rows: self.cases.iter().map(row).collect() }
    }
}

fn rip(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(198, 19, number as u8, 2)
}

/// A veth pair. Both ends receive by NAPI, which live frames and an XDP program's redirects need.
pub(super) fn cable(from: &Node, out: &str, to: &Node, into: &str, number: u8) -> Result<()> {
    let mac =
        |[a, b, c, d, e, f]: [u8; 6]| format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{:02x}:{f:02x}", e.wrapping_add(number));
    let (from_mac, to_mac) = (mac(MAC_OUT), mac(MAC_IN));
    let namespace = to.namespace();
    from.ip(&format!(
        "link add name {out} address {from_mac} type veth peer name {into} address {to_mac} netns {namespace}"
    ))?;
    for (node, interface) in [(from, out), (to, into)] {
        node.set_link(interface, true)?;
        node.check("ethtool", ["-K", interface, "tx", "off", "tso", "off", "gro", "on"])?;
    }
    Ok(())
}

/// What counts and throws away IPv4 frames where they come in.
pub(super) fn sink(interfaces: &[&str]) -> String {
    let chain = |name: &&str| {
        format!(
            " counter {name} {{ }}\n chain {name} {{\n  type filter hook ingress device {name} priority 0; policy accept;\n  \
             meta protocol ip counter name {name} drop\n }}\n"
        )
    };
    format!("table netdev sink {{\n{}}}\n", interfaces.iter().map(chain).collect::<String>())
}

/// The packets in what `nft list counter` prints.
pub(super) fn packets(text: &str) -> Option<u64> {
    let mut words = text.split_whitespace().skip_while(|word| *word != "packets");
    words.nth(1)?.parse().ok()
}

fn received(lab: &Lab, way: Way) -> Result<Vec<u64>> {
    let counter = if way == Way::Direct { "sink1" } else { "sink0" };
    let count = |node: &Node| {
        let text = node.check("nft", ["list", "counter", "netdev", "sink", counter])?;
        packets(&text).with_context(|| format!("nft printed no count: {text}"))
    };
    lab.servers().map(count).collect()
}

/// One measurement; gives nanoseconds a frame.
fn measure(lab: &Lab, cpu: usize, case: &mut Case) -> Result<f64> {
    let client = lab.client()?;
    let servers = case.received.len() as u8;
    let (outs, to, number) = match case.way {
        Way::Direct => (1..=servers, To::Interfaces(servers), DIRECT),
        Way::Forward => (0..=0, To::Networks(servers), 0),
        Way::Redirect
        | Way::Route
        | Way::Nftables(_)
        | Way::Ipvs(_)
        | Way::Relvs(_)
        | Way::Haproxy
        | Way::NginxStream
        | Way::Envoy => (0..=0, To::One, 0),
    };
    let interface = indices(client, &outs.map(|out| format!("gen{out}")).collect::<Vec<_>>())?;
    let macs = [MAC_IN, MAC_OUT].map(|[a, b, c, d, e, f]| [a, b, c, d, e.wrapping_add(number), f]);
    let destination = (if case.way == Way::Forward { rip(1) } else { VIP }, PORT);
    let stream = Stream { interface, to, macs, client: CLIENT, destination, flows: case.flows };
    let opener = Generator::load(&stream, Order::Twice)?;
    let generator = Generator::load(&stream, Order::Once)?;
    let begin = received(lab, case.way)?;
    // The director may still be asking for its servers' addresses.
    until("frames reach every server", || {
        client.with(|| send(&opener, cpu, 2 * case.flows))??;
        let now = received(lab, case.way)?;
        Ok(now.iter().zip(&begin).all(|(now, begin)| now > begin))
    })?;
    client.with(|| send(&opener, cpu, 2 * case.flows))??;
    let first = client.with(|| send(&generator, cpu, FIRST.max(case.flows)))??;
    let frames = TIME.as_secs_f64() / (first.wall / f64::from(first.frames));
    // Frames are made in whole batches.
    let frames = (frames as u32).clamp(100_000, 4_000_000) & !63;
    let before = received(lab, case.way)?;
    let run = client.with(|| send(&generator, cpu, frames))??;
    let after = received(lab, case.way)?;
    let arrived: Vec<u64> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
    let sum: u64 = arrived.iter().sum();
    ensure!(sum > 0, "no frame arrived");
    case.sent += u64::from(run.frames);
    case.received.iter_mut().zip(arrived).for_each(|(all, more)| *all += more);
    case.per_second.push(sum as f64 / run.wall);
    let nanoseconds = run.ran * 1e9 / sum as f64;
    case.nanoseconds.push(nanoseconds);
    Ok(nanoseconds)
}

/// What sending took, in seconds.
pub(super) struct Run {
    pub(super) frames: u32,
    pub(super) wall: f64,
    /// Of this thread and the CPU's softirq thread.
    pub(super) ran: f64,
}

pub(super) fn send(generator: &Generator, cpu: usize, frames: u32) -> Result<Run> {
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only).with_context(|| format!("cannot stay on CPU {cpu}"))?;
    let (softirq, own, begin) = (cpu::softirq_threads(Some(cpu)), thread_time(), Instant::now());
    generator.send(frames)?;
    let (wall, own) = (begin.elapsed().as_secs_f64(), thread_time() - own);
    // What the softirq thread still has to do.
    std::thread::sleep(Duration::from_millis(2));
    Ok(Run { frames, wall, ran: own + cpu::softirq_threads(Some(cpu)) - softirq })
}

/// Seconds that this thread has run.
fn thread_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Whether the kernel's IPVS can be had: its module is asked for, where there is one.
pub(super) fn ask_for_ipvs() {
    // Without the program or the module there is none: the rows say so.
    let _ = Command::new("modprobe").args(["-q", "ip_vs"]).output();
}

#[cfg(test)]
mod tests {
    use super::super::program::Redirect;
    use super::*;

    #[test]
    fn the_count_is_what_nft_prints() {
        let text = "table netdev sink {\n\tcounter sink0 {\n\t\tpackets 1234 bytes 56789\n\t}\n}\n";
        assert_eq!(packets(text), Some(1234));
        assert_eq!(packets("table netdev sink {\n}"), None);
    }

    #[test]
    fn every_sink_has_its_counter() {
        let text = sink(&["sink0", "sink1"]);
        assert_eq!(text.matches("hook ingress device").count(), 2);
        assert!(text.contains("meta protocol ip counter name sink1 drop"), "{text}");
    }

    /// A generator, a director that only redirects, and servers, as they are measured, but nobody throws frames away or looks at a clock.
    #[test]
    fn frames_of_the_generator_pass_a_redirect_to_every_server() {
        if let Some(reason) = relvs_lab::skip_reason() {
            eprintln!("skipped: {reason}");
            return;
        }
        const FRAMES: u32 = 192;
        let lab = Lab::build(&relvs_lab::Shape::new(relvs_lab::Topology::OneArmed).servers(3)).unwrap();
        let (client, director) = (lab.client().unwrap(), lab.director(1).unwrap());
        cable(client, "gen0", director, "in0", 0).unwrap();
        let outs: Vec<String> = (1..=3).map(|number| format!("out{number}")).collect();
        for (out, server) in outs.iter().zip(lab.servers()) {
            cable(director, out, server, "sink0", 10).unwrap();
        }
        let first = indices(director, &outs).unwrap();
        let _redirect = director.with(|| Redirect::attach("in0", first, 3)).unwrap().unwrap();
        let interface = indices(client, &["gen0".to_owned()]).unwrap();
        let destination = (VIP, PORT);
        let stream =
            Stream { interface, to: To::One, macs: [MAC_IN, MAC_OUT], client: CLIENT, destination, flows: 1 << 10 };
        let generator = Generator::load(&stream, Order::Twice).unwrap();
        // A busy machine may lose some of them.
        until("every server gets frames", || {
            client.with(|| generator.send(FRAMES))??;
            let counts: Result<Vec<_>> = lab.servers().map(|server| server.counters("sink0")).collect();
            Ok(counts?.iter().all(|count| count.rx_packets >= u64::from(FRAMES)))
        })
        .unwrap();
    }
}
