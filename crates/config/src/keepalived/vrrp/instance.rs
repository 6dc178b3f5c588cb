//! `vrrp_instance`.

use super::{
    Sources,
    address::{address, peer},
    notify,
    route::{route, rule},
    strict::complied,
    track::track,
};
use crate::{
    keepalived::{
        Globals, Statement,
        global::{Defaults, announcement},
        keywords::Context,
        reading::{Reading, keep},
    },
    report::{Fault, quoted},
};
use relvs_model::vrrp::{InitialState, Instance, Notify, Unicast, Version, VirtualAddress};
use std::collections::BTreeSet;

/// The bytes of an interface's name.
const INTERFACE: usize = 15;
/// The bytes of a password that count.
const PASSWORD: usize = 8;

/// Reads an instance; none if it cannot be.
pub(in crate::keepalived) fn instance(
    statement: &Statement,
    sources: &Sources,
    globals: &Globals,
    defaults: &Defaults,
    reading: &mut Reading<'_>,
) -> Option<Instance> {
    let name = reading.word(statement, 0, "a name")?.to_owned();
    let mut instance = Instance {
        name,
        interface: defaults.interface.clone().unwrap_or_default(),
        version: defaults.version,
        strict: defaults.strict,
        skip_check_adv_addr: defaults.skip_check_adv_addr,
        v3_checksum_as_v2: defaults.v3_checksum_as_v2,
        lower_prio_no_advert: defaults.lower_prio_no_advert,
        higher_prio_send_advert: defaults.higher_prio_send_advert,
        owner_ignore_adverts: defaults.owner_ignore_adverts,
        down_timer_adverts: defaults.down_timer_adverts,
        announcements: defaults.announcements,
        notify: Notify {
            smtp_alert: globals.alert_vrrp,
            priority_changes: defaults.notify_priority_changes,
            ..Notify::default()
        },
        ..Instance::default()
    };
    let mut unicast = Unicast { check_source: defaults.check_unicast_src, ..Unicast::default() };
    let (mut interval, mut accept, mut speaks_unicast, mut xmit_base) = (None, None, false, None);
    let (mut routes, mut rules) = (Vec::new(), Vec::new());
    let (mut of_unicast, mut native) = (None, None);
    for line in reading.block(statement) {
        let keyword = reading.keyword(Context::Instance, line);
        match line.keyword.text.as_str() {
            "check_unicast_src" | "old_unicast_checksum" | "unicast_src_ip" | "unicast_ttl" => of_unicast = Some(line),
            "native_ipv6" => native = Some(line),
            _ => {}
        }
        let Some(keyword) = keyword else { continue };
        let switch = match keyword {
            "skip_check_adv_addr" => Some(&mut instance.skip_check_adv_addr),
            "strict_mode" => Some(&mut instance.strict),
            "v3_checksum_as_v2" => Some(&mut instance.v3_checksum_as_v2),
            "lower_prio_no_advert" => Some(&mut instance.lower_prio_no_advert),
            "higher_prio_send_advert" => Some(&mut instance.higher_prio_send_advert),
            "owner_ignore_adverts" => Some(&mut instance.owner_ignore_adverts),
            "dont_track_primary" => Some(&mut instance.dont_track_primary),
            "promote_secondaries" => Some(&mut instance.promote_secondaries),
            "no_virtual_ipaddress" => Some(&mut instance.no_addresses),
            "nopreempt" => Some(&mut instance.nopreempt),
            "check_unicast_src" => Some(&mut unicast.check_source),
            _ => None,
        };
        if let Some(switch) = switch {
            *switch = reading.boolean(line).unwrap_or(*switch);
            continue;
        }
        match keyword {
            "preempt" => instance.nopreempt = false,
            "accept" => accept = Some(true),
            "no_accept" => accept = Some(false),
            "state" => {
                let states = [("MASTER", InitialState::Master), ("BACKUP", InitialState::Backup)];
                instance.state = reading.choice(line, 0, &states).unwrap_or(instance.state);
            }
            "interface" => {
                if let Some(name) = interface(line, reading) {
                    instance.interface = name;
                }
            }
            "use_vmac" => {
                instance.virtual_mac.get_or_insert_default().interface = virtual_interface(line, reading);
            }
            "vmac_xmit_base" => xmit_base = Some(line),
            "virtual_router_id" => {
                instance.router_id = reading.integer(line, 0, 1..=u8::MAX).unwrap_or(instance.router_id);
            }
            "priority" => instance.priority = reading.integer(line, 0, 1..=u8::MAX).unwrap_or(instance.priority),
            "version" => {
                let versions = [("2", Version::V2), ("3", Version::V3)];
                instance.version = reading.choice(line, 0, &versions).unwrap_or(instance.version);
            }
            "advert_int" => keep(&mut interval, reading.seconds(line, 0, 10..=255_000).map(|found| (found, line))),
            "preempt_delay" => {
                instance.preempt_delay_ms =
                    reading.seconds(line, 0, 0..=1_000_000).unwrap_or(instance.preempt_delay_ms);
            }
            "down_timer_adverts" => {
                let found = reading.integer(line, 0, 1..=100);
                instance.down_timer_adverts = found.unwrap_or(instance.down_timer_adverts);
            }
            "mcast_src_ip" | "unicast_src_ip" => keep(&mut instance.source, reading.address(line, 0)),
            "unicast_ttl" => keep(&mut unicast.ttl, reading.integer(line, 0, 0..=u8::MAX)),
            "unicast_peer" => {
                speaks_unicast = true;
                unicast.peers.extend(reading.block(line).iter().filter_map(|line| peer(line, reading)));
            }
            "virtual_ipaddress" => addresses(line, &mut instance.addresses, reading),
            "virtual_ipaddress_excluded" => addresses(line, &mut instance.excluded, reading),
            "virtual_routes" => routes.extend(reading.block(line)),
            "virtual_rules" => rules.extend(reading.block(line)),
            "authentication" => password(line, &mut instance, reading),
            _ => {
                let _ = announcement(keyword, line, &mut instance.announcements, reading)
                    || notify(keyword, line, &mut instance.notify, reading)
                    || track(keyword, line, sources, &mut instance.track, reading);
            }
        }
    }
    if let Some(line) = of_unicast.filter(|_| !speaks_unicast) {
        let fault = Fault::new(format!("`{}` without peers: adverts go to all routers", line.keyword.text));
        reading.complaint(line.keyword.place, fault.help("add `unicast_peer`, or remove the line"));
    }
    instance.unicast = speaks_unicast.then_some(unicast);
    if let Some(line) = native.filter(|_| !instance.is_ipv6()) {
        let fault = Fault::new("`native_ipv6` with addresses of IPv4");
        reading.complaint(line.keyword.place, fault.help("remove it"));
    }
    instance.accept = accept.unwrap_or(!instance.strict);
    one_family(statement, &mut instance, reading);
    once(&mut instance, statement, reading);
    virtual_mac(statement, xmit_base, &mut instance, reading);
    let six = instance.is_ipv6();
    instance.routes = routes.into_iter().filter_map(|line| route(line, six, reading)).collect();
    instance.rules = rules.into_iter().filter_map(|line| rule(line, six, reading)).collect();
    if let Some((milliseconds, line)) = interval {
        advert_interval(milliseconds, line, &mut instance, reading);
    }
    if instance.strict {
        complied(&mut instance, statement.keyword.place, reading);
    }
    completed(statement, instance, reading)
}

