//! The built-in servers and clients, and nginx and curl where they are installed.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, reason = "helpers of tests are tests too")]

mod common;

use std::time::{Duration, Instant};

use common::lab;
use relvs_lab::traffic::{Load, Serve, Server, Transfer, UdpExchange, curl, nginx_server};
use relvs_lab::{Lab, Shape, Topology};

fn small() -> Option<(Lab, Server)> {
    let lab = lab(&Shape::new(Topology::OneArmed).servers(2))?;
    let server = Server::usual(lab.server(1).unwrap()).unwrap();
    Some((lab, server))
}

#[test]
fn a_thousand_requests_a_second_are_made_and_counted() {
    let Some((lab, _server)) = small() else { return };
    let client = lab.client().unwrap();
    for (load, target) in
        [Load::new, |target| Load::new(target).keep_alive()].into_iter().zip(lab.server(1).unwrap().sockets(80))
    {
        let begin = Instant::now();
        let report = load(target).rate(1000, 16).time(Duration::from_secs(2)).run(client).unwrap();
        println!("{report} in {:?}", begin.elapsed());
        assert_eq!(report.failed(), 0, "{report}");
        assert_eq!(report.sent, report.ok);
        assert!((200..=2001).contains(&report.sent), "{report}");
    }
}

#[test]
fn failures_have_reasons() {
    let Some((lab, _server)) = small() else { return };
    let client = lab.client().unwrap();
    // s2 serves nothing; 192.0.2.99 does not exist.
    let refused = Load::new(lab.server(2).unwrap().sockets(80)[0]).requests(3).run(client).unwrap();
    assert_eq!((refused.ok, refused.failed()), (0, 3));
    assert!(refused.failures.keys().all(|reason| reason.starts_with("connect: Connection refused")), "{refused}");
    let absent = Load { timeout: Duration::from_millis(300), ..Load::new("192.0.2.99:80".parse().unwrap()) };
    let absent = absent.requests(1).run(client).unwrap();
    assert_eq!(absent.failures.get("connect: timed out"), Some(&1), "{absent}");
    let refused = UdpExchange::new(lab.server(2).unwrap().sockets(53)[1], 2).run(client).unwrap();
    assert!(refused.failures.keys().all(|reason| reason.contains("refused")), "{refused}");
    let wrong = Load::new(lab.server(1).unwrap().sockets(80)[0]).path("/bytes/x").requests(1).run(client).unwrap();
    assert_eq!(wrong.failures.get("answer: status 400 Bad Request"), Some(&1), "{wrong}");
}

#[test]
fn a_running_load_and_transfer_notice_that_the_server_ends() {
    let Some((lab, server)) = small() else { return };
    let client = lab.client().unwrap();
    let target = lab.server(1).unwrap().sockets(80)[0];
    let load = Load::new(target).rate(200, 4).start(client).unwrap();
    let transfer = Transfer::slow_download(target, 1_000_000, 20).start(client).unwrap();
    transfer.wait_for(50_000, Duration::from_secs(10)).unwrap();
    assert_eq!(load.so_far().failed(), 0);
    server.stop().unwrap();
    let reason = transfer.join().unwrap_err().to_string();
    assert!(reason.contains("content"), "{reason}");
    std::thread::sleep(Duration::from_millis(100));
    let report = load.stop().unwrap();
    assert!(report.ok > 0 && report.failed() > 0, "{report}");
}

#[test]
fn a_slow_download_takes_its_time_and_is_whole() {
    let Some((lab, _server)) = small() else { return };
    let target = lab.server(1).unwrap().sockets(80)[1];
    let done = Transfer::slow_download(target, 300_001, 2).run(lab.client().unwrap()).unwrap();
    assert!(done.took >= Duration::from_millis(1700), "{done:?}");
}

#[test]
fn the_echo_answers_from_the_address_it_was_asked_at() {
    let Some((lab, _server)) = small() else { return };
    let (client, server) = (lab.client().unwrap(), lab.server(1).unwrap());
    for (address, target) in [("198.18.0.1/32", "198.18.0.1:53"), ("2001:db8:ffff::1/128", "[2001:db8:ffff::1]:53")] {
        server.ip(&format!("address add {address} dev lo")).unwrap();
        let via = if target.starts_with('[') { server.v6().to_string() } else { server.v4().to_string() };
        lab.node("r").unwrap().ip(&format!("route add {address} via {via}")).unwrap();
        // The client's socket is connected: an answer from another address would not reach it.
        let report = UdpExchange::new(target.parse().unwrap(), 3).run(client).unwrap();
        assert_eq!(report.ok, 3, "{report}");
    }
    let report = UdpExchange::new(server.sockets(53)[0], 50).one_socket().payload(1400).run(client).unwrap();
    assert_eq!(report.ok, 50, "{report}");
}

#[test]
fn a_port_taken_twice_is_an_error_and_not_a_silence() {
    let Some((lab, _server)) = small() else { return };
    let error = Server::start(lab.server(1).unwrap(), Serve::new("again").http(80)).unwrap_err();
    assert!(format!("{error:#}").contains("in use"), "{error:#}");
}

#[test]
fn nginx_and_curl_serve_the_same() {
    let Some(lab) = lab(&Shape::new(Topology::OneArmed).servers(2)) else { return };
    let client = lab.client().unwrap();
    let server = lab.server(2).unwrap();
    let nginx = match nginx_server(&lab, server, 80, &[5_000_000]) {
        Ok(nginx) => nginx,
        Err(error) if error.to_string().contains("not installed") => return println!("skipped: {error}"),
        Err(error) => panic!("{error:#}"),
    };
    for target in server.sockets(80) {
        let report = Load::new(target).requests(50).workers(4).run(client).unwrap();
        assert_eq!((report.ok, report.of("s2")), (50, 50), "{report}");
        assert_eq!(Transfer::download(target, 5_000_000).run(client).unwrap().server, "s2");
        let reply = curl(client, target, "/", &[]).unwrap();
        assert_eq!((reply.status, reply.server.as_deref(), reply.body.as_slice()), (200, Some("s2"), &b"s2\n"[..]));
    }
    let worker = nginx.pid();
    drop(nginx);
    assert!(!common::is_alive(worker));
    assert!(curl(client, server.sockets(80)[0], "/", &[]).unwrap_err().to_string().contains("connect"));
}
