//! What goes to disk comes back; what contradicts itself does not. (The other tests apply every state through JSON.)

use crate::rig::{Rig, SMALL, server, weighted};
use relvs_control::Control;
use relvs_model::Scheduler;
use serde_json::{Value, json};

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
fn without_limits_everything_is_refused() {
    let (control, json) = stored();
    let back: Control = serde_json::from_value(json).unwrap();
    assert!(back.prepare(control.services(), 0, 0, &|_| 0).is_err());
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
    assert!(refused(&|json| json["colour"] = json!("blue")).contains("unknown field"));
}