/// The name of the interface with the virtual MAC address, if one is given that can be.
fn virtual_interface(line: &Statement, reading: &mut Reading<'_>) -> Option<String> {
    let mut found = None;
    for (at, word) in line.arguments.iter().enumerate() {
        let (text, place) = (word.text.as_str(), Reading::place(line, at));
        let wrong = |c: char| c == '/' || c == ':' || c.is_control() || c.is_whitespace();
        if text.split(':').count() == 6 {
            let fault = Fault::new(format!("{} is not taken: a virtual router has one MAC address", quoted(text)));
            reading.warning(place, fault.help("leave it out; its number says which"));
        } else if text.is_empty() || text.len() > INTERFACE || text.contains(wrong) {
            let fault = Fault::new(format!("{} cannot be the name of an interface", quoted(text)));
            reading.fault(place, fault.help(format!("choose one of up to {INTERFACE} bytes; it is left out")));
        } else {
            found = Some(text.to_owned());
        }
    }
    found
}

/// Where adverts come from, if there is a virtual MAC address.
fn virtual_mac(
    statement: &Statement,
    xmit_base: Option<&Statement>,
    instance: &mut Instance,
    reading: &mut Reading<'_>,
) {
    let unicast = instance.unicast.is_some();
    match (&mut instance.virtual_mac, xmit_base) {
        (Some(own), Some(_)) => own.from_base = true,
        (Some(own), None) if unicast => {
            let fault = Fault::new(format!("{}: unicast with use_vmac needs vmac_xmit_base", instance.name));
            reading.fault(statement.keyword.place, fault.help("write it; it is taken as written"));
            own.from_base = true;
        }
        (None, Some(line)) => {
            let fault = Fault::new("vmac_xmit_base does nothing without use_vmac");
            reading.fault(line.keyword.place, fault.help("write `use_vmac`, or remove it"));
        }
        (Some(_) | None, None) => {}
    }
}

