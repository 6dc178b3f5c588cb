//! `relvs check` on a director: each thing that cannot work is made so, found at its place, and gone when its remedy is
//! followed. Commands in remedies are run as they are written.

use std::process::Output;

use relvs_lab::{Node, Shape, Topology};
use relvs_model::Method;
use serde_json::Value;

use crate::bed::{Bed, RELVS, succeeded, text};
use crate::configuration::{Service, tcp};

/// Veths are slow in any case: what the others say is to stand alone.
const GENERIC: &str = "xdp_mode = \"generic\"";

/// A lab and a configuration in which all is as it should be.
fn right(shape: &Shape, services: &[Service]) -> Option<Bed> {
    let bed = Bed::bare(shape)?.settings(GENERIC);
    bed.prepare(services);
    bed.configure(services);
    bed.is_right();
    Some(bed)
}

/// One thing that is said.
#[derive(Clone, Debug)]
struct Said {
    severity: String,
    /// The line of the file that is meant.
    line: String,
    message: String,
    help: String,
}

impl Said {
    /// The first command in the remedy.
    fn command(&self) -> &str {
        self.help.split('`').nth(1).unwrap_or_else(|| panic!("no command: {self:?}"))
    }
}

impl Bed {
    /// Follows a remedy on a node, by its command as it is written.
    fn follow(&self, said: &Said, node: &Node) {
        let command = said.command().replace("relvs ", &format!("{RELVS} "));
        let run_dir = format!("RELVS_RUN_DIR={}", self.lab.run_dir(node.name()).display());
        node.check("env", [&run_dir, "sh", "-c", &command]).unwrap();
    }

    fn check(&self, more: &[&str]) -> Output {
        let config = self.config().display().to_string();
        let arguments: Vec<&str> = ["check", &config].into_iter().chain(more.iter().copied()).collect();
        self.director.relvs(arguments).unwrap()
    }

    /// What is said, and whether the exit code and the counts agree with it.
    fn said(&self) -> Vec<Said> {
        let output = self.check(&["--json"]);
        let all: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let file = std::fs::read_to_string(self.config()).unwrap();
        let one = |said: &Value| Said {
            severity: said["severity"].as_str().unwrap().to_owned(),
            line: file.lines().nth(said["line"].as_u64().unwrap() as usize - 1).unwrap().to_owned(),
            message: said["message"].as_str().unwrap().to_owned(),
            help: said["help"].as_str().unwrap().to_owned(),
        };
        let said: Vec<Said> = all["diagnostics"].as_array().unwrap().iter().map(one).collect();
        let errors = said.iter().filter(|said| said.severity == "error").count();
        assert_eq!(all["errors"].as_u64().unwrap() as usize, errors);
        assert_eq!(output.status.code(), Some(i32::from(errors > 0)), "{said:?}");
        assert_eq!(all["network"], true);
        said
    }

    #[track_caller]
    fn is_right(&self) {
        let said = self.said();
        assert!(said.is_empty(), "{said:#?}");
    }

    /// The one that has this message, of this severity, at a line that has this text.
    #[track_caller]
    fn says(&self, severity: &str, line: &str, message: &str) -> Said {
        let said = self.said();
        let found = said.iter().find(|said| said.message.contains(message));
        let found = found.unwrap_or_else(|| panic!("not said: {message}; but {said:#?}"));
        assert_eq!(found.severity, severity, "{found:?}");
        assert!(found.line.contains(line), "{found:?}");
        found.clone()
    }
}

