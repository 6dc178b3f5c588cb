//! Scripts and the FIFO: the same story is told by keepalived and by relvs, and compared.

use crate::{
    link::{Link, has, possible, until},
    peer::Keepalived,
};
use relvs_daemon::vrrp::Vrrp;
use relvs_model::{
    health::Script,
    vrrp::{Instance, Notify, Settings, State, SyncGroup, TrackFile, TrackSource, Tracked, Version, VirtualAddress},
};
use relvs_net::namespace::Namespace;
use relvs_proto::vrrp::packet::{Advert, Authentication, Form, PROTOCOL};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::Read as _,
    net::{IpAddr, Ipv4Addr, SocketAddrV4},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

/// More than any of this takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);
const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// What is said, in a folder: a line a script, with its arguments, and the FIFO.
struct Ears {
    folder: TempDir,
    fifo: File,
}

impl Ears {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let script = folder.path().join("say");
        // One write a line, so that lines of scripts beside each other stay whole.
        let text = "#!/bin/sh\nline=$1; shift\nfor argument; do line=\"$line [$argument]\"; done\n\
                    echo \"$line\" >> \"${0%/*}/said\"\n";
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let nonblocking = nix::fcntl::OFlag::O_NONBLOCK.bits();
        let fifo = OpenOptions::new().read(true).custom_flags(nonblocking).open(fifo).unwrap();
        Ears { folder, fifo }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The scripts' lines by what was run, in order.
    fn said(&self) -> BTreeMap<String, Vec<String>> {
        let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in fs::read_to_string(self.at("said")).unwrap_or_default().lines() {
            let (script, arguments) = line.split_once(' ').unwrap_or((line, ""));
            said.entry(script.to_owned()).or_default().push(arguments.to_owned());
        }
        said
    }

    /// How many lines there are, of all scripts.
    fn count(&self) -> usize {
        fs::read_to_string(self.at("said")).map_or(0, |text| text.lines().count())
    }

    /// The FIFO's lines: of the instance, and of the group.
    fn heard(&mut self) -> [Vec<String>; 2] {
        let mut text = String::new();
        let _ = self.fifo.read_to_string(&mut text);
        ["INSTANCE", "GROUP"].map(|kind| text.lines().filter(|l| l.starts_with(kind)).map(str::to_owned).collect())
    }
}

/// Another router's advert, from the far end.
fn advertise(far: &Namespace, priority: u8) {
    let source: IpAddr = "192.0.2.2".parse().unwrap();
    let advert = Advert {
        version: Version::V3,
        router_id: 51,
        priority,
        interval: Duration::from_millis(200),
        authentication: Authentication::None,
        addresses: vec![VIP.into()],
    };
    let bytes = advert.bytes(source, GROUP.into(), Form::Pseudo);
    let send = || {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(i32::from(PROTOCOL))))?;
        socket.bind_device(Some(b"eth0"))?;
        socket.set_multicast_ttl_v4(255)?;
        socket.send_to(&bytes, &SockAddr::from(SocketAddrV4::new(GROUP, 0)))
    };
    far.run(send).unwrap().unwrap();
}

/// What happens to the one at the near end. `state` waits for the state that it tells as it can.
fn story(link: &Link, ears: &Ears, number: &Path, waits: &dyn Fn(&str)) {
    let scripts = |count: usize| {
        until(&format!("{count} scripts"), LONG, || ears.count() == count)
            .unwrap_or_else(|text| panic!("{text}: {:#?}", ears.said()));
    };
    waits("MASTER 100");
    // Backup and master, of the instance and of the group, the script for it and that for any change.
    scripts(8);
    fs::write(number, "20\n").unwrap();
    waits("MASTER_PRIORITY 120");
    advertise(&link.far, 30);
    waits("MASTER_RX_LOWER_PRI 120");
    scripts(9);
    advertise(&link.far, 200);
    waits("BACKUP 120");
    waits("MASTER 120");
    scripts(17);
    link.far.ip("link set eth0 down").unwrap();
    waits("FAULT 120");
    scripts(21);
    link.far.ip("link set eth0 up").unwrap();
    waits("MASTER 120");
    scripts(29);
}

const INTERVAL: &str = "0.2";

/// keepalived's side.
fn keepalived(link: &Link, ears: &Ears, number: &Path) -> Keepalived {
    let say = ears.at("say").display().to_string();
    let notify = |mark: &str| {
        let line = |keyword: &str, words: &str| format!("  {keyword} \"{say} {mark}-{words}\"\n");
        ["master", "backup", "fault", "stop"].map(|state| line(&format!("notify_{state}"), state)).concat()
            + &line("notify", "any first 'and second'")
    };
    let before = format!(
        "global_defs {{\n  vrrp_notify_fifo {}\n}}\ntrack_file number {{\n  file {}\n}}\nvrrp_sync_group G {{\n  \
         group {{\n    VI\n  }}\n  sync_group_tracking_weight\n{}}}\n",
        ears.at("fifo").display(),
        number.display(),
        notify("group")
    );
    let text = format!(
        "state BACKUP\ninterface eth0\nvirtual_router_id 51\npriority 100\nversion 3\nadvert_int {INTERVAL}\n\
         track_file {{\n  number weight 1\n}}\nvirtual_ipaddress {{\n  {VIP}\n}}\n{}  \
         notify_master_rx_lower_pri \"{say} instance-lower\"\n  notify_priority_changes yes\n",
        notify("instance")
    );
    Keepalived::start_with(&link.near, &before, &text)
}

