//! A long listing of connections: it begins at once, and nobody holds it whole, neither the daemon nor the command.

use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::process::{Command, Stdio};

use relvs_lab::{Shape, Topology};
use relvs_model::Method;

use crate::bed::{Bed, RELVS, until};
use crate::configuration::udp;

/// Connections: as many ports as a client has below those that others are given.
const PORTS: std::ops::Range<u16> = 1024..31_024;
/// What it may take more of, in KiB; all lines together would be more than 15,000.
const MOST_KIB: u64 = 6_000;

/// Memory of a process's own, in KiB.
fn own_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_long_listing_begins_at_once_and_is_held_by_nobody() {
    let services = [udp(53, "rr", &[("s1", Method::Dr, 1), ("s2", Method::Dr, 1)])];
    let Some(mut bed) = Bed::bare(&Shape::new(Topology::OneArmed).servers(2)) else { return };
    bed.prepare(&services);
    bed.configure(&services);
    let config = std::fs::read_to_string(bed.config()).unwrap().replace("flows = 16_384", "flows = 131_072");
    bed.lab.write_file("relvs.toml", &config).unwrap();
    bed.director.start().unwrap();
    bed.all_ready();
    let flows = 2 * PORTS.len() as u64;
    let targets = bed.targets(53);
    let open = || {
        for port in PORTS {
            for target in targets {
                let any = if target.is_ipv4() { "0.0.0.0" } else { "::" };
                let Ok(socket) = UdpSocket::bind((any, port)) else { continue };
                // A flow is settled by its second datagram; what cannot be sent now is sent the next time.
                let _ = (socket.send_to(b"one", target), socket.send_to(b"two", target));
            }
        }
    };
    until("the flows are there", || {
        bed.client().with(open).unwrap();
        bed.status().flows.live >= flows * 99 / 100
    });

    let daemon = bed.director.process().unwrap().pid();
    let before = own_memory(daemon);
    let mut command = Command::new(RELVS);
    command.args(["ipvsadm", "-Lcn"]).env("RELVS_RUN_DIR", bed.run_dir()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let head: Vec<String> = lines.by_ref().take(10).map(Result::unwrap).collect();
    assert!(head[0].starts_with("IPVS connection entries") && head[9].starts_with("UDP "), "{head:?}");
    // It waits for its reader, and meanwhile the daemon answers others.
    assert!(child.try_wait().unwrap().is_none(), "all was listed before anybody read it");
    let live = bed.status().flows.live;
    let (mut most, mut count) = ([0, 0], 0);
    for (at, line) in lines.enumerate() {
        assert!(line.unwrap().starts_with("UDP "));
        count += 1;
        // Before the end, when it may be gone.
        if at % 5000 == 0 && at < 40_000 {
            most =
                [most[0].max(own_memory(child.id())), most[1].max(own_memory(daemon) - before.min(own_memory(daemon)))];
        }
    }
    assert!(child.wait().unwrap().success());
    println!("{count} of {live} connections; at the most {most:?} KiB");
    assert!(count + 8 >= live * 99 / 100 && count <= flows, "{count} of {live}");
    assert!(most[0] > 0 && most.iter().all(|most| *most < MOST_KIB), "{most:?} KiB");
}