#[test]
fn what_cannot_work_is_found_and_its_remedy_works() {
    let services = [tcp(80, "rr", &[("s1", Method::Dr, 1), ("s2", Method::Dr, 1)])];
    let Some(bed) = right(&Shape::new(Topology::OneArmed).servers(2), &services) else { return };
    let d1 = bed.node("d1");
    let page = text(&bed.check(&[]).stdout);
    assert!(page.ends_with("relvs.toml: no errors on this machine; 2 services, 4 servers\n"), "{page}");

    // A VIP that nobody has, of each family.
    for vip in bed.vips {
        bed.lab.remove_vip("d1", vip).unwrap();
        let question = if vip.is_ipv4() { "ARP" } else { "neighbour discovery" };
        let said =
            bed.says("error", &vip.to_string(), &format!("has the VIP {vip}, and nobody answers {question} for it"));
        bed.follow(&said, d1);
        bed.is_right();
    }
    // A server that answers ARP for the VIP, beside the director and alone.
    let s1 = bed.node("s1");
    succeeded(&bed.realserver("s1", "down", Method::Dr));
    let vip = bed.vips[0];
    s1.ip(&format!("addr add {vip}/32 dev lo")).unwrap();
    let said = bed.says("error", &vip.to_string(), &format!("answers for the VIP {vip} too on eth0"));
    assert!(said.message.starts_with(&s1.v4().to_string()), "{said:?}");
    bed.lab.remove_vip("d1", vip).unwrap();
    let alone = bed.says("error", &vip.to_string(), &format!("has the VIP {vip}, and {}", s1.v4()));
    bed.follow(&alone, s1);
    bed.follow(&bed.says("error", &vip.to_string(), "nobody answers ARP for it"), d1);
    succeeded(&bed.realserver("s1", "up", Method::Dr));
    bed.is_right();

    // A server that is off.
    let s2 = bed.node("s2");
    s2.set_link("eth0", false).unwrap();
    d1.ip("neigh flush dev eth0").unwrap();
    let said =
        bed.says("warning", &s2.v4().to_string(), &format!("the server {} does not answer ARP on eth0", s2.v4()));
    assert!(said.help.contains("see that it is on"), "{said:?}");
    s2.set_link("eth0", true).unwrap();
    bed.says_nothing_soon();

    // The interface itself.
    d1.set_link("eth0", false).unwrap();
    bed.says("error", "address = ", "cannot be reached: no route leads there");
    let said = bed.says("error", "interfaces = ", "interface `eth0` is down");
    bed.follow(&said, d1);
    d1.ip(&format!("route replace default via {}", bed.lab.plan().segment("lan").unwrap().host(1).0)).unwrap();
    bed.says_nothing_soon();

    // One that does not exist; and the same file by itself says nothing of it.
    let file = std::fs::read_to_string(bed.config()).unwrap();
    bed.lab.write_file("relvs.toml", &file.replace("[\"eth0\"]", "[\"eth0\", \"eth7\"]")).unwrap();
    bed.says("error", "eth7", "interface `eth7` does not exist");
    let alone = bed.check(&["--offline"]);
    succeeded(&alone);
    assert!(text(&alone.stdout).ends_with("no errors in the file by itself; 2 services, 4 servers\n"), "{alone:?}");
    // Interfaces of the command line stand in place of the file's, as they do for `run`.
    succeeded(&bed.check(&["--interface", "eth0"]));
    let wrong = bed.check(&["--interface", "eth8"]);
    assert!(text(&wrong.stdout).contains("relvs.toml:1:1: error: interface `eth8` does not exist"), "{wrong:?}");
    // A mark under the place, for people.
    let explained = text(&bed.check(&["--explain"]).stdout);
    assert!(explained.contains("^^^^^^") && explained.contains("help: `ip link` lists"), "{explained}");
}

impl Bed {
    /// A neighbour may take a moment to answer again.
    fn says_nothing_soon(&self) {
        crate::bed::until("nothing is said", || self.said().is_empty());
    }
}

#[test]
fn another_program_on_the_interface_is_found() {
    let services = [tcp(80, "rr", &[("s1", Method::Dr, 1)])];
    let Some(mut bed) = right(&Shape::new(Topology::OneArmed).servers(1), &services) else { return };
    bed.director.start().unwrap();
    // The director's own is none; for another run directory it is a stranger's.
    bed.is_right();
    let other = bed.lab.directory().join("other").display().to_string();
    let output = bed.check(&["--run-dir", &other]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("2:15: error: another XDP program is attached to `eth0`"), "{said}");
    assert!(said.contains("if it is relvs's own, name its --run-dir"), "{said}");
    // A veth is slow, and says so where nobody said that this is meant.
    let bed = bed.settings("");
    bed.configure(&services);
    let said = bed.says("warning", "interfaces", "`eth0` is a veth: generic mode is taken");
    assert!(said.help.contains(GENERIC), "{said:?}");
}

#[test]
fn a_dr_server_behind_a_router_is_found() {
    let behind = |method| [tcp(80, "rr", &[("f1", method, 1)])];
    let Some(bed) = Bed::bare(&Shape::new(Topology::Wan).servers(1)) else { return };
    let bed = bed.settings(GENERIC);
    bed.configure(&behind(Method::Dr));
    let far = bed.node("f1").v4().to_string();
    let said = bed.says("error", &far, &format!("{far} is behind "));
    assert!(said.help.contains("method = \"tun\""), "{said:?}");
    bed.configure(&behind(Method::Tun));
    assert!(bed.said().iter().all(|said| said.severity == "warning"), "{:?}", bed.said());
    // Without a route at all.
    let d1 = bed.node("d1");
    for family in ["-4", "-6"] {
        let shown = d1.ip(&format!("{family} route show")).unwrap();
        for route in shown.lines().filter(|route| route.contains(" via ")) {
            d1.ip(&format!("{family} route del {}", route.trim())).unwrap();
        }
    }
    bed.says("error", &far, &format!("the server {far} cannot be reached: no route leads there"));
}

