//! Scripts, files and processes move priorities; what a file's number does is compared with keepalived.

use crate::{
    link::{Link, has, possible, until},
    peer::Keepalived,
};
use relvs_daemon::vrrp::Vrrp;
use relvs_model::{
    health::Script,
    vrrp::{
        Instance, InstanceStatus, Settings, State, TrackFile, TrackProcess, TrackScript, TrackSource, Tracked, Version,
        VirtualAddress,
    },
};
use std::{
    fs,
    net::IpAddr,
    path::Path,
    process::{Child, Command},
    time::Duration,
};
use tempfile::TempDir;

/// More than any of this takes on a busy machine.
const LONG: Duration = Duration::from_secs(20);
const VIP: &str = "192.0.2.100";

fn vip() -> IpAddr {
    VIP.parse().unwrap()
}

fn instance(track: Vec<Tracked>) -> Instance {
    Instance {
        name: "VI".into(),
        interface: "eth0".into(),
        router_id: 51,
        version: Version::V3,
        advert_interval_ms: 200,
        addresses: vec![VirtualAddress::new(vip())],
        track,
        ..Instance::default()
    }
}

fn shell(line: &str) -> Script {
    Script::new(["/bin/sh", "-c", line].map(str::to_owned).into())
}

fn script(line: &str, interval_ms: u32) -> TrackScript {
    let script = Script { timeout_ms: 300, ..shell(line) };
    TrackScript { name: "check".into(), script, interval_ms, fall: 1, rise: 1, init_fail: false }
}

fn by_script(weight: i16) -> Tracked {
    Tracked { source: TrackSource::Script("check".into()), weight, reverse: false }
}

fn start(link: &Link, settings: &Settings) -> Vrrp {
    link.near.run(|| Vrrp::start(settings, |_| {})).unwrap().unwrap()
}

fn status(relvs: &Vrrp) -> InstanceStatus {
    relvs.status().unwrap().instances.remove(0)
}

fn wait(relvs: &Vrrp, what: &str, holds: impl Fn(&InstanceStatus) -> bool) {
    until(what, LONG, || holds(&status(relvs))).unwrap_or_else(|text| panic!("{text}\n{:#?}", status(relvs)));
}

#[test]
fn a_script_that_fails_gives_the_addresses_to_keepalived() {
    if !possible() {
        return;
    }
    let (link, folder) = (Link::new(), TempDir::new().unwrap());
    let well = folder.path().join("well");
    fs::write(&well, "").unwrap();
    let check = TrackScript { rise: 2, fall: 2, ..script(&format!("test -e {}", well.display()), 50) };
    let settings = Settings {
        instances: vec![Instance { priority: 60, ..instance(vec![by_script(50)]) }],
        scripts: vec![check],
        ..Settings::default()
    };
    let relvs = start(&link, &settings);
    wait(&relvs, "alone", |status| status.state == State::Master && status.effective_priority == 110);
    let text = format!(
        "state BACKUP\ninterface eth0\nvirtual_router_id 51\npriority 100\nversion 3\nadvert_int 0.2\n\
         virtual_ipaddress {{\n{VIP}\n}}\n"
    );
    let keepalived = Keepalived::start(&link.far, &text);
    fs::remove_file(&well).unwrap();
    wait(&relvs, "the script fails", |status| status.state == State::Backup && status.effective_priority == 60);
    until("keepalived has the address", LONG, || has(&link.far, vip()) && !has(&link.near, vip())).unwrap();
    fs::write(&well, "").unwrap();
    wait(&relvs, "the script succeeds", |status| status.state == State::Master);
    until("relvs has the address", LONG, || !has(&link.far, vip()) && has(&link.near, vip())).unwrap();
    relvs.stop(false);
    keepalived.terminate().unwrap();
}

/// Whether any process has this among its arguments.
fn runs(mark: &str) -> bool {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let mut split = lines.map(|line| line.split(|&byte| byte == 0).any(|word| word == mark.as_bytes()));
    split.any(|found| found)
}

#[test]
fn a_script_that_hangs_is_ended_with_its_children_and_fails() {
    if !possible() {
        return;
    }
    let (link, folder) = (Link::new(), TempDir::new().unwrap());
    let hang = folder.path().join("hang");
    // Its children ignore the gentle signal.
    let mark = format!("7777.{}", std::process::id());
    let line = format!("if test -e {}; then trap '' TERM; sleep {mark} & wait; fi", hang.display());
    let settings = Settings {
        instances: vec![instance(vec![by_script(0)])],
        scripts: vec![script(&line, 50)],
        ..Settings::default()
    };
    let relvs = start(&link, &settings);
    wait(&relvs, "alone", |status| status.state == State::Master);
    fs::write(&hang, "").unwrap();
    wait(&relvs, "it hangs", |status| status.state == State::Fault && status.why.contains("script check"));
    assert!(!has(&link.near, vip()));
    fs::remove_file(&hang).unwrap();
    wait(&relvs, "it ends again", |status| status.state == State::Master);
    until("its children are ended", LONG, || !runs(&mark)).unwrap();
    // What runs at the end is ended as well.
    fs::write(&hang, "").unwrap();
    until("it runs", LONG, || runs(&mark)).unwrap();
    relvs.stop(false);
    until("nothing is left of it", LONG, || !runs(&mark)).unwrap();
}

