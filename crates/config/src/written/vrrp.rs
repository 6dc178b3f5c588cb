//! `[vrrp]`

use super::{
    Page,
    text::{Table, array, command, quoted},
};
use crate::keepalived::Written;
use crate::toml_file::{ACTIONS, STATES};
use relvs_model::vrrp::{
    Announcements, Instance, Notify, RouteAction, Settings, SyncGroup, TrackFile, TrackPing, TrackProcess, TrackScript,
    TrackSource, Tracked, UnicastPeer, Version, VirtualAddress, VirtualRoute, VirtualRule,
};

pub(super) fn write(settings: &Settings, places: &Written, page: &mut Page) {
    let Settings { instances, groups, startup_delay_ms, scripts, files, processes, pings, fifo } = settings;
    let mut table = Table::default();
    table.time("startup_delay", *startup_delay_ms, 0);
    table.maybe("fifo", fifo.as_ref());
    page.table("[vrrp]", &table);
    let scripts = scripts.iter().map(|one| ("[[vrrp.script]]", &one.name, script(one)));
    let files = files.iter().map(|one| ("[[vrrp.file]]", &one.name, file(one)));
    let processes = processes.iter().map(|one| ("[[vrrp.process]]", &one.name, process(one)));
    let pings = pings.iter().map(|one| ("[[vrrp.ping]]", &one.name, ping(one)));
    let instances = instances.iter().map(|one| ("[[vrrp.instance]]", &one.name, instance(one)));
    let groups = groups.iter().map(|one| ("[[vrrp.group]]", &one.name, group(one)));
    for (header, name, table) in scripts.chain(files).chain(processes).chain(pings).chain(instances).chain(groups) {
        if let Some(place) = places.named.get(name) {
            page.comments_of(Some(*place));
        }
        page.section(header, &table);
    }
}

fn script(script: &TrackScript) -> Table {
    let mut table = Table::default();
    table.text("name", &script.name);
    table.value("command", command(&script.script.command));
    table.time("interval", script.interval_ms, 1_000);
    table.time("timeout", script.script.timeout_ms, script.interval_ms);
    table.unless(1, "fall", script.fall);
    table.unless(1, "rise", script.rise);
    table.flag("init_fail", script.init_fail);
    table.maybe("user", script.script.user.as_ref());
    table.maybe("group", script.script.group.as_ref());
    table
}

fn file(file: &TrackFile) -> Table {
    let mut table = Table::default();
    table.text("name", &file.name);
    table.text("path", &file.path);
    table
}

fn process(process: &TrackProcess) -> Table {
    let mut table = Table::default();
    table.text("name", &process.name);
    table.text("process", &process.process);
    table.unless(1, "quorum", process.quorum);
    table
}

fn ping(ping: &TrackPing) -> Table {
    let mut table = Table::default();
    table.text("name", &ping.name);
    table.text("address", &ping.address.to_string());
    table.maybe("from", ping.from.map(|from| from.to_string()).as_ref());
    table.maybe("interface", ping.interface.as_ref());
    table.time("interval", ping.interval_ms, 1_000);
    table.time("timeout", ping.timeout_ms, ping.interval_ms);
    table.unless(TrackPing::FALL, "fall", ping.fall);
    table.unless(1, "rise", ping.rise);
    table
}

fn instance(instance: &Instance) -> Table {
    let usual = Instance::default();
    let mut table = Table::default();
    table.text("name", &instance.name);
    table.text("interface", &instance.interface);
    table.value("id", instance.router_id);
    table.unless(usual.priority, "priority", instance.priority);
    if let Some((state, _)) = STATES.iter().find(|(_, state)| *state == instance.state && *state != usual.state) {
        table.text("state", state);
    }
    if instance.version == Version::V3 {
        table.value("version", instance.version.number());
    }
    table.time("interval", instance.advert_interval_ms, usual.advert_interval_ms);
    if !instance.addresses.is_empty() {
        table.value("addresses", array(instance.addresses.iter().map(address)));
    }
    if !instance.excluded.is_empty() {
        table.value("excluded", array(instance.excluded.iter().map(address)));
    }
    if !instance.routes.is_empty() {
        table.value("routes", array(instance.routes.iter().map(route)));
    }
    if !instance.rules.is_empty() {
        table.value("rules", array(instance.rules.iter().map(rule)));
    }
    table.flag("no_addresses", instance.no_addresses);
    if let Some(own) = &instance.virtual_mac {
        table.flag("virtual_mac", true);
        table.maybe("virtual_mac_interface", own.interface.as_ref());
        table.unless(true, "virtual_mac_adverts", !own.from_base);
    }
    table.flag("nopreempt", instance.nopreempt);
    table.time("preempt_delay", instance.preempt_delay_ms, 0);
    table.maybe("auth_pass", instance.auth_pass.as_ref());
    if let Some(source) = instance.source {
        table.text("source", &source.to_string());
    }
    if let Some(unicast) = &instance.unicast {
        table.value("unicast_peers", array(unicast.peers.iter().map(peer)));
        if let Some(ttl) = unicast.ttl {
            table.value("unicast_ttl", ttl);
        }
        table.flag("check_unicast_source", unicast.check_source);
    }
    tracked(&instance.track, &mut table);
    table.flag("dont_track_primary", instance.dont_track_primary);
    table.unless(usual.accept, "accept", instance.accept);
    for (key, value) in [
        ("promote_secondaries", instance.promote_secondaries),
        ("strict", instance.strict),
        ("skip_check_adv_addr", instance.skip_check_adv_addr),
        ("v3_checksum_as_v2", instance.v3_checksum_as_v2),
        ("lower_prio_no_advert", instance.lower_prio_no_advert),
        ("higher_prio_send_advert", instance.higher_prio_send_advert),
        ("owner_ignore_adverts", instance.owner_ignore_adverts),
    ] {
        table.flag(key, value);
    }
    table.unless(usual.down_timer_adverts, "down_timer_adverts", instance.down_timer_adverts);
    announcements(&instance.announcements, &mut table);
    notify(&instance.notify, &mut table);
    table
}

