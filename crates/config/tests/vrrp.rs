//! Virtual routers in relvs.toml: what is read, and what each mistake says, where.

use relvs_config::{Parsed, parse_toml};
use relvs_model::Network;
use relvs_model::health::Script;
use relvs_model::vrrp::{
    Announcements, InitialState, Instance, Notify, RouteAction, Settings, SyncGroup, TrackFile, TrackPing,
    TrackProcess, TrackScript, TrackSource, Tracked, Unicast, UnicastPeer, Version, VirtualAddress, VirtualMac,
    VirtualRoute, VirtualRule,
};

/// A virtual router that can be, with more keys.
fn one(more: &str) -> String {
    format!(
        "[[vrrp.instance]]\nname = \"web\"\ninterface = \"eth0\"\nid = 51\naddresses = \"192.0.2.100/24\"\n{more}\n"
    )
}

#[track_caller]
fn good(text: &str) -> Parsed {
    let parsed = parse_toml("f", text);
    assert_eq!(parsed.diagnostics, [], "in\n{text}");
    parsed
}

#[track_caller]
fn bad(text: &str, expected: &[&str]) {
    let parsed = parse_toml("f", text);
    let said = parsed.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(said, expected, "in\n{text}");
    if parsed.has_errors() {
        assert_eq!(parsed.state.vrrp, Settings::default(), "all or nothing");
    }
}

fn address(text: &str, prefix: u8) -> VirtualAddress {
    VirtualAddress { prefix: Some(prefix), ..VirtualAddress::new(text.parse().expect("an address")) }
}

fn usual() -> Instance {
    Instance {
        name: "web".into(),
        interface: "eth0".into(),
        router_id: 51,
        addresses: vec![address("192.0.2.100", 24)],
        ..Instance::default()
    }
}

#[test]
fn without_a_word_all_is_the_models_default() {
    assert_eq!(good("").state.vrrp, Settings::default());
    let expected = Settings { instances: vec![usual()], ..Settings::default() };
    assert_eq!(good(&one("")).state.vrrp, expected);
}

