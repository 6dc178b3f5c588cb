//! What virtual routers want done.

use relvs_model::{
    health::{self, Script},
    vrrp::{Instance, Notify, State},
};
use std::{fmt, net::IpAddr, sync::Arc};

/// Something to be done, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send an advert.
    Transmit(Transmit),
    /// Add the instance's addresses, those in adverts and the others, then its routes and rules; those that are there are no
    /// error.
    AddAddresses(Arc<Instance>),
    /// Remove its rules, routes and addresses; those that are gone are no error.
    RemoveAddresses(Arc<Instance>),
    /// It has a virtual MAC address, and is master no more: frames to it are none of ours, and it is on no interface. Comes
    /// after the addresses are removed; with them, [`Self::AddAddresses`] brings it back.
    LeaveVirtualMac(Arc<Instance>),
    /// Add the instance's routes and rules that are not there, but for those that are not tracked.
    RestoreRoutes(Arc<Instance>),
    /// Tell neighbours where an address is: a gratuitous ARP, or an unsolicited neighbour advertisement.
    Announce {
        /// On which interface.
        interface: Arc<str>,
        /// The address.
        address: IpAddr,
    },
    /// Tell scripts and the FIFO.
    Notify(Notification),
    /// Write it to the log.
    Log {
        /// The instance, or the group.
        name: Arc<str>,
        /// How much it matters.
        level: Level,
        /// One line.
        text: String,
    },
}

/// An advert on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Whose it is.
    pub instance: Arc<Instance>,
    /// From this address.
    pub source: IpAddr,
    /// To a peer or a multicast group.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// What comes after the IP header.
    pub payload: Vec<u8>,
}

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What happens as it should.
    Info,
    /// What someone should look at.
    Warning,
}

/// A change that scripts and the FIFO learn of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// A group, else an instance.
    pub group: bool,
    /// Its name.
    pub name: Arc<str>,
    /// What it is now, or what happened.
    pub event: Event,
    /// The effective priority; 0 for a group.
    pub priority: u8,
    /// It is told by mail as well (smtp_alert).
    pub mail: bool,
}

/// What is told; the names are keepalived's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is master.
    Master,
    /// It is backup.
    Backup,
    /// It takes no part.
    Fault,
    /// The daemon ends.
    Stop,
    /// It is gone from the configuration, and a script is named for that.
    Deleted,
    /// It is gone from the configuration, and none is named: as keepalived does, it is told as a fault, but to the script for
    /// any change alone.
    Removed,
    /// As master it heard one of a lower priority. FIFO, and a script of its own.
    MasterRxLowerPri,
    /// The master's priority has changed. FIFO only.
    MasterPriority,
    /// The backup's priority has changed. FIFO only.
    BackupPriority,
}

impl Event {
    /// The word for a script's argument and the FIFO.
    pub const fn word(self) -> &'static str {
        match self {
            Event::Master => "MASTER",
            Event::Backup => "BACKUP",
            Event::Fault | Event::Removed => "FAULT",
            Event::Stop => "STOP",
            Event::Deleted => "DELETED",
            Event::MasterRxLowerPri => "MASTER_RX_LOWER_PRI",
            Event::MasterPriority => "MASTER_PRIORITY",
            Event::BackupPriority => "BACKUP_PRIORITY",
        }
    }

    /// Whether the script for any change is run. The others are for the FIFO alone, or have a script of their own.
    pub const fn is_change(self) -> bool {
        !matches!(self, Event::MasterRxLowerPri | Event::MasterPriority | Event::BackupPriority)
    }

    /// The script that is named for it alone.
    pub const fn script(self, notify: &Notify) -> Option<&Script> {
        match self {
            Event::Master => notify.master.as_ref(),
            Event::Backup => notify.backup.as_ref(),
            Event::Fault => notify.fault.as_ref(),
            Event::Stop => notify.stop.as_ref(),
            Event::Deleted => notify.deleted.as_ref(),
            Event::MasterRxLowerPri => notify.master_rx_lower_pri.as_ref(),
            Event::Removed | Event::MasterPriority | Event::BackupPriority => None,
        }
    }

    /// The one that tells of a state; none for a beginning.
    pub(super) const fn of(state: State) -> Option<Event> {
        match state {
            State::Initialize => None,
            State::Backup => Some(Event::Backup),
            State::Master => Some(Event::Master),
            State::Fault => Some(Event::Fault),
        }
    }
}

impl Notification {
    /// The four arguments that the script for any change gets.
    pub fn arguments(&self) -> [String; 4] {
        let kind = if self.group { "GROUP" } else { "INSTANCE" };
        [kind.to_owned(), self.name.to_string(), self.event.word().to_owned(), self.priority.to_string()]
    }

    /// The same for those who are told of everything: not of what adverts say, which may be often. Mail is sent of changes
    /// of state alone.
    pub fn to_event(&self) -> Option<health::Event> {
        let told = self.event != Event::MasterRxLowerPri;
        told.then(|| health::Event::Router {
            group: self.group,
            name: self.name.to_string(),
            state: self.event.word().to_owned(),
            priority: self.priority,
            mail: self.mail && self.event.is_change(),
        })
    }
}

/// The line for the FIFO, without its end.
impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.group { "GROUP" } else { "INSTANCE" };
        write!(f, "{kind} \"{}\" {} {}", self.name, self.event.word(), self.priority)
    }
}
