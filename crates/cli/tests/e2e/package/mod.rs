//! The Debian package on a machine with a real systemd: installed, started without root, reloaded, killed, upgraded under
//! load, removed.

mod machine;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use relvs_api::{Client, Status};
use relvs_lab::traffic::{Load, RunningLoad, RunningTransfer, Transfer};
use relvs_lab::{Shape, Topology};
use relvs_model::Method;

use crate::bed::{Bed, PATIENCE, until};
use crate::configuration::{self, Service, tcp};
use machine::Machine;

/// Where two versions of the packages are; `./x test` builds them.
const PACKAGES: &str = "RELVS_PACKAGES";
/// Those versions.
const VERSIONS: [&str; 2] = ["0.1.0-1", "0.1.0-2"];

fn packages() -> Option<PathBuf> {
    let found = std::env::var_os(PACKAGES).map(PathBuf::from);
    if found.is_none() {
        println!("skipped: {PACKAGES} names no folder of packages; `./x test package` builds some");
    }
    found
}

/// A lab, and a machine in the network of its director.
struct Installed {
    // Ends before its network.
    machine: Machine,
    bed: Bed,
}

impl Installed {
    fn new(services: &[Service]) -> Option<Self> {
        let packages = packages()?;
        let bed = Bed::bare(&Shape::new(Topology::OneArmed).servers(2))?;
        bed.prepare(services);
        let machine = Machine::boot(&bed, &packages)?;
        let installed = Self { machine, bed };
        installed.install("relvs", VERSIONS[0]);
        installed.configure(services);
        Some(installed)
    }

    #[track_caller]
    fn install(&self, package: &str, version: &str) -> String {
        let entries = std::fs::read_dir(self.machine.path("/packages")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let wanted = format!("{package}_{version}_");
        let name = names.into_iter().find(|name| name.starts_with(&wanted)).unwrap();
        self.machine.check(&format!("dpkg --install /packages/{name}"))
    }

    fn configure(&self, services: &[Service]) {
        let text = configuration::text(&self.bed.lab, "d1", "", &self.bed.vips, services);
        self.write("/etc/relvs/relvs.toml", &text);
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.machine.path(path), text).unwrap();
    }

    fn status(&self) -> Status {
        Client::new(&self.machine.path("/run/relvs")).status().unwrap()
    }

    /// A property of relvs.service.
    fn service(&self, property: &str) -> String {
        self.machine.check(&format!("systemctl show --value --property {property} relvs.service")).trim().to_owned()
    }

    /// A line of the daemon's /proc/PID/status.
    fn daemon(&self, line: &str) -> String {
        let status = self.machine.check(&format!("cat /proc/{}/status", self.service("MainPID")));
        let found = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
        found.unwrap_or_else(|| panic!("no {line} in {status}")).trim().to_owned()
    }

    /// Whether a program is on the director's interface.
    fn is_attached(&self) -> bool {
        self.bed.node("d1").ip("link show dev eth0").unwrap().contains("prog/xdp")
    }
}

/// Fresh connections, kept ones and downloads, which nothing may disturb.
struct Steady {
    loads: Vec<RunningLoad>,
    downloads: Vec<RunningTransfer>,
}

impl Steady {
    fn start(bed: &Bed) -> Self {
        let fresh = bed.targets(80).map(|target| Load::new(target).rate(60, 4).start(bed.client()).unwrap());
        let kept =
            bed.targets(80).map(|target| Load::new(target).keep_alive().rate(20, 2).start(bed.client()).unwrap());
        let downloads = bed.targets(80).map(|target| {
            let transfer = Transfer::slow_download(target, 300_000, 12).start(bed.client()).unwrap();
            transfer.wait_for(1, PATIENCE).unwrap();
            transfer
        });
        Self { loads: fresh.into_iter().chain(kept).collect(), downloads: downloads.into() }
    }

    fn goes_on(&self) {
        let so_far = || self.loads.iter().map(RunningLoad::so_far);
        let before: Vec<u64> = so_far().map(|report| report.ok).collect();
        until("the load goes on", || so_far().zip(&before).all(|(now, before)| now.ok >= before + 10));
        assert!(so_far().all(|report| report.failed() == 0), "{:?}", so_far().collect::<Vec<_>>());
    }

    fn nothing_was_lost(self) {
        for download in self.downloads {
            download.join().unwrap();
        }
        for load in self.loads {
            let report = load.stop().unwrap();
            assert!(report.failed() == 0 && report.ok > 50, "{report}");
        }
    }
}

