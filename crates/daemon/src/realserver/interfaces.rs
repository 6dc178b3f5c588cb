//! The interfaces that a real server's packets arrive by. Decides only; asks nothing.

use relvs_net::Link;

use super::Error;

/// The named ones, or all that could receive: Ethernet, up, and no port of a bridge or bond, whose addresses and ARP
/// are those of the bridge or bond.
pub(super) fn choose<'l>(links: &'l [Link], named: &[String]) -> Result<Vec<&'l Link>, Error> {
    if named.is_empty() {
        return Ok(links.iter().filter(|link| link.up && link.mac.is_some() && !is_port(link, links)).collect());
    }
    named
        .iter()
        .map(|name| {
            let link = links.iter().find(|link| link.name == *name);
            let link = link.ok_or_else(|| relvs_net::Error::NoInterface { name: name.clone() })?;
            link.mac.map(|_| link).ok_or_else(|| relvs_net::Error::NotEthernet { name: name.clone() }.into())
        })
        .collect()
}

/// A member of a VRF keeps its own addresses; a member of anything else is a port.
fn is_port(link: &Link, links: &[Link]) -> bool {
    link.master
        .is_some_and(|master| !links.iter().any(|other| other.index == master && other.kind.as_deref() == Some("vrf")))
}

/// The loopback interface.
pub(super) fn loopback(links: &[Link]) -> Result<&Link, Error> {
    let missing = || relvs_net::Error::NoInterface { name: "lo".into() };
    Ok(links.iter().find(|link| link.loopback).ok_or_else(missing)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, name: &str, kind: Option<&str>, master: Option<u32>) -> Link {
        Link {
            index,
            name: name.into(),
            mac: Some([2; 6]),
            mtu: 1500,
            up: true,
            running: true,
            loopback: false,
            kind: kind.map(Into::into),
            parent: None,
            vlan: None,
            master,
            peer: None,
            xdp_attached: false,
        }
    }

    #[test]
    fn ports_and_what_carries_no_frames_are_left_out() {
        let mut links = [
            link(1, "lo", None, None),
            link(2, "eth0", None, None),
            link(3, "eth1", None, Some(4)),
            link(4, "br0", Some("bridge"), None),
            link(5, "eth2", None, Some(6)),
            link(6, "red", Some("vrf"), None),
            link(7, "eth3", None, None),
        ];
        links[0].mac = None;
        links[5].mac = None;
        links[6].up = false;
        let names = |chosen: Vec<&Link>| chosen.iter().map(|l| l.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(choose(&links, &[]).unwrap()), ["eth0", "br0", "eth2"]);
        assert_eq!(names(choose(&links, &["eth3".into()]).unwrap()), ["eth3"], "a named one may still be down");
        for (name, reason) in [("eth9", "no interface eth9"), ("lo", "no Ethernet interface")] {
            let error = choose(&links, &[name.into()]).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
