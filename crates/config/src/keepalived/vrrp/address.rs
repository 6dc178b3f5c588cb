//! Lines of `virtual_ipaddress` and `unicast_peer`.

use crate::{
    keepalived::{Statement, reading::Reading},
    report::{Fault, quoted},
};
use relvs_model::vrrp::{UnicastPeer, VirtualAddress};
use std::net::{IpAddr, Ipv4Addr};

/// The bytes of a label (IFNAMSIZ without its end).
const LABEL: usize = 15;
/// The scopes that have a name everywhere (rt_scopes).
const SCOPES: [&str; 5] = ["global", "site", "link", "host", "nowhere"];

fn is_ipv4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
}

/// `ADDRESS[/PREFIX] [brd ADDRESS] [dev INTERFACE] [scope SCOPE] [label LABEL] [no_track] ...`
pub(super) fn address(line: &Statement, reading: &mut Reading<'_>) -> Option<VirtualAddress> {
    let text = &line.keyword.text;
    let (address, prefix) = text.split_once('/').map_or((text.as_str(), None), |(a, prefix)| (a, Some(prefix)));
    let address: Option<IpAddr> = address.parse().ok();
    let most = if address.is_some_and(|address| address.is_ipv6()) { 128 } else { 32 };
    let prefix = prefix.map(|prefix| prefix.parse::<u8>().ok().filter(|prefix| *prefix <= most));
    let (Some(address), None | Some(Some(_))) = (address, prefix) else {
        let fault = Fault::new(format!("{} is no address", quoted(text)));
        reading.fault(line.keyword.place, fault.help("write 192.0.2.100 or 192.0.2.100/24; it is left out"));
        return None;
    };
    let mut found = VirtualAddress { prefix: prefix.flatten(), ..VirtualAddress::new(address) };
    let mut at = 0;
    while let Some(word) = line.arguments.get(at) {
        let value = || line.arguments.get(at + 1).map(|word| word.text.clone());
        let taken = match word.text.as_str() {
            "dev" => value().map(|value| found.interface = Some(value)),
            "label" => {
                let label = value();
                if label.as_ref().is_some_and(|label| label.len() > LABEL) {
                    let fault = Fault::new(format!("a label has no more than {LABEL} bytes"));
                    reading.fault(word.place, fault.help("write a shorter one; the address is left out"));
                    return None;
                }
                label.map(|value| found.label = Some(value))
            }
            "scope" => value().map(|value| {
                if SCOPES.contains(&value.as_str()) || value.parse::<u8>().is_ok() {
                    found.scope = Some(value);
                } else {
                    let fault = Fault::new(format!("{} is no scope", quoted(&value)));
                    reading.fault(word.place, fault.help(format!("write one of {}", SCOPES.join(", "))));
                }
            }),
            "brd" | "broadcast" => {
                let broadcast = value();
                if broadcast.as_ref().is_some_and(|text| !matches!(text.as_str(), "+" | "-") && !is_ipv4(text)) {
                    let fault = Fault::new("what follows is no broadcast address");
                    reading
                        .fault(word.place, fault.help("remove it: the kernel's own is right; the address is left out"));
                    return None;
                }
                // The kernel's own is right.
                broadcast.map(drop)
            }
            "preferred_lft" => value().map(drop),
            "peer" => {
                if found.prefix.is_some() {
                    let fault = Fault::new("an address with a peer has no prefix length of its own");
                    reading.complaint(word.place, fault.help("write it behind the peer's address"));
                }
                value().map(drop)
            }
            "no_track" => {
                found.no_track = true;
                at += 1;
                continue;
            }
            "noprefixroute" => {
                found.no_prefix_route = true;
                at += 1;
                continue;
            }
            "home" | "mngtmpaddr" | "autojoin" | "use_vmac" | "-nodad" => {
                at += 1;
                continue;
            }
            // A line may have one address; some write several.
            _ => None,
        };
        if taken.is_none() {
            let fault = Fault::new(format!("{} is nothing of an address", quoted(&word.text)));
            reading.fault(word.place, fault.help("write one address a line; the rest of the line is left out"));
            break;
        }
        at += 2;
    }
    Some(found)
}

/// `ADDRESS [min_ttl N] [max_ttl N]`
pub(super) fn peer(line: &Statement, reading: &mut Reading<'_>) -> Option<UnicastPeer> {
    let Ok(address) = line.keyword.text.parse() else {
        let fault = Fault::new(format!("{} is no IP address", quoted(&line.keyword.text)));
        reading.fault(line.keyword.place, fault.help("names are not looked up; write the address itself"));
        return None;
    };
    let mut peer = UnicastPeer::new(address);
    for at in (0..line.arguments.len()).step_by(2) {
        let which = reading.choice(line, at, &[("min_ttl", true), ("max_ttl", false)])?;
        let ttl = reading.integer(line, at + 1, 0..=u8::MAX)?;
        *(if which { &mut peer.min_ttl } else { &mut peer.max_ttl }) = Some(ttl);
    }
    Some(peer)
}
