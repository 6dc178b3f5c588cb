//! Whether settings of virtual routers can be: each by itself, and all together.

use super::{InitialState, Instance, RouteAction, Settings, SyncGroup, TrackPing, TrackSource, Tracked, Version};
use crate::Network;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
};

/// Something in the settings that cannot be, or that is odd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The instance's or group's name.
    pub name: String,
    /// The setting, by its name in [`Instance`] or [`SyncGroup`].
    pub field: &'static str,
    /// Which element of it, where it is a list and one alone is wrong.
    pub element: Option<usize>,
    /// It cannot be run. Else it can, and is probably not what was meant.
    pub fatal: bool,
    /// What is wrong, and what to do.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.name, self.field, self.text)
    }
}

/// The bytes of an interface's name: Linux's IFNAMSIZ less the final zero.
const INTERFACE: usize = 15;
/// Adverts have one byte for the number of addresses.
const ADDRESSES_MAX: usize = 255;

impl Settings {
    /// What is wrong with them; none of it fatal if they can be run.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut names = BTreeSet::new();
        let known = Known {
            scripts: self.scripts.iter().map(|script| script.name.as_str()).collect(),
            files: self.files.iter().map(|file| file.name.as_str()).collect(),
            processes: self.processes.iter().map(|process| process.name.as_str()).collect(),
            pings: self.pings.iter().map(|ping| (ping.name.as_str(), ping)).collect(),
            shared: self.instances.iter().flat_map(all_of).collect(),
            instances: self.instances.iter().map(|instance| (instance.name.as_str(), instance)).collect(),
        };
        for instance in &self.instances {
            let mut found = Found { name: &instance.name, problems: &mut problems };
            if !names.insert(&instance.name) {
                found.error("name", "another instance has this name: give each its own");
            }
            check(instance, &mut found);
            known.sources(&instance.track, "track", &mut found);
            if let Some(arbiter) = &instance.arbiter {
                known.source(arbiter, "arbiter", None, &mut found);
            }
        }
        self.duplicates(&mut problems);
        self.virtual_interfaces(&mut problems);
        let mut grouped = BTreeSet::new();
        for group in &self.groups {
            let mut found = Found { name: &group.name, problems: &mut problems };
            if !names.insert(&group.name) {
                found.error("name", "an instance or another group has this name: give each its own");
            }
            known.group(group, &mut grouped, &mut found);
        }
        problems
    }

    /// Two instances that could not tell their adverts apart: of one number on one interface, and not both of them unicast
    /// with peers that are all different.
    fn duplicates(&self, problems: &mut Vec<Problem>) {
        let mut before: BTreeMap<_, Same<'_>> = BTreeMap::new();
        for instance in &self.instances {
            let same = before.entry((&instance.interface, instance.router_id, instance.is_ipv6())).or_default();
            if let Some(other) = same.not_apart(instance) {
                let text = format!(
                    "{} has the same number on {}: choose another, or unicast peers that are all different",
                    other.name, instance.interface
                );
                problems.push(Problem {
                    name: instance.name.clone(),
                    field: "router_id",
                    element: None,
                    fatal: true,
                    text,
                });
            }
            same.add(instance);
        }
    }
}

impl Settings {
    /// Interfaces for virtual MAC addresses that cannot be, or not twice.
    fn virtual_interfaces(&self, problems: &mut Vec<Problem>) {
        let mut used: BTreeMap<String, &str> =
            self.instances.iter().map(|instance| (instance.interface.clone(), instance.name.as_str())).collect();
        for instance in &self.instances {
            let Some(name) = instance.virtual_interface() else { continue };
            let mut found = Found { name: &instance.name, problems };
            let wrong = |c: char| c.is_control() || c.is_whitespace() || c == '/' || c == ':';
            if name.is_empty() || name.len() > INTERFACE || name.contains(wrong) {
                let text =
                    format!("an interface cannot be called {name:?}: choose up to {INTERFACE} letters and digits");
                found.error("virtual_mac", text);
            }
            if let Some(other) = used.get(&name) {
                let text = format!("{other} has an interface {name} already: give this one another name");
                found.error("virtual_mac", text);
            }
            if instance.unicast.is_some() && instance.virtual_mac.as_ref().is_some_and(|own| !own.from_base) {
                found.warning(
                    "virtual_mac",
                    "adverts to unicast peers come from the interface's own MAC address: write `virtual_mac_adverts = false`",
                );
            }
            used.insert(name, &instance.name);
        }
    }
}

/// Instances of one number on one interface.
#[derive(Default)]
struct Same<'a> {
    first: Option<&'a Instance>,
    multicast: Option<&'a Instance>,
    peers: BTreeMap<IpAddr, &'a Instance>,
}

