//! Every kind of instance, through the same elections.

use crate::{
    link::{Link, has, possible, until},
    peer::Keepalived,
};
use relvs_daemon::vrrp::Vrrp;
use relvs_model::vrrp::{Instance, Settings, State, Unicast, UnicastPeer, Version, VirtualAddress, VirtualMac};
use relvs_proto::vrrp::Command;
use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

/// A kind of instance.
#[derive(Clone, Copy, Debug)]
struct Kind {
    name: &'static str,
    version: Version,
    is_ipv6: bool,
    unicast: bool,
    password: bool,
    virtual_mac: bool,
    interval_ms: u32,
}

const fn kind(name: &'static str, version: Version, interval_ms: u32) -> Kind {
    Kind { name, version, is_ipv6: false, unicast: false, password: false, virtual_mac: false, interval_ms }
}

/// Intervals are long: where one process is not run for a second, the other must not take over.
const KINDS: [Kind; 9] = [
    kind("version 2", Version::V2, 1_000),
    Kind { password: true, ..kind("version 2 with a password", Version::V2, 1_000) },
    Kind { password: true, unicast: true, ..kind("version 2, unicast, with a password", Version::V2, 1_000) },
    kind("version 3", Version::V3, 900),
    Kind { unicast: true, ..kind("version 3, unicast", Version::V3, 900) },
    Kind { is_ipv6: true, ..kind("version 3 over IPv6", Version::V3, 900) },
    Kind { is_ipv6: true, unicast: true, ..kind("version 3 over IPv6, unicast", Version::V3, 900) },
    Kind { virtual_mac: true, ..kind("version 2 with a virtual MAC", Version::V2, 1_000) },
    Kind { virtual_mac: true, is_ipv6: true, ..kind("version 3 over IPv6 with a virtual MAC", Version::V3, 900) },
];

impl Kind {
    fn address(self, last: u16) -> IpAddr {
        if self.is_ipv6 { format!("fe80::{last}") } else { format!("192.0.2.{last}") }.parse().unwrap()
    }

    /// relvs's side.
    fn settings(self, priority: u8) -> Settings {
        let unicast =
            || Unicast { peers: vec![UnicastPeer::new(self.address(2))], check_source: true, ..Unicast::default() };
        let instance = Instance {
            name: "VI".into(),
            interface: "eth0".into(),
            router_id: 51,
            version: self.version,
            priority,
            advert_interval_ms: self.interval_ms,
            auth_pass: self.password.then(|| "secret".into()),
            addresses: vec![VirtualAddress::new(self.address(100)), VirtualAddress::new(self.address(101))],
            unicast: self.unicast.then(unicast),
            virtual_mac: self.virtual_mac.then(VirtualMac::default),
            ..Instance::default()
        };
        Settings { instances: vec![instance], ..Settings::default() }
    }

    /// keepalived's.
    fn text(self, priority: u8) -> String {
        let mut text = format!(
            "state BACKUP\ninterface eth0\nvirtual_router_id 51\npriority {priority}\nversion {}\nadvert_int {}\n\
             virtual_ipaddress {{\n{}\n{}\n}}\n",
            self.version.number(),
            f64::from(self.interval_ms) / 1e3,
            self.address(100),
            self.address(101),
        );
        if self.password {
            text += "authentication {\nauth_type PASS\nauth_pass secret\n}\n";
        }
        if self.virtual_mac {
            text += "use_vmac\n";
        }
        if self.unicast {
            text += &format!("unicast_src_ip {}\nunicast_peer {{\n{}\n}}\n", self.address(2), self.address(1));
        }
        text
    }

    fn interval(self) -> Duration {
        Duration::from_millis(self.interval_ms.into())
    }

    /// Until the master is missed, and a little.
    fn down(self) -> Duration {
        self.interval() * 4 + Duration::from_secs(2)
    }
}

type Outcome = Result<(), String>;

/// What both say, and who has the addresses.
struct Scene {
    kind: Kind,
    link: Link,
    told: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    fn relvs(&self, priority: u8) -> Vrrp {
        let told = self.told.clone();
        let settings = self.kind.settings(priority);
        let start = || Vrrp::start(&settings, move |said| told.lock().unwrap().push(said.to_string()));
        self.link.near.run(start).unwrap().unwrap()
    }

