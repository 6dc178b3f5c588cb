//! What is concluded from a described machine. The one described is right in everything; each test spoils one thing,
//! sees the finding and its place, follows the remedy and sees it gone.

use super::{Finding, Place, findings, machine::Machine, machine::View};
use relvs_config::Severity;
use relvs_model::{Method, Protocol, Scheduler, Server, Service, ServiceKey, State, XdpMode};
use relvs_net::{Address, Link, Mac, Neighbour, NeighbourState, NextHop, Resolution, Scope, XdpFeatures};
use std::net::IpAddr;

const OUT: u32 = 2;
const IN: u32 = 3;
const STRANGER: Mac = [2, 0, 0, 0, 0, 9];
const SERVER: Mac = [2, 0, 0, 0, 0, 11];
const PLACE: Place = Place::Server(0, 0);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn link(index: u32, name: &str) -> Link {
    Link {
        index,
        name: name.to_owned(),
        mac: Some([2, 0, 0, 0, 1, index as u8]),
        mtu: 1500,
        up: true,
        running: true,
        loopback: false,
        kind: None,
        parent: None,
        vlan: None,
        master: None,
        peer: None,
        xdp_attached: false,
    }
}

fn address(interface: u32, text: &str, prefix: u8) -> Address {
    let scope = Scope::Global;
    let (tentative, duplicate, deprecated) = (false, false, false);
    Address { interface, address: ip(text), prefix, scope, label: None, tentative, duplicate, deprecated }
}

fn hop(text: &str) -> NextHop {
    NextHop {
        interface: IN,
        route_interface: IN,
        vlans: Vec::new(),
        source_mac: [2, 0, 0, 0, 1, 3],
        destination_mac: SERVER,
        mtu: 1500,
        source: ip("10.0.0.1"),
        neighbour: ip(text),
    }
}

/// A director with clients on eth0 and a server on eth1, and what is wanted of it.
struct Scene {
    machine: Machine,
    state: State,
}

impl Scene {
    fn new(method: Method) -> Self {
        let lo = Link { mac: None, loopback: true, ..link(1, "lo") };
        let ready = XdpFeatures { native: true, target: true };
        let machine = Machine {
            links: vec![lo, link(OUT, "eth0"), link(IN, "eth1")],
            addresses: vec![
                address(OUT, "192.0.2.1", 24),
                address(OUT, "192.0.2.100", 32),
                address(IN, "10.0.0.1", 24),
            ],
            ways: [(ip("10.0.0.11"), Resolution::Ready(hop("10.0.0.11")))].into(),
            answers: [((ip("192.0.2.100"), OUT), Vec::new())].into(),
            forwarding: [(OUT, true), (IN, true)].into(),
            features: [(OUT, ready), (IN, ready)].into(),
            memory: Some((8 << 30, 16 << 30)),
            kernel: Some((6, 18)),
            neighbours: vec![Neighbour {
                interface: OUT,
                address: ip("10.0.0.11"),
                mac: Some(SERVER),
                state: NeighbourState::Reachable,
            }],
            ..Machine::default()
        };
        let mut state = State::default();
        state.director.interfaces = vec!["eth0".to_owned(), "eth1".to_owned()];
        let key = ServiceKey::listen(Protocol::Tcp, ip("192.0.2.100"), 80);
        let server = Server::new(ip("10.0.0.11"), 80, 1, method);
        let service = Service::new(key, Scheduler::default(), vec![server]);
        state.services.push(service);
        Scene { machine, state }
    }

    fn findings(&self) -> Vec<Finding> {
        findings(&View::new(&self.machine, &self.state))
    }

    /// That exactly this is said.
    #[track_caller]
    fn says(&self, severity: Severity, place: Place, message: &str, remedy: &str) {
        let found = self.findings();
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((one.severity, one.place), (severity, place), "{one:?}");
        assert!(one.message.contains(message) && one.remedy.contains(remedy), "{one:?}");
        assert!(!one.message.contains('\n') && !one.remedy.is_empty(), "{one:?}");
    }

    #[track_caller]
    fn is_right(&self) {
        assert_eq!(self.findings(), []);
    }

    fn link(&mut self, index: u32) -> &mut Link {
        self.machine.links.iter_mut().find(|link| link.index == index).unwrap()
    }

    /// The way to the only server.
    fn way(&mut self, way: Resolution) {
        self.machine.ways.insert(ip("10.0.0.11"), way);
    }

    fn without_vip(&mut self) {
        self.machine.addresses.retain(|there| there.address != ip("192.0.2.100"));
    }
}

