//! Edits: all in their order or none, and every server at its place.

use crate::rig::{Rig, SMALL, key, numbered, server, weighted};
use proptest::{collection, prelude::*};
use relvs_control::{Desired, Refusal, Why};
use relvs_model::{
    Edit, Endpoint, Persistence, Scheduler, Server, ServerEdit, ServerOf, Service, ServiceEdit, ServiceKey, ServiceRef,
    SettingValue, TimeoutsEdit, Zero,
};
use std::collections::BTreeMap;

const WEB: &str = "192.0.2.100:80/tcp";

fn state() -> Desired {
    vec![weighted(Scheduler::Wrr, &[1, 2, 3])].into()
}

fn at(number: u32) -> Endpoint {
    let server = numbered(number, 1);
    Endpoint { service: key(WEB), address: server.address, port: Some(server.port) }
}

fn weight(number: u32, weight: u32) -> Edit {
    Edit::EditServer(ServerEdit { weight: Some(weight), ..ServerEdit::of(at(number)) })
}

fn add(server: Server) -> Edit {
    Edit::AddServer(ServerOf { service: key(WEB), server })
}

#[test]
fn an_edit_keeps_the_place_and_what_is_added_is_last() {
    let edited =
        state().edited(&[weight(2, 0), add(numbered(9, 4)), Edit::DeleteServer(at(1)), add(numbered(1, 7))]).unwrap();
    assert_eq!(
        edited.desired,
        vec![Service {
            servers: vec![numbered(2, 0), numbered(3, 3), numbered(9, 4), numbered(1, 7)],
            ..weighted(Scheduler::Wrr, &[])
        }]
        .into()
    );
}

#[test]
fn each_refusal_says_which_and_what() {
    let there = key(WEB);
    let gone = key("192.0.2.100:81/tcp");
    let no_server = Endpoint { port: Some(1), ..at(1) };
    let cases: Vec<(Edit, Why, &str)> = vec![
        (
            Edit::AddService(weighted(Scheduler::Rr, &[])),
            Why::ServiceExists(there),
            "the service 192.0.2.100:80/tcp exists already: edit it, or delete it first",
        ),
        (Edit::EditService(ServiceEdit::of(gone)), Why::NoService(gone), "there is no service 192.0.2.100:81/tcp"),
        (
            Edit::DeleteService(ServiceRef { service: gone }),
            Why::NoService(gone),
            "there is no service 192.0.2.100:81/tcp",
        ),
        (
            add(numbered(1, 5)),
            Why::ServerExists { service: there, server: at(1).socket() },
            "the service 192.0.2.100:80/tcp has the server 10.0.0.1:8080 already: edit it, or delete it first",
        ),
        (
            Edit::DeleteServer(no_server),
            Why::NoServer { service: there, server: no_server.socket() },
            "the service 192.0.2.100:80/tcp has no server 10.0.0.1:1",
        ),
        (
            weight(1, 1 << 31),
            Refusal::Weight { service: there, server: at(1).socket() }.into(),
            "the server 10.0.0.1:8080 of the service 192.0.2.100:80/tcp is too heavy: a weight is from 0 to 2147483647",
        ),
        (
            add(server("[fd00::1]:80", 1)),
            Refusal::OtherFamily { service: there, server: "[fd00::1]:80".parse().unwrap() }.into(),
            "the service 192.0.2.100:80/tcp cannot have the server [fd00::1]:80: its address must be of the service's family, or its method tun",
        ),
        (
            Edit::SetTimeouts(TimeoutsEdit { udp_s: Some(0), ..TimeoutsEdit::default() }),
            Refusal::Timeout("udp").into(),
            "the timeout udp is out of range: it must be from 1 to 2147483647 seconds",
        ),
        (Edit::Zero(Zero { service: Some(gone) }), Why::NoService(gone), "there is no service 192.0.2.100:81/tcp"),
    ];
    for (edit, why, text) in cases {
        let refused = state().edited(&[weight(1, 5), edit.clone(), weight(2, 5)]).unwrap_err();
        assert_eq!((refused.at, &refused.why), (1, &why), "{edit:?}");
        assert_eq!(refused.to_string(), format!("change 2: {text}"));
    }
    let values = BTreeMap::from([("sloppy_tcp".to_owned(), SettingValue::Number(2))]);
    let refused = state().edited(&[Edit::SetSettings(values)]).unwrap_err();
    assert_eq!(refused.to_string(), "change 1: setting sloppy_tcp: it must be 0 or 1");
}

