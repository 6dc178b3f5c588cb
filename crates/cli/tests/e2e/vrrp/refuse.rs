//! A master whose own programs get nothing by its address serves there as ever.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use relvs_lab::director::realserver;
use relvs_lab::traffic::nginx_server;
use relvs_lab::{Shape, Topology};
use relvs_model::Method;

use super::{One, instance};
use crate::bed::{RELVS, lab, succeeded, until};
use crate::configuration;

/// What curl ends with when the time is over.
const TIMEOUT: Option<i32> = Some(28);

#[test]
fn services_are_served_where_programs_get_nothing() {
    let Some(lab) = lab(&Shape::new(Topology::OneArmed).servers(1)) else { return };
    let vips = <[IpAddr; 2]>::from(lab.plan().vip(0));
    let server = lab.node("s1").unwrap();
    let _nginx = nginx_server(&lab, server, 80, &[]).unwrap();
    succeeded(&realserver(&lab, server, Path::new(RELVS), "up", &vips, Method::Dr).unwrap());
    let mut one = One::new(&lab, "d1");
    let interface = one.interface();
    let mut text = String::new();
    for (vip, name) in vips.into_iter().zip(["four", "six"]) {
        let lines = format!("listen = \"{}/tcp\"\nmethod = \"dr\"", SocketAddr::new(vip, 80));
        text += &configuration::section(&lab, vip, &lines, &[("s1", "")]);
        text += &instance(name, &interface, 51, "accept = false", &[vip]);
    }
    one.configure(&text);
    one.director.start().unwrap();
    until("the addresses are there", || vips.iter().all(|vip| one.has(*vip)));
    let ask = |vip: IpAddr, port: u16, seconds: &str| {
        let url = format!("http://{}/", SocketAddr::new(vip, port));
        let arguments = ["--silent", "--globoff", "--output", "/dev/null", "--max-time", seconds, &url];
        lab.client().unwrap().run("curl", arguments).unwrap().status.code()
    };
    for vip in vips {
        until("it is served", || ask(vip, 80, "5") == Some(0));
        assert_eq!(ask(vip, 9, "1"), TIMEOUT, "{vip}");
    }
    assert!(one.director.terminate().unwrap().success());
}
