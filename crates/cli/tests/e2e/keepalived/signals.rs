//! What signals ask for, as of keepalived.

use super::{PACE, dumps, server, start, up};
use crate::bed::{Bed, until};
use crate::configuration::tcp;
use nix::sys::signal::{Signal, kill};
use relvs_lab::{Shape, Topology};
use relvs_model::Method;
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::Command,
};

#[test]
fn files_are_written_where_keepalived_writes_them() {
    let conf = |bed: &Bed| {
        let [vip, _] = bed.vips;
        let interface = &bed.node("d1").ports()[0].interface;
        let servers = ["s1", "s2"].map(|name| server(bed, name, vip, "TCP_CHECK {\n }")).concat();
        format!(
            "vrrp_script chk {{\n script /bin/true\n interval 1\n weight 2\n user root\n}}\n\
             vrrp_instance VI_1 {{\n state MASTER\n interface {interface}\n virtual_router_id 51\n priority 100\n advert_int 1\n \
             virtual_ipaddress {{\n {vip}/24\n }}\n track_script {{\n chk\n }}\n}}\n\
             virtual_server {vip} 80 {{\n {PACE} lb_algo rr\n lb_kind DR\n protocol TCP\n{servers}}}\n"
        )
    };
    let like = [tcp(80, "rr", &[("s1", Method::Dr, 1), ("s2", Method::Dr, 1)])];
    let Some(bed) = start(&Shape::new(Topology::OneArmed).servers(2), &like, "", conf) else { return };
    until("both servers were asked", || up(&bed) == [true, true]);
    until("it is master", || bed.director.log().contains("MASTER"));
    let folder = dumps(&bed);
    // Whoever can write there may have put a link to something else in its place.
    let precious = bed.lab.write_file("precious", "precious").unwrap();
    symlink(&precious, folder.join("keepalived.data")).unwrap();

    let pid = nix::unistd::Pid::from_raw(bed.director.process().unwrap().pid().cast_signed());
    kill(pid, Signal::SIGUSR1).unwrap();
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    until("what there is is written", || read("keepalived_check.data").contains("Real server"));
    let data = read("keepalived.data");
    for line in
        [" VRRP Instance = VI_1", "   State = MASTER", "   Virtual Router ID = 51", "   Effective priority = 102"]
    {
        assert!(data.lines().any(|found| found == line), "{line}: {data}");
    }
    assert!(read("keepalived_check.data").contains("Status = UP"), "{}", read("keepalived_check.data"));
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&folder.join("keepalived.data")), 0o600);

    kill(pid, Signal::SIGUSR2).unwrap();
    until("what was counted is written", || read("keepalived.stats").contains("Became master: 1"));

    // By the number that keepalived itself says, as scripts do.
    let json = Command::new("keepalived").arg("--signum=JSON").output().unwrap();
    let number = String::from_utf8(json.stdout).unwrap().trim().to_owned();
    assert!(Command::new("kill").args([&format!("-{number}"), &pid.to_string()]).status().unwrap().success());
    until("it is written for programs", || read("keepalived.json").ends_with(']'));
    let json: serde_json::Value = serde_json::from_str(&read("keepalived.json")).unwrap();
    let [one] = json.as_array().unwrap().as_slice() else { panic!("{json}") };
    let (data, counted) = (&one["data"], &one["stats"]);
    assert_eq!(
        (data["iname"].as_str(), data["state"].as_u64(), data["vrid"].as_u64()),
        (Some("VI_1"), Some(2), Some(51))
    );
    assert_eq!((data["effective_priority"].as_u64(), data["vipset"].as_bool()), (Some(102), Some(true)));
    assert_eq!(data["track_script"][0].as_str(), Some("'/bin/true'"));
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let since = data["last_transition"].as_f64().unwrap();
    assert!(since <= now && now - since < 120.0, "{since} at {now}");
    assert_eq!(counted["become_master"].as_u64(), Some(1));
    assert!(counted["advert_sent"].as_u64().unwrap() >= 1);
}
