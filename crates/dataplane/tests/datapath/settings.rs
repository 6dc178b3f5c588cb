//! Settings under net.ipv4.vs that change what a packet meets, each set and unset, by frames on both sides
//! (Documentation/networking/ipvs-sysctl.rst).

use crate::{
    packet::{ACK, FIN, Mac, Packet, RST, SYN, chunk},
    services::{any_vip, marked_vip},
    tables::{DR, NAT, Plan, Server, TUN, Vip},
    world::{
        DIRECTOR, World, client, client_mac, ip, no_services, plan, port, rip, server, server_mac, small, vip, within,
    },
};
use relvs_core::{
    Reason, Verdict,
    table::active::{
        CACHE_BYPASS, EXPIRE_NODEST_CONN, EXPIRE_QUIESCENT_TEMPLATE, NAT_ICMP_SEND, REUSE, REUSE_FIN_WAIT,
        SCHEDULE_ICMP, SLOPPY_SCTP, SLOPPY_TCP,
    },
};
use relvs_dataplane::Timeouts;

const NO_ROOM_LEFT: &str = "a frame without an Ethernet header";

/// What becomes of a client's packet, and the MAC that gets it if it is sent on.
fn asks(world: &World, packet: Packet) -> (Verdict, Mac) {
    let (verdict, bytes) = world.agreed(&packet.link(DIRECTOR, client_mac(0)).frame());
    (verdict, bytes[..6].try_into().expect(NO_ROOM_LEFT))
}

fn says(world: &World, packet: Packet) -> Verdict {
    asks(world, packet).0
}

/// The server that a client's packet gets to.
fn reaches(world: &World, packet: Packet) -> Mac {
    let (verdict, mac) = asks(world, packet);
    assert_eq!(verdict, Verdict::Transmit);
    mac
}

/// Two servers in turn, of one method.
fn pair(six: bool, protocol: u8, method: u8) -> Vip {
    let of = |n| server(six, method, n, if method == NAT { 8080 } else { 80 });
    Vip::new(protocol, vip(six), 80, vec![of(10), of(11)])
}

/// Runs a test for each of these settings and both families, in a world with one service whose tables are empty.
fn with(all: &[u64], make: impl Fn(bool) -> Vip + Sync, test: impl Fn(&mut World, bool, u64) + Sync) {
    within(small(), no_services(), |mut world| {
        for (settings, six) in all.iter().flat_map(|settings| [(*settings, false), (*settings, true)]) {
            begin(&mut world, make(six), settings);
            test(&mut world, six, settings);
            world.tables().unwrap();
            world.reasons().unwrap();
        }
    });
}

/// Empty tables, with this service.
fn begin(world: &mut World, vip: Vip, settings: u64) {
    world.clear();
    world.plan.vips = vec![vip];
    world.plan.settings = settings;
    world.plan.number();
    world.install();
}

fn states(world: &World) -> Vec<&'static str> {
    let all = relvs_dataplane::entries(&world.memory, &Timeouts::default(), usize::MAX).unwrap();
    all.iter().map(|entry| entry.state).collect()
}

/// conn_reuse_mode: 0 never, bit 0 what is over, bit 1 of DR and TUN also what waits for a FIN.
#[test]
fn conn_reuse_mode() {
    // Modes 2 and 3 are the same.
    for method in [DR, TUN, NAT] {
        let modes = [0, REUSE, REUSE | REUSE_FIN_WAIT];
        with(
            &modes,
            |six| pair(six, 6, method),
            |world, six, settings| {
                let mode = modes.iter().position(|mode| *mode == settings).unwrap();
                let segment = |flags| Packet::tcp((client(six, 0), 5000), (vip(six), 80), flags);
                let reply = |n, flags| {
                    let packet = Packet::tcp((rip(six, n), 8080), (client(six, 0), 5000), flags);
                    assert!(matches!(
                        world.agreed(&packet.link(DIRECTOR, server_mac(n)).frame()).0,
                        Verdict::Redirect(_)
                    ));
                };
                let (_, first) = asks(world, segment(SYN));
                assert_eq!(first, server_mac(10));
                assert_eq!(reaches(world, segment(ACK)), first);
                assert_eq!(reaches(world, segment(SYN)), first, "it lives");
                // One side has closed.
                if method == NAT {
                    reply(10, SYN | ACK);
                    reply(10, FIN | ACK);
                } else {
                    reaches(world, segment(FIN | ACK));
                }
                assert_eq!(states(world), ["FIN_WAIT"], "mode {mode}");
                let moves = mode >= 2 && method != NAT;
                let second = reaches(world, segment(SYN));
                assert_eq!(second != first, moves, "mode {mode}, method {method}: waits for a FIN");
                // It is over: a reset of what is half open would not count.
                reaches(world, segment(ACK));
                reaches(world, segment(RST));
                assert_eq!(states(world), ["CLOSE"]);
                let third = reaches(world, segment(SYN));
                assert_eq!(third != second, mode != 0, "mode {mode}, method {method}: over");
            },
        );
    }
}

