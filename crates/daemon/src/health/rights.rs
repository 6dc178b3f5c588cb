//! What programs have of the daemon's rights: nothing. They run with the rights of their user.

use nix::unistd::Uid;
use rustix::{
    io::Errno,
    process::{getgid, getgroups, getuid},
    thread::{CapabilitySet, capabilities, clear_ambient_capability_set, set_thread_groups},
};
use std::io;
use tokio::process::{Child, Command};

/// What it takes to run a program as another user.
const NEEDED: CapabilitySet = CapabilitySet::SETUID.union(CapabilitySet::SETGID);

/// Starts a program as this user and group; none are the daemon's own. An error is why it did not start, half a sentence.
pub(super) fn start(command: &mut Command, uid: Option<u32>, gid: Option<u32>) -> Result<Child, String> {
    // What a service manager gives to a user other than root is handed down to programs otherwise. This thread keeps its own.
    match clear_ambient_capability_set() {
        Ok(()) | Err(Errno::INVAL) => {}
        Err(error) => return Err(format!("it would have the daemon's rights: {error}")),
    }
    let uid = uid.filter(|uid| *uid != getuid().as_raw());
    let gid = gid.filter(|gid| *gid != getgid().as_raw());
    if uid.is_none() && gid.is_none() {
        return command.spawn().map_err(|error| not_started(&error));
    }
    if !capabilities(None).is_ok_and(|sets| sets.effective.contains(NEEDED)) {
        return Err("the daemon may run nothing as another user: it lacks CAP_SETUID and CAP_SETGID".to_owned());
    }
    if let Some(gid) = gid {
        command.gid(gid);
    }
    if let Some(uid) = uid {
        command.uid(uid);
    }
    // The standard library gives up supplementary groups for root alone. These are one thread's, and the program is started by
    // this one.
    let groups = if Uid::current().is_root() { None } else { getgroups().ok() };
    let none = groups.as_ref().map_or(Ok(()), |_| set_thread_groups(&[]));
    let started = none.map_err(io::Error::from).and_then(|()| command.spawn());
    if let Some(groups) = groups {
        let _ = set_thread_groups(&groups);
    }
    started.map_err(|error| not_started(&error))
}

fn not_started(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such program".to_owned(),
        io::ErrorKind::PermissionDenied => "it may not be run".to_owned(),
        _ => error.to_string(),
    }
}