#[test]
fn the_package_from_its_installation_to_its_removal() {
    let services = [tcp(80, "rr", &[("s1", Method::Dr, 1), ("s2", Method::Nat, 1)])];
    let Some(it) = Installed::new(&services) else { return };
    let Installed { machine, bed } = &it;
    assert_eq!((it.service("ActiveState"), it.is_attached()), ("inactive".to_owned(), false), "nothing by itself");
    let units = "relvs.service run-relvs-bpf.mount";
    let verified = machine.run(format!("systemd-analyze verify --man=no {units}").split(' '));
    assert!(verified.status.success() && verified.stderr.is_empty(), "{verified:?}");
    machine.check(
        "systemd-analyze security --offline=true --threshold=25 --no-pager /usr/lib/systemd/system/relvs.service",
    );

    machine.check("systemctl enable --now relvs");
    let user = machine.check("id -u relvs");
    assert_eq!(it.daemon("Uid"), [user.trim(); 4].join("\t"));
    // CAP_NET_ADMIN, CAP_NET_RAW, CAP_PERFMON, CAP_BPF.
    let four = format!("{:016x}", 1u64 << 12 | 1 << 13 | 1 << 38 | 1 << 39);
    assert_eq!(["CapEff", "CapPrm", "CapBnd"].map(|set| it.daemon(set)), [&four; 3].map(Clone::clone));
    assert_eq!(it.service("StatusText"), "2 services, 4 servers, serving eth0 (generic)");
    assert!(machine.check("journalctl _COMM=relvs -o verbose").contains("TARGET=relvs_daemon"), "the log has fields");
    until("every server is reachable", || it.status().services.iter().flat_map(|s| &s.servers).all(is_ready));

    // The socket is the group's.
    let as_nobody = |group: &str| {
        let words = format!("setpriv --reuid nobody --regid {group} --clear-groups relvs status");
        machine.run(words.split(' ')).status.code()
    };
    assert_eq!((as_nobody("relvs"), as_nobody("nogroup")), (Some(0), Some(1)));

    let steady = Steady::start(bed);
    let (first, revision) = (it.service("MainPID"), it.status().revision);
    it.install("relvs", VERSIONS[1]);
    assert_eq!(it.service("ActiveState"), "active");
    assert_ne!(it.service("MainPID"), first, "the new version runs");
    assert!(it.status().adopted && it.status().revision >= revision);
    steady.goes_on();

    let second = it.service("MainPID");
    machine.check("systemctl kill --signal KILL relvs");
    until("the service manager starts it again", || {
        it.service("ActiveState") == "active" && !["0", &second].contains(&it.service("MainPID").as_str())
    });
    assert!(it.status().adopted);
    steady.goes_on();

    it.write("/etc/relvs/relvs.toml", "nonsense");
    assert_eq!(machine.run(["systemctl", "reload", "relvs"]).status.code(), Some(1), "refused, and said so");
    it.configure(&services);
    machine.check("systemctl reload relvs");
    machine.check("systemctl stop relvs");
    assert!(it.is_attached(), "forwarding outlives the daemon");
    steady.goes_on();
    steady.nothing_was_lost();

    machine.check("systemctl start relvs");
    machine.check("dpkg --remove relvs");
    assert!(!it.is_attached() && !machine.path("/run/relvs").exists());
    assert!(machine.path("/etc/relvs/relvs.toml").exists(), "a removal keeps the configuration");
    machine.check("dpkg --purge relvs");
    // A cache of pages that were read is everybody's.
    let left = "find /upper /run /etc/systemd /usr/lib/systemd -name *relvs* -not -path /upper/var/cache/*";
    assert_eq!(machine.check(left), "");
    let users = ["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"];
    let users = users.map(|file| std::fs::read_to_string(machine.path(file)).unwrap());
    assert!(users.iter().all(|file| !file.contains("relvs")), "its user is gone");
}

fn is_ready(server: &relvs_api::Server) -> bool {
    matches!(server.way, relvs_api::Way::Ready { .. })
}

