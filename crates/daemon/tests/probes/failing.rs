//! Servers that fail in every way: each is a failed probe with a plain reason, in bounded time.

use crate::ask::{ask, ask_shortly, down, http, put, question, up, why};
use relvs_model::health::{
    Asked, DnsProbe, GrpcProbe, HttpProbe, HttpVersion, Outcome, Probe, Question, SmtpProbe, Target, Tls, UdpProbe,
};
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

/// Serves connections, each on a thread, as long as the test runs.
pub(crate) fn serve(each: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let each = each.clone();
            thread::spawn(move || each(stream));
        }
    });
    address
}

/// Reads what is asked, answers with these bytes, and closes.
fn answering(answer: &'static [u8]) -> SocketAddr {
    serve(move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(answer);
    })
}

/// Accepts, and never answers.
fn silent() -> SocketAddr {
    serve(|mut stream| {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        while stream.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {}
    })
}

/// Accepts, and closes.
fn closing() -> SocketAddr {
    serve(drop)
}

/// Writes again and again, as long as it can. With HTTP, when it has been asked.
pub(crate) fn flooding(head: &'static [u8], again: &'static [u8], pause: Duration) -> SocketAddr {
    serve(move |mut stream| {
        let _ = stream.set_write_timeout(Some(Duration::from_secs(5)));
        if head.starts_with(b"HTTP") {
            let _ = stream.read(&mut [0; 4096]);
        }
        let mut go_on = stream.write_all(head).is_ok();
        while go_on {
            go_on = stream.write_all(again).is_ok();
            thread::sleep(pause);
        }
    })
}

/// Nobody listens there: no other test takes a port of this address.
fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.7.7.7:0").unwrap();
    listener.local_addr().unwrap()
}

pub(crate) fn all_by_tcp() -> Vec<Probe> {
    let tls = Some(Tls::default());
    let version = |version| HttpProbe { version, ..HttpProbe::default() };
    vec![
        Probe::Http(HttpProbe::default()),
        Probe::Http(version(HttpVersion::Http11)),
        Probe::Http(version(HttpVersion::Http2)),
        Probe::Http(HttpProbe { tls: tls.clone(), ..HttpProbe::default() }),
        Probe::Smtp(SmtpProbe::default()),
        Probe::Smtp(SmtpProbe { tls: tls.clone(), ..SmtpProbe::default() }),
        Probe::Dns(DnsProbe { tcp: true, ..DnsProbe::default() }),
        Probe::Grpc(GrpcProbe::default()),
        Probe::Grpc(GrpcProbe { tls, ..GrpcProbe::default() }),
    ]
}

#[test]
fn refused() {
    let nobody = nobody();
    for probe in all_by_tcp().into_iter().chain([Probe::Tcp]) {
        assert_eq!(ask(&probe, nobody), down("connection refused"), "{probe:?}");
    }
    assert_eq!(ask(&Probe::Tcp, silent()), up());
}

#[test]
fn accepted_and_never_answered() {
    let silent = silent();
    for probe in all_by_tcp() {
        let why = why(ask_shortly(&probe, silent));
        let expected =
            ["no answer within 400 ms (connected after ", "no TLS handshake within 400 ms (connected after "];
        assert!(expected.iter().any(|start| why.starts_with(start)), "{probe:?}: {why}");
    }
}

#[test]
fn closed_at_once() {
    let closing = closing();
    for probe in all_by_tcp() {
        let why = why(ask(&probe, closing));
        assert!(why.starts_with("connection closed") || why == "connection reset by the server", "{probe:?}: {why}");
    }
}

#[test]
fn garbage() {
    let garbage = flooding(b"\x00\x01garbage\r\n\r\n", b"more\n", Duration::from_millis(1));
    for probe in all_by_tcp() {
        let why = why(ask(&probe, garbage));
        let expected = match &probe {
            Probe::Http(HttpProbe { tls: Some(_), .. })
            | Probe::Smtp(SmtpProbe { tls: Some(_), .. })
            | Probe::Grpc(GrpcProbe { tls: Some(_), .. }) => "the answer is not TLS",
            Probe::Smtp(_) => "the greeting is",
            // The garbage begins with a length of one byte.
            Probe::Dns(_) => "the answer is not DNS",
            Probe::Grpc(_) | Probe::Http(HttpProbe { version: HttpVersion::Http2, .. }) => "HTTP: ",
            _ => "the answer is not HTTP",
        };
        // It came before the question.
        let early = why == "HTTP: received unexpected message from connection";
        assert!(early || why.starts_with(expected), "{probe:?}: {why}");
    }
}

