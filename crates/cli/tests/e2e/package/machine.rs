//! A machine whose files are this system's, whose PID 1 is a real systemd, and whose network is a node of the lab.
//!
//! What is installed or written there is gone with it; `boot.sh` says how it is made.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use relvs_lab::{Node, Process};

use crate::bed::{Bed, text, until};

const BOOT: &str = include_str!("boot.sh");
const SYSTEMD: &str = "/usr/lib/systemd/systemd";

/// A machine that runs; it ends when it is dropped.
pub(crate) struct Machine {
    node: Node,
    process: Process,
    cgroup: PathBuf,
    /// Its PID 1, as it is seen from outside.
    init: u32,
}

impl Machine {
    /// Boots one in the network of `d1`. `None`, with a printed line, where that cannot be done.
    pub(crate) fn boot(bed: &Bed, packages: &Path) -> Option<Self> {
        let cgroups = match cgroups() {
            Ok(cgroups) => cgroups,
            Err(why) => {
                println!("skipped: {why}");
                return None;
            }
        };
        let node = bed.node("d1").clone();
        let root = bed.lab.directory().join("machine");
        fs::create_dir(&root).unwrap();
        let script = bed.lab.write_file("boot.sh", BOOT).unwrap();
        let cgroup = cgroups.join(format!("relvs-{}", bed.lab.name()));
        fs::create_dir(&cgroup).unwrap();
        let mut command = Command::new("sh");
        // Its own cgroup first: that is where the cgroup namespace begins.
        let enter = r#"echo $$ >"$1/cgroup.procs" && shift && exec unshare --pid --mount --cgroup --uts --ipc --fork --kill-child sh "$@""#;
        command.args(["-c", enter, "machine"]).args([&cgroup, &script, &root]).arg(packages);
        let process = node.start(command).unwrap();
        let mut machine = Self { node, process, cgroup, init: 0 };
        machine.wait_for_init();
        until("the machine is up", || {
            text(&machine.run(["systemctl", "is-system-running"]).stdout).trim() == "running"
        });
        Some(machine)
    }

    fn wait_for_init(&mut self) {
        let parent = self.process.pid();
        let children = PathBuf::from(format!("/proc/{parent}/task/{parent}/children"));
        until("systemd is started", || {
            assert!(self.process.is_running(), "{}", self.process.output());
            let first = fs::read_to_string(&children).unwrap_or_default();
            self.init = first.split_whitespace().next().and_then(|pid| pid.parse().ok()).unwrap_or_default();
            // Before that its root is still this system's.
            fs::read_link(format!("/proc/{}/exe", self.init)).is_ok_and(|program| program.ends_with("systemd"))
        });
    }

    /// A file of the machine, as it is reached from here.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.init))
    }

    /// Runs a program there.
    pub(crate) fn run<I: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = I>) -> Output {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string()]);
        command.args(["--mount", "--uts", "--ipc", "--pid", "--cgroup", "--root", "--wd", "--"]).args(words);
        // Neither this system's locale nor its run directory.
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("DEBIAN_FRONTEND", "noninteractive");
        self.node.run_command(command, "").unwrap()
    }

    /// The same, with words between spaces; fails unless it succeeds.
    #[track_caller]
    pub(crate) fn check(&self, words: &str) -> String {
        let output = self.run(words.split_whitespace());
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{words}: {}\n{out}{err}\n{}", output.status, self.journal());
        out
    }

    /// What its services said.
    pub(crate) fn journal(&self) -> String {
        text(&self.run(["journalctl", "--no-pager", "--lines", "40", "-o", "cat"]).stdout)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // With PID 1 all of them end, and the mounts with the last of them.
        let _ = self.process.kill();
        for _ in 0..200 {
            let mut inside = vec![self.cgroup.clone()];
            let mut at = 0;
            while let Some(directory) = inside.get(at) {
                let entries = fs::read_dir(directory).into_iter().flatten().flatten();
                let below: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
                inside.extend(below);
                at += 1;
            }
            if inside.iter().rev().all(|directory| fs::remove_dir(directory).is_ok()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Where cgroups are made, or what is missing on this system.
fn cgroups() -> Result<PathBuf, String> {
    if !Path::new(SYSTEMD).exists() {
        return Err("systemd is not installed".to_owned());
    }
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !known.lines().any(|line| line.ends_with("\toverlay")) {
        return Err("this kernel has no overlayfs".to_owned());
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let cgroups = mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let place = words.next()?;
        (words.next()? == "cgroup2").then(|| place.to_owned())
    });
    cgroups.map(PathBuf::from).ok_or_else(|| "no cgroup2 is mounted".to_owned())
}
