//! The words for networks and ports of match rules: `10.0.0.0/8`, `192.0.2.100`, `8000-8100`.

use crate::report::{Fault, quoted};
use relvs_model::{Network, PortRange};
use std::net::IpAddr;

/// An address, or a network with its prefix.
pub(crate) fn network(text: &str) -> Result<Network, Fault> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address: IpAddr = address.parse().map_err(|_| {
        Fault::new(format!("{} is not an address or a network", quoted(text)))
            .help("write `10.0.0.0/8`, `192.0.2.100` or `2001:db8::/32`")
    })?;
    let longest = Network::longest(address.is_ipv4());
    let prefix = match prefix {
        None => longest,
        Some(prefix) => {
            let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
            let number = if digits { prefix.parse().ok() } else { None };
            number.filter(|prefix| *prefix <= longest).ok_or_else(|| {
                Fault::new(format!("the prefix of {} is not a number from 0 to {longest}", quoted(text)))
            })?
        }
    };
    let network = Network::of(address, prefix);
    if network.address != address {
        let fault = Fault::new(format!("{} has bits beyond its prefix", quoted(text)));
        return Err(fault.help(format!("write `{network}`, or a longer prefix")));
    }
    Ok(network)
}

/// A port, or a range of them.
pub(crate) fn ports(text: &str) -> Result<PortRange, Fault> {
    let fault = || {
        let fault = Fault::new(format!("{} is not a port or a range of ports", quoted(text)));
        fault.help("write `80` or `8000-8100`, from 1 to 65535")
    };
    let port = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let port: Option<u16> = if digits { text.parse().ok() } else { None };
        port.filter(|port| *port > 0).ok_or_else(fault)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = PortRange { first: port(first.trim())?, last: port(last.trim())? };
    if range.first > range.last {
        let fault = Fault::new(format!("{} ends before it begins", quoted(text)));
        return Err(fault.help(format!("write `{}-{}`", range.last, range.first)));
    }
    Ok(range)
}
