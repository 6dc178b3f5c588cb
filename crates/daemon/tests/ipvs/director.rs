//! relvs as one director without its daemon: commands become a desired state, which control lays out and the dataplane
//! writes as the daemon would; frames go through the core, on the host's tables or in the kernel.

use crate::{
    answer::{Answer, Connection, Counts, Figures, Look},
    case::{Case, Flow, RST, Sent, Step, TCP, UDP, server_number},
    frame::{self, DIRECTOR, Mac, ROUTER, server_mac},
    ipvsadm,
};
use relvs_control::{Control, Counted, Desired, Limits, Statistics};
use relvs_core::{
    Route, Verdict,
    flow::control,
    state::tcp,
    table::destination::{self, AVAILABLE, Destination, LOCAL},
};
use relvs_dataplane::{
    Area, Before, Bytes, Entries, Half, HopTable, Kernel, Memory, Neighbour, Side, Sizes, Timeouts, cursor, entries,
    inactive_half, install, load_of, scan, serve_interface, withdraw, write_destination, write_load,
};
use relvs_model::{Network, PortRange, Protocol, Rule, ServiceKey, Settings};
use relvs_net::namespace::Namespace;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::Write as _,
    net::{IpAddr, SocketAddr},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::Ordering::{Acquire, Release},
    },
};

/// The interface that frames come in on in a test run of the kernel's, and by which servers are reached.
const LO: u32 = 1;
/// The interface towards the clients.
const WAN: u32 = 7;
const WAN_MAC: Mac = [2, 0, 0, 0, 0, 7];

/// Large enough for any case, so that no flow is displaced.
pub(crate) const SIZES: Sizes = Sizes {
    flows4: 1 << 10,
    young4: 1 << 10,
    flows6: 1 << 10,
    young6: 1 << 10,
    sets: 64,
    services: 64,
    bands: 1 << 10,
    ring: 1 << 15,
    rules: 64,
    destinations: 256,
    hops: 64,
};

pub(crate) const MULTIPLIERS: [u64; 6] = [
    0x9e37_79b9_7f4a_7c15,
    0xc2b2_ae3d_27d4_eb4f,
    0x1656_67b1_9e37_79f9,
    0xd6e8_feb8_6659_fd93,
    0xff51_afd7_ed55_8ccd,
    0xc4ce_b9fe_1a85_ec53,
];

/// A side that takes frames.
pub(crate) trait Taker: Side {
    /// What a frame becomes.
    fn take(&self, frame: &[u8]) -> Taken;
    /// One of the core's seconds passes.
    fn pass_second(&self);
}

/// What a frame became.
pub(crate) enum Taken {
    Out(Vec<u8>),
    Passed,
    Dropped,
}

impl Taker for Memory {
    fn take(&self, frame: &[u8]) -> Taken {
        let mut bytes = Bytes { bytes: frame.to_vec(), ingress: LO };
        match self.director(&mut bytes) {
            Verdict::Transmit | Verdict::Redirect(_) => Taken::Out(bytes.bytes),
            Verdict::Pass(_) => Taken::Passed,
            Verdict::Drop(_) => Taken::Dropped,
            Verdict::Next(_) => panic!("no end"),
        }
    }

    fn pass_second(&self) {
        self.now.fetch_add(1, Release);
    }
}

impl Taker for Kernel {
    fn take(&self, frame: &[u8]) -> Taken {
        let run = self.run("director", frame).unwrap();
        // XDP_DROP, XDP_PASS, XDP_TX, XDP_REDIRECT.
        match run.action {
            1 => Taken::Dropped,
            2 => Taken::Passed,
            3 | 4 => Taken::Out(run.frame),
            other => panic!("XDP action {other}"),
        }
    }

    /// What is there becomes older: that is as good, and takes no time.
    fn pass_second(&self) {
        for (area, words) in [(Area::Flows4, 4), (Area::Young4, 4), (Area::Flows6, 8), (Area::Young6, 8)] {
            for cell in self.area(area).iter().step_by(words) {
                let word = cell.load(Acquire);
                if word & control::PHASE == control::LIVE {
                    let before = control::mutable(0, control::seconds(word).wrapping_sub(1));
                    cell.store(word & !control::SECONDS | before, Release);
                }
            }
        }
    }
}