impl<'a> Same<'a> {
    /// One whose adverts are not told apart from this one's.
    fn not_apart(&self, instance: &Instance) -> Option<&'a Instance> {
        let Some(unicast) = &instance.unicast else { return self.first };
        let shared = || unicast.peers.iter().find_map(|peer| self.peers.get(&peer.address).copied());
        self.multicast.or_else(shared)
    }

    fn add(&mut self, instance: &'a Instance) {
        self.first.get_or_insert(instance);
        match &instance.unicast {
            None => {
                self.multicast.get_or_insert(instance);
            }
            Some(unicast) => {
                for peer in &unicast.peers {
                    self.peers.entry(peer.address).or_insert(instance);
                }
            }
        }
    }
}

/// What there is, by its name.
struct Known<'a> {
    scripts: BTreeSet<&'a str>,
    files: BTreeSet<&'a str>,
    processes: BTreeSet<&'a str>,
    pings: BTreeMap<&'a str, &'a TrackPing>,
    /// All virtual addresses.
    shared: BTreeSet<IpAddr>,
    instances: BTreeMap<&'a str, &'a Instance>,
}

impl<'a> Known<'a> {
    fn group(&self, group: &'a SyncGroup, grouped: &mut BTreeSet<&'a str>, found: &mut Found<'_>) {
        match group.members.len() {
            0 => found.error("members", "a group needs instances"),
            1 => found.warning("members", "a group of one instance does nothing"),
            _ => {}
        }
        let mut members = Vec::new();
        for (at, member) in group.members.iter().enumerate() {
            match self.instances.get(member.as_str()) {
                Some(instance) => members.push(instance),
                None => found.error_in("members", at, format!("{member} is no instance")),
            }
            if !grouped.insert(member) {
                found.error_in("members", at, format!("{member} is in a group already"));
            }
        }
        let owners = members.iter().filter(|member| member.priority == Instance::OWNER).count();
        if owners != 0 && owners != members.len() {
            found.error("members", "some own their addresses (priority 255) and some do not: make it all or none");
        }
        if members.iter().any(|member| member.nopreempt) && !members.iter().all(|member| member.nopreempt) {
            found.warning("members", "nopreempt is set for some only: the others' preemption is held up by them");
        }
        self.sources(&group.track, "track", found);
        let weighs = |tracked: &Tracked| tracked.weight != 0;
        if !group.tracking_weight && group.track.iter().any(weighs) {
            found.error("track", "weights in a group need tracking_weight");
        }
        if !group.tracking_weight && members.iter().any(|member| member.track.iter().any(weighs)) {
            found.warning("tracking_weight", "members track with weights: set it, or weigh in none");
        }
    }

    fn sources(&self, tracked: &[Tracked], field: &'static str, found: &mut Found<'_>) {
        for (at, tracked) in tracked.iter().enumerate() {
            self.source(&tracked.source, field, Some(at), found);
            let most = if matches!(tracked.source, TrackSource::File(_)) { 254 } else { 253 };
            if tracked.weight.abs() > most {
                let text = format!("the weight of {} is not within -{most} and {most}", tracked.source);
                found.error_in(field, at, text);
            }
        }
    }

    fn source(&self, source: &TrackSource, field: &'static str, element: Option<usize>, found: &mut Found<'_>) {
        let known = match source {
            TrackSource::Script(name) => self.scripts.contains(name.as_str()),
            TrackSource::File(name) => self.files.contains(name.as_str()),
            TrackSource::Process(name) => self.processes.contains(name.as_str()),
            TrackSource::Ping(name) => match self.pings.get(name.as_str()) {
                Some(ping) if self.shared.contains(&ping.address) => {
                    let text = format!("{source} asks a virtual address, which the master has itself: name another");
                    return found.add(field, element, true, text);
                }
                known => known.is_some(),
            },
            TrackSource::Interface(_) | TrackSource::Health(_) => true,
        };
        if !known {
            found.add(field, element, true, format!("there is no {source}: define it"));
        }
    }
}

/// All addresses of an instance.
fn all_of(instance: &Instance) -> impl Iterator<Item = IpAddr> {
    instance.addresses.iter().chain(&instance.excluded).map(|address| address.address)
}

struct Found<'a> {
    name: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Found<'_> {
    fn error(&mut self, field: &'static str, text: impl Into<String>) {
        self.add(field, None, true, text.into());
    }

    fn error_in(&mut self, field: &'static str, element: usize, text: impl Into<String>) {
        self.add(field, Some(element), true, text.into());
    }

    fn warning(&mut self, field: &'static str, text: impl Into<String>) {
        self.add(field, None, false, text.into());
    }

    fn add(&mut self, field: &'static str, element: Option<usize>, fatal: bool, text: String) {
        self.problems.push(Problem { name: self.name.to_owned(), field, element, fatal, text });
    }
}

