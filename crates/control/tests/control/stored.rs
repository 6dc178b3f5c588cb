//! What goes to disk comes back; what contradicts itself does not. (The other tests apply every state through JSON.)

use crate::rig::{Rig, SMALL, key, server, weighted};
use relvs_control::{Control, Desired};
use relvs_model::{Netmask, Persistence, Rule, Scheduler, SchedulerFlags, Service, ServiceKey, Settings, Timeouts};
use serde_json::{Value, json};
use std::sync::Arc;

fn stored() -> (Control, Value) {
    let mut rig = Rig::new(SMALL);
    let mut service = weighted(Scheduler::Rr, &[1, 0, 2]);
    rig.apply(std::slice::from_ref(&service)).unwrap();
    rig.arrive(service.key).unwrap();
    service.servers.remove(0);
    service.servers.push(server("10.9.9.9:99", 5));
    rig.apply(std::slice::from_ref(&service)).unwrap();
    let json = serde_json::to_value(&rig.control).unwrap();
    (rig.control, json)
}

#[test]
fn it_comes_back() {
    let (control, json) = stored();
    assert_eq!(control.retired().count(), 1);
    let back: Control = serde_json::from_value(json).unwrap();
    assert_eq!(back.with_limits(SMALL), control);
}

#[test]
fn what_an_earlier_version_stored_comes_back() {
    let (control, mut json) = stored();
    let remove = |value: &mut Value, names: &[&str]| {
        for name in names {
            assert!(value.as_object_mut().unwrap().remove(*name).is_some(), "{name}");
        }
    };
    remove(&mut json, &["settings", "timeouts", "rules", "last_identity"]);
    for service in json["services"].as_array_mut().unwrap() {
        remove(service, &["identity"]);
        remove(&mut service["service"], &["flags", "persistence", "one_packet"]);
        for server in service["service"]["servers"].as_array_mut().unwrap() {
            remove(server, &["upper_threshold", "lower_threshold"]);
        }
    }
    for destination in json["destinations"].as_array_mut().unwrap() {
        remove(destination, &["client_port", "last_weight", "template_s"]);
        remove(&mut destination["server"], &["upper_threshold", "lower_threshold"]);
    }
    let back: Control = serde_json::from_value(json).unwrap();
    assert_eq!(back.with_limits(SMALL), control);
}

#[test]
fn everything_that_is_desired_comes_back() {
    let mut rig = Rig::new(SMALL);
    let rule = Rule { mark: 7, sources: vec![], destinations: vec![], protocol: None, ports: vec![] };
    let mark = Service::new(ServiceKey::mark(7, false), Scheduler::Mh, vec![server("10.0.0.1:0", 3)]);
    let persistence = Some(Persistence { timeout_s: 7, netmask: Netmask::V6(60) });
    let six = Service { persistence, ..Service::new(key("[fd00::1]:0/sctp"), Scheduler::Sh, vec![]) };
    let desired = Desired {
        settings: Settings { expire_nodest_conn: 1, est_cpulist: "0-3".to_owned(), ..Settings::default() },
        timeouts: Timeouts { udp_s: 7, ..Timeouts::default() },
        rules: vec![rule],
        services: vec![Service { flags: SchedulerFlags::PORT, ..mark.clone() }.into(), six.clone().into()],
    };
    rig.apply_all(&desired).unwrap();
    let json = serde_json::to_string(&rig.control).unwrap();
    let back: Control = serde_json::from_str(&json).unwrap();
    assert_eq!(back.with_limits(SMALL), rig.control);
    assert_eq!(rig.control.desired(), &desired);
    // The latest weight that was not 0 survives too: mh goes by it.
    let slots = |rig: &Rig, desired: &Desired| {
        let prepared = rig.control.prepare(desired, 1 - rig.half, 0, &|_| 0).unwrap();
        prepared.image.rings.iter().filter(|slot| **slot as u32 == 1).count()
    };
    let before = slots(&rig, &desired);
    let mut quiet = desired.clone();
    Arc::make_mut(&mut quiet.services[0]).servers[0].weight = 0;
    rig.apply_all(&quiet).unwrap();
    assert!(before > 0);
    assert_eq!(slots(&rig, &quiet), before, "mh keeps the places of a server whose weight becomes 0");
}

#[test]
fn without_limits_everything_is_refused() {
    let (control, json) = stored();
    let back: Control = serde_json::from_value(json).unwrap();
    assert!(back.prepare(control.desired(), 0, 0, &|_| 0).is_err());
}

#[test]
fn what_contradicts_itself_is_not_read() {
    let (_, json) = stored();
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut json = json.clone();
        change(&mut json);
        serde_json::from_value::<Control>(json).expect_err("this contradicts itself").to_string()
    };
    let number = |number: u32| {
        format!("the stored state contradicts itself: destination number {number} cannot be what it says")
    };
    assert_eq!(refused(&|json| json["destinations"][1]["number"] = json!(1)), number(1));
    assert_eq!(refused(&|json| json["destinations"][0]["number"] = json!(0)), number(0));
    assert_eq!(
        refused(&|json| {
            let mut again = json["destinations"][0].clone();
            again["number"] = json!(77);
            json["destinations"].as_array_mut().unwrap().push(again);
        }),
        number(77)
    );
    let differ = "the stored state contradicts itself: its servers and destinations differ";
    assert_eq!(refused(&|json| json["destinations"] = json!([])), differ);
    assert_eq!(refused(&|json| json["destinations"][0]["retired"] = json!(false)), differ);
    assert_eq!(refused(&|json| json["services"][0]["service"]["servers"][0]["weight"] = json!(9)), differ);
    assert!(
        refused(&|json| {
            let again = json["services"][0].clone();
            json["services"].as_array_mut().unwrap().push(again);
        })
        .contains("192.0.2.100:80/tcp is there twice")
    );
    assert_eq!(
        refused(&|json| {
            let mut again = json["services"][0].clone();
            again["service"]["key"]["port"] = json!(81);
            again["service"]["servers"] = json!([]);
            json["services"].as_array_mut().unwrap().push(again);
        }),
        "the stored state contradicts itself: two services have the identity 1"
    );
    assert!(refused(&|json| json["colour"] = json!("blue")).contains("unknown field"));
}
