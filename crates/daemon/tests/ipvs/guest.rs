//! Inside the oracle's guest: a real kernel's IPVS is set up by ipvsadm, gets the frames, and what comes out is written
//! down. A namespace for each case, so that none sees another's connections.
//!
//! A frame that is sent into the veth pair is worked off before the call returns, so what it caused is there to be
//! read at once. That nothing more comes is proved by an ARP request behind it, which is answered.

use crate::{
    answer::{Answer, Connection, Counts, Figures, Look},
    case::{Case, Flow, Step, server, server_number},
    frame::{self, DIRECTOR, ROUTER, server_mac},
};
use nix::{
    ifaddrs::getifaddrs,
    sched::{CloneFlags, unshare},
    sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send, socket},
};
use relvs_lab::oracle::{ANSWERS, CASES, folder};
use relvs_net::arp;
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsRawFd, OwnedFd},
    panic::resume_unwind,
    process::{Child, ChildStderr, ChildStdin, Command, Stdio},
    sync::{Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

/// Cases that do something at the same time: most of one's time is waiting.
const AT_ONCE: usize = 6;
/// Cases that are there at the same time.
const THERE: usize = 24;
/// Statistics are those of the last estimation, which is every two seconds.
const ESTIMATION: Duration = Duration::from_millis(2300);
/// The director's address towards the servers.
const DIP: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 1);
/// Servers that have a MAC.
const SERVERS: u8 = 16;
/// So often the connections are read at most.
const LOOKS: usize = 200;
/// Two of the kernel's ticks.
const SETTLE: Duration = Duration::from_millis(20);
/// An answer to the ARP request comes at once; or something is wrong.
const PATIENCE: Duration = Duration::from_secs(2);

/// The driver: `ipvs --ignored --exact guest::drive`, as the first program of the guest.
#[test]
#[ignore = "runs inside the oracle's guest, where the test of generated cases starts it"]
fn drive() {
    let folder = folder().unwrap();
    let lines = BufReader::new(File::open(folder.join(CASES)).unwrap()).lines();
    let cases = lines.map(|line| serde_json::from_str::<Case>(&line.unwrap()).unwrap());
    let (slow, quick): (Vec<Case>, Vec<Case>) = cases.partition(Case::waits);
    let quick = Mutex::new(quick.into_iter());
    let answers = Mutex::new(File::create(folder.join(ANSWERS)).unwrap());
    let one = |case: &Case, turns: &Turns| {
        let line = serde_json::to_string(&(case.number, run(case, turns))).unwrap() + "\n";
        answers.lock().unwrap().write_all(line.as_bytes()).unwrap();
    };
    let turns = Turns::new(AT_ONCE);
    let work = || {
        loop {
            let Some(case) = quick.lock().unwrap().next() else { return };
            one(&case, &turns);
        }
    };
    // Those in which seconds count wait for nobody.
    let free = Turns::new(slow.len());
    let (one, free) = (&one, &free);
    thread::scope(|scope| {
        for case in &slow {
            scope.spawn(move || one(case, free));
        }
        for _ in 0..THERE {
            scope.spawn(work);
        }
    });
}

/// How many cases may do something now.
struct Turns {
    left: Mutex<usize>,
    given: Condvar,
}

impl Turns {
    fn new(left: usize) -> Self {
        Turns { left: Mutex::new(left), given: Condvar::new() }
    }

    fn take(&self) {
        let left = self.left.lock().unwrap();
        *self.given.wait_while(left, |left| *left == 0).unwrap() -= 1;
    }

    fn give(&self) {
        *self.left.lock().unwrap() += 1;
        self.given.notify_one();
    }

    /// Others may do something meanwhile.
    fn sleep(&self, time: Duration) {
        self.give();
        thread::sleep(time);
        self.take();
    }
}

/// What the kernel answered to each step. A thread that has entered a new namespace is used up.
fn run(case: &Case, turns: &Turns) -> Vec<Answer> {
    let steps = || {
        turns.take();
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let mut director = Director::new(turns);
        let answers = case.steps.iter().map(|step| director.step(step)).collect();
        drop(director);
        turns.give();
        answers
    };
    thread::scope(|scope| scope.spawn(steps).join()).unwrap_or_else(|panic| resume_unwind(panic))
}

