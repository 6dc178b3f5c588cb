//! Every scheduler but twos, change after change and connection after connection: it chooses as IPVS does.

use crate::both::{Both, Stays, caller};
use proptest::{prelude::*, test_runner::TestCaseResult};
use relvs_model::{Scheduler, SchedulerFlags};

#[derive(Clone, Debug)]
enum Step {
    /// Adds the server, or gives it this weight if it is there.
    Weight(u32, u32),
    Threshold(u32, u32),
    Remove(u32),
    Switch(Scheduler),
    Counts(u32, [u32; 2]),
    Overload(u32, bool),
    OverloadAll,
    /// So many connections, from this client on, to this VIP.
    Arrive(u8, u32, u8, Stays),
}

fn weights() -> impl Strategy<Value = u32> {
    prop_oneof![
        3 => 0..4_u32,
        2 => (0..4_u32).prop_map(|n| n * 6),
        2 => 0..100_u32,
        1 => 2_147_483_600..=2_147_483_647_u32,
    ]
}

fn schedulers() -> impl Strategy<Value = Scheduler> {
    let all: Vec<_> = Scheduler::ALL.into_iter().filter(|scheduler| *scheduler != Scheduler::Twos).collect();
    prop::sample::select(all)
}

fn flags() -> impl Strategy<Value = SchedulerFlags> {
    let all = [SchedulerFlags::NONE, SchedulerFlags::FALLBACK, SchedulerFlags::PORT];
    prop::sample::select(vec![all[0], all[1], all[2], all[1].with(all[2])])
}

fn steps(schedulers: impl Strategy<Value = Scheduler> + 'static) -> impl Strategy<Value = Vec<Step>> {
    let id = || 1..9_u32;
    let count = || prop_oneof![0..4_u32, 0..200_u32];
    let stays = prop::sample::select(vec![Stays::Active, Stays::Active, Stays::Inactive, Stays::Not]);
    let step = prop_oneof![
        6 => (id(), weights()).prop_map(|(id, weight)| Step::Weight(id, weight)),
        1 => (id(), 0..3_u32).prop_map(|(id, more)| Step::Threshold(id, more)),
        2 => id().prop_map(Step::Remove),
        1 => schedulers.prop_map(Step::Switch),
        2 => (id(), count(), count()).prop_map(|(id, active, inactive)| Step::Counts(id, [active, inactive])),
        4 => (id(), any::<bool>()).prop_map(|(id, overloaded)| Step::Overload(id, overloaded)),
        1 => Just(Step::OverloadAll),
        8 => (0..20_u8, any::<u32>(), 0..3_u8, stays)
            .prop_map(|(times, client, vip, stays)| Step::Arrive(times, client, vip, stays)),
    ];
    proptest::collection::vec(step, 1..40)
}

fn run(mut both: Both, six: bool, steps: Vec<Step>) -> TestCaseResult {
    for step in steps {
        match step {
            Step::Weight(id, weight) => both.weight(id, weight),
            Step::Threshold(id, more) => both.threshold(id, more),
            Step::Remove(id) => both.remove(id),
            Step::Switch(scheduler) => both.switch(scheduler),
            Step::Counts(id, counts) => both.counts(id, counts),
            Step::Overload(id, overloaded) => both.overload(id, overloaded),
            Step::OverloadAll => (1..9).for_each(|id| both.overload(id, true)),
            Step::Arrive(times, client, vip, stays) => {
                for n in 0..u32::from(times) {
                    let (reached, expected) = both.arrive(&caller(six, client.wrapping_add(n / 2), vip), stays);
                    prop_assert_eq!(reached, expected);
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_scheduler_goes_on_as_ipvs(
        scheduler in schedulers(), six: bool, thresholds: bool, flags in flags(), steps in steps(schedulers()),
    ) {
        run(Both::new(scheduler, six, thresholds, flags), six, steps)?;
    }

    /// Of these two the sequence's place is the whole difficulty.
    #[test]
    fn rr_and_wrr_go_on_as_ipvs(
        wrr: bool, thresholds: bool,
        steps in steps(prop_oneof![1 => Just(Scheduler::Rr), 3 => Just(Scheduler::Wrr)]),
    ) {
        let scheduler = if wrr { Scheduler::Wrr } else { Scheduler::Rr };
        run(Both::new(scheduler, false, thresholds, SchedulerFlags::NONE), false, steps)?;
    }
}
