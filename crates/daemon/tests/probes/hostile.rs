//! Servers that mean it: each is a failed probe with a plain reason, in bounded time, whatever they send and however they end it.

use crate::ask::{ask, ask_shortly, down, http, up, why};
use crate::failing::{all_by_tcp, flooding, serve};
use relvs_model::health::{DnsProbe, GrpcProbe, HttpProbe, HttpVersion, Outcome, Probe, SmtpProbe, Tls};
use socket2::SockRef;
use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream, UdpSocket},
    slice, thread,
    time::Duration,
};

/// No pause between two writes.
const NONE: Duration = Duration::ZERO;
/// So long between two bytes.
const DRIP: Duration = Duration::from_millis(20);

fn version(version: HttpVersion) -> Probe {
    Probe::Http(HttpProbe { version, ..http("/") })
}

fn tls() -> Probe {
    Probe::Http(HttpProbe { tls: Some(Tls::default()), ..http("/") })
}

/// Writes this, when it was asked if it is not a greeting, and ends the connection by a reset.
fn resetting(answer: &'static [u8]) -> SocketAddr {
    let greets = answer.starts_with(b"220");
    serve(move |stream| {
        // Who waits for a greeting asks nothing.
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let write = |now| {
            let _ = if now { (&stream).write_all(answer) } else { Ok(()) };
        };
        write(greets);
        let _ = (&stream).read(&mut [0; 4096]);
        write(!greets);
        // A reset overtakes what the client has not read yet.
        thread::sleep(Duration::from_millis(100));
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    })
}

#[test]
fn resets() {
    for probe in all_by_tcp() {
        assert_eq!(ask(&probe, resetting(b"")), down("connection reset by the server"), "{probe:?}");
    }
    let heads: [&[u8]; 3] =
        [b"HTTP/1.1 200 OK\r\nX-More", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", b"HTTP/1.1 200 OK\r\n\r\nab"];
    for head in heads {
        let reset = resetting(head);
        assert_eq!(ask(&version(HttpVersion::Http11), reset), down("connection reset by the server"), "{head:?}");
    }
    assert_eq!(
        ask(&Probe::Smtp(SmtpProbe::default()), resetting(b"220 a\r\n")),
        down("connection reset by the server")
    );
    // A record that is TLS's, and breaks off.
    assert_eq!(ask(&tls(), resetting(b"\x16\x03\x03\x01\x00\x02")), down("connection reset by the server"));
}

/// Writes a byte now and then, as long as it can.
fn dripping(bytes: &'static [u8]) -> SocketAddr {
    serve(move |mut stream| {
        if bytes.starts_with(b"HTTP") {
            let _ = stream.read(&mut [0; 4096]);
        }
        for byte in bytes.iter().chain(std::iter::repeat(&b'x')) {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(DRIP);
        }
    })
}

#[test]
fn drips_in_every_part() {
    for (probe, bytes) in [
        (version(HttpVersion::Http10), b"HTTP/1.0 200 OK\r\nX-Long: ".as_slice()),
        (version(HttpVersion::Http11), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1; "),
        (version(HttpVersion::Http2), b"\0\x40\0\x04\0\0\0\0\0"),
        (Probe::Grpc(GrpcProbe::default()), b"\0\x40\0\x04\0\0\0\0\0"),
        (tls(), b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03"),
        (Probe::Smtp(SmtpProbe::default()), b"220-a\r\n220 "),
        (Probe::Dns(DnsProbe { tcp: true, ..DnsProbe::default() }), b"\xff\xff"),
    ] {
        let said = why(ask_shortly(&probe, dripping(bytes)));
        let kind = [
            "no answer within 400 ms (connected",
            "no whole answer within 400 ms (",
            "no TLS handshake within 400 ms (",
        ];
        assert!(kind.iter().any(|start| said.starts_with(start)), "{probe:?}: {said}");
    }
}

/// The same bytes many times.
fn times(count: usize, bytes: &[u8]) -> &'static [u8] {
    bytes.repeat(count).leak()
}

#[test]
fn http_that_has_no_end() {
    let http11 = |head, again| why(ask(&version(HttpVersion::Http11), flooding(head, again, NONE)));
    let shortly = |head, again| why(ask_shortly(&version(HttpVersion::Http11), flooding(head, again, NONE)));
    let long = times(16384, b"a");
    assert_eq!(http11(b"HTTP/1.1 200 ", long), "the answer's header is too large");
    assert_eq!(http11(b"HTTP/1.1 200 OK\r\nX-Long: ", long), "the answer's header is too large");
    assert_eq!(http11(b"HTTP/1.1 200 OK\r\n", times(1000, b"a: b\r\n")), "the answer's header is too large");
    let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
    let said = shortly(go_on, times(1000, go_on));
    assert!(said.starts_with("no answer within 400 ms (connected"), "{said}");
    let chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk: &[u8] = [b"4000\r\n", long, b"\r\n"].concat().leak();
    assert_eq!(http11(chunks, chunk), "the body is longer than 16 MiB");
    let said = shortly(chunks, times(1000, b"1\r\na\r\n"));
    assert!(said.starts_with("no whole answer within 400 ms (connected"), "{said}");
    for again in [times(1000, b"1;abcdefgh"), times(100, b"0\r\na: b\r\n"), b"fffffffffffffffff\r\n"] {
        let said = http11(chunks, again);
        assert!(said.starts_with("the answer is not HTTP: "), "{said}");
    }
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Reads until the head of a request has come (RFC 9113, section 3.4: a preface, then frames).
fn read_request(stream: &mut TcpStream) -> io::Result<()> {
    stream.read_exact(&mut [0; 24])?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        stream.read_exact(&mut vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))])?;
        if head[3] == HEADERS {
            return Ok(());
        }
    }
}

