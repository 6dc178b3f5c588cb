//! What the daemon tells the service manager, as systemd would hear it; and how its log looks.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use relvs_lab::{Shape, Topology};
use relvs_model::Method;

use crate::bed::{Bed, PATIENCE, RELVS, succeeded, until};
use crate::configuration::tcp;

/// The other end of NOTIFY_SOCKET.
struct Manager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    /// At this path.
    fn listen(path: &std::path::Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        Self { socket, heard: Vec::new() }
    }

    /// Listens until a message has this line; everything up to it is forgotten, and given.
    fn hear(&mut self, line: &str) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.heard.iter().position(|message| message.lines().any(|one| one == line)) {
                return self.heard.drain(..=at).collect();
            }
            assert!(Instant::now() < deadline, "not heard: {line}; but {:?}", self.heard);
            self.listen_once();
        }
    }

    fn listen_once(&mut self) {
        let mut message = [0; 4096];
        match self.socket.recv(&mut message) {
            Ok(length) => self.heard.push(String::from_utf8(message[..length].to_vec()).unwrap()),
            Err(error) => assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}"),
        }
    }
}

/// A bed with a configuration and no director, and the command that runs one.
fn ready() -> Option<(Bed, Command)> {
    let bed = Bed::bare(&Shape::new(Topology::OneArmed).servers(1))?;
    let services = [tcp(80, "rr", &[("s1", Method::Dr, 1)])];
    bed.prepare(&services);
    bed.configure(&services);
    let mut command = Command::new(RELVS);
    command.args(["run", "--config"]).arg(bed.config()).arg("--run-dir").arg(bed.run_dir());
    Some((bed, command))
}

#[test]
fn the_service_manager_hears_of_every_step() {
    let Some((bed, mut command)) = ready() else { return };
    let path = bed.lab.directory().join("notify.sock");
    let mut manager = Manager::listen(&path);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "600000");
    let mut daemon = bed.node("d1").start(command).unwrap();

    let before = manager.hear("READY=1");
    assert!(before[0].starts_with("EXTEND_TIMEOUT_USEC="), "{before:?}");
    assert!(before[..before.len() - 1].iter().all(|message| !message.contains("WATCHDOG")), "{before:?}");
    let status = "STATUS=2 services, 2 servers, serving eth0 (generic)";
    assert!(before.last().unwrap().lines().any(|line| line == status), "{before:?}");
    // Ready means that it answers.
    assert_eq!(bed.status().services.len(), 2);

    for _ in 0..3 {
        manager.hear("WATCHDOG=1");
    }
    // A loop that stands still is not heard.
    daemon.signal(Signal::SIGSTOP).unwrap();
    manager.listen_once();
    manager.heard.clear();
    for _ in 0..16 {
        manager.listen_once();
    }
    assert_eq!(manager.heard, [""; 0]);
    daemon.signal(Signal::SIGCONT).unwrap();
    manager.hear("WATCHDOG=1");

    let reads = |manager: &mut Manager| {
        let reloading = manager.hear("RELOADING=1").pop().unwrap();
        let now = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
        assert!(now.parse::<u64>().unwrap() > 0, "{reloading}");
        manager.hear("READY=1");
    };
    daemon.signal(Signal::SIGHUP).unwrap();
    reads(&mut manager);
    bed.configure(&[tcp(80, "rr", &[]), tcp(81, "rr", &[])]);
    succeeded(&bed.director.relvs(["reload"]).unwrap());
    reads(&mut manager);
    manager.hear("STATUS=4 services, 0 servers, serving eth0 (generic)");
    bed.lab.write_file("relvs.toml", "nonsense").unwrap();
    assert_eq!(bed.director.relvs(["reload"]).unwrap().status.code(), Some(1), "refused, and said so");
    reads(&mut manager);

    daemon.signal(Signal::SIGTERM).unwrap();
    manager.hear("STOPPING=1");
    assert_eq!(daemon.wait(PATIENCE).unwrap().unwrap().code(), Some(0));
}

#[test]
fn the_log_can_be_json() {
    let Some((bed, mut command)) = ready() else { return };
    // A stream that is not this standard error is no journal.
    command.args(["--log-format", "json"]).env("JOURNAL_STREAM", "1:1");
    let mut daemon = bed.node("d1").start(command).unwrap();
    until("the daemon is ready", || daemon.output().contains("ready: control socket"));
    daemon.terminate(PATIENCE).unwrap();
    let log = daemon.output();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() >= 3, "{log}");
    for line in &lines {
        assert!(["timestamp", "level", "message", "target"].iter().all(|field| line[field].is_string()), "{line}");
    }
    assert!(lines.iter().any(|line| line["message"] == "ending" && line["level"] == "INFO"), "{log}");
}
