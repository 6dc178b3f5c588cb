//! The settings that IPVS has under `net.ipv4.vs`, and its timeouts. Names, defaults and ranges are the kernel's
//! (net/netfilter/ipvs/ip_vs_ctl.c).

use serde::{Deserialize, Serialize};
use std::{fmt, ops::RangeInclusive};
use utoipa::ToSchema;

/// Seconds without a packet after which a flow is forgotten (ipvsadm's `--set`). The other states have fixed ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Timeouts {
    /// Established TCP flows.
    pub tcp_s: u32,
    /// TCP flows after a FIN.
    pub tcp_fin_s: u32,
    /// UDP flows.
    pub udp_s: u32,
}

impl Timeouts {
    /// The longest time, in seconds, that tables tell from a shorter one: a longer timeout acts as this one. So does
    /// a longer persistence.
    pub const LONGEST_S: u32 = 18 * 60 * 60;
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts { tcp_s: 900, tcp_fin_s: 120, udp_s: 300 }
    }
}

/// The kernel's largest number.
const MOST: i64 = i32::MAX as i64;

/// Each setting: what it means, its type, its default, and the numbers that it may be.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr, $range:expr;)+) => {
        /// Every name under `net.ipv4.vs`. Those down to `sloppy_tcp` act here, and `drop_packet` with `am_droprate`;
        /// the others are accepted, and relvs-config says of each why it means nothing. Switches are 0 or 1, as in the kernel.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(default)]
        pub struct Settings {
            $($(#[doc = $doc])+ pub $name: $type,)+
        }

        impl Default for Settings {
            fn default() -> Self {
                Settings { $($name: $default,)+ }
            }
        }

        impl Settings {
            /// All names.
            pub const NAMES: &[&str] = &[$(stringify!($name),)+];

            /// All names and values, as `sysctl` shows them, in the order of [`Settings::NAMES`].
            pub fn entries(&self) -> Vec<(&'static str, String)> {
                vec![$((stringify!($name), self.$name.text()),)+]
            }

            /// What a setting means in IPVS, and what it may be; none if there is none of this name.
            pub fn described(name: &str) -> Option<(&'static str, String)> {
                match name {
                    $(stringify!($name) => Some((concat!($($doc),+).trim(), <$type as Value>::expected(&$range))),)+
                    _ => None,
                }
            }

            /// Sets one to a value as `sysctl` takes it: a number, or two with a space between.
            ///
            /// # Errors
            ///
            /// There is no such name, or it cannot have this value. Nothing was changed.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), Unset> {
                match name {
                    $(stringify!($name) => self.$name = Value::read(value, &$range).ok_or_else(|| Unset::Value {
                        expected: <$type as Value>::expected(&$range),
                    })?,)+
                    _ => return Err(Unset::Name),
                }
                Ok(())
            }
        }
    };
}

settings! {
    /// A packet of a mark's service that has no server goes on to its own destination.
    cache_bypass: u32 = 0, 0..=1;
    /// What a SYN on a flow that has ended does: bit 0 chooses anew after TIME_WAIT and CLOSE, bit 1 also after
    /// FIN_WAIT where the server's side is not seen.
    conn_reuse_mode: u32 = 1, 0..=3;
    /// A flow whose server was removed ends at once, instead of being dropped until it times out.
    expire_nodest_conn: u32 = 0, 0..=1;
    /// A client's persistence ends when its server's weight becomes 0.
    expire_quiescent_template: u32 = 0, 0..=1;
    /// A NAT server's packet that belongs to no flow is answered by port unreachable.
    nat_icmp_send: u32 = 0, 0..=1;
    /// Whether rates are estimated.
    run_estimation: u32 = 1, 0..=1;
    /// An ICMP error about a flow that is not known opens one.
    schedule_icmp: u32 = 0, 0..=1;
    /// A flow begins with any packet of an association, not with INIT alone.
    sloppy_sctp: u32 = 0, 0..=1;
    /// A flow begins with any packet of a connection but RST, not with SYN alone.
    sloppy_tcp: u32 = 0, 0..=1;
    /// Pages of memory below which the defences act by themselves.
    amemthresh: u32 = 1024, 0..=MOST;
    /// One in so many packets that would open a flow is dropped by `drop_packet = 3`.
    am_droprate: u32 = 10, 0..=MOST;
    /// Directs nothing while the backup's sync daemon runs.
    backup_only: u32 = 0, 0..=1;
    /// The load factor of the connection table, as a power of two.
    conn_lfactor: i32 = -4, -8..=8;
    /// The most connections.
    conn_max: u32 = 1 << 30, 0..=1 << 30;
    /// Keeps entries of connection tracking.
    conntrack: u32 = 0, 0..=1;
    /// How much is logged.
    debug_level: u32 = 0, 0..=MOST;
    /// Drops entries at random: 0 never, 1 and 2 when memory is low, 3 always.
    drop_entry: u32 = 0, 0..=3;
    /// Drops one in so many packets that would open a flow: 0 never, 1 and 2 when memory is low, 3 always.
    drop_packet: u32 = 0, 0..=3;
    /// The CPUs that estimate rates; empty is the kernel's choice.
    est_cpulist: String = String::new(), 0..=0;
    /// The niceness of what estimates rates.
    est_nice: i32 = 0, -20..=19;
    /// Leaves tunnelled packets alone.
    ignore_tunneled: u32 = 0, 0..=1;
    /// Seconds that lblc remembers a destination that is not used.
    lblc_expiration: u32 = 24 * 60 * 60, 0..=MOST;
    /// Seconds after which lblcr takes a server out of a destination's set.
    lblcr_expiration: u32 = 24 * 60 * 60, 0..=MOST;
    /// Tells the sender of a packet that is too large for a tunnel.
    pmtu_disc: u32 = 1, 0..=1;
    /// Uses the TCP states for times of attack: 0 never, 1 and 2 when memory is low, 3 always.
    secure_tcp: u32 = 0, 0..=3;
    /// Looks up the route of packets anew whose source was rewritten.
    snat_reroute: u32 = 1, 0..=1;
    /// The load factor of the service table, as a power of two.
    svc_lfactor: i32 = -3, -8..=8;
    /// Of persistent services, sends the peer only the templates.
    sync_persist_mode: u32 = 0, 0..=1;
    /// Over how many ports the peer is told.
    sync_ports: u32 = 1, 1..=64;
    /// How many messages to the peer may wait; none is by the memory there is.
    sync_qlen_max: Option<u32> = None, 0..=MOST;
    /// Seconds between two messages about the same flow.
    sync_refresh_period: u32 = 0, 0..=MOST;
    /// How often a message is repeated.
    sync_retries: u32 = 0, 0..=3;
    /// Bytes of the socket's buffer.
    sync_sock_size: u32 = 0, 0..=MOST;
    /// The packets after which the peer is told: threshold, and every so many.
    sync_threshold: [u32; 2] = [3, 50], 0..=MOST;
    /// The version of the messages.
    sync_version: u32 = 1, 0..=1;
}

