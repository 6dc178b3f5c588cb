//! What the settings under `net.ipv4.vs` mean here: those that act, and those that are accepted and do nothing.

/// Why a setting does nothing, whatever its value; none for those that act.
pub(crate) fn does_nothing(name: &str) -> Option<&'static str> {
    let why = match name {
        "amemthresh" => "tables take no more memory than they were made with",
        "drop_entry" => "a full table of half-open flows gives up its oldest by itself",
        "secure_tcp" => "a flood displaces only half-open flows here, so the usual states do",
        "backup_only" => "there is no sync daemon yet that could be a backup's",
        "sync_persist_mode"
        | "sync_ports"
        | "sync_qlen_max"
        | "sync_refresh_period"
        | "sync_retries"
        | "sync_sock_size"
        | "sync_threshold"
        | "sync_version" => "there is no sync daemon yet",
        "conntrack" => "packets are forwarded before connection tracking sees them",
        "snat_reroute" => "a reply's way is looked up by where it goes, always",
        "pmtu_disc" => "it is always 1: senders are told of packets that are too large for a tunnel",
        "ignore_tunneled" => "a packet inside another is never looked at",
        "est_cpulist" | "est_nice" => "rates are estimated by the daemon",
        "debug_level" => "the environment variable RELVS_LOG says how much is logged",
        "lblc_expiration" | "lblcr_expiration" => {
            "their table is of a fixed size and forgets what nobody asked for the longest, never for its age"
        }
        "conn_max" => "the tables have the size that `flows` says",
        "conn_lfactor" | "svc_lfactor" => "tables have a fixed size",
        _ => return None,
    };
    Some(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use relvs_model::Settings;

    #[test]
    fn what_acts() {
        let acting: Vec<&str> = Settings::NAMES.iter().copied().filter(|name| does_nothing(name).is_none()).collect();
        let expected = [
            "cache_bypass",
            "conn_reuse_mode",
            "expire_nodest_conn",
            "expire_quiescent_template",
            "nat_icmp_send",
            "run_estimation",
            "schedule_icmp",
            "sloppy_sctp",
            "sloppy_tcp",
            "am_droprate",
            "drop_packet",
        ];
        assert_eq!(acting, expected);
    }
}
