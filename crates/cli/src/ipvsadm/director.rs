//! The running director, as ipvsadm asks it: a few changes are edits, many one change of the whole configuration, guarded by
//! its revision.

use super::edits::{self, Unmade};
use relvs_api::{Client, Code, Configuration, Counters, Error, Filter, How, Service};
use relvs_ipvsadm::{
    Change, ConnectionView, Denied, Director, Failure, Rates, Refused, ServerView, ServiceView, Statistics, apply_all,
};
use relvs_model::{SchedulerFlags, ServiceKey, State, Timeouts};
use std::{io, net::SocketAddr};

/// How often a change is tried that others come before.
const TRIES: usize = 16;

pub(super) struct Remote {
    client: Client,
    /// The services that came with an answer about something else, until they are asked for.
    listed: Option<Vec<Service>>,
}

impl Remote {
    pub(super) fn new(client: Client) -> Self {
        Remote { client, listed: None }
    }

    /// Carries out what changes the configuration, as one change.
    fn configure(&self, changes: &[Change]) -> Result<(), (usize, Denied)> {
        let last = changes.len().saturating_sub(1);
        for _ in 0..TRIES {
            if edits::are_few(changes) {
                let edits = edits::of(&self.client, changes).map_err(|unmade| match unmade {
                    Unmade::Refused(at, refused) => (at, Denied::Refused(refused)),
                    Unmade::Failed(error) => (0, failed(error)),
                })?;
                match self.client.edit(&edits, How::default()) {
                    Ok(_) => return Ok(()),
                    // Another change came in between: this one is judged anew.
                    Err(Error::Refused(failure)) if edits::is_late(failure.code) => continue,
                    Err(error) => return Err((last, refused(error))),
                }
            }
            let there = self.client.configuration().map_err(|error| (0, failed(error)))?;
            let mut state = State { timeouts: there.timeouts, services: there.services, ..State::default() };
            apply_all(&mut state, changes).map_err(|(at, refused)| (at, Denied::Refused(refused)))?;
            let (timeouts, services) = (state.timeouts, state.services);
            let wanted = Configuration { director: None, timeouts, services, ..there };
            let how = How { revision: wanted.revision, ..How::default() };
            match self.client.replace(&wanted, how) {
                Ok(_) => return Ok(()),
                // Another change came in between: this one is made anew on top of it.
                Err(Error::Refused(failure)) if failure.code == Code::Revision => {}
                Err(error) => return Err((last, refused(error))),
            }
        }
        let why = "the configuration is changed by others all the time; try again";
        Err((last, Denied::Refused(Refused::Director(why.to_owned()))))
    }

    fn zero(&self, key: Option<ServiceKey>) -> Result<(), Denied> {
        self.client.zero(key).map(drop).map_err(refused)
    }
}

impl Director for Remote {
    fn change(&mut self, change: &Change) -> Result<(), Denied> {
        self.change_all(std::slice::from_ref(change)).map_err(|(_, denied)| denied)
    }

    fn change_all(&mut self, changes: &[Change]) -> Result<(), (usize, Denied)> {
        let zeroes = |change: &Change| matches!(change, Change::Zero(_));
        if changes.iter().all(zeroes) {
            // Nothing of the configuration changes, so nothing is written.
            let there = self.client.configuration().map_err(|error| (0, failed(error)))?;
            let mut state = State { services: there.services, ..State::default() };
            apply_all(&mut state, changes).map_err(|(at, refused)| (at, Denied::Refused(refused)))?;
        } else {
            self.configure(changes)?;
        }
        for (at, change) in changes.iter().enumerate() {
            if let Change::Zero(key) = change {
                self.zero(*key).map_err(|denied| (at, denied))?;
            }
        }
        Ok(())
    }

    fn services(&mut self) -> Result<Vec<ServiceView>, Denied> {
        let services = match self.listed.take() {
            Some(services) => services,
            None => self.client.services().map_err(failed)?,
        };
        Ok(services.iter().map(view).collect())
    }

    fn service(&mut self, key: &ServiceKey) -> Result<ServiceView, Denied> {
        match self.client.service(*key) {
            Ok(service) => Ok(view(&service)),
            Err(Error::Refused(failure)) if matches!(failure.code, Code::NoService | Code::NotFound) => {
                Err(Refused::NoSuchService.into())
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn timeouts(&mut self) -> Result<Timeouts, Denied> {
        Ok(self.client.configuration().map_err(failed)?.timeouts)
    }

    fn size(&mut self) -> Result<u32, Denied> {
        // A listing asks this first: of thousands of services one answer is enough.
        let status = self.client.status().map_err(failed)?;
        self.listed = Some(status.services);
        Ok(u32::try_from(status.flows.capacity).unwrap_or(u32::MAX))
    }

    fn connections(&mut self, show: &mut dyn FnMut(&ConnectionView) -> io::Result<()>) -> Result<(), Denied> {
        for flow in self.client.flows(&Filter::default()).map_err(failed)? {
            let flow = flow.map_err(failed)?;
            let protocol = match flow.protocol {
                0 => "IP",
                6 => "TCP",
                17 => "UDP",
                _ => "SCTP",
            };
            show(&ConnectionView {
                protocol,
                client: flow.client,
                service: flow.vip,
                server: flow.server,
                state: flow.state,
                expires_s: flow.expires_s,
            })?;
        }
        Ok(())
    }
}

/// What the director refuses for reasons of its own.
fn refused(error: Error) -> Denied {
    match error {
        Error::Refused(failure) => Denied::Refused(Refused::Director(failure.errors.join("; "))),
        error @ (Error::Connect { .. } | Error::Setting(_) | Error::Answer(_)) => failed(error),
    }
}

/// It cannot be asked.
fn failed(error: Error) -> Denied {
    Denied::Failed(match error {
        Error::Connect { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Failure::no_permission(),
        error @ (Error::Connect { .. } | Error::Setting(_) | Error::Refused(_) | Error::Answer(_)) => {
            Failure::no_director(&error.to_string())
        }
    })
}

fn view(service: &Service) -> ServiceView {
    let there = service.servers.iter().filter(|server| !server.removed);
    let server = |server: &relvs_api::Server| ServerView {
        address: SocketAddr::new(server.address, server.port),
        method: server.method,
        tunnel: server.tunnel.into(),
        weight: server.weight,
        upper_threshold: server.upper_threshold,
        lower_threshold: server.lower_threshold,
        active: server.active,
        inactive: server.inactive,
        persistent: server.templates,
        statistics: statistics(server.counters),
        rates: rates(server.rates),
    };
    ServiceView {
        key: service.key,
        scheduler: service.scheduler,
        flags: flags(&service.flags),
        persistence: service.persistence,
        engine: None,
        one_packet: service.one_packet,
        statistics: statistics(service.counters),
        rates: rates(service.rates),
        servers: there.map(server).collect(),
    }
}

fn flags(names: &[String]) -> SchedulerFlags {
    let known = names.iter().filter_map(|name| SchedulerFlags::named(name));
    known.fold(SchedulerFlags::NONE, |all, (flag, _)| all.with(flag))
}

fn statistics(counters: Counters) -> Statistics {
    let Counters { flows, packets_in, bytes_in, packets_out, bytes_out } = counters;
    Statistics { connections: flows, packets_in, packets_out, bytes_in, bytes_out }
}

fn rates(rates: relvs_api::Rates) -> Rates {
    let relvs_api::Rates { flows, packets_in, bytes_in, packets_out, bytes_out } = rates;
    Rates { connections: flows, packets_in, packets_out, bytes_in, bytes_out }
}
