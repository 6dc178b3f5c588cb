//! The program called as `keepalived`: its options, its exit codes, its place in the background.

use super::{PACE, SETTINGS, server};
use crate::bed::{Bed, RELVS, assert_shares, succeeded, text, until};
use crate::configuration::tcp;
use relvs_lab::{Shape, Topology};
use relvs_model::Method;
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A link of that name.
fn link(folder: &Path) -> PathBuf {
    let path = folder.join("keepalived");
    symlink(RELVS, &path).unwrap();
    path
}

fn run(program: &Path, words: &[&str]) -> Output {
    Command::new(program).args(words).output().unwrap()
}

#[test]
fn options_and_exit_codes_are_keepaliveds() {
    let folder = tempfile::tempdir().unwrap();
    let ours = link(folder.path());
    // The original is what is compared with, where it is installed.
    let original = Path::new("/usr/sbin/keepalived");
    for name in ["STOP", "RELOAD", "DATA", "STATS", "STATS_CLEAR", "JSON", "NONE"] {
        let word = format!("--signum={name}");
        let found = run(&ours, &[&word]);
        if original.exists() {
            let theirs = run(original, &[&word]);
            assert_eq!(
                (found.status.code(), text(&found.stdout)),
                (theirs.status.code(), text(&theirs.stdout)),
                "{name}"
            );
        }
    }
    let conf = folder.path().join("k.conf");
    let service = "virtual_server 192.0.2.1 80 {\n lb_algo rr\n lb_kind DR\n protocol TCP\n real_server 10.0.0.1 80 {\n TCP_CHECK {\n }\n }\n}\n";
    let insecure = service.replace("TCP_CHECK {\n }", "notify_up /bin/true");
    let cases = [
        (service.to_owned(), 0),
        (service.replace("lb_algo", "lb_alog"), 5),
        (service.replace("}\n}\n", "}\n"), 5),
        (service.replace(" lb_kind DR\n", ""), 5),
        (insecure, 6),
    ];
    for (content, code) in cases {
        fs::write(&conf, &content).unwrap();
        let name = conf.display().to_string();
        let found = run(&ours, &["-t", "-f", &name]);
        assert_eq!(found.status.code(), Some(code), "{content}{}", text(&found.stderr));
        if original.exists() {
            assert_eq!(run(original, &["-t", "-f", &name]).status.code(), Some(code), "{content}");
        }
        if code == 5 {
            let said = text(&found.stderr);
            assert!(said.starts_with(&format!("{name}:")) && said.contains(": error: "), "{said}");
            let log = folder.path().join("log");
            let found = run(&ours, &[&format!("--config-test={}", log.display()), "--use-file", &name]);
            assert_eq!((found.status.code(), text(&found.stderr)), (Some(code), String::new()));
            assert!(fs::read_to_string(&log).unwrap().contains(": error: "));
        }
    }
    assert!(text(&run(&ours, &["-v"]).stdout).contains("of relvs"));
    assert!(text(&run(&ours, &["--help"]).stdout).contains("--dont-fork"));
    let wrong = run(&ours, &["-Z"]);
    assert_eq!((wrong.status.code(), text(&wrong.stderr).lines().count()), (Some(1), 1));
    assert_eq!(run(&ours, &["-n", "-f", "/none.conf"]).status.code(), Some(6));
}

/// Ends the daemon of a pid file, however the test ends.
struct Ended(PathBuf);

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(pid) = pid(&self.0) {
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    }
}

fn pid(path: &Path) -> Option<nix::unistd::Pid> {
    fs::read_to_string(path).ok()?.trim().parse().ok().map(nix::unistd::Pid::from_raw)
}

#[test]
fn it_goes_into_the_background_and_is_found_by_its_pid_file() {
    let Some(bed) = Bed::bare(&Shape::new(Topology::OneArmed).servers(2)) else { return };
    bed.prepare(&[tcp(80, "rr", &[("s1", Method::Dr, 1), ("s2", Method::Dr, 1)])]);
    let vip = bed.vips[0];
    let servers = ["s1", "s2"].map(|name| server(&bed, name, vip, "TCP_CHECK {\n }")).concat();
    let conf = format!("virtual_server {vip} 80 {{\n {PACE} lb_algo rr\n lb_kind DR\n protocol TCP\n{servers}}}\n");
    super::write(&bed, &conf);
    let settings = bed.lab.write_file("settings.toml", SETTINGS).unwrap();
    let folder = bed.lab.directory();
    let program = link(&folder);
    let at = |name: &str| folder.join(name);
    let command = |more: &[&str]| {
        let mut command = Command::new(&program);
        command.current_dir(&folder).env("RELVS_RUN_DIR", bed.run_dir()).env("RELVS_SETTINGS", &settings);
        // Names that count from here, as a shell's user writes them.
        command.args(["-C", "-D", "-f", "keepalived.conf", "-p", "k.pid", "-c", "c.pid"]).args(more);
        bed.node("d1").run_command(command, "").unwrap()
    };
    let _ended = Ended(at("k.pid"));
    succeeded(&command(&[]));
    let daemon = pid(&at("k.pid")).unwrap();
    assert_eq!(pid(&at("c.pid")), Some(daemon));
    assert!(!at("keepalived_vrrp.pid").exists());
    until("both servers were asked", || super::up(&bed) == [true, true]);
    assert_shares(&bed.requests(bed.targets(80)[0], 10), &[("s1", 5), ("s2", 5)]);

    let second = command(&["-n"]);
    let why = text(&second.stderr);
    assert!(!second.status.success() && (why.contains("runs already") || why.contains("another relvs runs")), "{why}");
    assert_eq!(pid(&at("k.pid")), Some(daemon));

    super::write(&bed, &conf.replace("lb_algo rr", "lb_algo wlc"));
    nix::sys::signal::kill(daemon, nix::sys::signal::Signal::SIGHUP).unwrap();
    until("the file was read again", || bed.status().services[0].scheduler.name() == "wlc");
    nix::sys::signal::kill(daemon, nix::sys::signal::Signal::SIGTERM).unwrap();
    until("its files are gone", || !at("k.pid").exists() && !at("c.pid").exists());
}