#[test]
fn what_is_tracked_as_before_goes_on_undisturbed() {
    if !possible() {
        return;
    }
    let (link, folder) = (Link::new(), TempDir::new().unwrap());
    let log = folder.path().join("log");
    let runs = || fs::read_to_string(&log).map_or(0, |text| text.lines().count());
    // Once in an hour, so that only a new start runs it again.
    let check = script(&format!("echo run >> {}; exit 1", log.display()), 3_600_000);
    let mut settings =
        Settings { instances: vec![instance(vec![by_script(-30)])], scripts: vec![check], ..Settings::default() };
    let relvs = start(&link, &settings);
    wait(&relvs, "it has failed", |status| status.effective_priority == 70);
    settings.instances[0].priority = 90;
    relvs.apply(&settings).unwrap();
    wait(&relvs, "another priority", |status| status.effective_priority == 60);
    // A file that is looked after later shows that the scripts' turn was before.
    let number = folder.path().join("number");
    fs::write(&number, "5").unwrap();
    settings.files = vec![TrackFile { name: "number".into(), path: number.display().to_string() }];
    settings.instances[0].track.push(Tracked { weight: 1, ..Tracked::needed(TrackSource::File("number".into())) });
    relvs.apply(&settings).unwrap();
    wait(&relvs, "the file counts", |status| status.effective_priority == 65);
    assert_eq!(runs(), 1);
    settings.scripts[0].interval_ms += 1;
    relvs.apply(&settings).unwrap();
    until("another script runs", LONG, || runs() == 2).unwrap();
    settings.instances[0].track.clear();
    relvs.apply(&settings).unwrap();
    wait(&relvs, "nothing is tracked", |status| status.effective_priority == 90);
    relvs.stop(false);
}

#[test]
fn a_files_number_counts_as_it_does_for_keepalived() {
    if !possible() {
        return;
    }
    let (link, folder) = (Link::new(), TempDir::new().unwrap());
    let path = folder.path().join("number");
    let shown = path.display();
    let before = format!("track_file number {{\n  file {shown}\n}}");
    let text = format!(
        "state BACKUP\ninterface eth0\nvirtual_router_id 51\npriority 100\nversion 3\nadvert_int 0.2\n\
         track_file {{\n  number weight 2\n}}\nvirtual_ipaddress {{\n{VIP}\n}}\n"
    );
    let keepalived = Keepalived::start_with(&link.far, &before, &text);
    until("keepalived is master", LONG, || has(&link.far, vip())).unwrap();
    let file = TrackSource::File("number".into());
    let track = vec![Tracked { weight: 2, ..Tracked::needed(file) }];
    let settings = Settings {
        // It only listens, whatever is in the file.
        instances: vec![Instance { nopreempt: true, ..instance(track) }],
        files: vec![TrackFile { name: "number".into(), path: shown.to_string() }],
        ..Settings::default()
    };
    let relvs = start(&link, &settings);
    let both = |what: &str, expected: u8| {
        wait(&relvs, &format!("{what}: {expected}"), |status| {
            status.effective_priority == expected && status.peers.first().is_some_and(|peer| peer.priority == expected)
        });
        assert_eq!(status(&relvs).state, State::Backup);
    };
    both("no file", 100);
    for (text, expected) in
        [("7\n", 114), ("-20", 60), (" 3 and more\n", 106), ("0x10", 132), ("010", 116), ("1000", 254), ("-100", 1)]
    {
        fs::write(&path, text).unwrap();
        both(text, expected);
    }
    // Another file in its place, an empty one, one that cannot be read as a number, none.
    let other = folder.path().join("other");
    fs::write(&other, "11").unwrap();
    fs::rename(&other, &path).unwrap();
    both("replaced", 122);
    fs::write(&path, "").unwrap();
    both("empty", 100);
    fs::write(&path, "12").unwrap();
    both("12", 124);
    fs::write(&path, "many").unwrap();
    both("many", 100);
    fs::write(&path, "13").unwrap();
    both("13", 126);
    fs::remove_file(&path).unwrap();
    both("removed", 100);
    relvs.stop(false);
    keepalived.terminate().unwrap();
}

/// A program of its own name.
fn program(folder: &Path, name: &str) -> Child {
    let own = folder.join(name);
    if !own.exists() {
        fs::copy("/bin/sleep", &own).unwrap();
    }
    Command::new(own).arg("600").spawn().unwrap()
}

#[test]
fn processes_must_run() {
    if !possible() {
        return;
    }
    let (link, folder) = (Link::new(), TempDir::new().unwrap());
    let name = format!("relvs-p{}", std::process::id());
    let path = folder.path().join(&name).display().to_string();
    let track = |name: &str, weight| Tracked { weight, ..Tracked::needed(TrackSource::Process(name.into())) };
    let process =
        |name: &str, process: &str, quorum| TrackProcess { name: name.into(), process: process.into(), quorum };
    let settings = Settings {
        instances: vec![instance(vec![track("named", 0), track("two", 10)])],
        processes: vec![process("named", &name, 1), process("two", &path, 2)],
        ..Settings::default()
    };
    let relvs = start(&link, &settings);
    wait(&relvs, "none runs", |status| status.state == State::Fault && status.why.contains("process named"));
    let mut one = program(folder.path(), &name);
    wait(&relvs, "one runs", |status| status.state == State::Master && status.effective_priority == 100);
    let mut two = program(folder.path(), &name);
    wait(&relvs, "two run", |status| status.effective_priority == 110);
    // One that is not waited for, a zombie, does not run.
    two.kill().unwrap();
    wait(&relvs, "one runs again", |status| status.state == State::Master && status.effective_priority == 100);
    one.kill().unwrap();
    wait(&relvs, "none runs again", |status| status.state == State::Fault);
    relvs.stop(false);
    for mut child in [one, two] {
        child.wait().unwrap();
    }
}
