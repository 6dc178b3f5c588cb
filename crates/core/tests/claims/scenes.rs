//! What CPUs and user space do at once, in the narrowest tables that it needs.
//!
//! Flows have numbers, destinations as well. All flows have the same name and the same buckets, so that only their
//! records' addresses keep them apart.

use crate::{
    frames::{ACK, RST, SYN},
    scene::{Job, Scene, Setting, There},
};
use relvs_core::{
    Zone::{self, Settled, Young},
    state::State,
};

/// Opens a flow towards a destination.
fn opens(flow: u8, chosen: usize) -> Job {
    Job::Client { flow, flags: SYN, chosen, now: 0 }
}

/// A segment of a flow's middle: it settles a young one.
fn goes_on(flow: u8) -> Job {
    Job::Client { flow, flags: ACK, chosen: 0, now: 0 }
}

/// A segment that changes nothing of a half-open flow.
fn reads(flow: u8) -> Job {
    Job::Client { flow, flags: RST, chosen: 0, now: 0 }
}

fn replies(flow: u8, server: usize) -> Job {
    Job::Server { flow, server, flags: ACK, now: 0 }
}

/// User space finds the record's time over.
fn expires(zone: Zone, place: usize) -> Job {
    Job::Expire { zone, place, since: 1 }
}

fn there(zone: Zone, place: usize, flow: u8, destination: usize, state: State) -> There {
    There { zone, place, flow, destination, state, replies: None }
}

const DR: Setting = Setting { six: false, nat: false, all_ports: false, persistent: false, buckets: 1, free: &[] };
const NAT: Setting = Setting { nat: true, ..DR };
const HALF_OPEN: State = State::SynReceived;

/// Two CPUs open one flow.
pub(crate) fn open() -> Scene {
    Scene::new(&Setting { free: &[(Young, 0), (Young, 1)], ..DR }, &[], vec![vec![opens(0, 1)], vec![opens(0, 2)]])
}

/// The same while its time is over.
pub(crate) fn open_expire() -> Scene {
    Scene::new(
        &Setting { free: &[(Young, 0), (Young, 1)], ..DR },
        &[],
        vec![vec![opens(0, 1)], vec![opens(0, 2)], vec![expires(Young, 0)]],
    )
}

/// The same while a third CPU looks for it.
pub(crate) fn open_read() -> Scene {
    Scene::new(
        &Setting { free: &[(Young, 0), (Young, 1)], ..DR },
        &[],
        vec![vec![opens(0, 1)], vec![opens(0, 2)], vec![reads(0)]],
    )
}

/// Two inserters, a reader and user space, with a place in each of the flow's buckets.
pub(crate) fn open_read_expire() -> Scene {
    Scene::new(
        &Setting { buckets: 2, free: &[(Young, 0), (Young, 4)], ..DR },
        &[],
        vec![vec![opens(0, 1)], vec![opens(0, 2)], vec![reads(0)], vec![expires(Young, 0)]],
    )
}

/// The same with both places in one bucket, which everybody goes through twice.
pub(crate) fn open_read_expire_narrow() -> Scene {
    Scene::new(
        &Setting { free: &[(Young, 0), (Young, 1)], ..DR },
        &[],
        vec![vec![opens(0, 1)], vec![opens(0, 2)], vec![reads(0)], vec![expires(Young, 0)]],
    )
}

/// Three CPUs open one flow, in the only two places.
pub(crate) fn open_three() -> Scene {
    Scene::new(
        &Setting { buckets: 2, free: &[(Young, 0), (Young, 4)], ..DR },
        &[],
        vec![vec![opens(0, 1)], vec![opens(0, 2)], vec![opens(0, 3)]],
    )
}

/// Two CPUs open one flow, with a place in each of its buckets.
pub(crate) fn open_two_buckets() -> Scene {
    Scene::new(
        &Setting { buckets: 2, free: &[(Young, 0), (Young, 5)], ..DR },
        &[],
        vec![vec![opens(0, 1)], vec![opens(0, 2)], vec![expires(Young, 0)]],
    )
}

/// A place goes from one flow to another while the second is looked for.
pub(crate) fn hand_over() -> Scene {
    Scene::new(
        &Setting { free: &[], ..DR },
        &[there(Young, 0, 1, 2, HALF_OPEN)],
        vec![vec![expires(Young, 0)], vec![opens(0, 1)], vec![reads(0)]],
    )
}

/// The same of IPv6, whose addresses are four words.
pub(crate) fn hand_over_six() -> Scene {
    Scene::new(
        &Setting { six: true, free: &[], ..DR },
        &[there(Young, 0, 1, 2, HALF_OPEN)],
        vec![vec![expires(Young, 0)], vec![opens(0, 1)], vec![reads(0)]],
    )
}

/// A place goes from one flow to another and back again.
pub(crate) fn hand_back() -> Scene {
    Scene::new(
        &Setting { free: &[], ..DR },
        &[there(Young, 0, 1, 2, HALF_OPEN)],
        vec![vec![expires(Young, 0), expires(Young, 0)], vec![opens(0, 1), opens(1, 2)], vec![reads(0)]],
    )
}

/// Two CPUs settle one young flow while its time is over.
pub(crate) fn settle() -> Scene {
    Scene::new(
        &Setting { free: &[(Settled, 0), (Settled, 1)], ..DR },
        &[there(Young, 0, 0, 1, HALF_OPEN)],
        vec![vec![goes_on(0)], vec![goes_on(0)]],
    )
}

