//! A scene: small flow tables, what is in them, and what each CPU does.

use crate::{
    fault::{Before, Fault},
    frames::{self, CLIENT, PORT, SERVER, SERVER_PORT, VIP, Wire, address, tcp},
    layout::{DESTINATIONS, Layout},
    memory::Machine,
    run::{Answer, Run, Start, Stop},
};
use relvs_core::{
    Block, Constants, Family, Reason, Stage, V4, V6, Verdict, Zone, director,
    flow::{Key, Link, control},
    state::State,
    table::{
        active,
        destination::{AVAILABLE, Destination, WILDCARD, method},
        entry, hop, interface, load,
        service::{Service, flag},
    },
    wire::protocol,
};

/// What one CPU does, or user space, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Job {
    /// A client's segment. Should it open a flow, `chosen` is its destination.
    Client { flow: u8, flags: u8, chosen: usize, now: u16 },
    /// A NAT server's.
    Server { flow: u8, server: usize, flags: u8, now: u16 },
    /// User space looks at the record at a place, and frees it with its other half if it is older than `since`.
    Expire { zone: Zone, place: usize, since: u16 },
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ends {
    /// The packet went to this destination; a server's, to its client, as the right service's.
    Forwarded(usize),
    Passed(Reason),
    Dropped(Reason),
    /// User space is through with a record.
    Looked,
    /// The packet went to whom nobody has sent it.
    Astray,
}

/// A flow that is there from the beginning.
#[derive(Clone, Copy)]
pub(crate) struct There {
    pub(crate) zone: Zone,
    pub(crate) place: usize,
    pub(crate) flow: u8,
    pub(crate) destination: usize,
    pub(crate) state: State,
    /// The place of the replies' record, of NAT.
    pub(crate) replies: Option<usize>,
}

pub(crate) struct Scene {
    pub(crate) layout: Layout,
    pub(crate) image: Vec<u64>,
    pub(crate) constants: Constants,
    pub(crate) jobs: Vec<Vec<Job>>,
    pub(crate) machine: Machine,
    pub(crate) fault: Option<Fault>,
    /// A flow may end and begin anew, so that its packets go two ways.
    pub(crate) ends: bool,
    six: bool,
    /// The service has all ports, each flow one of its own.
    all_ports: bool,
    /// Clients, who are all of one network, stay with their server.
    pub(crate) persistent: bool,
    /// By flow: destinations that it may have.
    given: [[bool; DESTINATIONS]; 8],
}

/// By number.
const STAGES: [Stage; Stage::COUNT] = [
    Stage::Parse,
    Stage::Packet4,
    Stage::Packet6,
    Stage::Reply4,
    Stage::Reply6,
    Stage::Fragment4,
    Stage::Fragment6,
    Stage::Icmp4,
    Stage::Icmp6,
    Stage::Deliver4,
    Stage::Deliver6,
    Stage::Answer4,
    Stage::Answer6,
    Stage::Match4,
    Stage::Match6,
    Stage::Open4,
    Stage::Open6,
    Stage::Persist4,
    Stage::Persist6,
    Stage::Settle4,
    Stage::Settle6,
    Stage::Trace,
    Stage::Tunnel4,
    Stage::Tunnel6,
    Stage::Path4,
    Stage::Path6,
];

/// What scenes differ in.
#[derive(Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) six: bool,
    pub(crate) nat: bool,
    pub(crate) all_ports: bool,
    pub(crate) persistent: bool,
    pub(crate) buckets: usize,
    /// Places that are free; in all others are strangers' flows.
    pub(crate) free: &'static [(Zone, usize)],
}

/// Of persistence: all clients are of one network.
const NETMASK4: u32 = u32::from_ne_bytes([255, 255, 255, 0]);
/// See [`NETMASK4`].
const NETMASK6: u8 = 48;

/// The name of strangers' flows. A scene's own all have 0.
const STRANGER: u64 = control::TAG;

