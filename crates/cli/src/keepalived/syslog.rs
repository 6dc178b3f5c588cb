//! The log of a daemon in the background: a datagram a line to syslog, which the journal takes too. Source: syslog(3), RFC 3164.

use std::{
    io,
    os::unix::net::UnixDatagram,
    process,
    sync::{Mutex, PoisonError},
};
use tracing::{Level, Metadata};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// Where syslog listens.
const SOCKET: &str = "/dev/log";
/// More than this of a line is left out.
const LINE_MAX: usize = 4_096;

/// Starts the log of this process. Without a syslog there is none.
pub(super) fn start(facility: u8) {
    let filter = EnvFilter::try_from_env("RELVS_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let syslog = Syslog { socket: Mutex::new(None), facility };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_ansi(false);
    lines.with_level(false).without_time().with_writer(syslog).init();
}

struct Syslog {
    /// None: it did not listen the last time.
    socket: Mutex<Option<UnixDatagram>>,
    facility: u8,
}

struct Line<'s> {
    syslog: &'s Syslog,
    severity: u8,
}

impl<'s> MakeWriter<'s> for Syslog {
    type Writer = Line<'s>;

    fn make_writer(&'s self) -> Self::Writer {
        Line { syslog: self, severity: severity(Level::INFO) }
    }

    fn make_writer_for(&'s self, event: &Metadata<'_>) -> Self::Writer {
        Line { syslog: self, severity: severity(*event.level()) }
    }
}

/// LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG.
fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

impl io::Write for Line<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let mut datagram =
            format!("<{}>keepalived[{}]: ", self.syslog.facility * 8 + self.severity, process::id()).into_bytes();
        let line = text.strip_suffix(b"\n").unwrap_or(text);
        datagram.extend_from_slice(line.get(..LINE_MAX).unwrap_or(line));
        let mut socket = self.syslog.socket.lock().unwrap_or_else(PoisonError::into_inner);
        if socket.is_none() {
            *socket = connected().ok();
        }
        // One that was started again listens on another socket of the same name; one that is full loses a line.
        let is_lost = |error: io::Error| error.kind() != io::ErrorKind::WouldBlock;
        if socket.as_ref().is_some_and(|there| there.send(&datagram).is_err_and(is_lost)) {
            *socket = connected().ok();
            let _ = socket.as_ref().map(|there| there.send(&datagram));
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn connected() -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(SOCKET)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
