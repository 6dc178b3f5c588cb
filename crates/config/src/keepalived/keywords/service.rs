//! Virtual and real servers.

use super::{Keyword, differs, gone, ignored, why, works};

const MAIL: Keyword = differs("smtp_alert", "mail is about all servers or none: about all, if one asks for it");

pub(super) const SERVICE: &[Keyword] = &[
    works("ip_family"),
    works("connect_timeout"),
    works("inhibit_on_failure"),
    works("lb_algo"),
    works("lvs_sched"),
    ignored("hashed", "sh-port or mh-port say what is hashed"),
    works("ops"),
    works("flag-1"),
    works("flag-2"),
    works("flag-3"),
    works("sh-port"),
    works("sh-fallback"),
    works("mh-port"),
    works("mh-fallback"),
    works("lb_kind"),
    works("lvs_method"),
    ignored("persistence_engine", "SIP is not looked into; clients are told apart by their address"),
    works("persistence_timeout"),
    works("persistence_granularity"),
    works("protocol"),
    works("ha_suspend"),
    MAIL,
    works("virtualhost"),
    ignored("snmp_name", why::SNMP),
    works("omega"),
    works("quorum_up"),
    works("quorum_down"),
    works("quorum"),
    works("hysteresis"),
    works("weight"),
    works("sorry_server"),
    works("sorry_server_inhibit"),
    works("sorry_server_lvs_method"),
    works("real_server"),
    gone("nat_mask", "remove it: NAT needs none"),
    gone("net_mask", "remove it: NAT needs none"),
];

pub(super) const SERVER: &[Keyword] = &[
    works("weight"),
    works("lvs_method"),
    works("uthreshold"),
    works("lthreshold"),
    works("inhibit_on_failure"),
    works("notify_up"),
    works("notify_down"),
    works("connect_timeout"),
    MAIL,
    works("virtualhost"),
    ignored("snmp_name", why::SNMP),
];