/// The namespace's director, and the other end of its link.
struct Director<'a> {
    turns: &'a Turns,
    wire: OwnedFd,
    ipvsadm: Ipvsadm,
    /// Where each flow's packets went last.
    reached: HashMap<Flow, SocketAddr>,
}

impl<'a> Director<'a> {
    fn new(turns: &'a Turns) -> Self {
        set_up();
        let wire = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_NONBLOCK, SockProtocol::EthAll).unwrap();
        bind(wire.as_raw_fd(), &link("wire")).unwrap();
        Director { turns, wire, ipvsadm: Ipvsadm::start(), reached: HashMap::new() }
    }

    fn step(&mut self, step: &Step) -> Answer {
        match step {
            Step::Do(lines) => self.ipvsadm.run(lines),
            Step::Set(name, value) => {
                write(&format!("ipv4/vs/{name}"), &value.to_string());
                Answer::Done
            }
            Step::Mark { .. } => {
                let command = step.to_string();
                let words: Vec<&str> = command.split(' ').collect();
                done(Command::new(words[0]).args(&words[1..]))
            }
            Step::Client(flow, sent) => {
                let answer = self.exchange(*flow, &frame::from_client(*flow, *sent));
                if let Answer::Server { number, port, .. } = answer {
                    let address = server(flow.service.is_ipv6(), number);
                    self.reached.insert(*flow, SocketAddr::new(address, port));
                }
                answer
            }
            Step::Server(flow, sent) => match self.reached.get(flow) {
                Some(server) => self.exchange(*flow, &frame::from_server(*flow, *server, *sent)),
                None => Answer::Nothing,
            },
            Step::Wait(seconds) => {
                self.turns.sleep(Duration::from_secs(u64::from(*seconds)));
                Answer::Done
            }
            Step::Settle => {
                thread::sleep(SETTLE);
                connections();
                Answer::Done
            }
            Step::Look => Answer::Look(look()),
            Step::Statistics => {
                self.turns.sleep(ESTIMATION);
                Answer::Statistics(statistics())
            }
        }
    }

    /// Sends a frame and gives what it caused.
    fn exchange(&self, flow: Flow, frame: &[u8]) -> Answer {
        let mut caused = None;
        let question = arp::Packet::probe(ROUTER, DIP).frame(arp::BROADCAST);
        for sent in [frame, &question] {
            assert_eq!(send(self.wire.as_raw_fd(), sent, MsgFlags::empty()), Ok(sent.len()));
        }
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = [0; 4096];
        while Instant::now() < deadline {
            let Ok(length) = recv(self.wire.as_raw_fd(), &mut buffer, MsgFlags::empty()) else {
                thread::yield_now();
                continue;
            };
            let seen = &buffer[..length];
            if arp::Packet::parse(seen).is_some_and(|p| p.sender == DIP) {
                return caused.unwrap_or(Answer::Nothing);
            }
            if let Some(answer) = frame::classify(flow, seen) {
                assert_eq!(caused, None, "two frames came out for one: {answer} is the second");
                caused = Some(answer);
            }
        }
        panic!("the director does not answer ARP any more");
    }
}

/// The address of an interface for packet sockets: nothing but the system's own list makes one without unsafe code.
fn link(name: &str) -> LinkAddr {
    let mut all = getifaddrs().unwrap();
    all.find_map(|a| if a.interface_name == name { a.address?.as_link_addr().copied() } else { None }).unwrap()
}

fn write(key: &str, value: &str) {
    fs::write(format!("/proc/sys/net/{key}"), value).unwrap_or_else(|e| panic!("{key}: {e}"));
}

