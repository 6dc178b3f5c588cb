//! Counts and connections: what a real kernel had, as the real ipvsadm listed it; and listings as JSON.

use crate::names::Recorded;
use relvs_ipvsadm::{
    ConnectionList, ConnectionView, Context, Format, NoNames, Rates, ServiceView, Statistics, list_daemons,
    list_service, list_services, list_timeouts,
};
use relvs_model::{Method, Netmask, Persistence, Protocol, Scheduler, Server, Service, ServiceKey, Timeouts};
use serde_json::{Value, json};
use std::net::SocketAddr;

const NUMERIC: Format = Format {
    numeric: true,
    stats: false,
    rate: false,
    thresholds: false,
    persistent_conn: false,
    tun_info: false,
    exact: false,
    no_sort: false,
    json: false,
};

fn service() -> ServiceView {
    let key = ServiceKey::listen(Protocol::Tcp, "192.168.1.100".parse().unwrap(), 9001);
    let server = |last: u8| Server::new([10, 0, 0, last].into(), 9001, 1, Method::Nat);
    let mut service = Service::new(key, Scheduler::Rr, vec![server(12), server(11)]);
    service.persistence = Some(Persistence { timeout_s: 300, netmask: Netmask::host(true) });
    let mut view = ServiceView::of(&service);
    let statistics = |connections, packets_in, packets_out, bytes_in, bytes_out| Statistics {
        connections,
        packets_in,
        packets_out,
        bytes_in,
        bytes_out,
    };
    view.statistics = statistics(3, 9, 6, 492, 345);
    view.rates = Rates { connections: 0, packets_in: 1, packets_out: 1, bytes_in: 46, bytes_out: 32 };
    let [twelve, eleven] = view.servers.as_mut_slice() else { panic!("two servers") };
    (eleven.persistent, eleven.active, eleven.statistics) = (1, 1, statistics(1, 3, 2, 164, 115));
    eleven.rates = Rates { bytes_in: 15, bytes_out: 11, ..Rates::default() };
    (twelve.persistent, twelve.active, twelve.statistics) = (2, 3, statistics(2, 6, 4, 328, 230));
    twelve.rates = Rates { packets_in: 1, bytes_in: 31, bytes_out: 22, ..Rates::default() };
    view
}

fn listed(format: Format) -> String {
    let mut out = Vec::new();
    list_service(&mut out, &service(), Context { format, names: &NoNames }).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn counts_are_listed_as_recorded() {
    assert_eq!(
        listed(Format { persistent_conn: true, ..NUMERIC }),
        "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n\
         \x20 -> RemoteAddress:Port\n\
         TCP  192.168.1.100:9001 rr persistent 300\n\
         \x20 -> 10.0.0.11:9001               1         1           1          0         \n\
         \x20 -> 10.0.0.12:9001               1         2           3          0         \n"
    );
    assert_eq!(
        listed(Format { rate: true, ..NUMERIC }),
        "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n\
         \x20 -> RemoteAddress:Port\n\
         TCP  192.168.1.100:9001                  0        1        1       46       32\n\
         \x20 -> 10.0.0.11:9001                      0        0        0       15       11\n\
         \x20 -> 10.0.0.12:9001                      0        1        0       31       22\n"
    );
    assert_eq!(
        listed(Format { stats: true, exact: true, ..NUMERIC }),
        "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n\
         \x20 -> RemoteAddress:Port\n\
         TCP  192.168.1.100:9001                  3        9        6      492      345\n\
         \x20 -> 10.0.0.11:9001                      1        3        2      164      115\n\
         \x20 -> 10.0.0.12:9001                      2        6        4      328      230\n"
    );
}

#[test]
fn long_names_are_cut_off() {
    struct Long;
    impl relvs_ipvsadm::Names for Long {
        fn address(&self, _: &str) -> Option<std::net::Ipv4Addr> {
            None
        }
        fn port(&self, _: &str, _: Protocol) -> Option<u16> {
            None
        }
        fn host(&self, _: std::net::IpAddr) -> Option<String> {
            Some("a-host-with-a-very-long-name.in-a-domain.example.org".to_owned())
        }
        fn service(&self, _: u16, _: Protocol) -> Option<String> {
            Some("a-service".to_owned())
        }
    }
    let mut out = Vec::new();
    let format = Format { numeric: false, ..NUMERIC };
    list_service(&mut out, &service(), Context { format, names: &Long }).unwrap();
    let lines: Vec<String> = String::from_utf8(out).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines[2], "TCP  a-host-with-a-very-long-name rr persistent 300");
    assert_eq!(lines[3], "  -> a-host-with-a-very-long-name Masq    1      1          0         ");
}

