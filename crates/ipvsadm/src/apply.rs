//! Changes of the desired state, judged as the kernel judges them (net/netfilter/ipvs/ip_vs_ctl.c) and refused in
//! ipvsadm's words.
//!
//! Counters and connections are none of the desired state, so [`Change::Zero`] is only judged here; and a removed
//! server's connections are the director's own business.

use crate::{Change, Refused, ServerSpec, ServiceSpec, Unsupported};
use relvs_model::{Method, Persistence, Scheduler, Server, Service, ServiceKey, State, Timeouts};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

/// The name with which the kernel leaves a service without scheduler.
const NO_SCHEDULER: &str = "none";
/// The only persistence engine there is.
const ENGINE: &str = "sip";

/// Carries out one change.
///
/// # Errors
///
/// The change is refused, and the state is as before.
pub fn apply(state: &mut State, change: &Change) -> Result<(), Refused> {
    let mut table = Table::of(state);
    let result = table.apply(change);
    table.give_back(state);
    result
}

/// Carries out all changes in their order, or none of them. A change costs the same however many services there are.
///
/// # Errors
///
/// The change with this index, from 0, is refused, and the state is as before.
pub fn apply_all(state: &mut State, changes: &[Change]) -> Result<(), (usize, Refused)> {
    let mut after = state.clone();
    let mut table = Table::of(&mut after);
    for (at, change) in changes.iter().enumerate() {
        table.apply(change).map_err(|refused| (at, refused))?;
    }
    table.give_back(&mut after);
    *state = after;
    Ok(())
}

/// A state's services, found by their keys.
struct Table {
    /// In the order in which they were added; removed ones leave a hole.
    services: Vec<Option<Service>>,
    places: HashMap<ServiceKey, usize>,
    timeouts: Timeouts,
}

impl Table {
    fn of(state: &mut State) -> Self {
        let services: Vec<Option<Service>> = std::mem::take(&mut state.services).into_iter().map(Some).collect();
        let keys = services.iter().enumerate().filter_map(|(at, service)| Some((service.as_ref()?.key, at)));
        Table { places: keys.collect(), services, timeouts: state.timeouts }
    }

    fn give_back(self, state: &mut State) {
        state.services = self.services.into_iter().flatten().collect();
        state.timeouts = self.timeouts;
    }

    fn service(&mut self, key: &ServiceKey) -> Option<&mut Service> {
        self.services.get_mut(*self.places.get(key)?)?.as_mut()
    }

    fn apply(&mut self, change: &Change) -> Result<(), Refused> {
        match change {
            Change::AddService(spec) => {
                if self.places.contains_key(&spec.key) {
                    return Err(Refused::ServiceExists);
                }
                let scheduler = scheduler(spec)?;
                let mut service = Service::new(spec.key, scheduler, Vec::new());
                set_service(&mut service, spec, scheduler);
                self.places.insert(spec.key, self.services.len());
                self.services.push(Some(service));
            }
            Change::EditService(spec) => {
                let service = self.service(&spec.key).ok_or(Refused::NoSuchService)?;
                let scheduler = scheduler(spec)?;
                set_service(service, spec, scheduler);
            }
            Change::DeleteService(key) => {
                let place = self.places.remove(key).ok_or(Refused::NoSuchService)?;
                self.services[place] = None;
            }
            Change::Flush => {
                self.places.clear();
                self.services.clear();
            }
            Change::AddServer(key, spec) => {
                let service = self.service(key).ok_or(Refused::ServiceNotDefined)?;
                thresholds(spec)?;
                if place(service, spec.address).is_some() {
                    return Err(Refused::DestinationExists);
                }
                if !can_be_server(spec.address.ip()) {
                    return Err(Refused::Invalid);
                }
                supported(key, spec)?;
                service.servers.push(server(spec));
            }
            Change::EditServer(key, spec) => {
                let service = self.service(key).ok_or(Refused::ServiceNotDefined)?;
                thresholds(spec)?;
                let place = place(service, spec.address).ok_or(Refused::NoSuchDestination)?;
                supported(key, spec)?;
                service.servers[place] = server(spec);
            }
            Change::DeleteServer(key, address) => {
                let service = self.service(key).ok_or(Refused::ServiceNotDefined)?;
                let place = place(service, *address).ok_or(Refused::NoSuchDestination)?;
                service.servers.remove(place);
            }
            Change::SetTimeouts { tcp_s, tcp_fin_s, udp_s } => {
                let timeouts = &mut self.timeouts;
                let all =
                    [(&mut timeouts.tcp_s, tcp_s), (&mut timeouts.tcp_fin_s, tcp_fin_s), (&mut timeouts.udp_s, udp_s)];
                for (timeout, seconds) in all {
                    if *seconds != 0 {
                        *timeout = *seconds;
                    }
                }
            }
            Change::Zero(None) => {}
            Change::Zero(Some(key)) => {
                self.service(key).ok_or(Refused::NoSuchService)?;
            }
            Change::StartDaemon(_) => return Err(Unsupported::SyncDaemon.into()),
            Change::StopDaemon(_) => return Err(Refused::NoDaemon),
        }
        Ok(())
    }
}

/// The scheduler, if the kernel would find it and the engine, and relvs has both.
fn scheduler(spec: &ServiceSpec) -> Result<Scheduler, Refused> {
    let scheduler = match spec.scheduler.as_str() {
        NO_SCHEDULER => None,
        name => Some(name.parse().map_err(|()| Refused::NotFound)?),
    };
    match spec.engine.as_deref() {
        Some(ENGINE) => Err(Unsupported::Engine(ENGINE.to_owned()).into()),
        Some(_) => Err(Refused::NotFound),
        None => scheduler.ok_or(Unsupported::NoScheduler.into()),
    }
}

