//! ipvsadm: scripts as users of LVS have them, unchanged, against a running director.

use crate::bed::{Bed, assert_shares, text};
use crate::configuration::tcp;
use relvs_lab::traffic::UdpExchange;
use relvs_lab::{Shape, Topology};
use relvs_model::Method;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// NAT, DR and TUN mixed, one service with persistence, one of datagrams, one by mark; as found in start scripts.
const SCRIPT: &str = r#"#!/bin/sh
# /etc/init.d/lvs-director
set -e
VIP=$1
R1=$2
R2=$3
R3=$4
IPVSADM=ipvsadm

# begin with nothing
$IPVSADM -C
$IPVSADM --set 1800 60 120

# web: weighted, all methods
$IPVSADM -A -t $VIP:80 -s wrr
for rs in $R1; do
    $IPVSADM -a -t $VIP:80 -r $rs:80 -m -w 2
done
$IPVSADM -a -t $VIP:80 -r $R2:80 -g -w 1
$IPVSADM -a -t $VIP:80 -r $R3 -i

# shop: clients stay for five minutes
$IPVSADM -A -t $VIP:81 -s rr -p 300
$IPVSADM -a -t $VIP:81 -r $R1 -m
$IPVSADM -a -t $VIP:81 -r $R2 -g
$IPVSADM --add-server --tcp-service $VIP:81 --real-server $R3 --ipip --weight 3

# names: each datagram by itself
$IPVSADM -A -u $VIP:53 -s rr -o
$IPVSADM -a -u $VIP:53 -r $R2 -g
$IPVSADM -a -u $VIP:53 -r $R3 -i

# on second thoughts
$IPVSADM -E -t $VIP:81 -s sh -b sh-fallback -p 300 -M 255.255.255.0
$IPVSADM -e -t $VIP:81 -r $R1 -m -w 2 -x 100 -y 50
$IPVSADM -d -t $VIP:81 -r $R3
$IPVSADM -A -f 7 -s wlc
$IPVSADM -a -f 7 -r $R2 -g
$IPVSADM -D -f 7
"#;

/// A director, and ipvsadm in its three names.
struct Administrator {
    bed: Bed,
    bin: PathBuf,
    vip: IpAddr,
    rips: [IpAddr; 3],
}

impl Administrator {
    fn new() -> Option<Self> {
        let like = [tcp(80, "rr", &[("s1", Method::Nat, 1), ("s2", Method::Dr, 1), ("s3", Method::Tun, 1)])];
        let bed = Bed::start_with(&Shape::new(Topology::OneArmed), &like, |_| String::new())?;
        let bin = bed.lab.directory().join("bin");
        std::fs::create_dir(&bin).unwrap();
        for name in ["ipvsadm", "ipvsadm-save", "ipvsadm-restore"] {
            symlink(crate::bed::RELVS, bin.join(name)).unwrap();
        }
        let rips = ["s1", "s2", "s3"].map(|name| bed.node(name).v4().into());
        Some(Administrator { vip: bed.vips[0], bed, bin, rips })
    }

