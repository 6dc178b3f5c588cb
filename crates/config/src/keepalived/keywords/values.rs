//! What keepalived 2.2 asks of values: of those too that do nothing here, since it tells by its exit code whether they are right.
//!
//! Source: `keepalived -t` of 2.2.7, asked with each of them.

use super::Context;
use crate::keepalived::Verdict;
use std::net::IpAddr;

/// What the word after a keyword must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::keepalived) enum Shape {
    /// A whole number from the one to the other, and what it is if there is none.
    Whole(i64, i64, Option<Verdict>),
    /// A time of more than 0 seconds, up to so many.
    Seconds(u32),
    /// The address of a group of routers, of IPv6 or not, or of either.
    Multicast(Option<bool>),
    /// One of these, or none.
    Choice(&'static [&'static str]),
    /// Any word.
    Word,
}

impl Shape {
    /// How bad it is that there is no word.
    pub(in crate::keepalived) const fn bare(self) -> Option<Verdict> {
        match self {
            Shape::Whole(.., bare) => bare,
            Shape::Seconds(_) | Shape::Multicast(_) => Some(Verdict::Wordless),
            Shape::Choice(_) => None,
            Shape::Word => Some(Verdict::Faulty),
        }
    }

    /// What a word is not, if it is not right.
    pub(in crate::keepalived) fn misses(self, word: &str) -> Option<String> {
        let (right, what) = match self {
            Shape::Whole(least, most, _) => (
                word.parse::<i64>().is_ok_and(|number| (least..=most).contains(&number)),
                format!("no number from {least} to {most}"),
            ),
            Shape::Seconds(most) => (
                word.parse::<f64>().is_ok_and(|number| number > 0.0 && number <= f64::from(most)),
                format!("no time of up to {most} seconds"),
            ),
            Shape::Multicast(six) => (
                word.parse::<IpAddr>()
                    .is_ok_and(|found| found.is_multicast() && six.is_none_or(|six| found.is_ipv6() == six)),
                "no multicast address".to_owned(),
            ),
            Shape::Choice(words) => (words.contains(&word), format!("not one of {}", words.join(", "))),
            Shape::Word => (true, String::new()),
        };
        (!right).then_some(what)
    }
}

const UNSIGNED: i64 = u32::MAX as i64;
const FAULTY: Option<Verdict> = Some(Verdict::Faulty);
const WORDLESS: Option<Verdict> = Some(Verdict::Wordless);

const PRIORITY: Shape = Shape::Whole(i32::MIN as i64, i32::MAX as i64, FAULTY);
const REAL_TIME: Shape = Shape::Whole(1, 99, FAULTY);
const RUN_TIME: Shape = Shape::Whole(1, UNSIGNED, WORDLESS);
const CPU: Shape = Shape::Whole(0, 8_191, FAULTY);
const BUFFER: Shape = Shape::Whole(0, UNSIGNED, FAULTY);
const SCRIPT_TIME: Shape = Shape::Whole(1, 1_000, FAULTY);
const DELAY: Shape = Shape::Seconds(3_600);

