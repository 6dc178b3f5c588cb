//! Desired state to tables, and a plan of changes.
//!
//! [`Control`] knows what is applied. Asked for a desired state it says what would change ([`Control::plan`]) and lays
//! out the half of the service tables that is not in use ([`Control::prepare`]), with the destinations to write; once
//! the caller has written and switched, [`Control::commit`] makes that what is applied. It reads no clock, does no
//! input or output, and draws no random numbers: seeds and cursors come in as arguments. Layouts are those of
//! [`relvs_core::table`], the order of choices is IPVS's (ip_vs_rr.c, ip_vs_wrr.c, ip_vs_ctl.c).
//!
//! # Destinations that are gone
//!
//! A destination has one number as long as it exists: flows refer to it. One that is removed is *retired*, as into
//! IPVS's trash: its record stays without its flag, so that the packets of its flows are dropped, and the same server
//! of the same service revives it with its number, flows and counters. The number is free after
//! [`Control::release`], which is for when no flow refers to it any more. A server whose method changes is another
//! destination, because the flows of NAT have two records and the others' one.
//!
//! A service that is removed keeps its entry until its destinations are released, with a record that takes no new
//! flows: so the packets of its flows are dropped in silence, as by IPVS, and go on when it is back.
#![forbid(unsafe_code)]

mod check;
mod compare;
mod control;
mod desired;
mod destinations;
mod edits;
mod entries;
pub mod estimator;
mod image;
mod laid;
mod limits;
mod memory_order;
mod record;
mod refusal;
mod rules;
mod schedule;
mod settings;
mod statistics;
mod stored;

pub use compare::{compare, compare_directors};
pub use control::{Control, Prepared};
pub use desired::Desired;
pub use destinations::overhead;
pub use edits::{Edited, Refused, Why};
pub use entries::Entries;
pub use estimator::Figures;
pub use image::Image;
pub use limits::Limits;
pub use refusal::Refusal;
pub use relvs_model::plan::{Alteration, Change, Plan, ServerChange};
pub use statistics::{Counted, Shown, Statistics, StatisticsStep};
pub use stored::{Corrupt, Step};
