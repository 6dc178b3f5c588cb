//! Lines of `virtual_ipaddress` and `unicast_peer`.

use crate::{
    keepalived::{Statement, reading::Reading},
    report::{Fault, quoted},
};
use relvs_model::vrrp::{UnicastPeer, VirtualAddress};
use std::net::IpAddr;

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
            "label" => value().map(|value| found.label = Some(value)),
            "scope" => value().map(|value| found.scope = Some(value)),
            // The kernel's own is right.
            "brd" | "broadcast" | "preferred_lft" | "peer" => value().map(drop),
            "no_track" | "track_group" => {
                found.no_track |= word.text == "no_track";
                at += usize::from(word.text == "track_group");
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
