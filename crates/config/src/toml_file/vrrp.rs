//! `[vrrp]`: virtual routers, groups of them, and what they track. What they cannot be together the model says
//! ([`Problem`]); here it gets its place.

use super::director::interface_name;
use super::routes::{routes, rules};
use super::script::{command, name, script};
use super::section::Section;
use super::tracked::{arbiter, ping, tracked};
use crate::address::one_machine;
use crate::diagnostic::Severity;
use crate::draft::Given;
use crate::keys::{
    ADDRESS, ANNOUNCEMENTS, INSTANCE, PEER, SYNC_GROUP, TRACK_FILE, TRACK_PING, TRACK_PROCESS, TRACK_SCRIPT,
};
use crate::report::{Fault, Report, Span, quoted};
use relvs_model::ServiceKey;
use relvs_model::health::Script;
use relvs_model::vrrp::{
    Announcements, InitialState, Instance, Notify, Problem, Settings, SyncGroup, TrackFile, TrackProcess, TrackScript,
    Unicast, UnicastPeer, Version, VirtualAddress, VirtualMac,
};
use std::net::IpAddr;
use toml::de::DeValue;

/// The words for what is assumed at the start.
pub(crate) const STATES: [(&str, InitialState); 2] =
    [("backup", InitialState::Backup), ("master", InitialState::Master)];
/// The words for how far an address is valid (ip-address(8)).
pub(crate) const SCOPES: [(&str, &str); 4] =
    [("global", "global"), ("site", "site"), ("link", "link"), ("host", "host")];
/// The longest label of an address, in bytes: Linux's IFNAMSIZ less the final zero.
const LABEL: usize = 15;
/// What every instance or group must say, so that its absence is told once.
const REQUIRED: [&str; 4] = ["name", "interface", "id", "members"];

/// Settings that hold together; none at all, if something of them does not. `services` are those that the file has, if all
/// of them were understood. With the place of each one's interface.
pub(super) fn read(
    section: &Section<'_>,
    services: Option<&[ServiceKey]>,
    report: &mut Report,
) -> (Settings, Vec<Span>) {
    let before = report.problems.len();
    section.finish(report);
    let startup_delay_ms = section.pause("startup_delay", report).or(0).unwrap_or(0);
    let scripts: Vec<_> = section.tables(&TRACK_SCRIPT, report);
    let scripts = scripts.iter().map(|section| track_script(section, report)).collect();
    let files: Vec<_> = section.tables(&TRACK_FILE, report);
    let files = files.iter().map(|section| track_file(section, report)).collect();
    let processes: Vec<_> = section.tables(&TRACK_PROCESS, report);
    let processes = processes.iter().map(|section| track_process(section, report)).collect();
    let pings: Vec<_> = section.tables(&TRACK_PING, report);
    let pings = pings.iter().map(|section| ping(section, report)).collect();
    let sections = section.tables(&INSTANCE, report);
    let instances: Vec<Instance> = sections.iter().map(|section| instance(section, services, report)).collect();
    let grouped = section.tables(&SYNC_GROUP, report);
    let groups: Vec<SyncGroup> = grouped.iter().map(|section| group(section, services, report)).collect();
    let fifo = absolute(section, "fifo", report);
    let settings = Settings { instances, groups, startup_delay_ms, scripts, files, processes, pings, fifo };
    let named = |problem: &Problem| {
        let instances = settings.instances.iter().map(|instance| &instance.name).zip(&sections);
        let groups = settings.groups.iter().map(|group| &group.name).zip(&grouped);
        let is_groups = matches!(problem.field, "members" | "tracking_weight");
        let one = |(name, section): &(&String, &Section<'_>)| {
            **name == problem.name && (!is_groups || section.is(&SYNC_GROUP))
        };
        let mut all: Vec<_> = instances.chain(groups).filter(one).collect();
        // Of two of one name it is the second that is wrong.
        let one = if problem.field == "name" { all.pop() } else { all.into_iter().next() };
        one.map(|(_, section)| section)
    };
    for problem in settings.problems() {
        if let Some(section) = named(&problem) {
            say(&problem, section, report);
        }
    }
    if report.has_error_since(before) {
        return Default::default();
    }
    let place =
        |section: &Section<'_>| section.get("interface").map_or_else(|| section.span.clone(), toml::Spanned::span);
    (settings, sections.iter().map(place).collect())
}

