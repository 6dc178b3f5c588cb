//! ipvsadm 1.31 as a library: its command line, its listings and rules, its messages and exit codes, to the byte.
//!
//! It opens nothing, looks up no names and knows no kernel: names come from [`Names`], the director is a [`Director`],
//! and output goes where the caller says. What it decides about services it decides on the desired state
//! ([`apply`]), as the kernel would. [`OPTIONS`] is the one table behind parser, help, man page and completions, and
//! [`DIFFERENCES`] says where relvs is not as the original, and why.
//!
//! Source: the behaviour of ipvsadm 1.31, libpopt 1.19 and Linux 6.12 (tests/golden), and their manual pages.
#![forbid(unsafe_code)]

mod apply;
mod command;
mod connection;
mod endpoint;
mod failure;
mod help;
mod json;
mod list;
mod manual;
mod names;
mod number;
mod option;
mod order;
mod parse;
mod popt;
mod rules;
mod run;
mod save;
mod tunnel;
mod unsupported;
mod view;

pub use apply::{apply, apply_all};
pub use command::{
    Change, Command, Daemon, DaemonRole, Format, Listed, Listing, ServerSpec, ServiceSpec, Tunnel, TunnelChecksum,
};
pub use connection::ConnectionList;
pub use failure::{Failure, Refused};
pub use help::{help, version};
pub use list::{Context, IPVS_VERSION, list_daemons, list_service, list_services, list_timeouts};
pub use manual::{manual, manual_of_restore, manual_of_save};
pub use names::{Names, NoNames};
pub use option::{Argument, Entry, Id, Kind, OPTIONS, Role, Use};
pub use parse::parse;
pub use run::{Denied, Director, Restore, Session, ipvsadm, ipvsadm_restore, ipvsadm_save};
pub use save::{save, save_full};
pub use unsupported::{DIFFERENCES, Difference, Unsupported};
pub use view::{ConnectionView, Rates, ServerView, ServiceView, Statistics};

use view::Columns;
