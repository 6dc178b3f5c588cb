//! The way through the data path: a probe to the VIP at one server.
//!
//! See `stack`.

use relvs_model::health::{Asked, DataPath};
use socket2::Socket;

/// The way of probes to VIPs.
#[derive(Debug, Default)]
pub(super) struct Paths;
impl Paths {
    pub(super) fn inside<T: Send>(
        &self,
        through: Option<&DataPath>,
        f: impl FnOnce() -> T + Send,
    ) -> Result<T, String> {
        let _ = through;
        Ok(f())
    }
    pub(super) fn bind(&self, _: &Socket, _: &Asked) -> Result<(), String> {
        Ok(())
    }
}
