//! What is known as numbers.

use crate::scene::{Scene, checked, key, seconds, server, service, tcp, timing};
use relvs_model::health::{ServerHealth, ServiceHealth};
use relvs_proto::health::Input;
use std::time::Duration;

#[test]
fn figures_are_those_of_the_last_outcomes() {
    let mut scene = Scene::of(vec![
        server(1, 2, checked(tcp(timing()))),
        server(2, 3, checked(tcp(timing()))),
        server(3, 4, ServerHealth::default()),
    ]);
    assert_eq!(scene.monitor.unasked().collect::<Vec<_>>(), [(key(80), 2)], "one has no checks");
    scene.good(1);
    assert_eq!(scene.monitor.unasked().collect::<Vec<_>>(), [(key(80), 1)]);
    scene.bad(2);
    assert_eq!(scene.monitor.unasked().count(), 0);
    let now = scene.now;
    let (services, servers) = scene.monitor.figures();
    let service = &services[0];
    assert_eq!((service.service, service.up, service.sorry, service.suspended), (key(80), true, false, false));
    assert_eq!((service.servers, service.servers_up, service.weight, service.needed), (3, 2, 6, 1));
    let of = |host: usize| {
        let server = &servers[host - 1];
        (server.service, server.up, server.probes, server.failed)
    };
    assert_eq!([of(1), of(2), of(3)], [(0, true, 1, 0), (0, false, 1, 1), (0, true, 0, 0)]);
    assert_eq!((servers[1].since, servers[2].took), (now, None));
    // Both were started at the beginning; each answer came a millisecond after what was before it.
    assert_eq!([servers[0].took, servers[1].took], [1, 2].map(|ms| Some(Duration::from_millis(ms))));
    let drained = Input::Drain { service: key(80), server: servers[0].server, drained: true };
    scene.input(drained);
    let (services, servers) = scene.monitor.figures();
    assert!(servers[0].drained && servers[0].up && services[0].weight == 4);
}

#[test]
fn a_service_that_is_not_checked_here_is_not_waited_for() {
    let health = ServiceHealth { ha_suspend: true, ..ServiceHealth::default() };
    let mut scene = Scene::new(vec![service(health, vec![server(1, 1, checked(tcp(timing())))])]);
    assert_eq!(scene.monitor.unasked().count(), 1);
    scene.input(Input::Here([[192, 0, 2, 1].into()].into()));
    assert_eq!(scene.monitor.unasked().count(), 0);
    assert!(scene.monitor.figures().0[0].suspended);
    scene.input(Input::Here([crate::scene::VIP].into()));
    assert_eq!(scene.monitor.unasked().count(), 1);
    assert!(scene.now >= seconds(1000));
}
