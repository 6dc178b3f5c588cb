//! Signals that keepalived knows beyond those of every daemon.

use super::dump::{self, Cleared, Dump, Seen};
use crate::director::{Director, Error};
use std::{
    env, io,
    time::{Duration, UNIX_EPOCH},
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Those that ask for a file; none if the daemon does not stand in for keepalived.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    listening: Option<[Signal; 4]>,
    cleared: Cleared,
}

impl Signals {
    /// Listens for them.
    pub(crate) fn listen() -> io::Result<Self> {
        let on = |dump: Dump| signal(SignalKind::from_raw(dump.signal()));
        let [data, statistics, clear, json] = Dump::ALL;
        let listening = Some([on(data)?, on(statistics)?, on(clear)?, on(json)?]);
        Ok(Signals { listening, cleared: Cleared::new() })
    }

    /// The next one.
    pub(crate) async fn recv(&mut self) -> Dump {
        let Some([data, statistics, clear, json]) = &mut self.listening else { return std::future::pending().await };
        tokio::select! {
            _ = data.recv() => Dump::Data,
            _ = statistics.recv() => Dump::Statistics,
            _ = clear.recv() => Dump::StatisticsClear,
            _ = json.recv() => Dump::Json,
        }
    }

    /// Writes what is asked for into the folder for temporary files (TMPDIR, else /tmp).
    pub(crate) fn answer(&mut self, director: &Director, dump: Dump) -> Result<(), Error> {
        let status = director.status()?;
        let (settings, routers, began) = director.routers()?;
        let began = began.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let seen = Seen { status: &status, settings, routers: &routers, began };
        let folder = env::temp_dir();
        for (name, text) in dump.files(&seen, &mut self.cleared) {
            let path = folder.join(name);
            dump::write(&folder, name, &text).map_err(|source| Error::File { path: path.clone(), source })?;
            tracing::info!("{}: written, as signal {} asks", path.display(), dump.signal());
        }
        Ok(())
    }
}
