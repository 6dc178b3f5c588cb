//! Servers that send without an end, drip, hang, or break off: each is down for a reason in plain words, and costs neither the director's
//! memory nor anybody else's checks.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use relvs_lab::traffic::nginx_server;
use relvs_lab::{Shape, Topology};
use relvs_model::Method;

use crate::bed::{Bed, assert_shares, until};
use crate::configuration::tcp;

/// What a bad server writes first, what it goes on with, the pause between, the time that it is given, and what is said of it.
struct Bad {
    head: &'static [u8],
    again: &'static [u8],
    pause: Duration,
    timeout_ms: u32,
    said: &'static str,
}

/// For those that say something wrong before it is over, also on a busy machine.
const LONG_TIME: u32 = 10_000;
/// For those that say nothing.
const SHORT_TIME: u32 = 500;
const NONE: Duration = Duration::ZERO;
static LONG: [u8; 65536] = [b'x'; 65536];

static BAD: [Bad; 6] = [
    Bad {
        head: b"HTTP/1.0 200 OK\r\nContent-Length: 10737418240\r\n\r\n",
        again: &LONG,
        pause: NONE,
        timeout_ms: LONG_TIME,
        said: "the body is longer than 1 MiB, too long to be searched",
    },
    Bad {
        head: b"HTTP/1.0 200 OK\r\nX-Long: ",
        again: &LONG,
        pause: NONE,
        timeout_ms: LONG_TIME,
        said: "the answer's header is too large",
    },
    Bad {
        head: b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\n",
        again: b"x",
        pause: Duration::from_millis(50),
        timeout_ms: SHORT_TIME,
        said: "no whole answer within 500 ms",
    },
    Bad {
        head: b"",
        again: b"",
        pause: Duration::from_millis(50),
        timeout_ms: SHORT_TIME,
        said: "no answer within 500 ms",
    },
    Bad {
        head: b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\nx",
        again: b"",
        pause: NONE,
        timeout_ms: LONG_TIME,
        said: "connection closed before",
    },
    Bad {
        head: b"SSH-2.0-OpenSSH_9.2\r\n",
        again: b"\r\n",
        pause: NONE,
        timeout_ms: LONG_TIME,
        said: "the answer is not HTTP",
    },
];
/// So many questions are put to each at once.
const QUESTIONS: usize = 3;
/// The director's memory may grow by so many bytes at the most.
const GROWTH: u64 = 64 << 20;

impl Bad {
    fn answer(&self, mut stream: TcpStream) {
        let _ = stream.set_write_timeout(Some(Duration::from_secs(5)));
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        let _ = stream.read(&mut [0; 4096]);
        let mut goes_on = stream.write_all(self.head).is_ok() && !(self.again.is_empty() && self.pause.is_zero());
        while goes_on {
            thread::sleep(self.pause);
            // One that hangs notices by this that the other end is gone.
            let gone = self.again.is_empty() && stream.peek(&mut [0]).is_ok_and(|length| length == 0);
            goes_on = !gone && stream.write_all(self.again).is_ok();
        }
    }
}

/// The most memory that a process ever had, in bytes (proc_pid_status(5), VmHWM).
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

fn sections(bed: &Bed) -> String {
    let mut all = String::new();
    let timing = "interval = \"200ms\"\nretry_interval = \"200ms\"\nwarmup = \"200ms\"";
    for vip in bed.vips {
        for (n, bad) in BAD.iter().enumerate() {
            let listen = SocketAddr::new(vip, 9000 + n as u16);
            let mut lines = format!("listen = \"{listen}/tcp\"\nmethod = \"nat\"\n");
            for question in 0..QUESTIONS {
                let _ = writeln!(
                    lines,
                    "[[service.check]]\ntype = \"http\"\npath = \"/{question}\"\nregex = \"y\"\ntimeout = \"{}ms\"\n{timing}",
                    bad.timeout_ms
                );
            }
            all += &bed.section(vip, &lines, &[("s1", "")]);
        }
        let good = format!(
            "listen = \"{}/tcp\"\nmethod = \"nat\"\nscheduler = \"rr\"\n[service.check]\ntype = \"http\"\ntimeout = \"{LONG_TIME}ms\"\n{timing}",
            SocketAddr::new(vip, 8080)
        );
        all += &bed.section(vip, &good, &[("s2", "")]);
    }
    all
}

#[test]
fn bad_servers_cost_nobody_else_anything() {
    if std::process::Command::new("nginx").arg("-v").output().is_err() {
        return println!("skipped: nginx is not installed");
    }
    let Some(mut bed) = Bed::bare(&Shape::new(Topology::TwoArmed).servers(2)) else { return };
    bed.prepare(&[tcp(8080, "rr", &[("s2", Method::Nat, 1)])]);
    let _good = nginx_server(&bed.lab, bed.node("s2"), 8080, &[]).unwrap();
    bed.configure_with("");
    bed.director.start().unwrap();
    let pid = bed.director.process().unwrap().pid();
    let before = peak(pid);
    for (n, bad) in BAD.iter().enumerate() {
        for any in ["0.0.0.0", "::"] {
            let address = SocketAddr::new(any.parse().unwrap(), 9000 + n as u16);
            let listener = bed.node("s1").with(|| listen(address)).unwrap();
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    thread::spawn(move || bad.answer(stream));
                }
            });
        }
    }
    bed.reload_with(&sections(&bed));
    until("every bad server was asked often", || {
        let status = bed.status();
        let mut checks = status.checks.iter().flat_map(|service| &service.servers).flat_map(|server| &server.checks);
        checks.all(|check| check.probes >= 4)
    });
    let status = bed.status();
    let mut asked = 0;
    for service in &status.checks {
        for check in service.servers.iter().flat_map(|server| &server.checks) {
            let why = check.error.as_deref().unwrap_or_default();
            match BAD.get(usize::from(service.service.port().wrapping_sub(9000))) {
                Some(bad) => assert!(!check.up && why.starts_with(bad.said), "{}: {why}, not {}", check.name, bad.said),
                None => assert!(check.up && check.failed == 0, "{}: {why}", check.name),
            }
            asked += check.probes;
        }
    }
    let grown = peak(pid) - before;
    println!("after {asked} probes: {} KiB more than {} KiB", grown >> 10, before >> 10);
    assert!(grown < GROWTH, "{grown} bytes after {asked} probes");
    for target in bed.targets(8080) {
        assert_shares(&bed.requests(target, 20), &[("s2", 20)]);
    }
}

/// Both families have the port.
fn listen(address: SocketAddr) -> TcpListener {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap();
    if address.is_ipv6() {
        socket.set_only_v6(true).unwrap();
    }
    socket.bind(&address.into()).unwrap();
    socket.listen(128).unwrap();
    socket.into()
}
