//! `[vrrp]`: virtual routers, groups of them, and what their priorities depend on.

use super::common::{COMMAND, GROUP, PAUSE, PAUSE_OR_NONE, PROGRAM, TIMES, USER, time};
use super::{Default as Without, Key, Kind, Table};
use crate::toml_file::{ACTIONS, SCOPES, STATES, word_of};
use relvs_model::vrrp::{Announcements, Instance, TrackPing, Version};

fn usual() -> Instance {
    Instance::default()
}

fn announced() -> Announcements {
    Announcements::default()
}

const NO: Without = Without::Is(|| false.to_string());
const NAME: Kind = Kind::Text { what: "a name", examples: &["web"] };
const INTERFACE: Kind = Kind::Text { what: "the name of an interface", examples: &["eth0"] };
const REPEATS: Kind = Kind::Integer { least: 0, most: 1000 };
const ADDRESSES: Kind = Kind::OneOrMore(&Kind::Either(&[
    Kind::Text { what: "an address, with or without its prefix", examples: &["192.0.2.100/24", "2001:db8::100"] },
    Kind::Table(&ADDRESS),
]));
const NOTHING: Without = Without::Words("none");

const NOTIFY_MASTER: Key = key!("notify_master", PROGRAM, NOTHING, "Run when it becomes master.");
const NOTIFY_BACKUP: Key = key!("notify_backup", PROGRAM, NOTHING, "Run when it becomes backup.");
const NOTIFY_FAULT: Key = key!("notify_fault", PROGRAM, NOTHING, "Run when it takes no part any more.");
const NOTIFY_STOP: Key = key!("notify_stop", PROGRAM, NOTHING, "Run when the daemon ends.");
const NOTIFY_DELETED: Key =
    key!("notify_deleted", PROGRAM, Without::Words("`notify_fault`"), "Run when it is gone from the configuration.");
const NOTIFY: Key = key!(
    "notify",
    PROGRAM,
    NOTHING,
    "Run at any of these, with four more arguments: `INSTANCE` or `GROUP`, the name, the state, the priority."
);
const NOTIFY_LOWER: Key =
    key!("notify_master_rx_lower_pri", PROGRAM, NOTHING, "Run when, as master, it hears one of a lower priority.");
const NOTIFY_PRIORITY: Key =
    key!("notify_priority_changes", Kind::Boolean, NO, "Changes of the priority are told on the FIFO too.");
const SMTP_ALERT: Key = key!("smtp_alert", Kind::Boolean, NO, "Mail is sent about changes.");
const TRACKED: Key = key!(
    "track",
    Kind::Tables(&TRACK),
    NOTHING,
    "What must be well, or moves the priority: `track = [{ health = \"data-path\" }, { script = \"uplink\", weight = -20 }]`."
);

/// The section in the file.
pub(super) const SECTION: Key =
    key!("vrrp", Kind::Table(&VRRP), NOTHING, "Virtual routers: addresses that several directors share.");

/// `[vrrp]`.
pub static VRRP: Table = Table {
    title: "[vrrp]",
    about: "Virtual routers (VRRP): addresses that one director of several has, and another takes over. The words are keepalived's.",
    keys: &[
        key!(
            "startup_delay",
            PAUSE_OR_NONE,
            Without::Is(|| time(0)),
            "For so long after the start nothing is sent and nothing taken over."
        ),
        key!(
            "fifo",
            Kind::Text { what: "an absolute path", examples: &["/run/relvs/vrrp.fifo"] },
            NOTHING,
            "A FIFO that gets a line for each change, as keepalived writes them. It is made if it is not there."
        ),
        key!("instance", Kind::Tables(&INSTANCE), NOTHING, "The virtual routers."),
        key!("group", Kind::Tables(&SYNC_GROUP), NOTHING, "Which of them are master together."),
        key!("script", Kind::Tables(&TRACK_SCRIPT), NOTHING, "Programs that are asked again and again."),
        key!("file", Kind::Tables(&TRACK_FILE), NOTHING, "Files with a number in them."),
        key!("process", Kind::Tables(&TRACK_PROCESS), NOTHING, "Processes that must run."),
        key!("ping", Kind::Tables(&TRACK_PING), NOTHING, "Addresses that must answer."),
    ],
    later: &[],
};

