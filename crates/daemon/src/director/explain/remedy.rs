//! What can be done about each reason, in a sentence: docs/explain.md has them too.

use relvs_core::Reason;

/// What can be done about it, or why there is nothing to be done.
pub(super) const fn remedy(reason: Reason) -> &'static str {
    match reason {
        Reason::NotIp => "Nothing: only IPv4 and IPv6 are balanced.",
        Reason::NotOurs => {
            "If it should be balanced, add a service for this address, port and protocol, or a match rule; `relvs service` lists those that there are."
        }
        Reason::OtherHost => "Send it to the MAC of the interface that is served; a switch may have flooded it.",
        Reason::Protocol => "Nothing: TCP, UDP, SCTP and ICMP errors are balanced, and the stack has the rest.",
        Reason::Malformed => "Look for a broken sender or a device on the way that cuts packets.",
        Reason::HeaderChecksum => "Look for a broken sender or a device on the way that changes packets.",
        Reason::NoFlow => {
            "If it should open a flow, it has to be the first packet of a connection, as a SYN; the flow may have expired: `relvs flows` lists those that there are. The setting sloppy_tcp lets other segments open flows too."
        }
        Reason::MartianSource => "Look for the sender: no client can have this address, so no answer would reach it.",
        Reason::FragmentEarly => {
            "Have the sender use smaller packets: fragments that come before their first are lost."
        }
        Reason::IcmpUnrelated => {
            "Nothing: it is about no flow that is known here. The setting schedule_icmp opens one."
        }
        Reason::HeaderChain => "Have the sender use fewer or shorter extension headers.",
        Reason::DestinationGone => {
            "The server was removed: add it again, or let the client begin anew. The setting expire_nodest_conn ends such flows at once."
        }
        Reason::NextHopUnresolved => {
            "The server does not answer ARP or neighbour discovery, or no route leads to it: `relvs status` says which."
        }
        Reason::NoRoute => "Give the director a route back to the client, and have forwarding switched on.",
        Reason::NoNeighbour => {
            "The client or its router does not answer ARP or neighbour discovery; it was asked, so try again in a moment."
        }
        Reason::TableFull => {
            "Give the director a larger table: `flows` of the section [director], which takes effect when it starts anew."
        }
        Reason::Collision => {
            "Let the client use another port, or let the two services have different servers or server ports."
        }
        Reason::FragmentTiny => {
            "Look for an attack or a broken sender: first fragments have the whole transport header."
        }
        Reason::NoRoom => "Use a driver that leaves 256 bytes in front of a frame, or generic mode (`xdp_mode`).",
        Reason::Inconsistent => "This must not be: please report it, with the configuration.",
        Reason::TooBig => "Have the sender use smaller packets: what is too big here may not be answered.",
        Reason::AnswerLimited => {
            "Look for who is sending so much that has to be answered; nothing is wrong with the rest."
        }
        Reason::TimeExceeded => "Look for a routing loop, or let the sender use a greater TTL.",
        Reason::NoDestination => {
            "Add a server, give one a weight that is not 0, or raise its upper threshold: `relvs status` shows them."
        }
        Reason::TooBigAnswered => {
            "Nothing, if the sender follows path MTU discovery; else make the MTU towards the server larger, or the sender's MSS smaller."
        }
        Reason::Displaced => "Nothing, if it is a flood; else give the director a larger table (`flows`).",
        Reason::PathMtu => "Nothing: the client is told with its next packet that is too big.",
        Reason::Local => "Nothing: the director itself is the server, so somebody has to listen there on the VIP.",
        Reason::Bypassed => "Nothing: the setting cache_bypass sends it where it wanted to go.",
        Reason::SctpFragment => "Let the server have the service's port, or have the sender use smaller packets.",
        Reason::NoFlowAnswered => "Nothing: the server is told that nobody waits for it (the setting nat_icmp_send).",
        Reason::NewFlowsLimited => {
            "Raise `new_flows_per_second` of the service if its servers can take more; else it is what keeps them up."
        }
        Reason::DropPacket => "Set `drop_packet` to 0 when the attack is over: it hits who means it as well.",
        Reason::Decapsulated => "Nothing: this is what a real server does with a tunnel.",
        Reason::TunnelChecksum => {
            "Packets of a tunnel are damaged on their way, or their sender leaves the checksum to a network card that is not there."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const PAGE: &str = include_str!("../../../../../docs/explain.md");

    #[test]
    fn every_reason_is_on_the_page() {
        for reason in Reason::ALL {
            let row = format!("| `{}` | {} | {} |", reason.name(), reason.text(), remedy(*reason));
            assert!(PAGE.contains(&row), "docs/explain.md lacks this row:\n{row}");
        }
    }

    #[test]
    fn every_reason_has_a_sentence_of_its_own() {
        let all: BTreeSet<&str> = Reason::ALL.iter().map(|reason| remedy(*reason)).collect();
        assert_eq!(all.len(), Reason::COUNT);
        for sentence in all {
            assert!(
                sentence.len() > 20 && sentence.ends_with('.') && sentence.starts_with(char::is_uppercase),
                "{sentence}"
            );
        }
    }
}
