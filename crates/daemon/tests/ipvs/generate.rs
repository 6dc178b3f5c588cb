//! Cases from a seed: a service with servers and switches, then arrivals, packets of connections, and commands in turn.
//!
//! It knows what ipvsadm takes, and which packets make sense; it does not know what a director answers.

use crate::{
    case::{ACK, Case, FIN, Flow, PSH, RST, SCTP, SYN, Sent, Step, TCP, UDP, endpoint},
    random::Random,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Every scheduler that is not random.
pub(crate) const SCHEDULERS: [&str; 13] =
    ["rr", "wrr", "lc", "wlc", "sh", "dh", "mh", "sed", "nq", "fo", "ovf", "lblc", "lblcr"];

/// What a service is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Port(u8, u16),
    /// Any port of this protocol.
    AnyPort(u8),
    Mark(u32),
}

/// How heavy servers are.
#[derive(Clone, Copy, Debug)]
enum Weights {
    Equal,
    Small,
    Large,
}

/// A server as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Server {
    number: u8,
    method: &'static str,
    weight: u32,
    upper: u32,
    lower: u32,
}

struct Generator {
    random: Random,
    six: bool,
    key: Key,
    /// The VIP; with a mark, the first of its network.
    vip: IpAddr,
    scheduler: &'static str,
    /// Options of the service but for the scheduler and its flags.
    options: String,
    method: Option<&'static str>,
    weights: Weights,
    thresholds: bool,
    port: u16,
    servers: Vec<Server>,
    removed: Vec<Server>,
    open: Vec<Flow>,
    clients: u32,
    steps: Vec<Step>,
}

/// The case with this number of a seed.
pub(crate) fn case(seed: u64, number: u64) -> Case {
    let mut random = Random::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let scheduler = SCHEDULERS[(number % SCHEDULERS.len() as u64) as usize];
    let six = random.percent(30);
    let key = match random.below(100) {
        0..55 => Key::Port(TCP, 80),
        55..78 => Key::Port(UDP, 53),
        78..85 => Key::Port(SCTP, 99),
        85..92 => Key::AnyPort(random.pick(&[TCP, TCP, UDP])),
        _ => Key::Mark(random.within(1, 1000)),
    };
    let vip = vip(&mut random, six);
    let method = random.percent(70).then(|| random.pick(&["-m", "-g", "-i"]));
    let weights = random.pick(&[Weights::Equal, Weights::Small, Weights::Small, Weights::Large]);
    let (thresholds, port, clients) = (random.percent(25), random.pick(&[80, 8080]), random.pick(&[1, 4, 30]));
    let mut generator = Generator {
        options: options(&mut random, six, key),
        random,
        six,
        key,
        vip,
        scheduler,
        method,
        weights,
        thresholds,
        port,
        servers: Vec::new(),
        removed: Vec::new(),
        open: Vec::new(),
        clients,
        steps: Vec::new(),
    };
    generator.begin();
    for _ in 0..generator.random.within(20, 50) {
        generator.event();
    }
    generator.steps.extend([Step::Look, Step::Statistics]);
    let title = format!("{scheduler} {key:?} ipv{}{}", if six { 6 } else { 4 }, generator.options);
    Case { number, title, steps: generator.steps }
}

fn vip(random: &mut Random, six: bool) -> IpAddr {
    let [_, _, c, d, e, f, g, _] = random.next().to_be_bytes();
    if six {
        let half = |a, b| u16::from_be_bytes([a, b]);
        Ipv6Addr::new(0x2001, 0xdb8, 0xf, half(c, d), 0, half(e, f), 0, half(g, 0)).into()
    } else {
        Ipv4Addr::new(10, 64 + c % 64, d, 0).into()
    }
}

