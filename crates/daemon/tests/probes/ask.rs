//! Asking once, and what is said.

use relvs_daemon::health::{Limits, Probes};
use relvs_model::health::{Asked, HttpProbe, Outcome, Probe, Says, Target};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// A runtime as the prober has one.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build().unwrap()
}

/// One probe with its limits; none may take much longer than they say.
pub(crate) fn ask_within(probe: &Probe, asked: &Asked, target: &Target, limits: Limits) -> Outcome {
    let begun = Instant::now();
    let outcome = runtime().block_on(Probes::new().probe(probe, asked, target, limits));
    assert!(begun.elapsed() < limits.whole + Duration::from_secs(5), "{probe:?} took {:?}", begun.elapsed());
    outcome
}

/// Asks the server at an address, with time enough for one that answers.
pub(crate) fn ask(probe: &Probe, server: SocketAddr) -> Outcome {
    let asked = Asked::new(server.ip(), server.port());
    ask_within(probe, &asked, &Target::default(), Limits::whole(Duration::from_secs(10)))
}

/// Asks a server that hangs.
pub(crate) fn ask_shortly(probe: &Probe, server: SocketAddr) -> Outcome {
    let asked = Asked::new(server.ip(), server.port());
    ask_within(probe, &asked, &Target::default(), Limits::whole(Duration::from_millis(400)))
}

/// An HTTP probe of a path.
pub(crate) fn http(path: &str) -> HttpProbe {
    HttpProbe { path: path.to_owned(), ..HttpProbe::default() }
}

pub(crate) fn up() -> Outcome {
    Outcome::Up { says: None }
}

pub(crate) fn says(says: Says) -> Outcome {
    Outcome::Up { says: Some(says) }
}

pub(crate) fn down(why: &str) -> Outcome {
    Outcome::Down { why: why.to_owned() }
}

/// Why it is down.
pub(crate) fn why(outcome: Outcome) -> String {
    match outcome {
        Outcome::Down { why } => why,
        Outcome::Up { .. } => panic!("it is up"),
    }
}