fn connection(protocol: &'static str, ends: [&str; 3], state: &'static str, expires_s: u32) -> ConnectionView {
    let [client, service, server] = ends.map(|end| end.parse::<SocketAddr>().unwrap());
    ConnectionView { protocol, client, service, server, state: state.to_owned(), expires_s }
}

fn connections(views: &[ConnectionView], format: Format) -> String {
    let mut out = Vec::new();
    let mut list = ConnectionList::begin(&mut out, Context { format, names: &Recorded }).unwrap();
    views.iter().for_each(|view| list.row(view).unwrap());
    list.end().unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn connections_are_listed_as_recorded() {
    let views = [
        connection("TCP", ["192.168.1.10:30630", "192.168.1.100:30001", "10.0.0.11:9002"], "ESTABLISHED", 899),
        connection("UDP", ["10.0.0.10:30647", "10.0.0.100:9000", "10.0.0.11:9000"], "UDP", 299),
        connection("TCP", ["10.0.0.10:30644", "10.0.0.100:80", "10.0.0.11:80"], "FIN_WAIT", 119),
    ];
    let title = "IPVS connection entries\npro expire state       source             virtual            destination\n";
    assert_eq!(
        connections(&views, NUMERIC),
        format!(
            "{title}TCP 14:59  ESTABLISHED 192.168.1.10:30630 192.168.1.100:30001 10.0.0.11:9002\n\
             UDP 04:59  UDP         10.0.0.10:30647    10.0.0.100:9000    10.0.0.11:9000\n\
             TCP 01:59  FIN_WAIT    10.0.0.10:30644    10.0.0.100:80      10.0.0.11:80\n"
        )
    );
    assert_eq!(
        connections(&views[2..], Format { numeric: false, ..NUMERIC }),
        format!("{title}TCP 01:59  FIN_WAIT    10.0.0.10:30644    10.0.0.100:http    10.0.0.11:http\n")
    );
}

#[test]
fn every_listing_is_json_if_wanted() {
    let json = Format { json: true, ..NUMERIC };
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let one = parsed(&listed(json));
    assert_eq!(one["services"][0]["service"], json!({"protocol": "tcp", "address": "192.168.1.100", "port": 9001}));
    let server = &one["services"][0]["servers"][1];
    assert_eq!((&server["address"], &server["active"]), (&json!("10.0.0.12"), &json!(3)));
    assert_eq!(server["statistics"]["bytes_in"], 328);
    let written = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        parsed(&String::from_utf8(out).unwrap())
    };
    let context = Context { format: json, names: &NoNames };
    let all = written(&|out| list_services(out, &[service(), service()], 7, context).unwrap());
    assert_eq!((&all["size"], all["services"].as_array().unwrap().len()), (&json!(7), 2));
    let none = written(&|out| list_services(out, &[], 7, context).unwrap());
    assert_eq!(none, json!({"version": "1.2.1", "size": 7, "services": []}));
    let timeouts = written(&|out| list_timeouts(out, &Timeouts::default(), json).unwrap());
    assert_eq!(timeouts, json!({"tcp_s": 900, "tcp_fin_s": 120, "udp_s": 300}));
    assert_eq!(written(&|out| list_daemons(out, json).unwrap()), json!({"daemons": []}));
    let view = connection("TCP", ["[fd00::1]:5", "[fd00::2]:80", "[fd00::3]:80"], "NONE", 9);
    for count in 0..3 {
        let list = parsed(&connections(&vec![view.clone(); count], json));
        assert_eq!(list["connections"].as_array().unwrap().len(), count);
    }
    assert_eq!(parsed(&connections(&[view], json))["connections"][0]["client"], "[fd00::1]:5");
}
