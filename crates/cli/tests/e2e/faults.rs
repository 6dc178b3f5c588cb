//! Changes that fail half-way, because the disk or a table of the kernel's is full: everything is as it was, requests are
//! answered all the time, and once there is room the same change is made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use aya::maps::{HashMap, Map, MapData};
use relvs_api::{Client, Code, Configuration, Error, How};
use relvs_lab::traffic::Load;
use relvs_lab::{Shape, Topology};
use relvs_model::{Edit, Method, Server, ServerOf, ServiceKey, ServiceRef, TimeoutsEdit};

use crate::bed::{Bed, until};
use crate::configuration::{rip, tcp};

/// A file system of its own for a run directory, until it is dropped.
struct Small(PathBuf);

impl Small {
    fn mount(directory: &Path) -> Self {
        let words = ["-t", "tmpfs", "-o", "size=8m", "none"];
        assert!(Command::new("mount").args(words).arg(directory).status().unwrap().success());
        Small(directory.to_owned())
    }

    /// Leaves no room.
    fn fill(&self) {
        let whole = vec![b' '; 16 << 20];
        fs::write(self.0.join("ballast"), whole).unwrap_err();
    }

    fn empty(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // The daemon may still be there, or the lab have unmounted it with everything below.
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// All that must be as before.
fn state(bed: &Bed) -> (Configuration, Vec<String>) {
    let status = bed.status();
    let server = |server: &relvs_api::Server| format!("{} {} {}", server.address, server.weight, server.removed);
    let of = |service: &relvs_api::Service| service.servers.iter().map(server).collect::<Vec<_>>().join(", ");
    (Client::new(&bed.run_dir()).configuration().unwrap(), status.services.iter().map(of).collect())
}

fn servers(bed: &Bed, names: &[&str]) -> Vec<Edit> {
    let all = names.iter().flat_map(|name| bed.targets(80).map(|target| (name, target)));
    all.map(|(name, target)| {
        let service = ServiceKey::listen(relvs_model::Protocol::Tcp, target.ip(), 80);
        let server = Server::new(rip(&bed.lab, name, target.ip()), 80, 1, Method::Dr);
        Edit::AddServer(ServerOf { service, server })
    })
    .collect()
}

fn failure(result: Result<relvs_api::Outcome, Error>) -> relvs_api::Failure {
    let Err(Error::Refused(failure)) = result else { panic!("not refused: {result:?}") };
    failure
}

/// A director with two servers, and a third that is ready.
fn bed(prepare: impl FnOnce(&Bed) -> Small) -> Option<(Small, Bed)> {
    let three: Vec<_> = ["s1", "s2", "s3"].map(|name| (name, Method::Dr, 1)).into();
    let mut bed = Bed::bare(&Shape::new(Topology::OneArmed).servers(3))?;
    bed.prepare(&[tcp(80, "rr", &three)]);
    let small = prepare(&bed);
    bed.configure(&[tcp(80, "rr", &three[..2])]);
    bed.director.start().unwrap();
    Some((small, bed))
}

#[test]
fn a_full_disk_refuses_changes_and_nothing_else() {
    let Some((small, mut bed)) = bed(|bed| Small::mount(&bed.run_dir())) else { return };
    let client = Client::new(&bed.run_dir());
    let load = Load::new(bed.targets(80)[0]).rate(100, 4).start(bed.client()).unwrap();
    small.fill();
    let before = state(&bed);
    let gone = bed.targets(80).map(|target| ServiceKey::listen(relvs_model::Protocol::Tcp, target.ip(), 80));
    let timeouts = Edit::SetTimeouts(TimeoutsEdit { tcp_s: Some(77), ..TimeoutsEdit::default() });
    let whole = Configuration { revision: None, services: Vec::new(), ..before.0.clone() };
    // More than a page, in which there may be a little room.
    let many = (1..2000).map(|port| {
        let key = ServiceKey::listen(relvs_model::Protocol::Udp, bed.vips[0], port);
        Edit::AddService(relvs_model::Service::new(key, relvs_model::Scheduler::Rr, Vec::new()))
    });
    let many: Vec<Edit> = many.chain([timeouts, Edit::DeleteService(ServiceRef { service: gone[0] })]).collect();
    let third: Vec<Edit> = servers(&bed, &["s3"]).into_iter().chain(many.clone()).collect();
    for _ in 0..5 {
        for edits in [&many, &third] {
            let failure = failure(client.edit(edits, How::default()));
            assert_eq!(failure.code, Code::Failed, "{failure:?}");
            assert!(failure.errors.len() == 1 && failure.errors[0].contains("control.log"), "{failure:?}");
            assert_eq!(state(&bed), before);
        }
    }
    for target in bed.targets(80) {
        // The load beside it takes its turns too.
        let report = bed.requests(target, 10);
        assert!(report.servers.keys().eq(["s1", "s2"]), "{report}");
    }
    // A daemon that is killed then knows what is in force.
    bed.director.kill().unwrap();
    small.empty();
    bed.director.start().unwrap();
    assert_eq!(state(&bed), before);
    client.edit(&third, How::default()).unwrap();
    client.replace(&whole, How::default()).unwrap();
    assert!(client.services().unwrap().is_empty());
    let report = load.stop().unwrap();
    assert!(report.ok > 5, "{report}");
}

#[test]
fn a_full_table_of_the_kernel_s_refuses_a_change_whole() {
    let Some((_small, bed)) = bed(|bed| Small::mount(&bed.run_dir())) else { return };
    let client = Client::new(&bed.run_dir());
    bed.all_ready();
    let data = MapData::from_pin(bed.run_dir().join("bpf/HOPS_BY_MAC")).unwrap();
    let mut hops: HashMap<_, [u32; 3], u32> = HashMap::try_from(Map::HashMap(data)).unwrap();
    let fillers = (0..1 << 20).map(|n| [u32::MAX, n, 0]);
    let put: Vec<[u32; 3]> = fillers.take_while(|key| hops.insert(key, 0, 0).is_ok()).collect();
    assert!(!put.is_empty() && put.len() < 1 << 20);
    let before = state(&bed);
    let load = Load::new(bed.targets(80)[0]).rate(100, 4).start(bed.client()).unwrap();
    for _ in 0..3 {
        let failure = failure(client.edit(&servers(&bed, &["s3"]), How::default()));
        assert_eq!(failure.code, Code::Failed, "{failure:?}");
        assert!(failure.errors[0].contains("HOPS_BY_MAC"), "{failure:?}");
        assert_eq!(state(&bed), before);
    }
    // What needs no more of that table is made.
    let timeouts = Edit::SetTimeouts(TimeoutsEdit { tcp_s: Some(77), ..TimeoutsEdit::default() });
    let revision = client.edit(&[timeouts], How::default()).unwrap().revision;
    assert_eq!(Some(revision), before.0.revision.map(|revision| revision + 1));
    for key in put {
        hops.remove(&key).unwrap();
    }
    client.edit(&servers(&bed, &["s3"]), How::default()).unwrap();
    until("the third server is reached", || bed.requests(bed.targets(80)[0], 6).servers.contains_key("s3"));
    let report = load.stop().unwrap();
    assert_eq!(report.failed(), 0, "{report}");
    assert!(report.ok > 5, "{report}");
}
