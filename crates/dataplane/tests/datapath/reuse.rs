//! A client that uses its ports again (IPVS's conn_reuse_mode 1): what is over ends for what begins.

use crate::{
    packet::{ACK, FIN, Packet, RST, SYN, TCP, UDP},
    tables::{NAT, Plan, Vip},
    world::{
        DIRECTOR, LO, MULTIPLIERS, WAN, client, client_mac, ip, learn_route, no_services, rip, server, server_mac,
        small, vip,
    },
};
use relvs_core::{Reason, Verdict};
use relvs_dataplane::{Bytes, Memory, Side as _, Timeouts, entries};
use std::net::IpAddr;

const PORT: u16 = 40_000;

fn other_vip(six: bool) -> IpAddr {
    ip(if six { "2001:db8:2::1:100" } else { "192.0.2.200" })
}

/// Two services of one NAT server, on two VIPs.
fn two_vips(protocol: u8) -> Plan {
    let vips = [false, true].into_iter().flat_map(|six| {
        [vip(six), other_vip(six)].map(|address| Vip::new(protocol, address, 80, vec![server(six, NAT, 10, 80)]))
    });
    let mut plan = Plan { vips: vips.collect(), ..no_services() };
    plan.number();
    plan
}

fn run(memory: &Memory, packet: Packet, from: [u8; 6]) -> (Verdict, Vec<u8>) {
    let frame = packet.link(DIRECTOR, from).frame();
    learn_route(memory, &frame);
    let mut bytes = Bytes { bytes: frame, ingress: LO };
    (memory.director(&mut bytes), bytes.bytes)
}

struct Client<'a> {
    memory: &'a Memory,
    six: bool,
}

impl Client<'_> {
    fn sends(&self, to: IpAddr, flags: u8) -> Verdict {
        run(self.memory, Packet::tcp((client(self.six, 0), PORT), (to, 80), flags), client_mac(0)).0
    }

    fn hears(&self, flags: u8) -> Vec<u8> {
        let packet = Packet::tcp((rip(self.six, 10), 80), (client(self.six, 0), PORT), flags);
        let (verdict, bytes) = run(self.memory, packet, server_mac(10));
        assert_eq!(verdict, Verdict::Redirect(WAN));
        bytes
    }

    /// A whole connection, closed by the server: TIME_WAIT.
    fn talks(&self, to: IpAddr) {
        for (ours, theirs) in [(SYN, SYN | ACK), (ACK, ACK), (ACK, FIN | ACK), (FIN | ACK, ACK)] {
            assert_eq!(self.sends(to, ours), Verdict::Transmit);
            self.hears(theirs);
        }
    }

    fn states(&self) -> Vec<(IpAddr, &'static str)> {
        let mut found: Vec<_> = entries(self.memory, &Timeouts::default(), usize::MAX)
            .unwrap()
            .into_iter()
            .map(|entry| (entry.service.0, entry.state))
            .collect();
        found.sort_unstable();
        found
    }
}

/// The source address of a frame without tags.
fn source(bytes: &[u8], six: bool) -> Vec<u8> {
    if six { bytes[22..38].to_vec() } else { bytes[26..30].to_vec() }
}

#[test]
fn a_syn_after_the_end_is_a_new_flow() {
    for six in [false, true] {
        let memory = Memory::new(small(), MULTIPLIERS);
        two_vips(TCP).install(&memory);
        let client = Client { memory: &memory, six };
        client.talks(vip(six));
        assert_eq!(client.states(), [(vip(six), "TIME_WAIT")]);
        let opened = |memory: &Memory| (0..64).map(|n| memory.counters(n).unwrap().flows).sum::<u64>();
        assert_eq!(opened(&memory), 1);
        assert_eq!(client.sends(vip(six), SYN), Verdict::Transmit);
        assert_eq!(client.states(), [(vip(six), "SYN_RECV")], "the old one has ended");
        assert_eq!(opened(&memory), 2);
        // While it lives, another SYN belongs to it.
        client.hears(SYN | ACK);
        client.sends(vip(six), ACK);
        client.sends(vip(six), SYN);
        assert_eq!(client.states(), [(vip(six), "ESTABLISHED")]);
        assert_eq!(opened(&memory), 2);
        // A reset ends it too, and a reset opens nothing.
        client.sends(vip(six), RST);
        client.sends(vip(six), SYN | RST);
        assert_eq!(opened(&memory), 2);
        client.sends(vip(six), SYN);
        assert_eq!(opened(&memory), 3);
    }
}

#[test]
fn a_flow_that_is_over_leaves_its_replies_name_to_another_service() {
    for six in [false, true] {
        let memory = Memory::new(small(), MULTIPLIERS);
        two_vips(TCP).install(&memory);
        let client = Client { memory: &memory, six };
        client.talks(vip(six));
        assert_eq!(client.sends(other_vip(six), SYN), Verdict::Transmit);
        assert_eq!(source(&client.hears(SYN | ACK), six), crate::packet::octets(other_vip(six)));
        assert_eq!(client.states(), [(other_vip(six), "SYN_RECV")]);
        client.sends(other_vip(six), ACK);
        // One that lives does not: nobody could tell whose the server's answers are.
        assert_eq!(client.sends(vip(six), SYN), Verdict::Drop(Reason::Collision));
        assert_eq!(source(&client.hears(ACK), six), crate::packet::octets(other_vip(six)));
    }
}

#[test]
fn of_datagrams_the_newest_flow_gets_the_answers() {
    for six in [false, true] {
        let memory = Memory::new(small(), MULTIPLIERS);
        two_vips(UDP).install(&memory);
        let ask = |to| run(&memory, Packet::udp((client(six, 0), PORT), (to, 80)), client_mac(0)).0;
        for _ in 0..2 {
            assert_eq!(ask(vip(six)), Verdict::Transmit);
        }
        assert_eq!(ask(other_vip(six)), Verdict::Transmit, "a settled flow gives way");
        let answer = Packet::udp((rip(six, 10), 80), (client(six, 0), PORT));
        let (verdict, bytes) = run(&memory, answer, server_mac(10));
        assert_eq!(verdict, Verdict::Redirect(WAN));
        assert_eq!(source(&bytes, six), crate::packet::octets(other_vip(six)));
    }
}
