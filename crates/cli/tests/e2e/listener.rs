//! The API over TCP: who is let in, who is not, and that nobody can hold up the others.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use relvs_lab::{Node, Shape, Topology};
use relvs_model::Method;

use crate::bed::{Bed, succeeded, text, until};
use crate::configuration::tcp;

const ADDRESS: &str = "127.0.0.1:9111";
const TOKEN: &str = "a-token-that-allows-everything";
const READ_TOKEN: &str = "a-token-that-allows-to-read";

/// Files of certificates and tokens, in a directory of the lab.
struct Files(PathBuf);

impl Files {
    fn new(bed: &Bed) -> Self {
        let directory = bed.lab.directory().join("keys");
        fs::create_dir_all(&directory).unwrap();
        let files = Files(directory);
        files.write("token", TOKEN);
        files.write("read-token", READ_TOKEN);
        for authority in ["authority", "stranger"] {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.distinguished_name.push(DnType::CommonName, authority);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
            files.write(authority, &issuer.pem());
            for (name, purpose) in
                [("director", ExtendedKeyUsagePurpose::ServerAuth), ("client", ExtendedKeyUsagePurpose::ClientAuth)]
            {
                let key = KeyPair::generate().unwrap();
                let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
                params.distinguished_name.push(DnType::CommonName, name);
                params.extended_key_usages.push(purpose);
                let certificate = params.signed_by(&key, &issuer).unwrap();
                files.write(&format!("{authority}-{name}"), &certificate.pem());
                files.write(&format!("{authority}-{name}-key"), &key.serialize_pem());
            }
        }
        files
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
        fs::set_permissions(self.0.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// A key of the configuration that names a file.
    fn line(&self, key: &str, name: &str) -> String {
        format!("{key} = \"{}\"\n", self.path(name))
    }

    fn certificate(&self) -> String {
        self.line("certificate", "authority-director") + &self.line("key", "authority-director-key")
    }
}

/// A director with these lines of `[api]`, that forwards to one server.
fn listening(lines: impl FnOnce(&Files) -> String) -> Option<(Bed, Files)> {
    let bed = Bed::bare(&Shape::new(Topology::OneArmed).servers(1))?;
    let files = Files::new(&bed);
    let lines = format!("[api]\nlisten = \"{ADDRESS}\"\n{}", lines(&files));
    let mut bed = bed.settings(lines.leak());
    bed.run(&[tcp(80, "rr", &[("s1", Method::Dr, 1)])]);
    Some((bed, files))
}

/// `relvs` with these words, on the director's node, and how it ended.
fn relvs(bed: &Bed, words: &[&str]) -> (Option<i32>, String) {
    let output: Output = bed.director.relvs(words).unwrap();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn a_token_lets_in_through_tls_and_nothing_else_does() {
    let tokens = |files: &Files| {
        files.line("token_file", "token") + &files.line("read_token_file", "read-token") + &files.certificate()
    };
    let Some((bed, files)) = listening(tokens) else { return };
    let (url, ca, stranger) = (format!("https://{ADDRESS}"), files.path("authority"), files.path("stranger"));
    let (token, read) = (files.path("token"), files.path("read-token"));
    let at = |more: &[&str], words: &[&str]| {
        let mut all = vec!["--api", url.as_str()];
        all.extend(more);
        all.extend(words);
        relvs(&bed, &all)
    };
    let full = ["--token-file", token.as_str(), "--cacert", ca.as_str()];
    let reading = ["--token-file", read.as_str(), "--cacert", ca.as_str()];
    let vip = bed.targets(80)[0].to_string();
    let rip = bed.node("s1").sockets(80)[0].to_string();

    let (code, said) = at(&full, &["status"]);
    assert!(code == Some(0) && said.contains(&format!("{vip}/tcp rr")), "{said}");
    assert_eq!(at(&reading, &["status"]).0, Some(0));
    assert_eq!(at(&reading, &["flows"]).0, Some(0));
    let edit = ["server", "edit", &vip, &rip, "--weight", "7"];
    let (code, said) = at(&reading, &edit);
    assert!(code == Some(1) && said.contains("this token allows to read, and nothing else"), "{said}");
    assert_eq!(bed.status().services[0].servers[0].weight, 1);
    let (code, said) = at(&full, &edit);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(bed.status().services[0].servers[0].weight, 7);
    let (code, said) = at(&["--cacert", &ca], &["status"]);
    assert!(code == Some(1) && said.contains("a token is wanted"), "{said}");
    files.write("wrong", &TOKEN.replace("everything", "everythinG"));
    let (code, said) = at(&["--token-file", &files.path("wrong"), "--cacert", &ca], &["status"]);
    assert!(code == Some(1) && said.contains("this is not the token"), "{said}");
    // A director that is not who it says it is.
    for trusted in [&["--cacert", stranger.as_str()][..], &[]] {
        let (code, said) = at(&[&["--token-file", &token], trusted].concat(), &["status"]);
        assert!(code == Some(1) && said.starts_with(&format!("no director answers at {url}: ")), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }

    // ipvsadm, by the environment.
    let mut command = std::process::Command::new(crate::bed::RELVS);
    command.args(["ipvsadm", "-Ln"]).env("RELVS_API", &url).env("RELVS_TOKEN_FILE", &token).env("RELVS_CACERT", &ca);
    let output = bed.node("d1").run_command(command, "").unwrap();
    assert!(output.status.success() && text(&output.stdout).contains(&format!("TCP  {vip} rr")), "{output:?}");

    // Older TLS, no TLS, no path without a token.
    let curl = |words: &[&str]| {
        text(&bed.node("d1").run("curl", [&["-sS", "--max-time", "10"], words].concat()).unwrap().stdout)
    };
    let code = ["-o", "/dev/null", "-w", "%{http_code}", "--cacert", ca.as_str()];
    let status = |more: &[&str], path: &str| curl(&[&code[..], more, &[&format!("{url}{path}")]].concat());
    let bearer = format!("Authorization: Bearer {TOKEN}");
    for path in ["/v1/status", "/v1/configuration", "/metrics", "/healthz", "/readyz", "/v1/openapi.json", "/nothing"] {
        assert_eq!(status(&[], path), "401", "{path}");
    }
    assert!(curl(&["-i", "--cacert", &ca, &format!("{url}/")]).to_lowercase().contains("\nwww-authenticate: bearer\r"));
    for version in ["1.2", "1.3"] {
        let range = [format!("--tlsv{version}"), "--tls-max".to_owned(), version.to_owned()];
        let range: Vec<&str> = range.iter().map(String::as_str).chain(["-H", &bearer]).collect();
        assert_eq!(status(&range, "/v1/status"), "200", "{version}");
    }
    let old = ["--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", "-H", &bearer];
    assert_eq!(status(&old, "/v1/status"), "000");
    assert_eq!(curl(&[&code[..], &["-H", &bearer, &format!("http://{ADDRESS}/v1/status")]].concat()), "000");

    // Another token from the next reload on, also on connections that are open.
    files.write("token", "a-token-of-the-next-month");
    bed.director.reload().unwrap();
    until("the old token is no more", || status(&["-H", &bearer], "/v1/status") == "401");
    assert_eq!(at(&full, &["status"]).0, Some(0));
    assert_eq!(status(&["-H", &format!("Authorization: Bearer {TOKEN}")], "/v1/status"), "401");
}

#[test]
fn a_certificate_lets_in() {
    let clients = |files: &Files| files.line("client_ca", "authority") + &files.certificate();
    let Some((bed, files)) = listening(clients) else { return };
    let (url, ca) = (format!("https://{ADDRESS}"), files.path("authority"));
    let as_client = |name: &str| {
        let (certificate, key) = (files.path(name), files.path(&format!("{name}-key")));
        relvs(&bed, &["--api", &url, "--cacert", &ca, "--client-cert", &certificate, "--client-key", &key, "status"])
    };
    let (code, said) = as_client("authority-client");
    assert!(code == Some(0) && said.contains("relvs "), "{said}");
    for wrong in ["stranger-client", "authority-director"] {
        let (code, said) = as_client(wrong);
        assert_eq!((code, said.lines().count()), (Some(1), 1), "{wrong}: {said}");
    }
    let (code, said) = relvs(&bed, &["--api", &url, "--cacert", &ca, "status"]);
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
}

#[test]
fn whoever_says_nothing_holds_up_nobody() {
    let Some((bed, files)) = listening(|files| files.line("token_file", "token")) else { return };
    let director = bed.node("d1").clone();
    let address: SocketAddr = ADDRESS.parse().unwrap();
    // More than there is room for, and half of a request on each.
    let open = |count: usize, said: &'static [u8]| -> Vec<TcpStream> {
        let connect = move || {
            let mut stream = TcpStream::connect(address).unwrap();
            let _ = stream.write_all(said);
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            stream
        };
        director.with(move || (0..count).map(|_| connect()).collect()).unwrap()
    };
    let mut held = open(64, b"GET /v1/status HTTP/1.1\r\nAuthorization: Bearer ");
    let mut said = String::new();
    let _ = open(1, b"").remove(0).read_to_string(&mut said);
    assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("\"code\":\"busy\""), "{said}");
    // Meanwhile everything else goes on.
    bed.requests(bed.targets(80)[0], 20);
    succeeded(&bed.director.relvs(["status"]).unwrap());
    // They are let go of after ten seconds.
    for stream in &mut held {
        let _ = stream.read_to_end(&mut Vec::new());
    }
    let (token, url) = (files.path("token"), format!("http://{ADDRESS}"));
    let (code, said) = relvs(&bed, &["--api", &url, "--token-file", &token, "status"]);
    assert_eq!(code, Some(0), "{said}");
    // A request that is too large, or never ends, without a token: it is not read.
    let mut large =
        open(1, b"PUT /v1/configuration HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{").remove(0);
    let mut said = String::new();
    let _ = large.read_to_string(&mut said);
    assert!(said.starts_with("HTTP/1.1 401 "), "{said}");
    // More in a second than is answered.
    let flood = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n").repeat(1500);
    let flood = flood + "GET /healthz HTTP/1.0\r\n\r\n";
    let mut stream = open(1, b"").remove(0);
    let mut writer = stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || drop(writer.write_all(flood.as_bytes())));
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    writing.join().unwrap();
    let said = text(&said);
    let answered = said.matches("HTTP/1.1 200 ").count();
    assert!(answered >= 300 && said.contains("HTTP/1.1 429 "), "{answered} answered of {}", said.len());
    until("there is room again", || relvs(&bed, &["--api", &url, "--token-file", &token, "status"]).0 == Some(0));
    bed.requests(bed.targets(80)[0], 20);
}

#[test]
fn what_would_let_in_everybody_is_refused() {
    let Some((mut bed, files)) = listening(|files| files.line("token_file", "token")) else { return };
    let node: &Node = bed.node("d1");
    let asked = format!("http://{ADDRESS}/healthz");
    let code = ["-s", "-o", "/dev/null", "-w", "%{http_code}", &asked].map(str::to_owned);
    let listens = |node: &Node| text(&node.run("curl", code.clone()).unwrap().stdout) == "401";
    assert!(listens(node));
    let token = PathBuf::from(files.path("token"));
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    bed.configure(&[tcp(80, "rr", &[("s1", Method::Dr, 9)])]);
    let said = bed.hangup();
    assert!(said.contains("everybody may use it (mode 0644); chmod 640 it"), "{said}");
    assert!(listens(bed.node("d1")) && bed.status().services[0].servers[0].weight == 1);
    bed.director.terminate().unwrap();
    let refused = bed.director.start().unwrap_err().to_string();
    assert!(refused.contains("everybody may use it"), "{refused}");
    assert!(!listens(bed.node("d1")));
    // Without a token at all the file is refused, where it says so.
    bed = bed.settings("[api]\nlisten = \"127.0.0.1:9111\"\n");
    bed.configure(&[tcp(80, "rr", &[("s1", Method::Dr, 1)])]);
    let refused = bed.director.start().unwrap_err().to_string();
    assert!(refused.contains("relvs.toml:5:10: error: `listen` without `token_file` or `client_ca`"), "{refused}");
}

#[test]
fn the_control_socket_is_whose_the_file_says() {
    let Some(bed) = Bed::bare(&Shape::new(Topology::OneArmed).servers(1)) else { return };
    let services = [tcp(80, "rr", &[("s1", Method::Dr, 1)])];
    let mut bed = bed.settings("[api]\ngroup = \"4711\"\n");
    bed.run(&services);
    let socket = bed.run_dir().join("control.sock");
    let whose = |socket: &Path| {
        let about = fs::metadata(socket).unwrap();
        (about.gid(), about.mode() & 0o777)
    };
    assert_eq!(whose(&socket), (4711, 0o660));
    bed = bed.settings("[api]\ngroup = \"no-such-group\"\n");
    bed.configure(&services);
    let said = bed.hangup();
    assert!(said.contains("there is no group `no-such-group`"), "{said}");
    assert_eq!(whose(&socket), (4711, 0o660));
    bed = bed.settings("[api]\ngroup = \"4712\"\nmode = \"0600\"\n");
    bed.reload(&services);
    assert_eq!(whose(&socket), (4712, 0o600));
    bed = bed.settings("");
    bed.reload(&services);
    assert_eq!(whose(&socket).1, 0o660);
    assert_ne!(whose(&socket).0, 4712);
}
