//! Where all servers are overloaded: what IPVS's rr and wrr keep of their place until one is available again. Random
//! changes seldom come upon these.

use crate::{
    both::{Both, Stays, arrival, caller},
    rig::{Rig, SMALL, key, weighted},
};
use relvs_model::{Scheduler, SchedulerFlags, Service};

/// wrr with two servers: the second, with weight 3, is taken in three passes, and the first after it in the last.
fn uneven() -> Both {
    let mut both = Both::new(Scheduler::Wrr, false, true, SchedulerFlags::NONE);
    both.weight(1, 3);
    both.weight(2, 1);
    both
}

/// So many connections, which both send to the same servers.
fn arrive(both: &mut Both, times: u32) -> Vec<Option<u32>> {
    let choices: Vec<_> = (0..times).map(|_| both.arrive(&caller(false, 1, 1), Stays::Not)).collect();
    let (ours, ipvs): (Vec<_>, Vec<_>) = choices.into_iter().unzip();
    assert_eq!(ours, ipvs);
    ours
}

fn overload(both: &mut Both, overloaded: bool) {
    both.overload(1, overloaded);
    both.overload(2, overloaded);
}

/// After so many connections nobody is available for one, then all are again, so many connections arrive, and a server
/// is edited: the pass that comes then is the one that IPVS's current weight says.
#[test]
fn the_current_weight_is_kept_as_by_ipvs() {
    for before in 0..9 {
        for after in 0..6 {
            let mut both = uneven();
            arrive(&mut both, before);
            overload(&mut both, true);
            assert_eq!(arrive(&mut both, 2), [None, None]);
            overload(&mut both, false);
            arrive(&mut both, after);
            both.threshold(2, 1);
            arrive(&mut both, 12);
        }
    }
}

#[test]
fn a_full_round_is_not_begun_again() {
    let mut both = uneven();
    // A new service begins with the lowest pass, and then goes through whole rounds.
    arrive(&mut both, 2);
    assert_eq!(arrive(&mut both, 4), [Some(1), Some(1), Some(2), Some(1)]);
    overload(&mut both, true);
    assert_eq!(arrive(&mut both, 1), [None]);
    overload(&mut both, false);
    both.threshold(1, 1);
    // IPVS's current weight was still 1.
    assert_eq!(arrive(&mut both, 4), [Some(2), Some(1), Some(1), Some(1)]);
}

#[test]
fn rr_goes_on_after_its_last_one() {
    let mut both = Both::new(Scheduler::Rr, false, true, SchedulerFlags::NONE);
    (1..=3).for_each(|id| both.weight(id, 1));
    assert_eq!(arrive(&mut both, 2), [Some(3), Some(2)]);
    (1..=3).for_each(|id| both.overload(id, true));
    assert_eq!(arrive(&mut both, 5), [None; 5]);
    (2..=3).for_each(|id| both.overload(id, false));
    assert_eq!(arrive(&mut both, 3), [Some(3), Some(2), Some(3)]);
    both.overload(1, false);
    assert_eq!(arrive(&mut both, 3), [Some(2), Some(1), Some(3)]);
}

/// A table without servers has no slot: what is behind it is another service's.
#[test]
fn an_empty_table_is_nobody_s() {
    let caller = caller(false, 0, 0);
    for scheduler in [Scheduler::Sh, Scheduler::Dh, Scheduler::Mh] {
        let mut rig = Rig::new(SMALL);
        let flags = SchedulerFlags::FALLBACK;
        let empty = Service { flags, ..weighted(scheduler, &[]) };
        let other = Service { key: key("192.0.2.101:80/tcp"), ..weighted(Scheduler::Rr, &[1, 1]) };
        rig.apply(&[empty.clone(), other]).unwrap();
        // The hash of no address and no port is 0.
        assert_eq!(rig.arrive(empty.key), None);
        assert_eq!(rig.arrive_as(empty.key, &arrival(&caller)), None);
    }
}
