//! Does the server accept connections? (TCP_CHECK)
//!
//! The connection is reset as soon as it stands; nothing is sent or read.

use super::{Reason, Talk, socket};

/// Connects.
pub(super) async fn probe(talk: &Talk<'_>) -> Result<(), Reason> {
    socket::connect(talk).await.map(drop)
}
