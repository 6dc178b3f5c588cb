//! What a configuration takes of capabilities, and which of them a daemon lacks.

use nix::unistd::{Group, User};
use relvs_model::{
    Method, State,
    health::{Probe, Script},
};
use rustix::{
    process::{getgid, getuid},
    thread::CapabilitySet,
};

/// Where the package has what lets its service do more.
const MORE: &str = "/usr/share/relvs/systemd";

/// What something takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Need {
    what: &'static str,
    needed: CapabilitySet,
    /// The file of the package's that gives it to the service.
    file: Option<&'static str>,
}

const FORWARDING: Need = Need {
    what: "forwarding",
    needed: CapabilitySet::BPF.union(CapabilitySet::NET_ADMIN).union(CapabilitySet::PERFMON),
    file: None,
};
const ROUTERS: Need =
    Need { what: "virtual routers", needed: CapabilitySet::NET_ADMIN.union(CapabilitySet::NET_RAW), file: None };
const DATA_PATH: Need = Need {
    what: "checks with `through_data_path`",
    needed: CapabilitySet::SYS_ADMIN.union(CapabilitySet::NET_ADMIN).union(CapabilitySet::NET_RAW),
    file: Some("data-path.conf"),
};
const USERS: Need = Need {
    what: "programs with a `user` or `group`",
    needed: CapabilitySet::SETUID.union(CapabilitySet::SETGID),
    file: Some("script-users.conf"),
};
const NAMES: [(CapabilitySet, &str); 7] = [
    (CapabilitySet::BPF, "CAP_BPF"),
    (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
    (CapabilitySet::NET_RAW, "CAP_NET_RAW"),
    (CapabilitySet::PERFMON, "CAP_PERFMON"),
    (CapabilitySet::SETGID, "CAP_SETGID"),
    (CapabilitySet::SETUID, "CAP_SETUID"),
    (CapabilitySet::SYS_ADMIN, "CAP_SYS_ADMIN"),
];

/// Something that will not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lack {
    /// What will be refused: a sentence.
    pub(crate) message: String,
    /// What to do.
    pub(crate) remedy: String,
}

/// What a daemon may do, and as whom it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    /// Its effective capabilities.
    pub(crate) capabilities: CapabilitySet,
    /// The numbers of its user and its group.
    pub(crate) own: (u32, u32),
}

impl Rights {
    /// This process's. None where they cannot be asked for: the kernel's refusals will say what is missing.
    pub(crate) fn here() -> Option<Self> {
        let capabilities = rustix::thread::capabilities(None).ok()?.effective;
        Some(Rights { capabilities, own: (getuid().as_raw(), getgid().as_raw()) })
    }

    /// Another process's, by its /proc/PID/status.
    pub(crate) fn of(status: &str) -> Option<Self> {
        let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let effective = |name: &str| line(name)?.split_whitespace().nth(1)?.parse().ok();
        let capabilities = u64::from_str_radix(line("CapEff")?.trim(), 16).ok()?;
        let capabilities = CapabilitySet::from_bits_retain(capabilities);
        Some(Rights { capabilities, own: (effective("Uid")?, effective("Gid")?) })
    }

    /// What of a configuration will be refused to it.
    pub(crate) fn lacking(&self, state: &State) -> Vec<Lack> {
        let has = self.capabilities;
        let lack = |need: Need| {
            let missing = NAMES.iter().filter(|(one, _)| need.needed.contains(*one) && !has.contains(*one));
            let missing = missing.map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
            let remedy = need.file.map_or_else(
                || "give it what is missing".to_owned(),
                |file| {
                    format!(
                        "give it what is missing; for the package's service copy {MORE}/{file} to \
                         /etc/systemd/system/relvs.service.d, then `systemctl daemon-reload` and restart relvs"
                    )
                },
            );
            Lack { message: format!("{} will fail: the daemon lacks {missing}", need.what), remedy }
        };
        self.needs(state).into_iter().filter(|need| !has.contains(need.needed)).map(lack).collect()
    }

    fn needs(&self, state: &State) -> Vec<Need> {
        let health = || {
            let servers = state.services.iter().flat_map(|service| &service.servers);
            servers.filter_map(|server| server.health.as_deref().map(|health| (server.method, health)))
        };
        let by_data_path = health()
            .filter(|(method, _)| *method != Method::Nat)
            .flat_map(|(_, health)| &health.checks)
            .any(|check| check.target.through_data_path);
        let of_checks = health().flat_map(|(_, health)| &health.checks).filter_map(|check| match &check.probe {
            Probe::Misc(misc) => Some(&misc.script),
            Probe::Tcp | Probe::Http(_) | Probe::Smtp(_) | Probe::Dns(_) | Probe::Udp(_) => None,
            Probe::Ping(_) | Probe::File(_) | Probe::Grpc(_) => None,
        });
        let of_servers = health().flat_map(|(_, health)| [&health.notify_up, &health.notify_down]).flatten();
        let of_services = state.services.iter().filter_map(|service| service.health.as_deref());
        let of_services = of_services.flat_map(|health| [&health.quorum_up, &health.quorum_down]).flatten();
        let of_routers = state.vrrp.instances.iter().map(|instance| &instance.notify);
        let of_routers = of_routers.chain(state.vrrp.groups.iter().map(|group| &group.notify));
        let of_routers = of_routers.flat_map(|notify| {
            [&notify.master, &notify.backup, &notify.fault, &notify.stop, &notify.deleted, &notify.any]
                .into_iter()
                .chain([&notify.master_rx_lower_pri])
                .flatten()
        });
        let tracked = state.vrrp.scripts.iter().map(|tracked| &tracked.script);
        let mut scripts = of_checks.chain(of_servers).chain(of_services).chain(of_routers).chain(tracked);
        let by_others = scripts.any(|script| self.is_anothers(script));
        let needs = [
            (FORWARDING, true),
            (ROUTERS, !state.vrrp.instances.is_empty()),
            (DATA_PATH, by_data_path),
            (USERS, by_others),
        ];
        needs.into_iter().filter(|(_, wanted)| *wanted).map(|(need, _)| need).collect()
    }