/// Says a problem of the model's at its place, unless what stands there is wrong by itself.
fn say(problem: &Problem, section: &Section<'_>, report: &mut Report) {
    let key = match problem.field {
        "router_id" => "id",
        "advert_interval_ms" => "interval",
        "preempt_delay_ms" => "preempt_delay",
        "unicast" if section.get("unicast_peers").is_none() => "source",
        "unicast" => "unicast_peers",
        field => field,
    };
    let value = section.get(key);
    if section.is_broken() || (value.is_none() && REQUIRED.contains(&key)) {
        return;
    }
    let element = problem.element.and_then(|at| section.elements(key).into_iter().nth(at));
    let span = element.map(|(_, span)| span).or_else(|| value.map(toml::Spanned::span));
    let span = span.unwrap_or_else(|| section.span.clone());
    let all = value.map_or_else(|| span.clone(), toml::Spanned::span);
    let overlaps = |other: &Span| other.start < all.end && all.start < other.end;
    let is_wrong = |said: &crate::report::Problem| said.severity == Severity::Error && overlaps(&said.span);
    if value.is_some() && report.problems.iter().any(is_wrong) {
        return;
    }
    // The model says what is wrong and what to do in one line.
    let (what, help) = problem.text.rsplit_once(": ").map_or((problem.text.as_str(), None), |(w, h)| (w, Some(h)));
    let fault = Fault::new(format!("`{key}`: {what}"));
    let fault = if let Some(help) = help { fault.help(help) } else { fault };
    if problem.fatal { report.error(&span, fault) } else { report.warning(&span, fault) }
}

pub(super) fn required(section: &Section<'_>, key: &'static str, example: &str, report: &mut Report) -> String {
    match section.string(key, report) {
        Given::Is(text, _) if !text.is_empty() && !text.contains(char::is_control) => text.to_owned(),
        Given::Is(_, span) => {
            report.error(&span, Fault::new(format!("`{key}` is empty, or has control characters in it")));
            String::new()
        }
        Given::Absent => {
            section.missing(key, example, report);
            String::new()
        }
        Given::Wrong => String::new(),
    }
}

fn absolute(section: &Section<'_>, key: &'static str, report: &mut Report) -> Option<String> {
    let Given::Is(path, span) = section.string(key, report) else { return None };
    if path.starts_with('/') && !path.contains(char::is_control) {
        return Some(path.to_owned());
    }
    let fault = Fault::new(format!("`{key}` must be an absolute path, not {}", quoted(path)));
    report.error(&span, fault.help(format!("write {key} = \"/run/relvs/...\"")));
    None
}

fn track_script(section: &Section<'_>, report: &mut Report) -> TrackScript {
    section.finish(report);
    let program = command(section, "command", report);
    if program.is_none() && section.get("command").is_none() {
        section.missing("command", "command = [\"/usr/local/bin/check\"]", report);
    }
    let interval_ms = section.pause("interval", report).or(1_000).unwrap_or(1_000);
    let mut count = |key| section.integer(key, report).or(1).unwrap_or(1);
    let (fall, rise) = (count("fall"), count("rise"));
    TrackScript {
        name: required(section, "name", "name = \"uplink\"", report),
        script: Script {
            command: program.map(|(command, _)| command).unwrap_or_default(),
            user: name(section, "user", report),
            group: name(section, "group", report),
            timeout_ms: section.pause("timeout", report).or(interval_ms).unwrap_or(interval_ms),
        },
        interval_ms,
        fall,
        rise,
        init_fail: section.boolean("init_fail", report).or(false).unwrap_or(false),
    }
}

fn track_file(section: &Section<'_>, report: &mut Report) -> TrackFile {
    section.finish(report);
    let path = absolute(section, "path", report);
    if section.get("path").is_none() {
        section.missing("path", "path = \"/run/relvs/weight\"", report);
    }
    TrackFile { name: required(section, "name", "name = \"weight\"", report), path: path.unwrap_or_default() }
}

fn track_process(section: &Section<'_>, report: &mut Report) -> TrackProcess {
    section.finish(report);
    TrackProcess {
        name: required(section, "name", "name = \"bird\"", report),
        process: required(section, "process", "process = \"bird\"", report),
        quorum: section.integer("quorum", report).or(1).unwrap_or(1),
    }
}

