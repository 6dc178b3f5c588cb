//! What command lines say of services, servers and times.

use relvs_model::{Netmask, Persistence, SchedulerFlags, ServiceKey};
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// A server: its address, and its port if that is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rip {
    pub(crate) address: IpAddr,
    pub(crate) port: Option<u16>,
}

/// `10.0.0.11`, `10.0.0.11:8080`, `fd00::11`, `[fd00::11]:8080`.
pub(crate) fn rip(text: &str) -> Result<Rip, String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse() {
        return Ok(Rip { address, port: None });
    }
    let both: Result<SocketAddr, _> = text.parse();
    let both = both.map_err(|_| "write RIP or RIP:PORT, as in 10.0.0.11:8080 or [fd00::11]:8080".to_owned())?;
    Ok(Rip { address: both.ip(), port: Some(both.port()) })
}

/// `90s`, `5m`, `2h`, `1d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || "write a number and s, m, h or d, as in 90s or 5m".to_owned();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(bad()),
    };
    let seconds = number.parse().ok().and_then(|number: u64| number.checked_mul(factor));
    // A clock could not show more.
    seconds.filter(|seconds| *seconds <= u64::from(u32::MAX)).map(Duration::from_secs).ok_or_else(bad)
}

/// A scheduler's flag, by any of its names.
pub(crate) fn flag(text: &str) -> Result<SchedulerFlags, String> {
    let known = || SchedulerFlags::all_names().collect::<Vec<_>>().join(", ");
    SchedulerFlags::named(text).map(|(flag, _)| flag).ok_or_else(|| format!("there are {}", known()))
}

/// How long a client keeps its server, and which clients count as one.
pub(crate) fn persistence(key: ServiceKey, timeout: Duration, netmask: Option<&str>) -> Result<Persistence, String> {
    let timeout_s = u32::try_from(timeout.as_secs()).map_err(|_| "--persistence: it is too long".to_owned())?;
    let Some(text) = netmask else { return Ok(Persistence::of_clients(timeout_s, key.is_ipv4())) };
    let netmask = if key.is_ipv4() {
        let mask = text.parse().map_err(|_| format!("--netmask {text}: write a mask, as in 255.255.255.0"))?;
        Netmask::V4(mask)
    } else {
        let bits = text.parse().map_err(|_| format!("--netmask {text}: write how many bits count, as in 64"))?;
        Netmask::V6(bits)
    };
    Ok(Persistence { timeout_s, netmask })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_times_are_read() {
        let of = |text: &str| rip(text).map(|rip| (rip.address.to_string(), rip.port));
        assert_eq!(of("10.0.0.11"), Ok(("10.0.0.11".into(), None)));
        assert_eq!(of("10.0.0.11:8080"), Ok(("10.0.0.11".into(), Some(8080))));
        assert_eq!(of("[fd00::11]:8080"), Ok(("fd00::11".into(), Some(8080))));
        for text in ["fd00::11", "[fd00::11]"] {
            assert_eq!(of(text), Ok(("fd00::11".into(), None)));
        }
        for text in ["", "s1", "10.0.0.11:", "10.0.0.11:99999", "[10.0.0.11]x"] {
            assert!(rip(text).is_err(), "{text}");
        }
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        for text in ["", "5", "m", "-5m", "99999999999999999999s", "999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