/// The link with its routes, neighbours and switches. Every address in the VIPs' networks is the director's.
fn set_up() {
    let mac = |mac| relvs_net::mac_text(&mac);
    let mut lines = vec![
        format!("link add name lan address {} type veth peer name wire", mac(DIRECTOR)),
        "link set lo up".to_owned(),
        "link set lan up".to_owned(),
        "link set wire arp off up".to_owned(),
        "addr add 10.2.0.1/16 dev lan".to_owned(),
        "addr add 10.3.0.1/24 dev lan".to_owned(),
        "addr add 2001:db8:2::1/64 dev lan nodad".to_owned(),
        "addr add 2001:db8:3::1/64 dev lan nodad".to_owned(),
        format!("neigh add 10.3.0.2 lladdr {} dev lan nud permanent", mac(ROUTER)),
        format!("neigh add 2001:db8:3::2 lladdr {} dev lan nud permanent", mac(ROUTER)),
        "route add default via 10.3.0.2".to_owned(),
        "route add default via 2001:db8:3::2".to_owned(),
        "route add local 10.64.0.0/10 dev lo".to_owned(),
        "route add local 2001:db8:f::/48 dev lo".to_owned(),
    ];
    for six in [false, true] {
        for number in 1..=SERVERS {
            let address = server(six, number);
            lines.push(format!("neigh add {address} lladdr {} dev lan nud permanent", mac(server_mac(address))));
        }
    }
    for switch in ["ipv4/conf/all/rp_filter", "ipv4/conf/default/rp_filter", "ipv6/conf/default/accept_dad"] {
        write(switch, "0");
    }
    let mut ip = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    ip.stdin.take().unwrap().write_all(lines.join("\n").as_bytes()).unwrap();
    assert!(ip.wait().unwrap().success(), "ip -batch");
    let switches = [
        ("ipv4/ip_forward", "1"),
        ("ipv6/conf/all/forwarding", "1"),
        ("ipv6/conf/wire/disable_ipv6", "1"),
        ("ipv4/conf/all/send_redirects", "0"),
        ("ipv4/conf/lan/send_redirects", "0"),
        // No limit to ICMP errors.
        ("ipv4/icmp_ratemask", "0"),
        ("ipv6/icmp/ratemask", "255"),
    ];
    for (switch, value) in switches {
        write(switch, value);
    }
}

/// `ipvsadm -R`, which does what each line says when it has read it: one process for a case instead of one for a command.
struct Ipvsadm {
    child: Child,
    lines: ChildStdin,
    said: BufReader<ChildStderr>,
}

/// A command that fails says when those before it are done. No case has this server.
const MARKER: &str = "-d -t 0.0.0.1:1 -r 0.0.0.1:1";
const MARKED: &str = "Service not defined";

impl Ipvsadm {
    fn start() -> Self {
        let mut command = Command::new("ipvsadm");
        let mut child = command.arg("-R").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (lines, said) = (child.stdin.take().unwrap(), child.stderr.take().unwrap());
        Ipvsadm { child, lines, said: BufReader::new(said) }
    }

    fn run(&mut self, lines: &[String]) -> Answer {
        self.lines.write_all(format!("{}\n{MARKER}\n", lines.join("\n")).as_bytes()).unwrap();
        let mut refused = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.said.read_line(&mut line).unwrap() > 0, "ipvsadm ended: {refused:?}");
            if line.trim() == MARKED {
                break;
            }
            refused.push(line.trim().to_owned());
        }
        if refused.is_empty() { Answer::Done } else { Answer::Refused(refused.join("; ")) }
    }
}