    /// Runs words in a shell where ipvsadm is this one.
    fn shell(&self, words: &str, input: &str) -> Output {
        let path = format!("{}:{}", self.bin.display(), std::env::var("PATH").unwrap());
        let rips = self.rips.map(|rip| rip.to_string());
        let mut child = Command::new("/bin/sh")
            .args(["-c", words, "lvs", &self.vip.to_string()])
            .args(rips)
            .env("PATH", path)
            .env("RELVS_RUN_DIR", self.bed.run_dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What words print; they must succeed.
    #[track_caller]
    fn says(&self, words: &str, input: &str) -> String {
        let output = self.shell(words, input);
        assert!(output.status.success(), "{words}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// The listing without its first line, which has the tables' size.
    fn listing(&self, options: &str) -> String {
        let all = self.says(&format!("ipvsadm {options}"), "");
        let (first, rest) = all.split_once('\n').unwrap();
        assert!(first.starts_with("IP Virtual Server version 1.2.1 (size="), "{first}");
        rest.to_owned()
    }
}

#[test]
fn a_script_runs_unchanged_and_serves() {
    let Some(admin) = Administrator::new() else { return };
    assert_eq!(admin.says(SCRIPT, ""), "");
    let (vip, [r1, r2, r3]) = (admin.vip, admin.rips);
    let row = |rip: IpAddr, port: u16, method: &str, weight: u32| {
        format!("  -> {:28} {method:7} {weight:<6} 0          0         \n", format!("{rip}:{port}"))
    };
    let expected = [
        "Prot LocalAddress:Port Scheduler Flags\n".to_owned(),
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n".to_owned(),
        format!("TCP  {vip}:80 wrr\n"),
        row(r1, 80, "Masq", 2),
        row(r2, 80, "Route", 1),
        row(r3, 80, "Tunnel", 1),
        format!("TCP  {vip}:81 sh (sh-fallback) persistent 300 mask 255.255.255.0\n"),
        row(r1, 81, "Masq", 2),
        row(r2, 81, "Route", 1),
        format!("UDP  {vip}:53 rr ops\n"),
        row(r2, 53, "Route", 1),
        row(r3, 53, "Tunnel", 1),
    ];
    assert_eq!(admin.listing("-L -n"), expected.concat());
    assert_eq!(admin.says("ipvsadm -L --timeout", ""), "Timeout (tcp tcpfin udp): 1800 60 120\n");

    admin.bed.all_ready();
    let web = admin.bed.requests(SocketAddr::new(vip, 80), 80);
    assert_shares(&web, &[("s1", 40), ("s2", 20), ("s3", 20)]);
    let shop = admin.bed.requests(SocketAddr::new(vip, 81), 10);
    assert_eq!(shop.servers.len(), 1, "{shop}");
    let names = UdpExchange::new(SocketAddr::new(vip, 53), 10).run(admin.bed.client()).unwrap();
    assert_shares(&names, &[("s2", 5), ("s3", 5)]);

    // What was counted is listed, and begins anew with -Z.
    let stats = admin.listing("-L -n --stats --exact");
    let conns = |stats: &str| {
        let line = stats.lines().find(|line| line.contains(&format!("{vip}:80"))).unwrap();
        line.split_whitespace().nth(2).unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(conns(&stats), 80, "{stats}");
    admin.says("ipvsadm -Z", "");
    assert_eq!(conns(&admin.listing("-L -n --stats --exact")), 0);
    let connections = admin.says("ipvsadm -L -c -n", "");
    let of_web = connections.lines().filter(|line| line.contains(&format!("{vip}:80"))).count();
    assert_eq!(of_web, 80, "{connections}");
    assert!(connections.contains(&format!("{vip}:81")), "{connections}");

    // Each listing for programs: what it lists, by the name of its array, or of a figure.
    for (listing, holds, least) in [
        ("-L -n", "services", 3),
        ("-L -n --stats", "services", 3),
        ("-L -n --rate", "services", 3),
        ("-L -n --thresholds", "services", 3),
        ("-L -n --persistent-conn", "services", 3),
        ("-L -c -n", "connections", 90),
        ("-L --daemon", "daemons", 0),
        ("-L --timeout", "tcp_s", 1800),
        ("-L -n -t $1:80", "services", 1),
    ] {
        let said = admin.says(&format!("ipvsadm {listing} --json"), "");
        let json: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{listing}: {e}: {said}"));
        let found = json[holds].as_array().map(Vec::len).or_else(|| json[holds].as_u64().map(|n| n as usize));
        assert!(found.is_some_and(|found| found >= least), "{listing}: {found:?} of {least}: {said}");
    }
}

#[test]
fn rules_are_saved_and_restored_all_or_none() {
    let Some(admin) = Administrator::new() else { return };
    admin.says(SCRIPT, "");
    let listing = admin.listing("-L -n --thresholds");
    let rules = admin.says("ipvsadm-save -n --full", "");
    assert!(rules.contains("-x 100 -y 50"), "{rules}");
    admin.says("ipvsadm -C", "");
    assert!(!admin.listing("-L -n").contains("->  10"));
    admin.says("ipvsadm-restore", &rules);
    assert_eq!(admin.listing("-L -n --thresholds"), listing);
    assert_eq!(admin.says("ipvsadm-save -n --full", ""), rules);

    // One wrong line, and nothing has changed: not even what it would have removed first.
    let revision = admin.bed.status().revision;
    let broken = format!("{rules}-a -t {}:99 -r {} -g\n", admin.vip, admin.rips[1]);
    let refused = admin.shell("ipvsadm-restore", &broken);
    assert!(!refused.status.success());
    let said = text(&refused.stderr);
    assert!(said.starts_with("Service not defined\n") && said.contains("nothing was changed"), "{said}");
    assert_eq!(admin.bed.status().revision, revision);
    assert_eq!(admin.listing("-L -n --thresholds"), listing);
}

#[test]
fn mistakes_are_told_in_the_originals_words() {
    let Some(admin) = Administrator::new() else { return };
    admin.says(SCRIPT, "");
    let fails = |words: &str, code: i32, message: &str| {
        let output = admin.shell(words, "");
        assert_eq!(output.status.code(), Some(code), "{words}: {}", text(&output.stderr));
        assert_eq!(text(&output.stderr), message, "{words}");
    };
    fails("ipvsadm -A -t $1:80 -s rr", 255, "Service already exists\n");
    fails("ipvsadm -a -t $1:80 -r $2:80 -m", 255, "Destination already exists\n");
    fails("ipvsadm -d -t $1:80 -r 10.99.99.99", 255, "No such destination\n");
    fails("ipvsadm -L -t $1:99", 1, "No such service\n");
    fails("ipvsadm -A -t $1:82 -s nonsense", 255, "Scheduler or persistence engine not found\n");
    let output = admin.shell("RELVS_RUN_DIR=/nonexistent ipvsadm -L", "");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("Can't initialize ipvs: "), "{}", text(&output.stderr));
}