/// `[[vrrp.instance]]`.
pub static INSTANCE: Table = Table {
    title: "[[vrrp.instance]]",
    about: "A virtual router: its master has the addresses. All directors that share them have the same `id`, `version`, `interval` \
        and addresses, and each its own `priority`.",
    keys: &[
        key!("name", NAME, Without::Required, "How it is called in messages and commands. Others do not see it."),
        key!("interface", INTERFACE, Without::Required, "Where adverts are sent and heard, and the addresses are."),
        key!(
            "id",
            Kind::Integer { least: 1, most: 255 },
            Without::Required,
            "The virtual router's number (VRID) on this link."
        ),
        key!(
            "addresses",
            ADDRESSES,
            Without::Words("none; then `no_addresses = true` is written"),
            "What the master has, and its adverts name; all IPv4 or all IPv6."
        ),
        key!("excluded", ADDRESSES, NOTHING, "More that the master has, of any family, which adverts do not name."),
        key!("routes", Kind::Tables(&VIRTUAL_ROUTE), NOTHING, "Routes that the master has besides."),
        key!(
            "rules",
            Kind::Tables(&VIRTUAL_RULE),
            NOTHING,
            "Rules that the master has, which say what routing table counts."
        ),
        key!("no_addresses", Kind::Boolean, NO, "It has no addresses on purpose."),
        key!(
            "virtual_mac",
            Kind::Boolean,
            NO,
            "The addresses are at a MAC address that goes with them from master to master: 00:00:5e:00:01 and the number, or \
                00:00:5e:00:02 for IPv6. It is on an interface of its own, which is up on the master."
        ),
        key!(
            "virtual_mac_interface",
            Kind::Text { what: "an interface's name", examples: &["vrrp.51"] },
            Without::Words("`vrrp.` and the number"),
            "How the interface with the virtual MAC address is called; up to 15 bytes."
        ),
        key!(
            "virtual_mac_adverts",
            Kind::Boolean,
            Without::Words("`true`"),
            "Adverts come from the virtual MAC address too, by which switches learn where it is. Those to unicast peers never do."
        ),
        key!(
            "priority",
            Kind::Integer { least: 1, most: 255 },
            Without::Is(|| usual().priority.to_string()),
            "Who has more is master. 255 is the owner of the addresses, whose priority nothing changes."
        ),
        key!(
            "state",
            Kind::Words(|| STATES.map(|(name, _)| name).to_vec()),
            Without::Is(|| word_of(&STATES, usual().state)),
            "What it assumes at the start. A `master` waits for one interval only, a `backup` until adverts are missed."
        ),
        key!(
            "version",
            Kind::Integer { least: 2, most: 3 },
            Without::Is(|| Version::default().number().to_string()),
            "The protocol's version. IPv6 always has 3."
        ),
        key!(
            "interval",
            PAUSE,
            Without::Is(|| time(usual().advert_interval_ms)),
            "From one advert to the next. Version 2: whole seconds, up to 255; version 3: steps of 10 ms, up to 40.95 s."
        ),
        key!("nopreempt", Kind::Boolean, NO, "A master with a lower priority is left alone."),
        key!(
            "preempt_delay",
            PAUSE_OR_NONE,
            Without::Is(|| time(usual().preempt_delay_ms)),
            "A master with a lower priority is left alone for so long; at most 1000 seconds."
        ),
        key!(
            "auth_pass",
            Kind::Text { what: "up to 8 characters", examples: &["s3cret"] },
            NOTHING,
            "Version 2: the password that all must say. It goes over the network as it is, so it protects from mistakes alone."
        ),
        key!(
            "source",
            Kind::Text { what: "an address", examples: &["192.0.2.1"] },
            Without::Words("the interface's first"),
            "Where adverts come from."
        ),
        key!(
            "unicast_peers",
            Kind::OneOrMore(&Kind::Either(&[
                Kind::Text { what: "an address", examples: &["192.0.2.2"] },
                Kind::Table(&PEER),
            ])),
            Without::Words("multicast"),
            "Adverts go to each of these, not to everybody on the link."
        ),
        key!(
            "unicast_ttl",
            Kind::Integer { least: 1, most: 255 },
            Without::Is(|| 255.to_string()),
            "With which TTL or hop limit adverts go to peers."
        ),
        key!("check_unicast_source", Kind::Boolean, NO, "Adverts of others than the peers are dropped."),
        TRACKED,
        key!("dont_track_primary", Kind::Boolean, NO, "The interface may be down."),
        key!(
            "arbiter",
            Kind::Table(&ARBITER),
            NOTHING,
            "This must be well for it to become master, so that a director that is cut off does not take over: \
                `arbiter = { ping = \"gateway\" }`."
        ),
        key!(
            "accept",
            Kind::Boolean,
            Without::Is(|| usual().accept.to_string()),
            "The master's own programs get packets to the addresses, even if it is not their owner. \
                `false`: the kernel drops what comes to them or leaves by them (nf_tables), but for neighbour discovery; \
                services are served as ever, except by the director itself as a server."
        ),
        key!(
            "promote_secondaries",
            Kind::Boolean,
            NO,
            "The interface keeps its other IPv4 addresses of a network when the first is removed: the kernel's \
                `net.ipv4.conf.INTERFACE.promote_secondaries`, which is set back at the end. systemd sets it for all interfaces."
        ),
        key!("strict", Kind::Boolean, NO, "What strays from the RFC is refused."),
        key!(
            "skip_check_adv_addr",
            Kind::Boolean,
            NO,
            "The addresses in adverts of a master that is known already are not compared."
        ),
        key!(
            "v3_checksum_as_v2",
            Kind::Boolean,
            NO,
            "Version 3, IPv4: the checksum that is sent covers the message alone, as RFC 9568 says and other vendors' routers do; else \
                also the addresses, as keepalived does. Both are understood."
        ),
        key!(
            "lower_prio_no_advert",
            Kind::Boolean,
            NO,
            "A master is silent when it hears one of a lower priority, as before RFC 9568."
        ),
        key!(
            "higher_prio_send_advert",
            Kind::Boolean,
            NO,
            "A master that hears one of a higher priority sends an advert before it gives way."
        ),
        key!("owner_ignore_adverts", Kind::Boolean, NO, "The owner (priority 255) does not listen to adverts."),
        key!(
            "down_timer_adverts",
            Kind::Integer { least: 1, most: 100 },
            Without::Is(|| usual().down_timer_adverts.to_string()),
            "So many adverts must be missed before a backup takes over. All directors must agree."
        ),
        key!(
            "announcements",
            Kind::Table(&ANNOUNCEMENTS),
            Without::Words("each key's default"),
            "How neighbours learn where the addresses are."
        ),
        NOTIFY,
        NOTIFY_MASTER,
        NOTIFY_BACKUP,
        NOTIFY_FAULT,
        NOTIFY_STOP,
        NOTIFY_DELETED,
        NOTIFY_LOWER,
        NOTIFY_PRIORITY,
        SMTP_ALERT,
    ],
    later: &[],
};

