//! The flow table: buckets of records in shared memory, several writers, no locks.
//!
//! A record begins with a control word that says everything that changes, so that one compare-exchange moves it from
//! one meaning to the next and no reader sees half of a change ([`control`]). It goes FREE, CLAIMED (its owner may
//! write the rest), TENTATIVE (other inserters see it), LIVE (everybody sees it), FREE; each claim raises its
//! generation. Whatever is read of a record must lie between two looks at its control word.
//!
//! A flow has two candidate buckets. After publishing TENTATIVE, an inserter looks for rivals in both: of two
//! TENTATIVE records for one key the lower place kills the higher; LIVE always wins. NAT's replies find a record of
//! their own, the two linked by place and generation.

mod claim;
pub mod control;
mod find;
mod insert;
mod key;
mod link;
mod publish;
mod request;
pub mod template;

pub use find::{Found, end, find, free, touch};
pub(crate) use find::{remove, template_of};
pub use insert::{insert, settle};
pub use key::{Key, kind};
pub use link::Link;
pub use request::Request;
pub(crate) use request::{
    INSERT, NO_SERVICE, PERSIST, QUOTED, SCHEDULE, SERVICE, TEMPLATE, Turn, answer, is_step, order, order_settling,
    owing, refuse, settles, take,
};