    /// Whether it is run as another user or group than the daemon. One that is not there is another.
    fn is_anothers(&self, script: &Script) -> bool {
        let user = script.user.as_deref().map(|name| match name.parse::<u32>() {
            Ok(number) => number == self.own.0,
            Err(_) => User::from_name(name).ok().flatten().is_some_and(|user| user.uid.as_raw() == self.own.0),
        });
        let group = script.group.as_deref().map(|name| match name.parse::<u32>() {
            Ok(number) => number == self.own.1,
            Err(_) => Group::from_name(name).ok().flatten().is_some_and(|group| group.gid.as_raw() == self.own.1),
        });
        user == Some(false) || group == Some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The capabilities that the package's unit gives.
    const UNIT: &str = include_str!("../../../packaging/systemd/relvs.service");

    fn rights(names: &str) -> Rights {
        let named = |name: &&str| names.split_whitespace().any(|given| given == *name);
        let given = NAMES.iter().filter(|(_, name)| named(name)).map(|(one, _)| *one);
        Rights { capabilities: given.fold(CapabilitySet::empty(), CapabilitySet::union), own: (7, 7) }
    }

    fn said(rights: &Rights, text: &str) -> Vec<String> {
        let parsed = relvs_config::parse_toml("f", text);
        assert!(!parsed.has_errors(), "{:?}", parsed.diagnostics);
        rights.lacking(&parsed.state).into_iter().map(|lack| lack.message).collect()
    }

    #[test]
    fn what_is_configured_and_cannot_be_done_is_said() {
        let line = |key: &str| UNIT.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let unit = line("AmbientCapabilities").unwrap();
        assert_eq!(line("CapabilityBoundingSet"), Some(unit));
        let service = |lines: &str, server: &str| {
            format!(
                "[[service]]\nlisten = \"192.0.2.100:80/tcp\"\n{lines}\n[[service.server]]\naddress = \"10.0.0.11\"\n{server}"
            )
        };
        let (unit, none) = (rights(unit), rights(""));
        assert_eq!(said(&unit, &service("check = { type = \"ping\" }", "")), [""; 0]);
        let forwarding = "forwarding will fail: the daemon lacks CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON";
        assert_eq!(said(&none, ""), [forwarding]);
        let by_data_path = service("check = { type = \"tcp\", through_data_path = true }", "");
        let path = "checks with `through_data_path` will fail: the daemon lacks CAP_SYS_ADMIN";
        assert_eq!(said(&unit, &by_data_path), [path]);
        assert_eq!(
            said(&rights("CAP_BPF CAP_NET_ADMIN CAP_PERFMON CAP_NET_RAW CAP_SYS_ADMIN"), &by_data_path),
            [""; 0]
        );
        let users = "programs with a `user` or `group` will fail: the daemon lacks CAP_SETGID, CAP_SETUID";
        for (lines, server) in [
            ("[service.check]\ntype = \"misc\"\ncommand = \"/bin/true\"\nuser = \"nobody\"", ""),
            ("", "notify_down = { command = \"/bin/true\", group = \"8\" }"),
            ("quorum_up = { command = \"/bin/true\", user = \"8\" }", ""),
        ] {
            assert_eq!(said(&unit, &service(lines, server)), [users], "{lines}{server}");
        }
        let own = service("quorum_up = { command = \"/bin/true\", user = \"7\" }", "");
        assert_eq!(said(&unit, &own), [""; 0], "it is the daemon's own user");
        let router = "[[vrrp.instance]]\nname = \"a\"\ninterface = \"eth0\"\nid = 1\naddresses = \"192.0.2.100/24\"\n";
        assert_eq!(said(&unit, router), [""; 0]);
        assert_eq!(
            said(&none, router),
            [forwarding, "virtual routers will fail: the daemon lacks CAP_NET_ADMIN, CAP_NET_RAW"]
        );
    }

    #[test]
    fn another_process_is_asked_by_its_status() {
        let status = "Name:\trelvs\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nCapInh:\t0\nCapEff:\t0000000000200000\n";
        let expected = Rights { capabilities: CapabilitySet::SYS_ADMIN, own: (2, 6) };
        assert_eq!(Rights::of(status), Some(expected));
        assert_eq!(Rights::of("Name:\trelvs\n"), None);
        let here = std::fs::read_to_string("/proc/self/status").unwrap();
        assert_eq!(Rights::of(&here), Rights::here());
    }
}
