//! Edits made of a desired state: all of them, in their order, or none.
//!
//! Each must be possible when its turn comes, and what it touches must then be right by itself, as when they came one
//! by one. Whether it all fits into the tables only [`crate::Control::prepare`] knows.

use crate::{
    Desired, Refusal,
    check::{rule, service, timeouts},
};
use relvs_model::{Edit, Endpoint, Method, Server, Service, ServiceKey, Tunnel, Unset};
use std::{collections::HashMap, net::SocketAddr, sync::Arc};

/// What edits make of a desired state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// What is desired then.
    pub desired: Desired,
    /// Whose counters begin at nothing: services that are there then; none is everything.
    pub zero: Vec<Option<ServiceKey>>,
}

/// The edit that cannot be made; none was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("change {}: {why}", at + 1)]
pub struct Refused {
    /// Which, from 0.
    pub at: usize,
    /// Why.
    pub why: Why,
}

/// Why an edit cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The service to be added is there (ipvsadm: "Service already exists").
    #[error("the service {0} exists already: edit it, or delete it first")]
    ServiceExists(ServiceKey),
    /// There is no such service (ipvsadm: "No such service").
    #[error("there is no service {0}")]
    NoService(ServiceKey),
    /// The server to be added is there (ipvsadm: "Destination already exists").
    #[error("the service {service} has the server {server} already: edit it, or delete it first")]
    ServerExists {
        /// The service.
        service: ServiceKey,
        /// The server.
        server: SocketAddr,
    },
    /// There is no such server (ipvsadm: "No such destination").
    #[error("the service {service} has no server {server}")]
    NoServer {
        /// The service.
        service: ServiceKey,
        /// The server.
        server: SocketAddr,
    },
    /// A setting cannot be so.
    #[error("setting {name}: {why}")]
    Setting {
        /// Its name.
        name: String,
        /// Why.
        why: Unset,
    },
    /// What it makes could not be applied.
    #[error(transparent)]
    Wrong(#[from] Refusal),
}

impl Desired {
    /// What these edits make of it.
    ///
    /// # Errors
    ///
    /// The first that cannot be made.
    pub fn edited(&self, edits: &[Edit]) -> Result<Edited, Refused> {
        let mut working = Working::of(self);
        for (at, edit) in edits.iter().enumerate() {
            working.make(edit).map_err(|why| Refused { at, why })?;
        }
        Ok(working.done())
    }
}

/// A state under way. Places of services that are gone are empty, so that the others keep theirs.
struct Working {
    rest: Desired,
    services: Vec<Option<Arc<Service>>>,
    places: HashMap<ServiceKey, usize>,
    zero: Vec<Option<ServiceKey>>,
}

impl Working {
    fn of(desired: &Desired) -> Self {
        let rest = Desired {
            settings: desired.settings.clone(),
            timeouts: desired.timeouts,
            rules: desired.rules.clone(),
            services: Vec::new(),
        };
        let places = desired.services.iter().enumerate().map(|(at, service)| (service.key, at)).collect();
        Working { rest, services: desired.services.iter().cloned().map(Some).collect(), places, zero: Vec::new() }
    }

    fn done(self) -> Edited {
        let Working { rest, services, places, mut zero } = self;
        zero.retain(|key| key.is_none_or(|key| places.contains_key(&key)));
        Edited { desired: Desired { services: services.into_iter().flatten().collect(), ..rest }, zero }
    }

    fn make(&mut self, edit: &Edit) -> Result<(), Why> {
        match edit {
            Edit::AddService(new) => {
                service(new)?;
                if self.places.contains_key(&new.key) {
                    return Err(Why::ServiceExists(new.key));
                }
                self.places.insert(new.key, self.services.len());
                self.services.push(Some(Arc::new(new.clone())));
            }
            Edit::EditService(edit) => {
                let found = self.service(edit.service)?;
                found.scheduler = edit.scheduler.unwrap_or(found.scheduler);
                found.flags = edit.flags.unwrap_or(found.flags);
                found.persistence = edit.persistence.unwrap_or(found.persistence);
                found.one_packet = edit.one_packet.unwrap_or(found.one_packet);
                service(found)?;
            }
            Edit::DeleteService(gone) => {
                let place = self.places.remove(&gone.service).ok_or(Why::NoService(gone.service))?;
                self.services[place] = None;
            }
            Edit::AddServer(new) => {
                let found = self.service(new.service)?;
                let endpoint = endpoint(&new.server);
                if found.servers.iter().any(|server| self::endpoint(server) == endpoint) {
                    return Err(Why::ServerExists { service: new.service, server: endpoint });
                }
                found.servers.push(new.server.clone());
                service(found)?;
            }
            Edit::EditServer(edit) => {
                let (found, at) = self.server(edit.endpoint())?;
                let server = &mut found.servers[at];
                server.weight = edit.weight.unwrap_or(server.weight);
                server.method = edit.method.unwrap_or(server.method);
                let kept = if server.method == Method::Tun { server.tunnel } else { Tunnel::Ipip };
                server.tunnel = edit.tunnel.unwrap_or(kept);
                server.upper_threshold = edit.upper_threshold.unwrap_or(server.upper_threshold);
                server.lower_threshold = edit.lower_threshold.unwrap_or(server.lower_threshold);
                service(found)?;
            }
            Edit::DeleteServer(gone) => {
                let (found, at) = self.server(*gone)?;
                found.servers.remove(at);
            }
            Edit::SetTimeouts(edit) => {
                let all = &mut self.rest.timeouts;
                all.tcp_s = edit.tcp_s.unwrap_or(all.tcp_s);
                all.tcp_fin_s = edit.tcp_fin_s.unwrap_or(all.tcp_fin_s);
                all.udp_s = edit.udp_s.unwrap_or(all.udp_s);
                timeouts(all)?;
            }
            Edit::SetSettings(values) => {
                for (name, value) in values {
                    let set = self.rest.settings.set(name, &value.to_string());
                    set.map_err(|why| Why::Setting { name: name.clone(), why })?;
                }
            }
            Edit::SetRules(list) => {
                list.rules.iter().enumerate().try_for_each(|(at, one)| rule(at, one))?;
                self.rest.rules.clone_from(&list.rules);
            }
            Edit::Clear {} => {
                self.services.clear();
                self.places.clear();
            }
            Edit::Zero(zero) => {
                if let Some(key) = zero.service.filter(|key| !self.places.contains_key(key)) {
                    return Err(Why::NoService(key));
                }
                self.zero.push(zero.service);
            }
        }
        Ok(())
    }

    fn service(&mut self, key: ServiceKey) -> Result<&mut Service, Why> {
        let place = self.places.get(&key).copied();
        let found = place.and_then(|place| self.services.get_mut(place)?.as_mut());
        found.map(Arc::make_mut).ok_or(Why::NoService(key))
    }

    /// The service, and the server's place in its list.
    fn server(&mut self, which: Endpoint) -> Result<(&mut Service, usize), Why> {
        let found = self.service(which.service)?;
        let wanted = which.socket();
        match found.servers.iter().position(|server| endpoint(server) == wanted) {
            Some(at) => Ok((found, at)),
            None => Err(Why::NoServer { service: which.service, server: wanted }),
        }
    }
}

fn endpoint(server: &Server) -> SocketAddr {
    SocketAddr::new(server.address, server.port)
}
