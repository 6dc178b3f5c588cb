//! `keepalived -t` by its exit codes: small files, each with one thing right or wrong, and what keepalived 2.2.7 said of
//! them. Where that version is installed, it is asked again. No privilege is needed.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output},
};

const ORIGINAL: &str = "/usr/sbin/keepalived";

/// Stands for an interface that this machine has.
const INTERFACE: &str = "INTERFACE";

/// Scripts are run as root, and may be.
const SECURE: &str = "global_defs {\n enable_script_security\n script_user root\n}\n";

fn global(line: &str) -> String {
    format!("global_defs {{\n {line}\n}}\n")
}

fn instance(lines: &str) -> String {
    let has = |word: &str| lines.lines().any(|line| line.trim_start().starts_with(word));
    let usual = [("interface", "interface INTERFACE"), ("virtual_router_id", "virtual_router_id 51")];
    let own: String = usual.iter().filter(|(word, _)| !has(word)).map(|(_, line)| format!(" {line}\n")).collect();
    let address = if has("virtual_ipaddress {") { "" } else { " virtual_ipaddress {\n 192.0.2.100\n }\n" };
    format!("{SECURE}vrrp_instance V1 {{\n{own}{address} {lines}\n}}\n")
}

fn tracking(lines: &str) -> String {
    let instance = instance("track_script {\n chk\n }");
    instance.replace("vrrp_instance", &format!("vrrp_script chk {{\n script /bin/true\n {lines}\n}}\nvrrp_instance"))
}

/// A service of one server, at `VIP PORT`, with more lines and more in its server.
fn service(head: &str, lines: &str, server: &str) -> String {
    let has = |word: &str| lines.lines().any(|line| line.trim_start().starts_with(word));
    let usual = [("lb_algo", "lb_algo rr"), ("lb_kind", "lb_kind DR"), ("protocol", "protocol TCP")];
    let own: String = usual.iter().filter(|(word, _)| !has(word)).map(|(_, line)| format!(" {line}\n")).collect();
    format!("{SECURE}virtual_server {head} {{\n{own} {lines}\n real_server 10.0.0.11 80 {{\n {server}\n }}\n}}\n")
}

fn of_service(lines: &str) -> String {
    service("192.0.2.100 80", lines, "TCP_CHECK {\n }")
}

fn checked(check: &str) -> String {
    service("192.0.2.100 80", "", check)
}