impl Drop for Ipvsadm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn done(command: &mut Command) -> Answer {
    let output = command.output().unwrap();
    if output.status.success() {
        Answer::Done
    } else {
        Answer::Refused(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

/// Once no connection is to end at once: what ends by a timer, and what it counts for, may be gone or not.
fn look() -> Look {
    let connections = connections();
    let services = fs::read_to_string("/proc/thread-self/net/ip_vs").unwrap();
    let mut look = Look { servers: counts(&services), connections };
    if services.contains(" persistent ") {
        let output = Command::new("ipvsadm").args(["-Ln", "--persistent-conn"]).output().unwrap();
        persistent(&mut look.servers, &String::from_utf8_lossy(&output.stdout));
    }
    look.servers.sort();
    look
}

/// The connections, sorted, when none is about to end. The kernel finds its place between two pages by counting all connections, those of other
/// namespaces too, so a page may begin too early or too late: what is read twice the same is right.
fn connections() -> Vec<Connection> {
    let read = || {
        let text = fs::read_to_string("/proc/thread-self/net/ip_vs_conn").unwrap();
        let mut all: Vec<Connection> = text.lines().skip(1).map(connection).collect();
        all.sort();
        all
    };
    let names = |all: &[Connection]| all.iter().map(|c| Connection { expires_s: 0, ..c.clone() }).collect::<Vec<_>>();
    let mut before = read();
    for _ in 0..LOOKS {
        let now = read();
        if now.iter().any(|c| c.expires_s == 0) {
            thread::sleep(SETTLE);
        } else if names(&before) == names(&now) {
            return now;
        }
        before = now;
    }
    panic!("the connections are not twice the same");
}

/// Of /proc/net/ip_vs: "TCP  C0000201:0050 rr", "FWM  00000007 rr", "  -> 0A02000B:1F90      Masq    1      0          8".
fn counts(text: &str) -> Vec<Counts> {
    let mut service = String::new();
    let mut all = Vec::new();
    for line in text.lines().skip(3) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[0] == "->" {
            let (active, inactive) = (words[4].parse().unwrap(), words[5].parse().unwrap());
            all.push(Counts {
                service: service.clone(),
                server: hexadecimal(words[1]),
                active,
                inactive,
                persistent: 0,
            });
        } else if words[0] == "FWM" {
            service = format!("FWM {}", u32::from_str_radix(words[1], 16).unwrap());
        } else {
            service = format!("{} {}", words[0], hexadecimal(words[1]));
        }
    }
    all
}

/// What `ipvsadm -Ln --stats --exact` shows: "TCP  192.0.2.1:80   1  2  3  4  5", "FWM  7 IPv6  1 ...",
/// "  -> 10.2.0.11:8080  1 ...".
fn statistics() -> Vec<Figures> {
    let output = Command::new("ipvsadm").args(["-Ln", "--stats", "--exact"]).output().unwrap();
    let mut service = String::new();
    let mut all = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines().skip(3) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let figures = words[words.len() - 5..].iter().map(|word| word.parse().unwrap()).collect::<Vec<u64>>();
        let of = if words[0] == "->" {
            format!("{service} -> {}", words[1])
        } else {
            service = format!("{} {}", words[0], words[1]);
            service.clone()
        };
        all.push(Figures { of, figures: figures.try_into().unwrap() });
    }
    all.sort();
    all
}

/// "0A02000B:1F90" or "[2001:0db8:0000:0000:0000:0000:0000:0001]:1F90".
fn hexadecimal(text: &str) -> SocketAddr {
    let (address, port) = text.rsplit_once(':').unwrap();
    SocketAddr::new(hexadecimal_address(address), u16::from_str_radix(port, 16).unwrap())
}

fn hexadecimal_address(text: &str) -> IpAddr {
    match text.trim_matches(['[', ']']) {
        six if six.contains(':') => six.parse::<Ipv6Addr>().unwrap().into(),
        four => Ipv4Addr::from_bits(u32::from_str_radix(four, 16).unwrap()).into(),
    }
}

/// "TCP 0A010001 03E8 C0000201 0050 0A02000B 1F90 ESTABLISHED     899".
pub(crate) fn connection(line: &str) -> Connection {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = |i: usize| (hexadecimal_address(words[i]), u16::from_str_radix(words[i + 1], 16).unwrap());
    Connection {
        protocol: words[0].to_owned(),
        client: at(1),
        service: at(3),
        server: at(5),
        state: words[7].to_owned(),
        expires_s: words[8].parse().unwrap(),
    }
}

/// Adds what `ipvsadm -Ln --persistent-conn` shows: "TCP  192.0.2.1:80 rr persistent 300", then
/// "  -> 10.2.0.11:8080   1   1   3   0": weight, templates, active, inactive.
fn persistent(servers: &mut [Counts], text: &str) {
    let mut service = String::new();
    for line in text.lines().skip(3) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[0] == "->" {
            let address: SocketAddr = words[1].parse().unwrap();
            let there = servers.iter_mut().find(|s| s.service == service && s.server == address).unwrap();
            there.persistent = words[3].parse().unwrap();
        } else {
            service = format!("{} {}", words[0], words[1]);
        }
    }
    debug_assert!(servers.iter().all(|s| server_number(s.server.ip()) <= SERVERS));
}
