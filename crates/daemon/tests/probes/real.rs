//! Real servers: nginx, dnsmasq, aiosmtpd, and the kernel's own answer to pings.

use crate::{
    ask::{self, down, http, up, why},
    certificates,
    place::Place,
};
use relvs_model::health::{
    DnsProbe, DnsType, HttpProbe, HttpVersion, Outcome, PingProbe, Probe, SmtpProbe, StatusRange, Tls, UdpProbe,
};

impl Place {
    fn ask(&self, probe: &Probe, server: &str) -> Outcome {
        self.namespace.run(|| ask::ask(probe, server.parse().unwrap())).unwrap()
    }

    fn http(&self, probe: HttpProbe, server: &str) -> Outcome {
        self.ask(&Probe::Http(probe), server)
    }
}

const NGINX: &str = "
daemon off; user root; worker_processes 1; pid DIR/pid; error_log DIR/error.log;
events { worker_connections 512; }
http {
    access_log DIR/access.log; default_type text/plain;
    client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi;
    uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate DIR/good.pem; ssl_certificate_key DIR/good.key;
    server {
        listen 127.0.0.1:80 default_server; listen [::1]:80 default_server;
        location / { return 200 \"hello\\n\"; }
        location /ill { return 503; }
        location /moved { return 301 http://elsewhere.example/; }
        location /header { if ($http_x_token != secret) { return 403; } return 200; }
        location /version { return 200 \"$server_protocol\"; }
    }
    server { listen 127.0.0.1:80; server_name site.example; location / { return 200 \"the site\\n\"; } }
    server { listen 127.0.0.1:443 ssl http2; server_name site.example; location / { return 200 \"$server_protocol $ssl_protocol $ssl_server_name\"; } }
    server { listen 127.0.0.1:444 ssl; ssl_certificate DIR/expired.pem; ssl_certificate_key DIR/expired.key; return 200; }
    server { listen 127.0.0.1:445 ssl; ssl_certificate DIR/stranger.pem; ssl_certificate_key DIR/stranger.key; return 200; }
    server { listen 127.0.0.1:446 ssl; ssl_verify_client on; ssl_client_certificate DIR/ca.pem; return 200; }
    server { listen 127.0.0.1:447 ssl; ssl_protocols TLSv1.2; return 200 $ssl_protocol; }
    server { listen 127.0.0.1:449 ssl; ssl_certificate DIR/early.pem; ssl_certificate_key DIR/early.key; return 200; }
    server { listen 127.0.0.1:450 ssl; ssl_certificate DIR/self-signed.pem; ssl_certificate_key DIR/self-signed.key; return 200; }
    server { listen 127.0.0.1:448 ssl; ssl_protocols TLSv1.1; ssl_ciphers DEFAULT@SECLEVEL=0; return 200; }
}
";

pub(crate) fn nginx() -> Option<Place> {
    let mut place = Place::new()?;
    certificates::write(&place);
    let directory = place.path("").display().to_string();
    let configuration = place.write("nginx.conf", &NGINX.replace("DIR/", &directory));
    place.start("nginx", &format!("-e {directory}/error.log -c {configuration}"), "127.0.0.1:80");
    Some(place)
}

#[test]
fn nginx_over_http() {
    let Some(place) = nginx() else { return };
    let site = |version| HttpProbe { version, regex: Some("^HTTP/".to_owned()), ..http("/version") };
    for version in [HttpVersion::Http10, HttpVersion::Http11] {
        assert_eq!(place.http(site(version), "127.0.0.1:80"), up());
        assert_eq!(place.http(site(version), "[::1]:80"), up());
    }
    let other = HttpProbe { regex: Some("HTTP/1.0$".to_owned()), ..http("/version") };
    assert_eq!(place.http(other.clone(), "127.0.0.1:80"), up());
    assert_eq!(
        place.http(HttpProbe { version: HttpVersion::Http11, ..other }, "127.0.0.1:80"),
        down("the body does not match `HTTP/1.0$`")
    );
    // md5sum of "hello\n".
    let digest = |digest: &str| HttpProbe { digest: Some(digest.to_owned()), ..http("/") };
    assert_eq!(place.http(digest("b1946ac92492d2347c6235b4d2611184"), "127.0.0.1:80"), up());
    let wrong = place.http(digest("00000000000000000000000000000000"), "127.0.0.1:80");
    assert!(why(wrong).starts_with("the body's digest is b1946ac92492d2347c6235b4d2611184, expected 0000"));
    let host = HttpProbe {
        host: Some("site.example".to_owned()),
        regex: Some("the site".to_owned()),
        regex_no_match: Some("hello".to_owned()),
        ..http("/")
    };
    assert_eq!(place.http(host, "127.0.0.1:80"), up());
    let no_match = HttpProbe { regex_no_match: Some("h.l+o".to_owned()), ..http("/") };
    assert_eq!(place.http(no_match, "127.0.0.1:80"), down("the body matches `h.l+o`"));
    assert_eq!(place.http(http("/ill"), "127.0.0.1:80"), down("status 503, expected 200 to 299"));
    assert_eq!(place.http(http("/moved"), "127.0.0.1:80"), down("status 301, expected 200 to 299"));
    let moved = HttpProbe { status: vec![StatusRange { first: 301, last: 302 }], ..http("/moved") };
    assert_eq!(place.http(moved, "127.0.0.1:80"), up());
    let header = |value: &str| HttpProbe { headers: vec![("X-Token".to_owned(), value.to_owned())], ..http("/header") };
    assert_eq!(place.http(header("secret"), "127.0.0.1:80"), up());
    assert_eq!(place.http(header("public"), "127.0.0.1:80"), down("status 403, expected 200 to 299"));
    let head = HttpProbe { method: "HEAD".to_owned(), ..http("/") };
    assert_eq!(place.http(head, "127.0.0.1:80"), up());
    assert_eq!(place.http(http("/"), "127.0.0.1:443"), down("status 400, expected 200 to 299"));
}

#[test]
fn nginx_over_tls() {
    let Some(place) = nginx() else { return };
    let ca = place.path("ca.pem").display().to_string();
    let tls = Tls { verify: true, ca: Some(ca), ..Tls::default() };
    let site = |tls: &Tls, regex: &str, version| HttpProbe {
        host: Some("site.example".to_owned()),
        tls: Some(tls.clone()),
        regex: Some(regex.to_owned()),
        version,
        ..http("/")
    };
    let good = |version, regex| place.http(site(&tls, regex, version), "127.0.0.1:443");
    assert_eq!(good(HttpVersion::Http10, "^HTTP/1.0 TLSv1.3 site.example$"), up());
    assert_eq!(good(HttpVersion::Http11, "^HTTP/1.1 TLSv1.3 site.example$"), up());
    assert_eq!(good(HttpVersion::Http2, "^HTTP/2.0 TLSv1.3 site.example$"), up());
    let no_sni = Tls { no_sni: true, ..tls.clone() };
    assert_eq!(place.http(site(&no_sni, "TLSv1.3 $", HttpVersion::Http10), "127.0.0.1:443"), up());
    let ask = |tls: &Tls, server: &str| place.http(site(tls, "", HttpVersion::Http10), server);
    assert_eq!(ask(&tls, "127.0.0.1:444"), down("the certificate has expired"));
    assert_eq!(ask(&tls, "127.0.0.1:445"), down("the certificate is for another name"));
    assert_eq!(ask(&tls, "127.0.0.1:449"), down("the certificate is not valid yet"));
    assert_eq!(ask(&tls, "127.0.0.1:450"), down("the certificate's issuer is not trusted"));
    let system = Tls { ca: None, ..tls.clone() };
    let why_system = why(ask(&system, "127.0.0.1:443"));
    assert!(
        why_system == "the certificate's issuer is not trusted"
            || why_system.starts_with("no authorities on this system"),
        "{why_system}"
    );
    for server in [443, 444, 445, 449, 450].map(|port| format!("127.0.0.1:{port}")) {
        assert_eq!(ask(&Tls::default(), &server), up(), "nothing is verified unless it is said");
    }
    assert_eq!(ask(&tls, "127.0.0.1:446"), down("status 400, expected 200 to 299"), "no certificate shown");
    let path = |name: &str| Some(place.path(name).display().to_string());
    let shown = Tls { certificate: path("good.pem"), key: path("good.key"), ..tls.clone() };
    assert_eq!(ask(&shown, "127.0.0.1:446"), up());
    assert_eq!(place.http(site(&tls, "TLSv1.2", HttpVersion::Http10), "127.0.0.1:447"), up());
    assert_eq!(ask(&tls, "127.0.0.1:448"), down("the server refused TLS: it speaks neither 1.2 nor 1.3"));
    assert_eq!(ask(&tls, "127.0.0.1:80"), down("the answer is not TLS"));
    assert_eq!(
        place.http(site(&Tls::default(), "", HttpVersion::Http2), "127.0.0.1:444"),
        down("the server refused TLS: it does not speak the protocol that was asked for")
    );
}

#[test]
fn a_dns_server() {
    let Some(mut place) = Place::new() else { return };
    place.start(
        "dnsmasq",
        "--keep-in-foreground --no-resolv --no-hosts --conf-file=/dev/null --user=root --port=53 --pid-file= \
         --listen-address=127.0.0.1 --bind-interfaces --host-record=a.example,192.0.2.7,2001:db8::7 \
         --txt-record=t.example,ready --mx-host=m.example,mail.example,10 --auth-zone=zone.example \
         --auth-server=ns.example --auth-soa=1,admin.example",
        "127.0.0.1:53",
    );
    let ask = |record, name: &str, expect: Option<&str>, tcp| {
        let expect = expect.map(str::to_owned);
        place.ask(&Probe::Dns(DnsProbe { record, name: name.to_owned(), expect, tcp }), "127.0.0.1:53")
    };
    for tcp in [false, true] {
        assert_eq!(ask(DnsType::A, "a.example", None, tcp), up());
        assert_eq!(ask(DnsType::A, "a.example.", Some("192.0.2.7"), tcp), up());
        assert_eq!(ask(DnsType::Aaaa, "a.example", Some("2001:db8:0::7"), tcp), up());
        assert_eq!(ask(DnsType::Txt, "t.example", Some("ready"), tcp), up());
        assert_eq!(ask(DnsType::Mx, "m.example", Some("10 mail.example"), tcp), up());
        assert_eq!(
            ask(DnsType::A, "a.example", Some("192.0.2.8"), tcp),
            down("the answer is 192.0.2.7, expected 192.0.2.8")
        );
        let refused = why(ask(DnsType::Soa, "elsewhere.example", None, tcp));
        assert!(refused.starts_with("the server answers with an error: "), "{refused}");
    }
    // The same server by its datagrams alone: a query for t.example, TXT, with the id 0x7777 (RFC 1035, section 4.1).
    let udp = |payload: &str, expect: &str| {
        let (payload, expect) = (Some(payload.to_owned()), Some(expect.to_owned()));
        let udp = UdpProbe { payload, expect, require_reply: true, min_reply_length: 12, max_reply_length: 512 };
        place.namespace.run(|| ask::ask_shortly(&Probe::Udp(udp), "127.0.0.1:53".parse().unwrap())).unwrap()
    };
    let query = "7777010000010000000000000174076578616d706c650000100001";
    assert_eq!(udp(query, "7777"), up());
    assert_eq!(udp(query, "7778"), down("the reply does not begin as expected"));
    assert_eq!(udp("77", "77"), down("no answer within 400 ms"), "no query at all");
}

#[test]
fn a_mail_server() {
    let Some(mut place) = Place::new() else { return };
    certificates::write(&place);
    place.start("aiosmtpd", "-n -l 127.0.0.1:25", "127.0.0.1:25");
    let (certificate, key) = (place.path("good.pem"), place.path("good.key"));
    let tls = format!("-n -l 127.0.0.1:465 --smtpscert {} --smtpskey {}", certificate.display(), key.display());
    place.start("aiosmtpd", &tls, "127.0.0.1:465");
    assert_eq!(place.ask(&Probe::Smtp(SmtpProbe::default()), "127.0.0.1:25"), up());
    let over = |verify, name: &str| {
        let ca = Some(place.path("ca.pem").display().to_string());
        let tls = Tls { verify, ca, name: Some(name.to_owned()), ..Tls::default() };
        Probe::Smtp(SmtpProbe { tls: Some(tls), ..SmtpProbe::default() })
    };
    assert_eq!(place.ask(&over(true, "site.example"), "127.0.0.1:465"), up());
    assert_eq!(place.ask(&over(true, "else.example"), "127.0.0.1:465"), down("the certificate is for another name"));
    assert_eq!(place.ask(&over(true, "site.example"), "127.0.0.1:25"), down("the answer is not TLS"));
}

#[test]
fn echo_requests() {
    let Some(place) = Place::new() else { return };
    let ping = |server: &str, size| place.ask(&Probe::Ping(PingProbe { size }), server);
    let shortly = |server: &str| {
        let probe = Probe::Ping(PingProbe::default());
        place.namespace.run(|| ask::ask_shortly(&probe, server.parse().unwrap())).unwrap()
    };
    for group in ["1 0", "0 2147483647"] {
        let key = std::path::Path::new("/proc/sys/net/ipv4/ping_group_range");
        place.namespace.run(|| std::fs::write(key, group).unwrap()).unwrap();
        for server in ["127.0.0.1:0", "[::1]:0"] {
            assert_eq!((ping(server, 0), ping(server, 1400), ping(server, 65_535)), (up(), up(), up()), "{group}");
        }
        assert_eq!(ping("192.0.2.1:0", 0), down("network unreachable: there is no route"));
    }
    place.namespace.ip("link add far0 type veth peer name far1").unwrap();
    place.namespace.ip("addr add 192.0.2.254/24 dev far0").unwrap();
    place.namespace.ip("link set far0 up").unwrap();
    place.namespace.ip("link set far1 up").unwrap();
    assert_eq!(shortly("192.0.2.1:0"), down("no answer within 400 ms"));
}
