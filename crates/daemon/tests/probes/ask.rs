//! Asking once, and what is said.

use relvs_daemon::health::Probes;
use relvs_model::health::{Asked, HttpProbe, Outcome, Probe, Question, Says, Target};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// A runtime as the prober has one.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build().unwrap()
}

/// A question with so many milliseconds for its answer.
pub(crate) fn question(probe: Probe, asked: Asked, timeout_ms: u32) -> Question {
    Question { probe, asked, target: Target::default(), timeout_ms, connect_timeout_ms: 0 }
}

/// One probe; none may take much longer than its question says.
pub(crate) fn put(question: &Question) -> Outcome {
    let begun = Instant::now();
    let outcome = runtime().block_on(Probes::new().probe(question));
    let limit = Duration::from_millis(question.timeout_ms.into()) + Duration::from_secs(5);
    assert!(begun.elapsed() < limit, "{question:?} took {:?}", begun.elapsed());
    outcome
}

/// Asks the server at an address, with time enough for one that answers.
pub(crate) fn ask(probe: &Probe, server: SocketAddr) -> Outcome {
    put(&question(probe.clone(), Asked::new(server.ip(), server.port()), 10_000))
}

/// Asks a server that hangs.
pub(crate) fn ask_shortly(probe: &Probe, server: SocketAddr) -> Outcome {
    put(&question(probe.clone(), Asked::new(server.ip(), server.port()), 400))
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
