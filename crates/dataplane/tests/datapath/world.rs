//! One director twice: on the host's tables, and, with privilege, in the kernel inside a network namespace of its own.
//! Nothing of the namespace is left when the test ends, however it ends.

use crate::{
    decapsulator::Loaded,
    packet::Mac,
    tables::{Plan, word, words},
};
use relvs_core::{Reason, Route, Stage, Tables as _, Verdict, director, flow::control};
use relvs_dataplane::{Area, Bytes, Kernel, Memory, Side, Sizes};
use relvs_net::namespace::Namespace;
use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    net::IpAddr,
    process::{Command, Stdio},
    sync::atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
};

pub(crate) use crate::services::{TAG, TAGS, no_services, plan, port, server};

/// The interface that frames come in on in a test run.
pub(crate) const LO: u32 = 1;
/// The interface towards the clients, and its other end.
pub(crate) const WAN: u32 = 7;
pub(crate) const DIRECTOR: Mac = [2, 0, 0, 0, 0, 1];
pub(crate) const WAN_MAC: Mac = [2, 0, 0, 0, 0, 7];
/// The virtual routers whose master the director is on [`LO`]: whether of IPv6, and their numbers.
pub(crate) const MASTER_OF: [(bool, u8); 5] = [(false, 51), (false, 63), (false, 64), (true, 51), (true, 255)];
/// A router on the clients' link, with clients behind it.
pub(crate) const GATEWAY: Mac = [2, 0, 0, 0, 1, 2];
/// Clients on the link whose MAC the director knows.
pub(crate) const CLIENTS: u8 = 8;
/// What the gateway's way carries.
pub(crate) const GATEWAY_MTU: u16 = 1400;

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A client on the link. Those from [`CLIENTS`] on have no MAC.
pub(crate) fn client(six: bool, n: u8) -> IpAddr {
    if six { ip(&format!("2001:db8:1::{:x}", 16 + n)) } else { ip(&format!("10.1.0.{}", 16 + n)) }
}

/// A client behind the gateway.
pub(crate) fn remote(six: bool, n: u8) -> IpAddr {
    if six { ip(&format!("2001:db8:51::{n:x}")) } else { ip(&format!("198.51.100.{n}")) }
}

/// A client to whom no route leads.
pub(crate) fn lost(six: bool) -> IpAddr {
    ip(if six { "2001:db8:dead::1" } else { "203.0.113.9" })
}

/// The MAC that masters of a virtual router share (RFC 9568 section 7.3).
pub(crate) fn virtual_mac((six, id): (bool, u8)) -> Mac {
    [0x00, 0x00, 0x5e, 0x00, if six { 2 } else { 1 }, id]
}

pub(crate) fn client_mac(n: u8) -> Mac {
    [2, 0, 0, 0, 1, 16 + n]
}

pub(crate) fn vip(six: bool) -> IpAddr {
    ip(if six { "2001:db8:f::1" } else { "192.0.2.1" })
}

pub(crate) fn rip(six: bool, n: u8) -> IpAddr {
    if six { ip(&format!("2001:db8:2::{n:x}")) } else { ip(&format!("10.2.0.{n}")) }
}

pub(crate) fn server_mac(n: u8) -> Mac {
    [2, 0, 0, 0, 2, n]
}

pub(crate) fn dip(six: bool) -> IpAddr {
    rip(six, 1)
}

/// The tables of flows, and the words of a record.
pub(crate) const FLOW_TABLES: [(Area, usize); 4] =
    [(Area::Flows4, 4), (Area::Young4, 4), (Area::Flows6, 8), (Area::Young6, 8)];

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Director,
    Decapsulator,
}

/// Small tables with room for [`plan`]: buckets fill and spill.
pub(crate) fn small() -> Sizes {
    Sizes { sets: 256, services: 256, bands: 512, destinations: 512, ..Sizes::small() }
}

/// Both sides with the same tables.
pub(crate) struct World {
    pub(crate) plan: Plan,
    /// A bit for each stage that the host's side has been through.
    pub(crate) stages: AtomicU32,
    pub(crate) memory: Memory,
    /// None without privilege.
    pub(crate) kernel: Option<Kernel>,
    /// A real server's side.
    pub(crate) server: Memory,
    pub(crate) decapsulator: Option<Loaded>,
}