/// `[[vrrp.group]]`.
pub static SYNC_GROUP: Table = Table {
    title: "[[vrrp.group]]",
    about: "Virtual routers that become master together or not at all, and leave together: of a director between two networks the \
        address in each.",
    keys: &[
        key!("name", NAME, Without::Required, "How it is called in messages and commands."),
        key!(
            "members",
            Kind::Array(&NAME),
            Without::Required,
            "The names of its virtual routers; each is in one group at most."
        ),
        TRACKED,
        key!(
            "tracking_weight",
            Kind::Boolean,
            NO,
            "What is tracked may have weights; else each failure is a fault of the whole group."
        ),
        NOTIFY,
        NOTIFY_MASTER,
        NOTIFY_BACKUP,
        NOTIFY_FAULT,
        NOTIFY_STOP,
        SMTP_ALERT,
    ],
    later: &[],
};

/// An address in full.
pub static ADDRESS: Table = Table {
    title: "address",
    about: "An address in full: `{ address = \"192.0.2.100/24\", interface = \"eth1\" }`.",
    keys: &[
        key!(
            "address",
            Kind::Text {
                what: "an address, with or without its prefix",
                examples: &["192.0.2.100/24", "2001:db8::100"]
            },
            Without::Required,
            "The address. Without a prefix it is alone (/32, /128)."
        ),
        key!("interface", INTERFACE, Without::Words("the virtual router's"), "Which interface gets it."),
        key!(
            "label",
            Kind::Text { what: "a name", examples: &["eth0:web"] },
            NOTHING,
            "IPv4: how `ip address` calls it; up to 15 bytes."
        ),
        key!(
            "scope",
            Kind::Words(|| SCOPES.map(|(name, _)| name).to_vec()),
            Without::Is(|| word_of(&SCOPES, "global")),
            "How far it is valid."
        ),
        key!("no_prefix_route", Kind::Boolean, NO, "No route to its prefix is added."),
        key!("no_track", Kind::Boolean, NO, "When somebody removes it, it is not put back."),
    ],
    later: &[],
};

