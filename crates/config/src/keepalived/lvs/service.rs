//! `virtual_server`: one service for an address or a mark, several for a group.

use super::{
    Around,
    group::Member,
    server::{ServerDraft, endpoint, method, server},
    settings::Given,
};
use crate::{
    address::one_machine,
    keepalived::{
        Place, Statement,
        keywords::Context,
        reading::{Reading, keep},
    },
    report::{Fault, quoted},
    toml_file::MAX_WEIGHT,
};
use relvs_model::{
    Method, Netmask, Persistence, Protocol, Scheduler, SchedulerFlags, Server, Service, ServiceKey, Tunnel,
    health::{Check, Probe, Script, ServerHealth, ServiceHealth},
};
use std::{
    borrow::Cow,
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

/// What `persistence_timeout` is without a number.
const PERSISTENCE_S: u32 = 360;

/// A service as it is written.
#[derive(Default)]
struct Draft {
    given: Given,
    scheduler: Option<Scheduler>,
    flags: SchedulerFlags,
    method: Option<(Method, Tunnel)>,
    protocol: Option<Protocol>,
    one_packet: bool,
    persistence_s: Option<u32>,
    granularity: Option<Netmask>,
    six: Option<bool>,
    weight: Option<u32>,
    health: ServiceHealth,
    sorry: Option<(IpAddr, Option<u16>)>,
    sorry_method: Option<(Method, Tunnel)>,
    servers: Vec<ServerDraft>,
}

/// A service, and where it and its servers are written.
pub(in crate::keepalived) struct Found {
    pub(in crate::keepalived) service: Service,
    pub(in crate::keepalived) place: Place,
    pub(in crate::keepalived) servers: Vec<Place>,
}

/// Reads a service, or those of its group.
pub(in crate::keepalived) fn service(statement: &Statement, around: &Around, reading: &mut Reading<'_>) -> Vec<Found> {
    let members = members(statement, around, reading);
    let servers = reading.block(statement).iter().filter(|line| line.keyword.text == "real_server").count();
    if !reading.room.take(members.as_ref().map_or(1, |members| members.len()), servers) {
        let fault = Fault::new("there are more services and servers than are taken");
        reading.fault(statement.keyword.place, fault.help("use a mark in place of many addresses; it is left out"));
        return Vec::new();
    }
    let draft = draft(statement, around, reading);
    let Some(members) = members else { return Vec::new() };
    if servers == 0 {
        let fault = Fault::new("the service has no real server, so keepalived leaves it out");
        reading.fault(statement.keyword.place, fault.help("add `real_server`; it is left out"));
        return Vec::new();
    }
    let of_marks = members.iter().all(|member| matches!(member, Member::Mark(..)));
    let protocol = draft.protocol.unwrap_or_else(|| {
        if !of_marks {
            let fault = Fault::new("no protocol is said, so it is UDP, as in keepalived");
            reading.fault(statement.keyword.place, fault.help("add `protocol TCP` if that is meant"));
        }
        Protocol::Udp
    });
    if draft.protocol.is_some() && of_marks {
        let fault = Fault::new("a mark has no protocol");
        reading.complaint(statement.keyword.place, fault.help("leave `protocol` out"));
    }
    let scheduler = draft.scheduler.unwrap_or_else(|| {
        let fault = Fault::new("no scheduler is set, so it is wlc");
        reading.fault(statement.keyword.place, fault.help("add `lb_algo wlc`, or another"));
        Scheduler::Wlc
    });
    if draft.lacks_method() {
        let fault = Fault::new("no forwarding method is set, so it is NAT");
        reading.fault(statement.keyword.place, fault.help("add `lb_kind NAT`, or another"));
    }
    if draft.one_packet && !of_marks && protocol != Protocol::Udp {
        let fault = Fault::new("`ops` is for UDP alone");
        reading.complaint(statement.keyword.place, fault.help("remove it: every packet of a connection goes one way"));
    }
    if let (Some(six), Some(server)) = (draft.six, draft.servers.first())
        && server.address.is_ipv6() != six
    {
        let fault = Fault::new(format!("`ip_family` is not that of the server {}", server.address));
        reading.fault(server.place, fault.help("correct one of them"));
    }
    let mut services = Vec::new();
    for member in members.iter() {
        let key = match *member {
            Member::Address(address, port) => ServiceKey::listen(protocol, address, port),
            Member::Mark(mark, six) => ServiceKey::mark(mark, six.or(draft.six).unwrap_or_else(|| draft.is_ipv6())),
        };
        if let Some(mut found) = made(&draft, key, scheduler, statement, reading) {
            // Scripts of a group are run once, not for each of its addresses.
            if !services.is_empty() {
                silence(&mut found.service);
            }
            services.push(found);
        }
    }
    services
}

/// What the service is known by.
fn members<'a>(statement: &Statement, around: &'a Around, reading: &mut Reading<'_>) -> Option<Cow<'a, [Member]>> {
    match reading.word(statement, 0, "an address, `fwmark` or `group`")? {
        "fwmark" => Some(vec![Member::Mark(reading.integer(statement, 1, 1..=u32::MAX)?, None)].into()),
        "group" => {
            let name = reading.word(statement, 1, "the name of a virtual_server_group")?;
            let found = around.groups.get(name);
            if found.is_none_or(Vec::is_empty) {
                let fault = Fault::new(format!("there is no virtual_server_group {}", quoted(name)));
                reading.fault(Reading::place(statement, 1), fault.help("add it; the service is left out"));
            }
            found.map(Cow::from)
        }
        _ => {
            let (address, port) = endpoint(statement, 0, reading)?;
            Some(vec![Member::Address(address, port.unwrap_or(0))].into())
        }
    }
}

fn draft(statement: &Statement, around: &Around, reading: &mut Reading<'_>) -> Draft {
    let mut draft = Draft::default();
    draft.given.log_all_failures = around.log_all_failures.then_some(true);
    let mut servers = Vec::new();
    let (mut hysteresis, mut quorum) = (None, None);
    for line in reading.block(statement) {
        if line.keyword.text == "hashed" {
            of_scheduler("hashed", line, &draft, reading);
        }
        let Some(keyword) = reading.keyword(Context::Service, line) else { continue };
        match keyword {
            "lb_algo" | "lvs_sched" => keep(&mut draft.scheduler, scheduler(line, reading)),
            "lb_kind" | "lvs_method" => keep(&mut draft.method, method(line, reading)),
            "sorry_server_lvs_method" => {
                let found = method(line, reading);
                if after_sorry(line, &draft, reading) {
                    keep(&mut draft.sorry_method, found);
                }
            }
            "protocol" => keep(&mut draft.protocol, protocol(line, reading)),
            "ops" => draft.one_packet = true,
            "flag-1" | "sh-fallback" | "mh-fallback" | "flag-2" | "sh-port" | "mh-port" | "flag-3" => {
                if let Some((flag, _)) = SchedulerFlags::named(keyword)
                    && of_scheduler(keyword, line, &draft, reading)
                {
                    draft.flags = draft.flags.with(flag);
                }
            }
            "persistence_timeout" => keep(&mut draft.persistence_s, persistence(line, reading)),
            "persistence_granularity" => keep(&mut draft.granularity, granularity(line, reading)),
            "ip_family" => keep(&mut draft.six, reading.choice(line, 0, &[("inet", false), ("inet6", true)])),
            "weight" => keep(&mut draft.weight, reading.integer(line, 0, 1..=MAX_WEIGHT)),
            "ha_suspend" => draft.health.ha_suspend = true,
            "omega" => draft.health.omega = reading.boolean(line).unwrap_or(draft.health.omega),
            "quorum" => {
                if let Some(found) = reading.integer(line, 0, 1..=u32::MAX) {
                    draft.health.quorum = found;
                    quorum = Some((line, found));
                }
            }
            "hysteresis" => keep(&mut hysteresis, reading.integer(line, 0, 0..=u32::MAX).map(|found| (found, line))),
            "quorum_up" => keep(&mut draft.health.quorum_up, reading.script(line)),
            "quorum_down" => keep(&mut draft.health.quorum_down, reading.script(line)),
            "sorry_server" => keep(&mut draft.sorry, endpoint(line, 0, reading)),
            "sorry_server_inhibit" => draft.health.inhibit_sorry |= after_sorry(line, &draft, reading),
            "real_server" => servers.push(line),
            _ => {
                draft.given.take(keyword, line, reading);
            }
        }
    }
    if let Some((line, least)) = quorum.filter(|_| !servers.is_empty()) {
        let weight = |server: &Statement| {
            let lines = server.block.iter().flatten().filter(|line| line.keyword.text == "weight");
            let said = lines.filter_map(|line| line.arguments.first()?.text.parse::<u32>().ok()).next_back();
            u64::from(said.or(draft.weight).unwrap_or(1))
        };
        let sum = servers.iter().map(|server| weight(server)).sum::<u64>().max(1);
        if u64::from(least) > sum {
            draft.health.quorum = u32::try_from(sum).unwrap_or(least);
            let fault = Fault::new(format!("the quorum {least} is more than all servers weigh together"));
            reading.fault(Reading::place(line, 0), fault.help(format!("correct it; {sum} is taken")));
        }
    }
    if let Some((found, line)) = hysteresis {
        draft.health.hysteresis = found.min(draft.health.quorum - 1);
        if found >= draft.health.quorum {
            let fault = Fault::new(format!("hysteresis {found} is not below the quorum {}", draft.health.quorum));
            reading.fault(Reading::place(line, 0), fault.help(format!("{} is taken", draft.health.hysteresis)));
        }
    }
    let mut seen = BTreeSet::new();
    for line in servers {
        let Some(server) = server(line, &draft.given, around, reading) else { continue };
        if !seen.insert((server.address, server.port)) {
            let fault = Fault::new(format!("the server {} is there twice", server.address));
            reading.fault(Reading::place(line, 0), fault.help("remove one of them; the first counts"));
            continue;
        }
        draft.servers.push(server);
    }
    draft
}

/// What is said of the sorry server counts after it alone, as in keepalived.
fn after_sorry(line: &Statement, draft: &Draft, reading: &mut Reading<'_>) -> bool {
    if draft.sorry.is_none() {
        let fault = Fault::new(format!("`{}` stands before or without `sorry_server`", line.keyword.text));
        reading.fault(line.keyword.place, fault.help("write it after that; it is left out"));
    }
    draft.sorry.is_some()
}

/// Whether a flag is one of the scheduler that was named before it; otherwise it is left out, as by keepalived.
fn of_scheduler(keyword: &str, line: &Statement, draft: &Draft, reading: &mut Reading<'_>) -> bool {
    let own = match keyword.split_once('-') {
        Some(("sh", _)) => Scheduler::Sh,
        Some(("mh", _)) => Scheduler::Mh,
        None => Scheduler::Sh,
        _ => return true,
    };
    if draft.scheduler != Some(own) {
        let fault = Fault::new(format!("`{keyword}` is for `lb_algo {}` alone", own.name()));
        reading.fault(line.keyword.place, fault.help("write it after that; it is left out"));
    }
    draft.scheduler == Some(own)
}

impl Draft {
    /// Whether a server or the sorry server has no method.
    fn lacks_method(&self) -> bool {
        let sorry = self.sorry.is_some() && self.sorry_method.is_none();
        self.method.is_none() && (sorry || self.servers.iter().any(|server| server.method.is_none()))
    }

    /// The family of a mark's packets: that of the servers.
    fn is_ipv6(&self) -> bool {
        let address = self.servers.first().map(|server| server.address).or(self.sorry.map(|(address, _)| address));
        address.is_some_and(|address| address.is_ipv6())
    }
}

/// One service of a draft; none if it cannot be.
fn made(
    draft: &Draft,
    key: ServiceKey,
    scheduler: Scheduler,
    statement: &Statement,
    reading: &mut Reading<'_>,
) -> Option<Found> {
    if let Some(Err(fault)) = key.address().map(|vip| one_machine("the VIP", vip)) {
        reading.fault(Reading::place(statement, 0), fault.help("no packet for it comes to a director; it is left out"));
        return None;
    }
    let method = draft.method.unwrap_or((Method::Nat, Tunnel::Ipip));
    let weight = draft.weight.unwrap_or(1);
    let persistence = draft
        .persistence_s
        .map(|timeout_s| Persistence { timeout_s, netmask: draft.granularity.unwrap_or(Netmask::host(key.is_ipv4())) });
    if key.port() == 0 && matches!(key, ServiceKey::Listen(_)) && persistence.is_none() {
        let fault = Fault::new("a service without a port must be persistent");
        reading.fault(statement.keyword.place, fault.help("add a port or `persistence_timeout`; it is left out"));
        return None;
    }
    let mut servers: Vec<Server> = Vec::new();
    let mut places = Vec::new();
    for draft_server in &draft.servers {
        let mut server = draft_server.made(key.port(), method, weight);
        if !can_be(&server, key, draft_server.place, reading) {
            continue;
        }
        if server.address.is_ipv4() != key.is_ipv4() && server.method != Method::Tun {
            let fault = Fault::new(format!("the server {} is not of the family of {key}", server.address));
            reading
                .fault(draft_server.place, fault.help("only TUN reaches servers of the other family; it is left out"));
            continue;
        }
        if server.method != Method::Nat && server.port != key.port() {
            // Of a mark, or of all ports, every server has the port that the client asked for.
            if key.port() != 0 {
                let fault =
                    Fault::new(format!("the server {} gets packets on port {} of {key}", server.address, key.port()));
                let help = "only NAT changes the port; its own port is not used";
                reading.complaint(draft_server.place, fault.help(help));
            } else if server.port != 0 {
                let fault = Fault::new(format!("the server {} gets packets on every port of {key}", server.address));
                reading.complaint(draft_server.place, fault.help("leave its port out: checks have `connect_port`"));
            }
            asked_at(&mut server);
            server.port = key.port();
        } else if server.method == Method::Nat && server.port == 0 && key.port() != 0 {
            let fault = Fault::new(format!(
                "the server {} has no port, so it gets packets on port {}",
                server.address,
                key.port()
            ));
            reading.warning(draft_server.place, fault.help("write the port behind its address"));
            server.port = key.port();
        }
        servers.push(server);
        places.push(draft_server.place);
    }
    let mut health = draft.health.clone();
    health.sorry = sorry(draft, key, method, statement, reading);
    let checked = servers.iter().any(|server| server.health.as_ref().is_some_and(|health| !health.checks.is_empty()));
    let health = (checked || health != ServiceHealth::default()).then(|| Arc::new(health));
    let service = Service {
        flags: draft.flags,
        persistence,
        one_packet: draft.one_packet && key.protocol().is_none_or(|protocol| protocol == Protocol::Udp),
        health,
        ..Service::new(key, scheduler, servers)
    };
    Some(Found { service, place: statement.keyword.place, servers: places })
}

/// Whether a check asks a port, which is the server's if the check has none of its own.
fn has_port(check: &Check) -> bool {
    !matches!(check.probe, Probe::Ping(_) | Probe::Misc(_) | Probe::File(_))
}

/// Its checks ask the port that is written, though packets do not go there.
fn asked_at(server: &mut Server) {
    let without = |check: &Check| has_port(check) && check.target.port.is_none();
    if let Some(health) = server.health.as_mut().filter(|health| health.checks.iter().any(without)) {
        for check in Arc::make_mut(health).checks.iter_mut().filter(|check| without(check)) {
            check.target.port = Some(server.port);
        }
    }
}

/// Whether a server can be one of this service; told if it cannot.
fn can_be(server: &Server, key: ServiceKey, place: Place, reading: &mut Reading<'_>) -> bool {
    let mut checks = server.health.iter().flat_map(|health| &health.checks);
    let fault = if let Err(fault) = one_machine("the server's address", server.address) {
        fault.help("write one that other machines reach; it is left out")
    } else if Some(server.address) == key.address() {
        let fault = Fault::new(format!("the server's address {} is the VIP itself", server.address));
        fault.help("write the address that the server alone has; it is left out")
    } else if server.port == 0 && checks.any(|check| check.target.port.is_none() && has_port(check)) {
        let fault =
            Fault::new(format!("a check of {} has no port to ask, so the server is always down", server.address));
        fault.help("add `connect_port`; it is left out")
    } else {
        return true;
    };
    reading.fault(place, fault);
    false
}

/// The sorry server, of the service's method if it has none of its own.
fn sorry(
    draft: &Draft,
    key: ServiceKey,
    method: (Method, Tunnel),
    statement: &Statement,
    reading: &mut Reading<'_>,
) -> Option<Server> {
    let (address, port) = draft.sorry?;
    let (method, tunnel) = draft.sorry_method.unwrap_or(method);
    let own = port.unwrap_or(key.port());
    if let Err(fault) = one_machine("the sorry server's address", address) {
        reading.fault(statement.keyword.place, fault.help("write one that other machines reach; it is left out"));
        return None;
    }
    if address.is_ipv4() != key.is_ipv4() && method != Method::Tun || Some(address) == key.address() {
        let fault = Fault::new(format!("the sorry server {address} cannot be one of {key}"));
        reading.fault(statement.keyword.place, fault.help("write an address of the VIP's family, not the VIP"));
        return None;
    }
    let port = if method == Method::Nat { own } else { key.port() };
    if port != own {
        let fault = Fault::new(format!("the sorry server {address} gets packets on port {port} of {key}"));
        reading.warning(statement.keyword.place, fault.help("only NAT changes the port; its own port is not used"));
    }
    Some(Server { tunnel, ..Server::new(address, port, 1, method) })
}

/// A member of a group after the first runs no scripts.
fn silence(service: &mut Service) {
    if let Some(health) = &mut service.health {
        let health = Arc::make_mut(health);
        let none: Option<Script> = None;
        (health.quorum_up, health.quorum_down) = (none.clone(), none);
    }
    for server in &mut service.servers {
        let scripts = |health: &Arc<ServerHealth>| health.notify_up.is_some() || health.notify_down.is_some();
        if let Some(health) = server.health.as_mut().filter(|health| scripts(health)) {
            let health = Arc::make_mut(health);
            (health.notify_up, health.notify_down) = (None, None);
        }
    }
}

fn scheduler(line: &Statement, reading: &mut Reading<'_>) -> Option<Scheduler> {
    let name = reading.word(line, 0, "a scheduler")?;
    let found = Scheduler::ALL.into_iter().find(|scheduler| scheduler.name() == name);
    if found.is_none() {
        let names: Vec<&str> = Scheduler::ALL.iter().map(|scheduler| scheduler.name()).collect();
        let fault = Fault::new(format!("{} is no scheduler", quoted(name)));
        reading.fault(Reading::place(line, 0), fault.help(format!("write one of {}", names.join(", "))));
    }
    found
}

fn protocol(line: &Statement, reading: &mut Reading<'_>) -> Option<Protocol> {
    let word = reading.word(line, 0, "TCP, UDP or SCTP")?;
    let found = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
        .into_iter()
        .find(|protocol| protocol.name().eq_ignore_ascii_case(word));
    if found.is_none() {
        let fault = Fault::new(format!("{} is no protocol", quoted(word)));
        reading.fault(Reading::place(line, 0), fault.help("write TCP, UDP or SCTP; UDP is taken"));
    }
    found
}

fn persistence(line: &Statement, reading: &mut Reading<'_>) -> Option<u32> {
    match line.arguments.first() {
        None => Some(PERSISTENCE_S),
        Some(word) if word.text == "0" => {
            let fault = Fault::new("persistence for 0 seconds is none");
            reading.fault(word.place, fault.help("leave `persistence_timeout` out"));
            None
        }
        Some(_) => reading.integer(line, 0, 1..=31 * 86_400),
    }
}

fn granularity(line: &Statement, reading: &mut Reading<'_>) -> Option<Netmask> {
    let word = reading.word(line, 0, "a netmask or a prefix length")?;
    let mask = word.parse::<Ipv4Addr>().ok().map(Netmask::V4);
    let prefix = || word.parse::<u8>().ok().filter(|prefix| (1..=128).contains(prefix)).map(Netmask::V6);
    let found = mask.or_else(prefix);
    if found.is_none() {
        let fault = Fault::new(format!("{} is no netmask", quoted(word)));
        reading.fault(Reading::place(line, 0), fault.help("write 255.255.255.0, or for IPv6 a prefix length like 64"));
    }
    found
}
