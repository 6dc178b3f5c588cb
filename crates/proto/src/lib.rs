//! Protocols as machines without input and output: health checks of servers, VRRP.
//!
//! Each machine is told what happened and what time it is, and says what to do and when to be called again. None reads
//! a clock, opens a socket or draws a random number: time comes in as a [`std::time::Duration`] since a beginning that the
//! caller chooses, random numbers as seeds. So tests run in virtual time, and a run is reproduced by its seed.
#![forbid(unsafe_code)]

pub mod health;
pub mod vrrp;
