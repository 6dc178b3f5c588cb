//! Many checks cost little: what is done for a probe does not grow with the number of checks but by its logarithm.

use crate::scene::{VIP, checked, seconds, server, service, tcp, timing};
use relvs_model::{
    Protocol, Service, ServiceKey,
    health::{Outcome, ServiceHealth, Timing},
};
use relvs_proto::health::{Input, Memory, Monitor};
use std::{net::Ipv4Addr, sync::Arc, time::Instant};

#[test]
fn ten_thousand_checks() {
    let timing = Timing { warmup_ms: 2000, ..timing() };
    let services = (0..1000_u16).map(|number| {
        let servers = (0..10_u8).map(|host| {
            let mut server = server(host, 1, checked(tcp(timing)));
            server.address = Ipv4Addr::new(10, number.to_be_bytes()[0], number.to_be_bytes()[1], host).into();
            server
        });
        let mut service = service(ServiceHealth::default(), servers.collect());
        service.key = ServiceKey::listen(Protocol::Tcp, VIP, 1 + number);
        Arc::new(service)
    });
    let services = services.collect::<Vec<_>>();
    let started = Instant::now();
    let mut now = seconds(1000);
    let mut monitor = Monitor::new(now, 1, &services, Memory::default());
    let begun = started.elapsed();
    let end = now + seconds(20);
    let (mut probes, mut calls) = (0_u64, 0_u64);
    let started = Instant::now();
    while let Some(due) = monitor.poll_timeout().filter(|due| *due < end) {
        now = due;
        monitor.handle_timeout(now);
        let actions = monitor.take();
        calls += 1;
        let inputs = actions.start.iter().map(|start| {
            probes += 1;
            let failed = probes % 1000 == 0;
            let outcome = if failed { Outcome::Down { why: "refused".into() } } else { Outcome::Up { says: None } };
            Input::Ended { id: start.id, outcome }
        });
        monitor.handle(now, inputs.collect::<Vec<_>>());
        monitor.take();
    }
    let each = started.elapsed().as_nanos() / u128::from(probes);
    let started = Instant::now();
    monitor.reload(now, &services);
    let reloaded = started.elapsed();
    let started = Instant::now();
    let mut otherwise = Service::clone(&services[0]);
    otherwise.servers[0].weight = 7;
    monitor.change(now, &[(otherwise.key, Some(Arc::new(otherwise)))]);
    let changed = started.elapsed();
    println!("begun in {begun:?}; {probes} probes in {calls} calls, {each} ns each");
    println!("all reloaded in {reloaded:?}, one changed in {changed:?}");
    // Every check once in about 2 s.
    assert!((90_000..=110_000).contains(&probes), "{probes}");
}