fn set_service(service: &mut Service, spec: &ServiceSpec, scheduler: Scheduler) {
    service.scheduler = scheduler;
    service.flags = spec.flags;
    service.persistence = spec.persistence;
    service.one_packet = spec.one_packet;
    debug_assert!(spec.persistence.is_none_or(|Persistence { netmask, .. }| netmask.is_ipv4() == spec.key.is_ipv4()));
}

fn thresholds(spec: &ServerSpec) -> Result<(), Refused> {
    if spec.lower_threshold > spec.upper_threshold { Err(Refused::OutOfRange) } else { Ok(()) }
}

/// Whether relvs can have a server that the kernel takes.
fn supported(key: &ServiceKey, spec: &ServerSpec) -> Result<(), Unsupported> {
    let (service, server) = (*key, spec.address);
    if spec.tunnel.supported().is_none() {
        return Err(Unsupported::RemoteChecksum);
    }
    if spec.method == Method::Nat && server.port() == 0 && service.port() != 0 {
        return Err(Unsupported::NoPort { service, server });
    }
    Ok(())
}

fn server(spec: &ServerSpec) -> Server {
    Server {
        tunnel: spec.tunnel.supported().unwrap_or_default(),
        upper_threshold: spec.upper_threshold,
        lower_threshold: spec.lower_threshold,
        ..Server::new(spec.address.ip(), spec.address.port(), spec.weight, spec.method)
    }
}

fn place(service: &Service, address: SocketAddr) -> Option<usize> {
    service.servers.iter().position(|server| server.address == address.ip() && server.port == address.port())
}

/// Whether the kernel takes a server at this address without knowing its own networks: it must be one host's.
fn can_be_server(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => !(four.is_unspecified() || four.is_broadcast() || four.is_multicast()),
        IpAddr::V6(six) => {
            let link_local = six.segments()[0] & 0xffc0 == 0xfe80;
            !(six == Ipv6Addr::UNSPECIFIED || six.is_multicast() || link_local || six.to_ipv4_mapped().is_some())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, NoNames, parse};

    fn change(line: &str) -> Change {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        match parse("ipvsadm", &words, &NoNames) {
            Ok(Command::Change(change)) => change,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn all(lines: &[&str]) -> Result<State, (usize, Refused)> {
        let mut state = State::default();
        let changes: Vec<Change> = lines.iter().map(|line| change(line)).collect();
        apply_all(&mut state, &changes).map(|()| state)
    }

    #[test]
    fn all_or_none() {
        let mut state = all(&["-A -t 10.0.0.100:80", "-a -t 10.0.0.100:80 -r 10.0.0.1"]).unwrap();
        let before = state.clone();
        let changes = [change("-C"), change("-A -f 1"), change("--set 1 2 3"), change("-D -f 2")];
        assert_eq!(apply_all(&mut state, &changes), Err((3, Refused::NoSuchService)));
        assert_eq!(state, before);
        assert_eq!(apply_all(&mut state, &changes[..3]), Ok(()));
        assert_eq!((state.services.len(), state.timeouts.tcp_fin_s), (1, 2));
        assert_eq!(before.services[0].servers, [Server::new("10.0.0.1".parse().unwrap(), 80, 1, Method::Dr)]);
    }

    #[test]
    fn removed_services_leave_the_order() {
        let state = all(&["-A -f 1", "-A -f 2", "-A -f 3", "-D -f 2", "-A -f 2", "-D -f 1", "-E -f 3 -s rr"]).unwrap();
        let keys: Vec<ServiceKey> = state.services.iter().map(|service| service.key).collect();
        assert_eq!(keys, [ServiceKey::mark(3, false), ServiceKey::mark(2, false)]);
        assert_eq!(state.services[0].scheduler, Scheduler::Rr);
    }

    #[test]
    fn what_relvs_has_not_is_refused_in_one_line() {
        let service = "-A -t 10.0.0.100:80";
        for (lines, text) in [
            (vec!["-A -u 10.0.0.100:80 --pe sip -p"], "relvs has no persistence engine sip"),
            (vec!["-A -u 10.0.0.100:80 -s none"], "relvs has no service without a scheduler"),
            (
                vec![service, "-a -t 10.0.0.100:80 -r 10.0.0.1 -i --tun-type gue --tun-port 6080 --tun-remcsum"],
                "relvs has no tunnels with a remote checksum",
            ),
            (vec![service, "-a -t 10.0.0.100:80 -r 10.0.0.1:0 -m"], "relvs cannot rewrite the packets"),
            (vec!["--start-daemon master"], "relvs has no sync daemon"),
        ] {
            let (at, refused) = all(&lines).unwrap_err();
            assert_eq!(at, lines.len() - 1);
            let told = refused.to_string();
            assert!(told.starts_with(text) && told.lines().count() == 1, "{told}");
        }
    }

    #[test]
    fn addresses_of_no_host_are_refused() {
        let no = ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1", "fe80::1", "::ffff:10.0.0.1"];
        for address in no {
            assert!(!can_be_server(address.parse().unwrap()), "{address}");
        }
        for address in ["10.0.0.1", "0.1.2.3", "127.0.0.1", "240.0.0.1", "::1", "fd00::1", "fec0::1", "::1.2.3.4"] {
            assert!(can_be_server(address.parse().unwrap()), "{address}");
        }
    }
}
