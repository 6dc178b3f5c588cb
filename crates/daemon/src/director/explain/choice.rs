//! The numbers behind a scheduler's choice: the formulas are those of `relvs_core::schedule`, in words.

use super::{Asked, meets};
use crate::director::Error;
use relvs_api::{Candidate, Choice, Place};
use relvs_control::Control;
use relvs_core::schedule;
use relvs_dataplane::{Copied, Kernel, Load, load_of};
use relvs_model::{Scheduler, Server, Service};
use std::net::SocketAddr;

/// How a scheduler chooses.
const fn how(scheduler: Scheduler) -> &'static str {
    match scheduler {
        Scheduler::Rr => "the next one in turn, over those that are overloaded",
        Scheduler::Wrr => "the next one in a sequence in which each comes as often as its weight says",
        Scheduler::Lc => "the least overhead, which is 256 for each active flow and 1 for each inactive one",
        Scheduler::Wlc => "the least overhead for its weight; 256 for each active flow and 1 for each inactive one",
        Scheduler::Lblc => {
            "the one that the address had last, overloaded or not, unless it has more active flows than its weight while another has fewer \
             than half of its own; then the least overhead for its weight"
        }
        Scheduler::Lblcr => {
            "of those that the address has, the least overhead for its weight, unless it has more active flows than its \
             weight while another has fewer than half of its own; then the least of all"
        }
        Scheduler::Dh => "the one in the table's place that the destination address points to",
        Scheduler::Sh => "the one in the table's place that the source address points to",
        Scheduler::Sed => "the fewest active flows, one more counted, for its weight",
        Scheduler::Nq => {
            "the first without an active flow, else the fewest active flows, one more counted, for its weight"
        }
        Scheduler::Fo => "the greatest weight",
        Scheduler::Ovf => "the greatest weight among those that have no more active flows than that",
        Scheduler::Mh => "the one in Maglev's table at the place that the source address points to",
        Scheduler::Twos => {
            "of two that are drawn with chances as their weights, the one with the least overhead for its weight"
        }
    }
}

/// What a scheduler compares of a server; of fo and ovf the greatest is best, of all others the least.
fn figure(scheduler: Scheduler, weight: u32, load: &Load) -> Option<f64> {
    let weight = f64::from(weight);
    let overhead = f64::from(load.active) * 256.0 + f64::from(load.inactive);
    match scheduler {
        Scheduler::Lc => Some(overhead),
        Scheduler::Wlc | Scheduler::Lblc | Scheduler::Lblcr | Scheduler::Twos => Some(overhead / weight),
        Scheduler::Sed => Some((f64::from(load.active) + 1.0) / weight),
        Scheduler::Nq if load.active == 0 => Some(0.0),
        Scheduler::Nq => Some((f64::from(load.active) + 1.0) / weight),
        Scheduler::Fo | Scheduler::Ovf => Some(weight),
        Scheduler::Rr | Scheduler::Wrr | Scheduler::Dh | Scheduler::Sh | Scheduler::Mh => None,
    }
}

/// Why a server takes no new flow.
fn excluded(scheduler: Scheduler, server: &Server, load: &Load, remembered: bool) -> Option<String> {
    if server.weight == 0 {
        return Some("its weight is 0".to_owned());
    }
    if load.overloaded && !(remembered && scheduler == Scheduler::Lblc) {
        let (all, upper) = (load.active + load.inactive, server.upper_threshold);
        return Some(format!("overloaded: {all} flows, and {upper} are its most"));
    }
    let full = scheduler == Scheduler::Ovf && load.active > server.weight;
    full.then(|| format!("{} active flows are more than its weight", load.active))
}

/// The choice of a service's scheduler for a packet; `chosen` is the number of the destination, or 0.
pub(super) fn of(
    kernel: &Kernel,
    control: &Control,
    service: &Service,
    asked: &Asked,
    chosen: u32,
) -> Result<Choice, Error> {
    let scheduler = service.scheduler;
    let words = meets::record(kernel, control, service.key).unwrap_or_default();
    let arrival = meets::arrival(asked);
    let port = asked.destination.port();
    let shown = |address: SocketAddr| if address.port() == 0 { SocketAddr::new(address.ip(), port) } else { address };
    let numbers: Vec<(u32, &Server)> = control
        .destinations()
        .filter(|(_, key, _, retired)| *key == service.key && !retired)
        .map(|(number, _, server, _)| (number, server))
        .collect();
    let remembered = match schedule::remembers(Copied(&words), &arrival) {
        Some(key) => kernel.near(&key)?.unwrap_or_default(),
        None => [0; 16],
    };
    // In IPVS's list the server that was added last is the first.
    let in_order = service.servers.iter().rev().filter_map(|wanted| {
        let same = |(_, server): &&(u32, &Server)| (server.address, server.port) == (wanted.address, wanted.port);
        numbers.iter().find(same).map(|(number, _)| (*number, wanted))
    });
    let servers = in_order.map(|(number, server)| {
        let load = load_of(kernel, number);
        let excluded = excluded(scheduler, server, &load, remembered.contains(&u64::from(number)));
        Candidate {
            server: shown(SocketAddr::new(server.address, server.port)),
            weight: server.weight,
            active: load.active,
            inactive: load.inactive,
            figure: figure(scheduler, server.weight, &load).filter(|_| excluded.is_none()),
            excluded,
            chosen: number == chosen,
        }
    });
    let of_it = |number: &u64| numbers.iter().find(|(known, _)| u64::from(*known) == *number);
    Ok(Choice {
        scheduler,
        how: how(scheduler).to_owned(),
        place: schedule::place(Copied(&words), &arrival).map(|(at, of)| Place { at, of }),
        remembered: remembered
            .iter()
            .filter_map(of_it)
            .map(|(_, server)| shown(SocketAddr::new(server.address, server.port)))
            .collect(),
        random: scheduler == Scheduler::Twos,
        servers: servers.collect(),
    })
}
