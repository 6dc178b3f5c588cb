//! What changes from settings to others, for people.

use super::Settings;

impl Settings {
    /// A line for each instance and group that goes, comes or stays otherwise, and for each other section that changes.
    pub fn changes(&self, next: &Settings) -> Vec<String> {
        let mut lines = Vec::new();
        let name = |instance: &super::Instance| {
            format!("virtual router {} ({} on {})", instance.name, instance.router_id, instance.interface)
        };
        compare(&self.instances, &next.instances, |instance| &instance.name, name, &mut lines);
        let name = |group: &super::SyncGroup| format!("group of virtual routers {}", group.name);
        compare(&self.groups, &next.groups, |group| &group.name, name, &mut lines);
        for (what, changed) in [
            ("scripts", self.scripts != next.scripts),
            ("files", self.files != next.files),
            ("processes", self.processes != next.processes),
            ("pings", self.pings != next.pings),
            ("startup delay", self.startup_delay_ms != next.startup_delay_ms),
            ("FIFO", self.fifo != next.fifo),
        ] {
            if changed {
                lines.push(format!("~ virtual routers: {what}"));
            }
        }
        lines
    }
}

fn compare<T: PartialEq>(
    old: &[T],
    new: &[T],
    key: impl Fn(&T) -> &String,
    name: impl Fn(&T) -> String,
    lines: &mut Vec<String>,
) {
    let find = |all: &[T], one: &T| all.iter().position(|other| key(other) == key(one));
    lines.extend(old.iter().filter(|one| find(new, one).is_none()).map(|one| format!("- {}", name(one))));
    for one in new {
        match find(old, one).and_then(|at| old.get(at)) {
            None => lines.push(format!("+ {}", name(one))),
            Some(before) if before != one => lines.push(format!("~ {}", name(one))),
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vrrp::{Instance, SyncGroup};

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
            instances: vec![instance("c", 3), Instance { priority: 9, ..instance("b", 2) }],
            groups: vec![group()],
            startup_delay_ms: 5,
            fifo: Some("/f".into()),
            ..Settings::default()
        };
        assert_eq!(
            old.changes(&new),
            [
                "- virtual router a (1 on eth0)",
                "+ virtual router c (3 on eth0)",
                "~ virtual router b (2 on eth0)",
                "+ group of virtual routers g",
                "~ virtual routers: startup delay",
                "~ virtual routers: FIFO",
            ]
        );
    }
}