/// The name of an interface, which has up to 15 bytes (IFNAMSIZ).
fn interface(line: &Statement, reading: &mut Reading<'_>) -> Option<String> {
    let name = reading.word(line, 0, "an interface")?;
    if name.len() > INTERFACE {
        let fault = Fault::new(format!("{} is too long for the name of an interface", quoted(name)));
        reading.fault(Reading::place(line, 0), fault.help("`ip link` lists those there are; it is left out"));
        return None;
    }
    Some(name.to_owned())
}

fn addresses(block: &Statement, found: &mut Vec<VirtualAddress>, reading: &mut Reading<'_>) {
    let mut known: BTreeSet<_> = found.iter().map(|found| (found.address, found.interface.clone())).collect();
    for line in reading.block(block) {
        let Some(address) = address(line, reading) else { continue };
        if !known.insert((address.address, address.interface.clone())) {
            let fault = Fault::new(format!("{} is there twice", address.address));
            reading.warning(line.keyword.place, fault.help("remove one of them"));
            continue;
        }
        found.push(address);
    }
}

/// An address that is in both blocks is set once.
fn once(instance: &mut Instance, statement: &Statement, reading: &mut Reading<'_>) {
    let addresses = &instance.addresses;
    let is_new = |other: &VirtualAddress| {
        !addresses.iter().any(|found| (found.address, &found.interface) == (other.address, &other.interface))
    };
    let before = instance.excluded.len();
    instance.excluded.retain(is_new);
    if instance.excluded.len() != before {
        let fault = Fault::new(format!("{}: virtual_ipaddress_excluded has addresses again", instance.name));
        reading.warning(statement.keyword.place, fault.help("remove them there; they are set once"));
    }
}

/// Adverts name addresses of one family: that of the first.
fn one_family(statement: &Statement, instance: &mut Instance, reading: &mut Reading<'_>) {
    let six = instance.is_ipv6();
    let (kept, others): (Vec<_>, Vec<_>) =
        std::mem::take(&mut instance.addresses).into_iter().partition(|address| address.address.is_ipv6() == six);
    instance.addresses = kept;
    for other in others {
        let fault = Fault::new(format!("{} is not of the family of the addresses before it", other.address));
        let help = "put it into virtual_ipaddress_excluded, or make an instance of its own; it is left out";
        reading.fault(statement.keyword.place, fault.help(help));
    }
}

