//! The JSON of the control socket: what is there stays as it is, what is newer may be missing.

#![allow(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use relvs_api::Service;
use relvs_model::{Protocol, SchedulerFlags, ServiceKey};
use serde_json::{Value, json};

/// As an older daemon answers.
fn older() -> Value {
    json!({
        "protocol": "tcp", "address": "192.0.2.100", "port": 80,
        "scheduler": "rr",
        "counters": { "flows": 1, "packets_in": 2, "bytes_in": 3, "packets_out": 4, "bytes_out": 5 },
        "servers": [{
            "address": "10.0.0.1", "port": 8080, "weight": 1, "method": "nat", "removed": false,
            "active": 1, "inactive": 2,
            "counters": { "flows": 1, "packets_in": 2, "bytes_in": 3, "packets_out": 4, "bytes_out": 5 },
            "way": { "state": "pending", "neighbour": "10.0.0.1" },
        }],
    })
}

#[test]
fn what_an_older_daemon_answers_is_read() {
    let service: Service = serde_json::from_value(older()).unwrap();
    assert_eq!(service.key, ServiceKey::listen(Protocol::Tcp, [192, 0, 2, 100].into(), 80));
    assert_eq!((service.persistence, service.one_packet, service.flags.len()), (None, false, 0));
    assert_eq!((service.servers[0].upper_threshold, service.servers[0].templates), (0, 0));
    // And everything that it said is still said so.
    let new = serde_json::to_value(&service).unwrap();
    for (name, value) in older().as_object().unwrap().iter().filter(|(name, _)| *name != "servers") {
        assert_eq!(&new[name], value, "{name}");
    }
    for (name, value) in older()["servers"][0].as_object().unwrap() {
        assert_eq!(&new["servers"][0][name], value, "{name}");
    }
}

#[test]
fn a_mark_s_service_is_told_from_one_that_listens() {
    let mut json = older();
    for name in ["protocol", "address", "port"] {
        json.as_object_mut().unwrap().remove(name);
    }
    json["mark"] = json!(7);
    json["six"] = json!(true);
    json["persistence"] = json!({ "timeout_s": 300, "netmask": 64 });
    let service: Service = serde_json::from_value(json).unwrap();
    assert_eq!((service.key, service.key.to_string()), (ServiceKey::mark(7, true), "mark 7 (ipv6)".to_owned()));
    let json = serde_json::to_value(&service).unwrap();
    assert_eq!((&json["mark"], &json["six"], json.get("port")), (&json!(7), &json!(true), None));
    assert_eq!(json["persistence"], json!({ "timeout_s": 300, "netmask": 64 }));
}

#[test]
fn flags_are_names() {
    let flags = SchedulerFlags::PORT.with(SchedulerFlags::THIRD);
    assert_eq!(serde_json::to_value(flags).unwrap(), json!(["flag-2", "flag-3"]));
    assert_eq!(serde_json::from_value::<SchedulerFlags>(json!(["sh-port", "flag-3"])).unwrap(), flags);
    assert!(serde_json::from_value::<SchedulerFlags>(json!(["sh"])).is_err());
}