pub(crate) const MULTIPLIERS: [u64; 6] = [
    0x9e37_79b9_7f4a_7c15,
    0xc2b2_ae3d_27d4_eb4f,
    0x1656_67b1_9e37_79f9,
    0xd6e8_feb8_6659_fd93,
    0xff51_afd7_ed55_8ccd,
    0xc4ce_b9fe_1a85_ec53,
];

/// The programs under test.
pub(crate) fn object() -> Vec<u8> {
    match std::env::var_os("RELVS_BPF_OBJECT") {
        Some(path) => fs::read(path).unwrap(),
        None => relvs_dataplane::object::embedded().to_vec(),
    }
}

/// Runs a test in a world. Without privilege there is no kernel in it, and a line says so.
pub(crate) fn within<R: Send>(sizes: Sizes, plan: Plan, test: impl FnOnce(World) -> R + Send) -> R {
    let memory = Memory::new(sizes, MULTIPLIERS);
    plan.install(&memory);
    let server = Memory::new(sizes, MULTIPLIERS);
    if !rustix::process::geteuid().is_root() {
        println!("skipped: the kernel's side needs root");
        return test(World::new(plan, memory, None, server, None));
    }
    let namespace = namespace();
    let kernel = Kernel::load(&object(), sizes, MULTIPLIERS).unwrap();
    plan.install(&kernel);
    let decapsulator = Some(Loaded::new(&object()));
    namespace.run(|| test(World::new(plan, memory, Some(kernel), server, decapsulator))).unwrap()
}

/// A namespace that forwards from lo to the clients.
fn namespace() -> Namespace {
    let namespace = Namespace::new().unwrap();
    let mut lines = vec![
        format!("link add wan index {WAN} address {} type veth peer name far", text(WAN_MAC)),
        "link set wan up".to_owned(),
        "link set far up".to_owned(),
        "addr add 10.1.0.1/24 dev wan".to_owned(),
        "addr add 2001:db8:1::1/64 dev wan nodad".to_owned(),
    ];
    for six in [false, true] {
        for n in 0..CLIENTS {
            lines.push(format!("neigh add {} lladdr {} dev wan nud permanent", client(six, n), text(client_mac(n))));
        }
    }
    for (gateway, network) in [("10.1.0.2", "198.51.100.0/24"), ("2001:db8:1::2", "2001:db8:51::/48")] {
        lines.push(format!("neigh add {gateway} lladdr {} dev wan nud permanent", text(GATEWAY)));
        lines.push(format!("route add {network} via {gateway}"));
    }
    let set_up = || {
        for key in ["ipv4/ip_forward", "ipv4/conf/lo/forwarding", "ipv6/conf/all/forwarding"] {
            fs::write(format!("/proc/sys/net/{key}"), "1").unwrap();
        }
        let mut ip = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        ip.stdin.take().unwrap().write_all(lines.join("\n").as_bytes()).unwrap();
        assert!(ip.wait().unwrap().success(), "ip -batch");
    };
    namespace.run(set_up).unwrap();
    namespace
}

fn text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// The way to an address, as the namespace's routing table has it.
pub(crate) fn route(address: IpAddr) -> Route {
    let found = |mac: Mac| Route::Found { interface: WAN, destination: word(mac), source: word(WAN_MAC) };
    let last = |host: u8| match host {
        2 => found(GATEWAY),
        16..24 => found(client_mac(host - 16)),
        _ => Route::NoNeighbour,
    };
    match address {
        IpAddr::V4(a) => match a.octets() {
            // The director's own, and the broadcast.
            [10, 1, 0, 1 | 255] => Route::None,
            [10, 1, 0, host] => last(host),
            [198, 51, 100, _] => found(GATEWAY),
            _ => Route::None,
        },
        IpAddr::V6(a) => match a.segments() {
            [0x2001, 0xdb8, 1, 0, 0, 0, 0, 0 | 1] => Route::None,
            [0x2001, 0xdb8, 1, 0, 0, 0, 0, host @ 0..256] => last(host as u8),
            [0x2001, 0xdb8, 1, 0, ..] => Route::NoNeighbour,
            [0x2001, 0xdb8, 0x51, ..] => found(GATEWAY),
            _ => Route::None,
        },
    }
}