/// Version 2 has whole seconds, version 3 hundredths of one.
fn advert_interval(milliseconds: u32, line: &Statement, instance: &mut Instance, reading: &mut Reading<'_>) {
    let (fits, how) = match instance.spoken_version() {
        Version::V2 => (milliseconds.is_multiple_of(1_000) && milliseconds >= 1_000, "whole seconds from 1 to 255"),
        Version::V3 => (milliseconds.is_multiple_of(10) && milliseconds <= 40_950, "from 0.01 to 40.95 seconds"),
    };
    if fits {
        instance.advert_interval_ms = milliseconds;
        return;
    }
    let fault = Fault::new(format!("version {} has {how}", instance.spoken_version().number()));
    reading.fault(Reading::place(line, 0), fault.help("correct it, or write `version 3`; 1 second is taken"));
}

fn password(block: &Statement, instance: &mut Instance, reading: &mut Reading<'_>) {
    let (mut kind, mut password) = (None, None);
    for line in reading.block(block) {
        match reading.keyword(Context::Authentication, line) {
            Some("auth_type") => match reading.word(line, 0, "PASS") {
                Some("PASS") => kind = Some(true),
                Some("AH") => {
                    kind = Some(false);
                    let fault = Fault::new("authentication by AH is not spoken");
                    reading.fault(Reading::place(line, 0), fault.help("write PASS on all routers, or leave it out"));
                }
                Some(other) => {
                    let fault = Fault::new(format!("{} is no kind of authentication", quoted(other)));
                    reading.fault(Reading::place(line, 0), fault.help("write PASS"));
                }
                None => {}
            },
            Some("auth_pass") => {
                let Some(word) = reading.word(line, 0, "a password") else { continue };
                let end = (0..=PASSWORD).rev().find(|end| word.is_char_boundary((*end).min(word.len()))).unwrap_or(0);
                if word.len() > PASSWORD {
                    let fault = Fault::new(format!("only {PASSWORD} bytes of a password count"));
                    reading.fault(Reading::place(line, 0), fault.help("shorten it on all routers"));
                }
                password = word.get(..end.min(word.len())).map(str::to_owned);
            }
            _ => {}
        }
    }
    if kind == Some(true) {
        if password.is_none() {
            let fault = Fault::new("no password is said");
            reading.complaint(block.keyword.place, fault.help("add `auth_pass`, or remove `authentication`"));
        }
        instance.auth_pass = password;
    }
}

/// The last looks at an instance; none if it cannot be.
fn completed(statement: &Statement, mut instance: Instance, reading: &mut Reading<'_>) -> Option<Instance> {
    let place = statement.keyword.place;
    if instance.nopreempt && instance.state == InitialState::Master {
        let fault = Fault::new(format!("{}: nopreempt does nothing with state MASTER", instance.name));
        reading.fault(place, fault.help("write `state BACKUP`; nopreempt is left out"));
        instance.nopreempt = false;
    }
    if instance.auth_pass.is_some() && instance.spoken_version() == Version::V3 {
        let fault = Fault::new(format!("{}: version 3 has no passwords", instance.name));
        reading.complaint(place, fault.help("leave `authentication` out; it is not sent"));
        instance.auth_pass = None;
    }
    if instance.addresses.is_empty() && !instance.no_addresses {
        let fault = Fault::new(format!("{}: there is no virtual address", instance.name));
        reading.fault(place, fault.help("add virtual_ipaddress, or no_virtual_ipaddress if that is meant"));
    }
    if instance.router_id == 0 {
        let fault = Fault::new(format!("{}: virtual_router_id is missing", instance.name));
        reading.fault(place, fault.help("add one from 1 to 255, the same on all routers; it is left out"));
        return None;
    }
    if instance.interface.is_empty() {
        let fault = Fault::new(format!("{}: interface is missing", instance.name));
        reading.fault(place, fault.help("add the one by which adverts are sent; it is left out"));
        return None;
    }
    Some(instance)
}