#[test]
fn ipvsadms_names_and_rules() {
    let Some(it) = Installed::new(&[]) else { return };
    let machine = &it.machine;
    // As who drives relvs by ipvsadm alone.
    it.write("/etc/default/relvs", "RELVS_ARGUMENTS=\"--interface eth0\"\n");
    machine.check("systemctl start relvs");
    // Where the original is installed, it gives way.
    it.install("relvs-ipvsadm", VERSIONS[0]);
    assert!(machine.check("ipvsadm --version").contains("of relvs"));
    let [vip, _] = it.bed.vips;
    let server: IpAddr = configuration::rip(&it.bed.lab, "s1", vip);
    it.write("/etc/ipvsadm.rules", &format!("-A -t {vip}:80 -s rr\n-a -t {vip}:80 -r {server}:80 -g -w 3\n"));
    machine.check("systemctl start ipvsadm");
    assert_eq!(it.status().services.len(), 1);
    let saved = machine.check("ipvsadm-save -n");
    assert!(saved.contains(&format!("-a -t {vip}:80 -r {server}:80 -g -w 3")), "{saved}");
    // A restart keeps what was changed since.
    machine.check(&format!("ipvsadm -e -t {vip}:80 -r {server}:80 -g -w 5"));
    machine.check("systemctl restart relvs");
    assert!(machine.check("ipvsadm-save -n").contains("-w 5"));
    // The two go with each other.
    let refused = machine.run(["dpkg", "--remove", "relvs"]);
    assert_eq!(refused.status.code(), Some(1));
    machine.check("dpkg --purge relvs-ipvsadm relvs");
    assert!(!machine.path("/usr/sbin/ipvsadm").is_symlink() && !it.is_attached());
    assert!(Path::new(&machine.path("/etc/ipvsadm.rules")).exists(), "the administrator's own");
}

/// What checks and programs may do under the unit, and what they may when the administrator wants it.
#[test]
fn checks_and_programs_have_the_rights_that_they_are_given() {
    let services = [tcp(80, "rr", &[("s1", Method::Dr, 1)])];
    let Some(it) = Installed::new(&services) else { return };
    let Installed { machine, bed } = &it;
    let vip = bed.vips[0];
    let pace = "interval = \"200ms\"\nwarmup = 0\n";
    // Programs say as whom they run, which groups they have, and which capabilities.
    let tell = "id -un; id -Gn; grep CapEff /proc/self/status";
    let own = format!("type = \"misc\"\n{pace}command = [\"/bin/sh\", \"-c\", \"({tell}) > /run/relvs/own\"]");
    let others = format!(
        "type = \"misc\"\n{pace}user = \"nobody\"\ncommand = [\"/bin/sh\", \"-c\", \"echo $({tell}); test $(id -un) = nobody; exit 1\"]"
    );
    let through = format!("type = \"tcp\"\n{pace}through_data_path = true");
    let checks = ["type = \"ping\"", "type = \"tcp\"", &own, &others, &through];
    let checks: String = checks.iter().map(|check| format!("[[service.check]]\n{check}\n")).collect();
    let section = bed.section(vip, &format!("listen = \"{vip}:80/tcp\"\nmethod = \"dr\"\n{checks}"), &[("s1", "")]);
    it.write("/etc/relvs/relvs.toml", &(configuration::head(&bed.lab, "d1", "") + &section));
    machine.check("systemctl start relvs");
    let last = |check: usize| {
        let checks = it.status().checks.swap_remove(0).servers.swap_remove(0).checks;
        let check = checks.into_iter().nth(check).unwrap();
        if check.up && check.known { Ok(()) } else { Err(check.error.unwrap_or_default()) }
    };
    for check in 0..3 {
        until("a check that needs nothing more succeeds", || last(check) == Ok(()));
    }
    let told = std::fs::read_to_string(machine.path("/run/relvs/own")).unwrap();
    assert_eq!(told, "relvs\nrelvs\nCapEff:\t0000000000000000\n", "it is the daemon's user, without its capabilities");
    let lacks = ["it lacks CAP_SETUID and CAP_SETGID", "permitted"];
    for (check, lack) in (3..).zip(lacks) {
        until("the others say why not", || last(check).is_err_and(|why| why.contains(lack)));
    }
    let warned = machine.check("relvs check /etc/relvs/relvs.toml") + &machine.journal();
    for lack in ["the daemon lacks CAP_SETGID, CAP_SETUID; give it", "the daemon lacks CAP_SYS_ADMIN; give it"] {
        assert!(warned.contains(lack), "{warned}");
    }

    machine
        .check("install -D -m 644 -t /etc/systemd/system/relvs.service.d /usr/share/relvs/systemd/script-users.conf");
    machine.check("install -m 644 -t /etc/systemd/system/relvs.service.d /usr/share/relvs/systemd/data-path.conf");
    machine.check("systemctl daemon-reload");
    machine.check("systemctl restart relvs");
    until("the VIP is asked at the server", || last(4) == Ok(()));
    let said = "nobody nogroup CapEff: 0000000000000000";
    until("the program runs as nobody, with nothing of the daemon's", || last(3).is_err_and(|why| why.contains(said)));
    machine.check("dpkg --purge relvs");
}
