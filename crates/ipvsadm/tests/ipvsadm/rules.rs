//! Saving and restoring generated states.

use crate::{memory::Memory, random::Random};
use relvs_ipvsadm::{
    Change, ConnectionView, Denied, Director, NoNames, Refused, Restore, ServiceView, Session, apply, apply_all,
    ipvsadm,
};
use relvs_model::{
    Method, Netmask, Persistence, Protocol, Scheduler, SchedulerFlags, Server, Service, ServiceKey, State, Timeouts,
};
use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Instant,
};

const STATES: u64 = 1000;

/// A state that ipvsadm can describe. Its services' addresses do not go round in a circle: their order is the hash's.
pub(crate) fn state(random: &mut Random) -> State {
    let mut state = State::default();
    for _ in 0..random.below(8) {
        let service = service(random);
        if state.services.iter().all(|other| other.key != service.key) {
            state.services.push(service);
        }
    }
    if random.percent(50) {
        let mut seconds = || 1 + random.below(2_678_400) as u32;
        state.timeouts = Timeouts { tcp_s: seconds(), tcp_fin_s: seconds(), udp_s: seconds() };
    }
    state
}

fn address(random: &mut Random, ipv4: bool, firsts: &[u8]) -> IpAddr {
    let host = 1 + random.below(250) as u16;
    let first = firsts[random.below(firsts.len())];
    if ipv4 {
        Ipv4Addr::new(first, 0, random.below(2) as u8, host as u8).into()
    } else {
        Ipv6Addr::new(0xfd00, 0, u16::from(first), 0, 0, 0, random.below(2) as u16, host).into()
    }
}

fn service(random: &mut Random) -> Service {
    let ipv4 = random.percent(70);
    let any = random.percent(10);
    let key = if random.percent(20) {
        let large = random.percent(30);
        ServiceKey::mark(1 + random.below(9) as u32 + if large { u32::MAX - 20 } else { 0 }, !ipv4)
    } else {
        let protocol = Protocol::ALL[random.below(3)];
        ServiceKey::listen(protocol, address(random, ipv4, &[10]), if any { 0 } else { 1 + random.below(65535) as u16 })
    };
    // The oracle's kernel has no twos.
    let schedulers = &Scheduler::ALL[..Scheduler::ALL.len() - 1];
    let mut service = Service::new(key, schedulers[random.below(schedulers.len())], Vec::new());
    for flag in [SchedulerFlags::FALLBACK, SchedulerFlags::PORT, SchedulerFlags::THIRD] {
        if random.percent(20) {
            service.flags = service.flags.with(flag);
        }
    }
    if key.protocol().is_some() && key.port() == 0 || random.percent(40) {
        let netmask = match (random.percent(50), ipv4) {
            (true, _) => Netmask::host(ipv4),
            (false, true) => Netmask::V4(Ipv4Addr::from_bits(random.next() as u32)),
            (false, false) => Netmask::V6(1 + random.below(128) as u8),
        };
        service.persistence = Some(Persistence { timeout_s: 1 + random.below(2_678_400) as u32, netmask });
    }
    service.one_packet = matches!(key.protocol(), None | Some(Protocol::Udp)) && random.percent(20);
    for _ in 0..random.below(6) {
        let server = server(random, &key);
        if service.servers.iter().all(|other| (other.address, other.port) != (server.address, server.port)) {
            service.servers.push(server);
        }
    }
    service
}

fn server(random: &mut Random, key: &ServiceKey) -> Server {
    let method = Method::ALL[random.below(3)];
    let own = method == Method::Nat || key.protocol().is_none();
    let port = if own && random.percent(60) { 1 + random.below(65535) as u16 } else { key.port() };
    let weight = if random.percent(80) { random.below(100) } else { random.below(1 << 31) };
    // These go round in a circle: their order is the kernel's list's, and that is known.
    let address = address(random, key.is_ipv4(), &[10, 100, 172, 192]);
    let mut server = Server::new(address, port, weight as u32, method);
    if random.percent(40) {
        server.upper_threshold = 1 + random.below(i32::MAX as usize) as u32;
        server.lower_threshold =
            if random.percent(50) { random.below(server.upper_threshold as usize) as u32 } else { 0 };
    }
    server
}

fn run(memory: &mut Memory, line: &str, stdin: &str, restore: Restore) -> String {
    let output = memory.line(line, stdin, restore).unwrap();
    assert_eq!((output.exit, output.stderr.as_str()), (0, ""), "{line}\n{stdin}");
    output.stdout
}

