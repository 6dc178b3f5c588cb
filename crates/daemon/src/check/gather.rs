//! Asking the kernel and the links what [`Machine`] describes. It concludes nothing.

use super::{
    Request,
    machine::{Machine, View},
};
use crate::{realserver::answers::ask_each, rights::Rights};
use relvs_api::Client;
use relvs_model::State;
use relvs_net::{Error, Link, Network, Resolution, sysctl};
use std::{
    collections::BTreeSet,
    fs,
    net::IpAddr,
    os::unix::net::UnixStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// No more questions of who answers for a VIP on a link are asked: each takes a part of a second.
const QUESTIONS: usize = 256;
/// How often it is looked whether a neighbour has answered.
const LOOK: Duration = Duration::from_millis(20);

pub(super) fn machine(state: &State, request: &Request) -> Result<Machine, Error> {
    let mut network = Network::open()?;
    let mut machine = Machine {
        links: network.links()?,
        addresses: network.addresses()?,
        ours: relvs_dataplane::left_attached(&request.run_dir).into_iter().collect(),
        has_tables: request.run_dir.join("shape.json").exists(),
        memory: fs::read_to_string("/proc/meminfo").ok().and_then(|text| memory(&text)),
        daemon: daemon(&request.run_dir),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease").ok().and_then(|text| kernel(&text)),
        ..Machine::default()
    };
    // Pins are seen only where the bpffs is mounted, as it may be for the director's own service alone.
    if let Ok(status) = Client::new(&request.run_dir).status() {
        let served = |link: &&Link| status.interfaces.iter().any(|served| served.name == link.name);
        machine.ours.extend(machine.links.iter().filter(served).map(|link| link.index));
    }
    for link in &machine.links {
        for (family, four) in [("ipv4", true), ("ipv6", false)] {
            let key = sysctl::Key::interface(family, &link.name, "forwarding");
            // An interface without IPv6 has no such switch, and forwards none.
            let on = key.and_then(|key| sysctl::read(&key).ok()).is_some_and(|value| value != "0");
            if on {
                machine.forwarding.insert((link.index, four));
            }
        }
    }
    let served: Vec<u32> = View::new(&machine, state).served.iter().map(|link| link.index).collect();
    for index in served {
        if let Some(features) = relvs_net::xdp_features(index)? {
            machine.features.insert(index, features);
        }
    }
    ways(&mut network, state, request.patience, &mut machine)?;
    answers(state, request.patience, &mut machine);
    // Last, because the questions above made the kernel learn some.
    machine.neighbours = network.neighbours()?;
    Ok(machine)
}

/// What the director may do that has the control socket.
fn daemon(run_dir: &Path) -> Option<Rights> {
    let socket = UnixStream::connect(relvs_api::socket(run_dir)).ok()?;
    let process = nix::sys::socket::getsockopt(&socket, nix::sys::socket::sockopt::PeerCredentials).ok()?.pid();
    Rights::of(&fs::read_to_string(format!("/proc/{process}/status")).ok()?)
}

/// The ways to all servers: those whose neighbour is not known yet are given their time.
fn ways(network: &mut Network, state: &State, patience: Duration, machine: &mut Machine) -> Result<(), Error> {
    let servers: BTreeSet<IpAddr> =
        state.services.iter().flat_map(|service| &service.servers).map(|server| server.address).collect();
    let deadline = Instant::now() + patience;
    let mut open: Vec<IpAddr> = servers.into_iter().collect();
    loop {
        let mut pending = Vec::new();
        for server in open {
            match network.resolve(server) {
                Ok(way) => {
                    if matches!(way, Resolution::Pending { .. }) {
                        pending.push(server);
                    }
                    machine.ways.insert(server, way);
                }
                Err(error) if error.is_forbidden() => machine.unasked = Some(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        if pending.is_empty() || Instant::now() >= deadline {
            return Ok(());
        }
        open = pending;
        thread::sleep(LOOK);
    }
}

/// Who else answers for each VIP, on the links where its clients could be.
fn answers(state: &State, patience: Duration, machine: &mut Machine) {
    let view = View::new(machine, state);
    let vips: BTreeSet<IpAddr> = state.services.iter().filter_map(|service| service.key.address()).collect();
    let mut questions = Vec::new();
    for vip in vips {
        let links = view.networks(vip).into_iter().chain(view.holders(vip));
        let indexes: BTreeSet<u32> =
            links.filter(|link| link.up && link.running && link.mac.is_some()).map(|link| link.index).collect();
        let asked = indexes.into_iter().filter(|index| view.served_for(*index).is_some());
        questions.extend(asked.filter_map(|index| Some((vip, view.link(index)?))));
    }
    questions.truncate(QUESTIONS);
    let own: BTreeSet<_> = machine.links.iter().filter_map(|link| link.mac).collect();
    let mut unasked = None;
    let mut heard = Vec::new();
    for answer in ask_each(&questions, patience) {
        match answer.macs {
            Ok(macs) => {
                let others = macs.into_iter().filter(|mac| !own.contains(mac)).collect();
                heard.push(((answer.vip, answer.index), others));
            }
            Err(error) => unasked = Some(error.to_string()),
        }
    }
    machine.answers.extend(heard);
    machine.unasked = machine.unasked.take().or(unasked);
}

/// What could be had, and all there is, in bytes.
fn memory(meminfo: &str) -> Option<(u64, u64)> {
    let bytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    Some((bytes("MemAvailable")?, bytes("MemTotal")?))
}

/// `6.18.44-foo` is 6 and 18.
fn kernel(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        let text = "MemTotal:        2048 kB\nMemFree:  1 kB\nMemAvailable:    1024 kB\n";
        assert_eq!(memory(text), Some((1 << 20, 2 << 20)));
        assert_eq!(memory("MemTotal: x kB\n"), None);
        assert_eq!(kernel("6.18.44-cloud\n"), Some((6, 18)));
        assert_eq!(kernel("5.17-rc1"), Some((5, 17)));
        assert_eq!(kernel("new"), None);
    }
}
