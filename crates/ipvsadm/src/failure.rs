//! What goes wrong, in ipvsadm's words and with its exit codes.
//!
//! Exit codes: 2 is a wrong command line, or a director that cannot be asked; 255 a refusal by the director, or by the
//! option library; 1 a listing that failed.

use crate::Unsupported;

/// A command line that leads to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What standard error gets, with its last newline.
    pub stderr: String,
    /// The exit code.
    pub exit: u8,
    /// Whether rules that are being restored end here; the original goes on after errors of its option library.
    pub ends: bool,
}

impl Failure {
    /// A wrong command line.
    pub(crate) fn line(text: &str) -> Self {
        Failure { stderr: format!("{text}\n"), exit: 2, ends: true }
    }

    /// A command line that cannot be read at all.
    pub(crate) fn try_help(program: &str) -> Self {
        let stderr = format!("Try `{program} -h' or '{program} --help' for more information.\n");
        Failure { stderr, exit: 255, ends: true }
    }

    /// What the original says where it may not ask the kernel.
    pub fn no_permission() -> Self {
        Failure {
            stderr: "Can't initialize ipvs: Permission denied (you must be root)\n\
                     Are you sure that IP Virtual Server is built in the kernel or as module?\n"
                .to_owned(),
            exit: 2,
            ends: true,
        }
    }

    /// There is no director to ask, and why.
    pub fn no_director(why: &str) -> Self {
        let stderr = format!("Can't initialize ipvs: {why}\nAre you sure that relvs is running?\n");
        Failure { stderr, exit: 2, ends: true }
    }
}

/// Why the director refuses something; it reads as ipvsadm would tell it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// EEXIST of a service.
    #[error("Service already exists")]
    ServiceExists,
    /// ENOENT of a scheduler or engine.
    #[error("Scheduler or persistence engine not found")]
    NotFound,
    /// ESRCH of a service that is itself asked for.
    #[error("No such service")]
    NoSuchService,
    /// ESRCH of a service whose server is asked for.
    #[error("Service not defined")]
    ServiceNotDefined,
    /// EEXIST of a server.
    #[error("Destination already exists")]
    DestinationExists,
    /// ENOENT of a server.
    #[error("No such destination")]
    NoSuchDestination,
    /// ERANGE: thresholds the wrong way round.
    #[error("Numerical result out of range")]
    OutOfRange,
    /// EINVAL: an address that no server can have.
    #[error("Invalid operation.  Possibly wrong module version, address not unicast, ...")]
    Invalid,
    /// ESRCH of a sync daemon.
    #[error("No daemon is running")]
    NoDaemon,
    /// IPVS can do it, relvs cannot.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The director's own reason, as one line.
    #[error("{0}")]
    Director(String),
}