#[test]
fn nat_needs_its_way_back() {
    let services = [tcp(80, "rr", &[("s1", Method::Nat, 1)])];
    let Some(bed) = right(&Shape::new(Topology::TwoArmed).servers(1), &services) else { return };
    let d1 = bed.node("d1");
    let inside = &d1.port_on("lan").unwrap().interface;
    let s1 = bed.node("s1");
    for (switch, address) in
        [("ipv4/ip_forward", s1.v4().to_string()), ("ipv6/conf/all/forwarding", s1.v6().to_string())]
    {
        d1.set_sysctl(switch, "0").unwrap();
        let said = bed.says("error", &address, &format!("the kernel does not forward from {inside}"));
        bed.follow(&said, d1);
        bed.is_right();
    }
    // Answers come in where nobody looks.
    let outside = &d1.port_on("outside").unwrap().interface;
    let file = std::fs::read_to_string(bed.config()).unwrap();
    let both = format!("[\"{outside}\", \"{inside}\"]");
    assert!(file.contains(&both), "{file}");
    bed.lab.write_file("relvs.toml", &file.replace(&both, &format!("[\"{outside}\"]"))).unwrap();
    let said = bed.says("error", &s1.v4().to_string(), &format!("come in on {inside}, which is not served"));
    assert!(said.help.contains(&format!("add \"{inside}\" to [director] interfaces")), "{said:?}");
    // On the clients' own network.
    let Some(bed) = Bed::bare(&Shape::new(Topology::OneArmed).servers(1)) else { return };
    let bed = bed.settings(GENERIC);
    bed.configure(&services);
    let said = bed.says("warning", &bed.node("s1").v4().to_string(), "is on the network of the VIP");
    assert!(said.help.contains("write method = \"dr\""), "{said:?}");
    bed.prepare(&[tcp(80, "rr", &[("s1", Method::Dr, 1)])]);
    bed.configure(&[tcp(80, "rr", &[("s1", Method::Dr, 1)])]);
    bed.is_right();
}

#[test]
fn a_tunnel_must_be_wide_enough() {
    let services = [tcp(80, "rr", &[("s1", Method::Tun, 1)])];
    let Some(bed) = right(&Shape::new(Topology::TwoArmed).servers(1), &services) else { return };
    let d1 = bed.node("d1");
    let inside = &d1.port_on("lan").unwrap().interface;
    d1.ip(&format!("link set dev {inside} mtu 1500")).unwrap();
    let s1 = bed.node("s1");
    for (address, room, mtu, advmss) in
        [(s1.v4().to_string(), 1480, 1520, 1440), (s1.v6().to_string(), 1460, 1540, 1400)]
    {
        let said = bed.says("warning", &address, &format!("but only {room} fit the way to {address}"));
        assert!(said.message.contains("packets of up to 1500 bytes come in"), "{said:?}");
        assert!(
            said.help.contains(&format!("to {mtu}")) && said.help.contains(&format!("advmss {advmss}")),
            "{said:?}"
        );
    }
    d1.ip(&format!("link set dev {inside} mtu 1520")).unwrap();
    let left = bed.said();
    assert!(left.len() == 1 && left[0].line.contains(&s1.v6().to_string()), "{left:?}");
    d1.ip(&format!("link set dev {inside} mtu 1540")).unwrap();
    bed.is_right();
}

#[test]
fn a_director_that_is_its_own_server_needs_the_vip() {
    let services = [tcp(80, "rr", &[("d1", Method::Dr, 1)])];
    let Some(bed) = Bed::bare(&Shape::new(Topology::OneArmed).servers(1)) else { return };
    let bed = bed.settings(GENERIC);
    bed.configure(&services);
    bed.is_right();
    bed.lab.remove_vip("d1", bed.vips[0]).unwrap();
    let own = bed.node("d1").v4().to_string();
    let said = bed.says("error", &own, "its stack does not take the packets");
    assert!(said.help.contains("give it the VIP"), "{said:?}");
    bed.follow(&bed.says("error", &bed.vips[0].to_string(), "nobody answers ARP"), bed.node("d1"));
    bed.is_right();
}