    fn keepalived(&self, priority: u8) -> Keepalived {
        Keepalived::start(&self.link.far, &self.kind.text(priority))
    }

    /// Both addresses are here and not there, or the other way round.
    fn addresses(&self, near: bool) -> Outcome {
        for last in [100, 101] {
            let address = self.kind.address(last);
            let (here, there) = (has(&self.link.near, address), has(&self.link.far, address));
            if (here, there) != (near, !near) {
                return Err(format!("{address}: relvs has it {here}, keepalived {there}"));
            }
        }
        Ok(())
    }

    fn is(&self, relvs: &Vrrp, state: State) -> bool {
        relvs.status().unwrap().instances[0].state == state
    }

    fn wait(&self, relvs: &Vrrp, state: State, most: Duration, what: &str) -> Result<Duration, String> {
        until(&format!("{what}: relvs is {state}"), most, || self.is(relvs, state)).map_err(|text| {
            format!("{text}\n{:#?}\n{}", relvs.status().unwrap().instances[0], self.told.lock().unwrap().join("\n"))
        })
    }

    /// keepalived of the higher priority takes over, leaves in good order, comes back, and dies.
    fn behind(&self) -> Outcome {
        let down = self.kind.down();
        let relvs = self.relvs(100);
        self.wait(&relvs, State::Master, down, "alone")?;
        let keepalived = self.keepalived(150);
        self.wait(&relvs, State::Backup, down, "keepalived came")?;
        until("keepalived has the addresses", down, || self.addresses(false).is_ok())?;
        keepalived.terminate()?;
        // Its process ends after its last word, which leaves relvs less than an interval.
        self.wait(&relvs, State::Master, self.kind.interval() + Duration::from_millis(500), "SIGTERM")?;
        until("relvs has the addresses", down, || self.addresses(true).is_ok())?;
        let mut keepalived = self.keepalived(150);
        self.wait(&relvs, State::Backup, down, "keepalived came back")?;
        until("keepalived has the addresses again", down, || self.addresses(false).is_ok())?;
        keepalived.kill();
        let took = self.wait(&relvs, State::Master, down, "SIGKILL")?;
        println!("{}: master {took:?} after keepalived was killed", self.kind.name);
        keepalived.complaints()?;
        let statistics = relvs.status().unwrap().instances[0].statistics;
        relvs.stop(false);
        let wrong = statistics.packet_len_err + statistics.checksum_err + statistics.addr_list_err;
        if wrong != 0 || statistics.advert_rcvd == 0 {
            return Err(format!("{statistics:?}"));
        }
        let told = self.told.lock().unwrap().join(" ");
        let word = |word: &str| format!("INSTANCE \"VI\" {word} 100");
        let expected = ["BACKUP", "MASTER", "BACKUP", "MASTER", "BACKUP", "MASTER", "STOP"].map(word).join(" ");
        if told == expected { Ok(()) } else { Err(format!("told {told}, not {expected}")) }
    }

    /// keepalived of the lower priority: relvs hands over on command, takes back when released, and hands over at the end.
    fn before(&self) -> Outcome {
        let down = self.kind.down();
        let keepalived = self.keepalived(50);
        until("keepalived alone", down * 2, || self.addresses(false).is_ok())?;
        let relvs = self.relvs(100);
        self.wait(&relvs, State::Master, down, "it has the higher priority")?;
        until("relvs has the addresses", down, || self.addresses(true).is_ok())?;
        relvs.command("VI", Command::FailOver).unwrap().unwrap();
        let took = self.wait(&relvs, State::Backup, self.kind.interval() * 3, "on command")?;
        println!("{}: handed over in {took:?}", self.kind.name);
        until("keepalived has the addresses", down, || self.addresses(false).is_ok())?;
        std::thread::sleep(self.kind.interval() * 5);
        if !self.is(&relvs, State::Backup) {
            return Err("it preempts, though it was told to hand over".into());
        }
        relvs.command("VI", Command::Release).unwrap().unwrap();
        self.wait(&relvs, State::Master, down, "released")?;
        until("relvs has the addresses again", down, || self.addresses(true).is_ok())?;
        relvs.stop(true);
        until("keepalived has them at the end", down, || self.addresses(false).is_ok())?;
        keepalived.terminate()
    }
}