fn check(instance: &Instance, found: &mut Found<'_>) {
    if instance.name.is_empty() {
        found.error("name", "an instance needs a name");
    }
    if instance.interface.is_empty() {
        found.error("interface", "say on which interface adverts are sent");
    }
    if instance.router_id == 0 {
        found.error("router_id", "choose one of 1 to 255, the same on all routers that share the addresses");
    }
    if instance.priority == 0 {
        found.error("priority", "choose one of 1 to 254, or 255 for the owner of the addresses");
    }
    if !(1..=100).contains(&instance.down_timer_adverts) {
        found.error("down_timer_adverts", "choose one of 1 to 100");
    }
    if instance.preempt_delay_ms > 1_000_000 {
        found.error("preempt_delay_ms", "at most 1,000 s");
    }
    interval(instance, found);
    addresses(instance, found);
    routes(instance, found);
    if let Some(password) = &instance.auth_pass {
        if instance.spoken_version() == Version::V3 {
            found.error("auth_pass", "version 3 has no passwords: leave it out");
        }
        if password.len() > 8 {
            found.warning("auth_pass", "only the first 8 bytes count");
        }
    }
    if instance.nopreempt && instance.state == InitialState::Master {
        found.warning("nopreempt", "it preempts at the start with state MASTER: say BACKUP");
    }
    if instance.strict {
        strict(instance, found);
    }
}

fn interval(instance: &Instance, found: &mut Found<'_>) {
    let every = instance.advert_interval_ms;
    match instance.spoken_version() {
        Version::V2 if !every.is_multiple_of(1_000) || !(1_000..=255_000).contains(&every) => {
            found.error("advert_interval_ms", "version 2 has whole seconds, 1 to 255");
        }
        Version::V3 if !every.is_multiple_of(10) || !(10..=40_950).contains(&every) => {
            found.error("advert_interval_ms", "version 3 has steps of 10 ms, 10 ms to 40.95 s");
        }
        Version::V2 | Version::V3 => {}
    }
}

fn addresses(instance: &Instance, found: &mut Found<'_>) {
    let is_ipv6 = instance.is_ipv6();
    if let Some(other) = instance.addresses.iter().position(|address| address.address.is_ipv6() != is_ipv6) {
        let text = "IPv4 and IPv6 are mixed: name one family, the other in `excluded`";
        found.error_in("addresses", other, text);
    }
    if instance.addresses.len() > ADDRESSES_MAX {
        found.error("addresses", format!("an advert has room for {ADDRESSES_MAX}: move some to `excluded`"));
    }
    let mut seen = BTreeSet::new();
    for (field, list) in [("addresses", &instance.addresses), ("excluded", &instance.excluded)] {
        for (at, address) in list.iter().enumerate() {
            if !seen.insert((address.address, &address.interface)) {
                found.error_in(field, at, format!("{} is there twice", address.address));
            }
            let length = address.prefix_length();
            if length > if address.address.is_ipv4() { 32 } else { 128 } {
                found.error_in(field, at, format!("{}/{length}: the prefix is too long", address.address));
            }
        }
    }
    if instance.addresses.is_empty() && !instance.no_addresses {
        found.warning("addresses", "an instance without addresses: name some, or say no_addresses");
    }
    let peers = instance.unicast.iter().flat_map(|unicast| &unicast.peers).map(|peer| peer.address);
    if instance.source.into_iter().chain(peers).any(|address| address.is_ipv6() != is_ipv6) {
        found.error("unicast", "source, peers and addresses must be of one family");
    }
    if instance.unicast.as_ref().is_some_and(|unicast| unicast.peers.is_empty()) {
        found.warning("unicast", "no peers: nobody hears the adverts");
    }
}

