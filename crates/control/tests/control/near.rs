//! What lblc and lblcr remember of an address, where numbers and schedulers change behind it.

use crate::{
    both::{Both, Stays, caller},
    rig::{Rig, SMALL, key, numbered, weighted},
};
use relvs_model::{Scheduler, SchedulerFlags, Service};
use std::net::IpAddr;

/// The number of a server that is forgotten goes to another service's: nobody is sent there.
#[test]
fn a_number_that_becomes_another_service_s_is_not_reached() {
    for scheduler in [Scheduler::Lblc, Scheduler::Lblcr] {
        let mut rig = Rig::new(SMALL);
        let mut service = weighted(scheduler, &[1]);
        rig.apply(std::slice::from_ref(&service)).unwrap();
        let first = rig.arrive(service.key).unwrap().ip();
        assert_eq!(first, numbered(1, 1).address);
        service.servers.clear();
        rig.apply(std::slice::from_ref(&service)).unwrap();
        let numbers: Vec<u32> = rig.control.retired().map(|(number, ..)| number).collect();
        assert!(numbers.into_iter().all(|number| rig.release(number)));
        // The other service's server gets that number, and looks idle.
        let other = Service { key: key("192.0.2.101:80/tcp"), ..weighted(Scheduler::Rr, &[100]) };
        rig.apply(&[service.clone(), other.clone()]).unwrap();
        assert_eq!(rig.arrive(service.key), None, "{scheduler}");
        service.servers = vec![numbered(5, 1), numbered(6, 1)];
        rig.apply(&[service.clone(), other]).unwrap();
        let reached: Vec<IpAddr> = (0..3).filter_map(|_| rig.arrive(service.key)).map(|s| s.ip()).collect();
        assert_eq!(reached, [numbered(6, 1).address; 3], "{scheduler}");
    }
}

/// Another scheduler in between: IPVS begins anew.
#[test]
fn another_scheduler_forgets() {
    for scheduler in [Scheduler::Lblc, Scheduler::Lblcr] {
        let mut both = Both::new(scheduler, false, false, SchedulerFlags::NONE);
        both.weight(1, 1);
        assert_eq!(both.arrive(&caller(false, 1, 1), Stays::Not), (Some(1), Some(1)));
        both.weight(2, 1);
        assert_eq!(both.arrive(&caller(false, 1, 1), Stays::Not), (Some(1), Some(1)));
        both.switch(Scheduler::Wlc);
        both.switch(scheduler);
        assert_eq!(both.arrive(&caller(false, 1, 1), Stays::Not), (Some(2), Some(2)), "{scheduler}");
    }
}

/// A set has room for sixteen: with one more it still takes the least loaded of all, which is not remembered.
#[test]
fn a_full_set_goes_on() {
    let mut both = Both::new(Scheduler::Lblcr, false, false, SchedulerFlags::NONE);
    (1..=20).for_each(|id| both.weight(id, 1));
    let caller = caller(false, 1, 1);
    for turn in 0..60 {
        let (reached, expected) = both.arrive(&caller, Stays::Active);
        assert!(reached.is_some());
        if turn < 32 {
            assert_eq!(reached, expected, "arrival {turn}");
        }
    }
}
