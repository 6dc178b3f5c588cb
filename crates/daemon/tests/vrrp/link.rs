//! Two hosts on one link: here relvs, there keepalived.

use nix::unistd::Uid;
use relvs_net::{Network, namespace::Namespace, sysctl};
use std::{
    net::IpAddr,
    path::Path,
    time::{Duration, Instant},
};

/// Both on eth0: 192.0.2.1 and .2, fe80::1 and ::2.
pub(crate) struct Link {
    pub(crate) near: Namespace,
    pub(crate) far: Namespace,
}

/// Whether this machine can run such a test; says why not.
pub(crate) fn possible() -> bool {
    if !Uid::effective().is_root() {
        println!("skipped: network namespaces need root");
        return false;
    }
    if !Path::new("/usr/sbin/keepalived").exists() {
        println!("skipped: there is no keepalived (Debian: keepalived)");
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI without keepalived");
        return false;
    }
    true
}

impl Link {
    pub(crate) fn new() -> Link {
        let (near, far) = (Namespace::new().unwrap(), Namespace::new().unwrap());
        near.ip(&format!("link add eth0 type veth peer name eth0 netns {}", far.path())).unwrap();
        for (host, number) in [(&near, 1), (&far, 2)] {
            let no = |key: &str| {
                let key = sysctl::Key::interface("ipv6", "eth0", key).unwrap();
                host.run(|| sysctl::write(&key, "0").unwrap()).unwrap();
            };
            // Or the link-local address is another, and comes later.
            no("accept_dad");
            host.ip("link set eth0 addrgenmode none").unwrap();
            host.ip(&format!("link set eth0 address 02:00:00:00:00:0{number} up")).unwrap();
            host.ip(&format!("addr add 192.0.2.{number}/24 dev eth0")).unwrap();
            host.ip(&format!("addr add fe80::{number}/64 dev eth0 nodad")).unwrap();
        }
        // A carrier takes a moment; without it an instance would begin in FAULT.
        let running =
            |host: &Namespace| host.run(|| Network::open().unwrap().link_named("eth0").unwrap().running).unwrap();
        until("both ends run", Duration::from_secs(20), || running(&near) && running(&far)).unwrap();
        Link { near, far }
    }
}

/// Whether a host has an address.
pub(crate) fn has(host: &Namespace, address: IpAddr) -> bool {
    let addresses = host.run(|| Network::open().unwrap().addresses().unwrap()).unwrap();
    addresses.iter().any(|own| own.address == address)
}

/// Waits until something holds, and gives how long that took.
pub(crate) fn until(what: &str, most: Duration, holds: impl Fn() -> bool) -> Result<Duration, String> {
    let start = Instant::now();
    while !holds() {
        if start.elapsed() > most {
            return Err(format!("not within {most:?}: {what}"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(start.elapsed())
}