/// The kernel's side in a namespace of its own, for a closure that runs there; or nothing without privilege, or where
/// RELVS_SIDES is "memory".
pub(crate) fn in_kernel<R: Send>(with: impl FnOnce(Option<Kernel>) -> R + Send) -> R {
    if std::env::var_os("RELVS_SIDES").is_some_and(|sides| sides == "memory") {
        println!("skipped: the kernel's side, by RELVS_SIDES");
        return with(None);
    }
    if !rustix::process::geteuid().is_root() {
        println!("skipped: the kernel's side needs root");
        return with(None);
    }
    let namespace = namespace();
    let object = match std::env::var_os("RELVS_BPF_OBJECT") {
        Some(path) => std::fs::read(path).unwrap(),
        None => relvs_dataplane::object::embedded().to_vec(),
    };
    let kernel = Kernel::load(&object, SIZES, MULTIPLIERS).unwrap();
    namespace.run(|| with(Some(kernel))).unwrap()
}

/// Forwards from lo to the clients, who are behind the router.
fn namespace() -> Namespace {
    let namespace = Namespace::new().unwrap();
    let mac = |mac| relvs_net::mac_text(&mac);
    let lines = [
        format!("link add wan index {WAN} address {} type veth peer name far", mac(WAN_MAC)),
        "link set wan up".to_owned(),
        "link set far up".to_owned(),
        "addr add 10.3.0.1/24 dev wan".to_owned(),
        "addr add 2001:db8:3::1/64 dev wan nodad".to_owned(),
        format!("neigh add 10.3.0.2 lladdr {} dev wan nud permanent", mac(ROUTER)),
        format!("neigh add 2001:db8:3::2 lladdr {} dev wan nud permanent", mac(ROUTER)),
        "route add default via 10.3.0.2".to_owned(),
        "route add default via 2001:db8:3::2".to_owned(),
    ];
    let set_up = || {
        for key in ["ipv4/ip_forward", "ipv4/conf/lo/forwarding", "ipv6/conf/all/forwarding"] {
            std::fs::write(format!("/proc/sys/net/{key}"), "1").unwrap();
        }
        let mut ip = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        ip.stdin.take().unwrap().write_all(lines.join("\n").as_bytes()).unwrap();
        assert!(ip.wait().unwrap().success(), "ip -batch");
    };
    namespace.run(set_up).unwrap();
    namespace
}

fn word(mac: Mac) -> u64 {
    let [a, b, c, d, e, f] = mac;
    u64::from_ne_bytes([a, b, c, d, e, f, 0, 0])
}

fn words(address: IpAddr) -> [u64; 2] {
    match address {
        IpAddr::V4(a) => [u64::from(u32::from_ne_bytes(a.octets())), 0],
        IpAddr::V6(a) => {
            let bits = u128::from_ne_bytes(a.octets());
            [bits as u64, (bits >> 64) as u64]
        }
    }
}

/// A director. One takes many cases, one after another.
pub(crate) struct Director<S> {
    pub(crate) side: S,
    control: Control,
    statistics: Statistics,
    hops: HopTable,
    desired: Desired,
    /// The entries that each half has.
    halves: [Option<Arc<relvs_control::Entries>>; 2],
    /// Where each flow's packets went last.
    reached: HashMap<Flow, SocketAddr>,
    /// Destinations whose flows are to be forgotten: at a removal while expire_nodest_conn is set, all that are gone.
    orphans: BTreeSet<u32>,
    seed: u64,
    /// Commands that come together are carried out as one change, which should come to the same.
    together: bool,
    /// Called for an address that a frame will go to by the routing table.
    route: fn(&S, IpAddr),
}

impl Director<Memory> {
    pub(crate) fn in_memory() -> Self {
        let route = |memory: &Memory, address: IpAddr| {
            let way = Route::Found { interface: WAN, destination: word(ROUTER), source: word(WAN_MAC) };
            memory.routes.lock().unwrap().insert(words(address), way);
        };
        Director::new(Memory::new(SIZES, MULTIPLIERS), route)
    }
}

impl Director<Kernel> {
    pub(crate) fn with_kernel(kernel: Kernel) -> Self {
        Director::new(kernel, |_, _| {})
    }
}

