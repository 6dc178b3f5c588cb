//! One virtual router: its state, and what it does when it changes (RFC 9568 section 6.4, RFC 3768 section 6.4).

use super::{
    action::{Action, Event, Level, Notification, Transmit},
    announce::Announcer,
    conditions::Conditions,
    packet::{Advert, Authentication, Form, TTL},
    peers::Peers,
    timers::Wait,
    track::Standing,
};
use relvs_model::vrrp::{self, InstanceStatus, MasterStatus, State, Statistics, Version};
use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

const GROUP_4: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
const GROUP_6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12));

/// What becomes of a master that has handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Backup that does not preempt; master again if nobody takes over.
    Hold,
    /// No part.
    Maintain,
    /// The end.
    Stop,
}

/// A master has said that it leaves, and keeps the addresses until another is heard.
#[derive(Clone, Copy, Debug)]
pub(super) struct HandOver {
    pub(super) until: Duration,
    /// So often it says so again before it gives up.
    pub(super) more: u8,
    pub(super) then: Then,
}

/// One virtual router.
pub(super) struct Instance {
    pub(super) settings: Arc<vrrp::Instance>,
    pub(super) name: Arc<str>,
    pub(super) version: Version,
    pub(super) authentication: Authentication,
    /// Ours.
    pub(super) interval: Duration,
    /// The place of its group.
    pub(super) group: Option<usize>,

    pub(super) state: State,
    since: Duration,
    why: String,
    pub(super) standing: Standing,
    /// Backup: since when it waits, and for what. The end follows from priority and interval, which may change meanwhile.
    pub(super) wait: (Duration, Wait),
    /// Master: when the next advert is due.
    pub(super) advert_at: Duration,
    /// The master's: learned from its adverts in version 3.
    pub(super) master_interval: Duration,
    /// A master of a lower priority is left alone until then.
    pub(super) preempt_at: Option<Duration>,
    /// A master of a lower priority was heard, and is not left alone.
    pub(super) preempts: bool,
    /// It would be master if the rest of its group were ready.
    pub(super) wants_master: bool,
    pub(super) hand_over: Option<HandOver>,
    pub(super) held: bool,
    pub(super) maintenance: bool,

    pub(super) master: Option<MasterStatus>,
    pub(super) announcer: Announcer,
    pub(super) peers: Peers,
    pub(super) conditions: Conditions,
    pub(super) statistics: Statistics,
}

impl Instance {
    pub(super) fn new(settings: vrrp::Instance, group: Option<usize>) -> Self {
        let name: Arc<str> = settings.name.as_str().into();
        let version = settings.spoken_version();
        let interval = Duration::from_millis(settings.advert_interval_ms.into());
        let password = settings.auth_pass.as_deref().filter(|_| version == Version::V2);
        Instance {
            name: name.clone(),
            version,
            authentication: password.map_or(Authentication::None, Authentication::password),
            interval,
            group,
            state: State::Initialize,
            since: Duration::ZERO,
            why: "not started".into(),
            standing: Standing { priority: settings.priority, ..Standing::default() },
            wait: (Duration::ZERO, Wait::Missed),
            advert_at: Duration::ZERO,
            master_interval: interval,
            preempt_at: None,
            preempts: false,
            wants_master: false,
            hand_over: None,
            held: false,
            maintenance: false,
            master: None,
            announcer: Announcer::new(&settings),
            peers: Peers::default(),
            conditions: Conditions::new(name),
            statistics: Statistics::default(),
            settings: Arc::new(settings),
        }
    }

    pub(super) fn is_owner(&self) -> bool {
        self.settings.priority == vrrp::Instance::OWNER
    }

    /// RFC 9568 section 7.1 has owners drop adverts; keepalived's do so only if told.
    pub(super) fn ignores_adverts(&self) -> bool {
        self.is_owner() && (self.settings.strict || self.settings.owner_ignore_adverts)
    }