#[test]
fn what_an_edit_does_not_name_stays() {
    let persistence = Some(Persistence::of_clients(60, true));
    let first = ServiceEdit { persistence: Some(persistence), ..ServiceEdit::of(key(WEB)) };
    let second = ServiceEdit { scheduler: Some(Scheduler::Sh), ..ServiceEdit::of(key(WEB)) };
    let third = ServiceEdit { persistence: Some(None), ..ServiceEdit::of(key(WEB)) };
    let both = state().edited(&[Edit::EditService(first), Edit::EditService(second)]).unwrap().desired;
    assert_eq!((both.services[0].persistence, both.services[0].scheduler), (persistence, Scheduler::Sh));
    assert_eq!(both.services[0].servers, state().services[0].servers);
    assert_eq!(both.edited(&[Edit::EditService(third)]).unwrap().desired.services[0].persistence, None);
}

#[test]
fn only_what_is_there_in_the_end_begins_at_nothing() {
    let zero = Edit::Zero(Zero { service: Some(key(WEB)) });
    assert_eq!(state().edited(std::slice::from_ref(&zero)).unwrap().zero, [Some(key(WEB))]);
    let gone = [zero, Edit::Zero(Zero::default()), Edit::Clear {}];
    let edited = state().edited(&gone).unwrap();
    assert_eq!((edited.zero, edited.desired), (vec![None], Desired::default()));
}

fn a_key() -> impl Strategy<Value = ServiceKey> {
    (80u16..84).prop_map(|port| key(&format!("192.0.2.100:{port}/tcp")))
}

fn an_edit() -> impl Strategy<Value = Edit> {
    let number = 1u32..6;
    prop_oneof![
        (a_key(), collection::btree_set(1u32..6, 0..4)).prop_map(|(key, numbers)| {
            let servers = numbers.into_iter().map(|number| numbered(number, 1)).collect();
            Edit::AddService(Service::new(key, Scheduler::Wrr, servers))
        }),
        a_key().prop_map(|service| Edit::DeleteService(ServiceRef { service })),
        (a_key(), number.clone(), 0u32..4).prop_map(|(service, number, weight)| {
            Edit::AddServer(ServerOf { service, server: numbered(number, weight) })
        }),
        (a_key(), number.clone(), 0u32..4).prop_map(|(service, number, weight)| {
            let endpoint = Endpoint { service, ..at(number) };
            Edit::EditServer(ServerEdit { weight: Some(weight), ..ServerEdit::of(endpoint) })
        }),
        (a_key(), number).prop_map(|(service, number)| Edit::DeleteServer(Endpoint { service, ..at(number) })),
    ]
}

/// The edits that are possible one by one, and what they make.
fn possible(mut state: Desired, edits: Vec<Edit>) -> (Vec<Edit>, Desired) {
    let mut made = Vec::new();
    for edit in edits {
        if let Ok(edited) = state.edited(std::slice::from_ref(&edit)) {
            state = edited.desired;
            made.push(edit);
        }
    }
    (made, state)
}

proptest! {
    #[test]
    fn together_they_make_what_they_make_one_by_one(edits in collection::vec(an_edit(), 0..40)) {
        let (made, expected) = possible(state(), edits);
        let edited = state().edited(&made).unwrap();
        prop_assert_eq!(&edited.desired, &expected);
        // And the tables take it.
        let mut rig = Rig::new(SMALL);
        rig.apply(&state().services[..]).unwrap();
        prop_assert!(rig.apply(&edited.desired.services[..]).is_ok());
    }

    #[test]
    fn one_that_is_impossible_is_named_and_nothing_is_made(
        edits in collection::vec(an_edit(), 0..20),
        place in any::<prop::sample::Index>(),
    ) {
        let (mut made, _) = possible(state(), edits);
        let place = place.index(made.len() + 1);
        made.insert(place, Edit::DeleteService(ServiceRef { service: key("192.0.2.100:9/tcp") }));
        let before = state();
        let refused = before.edited(&made).unwrap_err();
        prop_assert_eq!(refused.at, place);
        prop_assert_eq!(before, state());
    }

    #[test]
    fn the_order_of_servers_is_that_of_their_coming(edits in collection::vec(an_edit(), 0..40)) {
        let (made, state) = possible(state(), edits);
        // When each came last: those of the beginning first.
        let mut came = BTreeMap::new();
        for number in 1..=3 {
            came.insert((key(WEB), at(number).socket()), 0);
        }
        for (time, edit) in made.iter().enumerate() {
            if let Edit::AddService(new) = edit {
                came.extend(new.servers.iter().map(|s| ((new.key, (s.address, s.port).into()), time + 1)));
            } else if let Edit::AddServer(new) = edit {
                came.insert((new.service, (new.server.address, new.server.port).into()), time + 1);
            }
        }
        for service in &state.services {
            let times: Vec<_> = service.servers.iter().map(|s| came[&(service.key, (s.address, s.port).into())]).collect();
            prop_assert!(times.is_sorted(), "{:?}", service);
        }
    }
}
