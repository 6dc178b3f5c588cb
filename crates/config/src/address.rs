//! The words for addresses: `192.0.2.100:80/tcp`, `[fd00::1]:8080`, `10.0.0.11`. Names are never looked up.

use crate::names::nearest;
use crate::report::{Fault, quoted};
use relvs_model::{Protocol, ServiceKey};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a service listens to: address, port and protocol. Port 0 is any.
pub(crate) fn listen(text: &str) -> Result<ServiceKey, Fault> {
    let shape = "write ADDRESS:PORT/PROTOCOL, as in `192.0.2.100:80/tcp` or `[2001:db8::100]:443/tcp`";
    let Some((before, protocol)) = text.rsplit_once('/') else {
        let fault = Fault::new(format!("{} names no protocol", quoted(text)));
        return Err(match endpoint(text) {
            Ok((_, Some(_))) => fault.help(format!("add it: `{text}/tcp` or `{text}/udp`")),
            Ok((_, None)) | Err(_) => fault.help(shape),
        });
    };
    let (address, port) = endpoint(before)?;
    let Some(port) = port else {
        let fault = Fault::new(format!("{} names no port", quoted(text)));
        return Err(match address {
            IpAddr::V4(_) => fault.help(shape),
            IpAddr::V6(_) => fault.help("write the address in brackets, then the port: `[2001:db8::100]:443/tcp`"),
        });
    };
    Ok(ServiceKey::listen(self::protocol(protocol)?, address, port))
}

/// `IPv4`, `IPv4:PORT`, `IPv6`, `[IPv6]` or `[IPv6]:PORT`.
pub(crate) fn endpoint(text: &str) -> Result<(IpAddr, Option<u16>), Fault> {
    if let Some(rest) = text.strip_prefix('[') {
        let Some((inside, after)) = rest.split_once(']') else {
            return Err(Fault::new(format!("{} has no closing bracket", quoted(text))));
        };
        let address: Ipv6Addr = inside.parse().map_err(|_| bad_address(inside, "an IPv6 address"))?;
        if after.is_empty() {
            return Ok((address.into(), None));
        }
        let Some(port) = after.strip_prefix(':') else {
            let fault = Fault::new(format!("{} stands between the address and its port", quoted(after)));
            return Err(fault.help("write `[2001:db8::100]:443`"));
        };
        return Ok((address.into(), Some(self::port(port)?)));
    }
    if let Ok(address) = text.parse() {
        return Ok((address, None));
    }
    match text.rsplit_once(':') {
        Some((address, port)) if !address.contains(':') => {
            let address: Ipv4Addr = address.parse().map_err(|_| bad_address(address, "an IP address"))?;
            Ok((address.into(), Some(self::port(port)?)))
        }
        Some((address, _)) if address.parse::<Ipv6Addr>().is_ok() => {
            let fault = Fault::new(format!("{} does not tell the address from the port", quoted(text)));
            Err(fault.help("write an IPv6 address in brackets, as in `[2001:db8::100]:443`"))
        }
        Some(_) | None => Err(bad_address(text, "an IP address")),
    }
}

/// That a single machine can have this address. `whose` begins the message: "the VIP", "the server's address".
pub(crate) fn one_machine(whose: &str, address: IpAddr) -> Result<(), Fault> {
    let refused = |is: &str| Err(Fault::new(format!("{whose} {} is {is}", quoted(&address.to_string()))));
    match address {
        _ if address.is_unspecified() => refused("the unspecified address"),
        _ if address.is_loopback() => refused("a loopback address"),
        _ if address.is_multicast() => refused("a multicast address"),
        IpAddr::V4(Ipv4Addr::BROADCAST) => refused("the broadcast address"),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => refused("a link-local address, which needs an interface"),
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(Ok(()), |v4| {
            Err(Fault::new(format!("{whose} {} is an IPv4 address in IPv6 form", quoted(&address.to_string())))
                .help(format!("write `{v4}`")))
        }),
        IpAddr::V4(_) => Ok(()),
    }
}

fn bad_address(text: &str, kind: &str) -> Fault {
    let fault = Fault::new(format!("{} is not {kind}", quoted(text)));
    let is_name = text.contains(|c: char| c.is_ascii_alphabetic()) && !text.contains(':') && !text.contains('/');
    if text.parse::<Ipv4Addr>().is_ok() {
        fault.help("brackets are for IPv6 only")
    } else if text.contains('%') {
        fault.help("an address with an interface after `%` is not possible here")
    } else if text.contains('/') {
        fault.help("write one address, not a network")
    } else if is_name {
        fault.help("names are not looked up; write the address itself")
    } else {
        fault
    }
}

fn port(text: &str) -> Result<u16, Fault> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = if digits { text.parse().ok() } else { None };
    port.ok_or_else(|| Fault::new(format!("port {} is not a number from 1 to 65535", quoted(text))))
}

fn protocol(text: &str) -> Result<Protocol, Fault> {
    let available = Protocol::ALL.map(Protocol::name);
    text.parse().map_err(|()| unknown("protocol", text, &available, &[]))
}

/// A word that is none of the available ones: known for a later version, or unknown with the nearest known.
pub(crate) fn unknown(kind: &str, text: &str, available: &[&str], later: &[&str]) -> Fault {
    let list = available.join(", ");
    if later.contains(&text) {
        return Fault::new(format!("{kind} {} is not available in this version", quoted(text)))
            .help(format!("available: {list}"));
    }
    let fault = Fault::new(format!("unknown {kind} {}", quoted(text)));
    match nearest(text, available.iter().copied()) {
        Some(name) => fault.help(format!("did you mean `{name}`?")),
        None => fault.help(format!("available: {list}")),
    }
}
