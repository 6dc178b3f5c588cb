//! A master that does not take packets to its addresses for itself: its programs get none, neighbours find it.

use crate::link::{Link, has, possible, until};
use relvs_daemon::vrrp::Vrrp;
use relvs_model::vrrp::{Instance, Settings, State, Version, VirtualAddress};
use relvs_net::{Error, Network, Refusal, namespace::Namespace};
use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr, TcpStream},
    time::Duration,
};

/// More than any of this takes on a busy machine.
const LONG: Duration = Duration::from_secs(20);
/// How long nothing must come.
const SILENCE: Duration = Duration::from_millis(500);
const MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 1];

fn instance(router_id: u8, accept: bool, address: &str, prefix: u8) -> Instance {
    let address = VirtualAddress { prefix: Some(prefix), ..VirtualAddress::new(address.parse().unwrap()) };
    Instance {
        name: format!("VI_{router_id}"),
        interface: "eth0".into(),
        router_id,
        version: Version::V3,
        advert_interval_ms: 100,
        addresses: vec![address],
        accept,
        ..Instance::default()
    }
}

/// One accepts; those of both families do or not.
fn settings(accept: bool) -> Settings {
    let mut six = instance(51, accept, "fe80::100", 64);
    six.name = "six".into();
    six.addresses.extend(instance(51, accept, "2001:db8::100", 64).addresses);
    let instances = vec![instance(51, accept, "192.0.2.100", 24), six, instance(52, true, "192.0.2.101", 24)];
    Settings { instances, ..Settings::default() }
}

/// Whether the host answers at a port where nobody listens.
fn answers(host: &Namespace, address: &str) -> bool {
    let address: IpAddr = address.parse().unwrap();
    let tried = host.run(move || {
        let mut to = SocketAddr::new(address, 9);
        if let SocketAddr::V6(to) = &mut to {
            to.set_scope_id(Network::open().unwrap().link_named("eth0").unwrap().index);
        }
        TcpStream::connect_timeout(&to, SILENCE).map(drop)
    });
    tried.unwrap().is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused)
}

#[test]
fn programs_get_nothing_by_the_addresses_of_a_master_that_refuses() {
    const THREE: [&str; 3] = ["192.0.2.100", "fe80::100", "2001:db8::100"];
    if !possible() {
        return;
    }
    let hosts = Link::new();
    let (near, far) = (&hosts.near, &hosts.far);
    let tried = near.run(|| Refusal::open()?.set(&[([192, 0, 2, 100].into(), 1)].into())).unwrap();
    match tried {
        Err(Error::Socket { .. }) => return println!("skipped: this kernel has no netfilter"),
        Err(Error::Refused { source, .. }) if source.kind() == ErrorKind::Unsupported => {
            return println!("skipped: this kernel has no nf_tables");
        }
        tried => tried.unwrap(),
    }
    far.ip("addr add 2001:db8::2/64 dev eth0 nodad").unwrap();
    let relvs = near.run(|| Vrrp::start(&settings(true), |_| {}).unwrap()).unwrap();
    let master = || relvs.status().unwrap().instances.iter().all(|one| one.state == State::Master);
    until("master", LONG, || master() && THREE.iter().all(|address| has(near, address.parse().unwrap()))).unwrap();
    for address in THREE {
        until("it answers", LONG, || answers(far, address)).unwrap();
    }

    relvs.apply(&settings(false)).unwrap();
    assert!(THREE.iter().all(|address| !answers(far, address)));
    // Without a word of what is known already.
    far.ip("neigh flush all").unwrap();
    for address in THREE {
        let ask = || {
            let index = Network::open().unwrap().link_named("eth0").unwrap().index;
            relvs_net::probe(index, address.parse().unwrap(), SILENCE).unwrap()
        };
        until("neighbours find it", LONG, || far.run(ask).unwrap() == [MAC]).unwrap();
        assert!(!answers(far, address));
    }
    until("another answers", LONG, || answers(far, "192.0.2.101") && answers(far, "192.0.2.1")).unwrap();

    relvs.apply(&settings(true)).unwrap();
    for address in THREE {
        until("it answers again", LONG, || answers(far, address)).unwrap();
    }
    relvs.apply(&settings(false)).unwrap();
    assert!(THREE.iter().all(|address| !answers(far, address)));
    relvs.stop(false);
    // Nothing is left of it.
    near.ip("addr add 192.0.2.100/24 dev eth0").unwrap();
    until("the address is like any other", LONG, || answers(far, "192.0.2.100")).unwrap();
}
