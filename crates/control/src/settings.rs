//! The settings that packets meet, as bits of the switch.

use relvs_core::table::active;
use relvs_model::Settings;

/// The bits ([`active::SETTINGS`]).
pub(crate) fn word(settings: &Settings) -> u64 {
    [
        (settings.conn_reuse_mode != 0, active::REUSE),
        (settings.conn_reuse_mode & 2 != 0, active::REUSE_FIN_WAIT),
        (settings.expire_nodest_conn != 0, active::EXPIRE_NODEST_CONN),
        (settings.expire_quiescent_template != 0, active::EXPIRE_QUIESCENT_TEMPLATE),
        (settings.sloppy_tcp != 0, active::SLOPPY_TCP),
        (settings.sloppy_sctp != 0, active::SLOPPY_SCTP),
        (settings.cache_bypass != 0, active::CACHE_BYPASS),
        (settings.nat_icmp_send != 0, active::NAT_ICMP_SEND),
        (settings.schedule_icmp != 0, active::SCHEDULE_ICMP),
        (settings.drop_packet == 3, active::DROP_PACKET),
    ]
    .into_iter()
    .filter(|(is, _)| *is)
    .fold(0, |word, (_, bit)| word | bit)
}
