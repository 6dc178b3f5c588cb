//! `virtual_server_group`: addresses, ranges of them and marks that are one service.

use crate::{
    keepalived::{Statement, reading::Reading},
    report::{Fault, quoted},
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::keepalived) enum Member {
    /// An address with a port; 0 is any.
    Address(IpAddr, u16),
    /// A mark; for IPv6 if it says so.
    Mark(u32, Option<bool>),
}

/// All of a group.
pub(in crate::keepalived) type Group = Vec<Member>;

/// Reads a group: its name, and what is in it.
pub(in crate::keepalived) fn group(statement: &Statement, reading: &mut Reading<'_>) -> Option<(String, Group)> {
    let name = reading.word(statement, 0, "a name")?.to_owned();
    let mut group = Vec::new();
    for line in reading.block(statement) {
        if line.keyword.text == "fwmark" {
            group.extend(mark(line, reading));
        } else {
            addresses(line, &mut group, reading);
        }
    }
    Some((name, group))
}

fn mark(line: &Statement, reading: &mut Reading<'_>) -> Option<Member> {
    let mark = reading.integer(line, 0, 1..=u32::MAX)?;
    let six = match line.arguments.get(1) {
        Some(_) => Some(reading.choice(line, 1, &[("inet", false), ("inet6", true)])?),
        None => None,
    };
    Some(Member::Mark(mark, six))
}

fn addresses(line: &Statement, group: &mut Group, reading: &mut Reading<'_>) {
    let port = match line.arguments.first() {
        Some(_) => match reading.integer(line, 0, 1..=u16::MAX) {
            Some(port) => port,
            None => return,
        },
        None => 0,
    };
    let text = &line.keyword.text;
    let Some((first, count)) = range(text) else {
        let fault = Fault::new(format!("{} is no address, range or network", quoted(text)));
        let help = "write 192.0.2.8, 192.0.2.8-10, 192.0.2.250-192.0.3.10 or 192.0.2.8/29; it is left out";
        reading.fault(line.keyword.place, fault.help(help));
        return;
    };
    let most = reading.room.members;
    if count > most as u128 {
        let fault = Fault::new(format!("with {} there are more addresses than are taken", quoted(text)));
        reading.fault(line.keyword.place, fault.help("write a smaller range, or a mark; it is left out"));
        return;
    }
    reading.room.members -= count as usize;
    group.extend((0..count).map(|at| Member::Address(plus(first, at), port)));
}

/// The first address of a range, and how many there are.
fn range(text: &str) -> Option<(IpAddr, u128)> {
    if let Some((first, prefix)) = text.split_once('/') {
        let (first, prefix): (IpAddr, u32) = (first.parse().ok()?, prefix.parse().ok()?);
        let host = bits(first).checked_sub(prefix)?;
        // From the address on, to the end of its network.
        let size = 1u128.checked_shl(host)?;
        return Some((first, size - (number(first) & (size - 1))));
    }
    let Some((first, last)) = text.split_once('-') else {
        return Some((text.parse().ok()?, 1));
    };
    let first: IpAddr = first.parse().ok()?;
    let last = match (last.parse::<IpAddr>(), first) {
        (Ok(last), _) if last.is_ipv4() == first.is_ipv4() => last,
        (Ok(_), _) => return None,
        (Err(_), IpAddr::V4(first)) => {
            let [a, b, c, _] = first.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, last.parse().ok()?))
        }
        (Err(_), IpAddr::V6(first)) => {
            let mut segments = first.segments();
            segments[7] = u16::from_str_radix(last, 16).ok()?;
            IpAddr::V6(Ipv6Addr::from(segments))
        }
    };
    let count = number(last).checked_sub(number(first))? + 1;
    Some((first, count))
}

const fn bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn plus(address: IpAddr, by: u128) -> IpAddr {
    match address {
        IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from(u32::from(address).wrapping_add(by as u32))),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address).wrapping_add(by))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<(String, u128)> {
        range(text).map(|(first, count)| (first.to_string(), count))
    }

    #[test]
    fn ranges_are_written_in_four_ways() {
        let range = |first: &str, count| Some((first.to_owned(), count));
        assert_eq!(of("192.0.2.8"), range("192.0.2.8", 1));
        assert_eq!(of("192.0.2.1-10"), range("192.0.2.1", 10));
        assert_eq!(of("192.0.2.250-192.0.3.10"), range("192.0.2.250", 17));
        assert_eq!(of("192.0.2.8/29"), range("192.0.2.8", 8));
        assert_eq!(of("2001:db8::10-1f"), range("2001:db8::10", 16));
        assert_eq!(of("2001:db8::8/125"), range("2001:db8::8", 8));
        for wrong in ["192.0.2.9-8", "192.0.2.1-256", "192.0.2.1/33", "192.0.2.1-2001:db8::1", "web", "192.0.2.1/x", ""]
        {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        assert_eq!(plus("192.0.2.255".parse().unwrap(), 1).to_string(), "192.0.3.0");
    }
}
