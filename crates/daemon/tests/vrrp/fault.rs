//! A fault of relvs in the thread of the virtual routers: its addresses go, and it begins anew.

use crate::link::{Link, has, possible, until};
use relvs_daemon::vrrp::Vrrp;
use relvs_model::vrrp::{Instance, Settings, State, TrackPing, TrackSource, Tracked, Version, VirtualAddress};
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// More than any of this takes on a busy machine.
const LONG: Duration = Duration::from_secs(20);

#[test]
fn a_thread_that_panics_gives_the_addresses_up_and_begins_anew() {
    if !possible() {
        return;
    }
    let link = Link::new();
    let vip: IpAddr = "192.0.2.100".parse().unwrap();
    let instance = Instance {
        name: "VI".into(),
        interface: "eth0".into(),
        router_id: 51,
        version: Version::V3,
        advert_interval_ms: 100,
        addresses: vec![VirtualAddress::new(vip)],
        // What is tracked is asked anew, or it could not begin.
        track: vec![Tracked::needed(TrackSource::Ping("other".into()))],
        ..Instance::default()
    };
    let ping = TrackPing::new("other", "192.0.2.2".parse().unwrap());
    let settings = Settings { instances: vec![instance], pings: vec![ping], ..Settings::default() };
    let masters = Arc::new(AtomicU32::new(0));
    let seen = masters.clone();
    // It is told when the address is there.
    let told = move |notification: &relvs_proto::vrrp::Notification| {
        let is_master = notification.to_string().contains("MASTER");
        assert!(!is_master || seen.fetch_add(1, Ordering::SeqCst) != 0, "a planted fault");
    };
    let mut relvs = link.near.run(|| Vrrp::start(&settings, told)).unwrap().unwrap();
    until("it panics", LONG, || masters.load(Ordering::SeqCst) == 1 && relvs.status().is_err()).unwrap();
    until("the address is removed", LONG, || !has(&link.near, vip)).unwrap();

    let mut restarts = 0;
    let began = std::time::Instant::now();
    while restarts == 0 && began.elapsed() < LONG {
        // In its namespace, as the daemon is.
        restarts += u32::from(link.near.run(|| relvs.tend(&settings)).unwrap().unwrap());
    }
    assert_eq!(restarts, 1, "it begins anew");
    let status = || relvs.status().unwrap();
    until("it is master", LONG, || status().instances[0].state == State::Master && has(&link.near, vip)).unwrap();
    assert_eq!((status().restarts, masters.load(Ordering::SeqCst)), (1, 2));
    assert!(!link.near.run(|| relvs.tend(&settings)).unwrap().unwrap(), "all is well");
    relvs.stop(false);
    assert!(!has(&link.near, vip));
}
