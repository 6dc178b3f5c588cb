//! One director's virtual routers from start to end: nobody else is there.

use std::net::IpAddr;

use relvs_lab::{Shape, Topology};

use super::{One, instance};
use crate::bed::{RELVS, lab, text, until};

/// How often a director has said this.
fn said(one: &One, what: &str) -> usize {
    one.director.log().matches(what).count()
}

#[test]
fn addresses_are_there_while_the_director_is() {
    let Some(lab) = lab(&Shape::new(Topology::OneArmed).servers(1)) else { return };
    let [v4, v6] = <[IpAddr; 2]>::from(lab.plan().vip(0));
    let mut one = One::new(&lab, "d1");
    let interface = one.interface();
    let web = instance("web", &interface, 51, "track = [{ health = \"data-path\" }]", &[v4]);
    let six = instance("six", &interface, 51, "", &[v6]);

    // There is no service at all.
    one.configure(&web);
    one.director.start().unwrap();
    until("the address is there", || one.has(v4));

    let refused = one.reload(&web.replace("id = 51", "id = 0"));
    assert!(refused.contains("`id` must be from 1 to 255"), "{refused}");
    let both = one.reload(&format!("{web}{six}"));
    assert!(both.contains("applied: + virtual router six (51 on "), "{both}");
    until("the other is there too", || one.has(v6));
    assert_eq!(said(&one, "INSTANCE \"web\" "), 2, "backup, master, and nothing since: {}", one.director.log());
    let gone = one.reload(&web);
    assert!(gone.contains("applied: - virtual router six "), "{gone}");
    assert!(one.has(v4) && !one.has(v6));
    // A reload that takes the last away, and one that brings the first.
    one.reload("");
    assert!(!one.has(v4));
    one.reload(&web);
    until("it is there again", || one.has(v4));

    assert!(one.director.terminate().unwrap().success());
    assert!(!one.has(v4));
}

#[test]
fn what_a_killed_director_leaves_is_taken_away_or_taken_up() {
    let Some(lab) = lab(&Shape::new(Topology::OneArmed).servers(1)) else { return };
    let [v4, v6] = <[IpAddr; 2]>::from(lab.plan().vip(0));
    let mut one = One::new(&lab, "d1");
    let interface = one.interface();
    let web = instance("web", &interface, 51, "", &[v4]);
    let six = instance("six", &interface, 51, "", &[v6]);
    one.configure(&format!("{web}{six}"));
    one.director.start().unwrap();
    until("the addresses are there", || one.has(v4) && one.has(v6));

    // Another daemon for a virtual router of this one.
    let other = lab.directory().join("other");
    let config = lab.write_file("other.toml", &web).unwrap().display().to_string();
    let arguments = ["run", "--config", &config, "--run-dir", &other.display().to_string()];
    let second = lab.node("d1").unwrap().run(RELVS, arguments).unwrap();
    assert_eq!(second.status.code(), Some(1));
    let why = text(&second.stderr);
    assert!(why.contains("another process has virtual router 51 on"), "{why}");
    assert!(one.has(v4), "it took nothing away");

    one.director.kill().unwrap();
    assert!(one.has(v4) && one.has(v6), "nobody was there to remove them");
    one.configure(&six);
    one.director.start().unwrap();
    assert!(!one.has(v4));
    until("the one that is still wanted is there", || one.has(v6));
    assert!(one.director.terminate().unwrap().success());
    assert!(!one.has(v6));
}

#[test]
fn what_a_reload_would_change_is_planned_and_not_applied() {
    let Some(lab) = lab(&Shape::new(Topology::OneArmed).servers(1)) else { return };
    let [v4, v6] = <[IpAddr; 2]>::from(lab.plan().vip(0));
    let mut one = One::new(&lab, "d1");
    let interface = one.interface();
    let web = |priority: u8| instance("web", &interface, 51, &format!("priority = {priority}"), &[v4]);
    one.configure(&web(150));
    one.director.start().unwrap();
    until("the address is there", || one.has(v4));
    let six = instance("six", &interface, 51, "", &[v6]);
    let fifo = lab.directory().join("fifo").display().to_string();
    let wanted = format!("{}{six}[vrrp]\nstartup_delay = 3\n[notify]\nfifo = \"{fifo}\"\n", web(100));
    one.configure(&wanted);

    let changes = [
        format!("~ virtual router web (51 on {interface}): priority"),
        format!("+ virtual router six (51 on {interface})"),
        "~ virtual routers: startup delay".to_owned(),
        "+ notifications: FIFO".to_owned(),
    ];
    let planned = one.director.relvs(["plan", &one.config]).unwrap();
    let left = "by `relvs reload` of the director's own file, not by `relvs apply`";
    let page: String = changes.iter().map(|line| format!("{line}\n")).collect();
    assert_eq!((planned.status.code(), text(&planned.stdout)), (Some(3), format!("{left}:\n{page}")), "{planned:?}");
    let json = one.director.relvs(["plan", "--json", &one.config]).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["by_reload"][0], &json["text"]), (&changes[0].as_str().into(), &"".into()), "{json}");

    let applied = one.director.relvs(["apply", &one.config]).unwrap();
    let said = format!("{}: {left}: {}\n", one.config, changes.join("; "));
    assert_eq!((applied.status.code(), text(&applied.stderr)), (Some(0), said), "{applied:?}");
    assert_eq!(text(&applied.stdout), "nothing changes\n");

    let reloaded = one.director.relvs(["reload"]).unwrap();
    assert_eq!((reloaded.status.code(), text(&reloaded.stdout)), (Some(0), page), "{reloaded:?}");
    until("the other is there", || one.has(v6));
    let planned = one.director.relvs(["plan", &one.config]).unwrap();
    assert_eq!((planned.status.code(), text(&planned.stdout).as_str()), (Some(0), "nothing changes\n"));
    assert!(one.director.terminate().unwrap().success());
}