/// The options of a service besides its scheduler.
fn options(random: &mut Random, six: bool, key: Key) -> String {
    let mut options = String::new();
    if matches!(key, Key::AnyPort(_)) || random.percent(20) {
        options.push_str(&format!(" -p {}", random.pick(&[30, 100, 360, 1000])));
        if random.percent(50) {
            let mask = if six {
                random.pick(&["64", "112", "124", "127"])
            } else {
                random.pick(&["255.255.255.0", "255.255.0.0", "255.255.255.252", "255.0.255.1"])
            };
            options.push_str(&format!(" -M {mask}"));
        }
    }
    let udp = matches!(key, Key::Port(UDP, _) | Key::AnyPort(UDP) | Key::Mark(_));
    if udp && random.percent(15) {
        options.push_str(" -o");
    }
    options
}

impl Generator {
    /// Switches, the mark, the service and its servers.
    fn begin(&mut self) {
        for _ in 0..self.random.below(3) {
            self.switch();
        }
        if let Key::Mark(mark) = self.key {
            let network = format!("{}/{}", self.vip, if self.six { 120 } else { 24 });
            let only = [(TCP, 1, 65535), (TCP, 80, 90), (UDP, 50, 60)];
            let protocol = self.random.percent(50).then(|| self.random.pick(&only));
            self.steps.push(Step::Mark { network, protocol, mark });
        }
        let mut lines = vec![format!("-A {} {}", self.named(), self.service())];
        for number in 1..=self.random.within(2, 12) {
            let server = self.new_server(number as u8);
            lines.push(format!("-a {}", self.line(server)));
            self.servers.push(server);
        }
        self.steps.push(Step::Do(lines));
    }

    fn event(&mut self) {
        match self.random.below(100) {
            0..45 => self.arrive(),
            45..77 => self.go_on(),
            77..80 => self.stray(),
            80..94 => self.command(),
            94..96 => self.switch(),
            _ => self.steps.push(Step::Look),
        }
    }

    /// "-t VIP:80", "-f 7 -6".
    fn named(&self) -> String {
        let port = match self.key {
            Key::Port(_, port) => port,
            Key::AnyPort(_) => 0,
            Key::Mark(mark) => return format!("-f {mark}{}", if self.six { " -6" } else { "" }),
        };
        let option = match self.key {
            Key::Port(TCP, _) | Key::AnyPort(TCP) => "-t",
            Key::Port(UDP, _) | Key::AnyPort(UDP) => "-u",
            _ => "--sctp-service",
        };
        format!("{option} {}", endpoint(self.vip, port))
    }

    /// Scheduler, its flags, options.
    fn service(&mut self) -> String {
        let mut text = format!("-s {}", self.scheduler);
        let flags: &[&str] = match self.scheduler {
            "sh" => &["sh-port", "sh-fallback", "sh-port,sh-fallback"],
            "mh" => &["mh-port", "mh-fallback", "mh-port,mh-fallback"],
            _ => &[],
        };
        if !flags.is_empty() && self.random.percent(60) {
            text.push_str(&format!(" -b {}", self.random.pick(flags)));
        }
        text + &self.options
    }

    fn new_server(&mut self, number: u8) -> Server {
        let method = match self.method {
            Some(method) => method,
            None => self.random.pick(&["-m", "-g", "-i"]),
        };
        let server = Server { number, method, weight: 1, upper: 0, lower: 0 };
        self.changed(server)
    }

    /// The same server with another weight and other thresholds.
    fn changed(&mut self, server: Server) -> Server {
        let weight = match self.weights {
            Weights::Equal => u32::from(!self.random.percent(10)),
            Weights::Small => self.random.below(6),
            Weights::Large => self.random.below(101),
        };
        let (mut upper, mut lower) = (0, 0);
        if self.thresholds && self.random.percent(70) {
            upper = self.random.within(1, 6);
            lower = if self.random.percent(50) { self.random.below(upper + 1) } else { 0 };
        }
        Server { weight, upper, lower, ..server }
    }

