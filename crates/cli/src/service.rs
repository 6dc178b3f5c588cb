//! `relvs service list|add|edit|delete`.

use crate::{outcome::Making, status, words};
use clap::{Args, Subcommand};
use relvs_api::Client;
use relvs_model::{Edit, Persistence, Scheduler, SchedulerFlags, Service, ServiceEdit, ServiceKey, ServiceRef};
use std::{process::ExitCode, time::Duration};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show services and what they do
    List {
        /// Only this one, as in 192.0.2.100:80/tcp or mark:7
        service: Option<ServiceKey>,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Add a service, without servers
    Add {
        /// VIP:PORT/PROTOCOL, as in 192.0.2.100:80/tcp, or mark:7, or mark:7/ipv6
        service: ServiceKey,
        #[command(flatten)]
        about: About,
        #[command(flatten)]
        making: Making,
    },
    /// Change a service; what is not named stays
    Edit {
        /// As in 192.0.2.100:80/tcp or mark:7
        service: ServiceKey,
        #[command(flatten)]
        about: About,
        /// No scheduler flags any more
        #[arg(long, conflicts_with = "flags")]
        no_flags: bool,
        /// For each connection anew
        #[arg(long, conflicts_with = "persistence")]
        no_persistence: bool,
        /// Remember flows again
        #[arg(long, conflicts_with = "one_packet")]
        no_one_packet: bool,
        #[command(flatten)]
        making: Making,
    },
    /// Delete a service with its servers
    Delete {
        /// As in 192.0.2.100:80/tcp or mark:7
        service: ServiceKey,
        #[command(flatten)]
        making: Making,
    },
}

#[derive(Args)]
pub(crate) struct About {
    /// How a server is chosen: rr, wrr, lc, wlc (of a new service, if nothing is said), sh, mh, ...
    #[arg(long, value_name = "NAME", value_parser = scheduler)]
    scheduler: Option<Scheduler>,
    /// A flag of the scheduler, as sh-port; may be given several times
    #[arg(long = "flag", value_name = "NAME", value_parser = words::flag)]
    flags: Vec<SchedulerFlags>,
    /// How long a client keeps its server, as 5m
    #[arg(long, value_name = "TIME", value_parser = words::duration)]
    persistence: Option<Duration>,
    /// Which clients count as one: 255.255.255.0, or 64 for IPv6
    #[arg(long, value_name = "MASK", requires = "persistence")]
    netmask: Option<String>,
    /// Choose for each packet, and remember no flow
    #[arg(long)]
    one_packet: bool,
}

fn scheduler(text: &str) -> Result<Scheduler, String> {
    text.parse().map_err(|()| format!("there are {}", Scheduler::ALL.map(Scheduler::name).join(", ")))
}

impl About {
    fn persistence(&self, key: ServiceKey) -> Result<Option<Persistence>, String> {
        let of = |timeout| words::persistence(key, timeout, self.netmask.as_deref());
        self.persistence.map(of).transpose()
    }

    fn flags(&self) -> SchedulerFlags {
        self.flags.iter().fold(SchedulerFlags::NONE, |all, flag| all.with(*flag))
    }
}

pub(crate) fn service(command: Command, client: &Client) -> ExitCode {
    match command {
        Command::List { service, json } => list(service, json, client),
        Command::Add { service, about, making } => match about.persistence(service) {
            Ok(persistence) => {
                let (flags, one_packet) = (about.flags(), about.one_packet);
                let plain = Service::new(service, about.scheduler.unwrap_or_default(), Vec::new());
                making.edit(client, Edit::AddService(Service { flags, persistence, one_packet, ..plain }))
            }
            Err(error) => super::complain(&[error]),
        },
        Command::Edit { service, about, no_flags, no_persistence, no_one_packet, making } => {
            match about.persistence(service) {
                Ok(persistence) => making.edit(
                    client,
                    Edit::EditService(ServiceEdit {
                        service,
                        scheduler: about.scheduler,
                        flags: (no_flags || !about.flags.is_empty()).then(|| about.flags()),
                        persistence: (no_persistence || persistence.is_some()).then_some(persistence),
                        one_packet: (no_one_packet || about.one_packet).then_some(about.one_packet),
                    }),
                ),
                Err(error) => super::complain(&[error]),
            }
        }
        Command::Delete { service, making } => making.edit(client, Edit::DeleteService(ServiceRef { service })),
    }
}

fn list(only: Option<ServiceKey>, json: bool, client: &Client) -> ExitCode {
    let services = match only {
        Some(key) => client.service(key).map(|service| vec![service]),
        None => client.services(),
    };
    match services {
        Ok(services) if json => super::say_json(&services),
        Ok(services) => super::say(&status::tables(&services)),
        Err(error) => super::complain(&[error.to_string()]),
    }
}