/// Why a setting was not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unset {
    /// There is none of this name.
    Name,
    /// It cannot have this value.
    Value {
        /// What it can have: `0 or 1`, `a number from 0 to 3`.
        expected: String,
    },
}

impl fmt::Display for Unset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unset::Name => f.write_str("there is no such setting"),
            Unset::Value { expected } => write!(f, "it must be {expected}"),
        }
    }
}

impl std::error::Error for Unset {}

/// What a setting may be.
trait Value: Sized {
    fn text(&self) -> String;
    fn read(text: &str, range: &RangeInclusive<i64>) -> Option<Self>;
    fn expected(range: &RangeInclusive<i64>) -> String {
        match (range.start(), range.end()) {
            (0, 1) => "0 or 1".to_owned(),
            (least, most) => format!("a number from {least} to {most}"),
        }
    }
}

fn number(text: &str, range: &RangeInclusive<i64>) -> Option<i64> {
    text.trim().parse().ok().filter(|number| range.contains(number))
}

impl Value for u32 {
    fn text(&self) -> String {
        self.to_string()
    }
    fn read(text: &str, range: &RangeInclusive<i64>) -> Option<Self> {
        number(text, range)?.try_into().ok()
    }
}

impl Value for i32 {
    fn text(&self) -> String {
        self.to_string()
    }
    fn read(text: &str, range: &RangeInclusive<i64>) -> Option<Self> {
        number(text, range)?.try_into().ok()
    }
}

impl Value for Option<u32> {
    fn text(&self) -> String {
        self.map_or_else(|| "by memory".to_owned(), |number| number.to_string())
    }
    fn read(text: &str, range: &RangeInclusive<i64>) -> Option<Self> {
        u32::read(text, range).map(Some)
    }
}

impl Value for [u32; 2] {
    fn text(&self) -> String {
        format!("{} {}", self[0], self[1])
    }
    fn read(text: &str, range: &RangeInclusive<i64>) -> Option<Self> {
        let mut numbers = text.split_whitespace().map(|text| u32::read(text, range));
        match (numbers.next()??, numbers.next()??, numbers.next()) {
            (threshold, period, None) if threshold < period => Some([threshold, period]),
            _ => None,
        }
    }
    fn expected(_: &RangeInclusive<i64>) -> String {
        "two numbers, the first less than the second, as in \"3 50\"".to_owned()
    }
}

impl Value for String {
    fn text(&self) -> String {
        self.clone()
    }
    fn read(text: &str, _: &RangeInclusive<i64>) -> Option<Self> {
        let list = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'-'));
        list.then(|| text.to_owned())
    }
    fn expected(_: &RangeInclusive<i64>) -> String {
        "a list of CPUs, as in \"0-3,8\"".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_can_be_set_again() {
        let mut settings = Settings::default();
        for (name, value) in Settings::default().entries() {
            if name != "sync_qlen_max" {
                assert_eq!(settings.set(name, &value), Ok(()), "{name}");
            }
        }
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn what_is_set_is_there() {
        let mut settings = Settings::default();
        for (name, value) in
            [("sloppy_tcp", "1"), ("sync_threshold", "10\t100"), ("est_nice", "-20"), ("sync_qlen_max", "7")]
        {
            assert_eq!(settings.set(name, value), Ok(()));
        }
        assert_eq!((settings.sloppy_tcp, settings.sync_threshold), (1, [10, 100]));
        assert_eq!((settings.est_nice, settings.sync_qlen_max), (-20, Some(7)));
        let before = settings.clone();
        for (name, value) in
            [("sloppy_tcp", "2"), ("sync_threshold", "50 3"), ("drop_entry", "4"), ("est_cpulist", "x")]
        {
            assert!(matches!(settings.set(name, value), Err(Unset::Value { .. })), "{name}");
        }
        assert_eq!(settings.set("sloppy_udp", "1"), Err(Unset::Name));
        assert_eq!(settings, before);
    }

    #[test]
    fn names_and_entries_agree() {
        let names: Vec<&str> = Settings::default().entries().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, Settings::NAMES);
    }
}