#[test]
fn the_vip_of_a_virtual_router_is_where_it_is_master() {
    let mut scene = Scene::new(Method::Nat);
    scene.without_vip();
    scene.machine.answers.insert((ip("192.0.2.100"), OUT), vec![STRANGER]);
    let instance = relvs_model::vrrp::Instance {
        interface: "eth0".to_owned(),
        addresses: vec![relvs_model::vrrp::VirtualAddress::new(ip("192.0.2.100"))],
        ..Default::default()
    };
    scene.state.vrrp.instances.push(instance);
    scene.is_right();
    scene.state.vrrp.instances[0].interface = "eth7".to_owned();
    scene.says(Severity::Warning, Place::Router(0), "interface `eth7` does not exist", "ip link");
    scene.machine.links.push(link(7, "eth7"));
    scene.machine.addresses.push(address(7, "198.51.100.1", 24));
    scene.says(Severity::Error, Place::Service(0), "on eth7, which is not served", "\"eth7\"");
}

#[test]
fn a_virtual_router_needs_an_interface_and_an_address_of_its_own() {
    use relvs_model::vrrp::{Instance, TrackSource, Tracked, VirtualAddress};
    let mut scene = Scene::new(Method::Nat);
    scene.without_vip();
    let addresses = vec![VirtualAddress::new(ip("192.0.2.100"))];
    let instance = Instance { name: "web".into(), interface: "eth0".into(), addresses, ..Instance::default() };
    scene.state.vrrp.instances.push(instance);
    scene.is_right();
    let place = Place::Router(0);
    scene.link(OUT).up = false;
    scene.state.director.interfaces.clear();
    let found = scene.findings();
    assert!(found.iter().any(|one| one.place == place && one.message.contains("`eth0` is down")), "{found:?}");
    scene.state.director.interfaces = vec!["eth0".to_owned(), "eth1".to_owned()];
    scene.link(OUT).up = true;
    // The virtual address comes and goes.
    scene.machine.addresses.retain(|own| own.interface != OUT);
    scene.machine.addresses.push(address(OUT, "192.0.2.100", 24));
    scene.says(Severity::Warning, place, "no IPv4 address to send adverts from", "`source`");
    scene.state.vrrp.instances[0].source = Some(ip("192.0.2.1"));
    scene.is_right();
    scene.state.vrrp.instances[0].track.push(Tracked::needed(TrackSource::Interface("eth8".into())));
    scene.says(Severity::Warning, place, "tracks interface `eth8`, which does not exist", "ip link");
    scene.state.vrrp.instances[0].track[0].weight = -10;
    scene.state.vrrp.instances[0].addresses[0].interface = Some("eth9".into());
    scene.says(Severity::Warning, place, "on `eth9` cannot be set", "ip link");
}

#[test]
fn nothing_is_said_of_what_works() {
    for method in Method::ALL {
        let mut scene = Scene::new(method);
        if method == Method::Tun {
            scene.link(OUT).mtu = 1480;
        }
        scene.is_right();
    }
}

#[test]
fn interfaces_must_be_there_up_and_free() {
    let mut scene = Scene::new(Method::Dr);
    scene.state.director.interfaces.push("eth9".to_owned());
    scene.says(Severity::Error, Place::Interface(2), "`eth9` does not exist", "ip link");
    scene.state.director.interfaces[2] = "lo".to_owned();
    scene.says(Severity::Error, Place::Interface(2), "`lo` carries no Ethernet frames", "");
    scene.state.director.interfaces.pop();
    scene.link(OUT).up = false;
    scene.says(Severity::Error, Place::Interface(0), "`eth0` is down", "ip link set dev eth0 up");
    scene.link(OUT).up = true;
    scene.link(OUT).running = false;
    scene.says(Severity::Warning, Place::Interface(0), "no carrier", "cable");
    scene.link(OUT).running = true;
    scene.link(OUT).xdp_attached = true;
    scene.says(Severity::Error, Place::Interface(0), "another XDP program", "ip link set dev eth0 xdp off");
    scene.machine.ours.insert(OUT);
    scene.is_right();
    scene.state.director.interfaces.clear();
    scene.says(Severity::Warning, Place::File, "no interface is served", "--interface");
}

#[test]
fn a_driver_without_native_mode_is_slow_and_refused_where_native_is_wanted() {
    let mut scene = Scene::new(Method::Dr);
    scene.machine.features.insert(IN, XdpFeatures { native: false, target: false });
    scene.says(Severity::Warning, Place::Interface(1), "`eth1` has no native XDP", "xdp_mode = \"generic\"");
    scene.state.director.xdp_mode = XdpMode::Native;
    scene.says(Severity::Error, Place::XdpMode, "`eth1` has no native XDP", "\"auto\"");
    scene.state.director.xdp_mode = XdpMode::Generic;
    scene.is_right();
    // An old kernel does not tell.
    scene.state.director.xdp_mode = XdpMode::Native;
    scene.machine.features.clear();
    scene.is_right();
    scene.link(IN).kind = Some("veth".to_owned());
    scene.says(Severity::Warning, Place::XdpMode, "`eth1` is a veth", "generic");
    scene.state.director.xdp_mode = XdpMode::Auto;
    scene.says(Severity::Warning, Place::Interface(1), "`eth1` is a veth: generic mode is taken", "generic");
}

