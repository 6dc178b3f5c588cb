//! Traffic: a VIP on lo serves clients, hides from the link and is never a source of the host's own connections.

use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use relvs_net::{Mac, Network, probe};

use super::*;

const PATIENCE: Duration = Duration::from_secs(3);

fn ask(host: &Host, vip: &str) -> Vec<Mac> {
    host.namespace
        .run(|| {
            let eth0 = Network::open().unwrap().link_named("eth0").unwrap().index;
            probe(eth0, vip.parse().unwrap(), Duration::from_millis(450)).unwrap()
        })
        .unwrap()
}

#[test]
fn a_client_reaches_the_vip_through_the_server_only() {
    let Some(mut lan) = Lan::new() else { return };
    let (client, server) = (lan.host(), lan.host());
    server.namespace.ip("route add default via 10.0.0.1").unwrap();
    server.namespace.ip("-6 route add default via 2001:db8::1").unwrap();
    let source = |destination: &str| {
        let destination: IpAddr = destination.parse().unwrap();
        server.namespace.run(|| Network::open().unwrap().route(destination).unwrap().source.unwrap()).unwrap()
    };
    server.up(&[V4, V6]);
    // As a director of DR would: the frame goes to the server's MAC address with the VIP as destination.
    client.namespace.ip(&format!("route add {V4} via 10.0.0.2")).unwrap();
    client.namespace.ip(&format!("route add {V6} via 2001:db8::2")).unwrap();
    for vip in [V4, V6] {
        let vip: IpAddr = vip.parse().unwrap();
        let listener = server.namespace.run(|| TcpListener::bind((vip, 0)).unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let echo = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(&request).unwrap();
        });
        client
            .namespace
            .run(|| {
                let mut stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.write_all(b"ping").unwrap();
                let mut answer = [0; 4];
                stream.read_exact(&mut answer).unwrap();
                assert_eq!(&answer, b"ping");
            })
            .unwrap();
        echo.join().unwrap();
    }
    for vip in [V4, V6] {
        assert_eq!(ask(&client, vip), [[0; 6]; 0], "{vip} is hidden");
    }
    assert_eq!(source("198.51.100.1"), "10.0.0.2".parse::<IpAddr>().unwrap());
    assert_eq!(source("2001:db8:51::1"), "2001:db8::2".parse::<IpAddr>().unwrap());
}

#[test]
fn a_server_does_not_ask_in_the_vips_name() {
    let Some(mut lan) = Lan::new() else { return };
    let (client, server) = (lan.host(), lan.host());
    server.up(&[V4]);
    // The server speaks as the VIP, as in every reply of DR, to a neighbour whose MAC address it does not know.
    server.namespace.run(|| UdpSocket::bind((V4, 0)).unwrap().send_to(b"reply", "10.0.0.1:9").unwrap()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let learnt = client.namespace.ip("neigh").unwrap();
    assert!(learnt.contains("10.0.0.2 ") && !learnt.contains(V4), "{learnt}");
}

#[test]
fn a_tunnelled_client_is_heard_though_another_interface_leads_to_it() {
    let Some(mut lan) = Lan::new() else { return };
    let (sender, server) = (lan.host(), lan.host());
    lan.connect(&server, "eth1", "02:00:00:00:01:02");
    sender.namespace.ip("addr add 198.51.100.9/32 dev lo").unwrap();
    sender.namespace.ip(&format!("route add {V4} via 10.0.0.2")).unwrap();
    // The strict filter drops the ARP question of such a sender too.
    sender.namespace.ip("neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev eth0").unwrap();
    server.namespace.ip("route add 198.51.100.0/24 dev eth1").unwrap();
    server.switch("ipv4/conf/all/rp_filter", "1");
    server.switch("ipv4/conf/eth0/rp_filter", "1");
    let heard = || {
        let socket = server.namespace.run(|| UdpSocket::bind((V4, 0)).unwrap()).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let to: SocketAddr = socket.local_addr().unwrap();
        sender.namespace.run(|| UdpSocket::bind("198.51.100.9:0").unwrap().send_to(b"x", to).unwrap()).unwrap();
        socket.recv(&mut [0; 8]).is_ok()
    };
    server.up(&[V4]);
    assert!(!heard(), "a strict filter drops it");
    let tun = server.request(&[V4], Method::Tun);
    server.up_with(&tun, &mut Remembering::default()).unwrap();
    assert!(heard(), "and TUN loosens it");
}
