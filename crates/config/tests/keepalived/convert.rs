//! relvs.toml made of keepalived.conf: it means the same, and has its comments.

use crate::corpus::{Example, examples, own};
use relvs_config::{Severity, parse_toml, relvs_toml};
use std::path::Path;

fn converted(text: &str) -> String {
    let example = Example { name: "k.conf".to_owned(), bytes: text.as_bytes().to_vec() };
    relvs_toml(&example.read(), &[])
}

/// What is not the same, if something is not.
fn difference(example: &Example) -> Option<String> {
    let read = example.read();
    let text = relvs_toml(&read, &[]);
    let parsed = parse_toml("relvs.toml", &text);
    let errors = parsed.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    let errors: Vec<String> = errors.map(ToString::to_string).collect();
    if parsed.state == read.state && errors.is_empty() {
        return None;
    }
    let shown = |state| format!("{state:#?}");
    let (meant, found) = (shown(&read.state), shown(&parsed.state));
    let at = meant.lines().zip(found.lines()).find(|(meant, found)| meant != found);
    Some(format!("{}: {errors:?} {at:?}\n{text}", example.name))
}

#[test]
fn what_is_converted_means_the_same() {
    let written = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/keepalived_conf");
    let mut count = 0;
    let mut different = Vec::new();
    for folder in [written, own()] {
        let Some(examples) = examples(&folder) else {
            println!("skipped: {} is not there", folder.display());
            continue;
        };
        count += examples.len();
        different.extend(examples.iter().filter_map(difference));
    }
    println!("{count} files");
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn comments_stand_at_their_blocks() {
    let text = "! The web\n\nglobal_defs { # for all\n router_id lb1   # its name\n}\n\n# not of the service\n\n# the site\n! is busy\n\
        virtual_server 192.0.2.100 80 { # VIP\n lb_algo rr\n lb_kind NAT\n protocol TCP\n #persistence_timeout 50\n # the first\n real_server 10.0.0.1 80 {\n\
        TCP_CHECK {\n retry 3 # often\n }\n } # end\n real_server 10.0.0.2 80 { }\n}\nvrrp_instance V { # \"main\" # one\n interface eth0\n}\n";
    let page = converted(text);
    let expected = "# From k.conf, by `relvs convert`.\n\
        # These errors are left out, or taken as keepalived takes them: look at each before this is run.\n\
        #   k.conf:24:1: error: V: there is no virtual address; add virtual_ipaddress, or no_virtual_ipaddress if that is meant\n\
        #   k.conf:24:1: error: V: virtual_router_id is missing; add one from 1 to 255, the same on all routers; it is left out\n\n\
        # The web\n\n\
        # The interfaces of clients and servers: name them here, or by `relvs run --interface`.\n# [director]\n# interfaces = [\"eth0\", \"eth1\"]\n\n\
        # global_defs: for all\n# router_id: its name\n# not of the service\n\n\
        # the site\n# is busy\n# virtual_server: VIP\n[[service]]\nlisten = \"192.0.2.100:80/tcp\"\nscheduler = \"rr\"\nmethod = \"nat\"\n\n\
        # persistence_timeout 50\n# the first\n# retry: often\n# end\n[[service.server]]\naddress = \"10.0.0.1\"\n\n\
        [service.server.check]\ntype = \"tcp\"\ninterval = \"1m\"\nfall = 4\n";
    assert!(page.starts_with(expected), "{page}\n---\n{expected}");
    // What stands in a block that was left out is not lost.
    assert!(page.ends_with("# vrrp_instance: \"main\" # one\n"), "{page}");
}

/// The blocks of a page that are fenced with this word.
fn fenced(page: &str, word: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line == format!("```{word}") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            found.push(block.join("\n") + "\n");
        }
    }
    found
}

/// docs/moving-over.md shows what is really said and written. With `RELVS_REGENERATE` what is written is put into it.
#[test]
fn the_guide_shows_what_is_written() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/moving-over.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (text, toml) = (fenced(&page, "text"), fenced(&page, "toml"));
    let [said, original] = text.as_slice() else { panic!("{text:?}") };
    let [shown] = toml.as_slice() else { panic!("{toml:?}") };
    let read = |text: &str| Example { name: "keepalived.conf".to_owned(), bytes: text.as_bytes().to_vec() }.read();
    let written = relvs_toml(&read(original), &[]);
    if std::env::var_os("RELVS_REGENERATE").is_some() {
        std::fs::write(&path, page.replace(shown.as_str(), &written)).unwrap();
    } else {
        assert_eq!(*shown, written);
    }
    let faulty = "virtual_server 192.0.2.100 80 {\n    protocol TCP\n    lb_algo rr\n    lb_kind NAT\n\n    nat_mask 255.255.255.0\n\n\n    delay_lop 6\n    real_server 10.0.0.11 80 {\n    }\n}\n";
    let lines: String = read(faulty).diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n")).collect();
    assert_eq!(*said, lines);
}

#[test]
fn tunnels_mean_the_same() {
    let text = "virtual_server 192.0.2.100 80 {\n lb_algo rr\n lb_kind TUN type gue port 6080 csum\n protocol TCP\n\
        sorry_server 10.0.0.9 80\n sorry_server_lvs_method TUN type gre\n\
        real_server 10.0.0.1 80 { }\n real_server fd00::2 80 { lvs_method TUN type gre nocsum\n }\n\
        real_server 10.0.0.3 80 { lvs_method TUN type ipip\n }\n real_server 10.0.0.4 80 { lvs_method DR\n }\n}\n";
    let example = Example { name: "k.conf".to_owned(), bytes: text.as_bytes().to_vec() };
    let read = example.read();
    let lines: Vec<String> = read.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(lines, Vec::<String>::new());
    let [service] = read.state.services.as_slice() else { panic!("{:?}", read.state.services) };
    let tunnels: Vec<String> = service.servers.iter().map(|server| server.tunnel.to_string()).collect();
    assert_eq!(tunnels, ["gue:6080+checksum", "gre", "ipip", "ipip"]);
    let sorry = service.health.as_ref().unwrap().sorry.as_ref().unwrap();
    assert_eq!(sorry.tunnel.to_string(), "gre");
    assert_eq!(difference(&example), None);
    assert!(converted(text).contains("tunnel = { type = \"gue\", port = 6080, checksum = true }\n"));
    for (tunnel, told) in [
        ("gue", "a tunnel of type gue has no port"),
        ("gue port 6080 remcsum", "tunnels with a remote checksum are not made"),
        ("gre port", "`port` is left out"),
    ] {
        let text = text.replace("gue port 6080 csum", tunnel);
        let read = Example { name: "k.conf".to_owned(), bytes: text.into_bytes() }.read();
        let lines: Vec<String> = read.diagnostics.iter().map(ToString::to_string).collect();
        assert!(lines.len() == 1 && lines[0].contains(told), "{lines:?}");
    }
}