const HEADERS: u8 = 1;

#[test]
fn http2_that_has_no_end() {
    const DATA: u8 = 0;
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const WINDOW_UPDATE: u8 = 8;
    const CONTINUATION: u8 = 9;
    const END_HEADERS: u8 = 4;
    let http2 = |ask: fn(&Probe, SocketAddr) -> Outcome, frames: &[Vec<u8>], again: Vec<u8>| {
        let head = frames.concat();
        let server = serve(move |mut stream| {
            let _ = stream.set_write_timeout(Some(Duration::from_secs(5)));
            let begun = stream.write_all(&frame(SETTINGS, 0, 0, &[])).and_then(|()| read_request(&mut stream));
            let mut goes_on = begun.and_then(|()| stream.write_all(&head));
            while goes_on.is_ok() {
                goes_on = stream.write_all(&again);
            }
        });
        why(ask(&version(HttpVersion::Http2), server))
    };
    // `:status: 200`, and fields by literal names and values (RFC 7541, 6.1 and 6.2.2).
    let status = [0x88];
    let fields = [b"\x00\x01a\x64".as_slice(), &[b'b'; 100]].concat().repeat(100);
    let good = frame(HEADERS, END_HEADERS, 1, &status);
    let begun = frame(HEADERS, 0, 1, &status);
    for (head, again, what) in [
        (&good, frame(DATA, 0, 1, &[b'x'; 16384]), "flow-control"),
        (&good, frame(DATA, 0, 1, &[]).repeat(1000), "excessive load"),
        (&begun, frame(CONTINUATION, 0, 1, &fields), "excessive load"),
        (&begun, frame(CONTINUATION, 0, 1, &[]).repeat(1000), "excessive load"),
        (&good, frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]).repeat(1000), "flow-control"),
        (&good, vec![0xff; 16384], "invalid size"),
    ] {
        let said = http2(ask, slice::from_ref(head), again);
        assert!(said.starts_with("HTTP: ") && said.contains(what), "{what}: {said}");
    }
    for again in [frame(PING, 0, 0, &[0; 8]), frame(SETTINGS, 0, 0, &[])] {
        let said = http2(ask_shortly, &[], again.repeat(1000));
        assert!(said.starts_with("no answer within 400 ms (connected"), "{said}");
    }
}

#[test]
fn tls_that_has_no_end() {
    // Records (RFC 8446, section 5.1): empty ones, a message that is too long, warnings, one that is too long itself.
    for (again, expected) in [
        (b"\x16\x03\x03\x00\x00".as_slice(), "the answer is not TLS"),
        (b"\x16\x03\x03\x00\x04\x02\xff\xff\xff", "the answer is not TLS"),
        (b"\x15\x03\x03\x00\x02\x01\x5a", "TLS: peer misbehaved"),
        (b"\x16\x03\x03\xff\xff\x02", "the answer is not TLS"),
    ] {
        let said = why(ask(&tls(), flooding(b"", times(1000, again), NONE)));
        assert!(said.starts_with(expected), "{again:?}: {said}");
    }
}

#[test]
fn dns_that_is_none() {
    let udp = Probe::Dns(DnsProbe::default());
    let answering = |answers: u32, change: fn(&mut Vec<u8>)| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        thread::spawn(move || {
            let mut query = [0; 512];
            let (length, from) = socket.recv_from(&mut query).unwrap();
            let mut answer = query[..length].to_vec();
            // A response (RFC 1035, section 4.1.1).
            answer[2] |= 0x80;
            change(&mut answer);
            for _ in 0..answers {
                let _ = socket.send_to(&answer, from);
            }
        });
        address
    };
    let expecting = Probe::Dns(DnsProbe { expect: Some("192.0.2.1".to_owned()), ..DnsProbe::default() });
    assert_eq!(ask(&udp, answering(1, |_| {})), up());
    let no_answer = down("no answer within 400 ms");
    assert_eq!(ask_shortly(&udp, answering(10, |answer| answer[0] ^= 1)), no_answer, "an answer to another question");
    assert_eq!(ask_shortly(&udp, answering(10, |answer| answer[2] &= 0x7f)), no_answer, "a question");
    assert_eq!(ask_shortly(&udp, answering(10, |answer| answer.truncate(11))), no_answer);
    assert_eq!(
        ask(&udp, answering(1, |answer| answer[3] = 2)),
        down("the server answers with an error: Server Failure")
    );
    assert_eq!(
        ask(&expecting, answering(1, |answer| answer[7] = 9)),
        down("the answer is not DNS"),
        "nine records, said"
    );
    assert_eq!(
        ask(&expecting, answering(1, |answer| answer[2] |= 2)),
        down("the answer was cut off: let the check use TCP")
    );
    let tcp = Probe::Dns(DnsProbe { tcp: true, ..DnsProbe::default() });
    let framed = |answer: &'static [u8]| {
        serve(move |mut stream: TcpStream| {
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(answer);
        })
    };
    assert_eq!(ask(&tcp, framed(b"\0\x20short")), down("connection closed by the server"));
    assert_eq!(ask(&tcp, framed(b"\0\0")), down("the answer is not DNS"));
    assert_eq!(ask(&tcp, framed(b"\0\x0c\0\0\x80\0\0\0\0\0\0\0\0\0")), down("what comes is no answer to the query"));
}
