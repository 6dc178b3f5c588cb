//! Two hosts on one link, each in a namespace of its own.

use std::net::IpAddr;

use nix::unistd::Uid;
use relvs_net::{namespace::Namespace, sysctl};

/// `near` has 10.0.0.1, 2001:db8::1 and MAC 02:00:00:00:00:01 on eth0, `far` the same with 2.
pub(crate) struct Lan {
    pub(crate) near: Namespace,
    pub(crate) far: Namespace,
}

/// None without privilege, and says so.
pub(crate) fn lan() -> Option<Lan> {
    if !Uid::effective().is_root() {
        println!("skipped: network namespaces need root");
        return None;
    }
    let (near, far) = (Namespace::new().unwrap(), Namespace::new().unwrap());
    near.ip(&format!("link add eth0 type veth peer name eth0 netns {}", far.path())).unwrap();
    for (host, number) in [(&near, 1), (&far, 2)] {
        // Or the link-local address comes a second later, with events that no test asked for.
        let dad = sysctl::Key::interface("ipv6", "eth0", "accept_dad").unwrap();
        host.run(|| sysctl::write(&dad, "0").unwrap()).unwrap();
        host.ip(&format!("link set eth0 address 02:00:00:00:00:0{number} up")).unwrap();
        host.ip(&format!("addr add 10.0.0.{number}/24 brd + dev eth0")).unwrap();
        host.ip(&format!("addr add 2001:db8::{number}/64 dev eth0 nodad")).unwrap();
    }
    Some(Lan { near, far })
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