fn instance(section: &Section<'_>, services: Option<&[ServiceKey]>, report: &mut Report) -> Instance {
    section.finish(report);
    let usual = Instance::default();
    let name = required(section, "name", "name = \"web\"", report);
    let interface = interface(section, "interface", report);
    if interface.is_none() && section.get("interface").is_none() {
        section.missing("interface", "interface = \"eth0\"", report);
    }
    let router_id = byte(section, "id", report);
    if section.get("id").is_none() {
        section.missing("id", "id = 51", report);
    }
    let (addresses, excluded) = (addresses(section, "addresses", report), addresses(section, "excluded", report));
    let version = match section.integer("version", report) {
        Given::Is(3, _) => Version::V3,
        Given::Is(..) | Given::Absent | Given::Wrong => Version::V2,
    };
    let interval = section.pause("interval", report).or(usual.advert_interval_ms);
    let preempt_delay = section.pause("preempt_delay", report).or(usual.preempt_delay_ms);
    let auth_pass = match section.string("auth_pass", report) {
        Given::Is("", span) => {
            report.error(&span, Fault::new("`auth_pass` is empty").help("leave it out"));
            None
        }
        Given::Is(text, _) => Some(text.to_owned()),
        Given::Absent | Given::Wrong => None,
    };
    let (routes, rules) = (routes(section, report), rules(section, report));
    let virtual_mac = virtual_mac(section, report);
    let mut flag = |key, usual| section.boolean(key, report).or(usual).unwrap_or(usual);
    Instance {
        name,
        interface: interface.unwrap_or_default(),
        router_id: router_id.unwrap_or_default(),
        version,
        nopreempt: flag("nopreempt", false),
        routes,
        rules,
        no_addresses: flag("no_addresses", false),
        virtual_mac,
        accept: flag("accept", usual.accept),
        promote_secondaries: flag("promote_secondaries", false),
        strict: flag("strict", false),
        skip_check_adv_addr: flag("skip_check_adv_addr", false),
        v3_checksum_as_v2: flag("v3_checksum_as_v2", false),
        lower_prio_no_advert: flag("lower_prio_no_advert", false),
        higher_prio_send_advert: flag("higher_prio_send_advert", false),
        owner_ignore_adverts: flag("owner_ignore_adverts", false),
        dont_track_primary: flag("dont_track_primary", false),
        state: section.word("state", "state", &STATES, &[], report).or(usual.state).unwrap_or(usual.state),
        priority: byte(section, "priority", report).unwrap_or(usual.priority),
        advert_interval_ms: interval.unwrap_or(usual.advert_interval_ms),
        preempt_delay_ms: preempt_delay.unwrap_or(usual.preempt_delay_ms),
        auth_pass,
        addresses,
        excluded,
        source: own_address(section, "source", report),
        unicast: unicast(section, report),
        down_timer_adverts: byte(section, "down_timer_adverts", report).unwrap_or(usual.down_timer_adverts),
        announcements: announcements(section, report),
        track: tracked(section, services, report),
        arbiter: arbiter(section, services, report),
        notify: notify(section, report),
    }
}

fn group(section: &Section<'_>, services: Option<&[ServiceKey]>, report: &mut Report) -> SyncGroup {
    section.finish(report);
    let name = required(section, "name", "name = \"both\"", report);
    let members = section.strings("members", report).into_iter().map(|(name, _)| name.to_owned()).collect();
    if section.get("members").is_none() {
        section.missing("members", "members = [\"web\", \"inside\"]", report);
    }
    SyncGroup {
        name,
        members,
        track: tracked(section, services, report),
        tracking_weight: section.boolean("tracking_weight", report).or(false).unwrap_or(false),
        notify: notify(section, report),
    }
}

/// The virtual MAC address, and what is said of it.
fn virtual_mac(section: &Section<'_>, report: &mut Report) -> Option<VirtualMac> {
    let wanted = section.boolean("virtual_mac", report).or(false).unwrap_or(false);
    let interface = interface(section, "virtual_mac_interface", report);
    let adverts = section.boolean("virtual_mac_adverts", report).or(true).unwrap_or(true);
    for key in ["virtual_mac_interface", "virtual_mac_adverts"] {
        if let Some(value) = section.get(key).filter(|_| !wanted && section.get("virtual_mac").is_none()) {
            let fault = Fault::new(format!("`{key}` needs `virtual_mac = true`"));
            report.error(&value.span(), fault.help("write it, or remove this"));
        }
    }
    wanted.then_some(VirtualMac { interface, from_base: !adverts })
}

