//! What is said of an event: a line for the FIFO, a program's environment, a mail.
//!
//! Lines are keepalived's (notify_fifo, lvs_notify_fifo).

use relvs_model::{ServiceKey, health::Event};
use std::net::IpAddr;

/// This machine's name.
pub(super) fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "localhost".to_owned() } else { name.trim().to_owned() }
}

const fn state(up: bool) -> &'static str {
    if up { "UP" } else { "DOWN" }
}

/// `RS [10.0.0.11]:tcp:80 [192.0.2.100]:tcp:80 UP`, `VS [192.0.2.100]:tcp:80 DOWN`, and of a mark `VS FWM 7 UP`. keepalived has no
/// line for a sorry server. Those of virtual routers go to a FIFO of their own.
pub(super) fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Server { service, address, port, up, .. } => {
            let server = match service {
                ServiceKey::Listen(listen) => trio(*address, listen.protocol.name(), *port),
                ServiceKey::Mark(_) => trio(*address, "none", *port),
            };
            format!("RS {server} {} {}", virtual_server(service), state(*up))
        }
        Event::Quorum { service, up, .. } => format!("VS {} {}", virtual_server(service), state(*up)),
        Event::Sorry { .. } | Event::Router { .. } => return None,
    })
}

fn trio(address: IpAddr, protocol: &str, port: u16) -> String {
    format!("[{address}]:{protocol}:{port}")
}

fn virtual_server(service: &ServiceKey) -> String {
    match service {
        ServiceKey::Listen(listen) => trio(listen.address, listen.protocol.name(), listen.port),
        ServiceKey::Mark(mark) => format!("FWM {}", mark.mark),
    }
}

/// `server_up`, `quorum_down` and so on.
pub(super) const fn name(event: &Event) -> &'static str {
    match event {
        Event::Server { up: true, .. } => "server_up",
        Event::Server { up: false, .. } => "server_down",
        Event::Quorum { up: true, .. } => "quorum_up",
        Event::Quorum { up: false, .. } => "quorum_down",
        Event::Sorry { serving: true, .. } => "sorry_up",
        Event::Sorry { serving: false, .. } => "sorry_down",
        Event::Router { .. } => "router",
    }
}

/// What a script finds in its environment.
pub(crate) fn environment(event: &Event) -> Vec<(&'static str, String)> {
    let mut environment = vec![("RELVS_EVENT", name(event).to_owned())];
    match event {
        Event::Server { service, .. } | Event::Quorum { service, .. } | Event::Sorry { service, .. } => {
            environment.push(("RELVS_SERVICE", service.to_string()));
        }
        Event::Router { name, state, priority, .. } => {
            environment.push(("RELVS_ROUTER", name.clone()));
            environment.push(("RELVS_STATE", state.clone()));
            environment.push(("RELVS_PRIORITY", priority.to_string()));
        }
    }
    if let Event::Server { address, port, .. } | Event::Sorry { address, port, .. } = event {
        environment.push(("RELVS_SERVER", address.to_string()));
        environment.push(("RELVS_SERVER_PORT", port.to_string()));
    }
    if let Some(why) = why(event) {
        environment.push(("RELVS_WHY", why.to_owned()));
    }
    environment
}

/// A sentence for people.
pub(super) fn sentence(event: &Event) -> String {
    match event {
        Event::Server { service, address, port, up, .. } => {
            let server = std::net::SocketAddr::new(*address, *port);
            format!("server {server} of {service} is {}", if *up { "up" } else { "down" })
        }
        Event::Quorum { service, up: true, .. } => format!("{service} has enough servers"),
        Event::Quorum { service, up: false, .. } => format!("{service} has not enough servers"),
        Event::Sorry { service, address, port, serving } => {
            let server = std::net::SocketAddr::new(*address, *port);
            format!(
                "sorry server {server} {} for {service}",
                if *serving { "answers" } else { "is not needed any more" }
            )
        }
        Event::Router { group, name, state, priority, .. } => {
            let (kind, with) = match group {
                true => ("group", String::new()),
                false => ("virtual router", format!(", priority {priority}")),
            };
            format!("{kind} {name} is {state}{with}")
        }
    }
}

/// Why, where it is known.
pub(super) fn why(event: &Event) -> Option<&str> {
    match event {
        Event::Server { why, .. } | Event::Quorum { why, .. } => Some(why),
        Event::Sorry { .. } | Event::Router { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relvs_model::Protocol;

    #[test]
    fn lines_are_keepaliveds() {
        let vip = |text: &str| text.parse::<IpAddr>().unwrap();
        let service = ServiceKey::listen(Protocol::Tcp, vip("192.0.2.100"), 80);
        let server = |service, address: &str, up| Event::Server {
            service,
            address: vip(address),
            port: 8080,
            up,
            weight: 1,
            why: String::new(),
        };
        let quorum = |service, up| Event::Quorum { service, up, weight: 1, why: String::new() };
        let line = |event| line(&event).unwrap();
        assert_eq!(line(server(service, "10.0.0.1", true)), "RS [10.0.0.1]:tcp:8080 [192.0.2.100]:tcp:80 UP");
        assert_eq!(line(quorum(service, false)), "VS [192.0.2.100]:tcp:80 DOWN");
        let six = ServiceKey::listen(Protocol::Udp, vip("2001:db8::1"), 53);
        assert_eq!(line(quorum(six, true)), "VS [2001:db8::1]:udp:53 UP");
        let mark = ServiceKey::mark(7, false);
        assert_eq!(line(server(mark, "10.0.0.1", false)), "RS [10.0.0.1]:none:8080 FWM 7 DOWN");
    }
}