    /// When something is due, but for announcements.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match (self.state, self.hand_over) {
            (State::Initialize | State::Fault, _) => None,
            (State::Backup, _) => Some(self.wait.0 + self.span(self.wait.1)),
            (State::Master, Some(hand_over)) => Some(hand_over.until),
            (State::Master, None) => Some(self.advert_at),
        }
    }

    /// Sends an advert to the group, or to each peer.
    pub(super) fn advertise(&mut self, priority: u8, actions: &mut VecDeque<Action>) {
        let Some(source) = self.standing.source else { return };
        let form = if self.settings.v3_checksum_as_v2 { Form::Plain } else { Form::Pseudo };
        let advert = Advert {
            version: self.version,
            router_id: self.settings.router_id,
            priority,
            interval: self.interval,
            authentication: self.authentication,
            addresses: self.settings.addresses.iter().map(|address| address.address).collect(),
        };
        let mut transmit = |destination, ttl| {
            let payload = advert.bytes(source, destination, form);
            let instance = self.settings.clone();
            actions.push_back(Action::Transmit(Transmit { instance, source, destination, ttl, payload }));
        };
        match &self.settings.unicast {
            None => transmit(if source.is_ipv6() { GROUP_6 } else { GROUP_4 }, TTL),
            Some(unicast) => {
                for peer in &unicast.peers {
                    transmit(peer.address, unicast.ttl.unwrap_or(TTL));
                }
            }
        }
        self.statistics.advert_sent += 1;
        if priority == 0 {
            self.statistics.pri_zero_sent += 1;
        }
    }

    /// What it waits for before it can begin.
    pub(super) fn waits(&mut self, what: &str) {
        self.why = format!("waits for {what}");
    }

    fn change(&mut self, now: Duration, state: State, why: String, actions: &mut VecDeque<Action>) {
        let text = format!("{state}: {why}");
        (self.state, self.since, self.why) = (state, now, why);
        self.wants_master = false;
        (self.preempt_at, self.preempts) = (None, false);
        self.hand_over = None;
        self.conditions.speak_again();
        self.peers.no_rival();
        actions.push_back(Action::Log { name: self.name.clone(), level: Level::Info, text });
        if let Some(event) = Event::of(state) {
            self.notify(event, actions);
        }
    }

    pub(super) fn notify(&self, event: Event, actions: &mut VecDeque<Action>) {
        let (name, priority, mail) = (self.name.clone(), self.standing.priority, self.settings.notify.smtp_alert);
        actions.push_back(Action::Notify(Notification { group: false, name, event, priority, mail }));
    }

    /// Takes the addresses. The advert goes first: the master that was removes its addresses before neighbours are told.
    pub(super) fn become_master(&mut self, now: Duration, why: String, actions: &mut VecDeque<Action>) {
        self.advertise(self.standing.priority, actions);
        self.advert_at = now + self.interval;
        self.master_interval = self.interval;
        self.statistics.become_master += 1;
        self.held = false;
        self.conditions.clear(vrrp::ConditionKind::ArbiterWithholds);
        let priority = self.standing.priority;
        let since_ms = millis(now);
        self.master = self.standing.source.map(|address| MasterStatus { address, priority, since_ms });
        actions.push_back(Action::AddAddresses(self.settings.clone()));
        self.announcer.begin(now);
        self.change(now, State::Master, why, actions);
    }

    /// Waits for the master to be missed. It keeps the interval that it has learned.
    pub(super) fn become_backup(&mut self, now: Duration, wait: Wait, why: String, actions: &mut VecDeque<Action>) {
        self.release(actions);
        self.wait = (now, wait);
        self.change(now, State::Backup, why, actions);
    }

    /// Takes no part.
    pub(super) fn become_fault(&mut self, now: Duration, why: String, actions: &mut VecDeque<Action>) {
        if self.state == State::Master && self.hand_over.is_none() {
            self.advertise(0, actions);
        }
        self.release(actions);
        self.master_interval = self.interval;
        self.master = None;
        self.change(now, State::Fault, why, actions);
    }

    /// The end.
    pub(super) fn stop(&mut self, now: Duration, event: Event, actions: &mut VecDeque<Action>) {
        if self.state == State::Master && self.hand_over.is_none() {
            self.advertise(0, actions);
        }
        self.release(actions);
        self.master = None;
        self.change(now, State::Initialize, "stopped".into(), actions);
        self.notify(event, actions);
    }

    /// Gives the addresses back, if it has them.
    fn release(&mut self, actions: &mut VecDeque<Action>) {
        if self.state == State::Master {
            // Unless another was heard: then that one is.
            self.master = self.master.take().filter(|master| Some(master.address) != self.standing.source);
            self.announcer.cancel();
            self.statistics.release_master += 1;
            actions.push_back(Action::RemoveAddresses(self.settings.clone()));
            if self.settings.virtual_mac.is_some() {
                actions.push_back(Action::LeaveVirtualMac(self.settings.clone()));
            }
        }
    }

    /// Says that it leaves, and waits for another.
    pub(super) fn begin_hand_over(&mut self, now: Duration, then: Then, actions: &mut VecDeque<Action>) {
        let more = if then == Then::Stop { 0 } else { 1 };
        self.hand_over = Some(HandOver { until: now + self.hand_over_span(), more, then });
        self.advertise(0, actions);
    }

    pub(super) fn status(&self, now: Duration) -> InstanceStatus {
        let lasting = (self.down_interval() * 2).max(Duration::from_secs(10));
        InstanceStatus {
            name: self.name.to_string(),
            interface: self.settings.interface.clone(),
            router_id: self.settings.router_id,
            version: self.version,
            state: self.state,
            since_ms: millis(self.since),
            why: self.why.clone(),
            addresses: self.settings.addresses.iter().chain(&self.settings.excluded).map(|one| one.address).collect(),
            base_priority: self.settings.priority,
            effective_priority: self.standing.priority,
            source: self.standing.source,
            master_advert_interval_ms: u32::try_from(self.master_interval.as_millis()).unwrap_or(u32::MAX),
            master: self.master.clone(),
            handing_over: self.hand_over.is_some(),
            held: self.held,
            maintenance: self.maintenance,
            conditions: self.conditions.within(now, lasting),
            peers: self.peers.status(),
            statistics: self.statistics,
        }
    }
}

/// As it stands in a status.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
