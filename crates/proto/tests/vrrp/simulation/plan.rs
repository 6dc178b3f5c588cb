//! What a run is about: how many routers, their settings, and what will go wrong when.

use super::random::Random;
use relvs_model::vrrp::{
    InitialState, Instance, Settings, SyncGroup, TrackSource, Tracked, Unicast, UnicastPeer, Version, VirtualAddress,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Nanoseconds.
pub(crate) type Time = u64;

/// Something that goes wrong, or right again.
#[derive(Clone, Debug)]
pub(crate) enum Mishap {
    /// The machine is off; its addresses with it.
    Crash(usize),
    /// It is on again.
    Restart(usize),
    /// Its process does not run for a while.
    Stall(usize, Time),
    /// Its links go down.
    Down(usize),
    /// They come up.
    Up(usize),
    /// Its script fails, which costs it priority.
    Fail(usize),
    /// And succeeds again.
    Mend(usize),
    /// It is told to hand over.
    FailOver(usize),
    /// And that it may preempt again.
    Release(usize),
    /// It ends in good order.
    Stop(usize),
    /// Who is in which part: routers hear those of their own part only.
    Split([u8; 5]),
    /// This one hears nobody, but is heard.
    Deaf(usize),
    /// Nothing goes wrong any more: everyone hears and runs.
    Calm,
}

/// A run.
pub(crate) struct Plan {
    pub(crate) settings: Vec<Settings>,
    /// How much faster a router's clock is, in millionths.
    pub(crate) drift: Vec<i64>,
    /// One packet in so many is lost, while things go wrong.
    pub(crate) loss: u64,
    /// One in so many comes twice.
    pub(crate) doubled: u64,
    /// The longest way of a packet.
    pub(crate) delay: Time,
    /// Until when things go wrong.
    pub(crate) calm: Time,
    pub(crate) mishaps: Vec<(Time, Mishap)>,
    /// From `calm` to the moment from which on exactly one is master.
    pub(crate) promised: Time,
    /// Two masters that hear each other: for no longer than this.
    pub(crate) overlap: Time,
    /// The longest interval.
    pub(crate) interval: Time,
    /// The one with the highest priority must win.
    pub(crate) best_wins: bool,
    pub(crate) grouped: bool,
}

pub(crate) fn address(is_ipv6: bool, router: usize) -> IpAddr {
    let last = 10 + router as u16;
    if is_ipv6 {
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last).into()
    } else {
        Ipv4Addr::new(192, 0, 2, last as u8).into()
    }
}

/// The script that every router tracks.
pub(crate) fn script() -> TrackSource {
    TrackSource::Script("check".into())
}

const MS: Time = 1_000_000;