const NETWORK: Kind = Kind::Text { what: "an address or a network", examples: &["198.51.100.0/24", "0.0.0.0/0"] };
const ROUTER: Kind = Kind::Text { what: "an address", examples: &["192.0.2.254"] };
const NUMBER: Kind = Kind::Integer { least: 0, most: u32::MAX };
const TABLE: Kind = Kind::Integer { least: 1, most: u32::MAX };

fn actions() -> Vec<&'static str> {
    ACTIONS.map(|(name, _)| name).to_vec()
}

/// `[[vrrp.instance.routes]]`.
pub static VIRTUAL_ROUTE: Table = Table {
    title: "[[vrrp.instance.routes]]",
    about: "A route that the master has: `routes = [{ to = \"198.51.100.0/24\", via = \"192.0.2.254\" }]`.",
    keys: &[
        key!("to", NETWORK, Without::Required, "Where to."),
        key!("via", ROUTER, Without::Words("none: it is on the link"), "The next router."),
        key!(
            "interface",
            INTERFACE,
            Without::Words("as `via` leads, else the virtual router's"),
            "By which interface."
        ),
        key!(
            "action",
            Kind::Words(actions),
            Without::Is(|| word_of(&ACTIONS, Default::default())),
            "What becomes of packets."
        ),
        key!(
            "source",
            ROUTER,
            Without::Words("the kernel's choice"),
            "The source address of this machine's own packets."
        ),
        key!("table", TABLE, Without::Words("the main one"), "The routing table's number."),
        key!("metric", NUMBER, NOTHING, "Among routes to the same the lowest counts."),
        key!(
            "scope",
            Kind::Words(|| SCOPES.map(|(name, _)| name).to_vec()),
            Without::Words("`link` without `via`, else `global`"),
            "How far it is."
        ),
        key!("mtu", Kind::Integer { least: 68, most: 65_535 }, NOTHING, "The path's MTU."),
        key!("on_link", Kind::Boolean, NO, "The next router is on the link, whatever its address."),
        key!("no_track", Kind::Boolean, NO, "When somebody removes it, it is not put back."),
    ],
    later: &[],
};

/// `[[vrrp.instance.rules]]`.
pub static VIRTUAL_RULE: Table = Table {
    title: "[[vrrp.instance.rules]]",
    about: "A rule that the master has, as of `ip rule`: `rules = [{ from = \"192.0.2.0/24\", table = 100 }]`. It has `table`, or an \
        `action`.",
    keys: &[
        key!("from", NETWORK, Without::Words("anywhere"), "Where packets come from."),
        key!("to", NETWORK, Without::Words("anywhere"), "Where they go."),
        key!("ipv6", Kind::Boolean, NO, "It is about IPv6, if `from` and `to` do not say it."),
        key!("input", INTERFACE, Without::Words("any"), "By which interface they came."),
        key!(
            "output",
            INTERFACE,
            Without::Words("any"),
            "By which interface they go, of sockets that are bound to it."
        ),
        key!("mark", NUMBER, Without::Words("any"), "Their mark."),
        key!("priority", NUMBER, Without::Words("the kernel's choice"), "The rule with the lowest is asked first."),
        key!(
            "action",
            Kind::Words(actions),
            Without::Is(|| word_of(&ACTIONS, Default::default())),
            "What becomes of them."
        ),
        key!("table", TABLE, NOTHING, "The routing table that counts."),
        key!("no_track", Kind::Boolean, NO, "When somebody removes it, it is not put back."),
    ],
    later: &[],
};