fn routes(instance: &Instance, found: &mut Found<'_>) {
    let too_long = |network: Network| network.prefix > Network::longest(network.address.is_ipv4());
    for route in &instance.routes {
        if too_long(route.to) {
            found.error("routes", format!("{route}: the prefix is too long"));
        }
        let is_ipv6 = route.to.address.is_ipv6();
        if route.via.is_some_and(|via| via.is_ipv6() != is_ipv6)
            || route.source.is_some_and(|source| source.is_ipv6() != is_ipv6)
        {
            found.error("routes", format!("{route}: IPv4 and IPv6 are mixed"));
        }
        if route.action != RouteAction::Forward && (route.via.is_some() || route.interface.is_some()) {
            found.error("routes", format!("{route}: what is dropped has no next router and no interface"));
        }
    }
    for rule in &instance.rules {
        if rule.from.into_iter().chain(rule.to).any(too_long) {
            found.error("rules", format!("{rule}: the prefix is too long"));
        }
        if rule.from.zip(rule.to).is_some_and(|(from, to)| from.address.is_ipv6() != to.address.is_ipv6()) {
            found.error("rules", format!("{rule}: IPv4 and IPv6 are mixed"));
        }
        if rule.table.is_some() == (rule.action != RouteAction::Forward) {
            found.error("rules", format!("{rule}: say a table, or that packets are dropped"));
        }
    }
}