/// The state as rules that lose nothing.
pub(crate) fn full(state: &State) -> String {
    let mut memory = Memory::of(state);
    run(&mut memory, "ipvsadm-save -n --full", "", Restore::Atomic)
}

#[test]
fn what_is_saved_in_full_is_what_is_restored() {
    for seed in 0..STATES {
        let before = state(&mut Random::new(seed));
        let rules = full(&before);
        for (program, mode) in [
            ("ipvsadm-restore", Restore::Atomic),
            ("ipvsadm-restore", Restore::Original),
            ("ipvsadm -R", Restore::Original),
            ("ipvsadm -R", Restore::Atomic),
        ] {
            let mut memory = Memory::default();
            run(&mut memory, program, &rules, mode);
            assert_eq!(memory.state, before, "state {seed}:\n{rules}");
        }
    }
}

#[test]
fn what_is_saved_is_saved_again_alike() {
    let mut lost = 0;
    for seed in 0..STATES {
        let mut before = state(&mut Random::new(seed));
        // What the original writes and does not read.
        before.services.retain(|service| {
            let large = matches!(service.key, ServiceKey::Mark(mark) if mark.mark > i32::MAX as u32);
            let third =
                matches!(service.scheduler, Scheduler::Sh | Scheduler::Mh) && service.flags.has(SchedulerFlags::THIRD);
            !large && !third
        });
        let mut memory = Memory::of(&before);
        let rules = run(&mut memory, "ipvsadm -S -n", "", Restore::Atomic);
        let mut again = Memory::default();
        run(&mut again, "ipvsadm -R", &rules, Restore::Original);
        lost += usize::from(again.state != before);
        // The order of addresses that go round depends on the order before.
        let sorted = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<String>>();
        let saved = run(&mut again, "ipvsadm-save -n", "", Restore::Atomic);
        assert_eq!(sorted(&saved), sorted(&rules), "state {seed}");
    }
    assert!(lost > 0, "thresholds and order are lost on this way");
}

/// Not a measurement, but what grows with the square of the size would not end here.
#[test]
fn ten_thousand_services_are_restored_and_listed() {
    let mut rules = String::new();
    for service in 0..10_000 {
        let vip = format!("10.{}.{}.1:80", service / 250, service % 250);
        rules += &format!("-A -t {vip} -s rr\n");
        rules.extend((1..=10).map(|server| format!("-a -t {vip} -r 172.16.0.{server}:80 -m -w {server}\n")));
    }
    let begin = Instant::now();
    let mut memory = Large::default();
    let run = |memory: &mut Large, arguments: &[&str], stdin: &str| {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut session = Session {
            director: memory,
            names: &NoNames,
            restore: Restore::Atomic,
            input: &mut stdin.as_bytes(),
            out: &mut out,
            err: &mut err,
        };
        assert_eq!(ipvsadm("ipvsadm", &arguments, &mut session).unwrap(), 0, "{}", String::from_utf8_lossy(&err));
        String::from_utf8(out).unwrap()
    };
    run(&mut memory, &["-R"], &rules);
    let restored = begin.elapsed();
    let listed = run(&mut memory, &["-Ln"], "");
    println!("110,000 rules restored in {restored:?}, listed in {:?}", begin.elapsed() - restored);
    assert_eq!(listed.lines().count(), 3 + 110_000);
    assert_eq!(run(&mut memory, &["-Sn"], "").lines().count(), 110_000);
}

/// A director that is nothing but its state.
#[derive(Default)]
struct Large(State);

impl Director for Large {
    fn change(&mut self, change: &Change) -> Result<(), Denied> {
        Ok(apply(&mut self.0, change)?)
    }
    fn change_all(&mut self, changes: &[Change]) -> Result<(), (usize, Denied)> {
        apply_all(&mut self.0, changes).map_err(|(at, refused)| (at, refused.into()))
    }
    fn services(&mut self) -> Result<Vec<ServiceView>, Denied> {
        Ok(self.0.services.iter().map(ServiceView::of).collect())
    }
    fn service(&mut self, _: &ServiceKey) -> Result<ServiceView, Denied> {
        Err(Refused::NoSuchService.into())
    }
    fn timeouts(&mut self) -> Result<Timeouts, Denied> {
        Ok(self.0.timeouts)
    }
    fn size(&mut self) -> Result<u32, Denied> {
        Ok(4096)
    }
    fn connections(&mut self, _: &mut dyn FnMut(&ConnectionView) -> io::Result<()>) -> Result<(), Denied> {
        Ok(())
    }
}