#[test]
fn a_vip_must_be_here_and_nowhere_else() {
    let mut scene = Scene::new(Method::Dr);
    let key = (ip("192.0.2.100"), OUT);
    scene.machine.answers.insert(key, vec![SERVER]);
    let said = "10.0.0.11 (02:00:00:00:00:0b) answers for the VIP 192.0.2.100 too on eth0";
    scene.says(Severity::Error, Place::Service(0), said, "there: `relvs realserver up --method dr --vip 192.0.2.100`");
    scene.machine.answers.insert(key, vec![STRANGER]);
    scene.says(Severity::Error, Place::Service(0), "02:00:00:00:00:09 answers", "take 192.0.2.100 off");
    scene.without_vip();
    scene.says(Severity::Warning, Place::Service(0), "and 02:00:00:00:00:09 answers for it on eth0", "backup");
    scene.machine.answers.insert(key, vec![SERVER]);
    scene.says(Severity::Error, Place::Service(0), "10.0.0.11", "then here `ip addr add 192.0.2.100/32 dev eth0`");
    scene.machine.answers.insert(key, Vec::new());
    let add = "`ip addr add 192.0.2.100/32 dev eth0`";
    scene.says(Severity::Error, Place::Service(0), "has the VIP 192.0.2.100, and nobody answers ARP", add);
    scene.machine.answers.clear();
    scene.says(Severity::Error, Place::Service(0), "no interface of this machine has the VIP 192.0.2.100", add);
    // A network of its own may be routed here.
    scene.machine.addresses.retain(|there| there.interface != OUT);
    scene.says(Severity::Warning, Place::Service(0), "on no network", "route to it by this machine");
    scene.machine.addresses.push(address(1, "192.0.2.100", 32));
    scene.is_right();
}

#[test]
fn a_vip_on_an_interface_that_is_not_served_is_found() {
    let mut scene = Scene::new(Method::Dr);
    scene.without_vip();
    scene.machine.links.push(link(4, "eth2"));
    scene.machine.addresses.push(address(4, "192.0.2.100", 24));
    scene.machine.addresses.retain(|there| there.address != ip("192.0.2.1"));
    scene.says(Severity::Error, Place::Service(0), "is on eth2, which is not served", "add \"eth2\"");
    // Frames of a VLAN or a bridge come in by the interface underneath.
    scene.link(4).parent = Some(OUT);
    scene.is_right();
    scene.link(4).parent = None;
    scene.link(OUT).master = Some(4);
    scene.is_right();
}

#[test]
fn a_dr_server_behind_a_router_is_out_of_reach() {
    let mut scene = Scene::new(Method::Dr);
    scene.way(Resolution::Ready(hop("10.0.0.254")));
    scene.says(Severity::Error, PLACE, "10.0.0.11 is behind 10.0.0.254", "\"tun\"");
    scene.way(Resolution::Pending { interface: IN, neighbour: ip("10.0.0.254") });
    scene.says(Severity::Error, PLACE, "10.0.0.11 is behind 10.0.0.254", "\"tun\"");
    scene.state.services[0].servers[0].method = Method::Tun;
    scene.link(OUT).mtu = 1400;
    scene.way(Resolution::Ready(hop("10.0.0.254")));
    scene.is_right();
}

#[test]
fn a_server_without_a_way_or_an_answer_is_found() {
    let mut scene = Scene::new(Method::Dr);
    scene.way(Resolution::Unreachable { why: "no route leads there".to_owned() });
    scene.says(Severity::Error, PLACE, "cannot be reached: no route leads there", "ip route get 10.0.0.11");
    scene.way(Resolution::Pending { interface: IN, neighbour: ip("10.0.0.11") });
    scene.says(Severity::Warning, PLACE, "the server 10.0.0.11 does not answer ARP on eth1", "it is on");
    scene.state.services[0].servers[0].method = Method::Tun;
    scene.way(Resolution::Pending { interface: IN, neighbour: ip("10.0.0.254") });
    scene.says(Severity::Warning, PLACE, "the router 10.0.0.254 to the server 10.0.0.11 does not answer", "it is on");
    // Another service with the same server is not told the same again.
    let mut again = scene.state.services[0].clone();
    again.key = ServiceKey::listen(Protocol::Tcp, ip("192.0.2.100"), 443);
    scene.state.services.push(again);
    assert_eq!(scene.findings().len(), 1);
}