/// relvs's.
fn settings(ears: &Ears, number: &Path) -> Settings {
    let say = |words: &[&str]| {
        let say = ears.at("say").display().to_string();
        Some(Script::new([say.as_str()].iter().chain(words).map(|&word| word.to_owned()).collect()))
    };
    let notify = |mark: &str| Notify {
        master: say(&[&format!("{mark}-master")]),
        backup: say(&[&format!("{mark}-backup")]),
        fault: say(&[&format!("{mark}-fault")]),
        stop: say(&[&format!("{mark}-stop")]),
        any: say(&[&format!("{mark}-any"), "first", "and second"]),
        ..Notify::default()
    };
    let instance = Instance {
        name: "VI".into(),
        interface: "eth0".into(),
        router_id: 51,
        version: Version::V3,
        advert_interval_ms: 200,
        addresses: vec![VirtualAddress::new(VIP.into())],
        track: vec![Tracked { weight: 1, ..Tracked::needed(TrackSource::File("number".into())) }],
        notify: Notify { master_rx_lower_pri: say(&["instance-lower"]), priority_changes: true, ..notify("instance") },
        ..Instance::default()
    };
    let group = SyncGroup {
        name: "G".into(),
        members: vec!["VI".into()],
        tracking_weight: true,
        notify: notify("group"),
        ..SyncGroup::default()
    };
    Settings {
        instances: vec![instance],
        groups: vec![group],
        files: vec![TrackFile { name: "number".into(), path: number.display().to_string() }],
        fifo: Some(ears.at("fifo").display().to_string()),
        ..Settings::default()
    }
}

#[test]
fn scripts_and_fifo_are_told_what_keepalived_tells() {
    if !possible() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let number = folder.path().join("number");
    let theirs = {
        let (link, mut ears) = (Link::new(), Ears::new());
        let peer = keepalived(&link, &ears, &number);
        // Its log says what it is, word for word; only new lines count.
        let from = std::cell::Cell::new(0);
        let waits = |what: &str| {
            let (state, priority) = what.split_once(' ').unwrap();
            let line = match state {
                "MASTER" => "(VI) Entering MASTER STATE".to_owned(),
                "BACKUP" => "(VI) Entering BACKUP STATE".to_owned(),
                "FAULT" => "(VI) Entering FAULT STATE".to_owned(),
                "MASTER_PRIORITY" => format!("(VI) Changing effective priority from 100 to {priority}"),
                _ => "(VI) Received advert from 192.0.2.2 with lower priority 30".to_owned(),
            };
            let found = || peer.log().get(from.get()..).and_then(|text| text.find(&line));
            until(what, LONG, || found().is_some()).unwrap_or_else(|text| panic!("{text}\n{}", peer.log()));
            from.set(from.get() + found().unwrap() + line.len());
        };
        story(&link, &ears, &number, &waits);
        peer.terminate().unwrap();
        until("its last scripts", LONG, || ears.count() == 33).unwrap();
        (ears.said(), ears.heard())
    };
    fs::remove_file(&number).unwrap();
    let ours = {
        let (link, mut ears) = (Link::new(), Ears::new());
        let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let telling = told.clone();
        let settings = settings(&ears, &number);
        let start = || Vrrp::start(&settings, move |said| telling.lock().unwrap().push(said.to_string()));
        let relvs = link.near.run(start).unwrap().unwrap();
        let from = std::cell::Cell::new(0);
        let waits = |what: &str| {
            let line = format!("INSTANCE \"VI\" {what}");
            let found = || told.lock().unwrap()[from.get()..].iter().position(|said| *said == line);
            until(what, LONG, || found().is_some())
                .unwrap_or_else(|text| panic!("{text}\n{}", told.lock().unwrap().join("\n")));
            from.set(from.get() + found().unwrap() + 1);
        };
        story(&link, &ears, &number, &waits);
        relvs.stop(false);
        assert!(!has(&link.near, VIP.into()));
        (ears.said(), ears.heard())
    };
    assert_eq!(ours, theirs);
}

#[test]
fn a_script_that_hangs_holds_up_no_other() {
    if !possible() {
        return;
    }
    let (link, ears) = (Link::new(), Ears::new());
    let number = ears.at("number");
    let mut settings = settings(&ears, &number);
    let hang = Script { timeout_ms: 60_000, ..Script::new(["/bin/sleep", "600"].map(str::to_owned).into()) };
    settings.instances[0].notify.backup = Some(hang);
    let relvs = link.near.run(|| Vrrp::start(&settings, |_| {})).unwrap().unwrap();
    until("master", LONG, || relvs.status().unwrap().instances[0].state == State::Master).unwrap();
    let arguments = |script: &str| ears.said().remove(script).unwrap_or_default();
    until("the group's", LONG, || arguments("group-master").len() == 1).unwrap();
    until("the one for any change", LONG, || arguments("instance-any").len() == 2).unwrap();
    assert_eq!(arguments("instance-master").len(), 0, "it comes after the one that hangs");
    // Its instance goes, and is told as it was: as a fault, but to the script for any change alone.
    relvs.apply(&Settings { instances: Vec::new(), groups: Vec::new(), ..settings.clone() }).unwrap();
    until("it is gone", LONG, || {
        arguments("instance-any").last().is_some_and(|last| last.ends_with("[INSTANCE] [VI] [FAULT] [100]"))
    })
    .unwrap();
    assert_eq!(arguments("instance-fault").len(), 0);
    // The end does not wait for it for long.
    let begun = std::time::Instant::now();
    relvs.stop(false);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}
