//! `relvs vrrp` and what others are told: two directors with one virtual router.

use std::net::IpAddr;

use relvs_api::{VrrpCommand, VrrpVerb};
use relvs_lab::{Shape, Topology};
use relvs_model::vrrp::{InstanceStatus, State};

use super::{One, instance};
use crate::bed::{lab, succeeded, text, until};

fn router(one: &One) -> InstanceStatus {
    one.client().vrrp().unwrap().instances.remove(0)
}

fn state(one: &One) -> State {
    router(one).state
}

#[test]
fn a_virtual_router_is_shown_handed_over_and_taken_out_of_service() {
    let Some(lab) = lab(&Shape::new(Topology::OneArmed).directors(2).servers(1)) else { return };
    let [vip, _] = <[IpAddr; 2]>::from(lab.plan().vip(0));
    let mut pair = ["d1", "d2"].map(|name| One::new(&lab, name));
    for (one, priority) in pair.iter_mut().zip([150, 100]) {
        let interface = one.interface();
        one.configure(&instance("web", &interface, 51, &format!("priority = {priority}"), &[vip]));
        one.director.start().unwrap();
    }
    let [one, other] = pair;
    until("the first is master, and the second knows it", || {
        let known = router(&other).master.is_some_and(|master| master.priority == 150);
        state(&one) == State::Master && known && router(&one).peers.is_empty()
    });
    assert!(one.has(vip) && !other.has(vip));

    let shown = |of: &One, words: &[&str]| {
        let output = of.director.relvs(words).unwrap();
        succeeded(&output);
        text(&output.stdout)
    };
    let page = shown(&other, &["vrrp", "status"]);
    for line in
        ["web, 51 on ", "version 3: BACKUP for ", &format!("addresses  {vip}"), "priority   100", "priority 150, for"]
    {
        assert!(page.contains(line), "{line} in {page}");
    }
    assert!(shown(&one, &["status"]).contains("\nvirtual router web: MASTER for "));
    let json: serde_json::Value = serde_json::from_str(&shown(&one, &["vrrp", "status", "--json"])).unwrap();
    assert_eq!(json["instances"][0]["state"], "MASTER");

    // Handed over, it stays there until released.
    let said = shown(&one, &["vrrp", "failover"]);
    assert!(said.starts_with("web: BACKUP for ") && said.contains("until it is released"), "{said}");
    assert!(other.has(vip) && !one.has(vip), "when the command ends it is done");
    let refused = one.director.relvs(["vrrp", "failover", "web"]).unwrap();
    assert_eq!(
        (refused.status.code(), text(&refused.stderr).as_str()),
        (Some(1), "web is not master: there is nothing to hand over\n")
    );
    assert_eq!(
        text(&one.director.relvs(["vrrp", "release", "wep"]).unwrap().stderr),
        "no virtual router and no group is called wep\n"
    );
    shown(&one, &["vrrp", "release"]);
    until("it is master again", || one.has(vip) && !other.has(vip));

    shown(&one, &["vrrp", "maintenance", "on", "web"]);
    assert_eq!((state(&one), state(&other)), (State::Fault, State::Master));
    assert!(router(&one).maintenance);
    let unready = one.director.relvs(["status"]).unwrap();
    assert!(text(&unready.stdout).contains("in maintenance"), "{unready:?}");
    let release = VrrpCommand { command: VrrpVerb::Release, name: Some("web".into()) };
    one.client().vrrp_command(&release).unwrap();
    until("it is back in service", || one.has(vip) && !other.has(vip));

    // Nobody is there to take over.
    let mut other = other;
    assert!(other.director.terminate().unwrap().success());
    let alone = one.director.relvs(["vrrp", "failover"]).unwrap();
    assert_eq!(
        (alone.status.code(), text(&alone.stderr).as_str()),
        (Some(1), "nobody took over: web is still master here\n")
    );
    assert!(one.has(vip));
    let counted = router(&one).statistics;
    assert!(counted.become_master >= 3 && counted.release_master >= 2 && counted.advert_sent > 0, "{counted:?}");
    let scrape = one.metrics();
    assert!(scrape.contains("relvs_vrrp_state{router=\"web\"} 2\n"), "{scrape}");
}

#[test]
fn what_is_wrong_between_two_directors_is_said() {
    let Some(lab) = lab(&Shape::new(Topology::OneArmed).directors(2).servers(1)) else { return };
    let [vip, _] = <[IpAddr; 2]>::from(lab.plan().vip(0));
    let [second, _] = <[IpAddr; 2]>::from(lab.plan().vip(1));
    let mut pair = ["d1", "d2"].map(|name| One::new(&lab, name));
    // The same number for two addresses.
    for (one, (address, priority)) in pair.iter_mut().zip([(vip, 150), (second, 100)]) {
        let interface = one.interface();
        one.configure(&instance("web", &interface, 51, &format!("priority = {priority}"), &[address]));
        one.director.start().unwrap();
    }
    let [one, other] = pair;
    let wrong = |of: &One| router(of).conditions.iter().map(|condition| condition.kind.name()).collect::<Vec<_>>();
    until("the backup sees another's addresses", || wrong(&other).contains(&"duplicate-router-id"));
    let page = text(&other.director.relvs(["vrrp", "status"]).unwrap().stdout);
    assert!(page.contains("  WRONG      duplicate-router-id: "), "{page}");
    assert!(other.metrics().contains("relvs_vrrp_wrong{router=\"web\",what=\"duplicate_router_id\"} 1\n"));
    assert!(text(&other.director.relvs(["status"]).unwrap().stdout).contains("; WRONG: duplicate-router-id"));
    // Ten adverts a second, and one line of it.
    let lines =
        || other.director.log().lines().filter(|line| line.contains(" WARN ") && line.contains("web: ")).count();
    until("many such adverts have come", || router(&other).statistics.addr_list_err > 20);
    assert!((1..=2).contains(&lines()), "{}", other.director.log());
    assert_eq!(state(&one), State::Master);
}
