//! A server's thresholds: from its upper one on it gets no new flow, until enough have gone (ip_vs_bind_dest and
//! ip_vs_unbind_dest in ip_vs_conn.c). Templates and flows that are there go on.

use crate::{
    packet::{ACK, Packet, SYN, TCP},
    tables::{DR, Plan, Vip},
    world::{DIRECTOR, LO, MULTIPLIERS, client, client_mac, no_services, server, server_mac, small, vip},
};
use relvs_core::Verdict;
use relvs_dataplane::{Bytes, Load, Memory, Side as _, Timeouts, load_of, scan, write_load};
use std::sync::atomic::Ordering::Release;

/// One service of two servers in turn: the first has thresholds.
struct Director {
    memory: Memory,
    six: bool,
    now: u16,
}

impl Director {
    fn new(six: bool, thresholds: (u32, u32), netmask: u8) -> Self {
        let mut servers = vec![server(six, DR, 10, 80), server(six, DR, 11, 80)];
        servers[0].thresholds = thresholds;
        let vip = Vip::new(TCP, vip(six), 80, servers).persistent(netmask);
        let mut plan = Plan { vips: vec![vip], ..no_services() };
        plan.number();
        let memory = Memory::new(small(), MULTIPLIERS);
        plan.install(&memory);
        Director { memory, six, now: 0 }
    }

    fn send(&self, port: u16, flags: u8) -> (Verdict, u8) {
        let packet = Packet::tcp((client(self.six, 0), port), (vip(self.six), 80), flags);
        let mut bytes = Bytes { bytes: packet.link(DIRECTOR, client_mac(0)).frame(), ingress: LO };
        let verdict = self.memory.director(&mut bytes);
        (verdict, if bytes.bytes[..6] == server_mac(10) { 10 } else { 11 })
    }

    /// A new connection: the server that gets it.
    fn opens(&self, port: u16) -> u8 {
        let (verdict, server) = self.send(port, SYN);
        assert_eq!(verdict, Verdict::Transmit);
        assert_eq!(self.send(port, ACK), (Verdict::Transmit, server));
        server
    }

    /// It is so late now, and what is over is forgotten.
    fn at(&mut self, now: u16) {
        self.now = now;
        self.memory.now.store(now, Release);
        scan(&self.memory, &Timeouts::default()).unwrap();
    }

    fn first(&self) -> Load {
        load_of(&self.memory, 1)
    }
}

/// Flows of the first server when it is overloaded, and with how many it is no longer, for these thresholds.
fn hysteresis(six: bool, thresholds: (u32, u32), falls_to: u32) {
    let mut director = Director::new(six, thresholds, 0);
    // In turn, a second apart, until it has as many as it may.
    let mut port = 5000;
    while director.first().active < thresholds.0 {
        assert!(!director.first().overloaded, "{:?} with {thresholds:?}", director.first());
        director.at(director.now + 1);
        director.opens(port);
        port += 1;
    }
    let flows = director.first();
    assert_eq!(flows, Load { active: thresholds.0, overloaded: true, ..Load::default() });
    for more in 0..5 {
        assert_eq!(director.opens(port + more), 11, "it is overloaded");
    }
    // Its first connections are over, one after the other.
    for now in 901.. {
        director.at(now);
        let left = director.first();
        assert_eq!(left.overloaded, left.active > falls_to, "{left:?} with {thresholds:?}");
        if !left.overloaded {
            assert_eq!(left.active, falls_to);
            break;
        }
    }
    let servers: Vec<u8> = (0..2).map(|n| director.opens(port + 10 + n)).collect();
    assert!(servers.contains(&10), "it gets flows again");
}

#[test]
fn upper_and_lower() {
    for six in [false, true] {
        // Without a lower one: below three quarters.
        hysteresis(six, (4, 0), 2);
        hysteresis(six, (8, 0), 5);
        hysteresis(six, (1, 0), 0);
        // With one: below it.
        hysteresis(six, (4, 2), 1);
        hysteresis(six, (4, 4), 3);
        hysteresis(six, (6, 1), 0);
    }
}

/// A client that belongs to an overloaded server stays with it, and its flows go on.
#[test]
fn persistence_goes_before_thresholds() {
    for six in [false, true] {
        let director = Director::new(six, (1, 0), if six { 128 } else { 32 });
        assert_eq!(director.opens(5000), 10);
        assert!(director.first().overloaded);
        for port in 5001..5004 {
            assert_eq!(director.opens(port), 10);
        }
        assert_eq!(director.first(), Load { active: 4, templates: 1, overloaded: true, inactive: 0 });
    }
}

/// A higher threshold, or none, admits at once.
#[test]
fn a_threshold_is_raised() {
    for (upper, overloaded) in [(3, false), (0, false), (2, true), (1, true)] {
        let director = Director::new(false, (2, 0), 0);
        for port in 5000..5004 {
            director.opens(port);
        }
        assert!(director.first().overloaded);
        write_load(&director.memory, 1, 1, upper, 0);
        assert_eq!(director.first().overloaded, overloaded, "upper {upper}");
        assert_eq!(director.memory.counters(1).unwrap().flows, 2);
    }
}
