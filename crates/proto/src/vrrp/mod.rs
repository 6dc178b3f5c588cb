//! The Virtual Router Redundancy Protocol: RFC 9568, RFC 5798 (version 3) and RFC 3768 (version 2).
//!
//! Several routers share addresses. One, the master, has them and says so by adverts; the others, its backups, wait, and
//! the best of them takes over when adverts are missed. [`Router`] is one machine's part in it, for all its virtual routers:
//! it is told what happened ([`Input`]) and what time it is, and says what to do ([`Action`]) and when to be called again.
//! It never reads a clock, never opens a socket, and never draws a random number.
//!
//! Where keepalived differs from the RFCs it is followed, and the setting for the other way is named in
//! [`relvs_model::vrrp::Instance`].

mod action;
mod announce;
mod conditions;
mod election;
mod group;
mod input;
mod instance;
pub mod packet;
mod peers;
mod receive;
mod reconfigure;
mod router;
mod source;
mod timers;
mod track;

pub use action::{Action, Event, Level, Notification, Transmit};
pub use input::{Command, Datagram, Input, Outcome, Refused};
pub use receive::Rejected;
pub use router::Router;
pub use source::Tally;