#[test]
fn servers_are_on_interfaces_that_are_served() {
    let mut scene = Scene::new(Method::Nat);
    scene.state.director.interfaces.pop();
    scene.says(Severity::Error, PLACE, "come in on eth1, which is not served", "add \"eth1\"");
    scene.state.services[0].servers[0].method = Method::Dr;
    scene.says(Severity::Warning, PLACE, "leave on eth1, which is not served", "add \"eth1\"");
    scene.state.director.interfaces.push("eth1".to_owned());
    scene.is_right();
}

#[test]
fn answers_of_nat_servers_must_come_back() {
    let mut scene = Scene::new(Method::Nat);
    scene.machine.forwarding.remove(&(IN, true));
    let why = "does not forward from eth1 (net/ipv4/conf/eth1/forwarding is 0)";
    scene.says(Severity::Error, PLACE, why, "sysctl -w net.ipv4.ip_forward=1");
    scene.machine.forwarding.insert((IN, true));
    scene.is_right();
    scene.machine.addresses.push(address(IN, "192.0.2.2", 24));
    scene.says(Severity::Warning, PLACE, "is on the network of the VIP", "default route leads here");
    scene.state.services[0].servers[0].method = Method::Dr;
    scene.is_right();
}

#[test]
fn packets_must_fit_the_way() {
    let mut scene = Scene::new(Method::Tun);
    let why =
        "up to 1500 bytes come in on eth0, but only 1480 fit the way to 10.0.0.11 (MTU 1500, less 20 for the tunnel)";
    scene.says(Severity::Warning, PLACE, why, "raise the MTU of eth1 and of the network behind it to 1520");
    scene.says(Severity::Warning, PLACE, why, "advmss 1440");
    scene.way(Resolution::Ready(NextHop { mtu: 1520, ..hop("10.0.0.11") }));
    scene.is_right();
    scene.state.services[0].servers[0].method = Method::Dr;
    scene.way(Resolution::Ready(NextHop { mtu: 1400, ..hop("10.0.0.11") }));
    scene.says(Severity::Warning, PLACE, "only 1400 fit the way to 10.0.0.11 (MTU 1400)", "1500");
}

#[test]
fn a_tunnel_of_ipv6_takes_forty_bytes() {
    let mut scene = Scene::new(Method::Tun);
    let (vip, server) = (ip("2001:db8::100"), ip("fd00::11"));
    scene.state.services[0].key = ServiceKey::listen(Protocol::Tcp, vip, 80);
    scene.state.services[0].servers[0].address = server;
    scene.machine.addresses.push(address(OUT, "2001:db8::100", 128));
    scene.machine.ways.insert(server, Resolution::Ready(hop("fd00::11")));
    scene.says(Severity::Warning, PLACE, "less 40 for the tunnel", "advmss 1400");
}

#[test]
fn the_director_as_its_own_server() {
    let mut scene = Scene::new(Method::Dr);
    scene.way(Resolution::Local);
    scene.is_right();
    scene.without_vip();
    scene.machine.addresses.retain(|there| there.interface != OUT);
    let found = scene.findings();
    let [vip, server] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((vip.place, server.place), (Place::Service(0), PLACE));
    assert!(server.message.contains("its stack does not take the packets"), "{server:?}");
    let mut scene = Scene::new(Method::Nat);
    scene.way(Resolution::Local);
    scene.state.services[0].servers[0].port = 8080;
    scene.says(Severity::Error, PLACE, "cannot rewrite a port", "leave the port out");
    scene.state.services[0].servers[0].port = 80;
    scene.is_right();
}

#[test]
fn the_machine_must_have_the_kernel_and_the_memory() {
    let mut scene = Scene::new(Method::Dr);
    scene.machine.kernel = Some((5, 15));
    scene.says(Severity::Error, Place::File, "this kernel is 5.15, and the programs need 5.17", "newer");
    scene.machine.kernel = Some((5, 17));
    scene.is_right();
    scene.state.director.flows = 1 << 28;
    scene.says(Severity::Error, Place::Flows, "268435456 flows take", "write flows = ");
    let fitting = scene.findings()[0].remedy.split(' ').find_map(|word| word.parse().ok()).unwrap();
    scene.state.director.flows = fitting;
    scene.is_right();
    scene.state.director.flows *= 2;
    assert_eq!(scene.findings().len(), 1, "twice as many do not fit");
    scene.machine.has_tables = true;
    scene.is_right();
    scene.machine.unasked = Some("not allowed".to_owned());
    scene.says(Severity::Warning, Place::File, "nobody was asked", "--offline");
}
