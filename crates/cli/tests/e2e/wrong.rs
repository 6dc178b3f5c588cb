//! Wrong configurations and wrong command lines: a line for each mistake, and nothing has changed.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use relvs_api::{Client, Error};
use relvs_lab::traffic::Load;
use relvs_lab::{Shape, Topology};
use relvs_model::Method;

use crate::bed::{Bed, RELVS, text, until};
use crate::configuration::{self, Service, tcp};

/// A file, and what is to be said of it: place and beginning of each line.
struct Case {
    name: &'static str,
    text: String,
    expected: Vec<&'static str>,
}

fn case(name: &'static str, text: impl Into<String>, expected: &[&'static str]) -> Case {
    Case { name, text: text.into(), expected: expected.to_vec() }
}

/// A service with a server; `listen` is on line 4, the server's lines begin on line 6.
fn service(listen: &str, server: &str) -> String {
    format!("[director]\ninterfaces = [\"eth0\"]\n[[service]]\nlisten = \"{listen}\"\n[[service.server]]\n{server}\n")
}

fn cases() -> Vec<Case> {
    let http = "192.0.2.100:80/tcp";
    let good = "address = \"192.0.2.11\"";
    let twice = format!("{}[[service]]\nlisten = \"{http}\"\n[[service.server]]\n{good}\n", service(http, good));
    let many = "[director]\nflows = 0\n[[service]]\nlisten = \"192.0.2.300:80/tcp\"\n[[service.server]]\nweight = -1\n";
    vec![
        case("a key", service(http, &format!("{good}\nwieght = 2")), &["7:1: error: unknown key `wieght`"]),
        case("a section", "[directer]\n", &["1:2: error: unknown key `directer`"]),
        case("a VIP", service("192.0.2.300:80/tcp", good), &["4:10: error: `192.0.2.300` is not an IP address"]),
        case("a RIP", service(http, "address = \"10.0.0\""), &["6:11: error: `10.0.0` is not an IP address"]),
        case("port 0", service("192.0.2.100:0/tcp", good), &["4:10: error: port 0 (any port) needs persistence"]),
        case("a weight", service(http, &format!("{good}\nweight = -1")), &["7:10: error: `weight` must be from 0"]),
        case("twice", twice, &["8:10: error: the service 192.0.2.100:80/tcp is defined twice"]),
        case(
            "a DR port",
            service(http, "address = \"192.0.2.11:81\""),
            &["6:11: error: a dr server gets packets on the service's port 80, not 81"],
        ),
        case("families", service(http, "address = \"2001:db8::1\""), &["6:11: error: dr from an IPv4 VIP to an IPv6"]),
        case("syntax", service(http, "address = 192.0.2.11"), &["6:11: error: `192.0.2.11` is text without quotes"]),
        case("a cut file", "[director]\ninterfaces = [\"eth0\"\n", &["2:14: error: this bracket is never closed"]),
        case(
            "four mistakes",
            many,
            &[
                "2:9: error: `flows`",
                "4:10: error: `192.0.2.300`",
                "5:1: error: [[service.server]]",
                "6:10: error: `weight`",
            ],
        ),
    ]
}

/// Fails unless these are the lines expected, each with the file's name before its place.
#[track_caller]
fn assert_lines(name: &str, said: &str, file: &Path, expected: &[&str]) {
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{name}: {said}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(&format!("{}:{expected}", file.display())), "{name}: {line}");
    }
}

fn relvs(arguments: &[&str]) -> Output {
    Command::new(RELVS).args(arguments).env_remove("RELVS_RUN_DIR").output().unwrap()
}

