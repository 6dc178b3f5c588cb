//! A keepalived of the test's own: its files in a folder, its process in a namespace.

use relvs_net::namespace::Namespace;
use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command},
    sync::atomic::{AtomicU32, Ordering},
};
use tempfile::TempDir;

/// What it must not say about adverts of relvs.
const COMPLAINTS: [&str; 13] = [
    "nvalid",
    "mismatch",
    "checksum",
    "expected",
    "too short",
    "too long",
    "wrong",
    "bogus",
    "authentication",
    "passwd",
    "Unknown",
    "CONFIGURATION ERROR",
    "not a unicast peer",
];

pub(crate) struct Keepalived {
    child: Child,
    log: PathBuf,
    _folder: TempDir,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Keepalived {
    /// Starts one with this vrrp_instance.
    pub(crate) fn start(host: &Namespace, instance: &str) -> Keepalived {
        Keepalived::start_with(host, "", instance)
    }

    /// Starts one with more before it.
    pub(crate) fn start_with(host: &Namespace, before: &str, instance: &str) -> Keepalived {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        let config = format!(
            "global_defs {{\n  router_id test{}\n  script_user root\n}}\n{before}\nvrrp_instance VI {{\n{instance}\n}}\n",
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        fs::write(at("keepalived.conf"), config).unwrap();
        let log = at("log");
        let out = File::create(&log).unwrap();
        let mut command = Command::new("/usr/sbin/keepalived");
        command
            .args(["--dont-fork", "--log-console", "--log-detail", "--vrrp", "--use-file"])
            .arg(at("keepalived.conf"));
        command.arg("--pid").arg(at("pid")).arg("--vrrp_pid").arg(at("vrrp.pid"));
        // A group of its own: its parent and its child are ended together.
        command.stdout(out.try_clone().unwrap()).stderr(out).process_group(0);
        let child = host.run(move || command.spawn()).unwrap().unwrap();
        Keepalived { child, log, _folder: folder }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn signal(&self, name: &str) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-s", name, "--", &group]).status();
    }

    /// In good order: it says that it leaves.
    pub(crate) fn terminate(mut self) -> Result<(), String> {
        let _ = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status();
        self.child.wait().unwrap();
        self.complaints()
    }

    /// Without a word; its addresses stay.
    pub(crate) fn kill(&mut self) {
        self.signal("KILL");
        self.child.wait().unwrap();
    }

    /// What it said about adverts that it did not like.
    pub(crate) fn complaints(&self) -> Result<(), String> {
        let log = self.log();
        let found: Vec<&str> =
            log.lines().filter(|line| COMPLAINTS.iter().any(|complaint| line.contains(complaint))).collect();
        if found.is_empty() { Ok(()) } else { Err(format!("keepalived complains:\n{}", found.join("\n"))) }
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal("KILL");
            let _ = self.child.wait();
        }
    }
}