/// Where a frame's packet goes, as far as one can see.
fn destination(frame: &[u8]) -> Option<IpAddr> {
    let mut at = 12;
    while at < 20 && matches!(frame.get(at..at + 2)?, [0x81, 0] | [0x88, 0xa8]) {
        at += 4;
    }
    match frame.get(at..at + 2)? {
        [8, 0] => Some(IpAddr::from(<[u8; 4]>::try_from(frame.get(at + 18..at + 22)?).ok()?)),
        [0x86, 0xdd] => Some(IpAddr::from(<[u8; 16]>::try_from(frame.get(at + 26..at + 42)?).ok()?)),
        _ => None,
    }
}

/// Tells the host's side the way of a frame's packet.
pub(crate) fn learn_route(memory: &Memory, frame: &[u8]) {
    if let Some(address) = destination(frame) {
        memory.routes.lock().unwrap().insert(words(address), route(address));
    }
}

/// Lets these tunnels of this VIP end on both sides.
pub(crate) fn decapsulate(world: &mut World, vip: IpAddr, ends: u32) {
    world.server.vips.lock().unwrap().insert(words(vip), ends);
    if let Some(loaded) = &mut world.decapsulator {
        loaded.add(words(vip), ends);
    }
}

/// The XDP action of a verdict.
pub(crate) fn action(verdict: Verdict) -> u32 {
    match verdict {
        Verdict::Drop(_) => 1,
        Verdict::Pass(_) => 2,
        Verdict::Transmit => 3,
        Verdict::Redirect(_) => 4,
        Verdict::Next(_) => panic!("no end"),
    }
}

impl World {
    fn new(plan: Plan, memory: Memory, kernel: Option<Kernel>, server: Memory, decapsulator: Option<Loaded>) -> Self {
        World { plan, stages: AtomicU32::new(0), memory, kernel, server, decapsulator }
    }

    /// Writes the plan as it is now to both sides.
    pub(crate) fn install(&self) {
        self.plan.install(&self.memory);
        if let Some(kernel) = &self.kernel {
            self.plan.install(kernel);
        }
    }

    /// Forgets all flows, on both sides, and what was counted.
    pub(crate) fn clear(&self) {
        let areas = FLOW_TABLES.iter().map(|(area, _)| *area).chain([Area::Loads]);
        for area in areas {
            let words = self.memory.area(area).iter().chain(self.kernel.iter().flat_map(|kernel| kernel.area(area)));
            words.for_each(|word| word.store(0, Release));
        }
        for (number, ..) in self.plan.servers() {
            self.memory.clear_counters(number).unwrap();
            if let Some(kernel) = &self.kernel {
                kernel.clear_counters(number).unwrap();
            }
        }
    }

    /// The host's director, stage by stage.
    fn director(&self, frame: &mut Bytes) -> Verdict {
        let cpu = self.memory.cpu(0);
        let mut verdict = director::fast(frame, &cpu);
        while let Verdict::Next(stage) = verdict {
            self.stages.fetch_or(1 << stage as u32, Relaxed);
            verdict = director::stage(frame, &cpu, stage);
        }
        if let Verdict::Pass(reason) | Verdict::Drop(reason) = verdict {
            cpu.note(reason);
        }
        verdict
    }

    /// Stages that no frame has been through, by number.
    pub(crate) fn stages_missed(&self) -> Vec<usize> {
        (0..Stage::COUNT).filter(|stage| self.stages.load(Relaxed) >> stage & 1 == 0).collect()
    }

    /// The host's side of a frame.
    pub(crate) fn on_host(&self, program: Program, frame: &[u8]) -> (Verdict, Vec<u8>) {
        learn_route(&self.memory, frame);
        let mut bytes = Bytes { bytes: frame.to_vec(), ingress: LO };
        let verdict = match program {
            Program::Director => self.director(&mut bytes),
            Program::Decapsulator => self.server.decapsulator(&mut bytes),
        };
        (verdict, bytes.bytes)
    }

    /// The kernel's side: the action and the frame, or nothing without privilege.
    pub(crate) fn on_kernel(&self, program: Program, frame: &[u8]) -> Option<(u32, Vec<u8>)> {
        let kernel = self.kernel.as_ref()?;
        match program {
            Program::Director => {
                let run = kernel.run("director", frame).unwrap();
                Some((run.action, run.frame))
            }
            Program::Decapsulator => self.decapsulator.as_ref().map(|loaded| loaded.run(frame)),
        }
    }