/// Files, and with what keepalived 2.2.7 ends.
fn cases() -> Vec<(String, i32)> {
    let mut cases = vec![
        // All is well.
        (String::new(), 0),
        (global("router_id a"), 0),
        (instance(""), 0),
        (instance("advert_int 2\n state MASTER\n priority 150"), 0),
        (tracking("weight -5\n fall 2"), 0),
        (of_service("delay_loop 6\n persistence_timeout 50"), 0),
        (checked("HTTP_GET {\n url {\n path /\n status_code 200-299\n }\n retry 0\n }"), 0),
        (checked("MISC_CHECK {\n misc_path /bin/true\n }"), 0),
        ("~SEQ(A, 1, 3) vrrp_script s${A} { script /bin/true }\n".to_owned(), 0),
        ("@nobody foo\n".to_owned(), 0),
        ("include /nowhere.conf\n".to_owned(), 0),
        // Nothing follows a keyword that needs a word: keepalived gives up.
        (global("vrrp_garp_interval"), 2),
        (global("random_seed"), 2),
        (instance("priority"), 2),
        (instance("debug"), 2),
        (tracking("interval"), 2),
        (of_service("delay_loop"), 2),
        (of_service("quorum"), 2),
        (checked("TCP_CHECK {\n connect_port\n }"), 2),
        ("virtual_server\n".to_owned(), 2),
        ("foo\nvrrp_script {\n}\n".to_owned(), 2),
        // ... but after some it goes on.
        (global("router_id"), 5),
        (of_service("virtualhost"), 5),
        (instance("kernel_rx_buf_size"), 5),
        // The language.
        ("foo bar\n".to_owned(), 5),
        ("}\n".to_owned(), 5),
        (global("router_id a").replace("}\n", ""), 5),
        (global("router_id ${NOWHERE}"), 5),
        (instance("priority 100\n unknown_word 1"), 5),
        (of_service("unknown_word 1"), 5),
        (checked("TCP_CHECK {\n unknown_word 1\n }"), 5),
        (checked("FOO_CHECK {\n }"), 5),
        ("includea /nowhere.conf\n".to_owned(), 6),
        // Values.
        (global("vrrp_garp_interval 0"), 5),
        (global("vrrp_version 4"), 5),
        (global("vrrp_rt_priority 100"), 5),
        (global("vrrp_mcast_group4 10.0.0.1"), 5),
        (global("notification_email {\n }"), 5),
        (global("lvs_timeouts"), 5),
        (global("smtp_alert maybe"), 5),
        (instance("virtual_router_id 256"), 5),
        (instance("priority 0"), 5),
        (instance("advert_int 0.5"), 5),
        (instance("state SLAVE"), 5),
        (instance("garp_master_delay 1.5"), 5),
        (instance("interface none0"), 5),
        (instance("virtual_ipaddress {\n 192.0.2.300\n }"), 5),
        (instance("virtual_ipaddress {\n 192.0.2.100 dev none0\n }"), 5),
        (instance("virtual_ipaddress {\n 192.0.2.100 scope nothing\n }"), 5),
        (instance("virtual_ipaddress {\n 192.0.2.100 label far_too_long:name\n }"), 5),
        (tracking("weight 300"), 5),
        (tracking("weight 5 backwards"), 5),
        (of_service("lb_algo loadbalance"), 5),
        (of_service("lb_kind dr"), 5),
        (of_service("protocol QUIC"), 5),
        (of_service("persistence_timeout 0"), 5),
        (of_service("retry 0"), 5),
        (of_service("weight 0"), 5),
        (checked("weight -1"), 5),
        (checked("smtp_alert maybe"), 5),
        (checked("HTTP_GET {\n url {\n path /\n status_code 99\n }\n }"), 5),
        (checked("UDP_CHECK {\n payload 0g\n }"), 5),
        (checked("DNS_CHECK {\n name a..b\n }"), 5),
        // What does not fit together.
        (instance("authentication {\n auth_type PASS\n }"), 5),
        (instance("version 3\n authentication {\n auth_type PASS\n auth_pass a\n }"), 5),
        (instance("unicast_src_ip 10.0.0.1"), 5),
        (instance("state MASTER\n nopreempt"), 5),
        (instance("lvs_sync_daemon_interface INTERFACE"), 5),
        (instance("track_script {\n nothing\n }"), 5),
        (instance("virtual_routes {\n 10.1.0.0/24 via 10.0.0.1\n }"), 5),
        (instance("virtual_routes {\n 10.1.0.0/24 via 10.0.0.1 no_track\n }"), 0),
        (instance("virtual_rules {\n from 10.1.0.0/24 table 1\n }"), 5),
        (instance("") + &instance("virtual_router_id 52").replace(SECURE, ""), 5),
        (of_service("lb_algo").replace(" lb_algo\n", ""), 5),
        (of_service("quorum 5"), 5),
        (of_service("quorum 2\n hysteresis 2"), 5),
        (of_service("ops"), 5),
        (of_service("sh-port"), 5),
        (of_service("lb_algo sh\n sh-port"), 0),
        (of_service("sorry_server_inhibit"), 5),
        (of_service("sorry_server 10.0.0.9 80\n sorry_server_inhibit"), 0),
        (service("fwmark 7", "", ""), 5),
        (service("192.0.2.100 8080", "", ""), 5),
        (service("2001:db8::1 80", "", ""), 5),
        (format!("{SECURE}virtual_server 192.0.2.100 80 {{\n lb_algo rr\n lb_kind DR\n protocol TCP\n}}\n"), 5),
        (checked("TCP_CHECK {\n bindto 2001:db8::1\n }"), 5),
        (checked("UDP_CHECK {\n min_reply_length 9\n max_reply_length 5\n }"), 5),
        (checked("HTTP_GET {\n nb_get_retry 3\n url {\n path /\n }\n }"), 5),
        (checked("TCP_CHECK {\n nb_get_retry 3\n }"), 5),
    ];
    // Scripts, and nobody has said as whom they may be run.
    cases.push((tracking("").replace(" enable_script_security\n", ""), 6));
    cases.push((checked("MISC_CHECK {\n misc_path /bin/true\n }").replace(" enable_script_security\n", ""), 6));
    cases.push((instance("notify /bin/true\n unknown_word").replace(" enable_script_security\n", ""), 6));
    cases
}

fn tested(program: &Path, file: &Path) -> Output {
    Command::new(program).args(["-t", "-f"]).arg(file).output().unwrap()
}

/// Whether the version is there whose answers these are.
fn is_there() -> bool {
    let said = Command::new(ORIGINAL).arg("-v").output();
    said.is_ok_and(|said| String::from_utf8_lossy(&said.stderr).contains("v2.2.7 "))
}

/// That of the default route, which no other test takes away; else lo.
fn interface() -> String {
    let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let mut routes = routes.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let default = routes.find(|words| words.get(1) == Some(&"00000000"));
    default.map_or("lo", |words| words[0]).to_owned()
}

#[test]
fn small_files_end_as_with_keepalived() {
    let folder = tempfile::tempdir().unwrap();
    let ours = folder.path().join("keepalived");
    symlink(env!("CARGO_BIN_EXE_relvs"), &ours).unwrap();
    let original = is_there();
    if !original {
        println!("keepalived 2.2.7 is not installed: what it said once is what counts");
    }
    let file = folder.path().join("k.conf");
    // keepalived takes no instance on lo; whether it takes one on what else is here, it is asked.
    let interface = interface();
    fs::write(&file, instance("").replace(INTERFACE, &interface)).unwrap();
    let takes = original && tested(Path::new(ORIGINAL), &file).status.code() == Some(0);
    if original && !takes {
        println!("keepalived is not asked about virtual routers: it takes none on {interface}");
    }
    let mut wrong = Vec::new();
    for (text, code) in cases() {
        let original = original && (takes || !text.contains(INTERFACE));
        let text = text.replace(INTERFACE, &interface);
        fs::write(&file, &text).unwrap();
        let found = tested(&ours, &file);
        let said = String::from_utf8_lossy(&found.stderr).into_owned();
        if found.status.code() != Some(code) {
            wrong.push(format!("{:?} in place of {code} for\n{text}{said}", found.status.code()));
        } else if (code == 2 || code == 5) && !said.lines().any(|line| line.contains("k.conf:") && line.contains("; "))
        {
            wrong.push(format!("no line says what is wrong and what to do for\n{text}{said}"));
        }
        if original {
            let theirs = tested(Path::new(ORIGINAL), &file).status.code();
            if theirs != Some(code) {
                wrong.push(format!("keepalived itself ends with {theirs:?}, not {code}, for\n{text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