/// The name of an interface.
pub(super) fn interface(section: &Section<'_>, key: &'static str, report: &mut Report) -> Option<String> {
    let Given::Is(name, span) = section.string(key, report) else { return None };
    match interface_name(name) {
        Ok(()) => Some(name.to_owned()),
        Err(fault) => {
            report.error(&span, fault);
            None
        }
    }
}

fn byte(section: &Section<'_>, key: &'static str, report: &mut Report) -> Option<u8> {
    match section.integer(key, report) {
        Given::Is(number, _) => u8::try_from(number).ok(),
        Given::Absent | Given::Wrong => None,
    }
}

/// One address of a machine.
pub(super) fn own_address(section: &Section<'_>, key: &'static str, report: &mut Report) -> Option<IpAddr> {
    let Given::Is(text, span) = section.string(key, report) else { return None };
    let address = text.parse::<IpAddr>().map_err(|_| Fault::new(format!("{} is not an IP address", quoted(text))));
    match address.and_then(|address| can_be(address).map(|()| address)) {
        Ok(address) => Some(address),
        Err(fault) => {
            report.error(&span, fault);
            None
        }
    }
}

/// Link-local addresses have their interface here.
fn can_be(address: IpAddr) -> Result<(), Fault> {
    match address {
        IpAddr::V6(six) if six.is_unicast_link_local() => Ok(()),
        IpAddr::V4(_) | IpAddr::V6(_) => one_machine("the address", address),
    }
}

/// Addresses, each as text or as a table.
fn addresses(section: &Section<'_>, key: &'static str, report: &mut Report) -> Vec<VirtualAddress> {
    let mut found = Vec::new();
    for (value, span) in section.elements(key) {
        match value {
            DeValue::String(text) => found.extend(virtual_address(text, &span, report)),
            DeValue::Table(table) => found.extend(in_full(&section.within(table, span, &ADDRESS), report)),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => {
                let fault = Fault::new(format!("`{key}` has addresses, each as text or as a table"));
                report.error(&span, fault.help("write \"192.0.2.100/24\""));
            }
        }
    }
    found
}

fn virtual_address(text: &str, span: &Span, report: &mut Report) -> Option<VirtualAddress> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let fault = |what: String| Fault::new(what).help("write \"192.0.2.100/24\" or \"2001:db8::100/64\"");
    let Ok(address) = address.parse::<IpAddr>() else {
        report.error(span, fault(format!("{} is not an address with its prefix", quoted(text))));
        return None;
    };
    if let Err(fault) = can_be(address) {
        report.error(span, fault);
        return None;
    }
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let digits = |prefix: &&str| !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
    let length = prefix.filter(digits).and_then(|prefix| prefix.parse().ok()).filter(|prefix| *prefix <= longest);
    if prefix.is_some() && length.is_none() {
        report.error(span, fault(format!("the prefix of {} is not a number from 0 to {longest}", quoted(text))));
        return None;
    }
    Some(VirtualAddress { prefix: length, ..VirtualAddress::new(address) })
}

fn in_full(section: &Section<'_>, report: &mut Report) -> Option<VirtualAddress> {
    section.finish(report);
    let address = match section.string("address", report) {
        Given::Is(text, span) => virtual_address(text, &span, report),
        Given::Absent => {
            section.missing("address", "address = \"192.0.2.100/24\"", report);
            None
        }
        Given::Wrong => None,
    };
    let label = match section.string("label", report) {
        Given::Is(text, span) if text.is_empty() || text.len() > LABEL || text.contains(char::is_control) => {
            report.error(&span, Fault::new(format!("a label has 1 to {LABEL} bytes")));
            None
        }
        Given::Is(text, span) if address.as_ref().is_some_and(|address| address.address.is_ipv6()) => {
            report.error(&span, Fault::new(format!("{} has no label: it is IPv6", quoted(text))).help("leave it out"));
            None
        }
        Given::Is(text, _) => Some(text.to_owned()),
        Given::Absent | Given::Wrong => None,
    };
    let scope = match section.word("scope", "scope", &SCOPES, &[], report) {
        Given::Is(scope, _) => Some(scope.to_owned()),
        Given::Absent | Given::Wrong => None,
    };
    Some(VirtualAddress {
        interface: interface(section, "interface", report),
        label,
        scope,
        no_prefix_route: section.boolean("no_prefix_route", report).or(false).unwrap_or(false),
        no_track: section.boolean("no_track", report).or(false).unwrap_or(false),
        ..address?
    })
}