/// What keepalived's vrrp_strict forbids.
fn strict(instance: &Instance, found: &mut Found<'_>) {
    let owner = instance.priority == Instance::OWNER;
    if instance.addresses.is_empty() {
        found.error("addresses", "strict: at least one is needed");
    }
    if instance.unicast.is_some() {
        found.error("unicast", "strict: adverts are multicast");
    }
    if let Some(IpAddr::V6(first)) = instance.addresses.first().map(|address| address.address)
        && !first.is_unicast_link_local()
    {
        found.error("addresses", "strict: the first IPv6 address must be link-local");
    }
    if (instance.state == InitialState::Master) != owner {
        found.error("state", "strict: MASTER goes with priority 255, and only with it");
    }
    if instance.auth_pass.is_some() {
        found.error("auth_pass", "strict: the protocol has no passwords");
    }
    if instance.preempt_delay_ms != 0 {
        found.error("preempt_delay_ms", "strict: the protocol knows no delay");
    }
    if instance.higher_prio_send_advert {
        found.error("higher_prio_send_advert", "strict: the protocol does not have it");
    }
    if instance.announcements.refresh_ms != 0 {
        found.error("announcements", "strict: no refresh");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vrrp::{Unicast, UnicastPeer, VirtualAddress};

    fn instance() -> Instance {
        Instance {
            name: "web".into(),
            interface: "eth0".into(),
            router_id: 51,
            addresses: vec![VirtualAddress::new("192.0.2.100".parse().unwrap())],
            ..Instance::default()
        }
    }

    fn fields(instance: Instance) -> Vec<(&'static str, bool)> {
        let settings = Settings { instances: vec![instance], ..Settings::default() };
        settings.problems().iter().map(|problem| (problem.field, problem.fatal)).collect()
    }

    #[test]
    fn what_can_be_run_has_no_problems() {
        assert_eq!(fields(instance()), []);
        let six = VirtualAddress::new("fe80::1".parse().unwrap());
        assert_eq!(fields(Instance { addresses: vec![six], advert_interval_ms: 10, ..instance() }), []);
    }

    #[test]
    fn each_setting_has_its_bounds() {
        let six = || VirtualAddress::new("2001:db8::1".parse().unwrap());
        for (changed, field) in [
            (Instance { name: String::new(), ..instance() }, "name"),
            (Instance { interface: String::new(), ..instance() }, "interface"),
            (Instance { router_id: 0, ..instance() }, "router_id"),
            (Instance { priority: 0, ..instance() }, "priority"),
            (Instance { down_timer_adverts: 0, ..instance() }, "down_timer_adverts"),
            (Instance { preempt_delay_ms: 1_000_001, ..instance() }, "preempt_delay_ms"),
            (Instance { advert_interval_ms: 1_500, ..instance() }, "advert_interval_ms"),
            (Instance { advert_interval_ms: 256_000, ..instance() }, "advert_interval_ms"),
            (Instance { version: Version::V3, advert_interval_ms: 15, ..instance() }, "advert_interval_ms"),
            (Instance { version: Version::V3, advert_interval_ms: 40_960, ..instance() }, "advert_interval_ms"),
            (Instance { version: Version::V3, auth_pass: Some("x".into()), ..instance() }, "auth_pass"),
            (Instance { source: Some("::1".parse().unwrap()), ..instance() }, "unicast"),
            (Instance { track: vec![Tracked::needed(TrackSource::Script("no".into()))], ..instance() }, "track"),
            (Instance { arbiter: Some(TrackSource::Script("no".into())), ..instance() }, "arbiter"),
        ] {
            assert_eq!(fields(changed), [(field, true)]);
        }
        let mixed = Instance { addresses: vec![instance().addresses.remove(0), six()], ..instance() };
        assert_eq!(fields(mixed), [("addresses", true)]);
        let twice = Instance { excluded: instance().addresses, ..instance() };
        assert_eq!(fields(twice), [("excluded", true)]);
        assert_eq!(fields(Instance { addresses: Vec::new(), ..instance() }), [("addresses", false)]);
        let strict = Instance { strict: true, preempt_delay_ms: 1, state: InitialState::Master, ..instance() };
        assert_eq!(fields(strict), [("state", true), ("preempt_delay_ms", true)]);
    }

    #[test]
    fn a_ping_asks_another_than_the_virtual_addresses() {
        let with = |address: &str| {
            let instance = Instance { arbiter: Some(TrackSource::Ping("gateway".into())), ..instance() };
            let ping = TrackPing::new("gateway", address.parse().unwrap());
            let settings = Settings { instances: vec![instance], pings: vec![ping], ..Settings::default() };
            settings.problems().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(with("192.0.2.254"), [""; 0]);
        assert_eq!(
            with("192.0.2.100"),
            ["web: arbiter: ping gateway asks a virtual address, which the master has itself: name another"]
        );
    }

    #[test]
    fn routes_and_rules_are_of_one_family_and_lead_somewhere() {
        use crate::vrrp::{VirtualRoute, VirtualRule};
        let network = |address: &str, prefix| Network { address: address.parse().unwrap(), prefix };
        let route = || VirtualRoute::new(network("198.51.100.0", 24));
        let with = |route| fields(Instance { routes: vec![route], ..instance() });
        assert_eq!(with(VirtualRoute { via: "192.0.2.1".parse().ok(), ..route() }), []);
        for wrong in [
            VirtualRoute { via: "2001:db8::1".parse().ok(), ..route() },
            VirtualRoute { source: "2001:db8::1".parse().ok(), ..route() },
            VirtualRoute { action: RouteAction::Blackhole, interface: Some("eth0".into()), ..route() },
            VirtualRoute::new(network("198.51.100.0", 33)),
        ] {
            assert_eq!(with(wrong), [("routes", true)]);
        }
        let with = |rule| fields(Instance { rules: vec![rule], ..instance() });
        let rule = || VirtualRule { from: Some(network("198.51.100.0", 24)), table: Some(7), ..VirtualRule::default() };
        assert_eq!(with(rule()), []);
        for wrong in [
            VirtualRule { table: None, ..rule() },
            VirtualRule { action: RouteAction::Prohibit, ..rule() },
            VirtualRule { to: Some(network("2001:db8::", 32)), ..rule() },
            VirtualRule { to: Some(network("2001:db8::", 129)), from: None, ..rule() },
        ] {
            assert_eq!(with(wrong), [("rules", true)]);
        }
    }

    #[test]
    fn two_instances_differ_in_number_or_peers() {
        let two = |change: &dyn Fn(&mut Instance)| {
            let mut other = Instance { name: "mail".into(), ..instance() };
            change(&mut other);
            let unicast = |peer: &str| {
                Some(Unicast { peers: vec![UnicastPeer::new(peer.parse().unwrap())], ..Unicast::default() })
            };
            let first = Instance { unicast: unicast("192.0.2.2"), ..instance() };
            let settings = Settings { instances: vec![first, other], ..Settings::default() };
            settings.problems().iter().filter(|problem| problem.field == "router_id").count()
        };
        let peer =
            |text: &str| Some(Unicast { peers: vec![UnicastPeer::new(text.parse().unwrap())], ..Unicast::default() });
        assert_eq!(two(&|_| {}), 1);
        assert_eq!(two(&|other| other.router_id = 52), 0);
        assert_eq!(two(&|other| other.interface = "eth1".into()), 0);
        assert_eq!(two(&|other| other.unicast = peer("192.0.2.3")), 0);
        assert_eq!(two(&|other| other.unicast = peer("192.0.2.2")), 1);
    }

    #[test]
    fn groups_name_instances_once() {
        let group = |members: &[&str]| SyncGroup {
            name: "g".into(),
            members: members.iter().map(|&member| member.to_owned()).collect(),
            ..SyncGroup::default()
        };
        let other = Instance { name: "mail".into(), router_id: 52, priority: 255, ..instance() };
        let settings = Settings {
            instances: vec![instance(), other],
            groups: vec![group(&["web", "mail"]), SyncGroup { name: "h".into(), ..group(&["web", "no"]) }],
            ..Settings::default()
        };
        let texts: Vec<String> = settings.problems().iter().map(ToString::to_string).collect();
        assert!(
            matches!(&texts[..], [a, b, c] if a.starts_with("g: members: some own")
            && b == "h: members: web is in a group already" && c == "h: members: no is no instance"),
            "{texts:?}"
        );
    }
}
