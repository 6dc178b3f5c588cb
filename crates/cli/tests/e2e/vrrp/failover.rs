//! Traffic through two directors, of which one is master and then the other.
//!
//! A connection that is under way when a director ends may lose packets, which TCP sends again: nothing may fail.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use relvs_lab::director::realserver;
use relvs_lab::traffic::{Load, RunningLoad, RunningTransfer, Serve, Server, Transfer, nginx_server};
use relvs_lab::{Lab, Process, Shape, Topology};
use relvs_model::Method;

use super::{One, SLOW, instance_every};
use crate::bed::{PATIENCE, RELVS, lab, succeeded, text, until};
use crate::configuration;

/// New connections a second.
const RATE: u32 = 300;
/// Content of a long download in bytes, and over how many seconds it is spread.
const LONG: (u64, u64) = (300_000, 6);
/// The same while a machine dies.
const SHORT: (u64, u64) = (250_000, 5);

/// Two directors with the same services, and real servers behind them.
struct Pair {
    one: One,
    other: One,
    vip: IpAddr,
    method: Method,
    _nginx: Vec<Process>,
    _servers: Vec<Server>,
    lab: Lab,
}

impl Pair {
    /// Both run, and the first is master. The VIP is of this family.
    fn start(topology: Topology, method: Method, every: &str, family: fn(&IpAddr) -> bool) -> Option<Self> {
        let lab = lab(&Shape::new(topology).directors(2).servers(2))?;
        let vip = <[IpAddr; 2]>::from(lab.plan().vip(0)).into_iter().find(family)?;
        let nginx = lab.servers().map(|node| nginx_server(&lab, node, 80, &[]).unwrap()).collect();
        let serve = |name: &str| Serve::new(name).http(81);
        let servers = lab.servers().map(|node| Server::start(node, serve(node.name())).unwrap()).collect();
        for node in lab.servers() {
            match (method, Self::gateway(&lab)) {
                (Method::Nat, (IpAddr::V4(v4), IpAddr::V6(v6))) => {
                    lab.set_default_route(node.name(), v4, v6).unwrap();
                }
                _ => succeeded(&realserver(&lab, node, Path::new(RELVS), "up", &[vip], method).unwrap()),
            }
        }
        let [one, other] = ["d1", "d2"].map(|name| One::new(&lab, name));
        let mut pair = Self { one, other, vip, method, _nginx: nginx, _servers: servers, lab };
        pair.configure(every);
        pair.one.director.start().unwrap();
        pair.other.director.start().unwrap();
        until("the first is master", || pair.is_with_first());
        Some(pair)
    }

    /// What NAT servers have as their gateway: an address that the master has on their network.
    fn gateway(lab: &Lab) -> (IpAddr, IpAddr) {
        let (v4, v6) = lab.plan().segment("lan").unwrap().host(200);
        (v4.into(), v6.into())
    }

    fn configure(&self, every: &str) {
        for (one, priority) in [(&self.one, 150), (&self.other, 100)] {
            one.configure(&self.text(one, priority, every));
        }
    }

    fn text(&self, one: &One, priority: u8, every: &str) -> String {
        // A reply that comes to the other before its client does must not leave as it is: the client would reset it.
        let mut text = "[ipvs]\nsloppy_tcp = 1\nnat_icmp_send = 1\n".to_owned();
        for port in [80, 81] {
            let method = self.method;
            let lines = format!(
                "listen = \"{}/tcp\"\nscheduler = \"mh\"\nmethod = \"{method}\"",
                SocketAddr::new(self.vip, port)
            );
            text += &configuration::section(&self.lab, self.vip, &lines, &[("s1", ""), ("s2", "")]);
        }
        let more = format!("priority = {priority}\ntrack = [{{ health = \"data-path\" }}]");
        let outside = &self.lab.plan().vip_segment().name;
        let on = |segment: &str| one.node.port_on(segment).unwrap().interface.clone();
        text += &instance_every(every, "web", &on(outside), 51, &more, &[self.vip]);
        if self.method == Method::Nat {
            let (gateway, _) = Self::gateway(&self.lab);
            text += &instance_every(every, "inside", &on("lan"), 52, &more, &[gateway]);
            text += "[[vrrp.group]]\nname = \"both\"\nmembers = [\"web\", \"inside\"]\n";
        }
        text
    }

    fn is_with_first(&self) -> bool {
        self.one.has(self.vip) && !self.other.has(self.vip)
    }

    fn is_with_other(&self) -> bool {
        self.other.has(self.vip) && !self.one.has(self.vip)
    }

    fn load(&self) -> RunningLoad {
        Load::new(SocketAddr::new(self.vip, 80)).rate(RATE, 64).start(self.lab.client().unwrap()).unwrap()
    }

    /// A hundred connections more.
    fn go_on(load: &RunningLoad) {
        let enough = load.so_far().ok + u64::from(RATE) / 2;
        until("more requests are answered", || load.so_far().ok >= enough);
    }

    fn download(&self, (bytes, seconds): (u64, u64)) -> RunningTransfer {
        let target = SocketAddr::new(self.vip, 81);
        let running = Transfer::slow_download(target, bytes, seconds).limit(2 * PATIENCE);
        let running = running.start(self.lab.client().unwrap()).unwrap();
        running.wait_for(1, PATIENCE).unwrap();
        running
    }

    /// The other hears no adverts, and is heard: as behind a switch that drops them one way.
    fn deafen(&self, deaf: bool) {
        let mut rules = "table inet deaf {}\ndelete table inet deaf\n".to_owned();
        if deaf {
            rules +=
                "table inet deaf {\n chain c {\n  type filter hook input priority 0;\n  meta l4proto 112 drop\n }\n}\n";
        }
        let file = self.lab.write_file("deaf.nft", &rules).unwrap().display().to_string();
        self.other.node.check("nft", ["-f", &file]).unwrap();
    }