/// The same of SCTP; an INIT begins a new association.
#[test]
fn conn_reuse_mode_of_sctp() {
    with(
        &[0, REUSE],
        |six| pair(six, 132, DR),
        |world, six, settings| {
            let packet = |kind| Packet::sctp((client(six, 0), 5000), (vip(six), 80), kind);
            let first = reaches(world, packet(chunk::INIT));
            reaches(world, packet(chunk::COOKIE_ECHO));
            assert_eq!(states(world), ["ESTABLISHED"]);
            assert_eq!(reaches(world, packet(chunk::INIT)), first, "it lives");
            reaches(world, packet(chunk::ABORT));
            assert_eq!(states(world), ["CLOSED"]);
            assert_eq!(reaches(world, packet(chunk::INIT)) != first, settings != 0);
        },
    );
}

/// A connection that a template controls is not scheduled anew: its client would get the same server again.
#[test]
fn conn_reuse_mode_of_persistence() {
    for persistent in [false, true] {
        let bits = |six| match (persistent, six) {
            (false, _) => 0,
            (true, false) => 32,
            (true, true) => 128,
        };
        with(
            &[REUSE],
            |six| pair(six, 6, DR).persistent(bits(six)),
            |world, six, _| {
                let segment = |flags| Packet::tcp((client(six, 0), 5000), (vip(six), 80), flags);
                for flags in [SYN, ACK, RST, SYN, ACK] {
                    reaches(world, segment(flags));
                }
                let flows = |number| relvs_dataplane::Side::counters(&world.memory, number).unwrap().flows;
                assert_eq!(flows(1) + flows(2), if persistent { 1 } else { 2 });
            },
        );
    }
}

/// expire_nodest_conn: a flow whose server is gone ends, instead of being dropped until its time is over.
#[test]
fn expire_nodest_conn() {
    for method in [DR, NAT] {
        with(
            &[0, EXPIRE_NODEST_CONN],
            |six| pair(six, 6, method),
            |world, six, settings| {
                let expires = settings != 0;
                let segment = |n: u16, flags| Packet::tcp((client(six, 0), 5000 + n), (vip(six), 80), flags);
                for n in [0, 1] {
                    for flags in [SYN, ACK] {
                        assert_eq!(reaches(world, segment(n, flags)), server_mac(10 + n as u8));
                    }
                }
                // A server of weight 0 keeps its flows; a new connection on their ports leaves it, if they expire.
                world.plan.vips[0].servers[0].weight = 0;
                world.install();
                assert_eq!(reaches(world, segment(0, ACK)), server_mac(10));
                assert_eq!(reaches(world, segment(0, SYN)), server_mac(if expires { 11 } else { 10 }));
                // One that is gone does not.
                world.plan.vips[0].servers[0].weight = 1;
                world.plan.vips[0].servers[1].available = false;
                world.plan.vips[0].servers[1].weight = 0;
                world.install();
                let gone = if expires { Verdict::Pass(Reason::NoFlow) } else { Verdict::Drop(Reason::DestinationGone) };
                assert_eq!(says(world, segment(1, ACK)), gone);
                if expires {
                    assert_eq!(reaches(world, segment(1, SYN)), server_mac(10));
                    assert_eq!(reaches(world, segment(1, ACK)), server_mac(10));
                } else {
                    assert_eq!(says(world, segment(1, SYN)), gone);
                    // It is back: the flow goes on.
                    world.plan.vips[0].servers[1].available = true;
                    world.install();
                    assert_eq!(reaches(world, segment(1, ACK)), server_mac(11));
                }
            },
        );
    }
}

