//! keepalived.data and keepalived_check.data: what there is, for people.

use super::{Seen, json::address};
use relvs_api::{Server, Service, Status};
use relvs_model::{
    health::ServiceStatus,
    vrrp::{Instance, InstanceStatus},
};
use std::{
    fmt::Write as _,
    net::SocketAddr,
    time::{Duration, UNIX_EPOCH},
};

/// Virtual routers.
pub(super) fn routers(seen: &Seen<'_>) -> String {
    let mut text = String::from("------< VRRP Topology >------\n");
    for instance in &seen.settings.instances {
        match seen.routers.instances.iter().find(|status| status.name == instance.name) {
            Some(status) => one(&mut text, seen, instance, status),
            None => drop(writeln!(text, " VRRP Instance = {}\n   State = INIT", instance.name)),
        }
    }
    if !seen.settings.groups.is_empty() {
        text.push_str("------< VRRP Sync groups >------\n");
    }
    for group in &seen.settings.groups {
        let state = seen.routers.groups.iter().find(|status| status.name == group.name).map(|status| status.state);
        let state = state.map_or_else(|| "INIT".to_owned(), |state| state.to_string());
        let _ = writeln!(text, " VRRP Sync Group = {}, {state}", group.name);
        for member in &group.members {
            let _ = writeln!(text, "   monitor = {member}");
        }
    }
    text
}

fn one(text: &mut String, seen: &Seen<'_>, instance: &Instance, status: &InstanceStatus) {
    let last = seen.began + Duration::from_millis(status.since_ms);
    let since = httpdate::fmt_http_date(UNIX_EPOCH + last);
    let _ = write!(
        text,
        " VRRP Instance = {}\n   VRRP Version = {}\n   State = {}\n   Why = {}\n   Last transition = {}.{:06} ({since})\n   \
         Interface = {}\n   Virtual Router ID = {}\n   Priority = {}\n   Effective priority = {}\n   Advert interval = {} ms\n",
        status.name,
        status.version.number(),
        status.state,
        status.why,
        last.as_secs(),
        last.subsec_micros(),
        status.interface,
        status.router_id,
        status.base_priority,
        status.effective_priority,
        instance.advert_interval_ms,
    );
    if let Some(source) = status.source {
        let _ = writeln!(text, "   Using src_ip = {source}");
    }
    if let Some(master) = &status.master {
        let _ = writeln!(text, "   Master router = {}\n   Master priority = {}", master.address, master.priority);
    }
    for (heading, addresses) in [("Virtual IP", &instance.addresses), ("Virtual IP Excluded", &instance.excluded)] {
        if !addresses.is_empty() {
            let _ = writeln!(text, "   {heading} ({}):", addresses.len());
        }
        for one in addresses {
            let _ = writeln!(text, "     {}", address(instance, one));
        }
    }
    for condition in &status.conditions {
        let _ = writeln!(text, "   Condition = {} {}", condition.kind.name(), condition.who);
    }
}

/// Virtual services.
pub(super) fn services(status: &Status) -> String {
    let mut text = String::from("------< LVS Topology >------\n");
    for service in &status.services {
        let known = status.checks.iter().find(|known| known.service == service.key);
        of_service(&mut text, service, known);
    }
    text
}

fn of_service(text: &mut String, service: &Service, known: Option<&ServiceStatus>) {
    let _ = writeln!(text, " Virtual server = {}\n   lvs_sched = {}", service.key, service.scheduler);
    if !service.flags.is_empty() {
        let _ = writeln!(text, "   Flags = {}", service.flags.join(","));
    }
    if let Some(persistence) = service.persistence {
        let _ =
            writeln!(text, "   Persistence timeout = {} s, granularity {}", persistence.timeout_s, persistence.netmask);
    }
    if let Some(known) = known {
        let state = if known.suspended {
            "not checked, its address is elsewhere"
        } else if known.up {
            "up"
        } else {
            "down"
        };
        let _ = writeln!(text, "   Quorum = {state}, weight {} of {} needed", known.weight, known.needed);
        if known.sorry {
            text.push_str("   The sorry server serves\n");
        }
    }
    for server in &service.servers {
        of_server(text, server, known);
    }
    // What is down is in no table.
    let there = |socket: SocketAddr| service.servers.iter().any(|s| SocketAddr::new(s.address, s.port) == socket);
    for server in known.iter().flat_map(|known| &known.servers) {
        let socket = SocketAddr::new(server.address, server.port);
        if !there(socket) {
            let _ = writeln!(text, "   Real server = {socket}\n     Status = DOWN, {}", server.why);
        }
    }
}

fn of_server(text: &mut String, server: &Server, known: Option<&ServiceStatus>) {
    let socket = SocketAddr::new(server.address, server.port);
    let _ = write!(
        text,
        "   Real server = {socket}\n     lvs_method = {}\n     weight = {}\n     Active connections = {}\n     \
         Inactive connections = {}\n",
        server.method, server.weight, server.active, server.inactive
    );
    let checked = known.iter().flat_map(|known| &known.servers).find(|s| SocketAddr::new(s.address, s.port) == socket);
    if let Some(checked) = checked {
        let state = if checked.up { "UP" } else { "DOWN" };
        let _ = writeln!(text, "     Status = {state}, {}", checked.why);
        for check in &checked.checks {
            let state = if check.up { "up" } else { "down" };
            let _ = writeln!(text, "     Check = {}, {state}", check.name);
        }
    }
}