/// The same with user space that finds its time over in either table.
pub(crate) fn settle_expire() -> Scene {
    Scene::new(
        &Setting { free: &[(Settled, 0)], ..DR },
        &[there(Young, 0, 0, 1, HALF_OPEN)],
        vec![vec![goes_on(0)], vec![expires(Young, 0), expires(Settled, 0)], vec![reads(0)]],
    )
}

/// A flow is opened and settled by one CPU while another opens it.
pub(crate) fn open_and_settle() -> Scene {
    Scene::new(
        &Setting { free: &[(Young, 0), (Young, 1), (Settled, 0)], ..DR },
        &[],
        vec![vec![opens(0, 1), goes_on(0)], vec![opens(0, 2)]],
    )
}

/// Two CPUs settle one young flow, with a place in each of its buckets, while its time is over.
pub(crate) fn settle_two_expire() -> Scene {
    Scene::new(
        &Setting { buckets: 2, free: &[(Settled, 0), (Settled, 4)], ..DR },
        &[there(Young, 0, 0, 1, HALF_OPEN)],
        vec![vec![goes_on(0)], vec![goes_on(0)], vec![expires(Young, 0)]],
    )
}

/// A new flow displaces a half-open one that is just settling, with no room to settle in: it stays where it is.
pub(crate) fn displace() -> Scene {
    Scene::new(
        &Setting { free: &[], ..DR },
        &[there(Young, 0, 0, 1, HALF_OPEN)],
        vec![vec![goes_on(0)], vec![opens(1, 2)], vec![opens(2, 3)]],
    )
}

/// The same with room to settle in.
pub(crate) fn displace_settling() -> Scene {
    Scene::new(
        &Setting { free: &[(Settled, 0)], ..DR },
        &[there(Young, 0, 0, 1, HALF_OPEN)],
        vec![vec![goes_on(0)], vec![opens(1, 2)], vec![reads(0)]],
    )
}

/// Packets mark a flow as used while user space finds its time over.
pub(crate) fn refresh() -> Scene {
    let late = Job::Client { flow: 0, flags: ACK, chosen: 0, now: 5 };
    Scene::new(
        &Setting { free: &[], ..DR },
        &[there(Settled, 0, 0, 1, State::Established)],
        vec![vec![late], vec![late], vec![Job::Expire { zone: Settled, place: 0, since: 3 }]],
    )
}

/// A connection that is over begins anew on two CPUs.
pub(crate) fn begin_anew() -> Scene {
    let mut scene = Scene::new(
        &Setting { free: &[(Young, 0), (Young, 1)], ..DR },
        &[there(Settled, 0, 0, 1, State::TimeWait)],
        vec![vec![opens(0, 2)], vec![opens(0, 3)]],
    );
    scene.ends = true;
    scene
}

/// Two CPUs open one NAT flow.
pub(crate) fn nat_open() -> Scene {
    Scene::new(
        &Setting { buckets: 2, free: &[(Young, 0), (Young, 1), (Young, 4), (Young, 5)], ..NAT },
        &[],
        vec![vec![opens(0, 1)], vec![opens(0, 2)]],
    )
}

/// The same to one server, so that both want the replies' name.
pub(crate) fn nat_open_same() -> Scene {
    Scene::new(
        &Setting { buckets: 2, free: &[(Young, 0), (Young, 1), (Young, 4)], ..NAT },
        &[],
        vec![vec![opens(0, 1)], vec![opens(0, 1)]],
    )
}

/// A NAT flow is opened while its server answers and its time is over.
pub(crate) fn nat_answer() -> Scene {
    Scene::new(
        &Setting { free: &[(Young, 0), (Young, 1)], ..NAT },
        &[],
        vec![vec![opens(0, 1)], vec![replies(0, 1)], vec![expires(Young, 1), expires(Young, 0)]],
    )
}

/// Two CPUs open one NAT flow to one server while its time is over.
pub(crate) fn nat_open_expire() -> Scene {
    Scene::new(
        &Setting { buckets: 2, free: &[(Young, 0), (Young, 1), (Young, 4)], ..NAT },
        &[],
        vec![vec![opens(0, 1)], vec![opens(0, 1)], vec![expires(Young, 0)]],
    )
}

/// A NAT flow settles while its server answers.
pub(crate) fn nat_settle() -> Scene {
    Scene::new(
        &Setting { free: &[(Settled, 0), (Settled, 1)], ..NAT },
        &[There { replies: Some(1), ..there(Young, 0, 0, 1, HALF_OPEN) }],
        vec![vec![goes_on(0)], vec![replies(0, 1)], vec![expires(Young, 0)]],
    )
}

/// Of a service of all ports the replies' translation is what the request's record says, whose place goes to another
/// flow meanwhile.
pub(crate) fn nat_translation() -> Scene {
    Scene::new(
        &Setting { all_ports: true, free: &[], ..NAT },
        &[There { replies: Some(1), ..there(Young, 0, 0, 1, HALF_OPEN) }],
        vec![vec![expires(Young, 0)], vec![opens(1, 2)], vec![replies(0, 1)]],
    )
}

/// Two clients of one network open flows of a persistent service: one template, one server.
pub(crate) fn persist() -> Scene {
    Scene::new(
        &Setting { persistent: true, buckets: 2, free: &[(Settled, 0), (Settled, 4), (Young, 0), (Young, 4)], ..DR },
        &[],
        vec![vec![opens(0, 1)], vec![opens(1, 2)]],
    )
}

/// The same while the template's time is over.
pub(crate) fn persist_expire() -> Scene {
    Scene::new(
        &Setting { persistent: true, buckets: 2, free: &[(Settled, 0), (Young, 0), (Young, 4)], ..DR },
        &[],
        vec![vec![opens(0, 1)], vec![opens(1, 2)], vec![expires(Settled, 0)]],
    )
}