    /// How long nobody answers at the VIP, from now on.
    fn silence(&self) -> Duration {
        let (begin, target) = (Instant::now(), SocketAddr::new(self.vip, 80));
        let client = self.lab.client().unwrap();
        let mut answered = None;
        until("the VIP answers", || {
            let connected = client.with(|| TcpStream::connect_timeout(&target, Duration::from_millis(20)));
            answered = connected.unwrap().is_ok().then(|| begin.elapsed());
            answered.is_some()
        });
        answered.unwrap()
    }
}

/// A hand-over on command and back, SIGTERM, a start, SIGKILL, a start: whatever becomes of the daemons.
fn nothing_is_lost(mut pair: Pair) {
    let downloads = [pair.download(LONG), pair.download(LONG)];
    let load = pair.load();
    Pair::go_on(&load);
    succeeded(&pair.one.director.relvs(["vrrp", "failover"]).unwrap());
    assert!(pair.is_with_other());
    Pair::go_on(&load);
    succeeded(&pair.one.director.relvs(["vrrp", "release"]).unwrap());
    until("the first is master again", || pair.is_with_first());
    Pair::go_on(&load);
    assert!(pair.one.director.terminate().unwrap().success());
    assert!(pair.is_with_other(), "the address is with the other before the daemon has ended");
    Pair::go_on(&load);
    for download in downloads {
        assert_eq!(download.join().unwrap().bytes, LONG.0);
    }
    pair.one.director.start().unwrap();
    until("the first is master again", || pair.is_with_first());
    Pair::go_on(&load);
    // Its programs stay attached, and its address stays where it is: the other takes over beside it.
    pair.one.director.kill().unwrap();
    until("the other has taken over", || pair.other.has(pair.vip));
    Pair::go_on(&load);
    pair.one.director.start().unwrap();
    until("the first is master again", || pair.is_with_first());
    Pair::go_on(&load);
    let report = load.stop().unwrap();
    assert_eq!(report.failed(), 0, "{report}");
    println!("{report}");
}

#[test]
fn nothing_is_lost_by_direct_routing() {
    if let Some(pair) = Pair::start(Topology::OneArmed, Method::Dr, super::QUICK, IpAddr::is_ipv4) {
        nothing_is_lost(pair);
    }
}

#[test]
fn nothing_is_lost_over_ipv6() {
    let Some(mut pair) = Pair::start(Topology::OneArmed, Method::Dr, super::QUICK, IpAddr::is_ipv6) else { return };
    let load = pair.load();
    Pair::go_on(&load);
    assert!(pair.one.director.terminate().unwrap().success());
    until("the other has taken over", || pair.is_with_other());
    Pair::go_on(&load);
    pair.one.director.start().unwrap();
    until("the first is master again", || pair.is_with_first());
    Pair::go_on(&load);
    pair.one.director.kill().unwrap();
    until("the other has taken over", || pair.other.has(pair.vip));
    Pair::go_on(&load);
    let report = load.stop().unwrap();
    assert_eq!(report.failed(), 0, "{report}");
}

#[test]
fn two_masters_are_said_and_the_higher_priority_remains() {
    let Some(pair) = Pair::start(Topology::OneArmed, Method::Dr, super::QUICK, IpAddr::is_ipv4) else { return };
    let load = pair.load();
    Pair::go_on(&load);
    pair.deafen(true);
    until("both are master", || pair.one.has(pair.vip) && pair.other.has(pair.vip));
    let says = |what: &str| {
        let conditions = pair.one.client().vrrp().unwrap().instances.remove(0).conditions;
        conditions.iter().any(|condition| condition.kind.name() == what)
    };
    until("the first says that there are two", || says("two-masters"));
    until("and that another has its address", || says("claimed-by-other"));
    let page = pair.one.director.relvs(["vrrp", "status"]).unwrap();
    assert!(text(&page.stdout).contains("  WRONG      "), "{page:?}");
    let scrape = pair.one.metrics();
    assert!(scrape.contains("relvs_vrrp_wrong{router=\"web\",what=\"two_masters\"} 1\n"), "{scrape}");
    // Whoever is asked forwards to the same server.
    Pair::go_on(&load);
    pair.deafen(false);
    until("the first alone is master", || pair.is_with_first());
    Pair::go_on(&load);
    println!("{}", load.stop().unwrap());
}

#[test]
fn nothing_is_lost_by_address_translation() {
    if let Some(pair) = Pair::start(Topology::TwoArmed, Method::Nat, super::QUICK, IpAddr::is_ipv4) {
        nothing_is_lost(pair);
    }
}

#[test]
fn a_machine_that_dies_is_replaced_after_three_adverts() {
    let Some(mut pair) = Pair::start(Topology::OneArmed, Method::Dr, super::QUICK, IpAddr::is_ipv4) else { return };
    // Three intervals and the skew, and three times as long on a busy machine.
    for (every, promised) in [(super::QUICK, 400), (SLOW, 4_000)] {
        pair.configure(every);
        for one in [&pair.one, &pair.other] {
            one.reread();
        }
        until("the first is master", || pair.is_with_first());
        let download = pair.download(SHORT);
        pair.lab.unplug("d1").unwrap();
        let silence = pair.silence();
        println!("{every:?}: {silence:?} until the VIP answers");
        assert!(silence < 3 * Duration::from_millis(promised), "{silence:?}");
        assert_eq!(download.join().unwrap().bytes, SHORT.0);
        pair.one.director.kill().unwrap();
        pair.lab.plug("d1").unwrap();
        pair.one.director.start().unwrap();
    }
}