impl<S: Taker> Director<S> {
    fn new(side: S, route: fn(&S, IpAddr)) -> Self {
        let limits = Limits {
            sets: SIZES.sets,
            services: SIZES.services,
            bands: SIZES.bands,
            ring: SIZES.ring,
            rules: SIZES.rules,
            destinations: SIZES.destinations,
        };
        for (interface, mac) in [(LO, DIRECTOR), (WAN, WAN_MAC)] {
            serve_interface(&side, interface, word(mac)).unwrap();
        }
        let mut hops = HopTable::adopt(&side);
        let router =
            Neighbour { via: WAN, interface: WAN, destination: word(ROUTER), source: word(WAN_MAC), tags: [0; 2] };
        hops.take(&side, router, 1500).unwrap();
        let (control, desired) = (Control::new(limits), Desired::default());
        let statistics = Statistics::default();
        Director {
            side,
            control,
            statistics,
            hops,
            desired,
            reached: HashMap::new(),
            orphans: BTreeSet::new(),
            halves: [None, None],
            seed: 0,
            together: false,
            route,
        }
    }

    /// The answers to all steps of a case, from empty tables on.
    pub(crate) fn run(&mut self, case: &Case) -> Vec<Answer> {
        self.forget();
        self.together = case.number.is_multiple_of(2);
        case.steps.iter().map(|step| self.step(step)).collect()
    }

    /// Everything of the case before.
    pub(crate) fn forget(&mut self) {
        self.desired = Desired::default();
        self.apply();
        for area in [Area::Flows4, Area::Young4, Area::Flows6, Area::Young6, Area::Loads] {
            for word in self.side.area(area) {
                if word.load(Acquire) != 0 {
                    word.store(0, Release);
                }
            }
        }
        let retired: Vec<u32> = self.control.retired().map(|(number, ..)| number).collect();
        for number in retired {
            self.control.release(number);
            withdraw(&self.side, number);
            self.side.clear_counters(number).unwrap();
        }
        self.reached.clear();
        self.orphans.clear();
        self.statistics = Statistics::default();
    }

    pub(crate) fn step(&mut self, step: &Step) -> Answer {
        match step {
            Step::Do(lines) => {
                for line in lines {
                    ipvsadm::run(&mut self.desired, line);
                    if !self.together {
                        self.apply();
                    }
                }
                if self.together {
                    self.apply();
                }
                Answer::Done
            }
            Step::Set(name, value) => {
                let mut settings = serde_json::to_value(&self.desired.settings).unwrap();
                assert!(settings.get(name).is_some(), "there is no setting {name}");
                settings[name] = (*value).into();
                self.desired.settings = serde_json::from_value::<Settings>(settings).unwrap();
                self.apply();
                Answer::Done
            }
            Step::Mark { network, protocol, mark } => {
                self.desired.rules.push(rule(network, *protocol, *mark));
                self.apply();
                Answer::Done
            }
            Step::Client(flow, sent) => self.client(*flow, *sent),
            Step::Server(flow, sent) => self.server(*flow, *sent),
            Step::Wait(seconds) => {
                for _ in 0..*seconds {
                    self.side.pass_second();
                    self.scan();
                }
                Answer::Done
            }
            Step::Settle => {
                self.scan();
                Answer::Done
            }
            Step::Look => Answer::Look(self.look()),
            Step::Statistics => Answer::Statistics(self.statistics()),
        }
    }

    fn client(&mut self, flow: Flow, sent: Sent) -> Answer {
        let answer = match self.side.take(&frame::from_client(flow, sent)) {
            Taken::Out(frame) => frame::classify(flow, &frame).unwrap_or_else(|| panic!("came out: {frame:02x?}")),
            // What the stack would answer.
            Taken::Passed => match (flow.protocol, sent) {
                (TCP, Sent::Segment(flags)) if flags & RST != 0 => Answer::Nothing,
                (UDP, _) => Answer::Unreachable,
                _ => Answer::Reset,
            },
            Taken::Dropped => Answer::Nothing,
        };
        if let Answer::Server { number, port, .. } = answer {
            let address = self.address(number);
            self.reached.insert(flow, SocketAddr::new(address, port));
        }
        answer
    }