impl Scene {
    pub(crate) fn new(setting: &Setting, there: &[There], jobs: Vec<Vec<Job>>) -> Self {
        let layout = Layout::new(setting.six, setting.buckets);
        let mask = setting.buckets as u32 - 1;
        // Of one bucket all names are the same: no hash keeps two flows apart.
        let constants = Constants { masks4: [mask; 2], masks6: [mask; 2], ..Constants::default() };
        let mut scene = Scene {
            layout,
            image: vec![0; layout.end],
            constants,
            jobs,
            machine: Machine::ORDERED,
            fault: None,
            ends: false,
            six: setting.six,
            all_ports: setting.all_ports,
            persistent: setting.persistent,
            given: [[false; DESTINATIONS]; 8],
        };
        if setting.buckets > 1 {
            scene.part_buckets();
        }
        scene.tables(setting.nat);
        for zone in [Zone::Settled, Zone::Young] {
            for place in (0..4 * setting.buckets).filter(|place| !setting.free.contains(&(zone, *place))) {
                let word = STRANGER | control::LIVE | control::body(0, State::Established as u8, 0);
                scene.image[layout.place(zone, place)] = word;
            }
        }
        for flow in there {
            scene.put(flow, setting.nat);
        }
        for job in scene.jobs.iter().flatten() {
            if let Job::Client { flow, chosen, .. } = *job {
                let flow = usize::from(flow);
                let flows = if setting.persistent { 0..8 } else { flow..flow + 1 };
                flows.for_each(|flow| scene.given[flow][chosen] = true);
            }
        }
        scene
    }

