//! Real servers of every kind at one server behind DR, asked as clients' packets come to it: nginx by HTTP, HTTPS and HTTP/2, dnsmasq,
//! aiosmtpd, an echo of datagrams, and the kernel's own answer to pings. All are down without the VIP, and up with it.

use std::net::SocketAddr;
use std::process::Command;

use relvs_lab::{Process, Shape, Topology};
use relvs_model::{Method, health::CheckStatus};

use super::pace::PACE;
use crate::bed::{Bed, succeeded, until};
use crate::configuration::tcp;

const NGINX: &str = "
daemon off; user root; worker_processes 1; pid DIR/pid; error_log DIR/error.log;
events { worker_connections 512; }
http {
    access_log off; default_type text/plain;
    client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi;
    uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
    server { listen 8080; listen [::]:8080 ipv6only=on; return 200 \"$server_protocol\"; }
    server {
        listen 8443 ssl http2; listen [::]:8443 ssl http2 ipv6only=on;
        ssl_certificate DIR/site.pem; ssl_certificate_key DIR/site.key; return 200 \"$server_protocol $ssl_server_name\";
    }
}
";

/// Services' ports, and what is asked there.
const KINDS: [(&str, &str); 7] = [
    ("8080/tcp", "type = \"http\"\nversion = \"1.1\"\nregex = \"^HTTP/1.1$\""),
    (
        "8443/tcp",
        "type = \"https\"\nhost = \"site.example\"\nregex = \"^HTTP/1.0 site.example$\"\nverify = true\nca = \"DIR/site.pem\"",
    ),
    ("8444/tcp", "type = \"https\"\nversion = \"2\"\nport = 8443\nregex = \"^HTTP/2.0\""),
    ("5353/udp", "type = \"dns\"\nrecord = \"A\"\nname = \"a.example\"\nexpect = \"192.0.2.7\""),
    ("5354/tcp", "type = \"dns\"\nport = 5353\nrecord = \"TXT\"\nname = \"t.example\"\nexpect = \"ready\"\ntcp = true"),
    // The echo says its name first.
    ("53/udp", "type = \"udp\"\npayload = \"70696e67\"\nrequire_reply = true\nexpect = \"73313a70696e67\""),
    ("7/udp", "type = \"ping\"\nsize = 1000"),
];
/// aiosmtpd listens to one address.
const MAIL: (&str, &str) = ("2525/tcp", "type = \"smtp\"");

fn sections(bed: &Bed, directory: &str) -> String {
    let mut all = String::new();
    for vip in bed.vips {
        for (port, check) in KINDS.into_iter().chain([MAIL].into_iter().filter(|_| vip.is_ipv4())) {
            let (port, protocol) = port.split_once('/').unwrap();
            let listen = SocketAddr::new(vip, port.parse().unwrap());
            let lines = format!(
                "listen = \"{listen}/{protocol}\"\nmethod = \"dr\"\n[service.check]\n{}\nthrough_data_path = true\n{}",
                check.replace("DIR", directory),
                PACE.lines()
            );
            all += &bed.section(vip, &lines, &[("s1", "")]);
        }
    }
    all
}

/// Starts them, each in a process of its own, on all addresses of the server.
fn serve(bed: &Bed, directory: &str) -> Vec<Process> {
    let certified = rcgen::generate_simple_self_signed(vec!["site.example".to_owned()]).unwrap();
    let write = |name: &str, text: &str| std::fs::write(format!("{directory}/{name}"), text).unwrap();
    write("site.pem", &certified.cert.pem());
    write("site.key", &certified.signing_key.serialize_pem());
    write("nginx.conf", &NGINX.replace("DIR", directory));
    let start = |program: &str, arguments: &str| {
        let mut command = Command::new(program);
        command.args(arguments.split_whitespace());
        bed.node("s1").start(command).unwrap()
    };
    vec![
        start("nginx", &format!("-e {directory}/error.log -c {directory}/nginx.conf")),
        start(
            "dnsmasq",
            "--keep-in-foreground --no-resolv --no-hosts --conf-file=/dev/null --user=root --port=5353 --pid-file= \
             --host-record=a.example,192.0.2.7 --txt-record=t.example,ready",
        ),
        start("aiosmtpd", "-n -l 0.0.0.0:2525"),
    ]
}

fn checks(bed: &Bed) -> Vec<CheckStatus> {
    let status = bed.status();
    status.checks.into_iter().flat_map(|service| service.servers).flat_map(|server| server.checks).collect()
}

#[test]
fn real_servers_of_every_kind_through_the_data_path() {
    for program in ["nginx", "dnsmasq", "aiosmtpd"] {
        if Command::new(program).arg("--version").output().is_err() {
            return println!("skipped: {program} is not installed");
        }
    }
    let Some(mut bed) = Bed::bare(&Shape::new(Topology::OneArmed).servers(1)) else { return };
    bed.prepare(&[tcp(8080, "rr", &[("s1", Method::Dr, 1)])]);
    let directory = bed.lab.directory().join("kinds");
    std::fs::create_dir_all(&directory).unwrap();
    let directory = directory.display().to_string();
    let servers = serve(&bed, &directory);
    bed.configure_with(&sections(&bed, &directory));
    bed.director.start().unwrap();
    let mut seen = Vec::new();
    let mut all = |up: bool| {
        until(&format!("all are {}", if up { "up" } else { "down" }), || {
            let now = checks(&bed);
            let wrong: Vec<String> = now
                .iter()
                .filter(|check| !check.known || check.up != up)
                .map(|check| format!("{}: {:?}", check.name, check.error))
                .collect();
            if seen != wrong {
                println!("not {}: {wrong:#?}", if up { "up" } else { "down" });
                seen = wrong;
            }
            now.len() == 2 * KINDS.len() + 1 && seen.is_empty()
        });
        checks(&bed)
    };
    all(true);
    succeeded(&bed.realserver("s1", "down", Method::Dr));
    for check in all(false) {
        let why = check.error.unwrap_or_default();
        let nothing_came = ["no connection within 1 s", "no answer within 1 s"];
        assert!(nothing_came.contains(&why.as_str()), "{}: {why}", check.name);
    }
    succeeded(&bed.realserver("s1", "up", Method::Dr));
    all(true);
    drop(servers);
}