#[test]
fn answers_that_are_not_good_ones() {
    let ask = |answer| ask(&Probe::Http(http("/")), answering(answer));
    assert_eq!(ask(b"HTTP/1.0 500 Oops\r\nContent-Length: 0\r\n\r\n"), down("status 500, expected 200 to 299"));
    assert_eq!(
        ask(b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\ntoo short!"),
        down("connection closed before the whole answer came")
    );
    assert_eq!(
        ask(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        down("connection closed before the whole answer came")
    );
    assert_eq!(ask(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), down("the answer is not HTTP"));
    assert_eq!(ask(b"HTTP/1.0 200 OK\r\n\r\nuntil the end!"), up());
    let smtp = Probe::Smtp(SmtpProbe::default());
    assert_eq!(
        crate::ask::ask(&smtp, serve(|mut stream| drop(stream.write_all(b"554 go away\r\n")))),
        down("the greeting is `554 go away`, expected 220")
    );
}

#[test]
fn what_has_no_end() {
    let forever = Duration::from_micros(10);
    let header = flooding(b"HTTP/1.0 200 OK\r\n", b"X-More: and more and more and more\r\n", forever);
    let why_header = why(ask(&Probe::Http(http("/")), header));
    assert_eq!(why_header, "the answer's header is too large");
    static MUCH: [u8; 65536] = [b'x'; 65536];
    let body = flooding(b"HTTP/1.0 200 OK\r\nContent-Length: 10737418240\r\n\r\n", &MUCH, Duration::ZERO);
    assert_eq!(ask(&Probe::Http(http("/")), body), down("the body is longer than 16 MiB"));
    let searched = HttpProbe { regex: Some("y".to_owned()), ..http("/") };
    assert_eq!(ask(&Probe::Http(searched), body), down("the body is longer than 1 MiB, too long to be searched"));
    let drip = flooding(b"HTTP/1.0 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x", Duration::from_millis(20));
    let why_drip = why(ask_shortly(&Probe::Http(http("/")), drip));
    assert!(why_drip.starts_with("no whole answer within 400 ms (connected after "), "{why_drip}");
    let line = flooding(b"220 ", &MUCH, Duration::ZERO);
    assert_eq!(ask(&Probe::Smtp(SmtpProbe::default()), line), down("the greeting is a line without an end"));
    let lines = flooding(b"", b"220-more\r\n", forever);
    assert_eq!(ask(&Probe::Smtp(SmtpProbe::default()), lines), down("the greeting has no end"));
}

#[test]
fn the_connection_has_a_time_of_its_own() {
    // A listener whose queue is full lets further connections wait.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let _queued: Vec<_> =
        (0..3).map_while(|_| TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok()).collect();
    let asked = Asked::new(address.ip(), address.port());
    let hurried = Question { connect_timeout_ms: 200, ..question(Probe::Tcp, asked, 5000) };
    assert_eq!(put(&hurried), down("no connection within 200 ms"));
}

#[test]
fn datagrams_are_answered_refused_or_neither() {
    let echo = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = echo.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = echo.recv_from(&mut buffer) {
            let _ = echo.send_to(&buffer[..length], from);
        }
    });
    let udp = |payload: &str, require_reply, expect: Option<&str>| {
        Probe::Udp(UdpProbe {
            payload: Some(payload.to_owned()),
            require_reply,
            expect: expect.map(str::to_owned),
            min_reply_length: 2,
            max_reply_length: 4,
        })
    };
    assert_eq!(ask(&udp("aabb", true, Some("aa")), address), up());
    assert_eq!(ask(&udp("aabb", false, None), address), up());
    assert_eq!(ask(&udp("aabb", true, Some("bb")), address), down("the reply does not begin as expected"));
    assert_eq!(ask(&udp("aa", true, None), address), down("the reply has 1 bytes, expected at least 2"));
    assert_eq!(ask(&udp("aabbccddee", true, None), address), down("the reply has 5 bytes, expected at most 4"));
    assert_eq!(ask(&udp("xyz", true, None), address), down("`xyz` is not hexadecimal"));
    let mute = UdpSocket::bind("127.7.7.8:0").unwrap();
    assert_eq!(ask_shortly(&udp("aa", true, None), mute.local_addr().unwrap()), down("no answer within 400 ms"));
    assert_eq!(ask(&udp("aa", false, None), mute.local_addr().unwrap()), up(), "silence is no refusal");
    let dns = Probe::Dns(DnsProbe::default());
    assert_eq!(ask_shortly(&dns, mute.local_addr().unwrap()), down("no answer within 400 ms"));
    let gone = mute.local_addr().unwrap();
    drop(mute);
    for probe in [udp("aa", true, None), udp("aa", false, None), dns] {
        assert_eq!(ask(&probe, gone), down("connection refused"));
    }
}

#[test]
fn sources_that_are_not_there() {
    let server = silent();
    let asked = Asked::new(server.ip(), server.port());
    let with = |target: Target| put(&Question { target, ..question(Probe::Tcp, asked.clone(), 5000) });
    let from = Target { from: Some("127.0.0.2".parse().unwrap()), ..Target::default() };
    assert_eq!(with(from), up());
    let elsewhere = Target { from: Some("192.0.2.77".parse().unwrap()), ..Target::default() };
    let why_elsewhere = why(with(elsewhere));
    assert!(why_elsewhere.starts_with("source 192.0.2.77:0: not an address of this machine"), "{why_elsewhere}");
    let six = Target { from: Some("::1".parse().unwrap()), ..Target::default() };
    assert_eq!(with(six), down("::1 is of another family than 127.0.0.1"));
    let interface = Target { interface: Some("nosuch0".to_owned()), ..Target::default() };
    let why_interface = why(with(interface));
    assert!(why_interface.starts_with("interface nosuch0: "), "{why_interface}");
    let closed: Outcome = with(Target { from_port: Some(0), ..Target::default() });
    assert_eq!(closed, up());
}