    /// Every flow's first bucket is the first, and its second the second.
    fn part_buckets(&mut self) {
        let parted = |scene: &Scene| {
            let requests = (0..3).map(|flow| (scene.client(flow), scene.service(flow), false));
            let replies = (0..3).flat_map(|flow| (1..4).map(move |n| (flow, n)));
            let replies = replies.map(|(flow, n)| (scene.server(flow, n), scene.client(flow), true));
            let keys = requests.chain(replies).map(|(from, to, reply)| scene.key(from, to, reply));
            keys.chain([scene.template()])
                .all(|[name, first, second]| first & 1 == 0 && second & 1 == 1 && name & control::TAG != STRANGER)
        };
        let mut seed = 0u64;
        while !parted(self) {
            seed += 1;
            for (at, multiplier) in self.constants.multipliers.iter_mut().enumerate() {
                *multiplier = (seed * 6 + at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            }
        }
    }

    /// Name, first and second bucket of the template of all clients.
    fn template(&self) -> [u64; 3] {
        let ports = u32::from(protocol::TCP) | u32::from(PORT.to_be()) << 16;
        let (client, service) = (self.address(CLIENT, 0), self.address(VIP, 0));
        if self.six {
            let key = Key::<V6>::template(&self.constants, V6::network(client, 0, NETMASK6), service, ports);
            return [key.name, key.first.into(), key.second.into()];
        }
        let client = V4::network(client[0] as u32, NETMASK4, 0);
        let key = Key::<V4>::template(&self.constants, client, service[0] as u32, ports);
        [key.name, key.first.into(), key.second.into()]
    }

    /// Name, first and second bucket.
    fn key(&self, from: frames::End, to: frames::End, reply: bool) -> [u64; 3] {
        let ports = u32::from(from.1.to_be()) | u32::from(to.1.to_be()) << 16;
        let c = &self.constants;
        if self.six {
            let key = Key::<V6>::new(c, from.0, to.0, ports, protocol::TCP, reply);
            return [key.name, key.first.into(), key.second.into()];
        }
        let key = Key::<V4>::new(c, from.0[0] as u32, to.0[0] as u32, ports, protocol::TCP, reply);
        [key.name, key.first.into(), key.second.into()]
    }

    fn tables(&mut self, nat: bool) {
        let layout = self.layout;
        let set = |image: &mut Vec<u64>, at: usize, words: &[u64]| image[at..at + words.len()].copy_from_slice(words);
        let word = |[a, b, c, d, e, f]: [u8; 6]| u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
        let any = if self.all_ports { active::ANY_PORT } else { 0 };
        let switch = active::REUSE | any | if nat { active::NAT } else { 0 };
        set(&mut self.image, layout.active, &[switch, 1, 1]);
        let own = interface::first(word(frames::DIRECTOR));
        set(&mut self.image, layout.interface, &[own, u64::from(frames::INTERFACE)]);
        let service = Service {
            scheduler: relvs_core::schedule::ROUND,
            flags: if self.persistent { flag::PERSISTENT } else { 0 },
            bands: 1,
            round: 1,
            ring_length: 1,
            netmask6: NETMASK6,
            netmask4: NETMASK4,
            ..Service::default()
        };
        set(&mut self.image, layout.service, &service.pack());
        let (port, server_port) = if self.all_ports { (0, 0) } else { (PORT, SERVER_PORT) };
        let mut entries = vec![(self.address(VIP, 0), entry::key(port.to_be(), protocol::TCP), 0)];
        for number in 1..DESTINATIONS {
            if nat && number < 4 {
                let key = entry::key(server_port.to_be(), protocol::TCP) | entry::SERVER;
                entries.push((self.address(SERVER, number as u8), key, number as u64));
            }
            let record = Destination {
                method: if nat { method::NAT } else { method::DR },
                flags: AVAILABLE | if self.all_ports { WILDCARD } else { 0 },
                mtu: 1500,
                hop: hop::reference(number as u16, 0),
                server_port: server_port.to_be(),
                service_port: port.to_be(),
                tunnel_port: 0,
                rip: self.address(SERVER, number as u8),
                vip: self.address(VIP, 0),
                dip: [0; 2],
            };
            set(&mut self.image, layout.destinations + 8 * number, &record.pack());
            let hop = hop::Hop {
                destination: word(frames::mac(number as u8)),
                source: word(frames::DIRECTOR),
                interface: frames::INTERFACE,
                mtu: 1500,
                ..hop::Hop::default()
            };
            set(&mut self.image, layout.hops + 4 * number, &hop.pack());
        }
        for (at, (address, key, value)) in entries.into_iter().enumerate() {
            if self.six {
                set(&mut self.image, layout.entries + 4 * at, &[key, address[0], address[1], value]);
            } else {
                set(&mut self.image, layout.entries + 2 * at, &[key | address[0], value]);
            }
        }
    }

    fn address(&self, kind: u8, number: u8) -> [u64; 2] {
        address(self.six, kind, number)
    }

    fn vip_port(&self, flow: u8) -> u16 {
        if self.all_ports { PORT + u16::from(flow) } else { PORT }
    }

    fn client(&self, flow: u8) -> frames::End {
        (self.address(CLIENT, flow), 1000 + u16::from(flow))
    }

    fn service(&self, flow: u8) -> frames::End {
        (self.address(VIP, 0), self.vip_port(flow))
    }

    fn server(&self, flow: u8, number: usize) -> frames::End {
        (self.address(SERVER, number as u8), if self.all_ports { self.vip_port(flow) } else { SERVER_PORT })
    }

    /// Writes a flow into the image.
    fn put(&mut self, there: &There, nat: bool) {
        let Scene { layout, .. } = *self;
        let (client, service) = (self.client(there.flow), self.service(there.flow));
        let server = self.server(there.flow, there.destination);
        let body = control::LIVE | control::body(there.destination as u32, there.state as u8, 0);
        assert_eq!(nat, there.replies.is_some());
        let link = there.replies.map_or(Link::default(), |place| Link::to(place as u32, 0));
        let mut write = |place: usize, from: frames::End, to: frames::End, link: Link, reply: bool| {
            let at = layout.place(there.zone, place);
            let name = self.name(from, to, reply);
            self.image[at..at + name.len()].copy_from_slice(&name);
            self.image[at] |= body;
            self.image[at + layout.link] = link.0;
        };
        write(there.place, client, service, link, false);
        if let Some(place) = there.replies {
            write(place, server, client, Link::to(there.place as u32, 0), true);
        }
        let counts = &mut self.image[layout.loads + 4 * there.destination + load::COUNTS];
        *counts = counts.wrapping_add(load::share(body));
        self.given[usize::from(there.flow)][there.destination] = true;
    }

    /// Where a job begins.
    pub(crate) fn start(&self, job: Job) -> Start {
        let frame = match job {
            Job::Client { flow, flags, .. } => tcp(self.six, self.client(flow), self.service(flow), flags),
            Job::Server { flow, server, flags, .. } => {
                tcp(self.six, self.server(flow, server), self.client(flow), flags)
            }
            Job::Expire { .. } => Wire::default(),
        };
        Start { stage: None, frame, own: self.image[self.layout.flows..].to_vec(), before: Before::default() }
    }

    /// Runs a job as far as its answers are known.
    pub(crate) fn run(&self, job: Job, start: &Start, answers: &[Answer], shared: &[Option<u8>]) -> Stop {
        let given = match job {
            Job::Client { chosen, now, .. } => (chosen, now),
            Job::Server { now, .. } => (0, now),
            Job::Expire { .. } => (0, 0),
        };
        let run = Run::new(self, given, start, answers, shared);
        let stop = self.stop(&run, job, start);
        run.asked().map_or(stop, Stop::Asks)
    }

    fn stop(&self, run: &Run<'_>, job: Job, start: &Start) -> Stop {
        if let Job::Expire { zone, place, since } = job {
            if self.six {
                expire::<V6>(run, zone, place, since);
            } else {
                expire::<V4>(run, zone, place, since);
            }
            return Stop::Ends(Ends::Looked);
        }
        let mut frame = start.frame.clone();
        let verdict = match start.stage {
            None => director::fast(&mut frame, &run),
            Some(number) => director::stage(&mut frame, &run, STAGES[number]),
        };
        match verdict {
            Verdict::Next(stage) => Stop::Goes(run.start(stage as usize, frame)),
            settled @ (Verdict::Pass(_) | Verdict::Drop(_) | Verdict::Transmit | Verdict::Redirect(_)) => {
                Stop::Ends(self.ends(job, &frame, settled))
            }
        }
    }

    fn ends(&self, job: Job, frame: &Wire, verdict: Verdict) -> Ends {
        match verdict {
            Verdict::Pass(reason) => return Ends::Passed(reason),
            Verdict::Drop(reason) => return Ends::Dropped(reason),
            Verdict::Transmit | Verdict::Redirect(_) | Verdict::Next(_) => {}
        }
        let right = match job {
            Job::Client { flow, .. } => (1..DESTINATIONS).find(|number| {
                let to = if self.is_nat() { self.server(flow, *number) } else { self.service(flow) };
                frame.to() == frames::mac(*number as u8)
                    && self.given[usize::from(flow)][*number]
                    && frame.end(true) == self.client(flow)
                    && frame.end(false) == to
            }),
            Job::Server { flow, server, .. } => {
                let ends = frame.end(true) == self.service(flow) && frame.end(false) == self.client(flow);
                (ends && frame.to() == frames::mac(0)).then_some(server)
            }
            Job::Expire { .. } => None,
        };
        right.map_or(Ends::Astray, Ends::Forwarded)
    }

    fn is_nat(&self) -> bool {
        self.image[self.layout.active + active::SWITCH] & active::NAT != 0
    }

    /// What distinguishes the record of a control word from others: its name and what follows it.
    pub(crate) fn named(&self, word: usize, newest: impl Fn(usize) -> u64) -> Vec<u64> {
        let name = newest(word) & control::NAME;
        let addresses = (1..self.layout.ports).map(|at| newest(word + at));
        let ports = newest(word + self.layout.ports) & 0xffff_ffff;
        [name].into_iter().chain(addresses).chain([ports]).collect()
    }

    /// The record's name of a client's flow.
    pub(crate) fn name_of(&self, flow: u8) -> Vec<u64> {
        self.name(self.client(flow), self.service(flow), false)
    }

    fn name(&self, from: frames::End, to: frames::End, reply: bool) -> Vec<u64> {
        let ports = u64::from(from.1.to_be()) | u64::from(to.1.to_be()) << 16;
        let addresses =
            if self.six { vec![from.0[0], from.0[1], to.0[0], to.0[1]] } else { vec![from.0[0] | to.0[0] << 32] };
        [self.key(from, to, reply)[0]].into_iter().chain(addresses).chain([ports]).collect()
    }
}

/// What `relvs_dataplane::scan` does with a record, by the same steps.
fn expire<F: Family>(run: &Run<'_>, zone: Zone, place: usize, since: u16) {
    let record = run.part(run.scene.layout.place(zone, place));
    let seen = record.load(0);
    if seen & control::PHASE != control::LIVE {
        return;
    }
    let partner = Link(record.load(F::LINK)).follow::<F, _>(&run, zone);
    let youngest = partner.map_or(0, |(.., word)| control::seconds(word)).max(control::seconds(seen));
    if youngest >= since || record.compare_exchange(0, seen, control::freed(seen)).is_err() {
        return;
    }
    load::unbind(&run, seen);
    if let Some((bucket, word, seen)) = partner
        && bucket.compare_exchange(word, seen, control::freed(seen)).is_ok()
    {
        load::unbind(&run, seen);
    }
}
