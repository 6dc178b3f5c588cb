//! How the rest of the daemon speaks to the thread of the virtual routers.

use super::{Error, thread::Request};
use relvs_model::vrrp::TrackSource;
use relvs_proto::vrrp::Outcome;
use std::{
    os::fd::OwnedFd,
    sync::{Arc, mpsc},
};

/// Requests, and what wakes the thread for them.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) wake: Arc<OwnedFd>,
}

impl Line {
    /// Sends a request; it does not wait for what comes of it.
    pub(super) fn ask(&self, request: Request) -> Result<(), Error> {
        self.requests.send(request).map_err(|_| Error::Ended)?;
        // A full counter wakes it as well.
        let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
        Ok(())
    }

    /// What something that is tracked has come to. The thread may have ended: then nobody wants to know.
    pub(super) fn report(&self, source: &TrackSource, outcome: Outcome) {
        let _ = self.ask(Request::Tracked { source: source.clone(), outcome });
    }
}