    /// "-t VIP:80 -r RIP:8080 -m -w 3 -x 4 -y 2".
    fn line(&self, server: Server) -> String {
        let address = crate::case::server(self.six, server.number);
        let port = match (self.key, server.method) {
            (Key::Port(..), "-m") => self.port,
            (Key::Port(_, port), _) => port,
            _ => 0,
        };
        let Server { method, weight, upper, lower, .. } = server;
        let named = self.named();
        let mut line = format!("{named} -r {} {method} -w {weight}", endpoint(address, port));
        if upper > 0 {
            line.push_str(&format!(" -x {upper} -y {lower}"));
        }
        line
    }

    /// A client that may be one of those before, with a port of its own.
    fn flow(&mut self) -> Flow {
        let number = self.random.below(self.clients) as u16;
        let address: IpAddr = if self.six {
            Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, number % 7, number).into()
        } else {
            Ipv4Addr::new(10, 1, (number % 5) as u8, 1 + number as u8).into()
        };
        let client = SocketAddr::new(address, 1024 + self.random.below(60_000) as u16);
        let ports = [80, 81, 53, 443, 8080];
        let (protocol, port) = match self.key {
            Key::Port(protocol, port) => (protocol, port),
            Key::AnyPort(protocol) => (protocol, self.random.pick(&ports)),
            Key::Mark(_) => (self.random.pick(&[TCP, UDP]), self.random.pick(&ports)),
        };
        let last = if matches!(self.key, Key::Mark(_)) { self.random.below(12) } else { 0 };
        let address = match self.vip {
            IpAddr::V4(vip) => Ipv4Addr::from_bits(vip.to_bits() + last).into(),
            IpAddr::V6(vip) => Ipv6Addr::from_bits(vip.to_bits() + u128::from(last)).into(),
        };
        Flow { protocol, client, service: SocketAddr::new(address, port) }
    }

    /// A connection is opened: half, or wholly.
    fn arrive(&mut self) {
        let flow = self.flow();
        self.open.push(flow);
        let held = self.random.percent(60);
        match flow.protocol {
            TCP => {
                self.steps.push(Step::Client(flow, Sent::Segment(SYN)));
                if held {
                    self.steps.push(Step::Server(flow, Sent::Segment(SYN | ACK)));
                    self.steps.push(Step::Client(flow, Sent::Segment(ACK)));
                }
            }
            UDP => self.steps.push(Step::Client(flow, Sent::Datagram)),
            _ => {
                self.steps.push(Step::Client(flow, Sent::Chunk(INIT)));
                if held {
                    self.steps.push(Step::Server(flow, Sent::Chunk(INIT_ACK)));
                    self.steps.push(Step::Client(flow, Sent::Chunk(COOKIE_ECHO)));
                    self.steps.push(Step::Server(flow, Sent::Chunk(COOKIE_ACK)));
                }
            }
        }
    }

    /// A packet or some of a connection that was opened before.
    fn go_on(&mut self) {
        if self.open.is_empty() {
            return self.arrive();
        }
        let at = self.random.below(self.open.len() as u32) as usize;
        let flow = self.open[at];
        let client = |flags| Step::Client(flow, Sent::Segment(flags));
        let server = |flags| Step::Server(flow, Sent::Segment(flags));
        match flow.protocol {
            TCP => match self.random.below(100) {
                0..25 => self.steps.push(client(ACK | PSH)),
                25..40 => self.steps.push(server(ACK | PSH)),
                40..58 => self.steps.extend([client(FIN | ACK), server(FIN | ACK), client(ACK)]),
                58..68 => self.steps.extend([server(FIN | ACK), client(FIN | ACK), server(ACK)]),
                68..73 => self.steps.push(client(FIN | ACK)),
                73..78 => self.steps.push(server(FIN | ACK)),
                78..85 => self.steps.push(client(RST)),
                85..88 => self.steps.push(server(RST | ACK)),
                88..91 => self.steps.push(server(SYN | ACK)),
                91..93 => self.steps.push(client(SYN | ACK)),
                _ => self.again(Step::Client(flow, Sent::Segment(SYN))),
            },
            UDP if self.random.percent(60) => self.steps.push(Step::Client(flow, Sent::Datagram)),
            UDP => self.steps.push(Step::Server(flow, Sent::Datagram)),
            _ => {
                let chunk = Sent::Chunk(self.random.pick(&CHUNKS));
                let step = if self.random.percent(50) { Step::Client(flow, chunk) } else { Step::Server(flow, chunk) };
                self.again(step);
            }
        }
    }

    /// A packet by which a connection may be given up and another opened in its place: the kernel does the first by a timer.
    fn again(&mut self, step: Step) {
        self.steps.push(step);
        self.steps.push(Step::Settle);
    }

    /// A packet that belongs to no connection.
    fn stray(&mut self) {
        let flow = self.flow();
        let sent = match flow.protocol {
            TCP => Sent::Segment(self.random.pick(&[ACK, FIN | ACK, RST, SYN | ACK, ACK | PSH])),
            UDP => return self.arrive(),
            _ => Sent::Chunk(self.random.pick(&CHUNKS)),
        };
        self.open.push(flow);
        self.steps.push(Step::Client(flow, sent));
    }

    /// Servers change, or the service does.
    fn command(&mut self) {
        let line = match self.random.below(100) {
            0..45 if !self.servers.is_empty() => {
                let at = self.random.below(self.servers.len() as u32) as usize;
                let new = self.changed(self.servers[at]);
                if new == self.servers[at] {
                    return;
                }
                self.servers[at] = new;
                format!("-e {}", self.line(new))
            }
            45..65 if self.servers.len() > 1 => {
                let at = self.random.below(self.servers.len() as u32) as usize;
                let gone = self.servers.remove(at);
                self.removed.push(gone);
                let line = self.line(gone);
                let end = line.match_indices(' ').nth(if line.contains(" -6 ") { 4 } else { 3 }).map_or(0, |(i, _)| i);
                format!("-d {}", &line[..end])
            }
            65..80 if !self.removed.is_empty() => {
                let at = self.random.below(self.removed.len() as u32) as usize;
                let server = self.changed(self.removed[at]);
                self.removed.remove(at);
                self.servers.push(server);
                format!("-a {}", self.line(server))
            }
            80..90 if self.servers.len() < 12 => {
                let taken =
                    |n: &u8| self.servers.iter().any(|s| s.number == *n) || self.removed.iter().any(|s| s.number == *n);
                let Some(number) = (1..=12).find(|n| !taken(n)) else { return };
                let server = self.new_server(number);
                self.servers.push(server);
                format!("-a {}", self.line(server))
            }
            90.. => {
                self.scheduler = self.random.pick(&SCHEDULERS);
                format!("-E {} {}", self.named(), self.service())
            }
            _ => return,
        };
        self.steps.push(Step::Do(vec![line]));
        self.steps.push(Step::Settle);
    }

    fn switch(&mut self) {
        let (name, values): (&str, &[u32]) = self.random.pick(&[
            ("expire_nodest_conn", &[0, 1, 1]),
            ("expire_quiescent_template", &[0, 1, 1]),
            ("conn_reuse_mode", &[0, 1, 2, 3]),
            ("sloppy_tcp", &[0, 1]),
            ("sloppy_sctp", &[0, 1]),
        ]);
        let value = self.random.pick(values);
        self.steps.push(Step::Set(name.to_owned(), value));
    }
}

/// SCTP chunk types (RFC 9260 section 3.2).
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;
/// DATA, INIT, INIT ACK, SACK, HEARTBEAT, ABORT, SHUTDOWN and its ACK, ERROR, COOKIE ECHO and ACK, SHUTDOWN COMPLETE.
const CHUNKS: [u8; 12] = [0, INIT, INIT_ACK, 3, 4, 6, 7, 8, 9, COOKIE_ECHO, COOKIE_ACK, 14];