/// A peer in full.
pub static PEER: Table = Table {
    title: "peer",
    about: "A peer in full: `{ address = \"192.0.2.2\", min_ttl = 254 }`. The bounds hold with `check_unicast_source`.",
    keys: &[
        key!("address", Kind::Text { what: "an address", examples: &["192.0.2.2"] }, Without::Required, "Its address."),
        key!(
            "min_ttl",
            Kind::Integer { least: 1, most: 255 },
            NOTHING,
            "Adverts with a lower TTL or hop limit are dropped."
        ),
        key!("max_ttl", Kind::Integer { least: 1, most: 255 }, NOTHING, "Adverts with a higher one are."),
    ],
    later: &[],
};

/// `announcements`.
pub static ANNOUNCEMENTS: Table = Table {
    title: "announcements",
    about: "Gratuitous ARP for IPv4, unsolicited neighbour advertisements for IPv6; each is sent for every address: \
        `announcements = { refresh = \"60s\" }`.",
    keys: &[
        key!(
            "repeat",
            REPEATS,
            Without::Is(|| announced().repeat.to_string()),
            "So often at once when it becomes master, and so often again later."
        ),
        key!("delay", PAUSE_OR_NONE, Without::Is(|| time(announced().delay_ms)), "How much later; 0 is never."),
        key!(
            "refresh",
            PAUSE_OR_NONE,
            Without::Is(|| time(announced().refresh_ms)),
            "Again and again while it is master; 0 is never."
        ),
        key!("refresh_repeat", REPEATS, Without::Is(|| announced().refresh_repeat.to_string()), "So often each time."),
        key!(
            "lower_prio_repeat",
            REPEATS,
            Without::Words("as `repeat`"),
            "So often when a master of a lower priority is heard."
        ),
        key!("lower_prio_delay", PAUSE_OR_NONE, Without::Words("as `delay`"), "And so often again after this time."),
        key!(
            "garp_interval",
            PAUSE_OR_NONE,
            Without::Is(|| time(announced().garp_interval_ms)),
            "At least this time from one gratuitous ARP on an interface to the next."
        ),
        key!(
            "gna_interval",
            PAUSE_OR_NONE,
            Without::Is(|| time(announced().gna_interval_ms)),
            "The same for neighbour advertisements."
        ),
    ],
    later: &[],
};

const SOURCE_INTERFACE: Key = key!("interface", INTERFACE, NOTHING, "An interface: whether it is up.");
const SOURCE_SCRIPT: Key = key!("script", NAME, NOTHING, "A `[[vrrp.script]]`, by its name.");
const SOURCE_FILE: Key = key!("file", NAME, NOTHING, "A `[[vrrp.file]]`, by its name.");
const SOURCE_PROCESS: Key = key!("process", NAME, NOTHING, "A `[[vrrp.process]]`, by its name.");
const SOURCE_PING: Key = key!("ping", NAME, NOTHING, "A `[[vrrp.ping]]`, by its name.");
const SOURCE_HEALTH: Key = key!(
    "health",
    Kind::Text { what: "`data-path`, or a service", examples: &["data-path", "192.0.2.100:80/tcp"] },
    NOTHING,
    "This director itself: `data-path`, whether all its interfaces are served; or a service, whether it has its quorum."
);

