//! What changes from settings to others, for people.

use super::{Instance, Settings, SyncGroup, TrackFile, TrackPing, TrackProcess, TrackScript};

/// Which fields of two values differ, by their names without the unit. All fields are listed, or it does not compile.
macro_rules! differing {
    ($of:ident, $one:expr, $other:expr; $($field:ident),+ $(,)?) => {{
        let ($of { $($field: _),+ }, $of { $($field: _),+ }) = ($one, $other);
        let mut names: Vec<&'static str> = Vec::new();
        $(if $one.$field != $other.$field {
            names.push(stringify!($field).trim_end_matches("_ms"));
        })+
        names
    }};
}

impl Settings {
    /// A line for each thing that goes (`-`), comes (`+`) or stays otherwise (`~`).
    pub fn changes(&self, next: &Settings) -> Vec<String> {
        let mut lines = Vec::new();
        let name = |instance: &Instance| {
            format!("virtual router {} ({} on {})", instance.name, instance.router_id, instance.interface)
        };
        compare(&self.instances, &next.instances, |instance| &instance.name, name, of_instances, &mut lines);
        let name = |group: &SyncGroup| format!("group of virtual routers {}", group.name);
        compare(&self.groups, &next.groups, |group| &group.name, name, of_groups, &mut lines);
        let name = |script: &TrackScript| format!("virtual routers: script {}", script.name);
        compare(&self.scripts, &next.scripts, |script| &script.name, name, whole, &mut lines);
        let name = |file: &TrackFile| format!("virtual routers: file {}", file.name);
        compare(&self.files, &next.files, |file| &file.name, name, whole, &mut lines);
        let name = |process: &TrackProcess| format!("virtual routers: process {}", process.name);
        compare(&self.processes, &next.processes, |process| &process.name, name, whole, &mut lines);
        let name = |ping: &TrackPing| format!("virtual routers: ping {}", ping.name);
        compare(&self.pings, &next.pings, |ping| &ping.name, name, whole, &mut lines);
        for (what, changed) in
            [("startup delay", self.startup_delay_ms != next.startup_delay_ms), ("FIFO", self.fifo != next.fifo)]
        {
            if changed {
                lines.push(format!("~ virtual routers: {what}"));
            }
        }
        lines
    }
}

fn of_instances(one: &Instance, other: &Instance) -> Vec<&'static str> {
    differing!(Instance, one, other;
        name, interface, router_id, version, state, priority, advert_interval_ms, nopreempt, preempt_delay_ms, auth_pass, addresses,
        excluded, routes, rules, no_addresses, virtual_mac, accept, promote_secondaries, source, unicast, strict, skip_check_adv_addr, v3_checksum_as_v2,
        lower_prio_no_advert, higher_prio_send_advert, owner_ignore_adverts, down_timer_adverts, announcements, track,
        dont_track_primary, arbiter, notify,
    )
}

fn of_groups(one: &SyncGroup, other: &SyncGroup) -> Vec<&'static str> {
    differing!(SyncGroup, one, other; name, members, track, tracking_weight, notify)
}

/// Of what has few fields it is not said which.
const fn whole<T>(_: &T, _: &T) -> Vec<&'static str> {
    Vec::new()
}

fn compare<T: PartialEq>(
    old: &[T],
    new: &[T],
    key: impl Fn(&T) -> &String,
    name: impl Fn(&T) -> String,
    fields: impl Fn(&T, &T) -> Vec<&'static str>,
    lines: &mut Vec<String>,
) {
    let find = |all: &[T], one: &T| all.iter().position(|other| key(other) == key(one));
    lines.extend(old.iter().filter(|one| find(new, one).is_none()).map(|one| format!("- {}", name(one))));
    for one in new {
        match find(old, one).and_then(|at| old.get(at)) {
            None => lines.push(format!("+ {}", name(one))),
            Some(before) if before != one => {
                let fields = fields(before, one).join(", ");
                let colon = if fields.is_empty() { "" } else { ": " };
                lines.push(format!("~ {}{colon}{fields}", name(one)));
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_comes_and_changes() {
        let instance = |name: &str, router_id| Instance {
            name: name.into(),
            interface: "eth0".into(),
            router_id,
            ..Instance::default()
        };
        let group = || SyncGroup { name: "g".into(), ..SyncGroup::default() };
        let old = Settings { instances: vec![instance("a", 1), instance("b", 2)], ..Settings::default() };
        assert_eq!(old.changes(&old), [""; 0]);
        let new = Settings {
            instances: vec![instance("c", 3), Instance { priority: 9, advert_interval_ms: 5, ..instance("b", 2) }],
            groups: vec![group()],
            files: vec![TrackFile { name: "f".into(), path: "/f".into() }],
            startup_delay_ms: 5,
            fifo: Some("/f".into()),
            ..Settings::default()
        };
        assert_eq!(
            old.changes(&new),
            [
                "- virtual router a (1 on eth0)",
                "+ virtual router c (3 on eth0)",
                "~ virtual router b (2 on eth0): priority, advert_interval",
                "+ group of virtual routers g",
                "+ virtual routers: file f",
                "~ virtual routers: startup delay",
                "~ virtual routers: FIFO",
            ]
        );
    }
}