    /// Both sides, at the same time of theirs; or what they do not agree on.
    pub(crate) fn both(&self, program: Program, frame: &[u8]) -> Result<(Verdict, Vec<u8>), String> {
        if let Some(kernel) = &self.kernel {
            self.memory.now.store(kernel.now().unwrap(), Release);
        }
        let kernel = self.on_kernel(program, frame);
        let (verdict, bytes) = self.on_host(program, frame);
        let Some((kernel_action, kernel_bytes)) = kernel else { return Ok((verdict, bytes)) };
        if action(verdict) != kernel_action {
            return Err(format!("host: {verdict:?}, kernel: action {kernel_action}"));
        }
        if bytes != kernel_bytes {
            return Err(format!("{verdict:?}:\nhost   {}\nkernel {}", hex(&bytes), hex(&kernel_bytes)));
        }
        Ok((verdict, bytes))
    }

    /// The same, where they must agree.
    pub(crate) fn agreed(&self, frame: &[u8]) -> (Verdict, Vec<u8>) {
        self.both(Program::Director, frame).unwrap_or_else(|error| panic!("{error}\nframe  {}", hex(frame)))
    }

    /// What the reasons' counters differ in.
    pub(crate) fn reasons(&self) -> Result<(), String> {
        let (Some(kernel), Some(loaded)) = (&self.kernel, &self.decapsulator) else { return Ok(()) };
        let mut different = Vec::new();
        for reason in Reason::ALL.iter().copied() {
            let director = (self.memory.reason(reason).unwrap(), kernel.reason(reason).unwrap());
            let server = (self.server.reason(reason).unwrap(), loaded.reason(reason));
            for (host, kernel) in [director, server].into_iter().filter(|(host, kernel)| host != kernel) {
                different.push(format!("{}: host {host}, kernel {kernel}", reason.name()));
            }
        }
        if different.is_empty() { Ok(()) } else { Err(different.join("; ")) }
    }

    /// What the tables that packets change differ in, but for the time of packets.
    pub(crate) fn moving_tables(&self) -> Result<(), String> {
        self.areas(&[Area::Flows4, Area::Young4, Area::Flows6, Area::Young6, Area::Loads, Area::Services])
    }

    fn areas(&self, areas: &[Area]) -> Result<(), String> {
        let Some(kernel) = &self.kernel else { return Ok(()) };
        for area in areas.iter().copied() {
            let record = flow_words(area).unwrap_or(usize::MAX);
            let pairs = self.memory.area(area).iter().zip(kernel.area(area));
            for (at, (host, kernel)) in pairs.enumerate() {
                let (host, kernel) = (host.load(Acquire), kernel.load(Acquire));
                let time = if at % record == 0 && record < usize::MAX { control::SECONDS } else { 0 };
                if (host ^ kernel) & !time != 0 {
                    return Err(format!("{area:?} word {at}: host {host:#x}, kernel {kernel:#x}"));
                }
            }
        }
        Ok(())
    }

    /// What the tables differ in, but for the time of packets.
    pub(crate) fn tables(&self) -> Result<(), String> {
        self.areas(&Area::ALL)?;
        let Some(kernel) = &self.kernel else { return Ok(()) };
        let wanted = [self.memory.wanted().unwrap(), kernel.wanted().unwrap()].map(BTreeSet::from_iter);
        if wanted[0] != wanted[1] {
            return Err(format!("wanted: host {:x?}, kernel {:x?}", wanted[0], wanted[1]));
        }
        for (number, ..) in self.plan.servers() {
            let counts = (self.memory.counters(number).unwrap(), kernel.counters(number).unwrap());
            if counts.0 != counts.1 {
                return Err(format!("counters of {number}: host {:?}, kernel {:?}", counts.0, counts.1));
            }
        }
        // All at once it is the same, whatever the end.
        let last = self.plan.servers().map(|(number, ..)| number).max().unwrap_or(0);
        for end in [0, 1, last, last + 1, u32::MAX] {
            let (mut host, mut of_kernel) = (Vec::new(), Vec::new());
            self.memory.counters_below(end, &mut |number, counts| host.push((number, counts))).unwrap();
            kernel.counters_below(end, &mut |number, counts| of_kernel.push((number, counts))).unwrap();
            if host != of_kernel {
                return Err(format!("counters below {end}: host {host:?}, kernel {of_kernel:?}"));
            }
        }
        Ok(())
    }
}

/// Words of a flow's record, if the table is one of flows.
fn flow_words(area: Area) -> Option<usize> {
    FLOW_TABLES.into_iter().find(|(table, _)| *table == area).map(|(_, words)| words)
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