/// sloppy_tcp: any segment but a RST opens a flow.
#[test]
fn sloppy_tcp() {
    with(
        &[0, SLOPPY_TCP, SLOPPY_SCTP],
        |six| pair(six, 6, NAT),
        |world, six, settings| {
            let sloppy = settings == SLOPPY_TCP;
            for (n, flags) in [ACK, FIN | ACK, 0, RST, RST | ACK, SYN | RST].into_iter().enumerate() {
                let verdict = says(world, Packet::tcp((client(six, 0), 5000 + n as u16), (vip(six), 80), flags));
                let opens = sloppy && flags & RST == 0;
                let wanted = if opens { Verdict::Transmit } else { Verdict::Pass(Reason::NoFlow) };
                assert_eq!(verdict, wanted, "flags {flags}");
            }
        },
    );
}

/// sloppy_sctp: any chunk but an ABORT opens a flow; else INIT alone.
#[test]
fn sloppy_sctp() {
    with(
        &[0, SLOPPY_SCTP, SLOPPY_TCP],
        |six| pair(six, 132, NAT),
        |world, six, settings| {
            let sloppy = settings == SLOPPY_SCTP;
            for kind in [chunk::DATA, chunk::COOKIE_ECHO, chunk::SHUTDOWN, chunk::ABORT, chunk::INIT] {
                let packet = Packet::sctp((client(six, 0), 5000 + u16::from(kind)), (vip(six), 80), kind);
                let opens = kind == chunk::INIT || sloppy && kind != chunk::ABORT;
                let wanted = if opens { Verdict::Transmit } else { Verdict::Pass(Reason::NoFlow) };
                assert_eq!(says(world, packet), wanted, "chunk {kind}");
            }
        },
    );
}

/// cache_bypass: what a mark's service has no server for goes where it wanted to go. Others are answered.
#[test]
fn cache_bypass() {
    within(small(), plan(), |mut world| {
        let mut answered = 0;
        for (settings, bypasses) in [(REUSE, false), (CACHE_BYPASS, true)] {
            world.plan.settings = settings;
            world.install();
            for six in [false, true] {
                let frame =
                    |to, at| Packet::tcp((client(six, 0), 5000), (to, at), SYN).link(DIRECTOR, client_mac(0)).frame();
                let input = frame(marked_vip(six, 1), 91);
                let (verdict, output) = world.agreed(&input);
                if bypasses {
                    assert_eq!((verdict, output), (Verdict::Pass(Reason::Bypassed), input));
                } else {
                    assert_eq!(verdict, Verdict::Transmit);
                }
                assert_eq!(world.agreed(&frame(vip(six), port::EMPTY)).0, Verdict::Transmit);
            }
            answered += if bypasses { 2 } else { 4 };
            assert_eq!(relvs_dataplane::Side::reason(&world.memory, Reason::NoDestination).unwrap(), answered);
        }
        world.reasons().unwrap();
    });
}

/// expire_quiescent_template: a persistent client leaves a server of weight 0 with its next connection.
#[test]
fn expire_quiescent_template() {
    for method in [DR, NAT] {
        with(
            &[0, EXPIRE_QUIESCENT_TEMPLATE],
            |six| pair(six, 6, method).persistent(24),
            |world, six, settings| {
                let leaves = settings != 0;
                let segment = |n: u16, flags| Packet::tcp((client(six, 0), 5000 + n), (vip(six), 80), flags);
                for n in [0, 1] {
                    assert_eq!(reaches(world, segment(n, SYN)), server_mac(10));
                }
                world.plan.vips[0].servers[0].weight = 0;
                world.install();
                let then = server_mac(if leaves { 11 } else { 10 });
                for n in [2, 3] {
                    assert_eq!(reaches(world, segment(n, SYN)), then);
                }
                assert_eq!(reaches(world, segment(0, ACK)), server_mac(10), "a flow stays");
                // It has its weight back; who has left stays away.
                world.plan.vips[0].servers[0].weight = 1;
                world.install();
                assert_eq!(reaches(world, segment(4, SYN)), then);
            },
        );
    }
}

