//! More than one daemon: never two in one run directory, any number in run directories of their own.

use std::path::Path;

use relvs_api::Client;
use relvs_lab::director::Director;
use relvs_lab::traffic::Load;
use relvs_lab::{Shape, Topology};
use relvs_model::{Method, Protocol};

use crate::bed::{Bed, RELVS, assert_shares, counters, text};
use crate::configuration::{self, tcp};

#[test]
fn a_second_daemon_in_a_run_directory_refuses() {
    let services = [tcp(80, "rr", &[("s1", Method::Dr, 1)])];
    let Some(mut bed) = Bed::start(&Shape::new(Topology::OneArmed).servers(1), &services) else { return };
    let (config, directory) = (bed.config().display().to_string(), bed.run_dir().display().to_string());
    let second = bed.node("d1").run(RELVS, ["run", "--config", &config, "--run-dir", &directory]).unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = text(&second.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with(&directory) && said.contains("--run-dir"), "{said}");
    assert_eq!(text(&second.stdout), "");
    assert!(bed.director.is_running());
    for target in bed.targets(80) {
        bed.requests(target, 3);
    }
    // A killed one holds nothing.
    bed.director.kill().unwrap();
    bed.director.start().unwrap();
}

#[test]
fn two_directors_on_one_machine() {
    let services = [tcp(80, "rr", &[("s1", Method::Dr, 1), ("s2", Method::Dr, 1)])];
    let shape = Shape::new(Topology::OneArmed).directors(2).servers(2);
    let Some(mut bed) = Bed::start(&shape, &services) else { return };
    let vips = <[std::net::IpAddr; 2]>::from(bed.lab.plan().vip(1));
    let up = vips.iter().flat_map(|vip| ["--vip".to_owned(), vip.to_string()]);
    let up: Vec<String> = ["realserver".to_owned(), "up".to_owned()].into_iter().chain(up).collect();
    for name in ["s1", "s2"] {
        let directory = bed.lab.run_dir(name);
        let mut command = std::process::Command::new(RELVS);
        command.args(&up).arg("--run-dir").arg(directory);
        crate::bed::succeeded(&bed.node(name).run_command(command, "").unwrap());
    }
    for vip in vips {
        bed.lab.add_vip("d2", vip).unwrap();
    }
    let config = configuration::text(&bed.lab, "d2", "", &vips, &services);
    let config = bed.lab.write_file("second.toml", &config).unwrap().display().to_string();
    let mut other = Director::new(&bed.lab, "d2", Path::new(RELVS)).unwrap().arguments(["--config".to_owned(), config]);
    other.start().unwrap();

    let targets = vips.map(|vip| std::net::SocketAddr::new(vip, 80));
    let running: Vec<_> = bed.targets(80).into_iter().chain(targets).collect();
    let running = running.iter().map(|target| Load::new(*target).requests(40).workers(4).start(bed.client()).unwrap());
    for load in running.collect::<Vec<_>>() {
        assert_shares(&load.wait().unwrap(), &[("s1", 20), ("s2", 20)]);
    }
    let second = || Client::new(&bed.lab.run_dir("d2")).status().unwrap();
    for (status, targets) in [(bed.status(), bed.targets(80)), (second(), targets)] {
        assert_eq!(status.services.len(), 2);
        assert!(targets.iter().all(|target| counters(&status, *target, Protocol::Tcp).flows == 40), "{status:?}");
    }
    // The end of one is nothing to the other.
    bed.director.kill().unwrap();
    for target in targets {
        bed.requests(target, 4);
    }
    assert_eq!(second().services.iter().map(|service| service.counters.flows).sum::<u64>(), 2 * 44);
}