/// Of keywords that do nothing here.
const SHAPES: &[(Context, &str, Shape)] = &[
    (Context::Global, "vrrp_priority", PRIORITY),
    (Context::Global, "checker_priority", PRIORITY),
    (Context::Global, "bfd_priority", PRIORITY),
    (Context::Global, "vrrp_rt_priority", REAL_TIME),
    (Context::Global, "checker_rt_priority", REAL_TIME),
    (Context::Global, "bfd_rt_priority", REAL_TIME),
    (Context::Global, "vrrp_rlimit_rttime", RUN_TIME),
    (Context::Global, "checker_rlimit_rttime", RUN_TIME),
    (Context::Global, "bfd_rlimit_rttime", RUN_TIME),
    (Context::Global, "vrrp_cpu_affinity", CPU),
    (Context::Global, "checker_cpu_affinity", CPU),
    (Context::Global, "bfd_cpu_affinity", CPU),
    (Context::Global, "max_auto_priority", Shape::Whole(-1, 99, None)),
    (Context::Global, "min_auto_priority_delay", Shape::Whole(1, 10_000_000, FAULTY)),
    (Context::Global, "vrrp_rx_bufs_multiplier", Shape::Whole(1, UNSIGNED, FAULTY)),
    (Context::Global, "process_monitor_rcv_bufs", BUFFER),
    (Context::Global, "vrrp_netlink_cmd_rcv_bufs", BUFFER),
    (Context::Global, "vrrp_netlink_monitor_rcv_bufs", BUFFER),
    (Context::Global, "lvs_netlink_cmd_rcv_bufs", BUFFER),
    (Context::Global, "lvs_netlink_monitor_rcv_bufs", BUFFER),
    (Context::Global, "random_seed", Shape::Whole(0, UNSIGNED, WORDLESS)),
    (Context::Global, "nftables_priority", Shape::Whole(i32::MIN as i64, i32::MAX as i64, WORDLESS)),
    (Context::Global, "startup_script_timeout", SCRIPT_TIME),
    (Context::Global, "shutdown_script_timeout", SCRIPT_TIME),
    (Context::Global, "startup_script", Shape::Word),
    (Context::Global, "shutdown_script", Shape::Word),
    (Context::Global, "notify_fifo_script", Shape::Word),
    (Context::Global, "vrrp_notify_fifo_script", Shape::Word),
    (Context::Global, "lvs_notify_fifo_script", Shape::Word),
    (Context::Global, "lvs_sync_daemon", Shape::Word),
    (Context::Global, "snmp_socket", Shape::Word),
    (Context::Global, "dbus_service_name", Shape::Word),
    (Context::Global, "reload_time_file", Shape::Word),
    (Context::Global, "vrrp_mcast_group4", Shape::Multicast(Some(false))),
    (Context::Global, "vrrp_mcast_group6", Shape::Multicast(Some(true))),
    (Context::Global, "dynamic_interfaces", Shape::Choice(&["allow_if_changes"])),
    (Context::Global, "lvs_flush_on_stop", Shape::Choice(&["VS"])),
    (Context::Instance, "debug", Shape::Whole(0, 4, WORDLESS)),
    (Context::Instance, "kernel_rx_buf_size", BUFFER),
    (Context::Instance, "mcast_dst_ip", Shape::Multicast(None)),
    (Context::Process, "quorum_max", Shape::Whole(0, 65_535, WORDLESS)),
    (Context::Process, "delay", DELAY),
    (Context::Process, "terminate_delay", DELAY),
    (Context::Process, "fork_delay", DELAY),
    (Context::Process, "param_match", Shape::Choice(&["initial", "partial"])),
];

impl Context {
    /// What the value of a keyword must be that does nothing here.
    pub(in crate::keepalived) fn shape(self, name: &str) -> Option<&'static Shape> {
        SHAPES.iter().find(|(context, keyword, _)| (*context, *keyword) == (self, name)).map(|(.., shape)| shape)
    }

    /// What to write in place of a keyword of which keepalived complains whenever it stands there.
    pub(in crate::keepalived) fn deprecated(self, name: &str) -> Option<&'static str> {
        match (self, name) {
            (Context::Instance, "lvs_sync_daemon_interface") => Some("remove it: lvs_sync_daemon took its place"),
            (Context::Instance, "linkbeat_use_polling") => Some("remove it: linkbeat_interfaces took its place"),
            (Context::SyncGroup, "global_tracking") => Some("write `track_interface` and the like into the group"),
            (Context::Http, "nb_get_retry") => Some("write `retry`"),
            _ => None,
        }
    }

    /// Whether keepalived reads on when nothing follows a keyword that needs a word.
    pub(in crate::keepalived) fn endures(self, name: &str) -> bool {
        match name {
            "vrrp_instance" | "vrrp_sync_group" | "virtualhost" => true,
            "router_id" | "notification_email_from" | "smtp_helo_name" | "default_interface" => true,
            "script_user" | "notify_fifo" | "vrrp_notify_fifo" | "lvs_notify_fifo" => true,
            "http_protocol" | "payload" | "sni_name" | "status_code" | "regex" | "helo_name" => true,
            "user" | "misc_path" => self == Context::Misc,
            "script" => self == Context::Script,
            "file" => self == Context::TrackFile,
            "weight" => matches!(self, Context::TrackFile | Context::Process),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_that_is_looked_at_has_its_keyword() {
        for (context, name, _) in SHAPES {
            assert!(context.keyword(name).is_some(), "{} {name}", context.name());
        }
    }

    #[test]
    fn values_are_looked_at() {
        let misses = |shape: Shape, word: &str| shape.misses(word).is_some();
        assert!(!misses(REAL_TIME, "99") && misses(REAL_TIME, "100") && misses(REAL_TIME, "x"));
        assert!(!misses(DELAY, "0.5") && misses(DELAY, "0") && misses(DELAY, "inf"));
        let group = |six| Shape::Multicast(Some(six));
        assert!(!misses(group(false), "224.0.0.18") && misses(group(false), "10.0.0.1"));
        assert!(misses(group(true), "224.0.0.18") && !misses(group(true), "ff02::12"));
        assert!(!misses(Shape::Multicast(None), "ff02::12") && misses(Shape::Multicast(None), "x"));
        assert!(!misses(Shape::Choice(&["VS"]), "VS") && misses(Shape::Choice(&["VS"]), "vs"));
    }
}
