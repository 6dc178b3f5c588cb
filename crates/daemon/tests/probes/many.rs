//! Many probes at once.

use crate::{
    ask::{question, up},
    failing::serve,
};
use relvs_daemon::health::Prober;
use relvs_model::health::{Asked, HttpProbe, Outcome, Probe, Question};
use std::{
    collections::HashSet,
    io::Read as _,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

fn about(server: SocketAddr, probe: Probe, timeout_ms: u32) -> Arc<Question> {
    Arc::new(question(probe, Asked::new(server.ip(), server.port()), timeout_ms))
}

#[test]
fn servers_that_hang_delay_no_other() {
    let hanging = serve(|mut stream| {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
        while stream.read(&mut [0; 512]).is_ok_and(|length| length > 0) {}
    });
    let good = serve(drop);
    let (prober, mut outcomes) = Prober::start().unwrap();
    let hang = about(hanging, Probe::Http(HttpProbe::default()), 15_000);
    for id in 0..300 {
        prober.ask(id, hang.clone());
    }
    let quick = about(good, Probe::Tcp, 10_000);
    let begun = Instant::now();
    for id in 1000..1300 {
        prober.ask(id, quick.clone());
    }
    let mut seen = HashSet::new();
    while seen.len() < 300 {
        let (id, outcome) = outcomes.blocking_recv().unwrap();
        assert_eq!(outcome, up());
        assert!((1000..1300).contains(&id) && seen.insert(id), "{id}");
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "none waited for one that hangs: {:?}", begun.elapsed());
    // Given up, and asked again under the same id: one outcome, the last one's.
    for id in 0..300 {
        prober.cancel(id);
    }
    prober.ask(7, hang);
    prober.ask(7, quick);
    assert_eq!(outcomes.blocking_recv(), Some((7, up())));
    assert!(outcomes.try_recv().is_err());
    drop(prober);
    assert_eq!(outcomes.blocking_recv(), None, "the thread ends");
}

#[test]
fn a_time_is_a_probes_own() {
    let hanging = serve(|mut stream| drop(stream.read(&mut [0; 1])));
    let (prober, mut outcomes) = Prober::start().unwrap();
    let smtp = Probe::Smtp(relvs_model::health::SmtpProbe::default());
    prober.ask("long", about(hanging, smtp.clone(), 600));
    prober.ask("short", about(hanging, smtp, 200));
    let (first, outcome) = outcomes.blocking_recv().unwrap();
    let Outcome::Down { why } = outcome else { panic!("up") };
    assert!(first == "short" && why.starts_with("no answer within 200 ms"), "{first}: {why}");
    assert_eq!(outcomes.blocking_recv().map(|(id, _)| id), Some("long"));
}