/// nat_icmp_send: a NAT server's packet of no flow is answered, unless it ends one.
#[test]
fn nat_icmp_send() {
    with(
        &[0, NAT_ICMP_SEND],
        |six| pair(six, 6, NAT),
        |world, six, settings| {
            let sends = settings != 0;
            for (flags, ends) in [(ACK, false), (SYN | ACK, false), (RST, true)] {
                let stray = Packet::tcp((rip(six, 10), 8080), (client(six, 1), 7000), flags);
                let frame = stray.clone().link(DIRECTOR, server_mac(10)).frame();
                let (verdict, output) = world.agreed(&frame);
                if sends && !ends {
                    let kind = if six { [1, 4] } else { [3, 3] };
                    let quote = stray.bytes();
                    let answer = Packet::icmp(crate::world::dip(six), rip(six, 10), kind, [0; 4], quote);
                    let answer = Packet { tos: if six { 0 } else { 0xc0 }, ..answer };
                    assert_eq!(verdict, Verdict::Transmit);
                    assert_eq!(output, answer.link(server_mac(10), DIRECTOR).frame());
                } else {
                    assert_eq!((verdict, output), (Verdict::Pass(Reason::NoFlow), frame));
                }
            }
        },
    );
}

/// schedule_icmp: an error about no flow opens the one that it is about.
#[test]
fn schedule_icmp() {
    with(
        &[0, SCHEDULE_ICMP],
        |six| pair(six, 6, DR),
        |world, six, settings| {
            let schedules = settings != 0;
            let about = Packet::tcp((vip(six), 80), (client(six, 0), 5000), ACK).bytes();
            let (kind, router) = if six { ([2, 0], "2001:db8:1::2") } else { ([3, 4], "10.1.0.2") };
            let error = Packet::icmp(ip(router), vip(six), kind, [0, 0, 5, 0], about);
            if schedules {
                assert_eq!(reaches(world, error), server_mac(10));
                assert_eq!(states(world).len(), 1);
                assert_eq!(reaches(world, Packet::tcp((client(six, 0), 5000), (vip(six), 80), ACK)), server_mac(10));
            } else {
                assert_eq!(says(world, error), Verdict::Pass(Reason::IcmpUnrelated));
            }
        },
    );
}

/// A server that is the director itself gets its packets from the stack, as they came; they are counted and have a flow.
#[test]
fn local_servers() {
    for method in [DR, NAT] {
        let make = |six| {
            let mut vip = pair(six, 6, method);
            vip.servers[0] = Server { local: true, port: 80, ..vip.servers[0].clone() };
            vip
        };
        with(&[REUSE], make, |world, six, _| {
            for flags in [SYN, ACK, FIN | ACK] {
                let frame = Packet::tcp((client(six, 0), 5000), (vip(six), 80), flags).link(DIRECTOR, client_mac(0));
                let frame = frame.frame();
                assert_eq!(world.agreed(&frame), (Verdict::Pass(Reason::Local), frame));
            }
            assert_eq!(states(world), ["FIN_WAIT"], "its answers are not seen");
            let counters = relvs_dataplane::Side::counters(&world.memory, 1).unwrap();
            assert_eq!((counters.flows, counters.packets_in), (1, 3));
            assert_eq!(reaches(world, Packet::tcp((client(six, 0), 5001), (vip(six), 80), SYN)), server_mac(11));
        });
    }
}

/// Without marks and services of any port their VIPs are not ours.
#[test]
fn services_that_are_off() {
    within(small(), Plan { marks: false, ..plan() }, |world| {
        for six in [false, true] {
            for to in [any_vip(six), marked_vip(six, 1)] {
                let packet = Packet::tcp((client(six, 0), 5000), (to, 80), SYN);
                assert_eq!(says(&world, packet), Verdict::Pass(Reason::NotOurs));
            }
        }
    });
}