fn group(group: &SyncGroup) -> Table {
    let mut table = Table::default();
    table.text("name", &group.name);
    table.texts("members", &group.members);
    tracked(&group.track, &mut table);
    table.flag("tracking_weight", group.tracking_weight);
    notify(&group.notify, &mut table);
    table
}

fn address(address: &VirtualAddress) -> String {
    let text = match address.prefix {
        Some(prefix) => quoted(&format!("{}/{prefix}", address.address)),
        None => quoted(&address.address.to_string()),
    };
    let mut table = Table::default();
    table.value("address", &text);
    table.maybe("interface", address.interface.as_ref());
    table.maybe("label", address.label.as_ref());
    table.maybe("scope", address.scope.as_ref());
    table.flag("no_prefix_route", address.no_prefix_route);
    table.flag("no_track", address.no_track);
    let alone = VirtualAddress { prefix: address.prefix, ..VirtualAddress::new(address.address) };
    if *address == alone { text } else { table.inline() }
}

fn route(route: &VirtualRoute) -> String {
    let mut table = Table::default();
    table.text("to", &route.to.to_string());
    action(route.action, &mut table);
    for (key, address) in [("via", route.via), ("source", route.source)] {
        table.maybe(key, address.map(|address| address.to_string()).as_ref());
    }
    table.maybe("interface", route.interface.as_ref());
    numbers([("table", route.table), ("metric", route.metric), ("mtu", route.mtu)], &mut table);
    table.maybe("scope", route.scope.as_ref());
    table.flag("on_link", route.on_link);
    table.flag("no_track", route.no_track);
    table.inline()
}

fn rule(rule: &VirtualRule) -> String {
    let mut table = Table::default();
    for (key, network) in [("from", rule.from), ("to", rule.to)] {
        table.maybe(key, network.map(|network| network.to_string()).as_ref());
    }
    table.flag("ipv6", rule.ipv6);
    table.maybe("input", rule.input.as_ref());
    table.maybe("output", rule.output.as_ref());
    numbers([("mark", rule.mark), ("priority", rule.priority), ("table", rule.table)], &mut table);
    action(rule.action, &mut table);
    table.flag("no_track", rule.no_track);
    table.inline()
}

fn action(action: RouteAction, table: &mut Table) {
    if let Some((word, _)) = ACTIONS.iter().find(|(_, one)| *one == action && action != RouteAction::Forward) {
        table.text("action", word);
    }
}

fn numbers<const N: usize>(numbers: [(&'static str, Option<u32>); N], table: &mut Table) {
    for (key, number) in numbers {
        if let Some(number) = number {
            table.value(key, number);
        }
    }
}

fn peer(peer: &UnicastPeer) -> String {
    if *peer == UnicastPeer::new(peer.address) {
        return quoted(&peer.address.to_string());
    }
    let mut table = Table::default();
    table.text("address", &peer.address.to_string());
    for (key, ttl) in [("min_ttl", peer.min_ttl), ("max_ttl", peer.max_ttl)] {
        if let Some(ttl) = ttl {
            table.value(key, ttl);
        }
    }
    table.inline()
}

fn tracked(tracked: &[Tracked], table: &mut Table) {
    let one = |tracked: &Tracked| {
        let (key, name) = match &tracked.source {
            TrackSource::Interface(name) => ("interface", name),
            TrackSource::Script(name) => ("script", name),
            TrackSource::File(name) => ("file", name),
            TrackSource::Process(name) => ("process", name),
            TrackSource::Ping(name) => ("ping", name),
            TrackSource::Health(name) => ("health", name),
        };
        let mut table = Table::default();
        table.text(key, name);
        table.unless(0, "weight", tracked.weight);
        table.flag("reverse", tracked.reverse);
        table.inline()
    };
    if !tracked.is_empty() {
        table.value("track", array(tracked.iter().map(one)));
    }
}

fn announcements(said: &Announcements, table: &mut Table) {
    let usual = Announcements::default();
    let mut full = Table::default();
    full.unless(usual.repeat, "repeat", said.repeat);
    full.time("delay", said.delay_ms, usual.delay_ms);
    full.time("refresh", said.refresh_ms, usual.refresh_ms);
    full.unless(usual.refresh_repeat, "refresh_repeat", said.refresh_repeat);
    if let Some(repeat) = said.lower_prio_repeat {
        full.value("lower_prio_repeat", repeat);
    }
    if let Some(delay) = said.lower_prio_delay_ms {
        full.value("lower_prio_delay", super::text::time(delay));
    }
    full.time("garp_interval", said.garp_interval_ms, usual.garp_interval_ms);
    full.time("gna_interval", said.gna_interval_ms, usual.gna_interval_ms);
    if !full.is_empty() {
        table.value("announcements", full.inline());
    }
}

fn notify(notify: &Notify, table: &mut Table) {
    let Notify { master, backup, fault, stop, deleted, any, master_rx_lower_pri, priority_changes, smtp_alert } =
        notify;
    for (key, script) in [
        ("notify", any),
        ("notify_master", master),
        ("notify_backup", backup),
        ("notify_fault", fault),
        ("notify_stop", stop),
        ("notify_deleted", deleted),
        ("notify_master_rx_lower_pri", master_rx_lower_pri),
    ] {
        table.script(key, script.as_ref());
    }
    table.flag("notify_priority_changes", *priority_changes);
    table.flag("smtp_alert", *smtp_alert);
}