impl Plan {
    pub(crate) fn new(random: &mut Random) -> Self {
        let routers = random.within(2, 6) as usize;
        let is_ipv6 = random.once_in(4);
        let version = if is_ipv6 || random.once_in(2) { Version::V3 } else { Version::V2 };
        let grouped = random.once_in(4);
        let unicast = random.once_in(4);
        let nopreempt = random.once_in(4);
        let preempt_delay_ms = if random.once_in(5) { random.within(1, 4_000) as u32 } else { 0 };
        let base = match version {
            Version::V2 => random.one_of(&[1_000, 1_000, 2_000]),
            Version::V3 => random.one_of(&[100, 250, 1_000, 1_000, 3_000]),
        };
        // Equal priorities are decided by addresses, which groups cannot agree on.
        let distinct = grouped || random.once_in(2);
        // A backup takes the interval of whom it heard last. With keepalived's two additions that may be one that gives way
        // while the master is silent for longer than that: then the first does not end, and keepalived's neither.
        let differ = version == Version::V3 && random.once_in(3);
        let mut interval = 0;
        let mut settings = Vec::new();
        for router in 0..routers {
            let own = match version {
                Version::V3 if differ => base * random.one_of(&[1, 2, 5]),
                Version::V2 | Version::V3 => base,
            };
            interval = interval.max(Time::from(own) * MS);
            let priority = if distinct {
                (router as u64 * 40 + random.within(1, 40)) as u8
            } else {
                random.one_of(&[1, 50, 100, 100, 100, 200, 254])
            };
            let priority = if router == 0 && !grouped && random.once_in(10) { Instance::OWNER } else { priority };
            let peers = (0..routers).filter(|&other| other != router);
            let peers = peers.map(|other| UnicastPeer::new(address(is_ipv6, other))).collect();
            let instance = Instance {
                name: "a".into(),
                interface: "eth0".into(),
                router_id: 7,
                version,
                priority,
                state: if random.once_in(5) { InitialState::Master } else { InitialState::Backup },
                advert_interval_ms: own,
                nopreempt,
                preempt_delay_ms,
                addresses: vec![VirtualAddress::new(if is_ipv6 {
                    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1).into()
                } else {
                    Ipv4Addr::new(192, 0, 2, 1).into()
                })],
                unicast: unicast.then(|| Unicast { peers, check_source: true, ..Unicast::default() }),
                lower_prio_no_advert: !differ && random.once_in(4),
                higher_prio_send_advert: !differ && random.once_in(8),
                v3_checksum_as_v2: random.once_in(4),
                track: vec![Tracked { source: script(), weight: -60, reverse: false }],
                ..Instance::default()
            };
            let mut instances = vec![instance];
            let mut groups = Vec::new();
            if grouped {
                let other = Instance {
                    name: "b".into(),
                    interface: "eth1".into(),
                    router_id: 8,
                    priority: instances[0].priority,
                    ..instances[0].clone()
                };
                instances.push(other);
                groups.push(SyncGroup {
                    name: "g".into(),
                    members: vec!["a".into(), "b".into()],
                    tracking_weight: true,
                    ..SyncGroup::default()
                });
            }
            settings.push(Settings { instances, groups, ..Settings::default() });
        }
        let delay = random.one_of(&[MS / 10, MS, 5 * MS]).min(interval / 50);
        let calm = interval * random.within(2, 16);
        let mut plan = Plan {
            settings,
            drift: (0..routers).map(|_| random.within(0, 10_001) as i64 - 5_000).collect(),
            loss: random.one_of(&[3, 10, 1_000_000]),
            doubled: random.one_of(&[5, 1_000_000]),
            delay,
            calm,
            mishaps: Vec::new(),
            promised: 0,
            overlap: interval * 102 / 100 + 3 * delay,
            interval,
            best_wins: !nopreempt,
            grouped,
        };
        plan.go_wrong(random);
        // Someone is master after a down interval, four at most; the best of those who preempt after another. The delay of
        // preemption begins with the first advert.
        plan.promised = plan.interval * 8 + Time::from(preempt_delay_ms) * MS + 100 * plan.delay;
        plan
    }

    /// Draws what goes wrong, and what of it is over at the end.
    fn go_wrong(&mut self, random: &mut Random) {
        let routers = self.settings.len();
        for _ in 0..random.within(0, 8) {
            let at = random.within(0, self.calm);
            let router = random.within(0, routers as u64) as usize;
            let mishap = match random.within(0, 13) {
                0 => Mishap::Crash(router),
                1 | 2 => Mishap::Restart(router),
                3 => Mishap::Stall(router, random.within(1, self.interval * 6)),
                4 => Mishap::Down(router),
                5 => Mishap::Up(router),
                6 => Mishap::Fail(router),
                7 => Mishap::Mend(router),
                8 => Mishap::FailOver(router),
                9 => Mishap::Release(router),
                10 => Mishap::Stop(router),
                11 => Mishap::Deaf(router),
                _ => Mishap::Split(std::array::from_fn(|_| random.within(0, 2) as u8)),
            };
            self.mishaps.push((at, mishap));
        }
        self.mishaps.push((self.calm, Mishap::Calm));
        if random.once_in(2) {
            self.mishaps.push((self.calm, Mishap::Split([0; 5])));
        }
        for router in 0..routers {
            if random.once_in(2) {
                self.mishaps.push((self.calm, Mishap::Restart(router)));
            }
            if random.once_in(2) {
                self.mishaps.push((self.calm, Mishap::Up(router)));
            }
        }
        self.mishaps.sort_by_key(|(at, _)| *at);
    }
}