#[test]
fn check_names_each_mistake_and_its_place() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("wrong-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("relvs.toml");
    let path = file.display().to_string();
    for Case { name, text: content, expected } in cases() {
        std::fs::write(&file, content).unwrap();
        let output = relvs(&["check", &path]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert_lines(name, &text(&output.stdout), &file, &expected);
        assert_eq!(text(&output.stderr), "", "{name}");
    }
    std::fs::write(&file, b"[director]\n# \xff\n").unwrap();
    let output = relvs(&["check", &path]);
    assert_lines("bytes", &text(&output.stdout), &file, &["2:3: error: this is not UTF-8"]);

    let right = service("192.0.2.100:80/tcp", "address = \"192.0.2.11\"");
    std::fs::write(&file, &right).unwrap();
    let output = relvs(&["check", &path, "--offline"]);
    assert_eq!((output.status.code(), text(&output.stdout).lines().count()), (Some(0), 1), "{output:?}");
    // A warning is no error.
    std::fs::write(&file, "[[service]]\nlisten = \"192.0.2.100:80/tcp\"\n").unwrap();
    let output = relvs(&["check", &path, "--offline"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("relvs.toml:2:10: warning:"), "{output:?}");
    for absent in [directory.join("absent.toml"), directory.clone()] {
        let output = relvs(&["check", &absent.display().to_string()]);
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{output:?}");
        assert!(said.starts_with(&absent.display().to_string()), "{said}");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_director_does_not_start_with_mistakes() {
    let Some(bed) = Bed::bare(&Shape::new(Topology::OneArmed).servers(1)) else { return };
    let absent = case(
        "an interface",
        "[director]\ninterfaces = [\"eth0\", \"eth7\"]\n",
        &["2:23: error: interface `eth7` does not exist"],
    );
    let directory = bed.lab.directory().join("nothing");
    let start = |arguments: &[&str]| {
        let output = bed.node("d1").run(RELVS, arguments.iter().chain(&["--run-dir", directory.to_str().unwrap()]));
        let output = output.unwrap();
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()), "{arguments:?}");
        assert!(!directory.exists(), "{arguments:?} made the run directory");
        assert!(!bed.node("d1").ip("link show dev eth0").unwrap().contains("xdp"), "{arguments:?} attached");
        text(&output.stderr)
    };
    let path = bed.config().display().to_string();
    for Case { name, text: content, expected } in cases().into_iter().chain([absent]) {
        bed.lab.write_file("relvs.toml", &content).unwrap();
        assert_lines(name, &start(&["run", "--config", &path]), &bed.config(), &expected);
    }
    let said = start(&["run", "--config", "/nonexistent/relvs.toml"]);
    assert!(said.starts_with("/nonexistent/relvs.toml: ") && said.lines().count() == 1, "{said}");
    let said = start(&["run", "--interface", "eth7"]);
    assert!(said.starts_with("--interface eth7: ") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_running_director_goes_on_as_before() {
    let services = [tcp(80, "wrr", &[("s1", Method::Dr, 2), ("s2", Method::Dr, 1)])];
    let Some(mut bed) = Bed::start(&Shape::new(Topology::OneArmed).servers(2), &services) else { return };
    let before = bed.status();
    let others = cases().into_iter().chain([case(
        "an interface",
        "[director]\ninterfaces = [\"eth7\"]\n",
        &["2:15: error: interface `eth7` does not exist"],
    )]);
    for Case { name, text: content, expected } in others {
        bed.lab.write_file("relvs.toml", &content).unwrap();
        let log = bed.hangup();
        assert!(log.contains("the configuration was refused; everything goes on as before"), "{name}: {log}");
        for line in &expected {
            assert!(log.contains(&format!("{}:{line}", bed.config().display())), "{name}: {log}");
        }
        let Err(Error::Refused(errors)) = Client::new(&bed.run_dir()).reload() else { panic!("{name}: taken") };
        assert_lines(name, &errors.to_string(), &bed.config(), &expected);
    }
    std::fs::remove_file(bed.config()).unwrap();
    assert!(bed.hangup().contains("refused"));
    let after = bed.status();
    assert_eq!((&after.services, after.revision), (&before.services, before.revision));
    assert_eq!(after.interfaces, before.interfaces);
    for target in bed.targets(80) {
        let report = bed.requests(target, 30);
        assert_eq!((report.of("s1"), report.of("s2")), (20, 10), "{report}");
    }
    // Killed, it does not come back with the wrong file, but what it left goes on.
    bed.lab.write_file("relvs.toml", "[directer]\n").unwrap();
    bed.director.kill().unwrap();
    let refused = bed.director.start().unwrap_err().to_string();
    assert!(refused.contains("unknown key `directer`"), "{refused}");
    for target in bed.targets(80) {
        let report = bed.requests(target, 30);
        assert_eq!((report.of("s1"), report.of("s2")), (20, 10), "{report}");
    }
    bed.configure(&services);
    bed.director.start().unwrap();
    let status = bed.status();
    assert!(status.adopted);
    assert_eq!(status.services.iter().map(|service| service.counters.flows).collect::<Vec<_>>(), [60, 60]);
}

#[test]
fn an_interface_that_is_refused_changes_nothing() {
    let services = [tcp(80, "rr", &[("s1", Method::Nat, 1)])];
    let Some(mut bed) = Bed::bare(&Shape::new(Topology::TwoArmed).servers(1)) else { return };
    // A second director has the servers' side already, which the kernel gives to one only.
    let program = Path::new(RELVS);
    let other = bed.lab.run_dir("other").display().to_string();
    let mut command = Command::new(program);
    command.args(["run", "--interface", "eth1", "--run-dir", &other]);
    let _second = bed.node("d1").start(command).unwrap();
    until("the second director runs", || Client::new(Path::new(&other)).status().is_ok());
    let on_one = |services: &[Service]| {
        let text = configuration::text(&bed.lab, "d1", "", &bed.vips, services);
        text.replace("[\"eth0\", \"eth1\"]", "[\"eth0\"]")
    };
    bed.lab.write_file("relvs.toml", &on_one(&services)).unwrap();
    bed.director.start().unwrap();
    let before = bed.status();
    assert_eq!(before.interfaces.len(), 1);
    for (services, interfaces, why) in [
        (&[][..], "[\"eth0\", \"eth1\"]", "eth1"),
        (&[], "[\"eth1\"]", "eth1"),
        (&services, "[\"eth0\", \"lo\"]", "2:23: error: interface `lo` carries no Ethernet frames"),
    ] {
        let text = on_one(services).replace("[\"eth0\"]", interfaces);
        bed.lab.write_file("relvs.toml", &text).unwrap();
        let log = bed.hangup();
        assert!(log.contains("refused") && log.contains(why), "{log}");
        let after = bed.status();
        assert_eq!((&after.services, &after.interfaces), (&before.services, &before.interfaces));
    }
    // Nor does a start that is refused leave half of what it wanted.
    bed.lab.write_file("relvs.toml", &on_one(&[]).replace("[\"eth0\"]", "[\"eth0\", \"eth1\"]")).unwrap();
    bed.director.kill().unwrap();
    let refused = bed.director.start().unwrap_err().to_string();
    assert!(refused.contains("eth1"), "{refused}");
    let refused_at_once = |target| {
        let load = Load { timeout: Duration::from_millis(500), ..Load::new(target) };
        let report = load.requests(1).run(bed.client()).unwrap();
        report.failures.keys().any(|why| why.contains("refused"))
    };
    // Its servers' answers come in where it does not serve; but nobody else refuses in their place.
    assert!(!bed.targets(80).into_iter().any(refused_at_once), "the services are gone");
    bed.lab.write_file("relvs.toml", &on_one(&services)).unwrap();
    bed.director.start().unwrap();
    assert!(bed.status().adopted);
}

#[test]
fn wrong_command_lines() {
    for arguments in [
        &[][..],
        &["bogus"],
        &["run", "--xdp-mode", "fast"],
        &["run", "--config"],
        &["run", "stray"],
        &["check"],
        &["status", "--yaml"],
        &["realserver"],
        &["realserver", "up"],
        &["realserver", "up", "--vip", "192.0.2.300"],
        &["realserver", "up", "--vip", "192.0.2.100", "--method", "nat"],
        &["lab", "up", "--topology", "three-armed"],
    ] {
        let output = relvs(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        assert!(text(&output.stderr).contains("--help"), "{arguments:?}: {output:?}");
    }
    for arguments in [&["--help"][..], &["--version"], &["run", "--help"], &["realserver", "check", "--help"]] {
        let output = relvs(arguments);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{arguments:?}");
    }
}