#[test]
fn keepalived_and_relvs_elect_each_other() {
    if !possible() {
        return;
    }
    let play = |kind: Kind, scene: fn(&Scene) -> Outcome| {
        let played = Scene { kind, link: Link::new(), told: Arc::default() };
        scene(&played).map_err(|text| format!("{}: {text}", kind.name))
    };
    let scenes: [fn(&Scene) -> Outcome; 2] = [Scene::behind, Scene::before];
    let all = || KINDS.into_iter().flat_map(|kind| scenes.map(|scene| (kind, scene)));
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let running: Vec<_> = all().map(|(kind, scene)| scope.spawn(move || play(kind, scene))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let failed: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn what_an_earlier_process_left_behind_is_removed() {
    if !possible() {
        return;
    }
    let kind = kind("version 3", Version::V3, 1_000);
    let scene = Scene { kind, link: Link::new(), told: Arc::default() };
    scene.link.near.ip("addr add 192.0.2.100/32 dev eth0").unwrap();
    let relvs = scene.relvs(100);
    assert!(!has(&scene.link.near, kind.address(100)));
    drop(relvs);
}

#[test]
fn addresses_come_back_when_someone_removes_them() {
    if !possible() {
        return;
    }
    let kind = kind("version 3", Version::V3, 100);
    let scene = Scene { kind, link: Link::new(), told: Arc::default() };
    let relvs = scene.relvs(100);
    scene.wait(&relvs, State::Master, kind.down(), "alone").unwrap();
    let near = &scene.link.near;
    until("it has the address", kind.down(), || has(near, kind.address(100))).unwrap();
    near.ip("addr del 192.0.2.100/32 dev eth0").unwrap();
    until("it has it again", kind.down(), || has(near, kind.address(100))).unwrap();
    // Without a link it takes no part, and with it again it does.
    scene.link.far.ip("link set eth0 down").unwrap();
    scene.wait(&relvs, State::Fault, kind.down(), "no carrier").unwrap();
    assert!(!has(near, kind.address(100)));
    scene.link.far.ip("link set eth0 up").unwrap();
    scene.wait(&relvs, State::Master, kind.down(), "carrier").unwrap();
    relvs.stop(false);
    assert!(!has(near, kind.address(100)));
}

#[test]
fn other_settings_leave_the_state_and_what_cannot_be_leaves_all() {
    if !possible() {
        return;
    }
    let kind = kind("version 3", Version::V3, 100);
    let scene = Scene { kind, link: Link::new(), told: Arc::default() };
    let relvs = scene.relvs(100);
    scene.wait(&relvs, State::Master, kind.down(), "alone").unwrap();
    let mut settings = kind.settings(120);
    settings.instances[0].addresses.pop();
    settings.instances[0].excluded = vec![VirtualAddress::new(kind.address(102))];
    relvs.apply(&settings).unwrap();
    let near = &scene.link.near;
    until("one address came, one went", kind.down(), || has(near, kind.address(102)) && !has(near, kind.address(101)))
        .unwrap();
    assert!(has(near, kind.address(100)));
    settings.instances[0].router_id = 0;
    assert!(relvs.apply(&settings).unwrap_err().to_string().contains("router_id"));
    let status = relvs.status().unwrap().instances.remove(0);
    assert_eq!((status.state, status.effective_priority, status.statistics.become_master), (State::Master, 120, 1));
    relvs.apply(&Settings::default()).unwrap();
    assert!(!has(near, kind.address(100)) && !has(near, kind.address(102)));
    assert!(relvs.status().unwrap().instances.is_empty());
    relvs.stop(true);
}

#[test]
fn a_second_process_for_one_virtual_router_is_refused() {
    if !possible() {
        return;
    }
    let kind = kind("version 3", Version::V3, 100);
    let scene = Scene { kind, link: Link::new(), told: Arc::default() };
    let first = scene.relvs(100);
    let start = |settings: Settings| scene.link.near.run(move || Vrrp::start(&settings, |_| {})).unwrap();
    let refused = start(kind.settings(50)).unwrap_err().to_string();
    assert_eq!(refused, "VI: another process has virtual router 51 on eth0 (IPv4): end it, or choose another number");
    let mut other = kind.settings(50);
    other.instances[0].router_id = 52;
    start(other).unwrap().stop(false);
    first.stop(false);
    start(kind.settings(50)).unwrap().stop(false);
}