#[test]
fn every_key_of_an_instance() {
    let text = one("excluded = [\"2001:db8::100\", { address = \"10.0.0.1/24\", interface = \"eth1\", label = \"eth1:gw\", \
        scope = \"link\", no_prefix_route = true, no_track = true }]
priority = 150
state = \"master\"
version = 3
interval = \"100ms\"
preempt_delay = \"5m\"
source = \"192.0.2.1\"
unicast_peers = [\"192.0.2.2\", { address = \"192.0.2.3\", min_ttl = 250, max_ttl = 255 }]
unicast_ttl = 254
check_unicast_source = true
track = [{ health = \"data-path\" }, { interface = \"eth1\", weight = -20, reverse = true }]
dont_track_primary = true
arbiter = { health = \"192.0.2.100:80/tcp\" }
accept = false
promote_secondaries = true
skip_check_adv_addr = true
v3_checksum_as_v2 = true
lower_prio_no_advert = true
higher_prio_send_advert = true
owner_ignore_adverts = true
virtual_mac = true
virtual_mac_interface = \"web.51\"
virtual_mac_adverts = false
down_timer_adverts = 5
announcements = { repeat = 1, delay = \"2s\", refresh = \"60s\", refresh_repeat = 3, lower_prio_repeat = 4, lower_prio_delay = 5, \
        garp_interval = \"6ms\", gna_interval = \"7ms\" }
notify = \"/any\"
notify_master = [\"/master\", \"x\"]
notify_backup = { command = \"/backup\", user = \"nobody\" }
notify_fault = \"/fault\"
notify_stop = \"/stop\"
notify_deleted = \"/deleted\"
notify_master_rx_lower_pri = \"/lower\"
notify_priority_changes = true
smtp_alert = true
[[service]]
listen = \"192.0.2.100:80/tcp\"
[[service.server]]
address = \"10.0.0.11\"");
    let script = |words: &[&str]| Some(Script::new(words.iter().map(|&word| word.to_owned()).collect()));
    let expected = Instance {
        excluded: vec![
            VirtualAddress::new("2001:db8::100".parse().unwrap()),
            VirtualAddress {
                interface: Some("eth1".into()),
                label: Some("eth1:gw".into()),
                scope: Some("link".into()),
                no_prefix_route: true,
                no_track: true,
                ..address("10.0.0.1", 24)
            },
        ],
        priority: 150,
        state: InitialState::Master,
        version: Version::V3,
        advert_interval_ms: 100,
        preempt_delay_ms: 300_000,
        source: "192.0.2.1".parse().ok(),
        unicast: Some(Unicast {
            peers: vec![
                UnicastPeer::new("192.0.2.2".parse().unwrap()),
                UnicastPeer { address: "192.0.2.3".parse().unwrap(), min_ttl: Some(250), max_ttl: Some(255) },
            ],
            ttl: Some(254),
            check_source: true,
        }),
        track: vec![
            Tracked::needed(TrackSource::Health("data-path".into())),
            Tracked { source: TrackSource::Interface("eth1".into()), weight: -20, reverse: true },
        ],
        dont_track_primary: true,
        arbiter: Some(TrackSource::Health("192.0.2.100:80/tcp".into())),
        accept: false,
        promote_secondaries: true,
        skip_check_adv_addr: true,
        v3_checksum_as_v2: true,
        lower_prio_no_advert: true,
        higher_prio_send_advert: true,
        owner_ignore_adverts: true,
        virtual_mac: Some(VirtualMac { interface: Some("web.51".into()), from_base: true }),
        down_timer_adverts: 5,
        announcements: Announcements {
            repeat: 1,
            delay_ms: 2_000,
            refresh_ms: 60_000,
            refresh_repeat: 3,
            lower_prio_repeat: Some(4),
            lower_prio_delay_ms: Some(5_000),
            garp_interval_ms: 6,
            gna_interval_ms: 7,
        },
        notify: Notify {
            master: script(&["/master", "x"]),
            backup: Some(Script { user: Some("nobody".into()), ..Script::new(vec!["/backup".into()]) }),
            fault: script(&["/fault"]),
            stop: script(&["/stop"]),
            deleted: script(&["/deleted"]),
            any: script(&["/any"]),
            master_rx_lower_pri: script(&["/lower"]),
            priority_changes: true,
            smtp_alert: true,
        },
        ..usual()
    };
    assert_eq!(good(&text).state.vrrp.instances, [expected]);
    let rest = good(&one("nopreempt = true\nauth_pass = \"s3cret\""));
    let expected = Instance { nopreempt: true, auth_pass: Some("s3cret".into()), ..usual() };
    assert_eq!(rest.state.vrrp.instances, [expected]);
    let none = "[[vrrp.instance]]\nname = \"n\"\ninterface = \"e\"\nid = 1\nno_addresses = true\nsource = \"fe80::1\"\n\
                priority = 255\nstate = \"master\"\n";
    let none = &good(none).state.vrrp.instances[0];
    assert!(none.no_addresses && none.is_ipv6());
}

#[test]
fn routes_and_rules() {
    let text = one("[[vrrp.instance.routes]]
to = \"198.51.100.0/24\"
via = \"192.0.2.254\"
interface = \"eth1\"
source = \"192.0.2.100\"
table = 7
metric = 0
scope = \"global\"
mtu = 1400
on_link = true
no_track = true
[[vrrp.instance.routes]]
to = \"203.0.113.7\"
action = \"blackhole\"
[[vrrp.instance.rules]]
from = \"192.0.2.0/24\"
to = \"198.51.100.0/24\"
input = \"eth0\"
output = \"eth1\"
mark = 3
priority = 100
table = 7
no_track = true
[[vrrp.instance.rules]]
ipv6 = true
action = \"prohibit\"");
    let network = |text: &str, prefix| Network { address: text.parse().expect("an address"), prefix };
    let found = &good(&text).state.vrrp.instances[0];
    let route = VirtualRoute {
        via: "192.0.2.254".parse().ok(),
        interface: Some("eth1".into()),
        source: "192.0.2.100".parse().ok(),
        table: Some(7),
        metric: Some(0),
        scope: Some("global".into()),
        mtu: Some(1_400),
        on_link: true,
        no_track: true,
        ..VirtualRoute::new(network("198.51.100.0", 24))
    };
    let hole = VirtualRoute { action: RouteAction::Blackhole, ..VirtualRoute::new(network("203.0.113.7", 32)) };
    assert_eq!(found.routes, [route, hole]);
    let rule = VirtualRule {
        from: Some(network("192.0.2.0", 24)),
        to: Some(network("198.51.100.0", 24)),
        input: Some("eth0".into()),
        output: Some("eth1".into()),
        mark: Some(3),
        priority: Some(100),
        table: Some(7),
        no_track: true,
        ..VirtualRule::default()
    };
    let refuse = VirtualRule { ipv6: true, action: RouteAction::Prohibit, ..VirtualRule::default() };
    assert_eq!(found.rules, [rule, refuse]);
    bad(
        &one("routes = [{ via = \"192.0.2.254\" }]"),
        &["f:6:11: error: [[vrrp.instance.routes]] has no `to`; add `to = \"198.51.100.0/24\"`"],
    );
    bad(
        &one("rules = [{ from = \"192.0.2.1/24\", table = 7 }]"),
        &["f:6:19: error: `192.0.2.1/24` has bits beyond its prefix; write `192.0.2.0/24`, or a longer prefix"],
    );
    bad(
        &one("rules = [{ from = \"192.0.2.0/24\" }]"),
        &["f:6:9: error: `rules`: rule from 192.0.2.0/24; say a table, or that packets are dropped"],
    );
}

#[test]
fn groups_and_what_is_tracked() {
    let text = one(
        "track = [{ script = \"s\" }, { process = \"p\" }, { ping = \"g\", weight = -9 }]\narbiter = { ping = \"g\" }",
    ) + "[[vrrp.instance]]
name = \"inside\"
interface = \"eth1\"
id = 52
addresses = [\"10.0.0.1/24\"]
[vrrp]
startup_delay = \"10s\"
fifo = \"/run/fifo\"
[[vrrp.group]]
name = \"both\"
members = [\"web\", \"inside\"]
tracking_weight = true
notify = \"/any\"
notify_master = \"/master\"
notify_backup = \"/backup\"
notify_fault = \"/fault\"
notify_stop = \"/stop\"
smtp_alert = true
[[vrrp.group.track]]
file = \"f\"
weight = 254
[[vrrp.script]]
name = \"s\"
command = \"/check\"
interval = \"500ms\"
timeout = \"2s\"
fall = 2
rise = 3
init_fail = true
user = \"nobody\"
group = \"nogroup\"
[[vrrp.file]]
name = \"f\"
path = \"/run/weight\"
[[vrrp.process]]
name = \"p\"
process = \"bird\"
quorum = 2
[[vrrp.ping]]
name = \"g\"
address = \"fe80::1\"
from = \"fe80::2\"
interface = \"eth0\"
interval = \"500ms\"
fall = 4
rise = 5
";
    // A table is written once, before or after what is in it.
    let settings = good(&text).state.vrrp;
    assert_eq!((settings.startup_delay_ms, settings.fifo.as_deref()), (10_000, Some("/run/fifo")));
    let program = |path: &str| Some(Script::new(vec![path.to_owned()]));
    let notify = Notify {
        any: program("/any"),
        master: program("/master"),
        backup: program("/backup"),
        fault: program("/fault"),
        stop: program("/stop"),
        smtp_alert: true,
        ..Notify::default()
    };
    let track = vec![Tracked { source: TrackSource::File("f".into()), weight: 254, reverse: false }];
    let members = vec!["web".into(), "inside".into()];
    assert_eq!(settings.groups, [SyncGroup { name: "both".into(), members, track, tracking_weight: true, notify }]);
    let script = Script {
        command: vec!["/check".into()],
        user: Some("nobody".into()),
        group: Some("nogroup".into()),
        timeout_ms: 2_000,
    };
    assert_eq!(
        settings.scripts,
        [TrackScript { name: "s".into(), script, interval_ms: 500, fall: 2, rise: 3, init_fail: true }]
    );
    assert_eq!(settings.files, [TrackFile { name: "f".into(), path: "/run/weight".into() }]);
    assert_eq!(settings.processes, [TrackProcess { name: "p".into(), process: "bird".into(), quorum: 2 }]);
    let ping = TrackPing {
        from: "fe80::2".parse().ok(),
        interface: Some("eth0".into()),
        interval_ms: 500,
        timeout_ms: 500,
        fall: 4,
        rise: 5,
        ..TrackPing::new("g", "fe80::1".parse().unwrap())
    };
    assert_eq!(settings.pings, [ping]);
    let source = TrackSource::Ping("g".into());
    assert_eq!(settings.instances[0].arbiter, Some(source.clone()));
    assert_eq!(settings.instances[0].track[2], Tracked { source, weight: -9, reverse: false });
    let short = good(&(one("") + "[[vrrp.script]]\nname = \"s\"\ncommand = \"/check\"\ninterval = 3\n")).state.vrrp;
    assert_eq!(short.scripts[0].script.timeout_ms, 3_000, "the interval");
}

#[test]
fn mistakes_are_told_at_their_place() {
    bad(
        "[[vrrp.instance]]\n",
        &[
            "f:1:1: error: [[vrrp.instance]] has no `name`; add `name = \"web\"`",
            "f:1:1: error: [[vrrp.instance]] has no `interface`; add `interface = \"eth0\"`",
            "f:1:1: error: [[vrrp.instance]] has no `id`; add `id = 51`",
            "f:1:1: warning: `addresses`: an instance without addresses; name some, or say no_addresses",
        ],
    );
    bad(&one("priority = 256"), &["f:6:12: error: `priority` must be from 1 to 255, not 256"]);
    bad(&one("interval = \"1500ms\""), &["f:6:12: error: `interval`: version 2 has whole seconds, 1 to 255"]);
    bad(&one("interval = \"5ms\""), &["f:6:12: error: `interval` must be from 10ms to 31 days"]);
    bad(&one("state = \"MASTER\""), &["f:6:9: error: unknown state `MASTER`; did you mean `master`?"]);
    bad(
        &one("version = 3\nauth_pass = \"x\""),
        &["f:7:13: error: `auth_pass`: version 3 has no passwords; leave it out"],
    );
    bad(
        &one("excluded = [\"192.0.2.101\", \"192.0.2.300\"]"),
        &[
            "f:6:28: error: `192.0.2.300` is not an address with its prefix; write \"192.0.2.100/24\" or \"2001:db8::100/64\"",
        ],
    );
    bad(
        &one("excluded = [\"192.0.2.7/33\"]"),
        &["f:6:13: error: the prefix of `192.0.2.7/33` is not a number from 0 to 32; write \"192.0.2.100/24\" or \
         \"2001:db8::100/64\""],
    );
    bad(
        &one("excluded = [\"192.0.2.101\", { address = \"192.0.2.100\" }]"),
        &["f:6:28: error: `excluded`: 192.0.2.100 is there twice"],
    );
    bad(&one("excluded = \"127.0.0.1\""), &["f:6:12: error: the address `127.0.0.1` is a loopback address"]);
    bad(
        &one("source = \"2001:db8::1\""),
        &["f:6:10: error: `source`: source, peers and addresses must be of one family"],
    );
    bad(
        &one("unicast_ttl = 3"),
        &["f:6:15: warning: `unicast_ttl` without `unicast_peers` does nothing; leave it out, or name the peers"],
    );
    bad(&one("unicast_peers = [1]"), &["f:6:18: error: a peer is an IP address, or a table; write \"192.0.2.2\""]);
    bad(&one("notfy = \"/x\""), &["f:6:1: error: unknown key `notfy` in [[vrrp.instance]]; did you mean `notify`?"]);
    bad(
        &(one("") + &one("id = 52").replace("id = 51\n", "")),
        &["f:8:8: error: `name`: another instance has this name; give each its own"],
    );
    bad(
        &(one("") + &one("").replace("web", "mail")),
        &[
            "f:10:6: error: `id`: web has the same number on eth0; choose another, or unicast peers that are all different",
        ],
    );
}

#[test]
fn mistakes_about_others_are_told_at_their_place() {
    bad(
        &one("track = [{ interface = \"eth1\" }, { script = \"no\" }]"),
        &["f:6:34: error: `track`: there is no script no; define it"],
    );
    bad(
        &one("track = [{ weight = 3 }]"),
        &["f:6:10: error: nothing says what is to be well; name one of interface, script, file, process, ping, health"],
    );
    bad(
        &one("track = [{ file = \"a\", script = \"b\" }]"),
        &["f:6:33: error: `script` beside `file`: one thing is tracked by each table; write a table for each"],
    );
    bad(
        &one("track = [{ interface = \"e\", weight = 254 }]"),
        &["f:6:10: error: `track`: the weight of interface e is not within -253 and 253"],
    );
    bad(
        &one("arbiter = { health = \"192.0.2.1:80/tcp\" }"),
        &[
            "f:6:22: warning: there is no service 192.0.2.1:80/tcp in this file; while there is none, it counts as not well",
        ],
    );
    bad(
        &(one("") + "[[vrrp.group]]\nname = \"g\"\nmembers = [\"web\", \"wep\"]\n"),
        &["f:9:19: error: `members`: wep is no instance"],
    );
    bad(
        &(one("") + "[[vrrp.group]]\nname = \"web\"\n"),
        &[
            "f:7:1: error: [[vrrp.group]] has no `members`; add `members = [\"web\", \"inside\"]`",
            "f:8:8: error: `name`: an instance or another group has this name; give each its own",
        ],
    );
    bad(
        &(one("") + "[[vrrp.group]]\nname = \"g\"\nmembers = [\"web\"]\nnotify_deleted = \"/x\"\n"),
        &[
            "f:9:11: warning: `members`: a group of one instance does nothing",
            "f:10:1: error: unknown key `notify_deleted` in [[vrrp.group]]; known here: name, members, track, tracking_weight, notify, \
             notify_master, notify_backup, notify_fault, notify_stop, smtp_alert",
        ],
    );
    bad(
        &(one("") + "[[vrrp.script]]\nname = \"s\"\n"),
        &["f:7:1: error: [[vrrp.script]] has no `command`; add `command = [\"/usr/local/bin/check\"]`"],
    );
    bad(
        &(one("") + "[[vrrp.file]]\nname = \"f\"\npath = \"weight\"\n"),
        &["f:9:8: error: `path` must be an absolute path, not `weight`; write path = \"/run/relvs/...\""],
    );
    let ping = |more: &str| one("arbiter = { ping = \"g\" }") + "[[vrrp.ping]]\nname = \"g\"\n" + more;
    bad(&ping(""), &["f:7:1: error: [[vrrp.ping]] has no `address`; add `address = \"192.0.2.254\"`"]);
    bad(&ping("address = \"gateway\""), &["f:9:11: error: `gateway` is not an IP address"]);
    bad(
        &ping("address = \"fe80::1\""),
        &["f:9:11: error: `address` is link-local: it is another on each link; say by which `interface`"],
    );
    bad(
        &ping("address = \"192.0.2.9\"\nfrom = \"2001:db8::1\""),
        &["f:9:11: error: `address` and `from` must be of one family"],
    );
    bad(
        &ping("address = \"192.0.2.100\""),
        &["f:6:11: error: `arbiter`: ping g asks a virtual address, which the master has itself; name another"],
    );
}

#[test]
fn a_virtual_mac() {
    let of = |text: &str| good(&one(text)).state.vrrp.instances[0].virtual_mac.clone();
    assert_eq!(of("virtual_mac = true"), Some(VirtualMac::default()));
    assert_eq!(of("virtual_mac = false\nvirtual_mac_interface = \"web\""), None);
    bad(
        &one("virtual_mac_adverts = false"),
        &["f:6:23: error: `virtual_mac_adverts` needs `virtual_mac = true`; write it, or remove this"],
    );
    let second = "[[vrrp.instance]]\nname = \"other\"\ninterface = \"eth1\"\nid = 51\naddresses = \"192.0.2.101\"\n\
                  virtual_mac = true\n";
    bad(
        &(one("virtual_mac = true") + second),
        &["f:12:15: error: `virtual_mac`: web has an interface vrrp.51 already; give this one another name"],
    );
    bad(
        &one("virtual_mac = true\nunicast_peers = \"192.0.2.2\""),
        &[
            "f:6:15: warning: `virtual_mac`: adverts to unicast peers come from the interface's own MAC address; write `virtual_mac_adverts = false`",
        ],
    );
}

#[test]
fn a_virtual_router_is_placed_at_its_interface() {
    let mut parsed = good(&(one("") + &one("id = 52").replace("id = 51\n", "").replace("web", "mail")));
    parsed.add(relvs_config::Severity::Warning, parsed.at_router(1), "not there", None);
    let said: Vec<String> = parsed.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["f:9:13: warning: not there"]);
}
