//! Virtual routers and what they track.

use super::{Keyword, differs, gone, ignored, why, works};

const ONE_MAC: &str = "a virtual router has one MAC address, by its number";
const SYNC: &str = "connections are not synchronised; mh with sloppy_tcp keeps them across a failover";

pub(super) const INSTANCE: &[Keyword] = &[
    differs("use_vmac", "the interface is up on the master only; nothing is sent by it"),
    ignored("use_vmac_addr", ONE_MAC),
    works("vmac_xmit_base"),
    ignored("use_ipvlan", "addresses are on the interface itself; use_vmac gives them a MAC address of their own"),
    works("unicast_peer"),
    ignored("unicast_fault_no_peer", "an instance without peers is told of when the file is read"),
    works("check_unicast_src"),
    ignored("old_unicast_checksum", "it is for keepalived before 1.3.7"),
    ignored("native_ipv6", "the addresses say which family it is"),
    works("state"),
    works("interface"),
    ignored("vrf", "an interface's routing table is the kernel's matter"),
    works("dont_track_primary"),
    works("mcast_src_ip"),
    works("unicast_src_ip"),
    ignored("mcast_dst_ip", "adverts go to the group that the RFC names"),
    ignored("track_src_ip", "the source address is looked at whenever an advert is sent"),
    works("virtual_router_id"),
    works("unicast_ttl"),
    works("version"),
    works("priority"),
    works("advert_int"),
    works("virtual_ipaddress"),
    works("virtual_ipaddress_excluded"),
    works("no_virtual_ipaddress"),
    works("promote_secondaries"),
    ignored("linkbeat_use_polling", "the kernel's news of links are listened to"),
    works("v3_checksum_as_v2"),
    works("virtual_routes"),
    works("virtual_rules"),
    works("accept"),
    works("no_accept"),
    works("skip_check_adv_addr"),
    works("strict_mode"),
    works("preempt"),
    works("nopreempt"),
    works("preempt_delay"),
    ignored("debug", "RELVS_LOG says how much is logged"),
    works("authentication"),
    ignored("auth_hmac", "it is keepalived's own, and not spoken"),
    ignored("lvs_sync_daemon_interface", SYNC),
    gone("lvs_sync_daemon_inteface", "remove it: connections are not synchronised"),
    works("garp_master_delay"),
    works("garp_master_refresh"),
    works("garp_master_repeat"),
    works("garp_master_refresh_repeat"),
    works("garp_lower_prio_delay"),
    works("garp_lower_prio_repeat"),
    works("down_timer_adverts"),
    ignored("timer_expired_backup", why::SCHEDULING),
    ignored("thread_timer_expired", why::SCHEDULING),
    ignored("garp_extra_if", why::EXTRA_IF),
    ignored("vmac_garp_intvl", why::EXTRA_IF),
    works("lower_prio_no_advert"),
    works("higher_prio_send_advert"),
    works("owner_ignore_adverts"),
    ignored("kernel_rx_buf_size", why::BUFFERS),
];

/// Of instances and groups.
pub(super) const NOTIFY: &[Keyword] = &[
    works("notify_backup"),
    works("notify_master"),
    works("notify_fault"),
    works("notify_stop"),
    works("notify_deleted"),
    works("notify"),
    works("notify_master_rx_lower_pri"),
    works("notify_priority_changes"),
    works("smtp_alert"),
];

/// Of instances and groups.
pub(super) const TRACK: &[Keyword] = &[
    works("track_interface"),
    works("track_script"),
    works("track_file"),
    works("track_process"),
    ignored("track_bfd", why::BFD),
];

pub(super) const AUTHENTICATION: &[Keyword] = &[works("auth_type"), works("auth_pass")];

pub(super) const HMAC: &[Keyword] = &[
    ignored("key", "it is keepalived's own, and not spoken"),
    ignored("active_key", "it is keepalived's own, and not spoken"),
    ignored("time_window", "it is keepalived's own, and not spoken"),
    ignored("anti_replay", "it is keepalived's own, and not spoken"),
    ignored("mode", "it is keepalived's own, and not spoken"),
];

pub(super) const SYNC_GROUP: &[Keyword] =
    &[works("group"), works("global_tracking"), works("sync_group_tracking_weight")];

pub(super) const SCRIPT: &[Keyword] = &[
    works("script"),
    works("interval"),
    works("timeout"),
    works("weight"),
    works("rise"),
    works("fall"),
    works("user"),
    works("init_fail"),
];

pub(super) const PROCESS: &[Keyword] = &[
    works("process"),
    ignored("param_match", "processes are told apart by their names"),
    works("weight"),
    works("quorum"),
    ignored("quorum_max", "more processes than the quorum are well"),
    ignored("delay", "processes are counted once a second"),
    ignored("terminate_delay", "processes are counted once a second"),
    ignored("fork_delay", "processes are counted once a second"),
    ignored("full_command", "processes are told apart by their names"),
];

pub(super) const TRACK_FILE: &[Keyword] =
    &[works("file"), works("weight"), ignored("init_file", "a file that is not there counts as 0")];

pub(super) const TRACK_GROUP: &[Keyword] =
    &[ignored("group", "static addresses and routes are the system's own matter")];

pub(super) const GARP_GROUP: &[Keyword] = &[
    ignored("garp_interval", "gaps are the instances' own: vrrp_garp_interval"),
    ignored("gna_interval", "gaps are the instances' own: vrrp_gna_interval"),
    ignored("interface", "gaps are the instances' own: vrrp_garp_interval"),
    ignored("interfaces", "gaps are the instances' own: vrrp_garp_interval"),
];