    fn server(&mut self, flow: Flow, sent: Sent) -> Answer {
        let Some(server) = self.reached.get(&flow).copied() else { return Answer::Nothing };
        (self.route)(&self.side, flow.client.ip());
        match self.side.take(&frame::from_server(flow, server, sent)) {
            Taken::Out(frame) => frame::classify(flow, &frame).unwrap_or_else(|| panic!("came out: {frame:02x?}")),
            Taken::Passed => Answer::Client(server),
            Taken::Dropped => Answer::Nothing,
        }
    }

    /// The address of the server with this MAC.
    fn address(&self, number: u8) -> IpAddr {
        let mut all = self.control.destinations().map(|(_, _, server, _)| server.address);
        all.find(|address| server_number(*address) == number).unwrap()
    }

    /// Brings the tables to what is desired, as the daemon does.
    fn apply(&mut self) {
        let cursors: BTreeMap<ServiceKey, u64> = (self.control.services().iter())
            .filter_map(|service| Some((service.key, cursor(&self.side, self.control.index_of(service.key)?))))
            .collect();
        self.seed += 1;
        let half = inactive_half(&self.side);
        let prepared = self.control.prepare(&self.desired, half, self.seed, &|key| cursors[&key]).unwrap();
        let mut next = self.control.clone();
        next.commit(prepared.clone());
        let (open, closed): (Vec<_>, Vec<_>) =
            prepared.destinations.into_iter().partition(|(_, record)| record.flags & AVAILABLE != 0);
        let addresses: BTreeMap<u32, IpAddr> =
            next.destinations().map(|(number, _, server, _)| (number, server.address)).collect();
        for (number, record) in &open {
            self.write(*number, addresses[number], record);
        }
        for (number, _, server, _) in next.destinations().filter(|(.., retired)| !retired) {
            write_load(&self.side, number, server.weight, server.upper_threshold, server.lower_threshold);
        }
        let image = &prepared.image;
        let tables = Half {
            entries: entries_of(&image.entries),
            services: &image.services,
            limits: &image.limits,
            bands: &image.bands,
            rings: &image.rings,
            rules: &image.rules,
            switch: image.switch(),
            drop_rate: image.drop_rate,
        };
        let before = match &self.halves[half as usize] {
            None => Before::Unknown,
            Some(there) if Arc::ptr_eq(there, &image.entries) => Before::Same,
            Some(there) => Before::Others(entries_of(there)),
        };
        install(&self.side, &tables, before);
        self.halves[half as usize] = Some(Arc::clone(&image.entries));
        for (number, record) in &closed {
            self.write(*number, addresses[number], record);
        }
        let counted = self.counted(&next);
        let there: BTreeSet<ServiceKey> = self.control.services().iter().map(|service| service.key).collect();
        let wanted: BTreeSet<ServiceKey> = next.services().iter().map(|service| service.key).collect();
        self.statistics.retain(&wanted);
        wanted.difference(&there).for_each(|key| self.statistics.begin(*key, &counted));
        let gone = |control: &Control| control.retired().map(|(number, ..)| number).collect::<BTreeSet<_>>();
        let (before, now) = (gone(&self.control), gone(&next));
        self.orphans.retain(|number| now.contains(number));
        if self.desired.settings.expire_nodest_conn != 0 && !now.is_subset(&before) {
            self.orphans = now;
        }
        self.control = next;
    }

    fn write(&mut self, number: u32, server: IpAddr, record: &Destination) {
        if server == crate::case::director(server.is_ipv6()) {
            return write_destination(&self.side, number, &Destination { flags: record.flags | LOCAL, ..*record });
        }
        let neighbour = Neighbour {
            via: LO,
            interface: LO,
            destination: word(server_mac(server)),
            source: word(DIRECTOR),
            tags: [0; 2],
        };
        let hop = self.hops.take(&self.side, neighbour, 1500).unwrap();
        let overhead = destination::overhead(record.method, server.is_ipv6());
        let dip = words(crate::case::director(server.is_ipv6()));
        write_destination(&self.side, number, &Destination { mtu: 1500 - overhead, hop, dip, ..*record });
    }