fn unicast(section: &Section<'_>, report: &mut Report) -> Option<Unicast> {
    let (ttl, check_source) =
        (byte(section, "unicast_ttl", report), section.boolean("check_unicast_source", report).or(false));
    let mut peers = Vec::new();
    for (value, span) in section.elements("unicast_peers") {
        let peer = match value {
            DeValue::String(text) => text.parse().ok().map(UnicastPeer::new),
            DeValue::Table(table) => {
                peers.extend(peer(&section.within(table, span, &PEER), report));
                continue;
            }
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => None,
        };
        if peer.is_none() {
            report.error(&span, Fault::new("a peer is an IP address, or a table").help("write \"192.0.2.2\""));
        }
        peers.extend(peer);
    }
    if section.get("unicast_peers").is_none() {
        for key in ["unicast_ttl", "check_unicast_source"] {
            if let Given::Is(_, span) = section.value(key) {
                let fault = Fault::new(format!("`{key}` without `unicast_peers` does nothing"));
                report.warning(&span, fault.help("leave it out, or name the peers"));
            }
        }
        return None;
    }
    Some(Unicast { peers, ttl, check_source: check_source.unwrap_or(false) })
}

fn peer(section: &Section<'_>, report: &mut Report) -> Option<UnicastPeer> {
    section.finish(report);
    let address = own_address(section, "address", report);
    if section.get("address").is_none() {
        section.missing("address", "address = \"192.0.2.2\"", report);
    }
    let (min_ttl, max_ttl) = (byte(section, "min_ttl", report), byte(section, "max_ttl", report));
    if let (Some(least), Some(most), Given::Is(_, span)) = (min_ttl, max_ttl, section.value("max_ttl"))
        && least > most
    {
        report.error(&span, Fault::new("`max_ttl` is less than `min_ttl`"));
    }
    Some(UnicastPeer { address: address?, min_ttl, max_ttl })
}

fn announcements(section: &Section<'_>, report: &mut Report) -> Announcements {
    let usual = Announcements::default();
    let Some(section) = section.table(&ANNOUNCEMENTS, report) else { return usual };
    section.finish(report);
    let some = |given: Given<u32>| match given {
        Given::Is(value, _) => Some(value),
        Given::Absent | Given::Wrong => None,
    };
    let number = |key, report: &mut Report| some(section.integer(key, report));
    let time = |key, report: &mut Report| some(section.pause(key, report));
    Announcements {
        repeat: number("repeat", report).unwrap_or(usual.repeat),
        delay_ms: time("delay", report).unwrap_or(usual.delay_ms),
        refresh_ms: time("refresh", report).unwrap_or(usual.refresh_ms),
        refresh_repeat: number("refresh_repeat", report).unwrap_or(usual.refresh_repeat),
        lower_prio_repeat: number("lower_prio_repeat", report),
        lower_prio_delay_ms: time("lower_prio_delay", report),
        garp_interval_ms: time("garp_interval", report).unwrap_or(usual.garp_interval_ms),
        gna_interval_ms: time("gna_interval", report).unwrap_or(usual.gna_interval_ms),
    }
}

/// A group has fewer keys: those it lacks were reported as unknown.
fn notify(section: &Section<'_>, report: &mut Report) -> Notify {
    let is_instance = section.is(&INSTANCE);
    let mut own = |key| if is_instance { script(section, key, report) } else { None };
    let (deleted, master_rx_lower_pri) = (own("notify_deleted"), own("notify_master_rx_lower_pri"));
    let priority_changes = is_instance && section.boolean("notify_priority_changes", report).or(false).unwrap_or(false);
    Notify {
        master: script(section, "notify_master", report),
        backup: script(section, "notify_backup", report),
        fault: script(section, "notify_fault", report),
        stop: script(section, "notify_stop", report),
        deleted,
        any: script(section, "notify", report),
        master_rx_lower_pri,
        priority_changes,
        smtp_alert: section.boolean("smtp_alert", report).or(false).unwrap_or(false),
    }
}