/// `track`.
pub static TRACK: Table = Table {
    title: "[[vrrp.instance.track]]",
    about: "One thing that a virtual router or a group depends on; it names one of `interface`, `script`, `file`, `process`, \
        `ping` and `health`.",
    keys: &[
        SOURCE_INTERFACE,
        SOURCE_SCRIPT,
        SOURCE_FILE,
        SOURCE_PROCESS,
        SOURCE_PING,
        SOURCE_HEALTH,
        key!(
            "weight",
            Kind::Signed { least: -254, most: 254 },
            Without::Is(|| 0.to_string()),
            "0: it takes no part while this is not well. Above 0: added to the priority while it is well. Below 0: taken away while \
                it is not. For a file: by what its number is multiplied, which is then added."
        ),
        key!("reverse", Kind::Boolean, NO, "The other way round: well is what is not."),
    ],
    later: &[],
};

/// `arbiter`.
pub static ARBITER: Table = Table {
    title: "arbiter",
    about: "What must be well to become master: one of these.",
    keys: &[SOURCE_INTERFACE, SOURCE_SCRIPT, SOURCE_FILE, SOURCE_PROCESS, SOURCE_PING, SOURCE_HEALTH],
    later: &[],
};

/// `[[vrrp.script]]`.
pub static TRACK_SCRIPT: Table = Table {
    title: "[[vrrp.script]]",
    about: "A program that is run again and again; it exits with 0 if all is well. No shell looks at it.",
    keys: &[
        key!("name", NAME, Without::Required, "How `track` calls it."),
        key!("command", COMMAND, Without::Required, "The program and its arguments."),
        key!("interval", PAUSE, Without::Is(|| time(1_000)), "From one start to the next."),
        key!("timeout", PAUSE, Without::Words("the interval"), "What has not ended by then has failed, and is ended."),
        key!("fall", TIMES, Without::Is(|| 1.to_string()), "So many failures in a row count."),
        key!("rise", TIMES, Without::Is(|| 1.to_string()), "So many successes in a row count."),
        key!("init_fail", Kind::Boolean, NO, "It counts as failed until it has succeeded."),
        USER,
        GROUP,
    ],
    later: &[],
};

/// `[[vrrp.file]]`.
pub static TRACK_FILE: Table = Table {
    title: "[[vrrp.file]]",
    about: "A file with a number in it, which is followed as it changes. Absent or empty it is 0.",
    keys: &[
        key!("name", NAME, Without::Required, "How `track` calls it."),
        key!(
            "path",
            Kind::Text { what: "an absolute path", examples: &["/run/relvs/weight"] },
            Without::Required,
            "Where it is."
        ),
    ],
    later: &[],
};

/// `[[vrrp.process]]`.
pub static TRACK_PROCESS: Table = Table {
    title: "[[vrrp.process]]",
    about: "A process that must run.",
    keys: &[
        key!("name", NAME, Without::Required, "How `track` calls it."),
        key!(
            "process",
            Kind::Text { what: "a program's name or path", examples: &["bird", "/usr/sbin/bird"] },
            Without::Required,
            "The program, as the process has it."
        ),
        key!("quorum", TIMES, Without::Is(|| 1.to_string()), "So many must run."),
    ],
    later: &[],
};

/// `[[vrrp.ping]]`.
pub static TRACK_PING: Table = Table {
    title: "[[vrrp.ping]]",
    about: "An address that is asked again and again whether it answers (ICMP and ICMPv6 echo): a router that is there as long as \
        the network is, and none of the virtual addresses.",
    keys: &[
        key!("name", NAME, Without::Required, "How `track` and `arbiter` call it."),
        key!("address", ROUTER, Without::Required, "Who is asked."),
        key!("from", ROUTER, Without::Words("the kernel's choice"), "From which address."),
        key!(
            "interface",
            INTERFACE,
            Without::Words("the kernel's choice"),
            "By which interface. A link-local address needs one."
        ),
        key!("interval", PAUSE, Without::Is(|| time(1_000)), "From one request to the next."),
        key!("timeout", PAUSE, Without::Words("the interval"), "An answer that comes later is none."),
        key!("fall", TIMES, Without::Is(|| TrackPing::FALL.to_string()), "So many in a row without an answer count."),
        key!("rise", TIMES, Without::Is(|| 1.to_string()), "So many answers in a row count."),
    ],
    later: &[],
};