    fn timeouts(&self) -> Timeouts {
        let set = self.desired.timeouts;
        let mut timeouts = Timeouts {
            udp_s: set.udp_s,
            templates_s: self.control.template_timeouts().collect(),
            orphans: self.orphans.clone(),
            ..Timeouts::default()
        };
        for (state, seconds) in [(tcp::State::Established, set.tcp_s), (tcp::State::FinWait, set.tcp_fin_s)] {
            timeouts.tcp_s[state as usize] = seconds;
        }
        timeouts
    }

    /// What the daemon does each second.
    fn scan(&self) {
        scan(&self.side, &self.timeouts()).unwrap();
    }

    fn counted(&self, control: &Control) -> Counted {
        let of = |number| {
            let c = self.side.counters(number).unwrap();
            relvs_control::Figures {
                flows: c.flows,
                packets_in: c.packets_in,
                bytes_in: c.bytes_in,
                packets_out: c.packets_out,
                bytes_out: c.bytes_out,
            }
        };
        control.destinations().map(|(number, key, ..)| (number, (key, of(number)))).collect()
    }

    fn statistics(&self) -> Vec<Figures> {
        let line = |of, c: relvs_control::Figures| Figures {
            of,
            figures: [c.flows, c.packets_in, c.packets_out, c.bytes_in, c.bytes_out],
        };
        let counted = self.counted(&self.control);
        let services = self.statistics.of_services(&counted);
        let mut all: Vec<Figures> = (self.desired.services.iter())
            .map(|service| line(name(service.key), services[&service.key].counters))
            .collect();
        for (number, key, server, retired) in self.control.destinations() {
            if !retired {
                let of = format!("{} -> {}", name(key), SocketAddr::new(server.address, server.port));
                all.push(line(of, self.statistics.of_destination(number, counted[&number].1).counters));
            }
        }
        all.sort();
        all
    }

    pub(crate) fn look(&self) -> Look {
        self.scan();
        let mut look = Look::default();
        let mut servers = BTreeMap::new();
        for (number, key, server, retired) in self.control.destinations() {
            servers.insert(number, server);
            if !retired {
                let load = load_of(&self.side, number);
                look.servers.push(Counts {
                    service: name(key),
                    server: SocketAddr::new(server.address, server.port),
                    active: load.active,
                    inactive: load.inactive,
                    persistent: load.templates,
                });
            }
        }
        for entry in entries(&self.side, &self.timeouts(), usize::MAX).unwrap() {
            let server = servers[&entry.destination];
            let port = if server.port == 0 { entry.service.1 } else { server.port };
            let protocol = match entry.protocol {
                0 => "IP",
                6 => "TCP",
                17 => "UDP",
                132 => "SCTP",
                other => panic!("protocol {other}"),
            };
            look.connections.push(Connection {
                protocol: protocol.to_owned(),
                client: entry.client,
                service: entry.service,
                server: (server.address, port),
                state: entry.state.to_owned(),
                expires_s: entry.expires_s,
            });
        }
        look.servers.sort();
        look.connections.sort();
        look
    }
}

fn entries_of(placed: &relvs_control::Entries) -> Entries<'_> {
    Entries { multiplier: placed.multiplier, four: &placed.four, six: &placed.six }
}

/// As `ipvsadm -Ln` begins a service's line.
fn name(key: ServiceKey) -> String {
    match key {
        ServiceKey::Listen(listen) => {
            let protocol = listen.protocol.to_string().to_uppercase();
            format!("{protocol} {}", SocketAddr::new(listen.address, listen.port))
        }
        ServiceKey::Mark(mark) => format!("FWM {}", mark.mark),
    }
}

fn rule(network: &str, protocol: Option<(u8, u16, u16)>, mark: u32) -> Rule {
    let (address, prefix) = network.split_once('/').unwrap();
    let network = Network::of(address.parse().unwrap(), prefix.parse().unwrap());
    let (protocol, ports) = match protocol {
        Some((number, first, last)) => {
            let protocol = if number == TCP { Protocol::Tcp } else { Protocol::Udp };
            (Some(protocol), vec![PortRange { first, last }])
        }
        None => (None, Vec::new()),
    };
    Rule { mark, sources: Vec::new(), destinations: vec![network], protocol, ports }
}
