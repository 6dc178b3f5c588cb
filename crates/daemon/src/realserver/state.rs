//! What `up` changed and what was there before, as JSON in the run directory.
//!
//! Written whole or not at all, before the first change and after the last: a crash between leaves a state that covers
//! both sides of the change, from which `up` and `down` find their way.

use std::{
    collections::BTreeMap,
    fs::{self, File, Permissions},
    io::{self, Write},
    net::IpAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};
use relvs_model::{Method, Tunnel};
use serde::{Deserialize, Serialize};

use super::{Error, state_file};

const VERSION: u32 = 1;

/// How long a command waits for another one to end.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// All that `up` has done in this network namespace and `down` has not undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    version: u32,
    /// The namespace's name in /proc; another one with this run directory is a mistake.
    namespace: String,
    pub(super) vips: BTreeMap<IpAddr, Vip>,
    /// The changed switches by their text form.
    pub(super) switches: BTreeMap<String, Switch>,
}

/// A VIP that was set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vip {
    pub(super) method: Method,
    #[serde(default, skip_serializing_if = "Tunnel::is_default")]
    pub(super) tunnel: Tunnel,
    pub(super) interfaces: Vec<String>,
    /// No interface was named: those to come count too.
    pub(super) everywhere: bool,
    /// Whether `up` put it on lo; if not it was there before and stays.
    pub(super) added: bool,
}

/// A switch that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Switch {
    pub(super) before: String,
    pub(super) set: String,
}

impl State {
    /// The same with other VIPs.
    pub(super) fn with(&self, vips: BTreeMap<IpAddr, Vip>) -> State {
        State { vips, ..self.clone() }
    }

    /// Both states at once: what may be there while one is turned into the other.
    pub(super) fn union(&self, other: &State) -> State {
        let mut union = self.clone();
        for (vip, entry) in &other.vips {
            let added = entry.added || self.vips.get(vip).is_some_and(|old| old.added);
            union.vips.insert(*vip, Vip { added, ..entry.clone() });
        }
        union.switches.extend(other.switches.clone());
        union
    }

    fn is_empty(&self) -> bool {
        self.vips.is_empty() && self.switches.is_empty()
    }
}

/// The run directory, held against other commands until it is dropped.
#[derive(Debug)]
pub(super) struct Store {
    directory: PathBuf,
    _lock: Flock<File>,
}

impl Store {
    /// Creates the directory if need be, and waits a while for another command that holds it.
    pub(super) fn open(directory: &Path) -> Result<Store, Error> {
        let failed = |action, source| Error::RunDirectory { action, path: directory.into(), source };
        fs::create_dir_all(directory).map_err(|e| failed("create", e))?;
        let mut handle = File::open(directory).map_err(|e| failed("read", e))?;
        let end = Instant::now() + LOCK_WAIT;
        loop {
            match Flock::lock(handle, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(Store { directory: directory.into(), _lock: lock }),
                Err((_, Errno::EWOULDBLOCK)) if Instant::now() > end => {
                    return Err(Error::Busy { path: directory.into() });
                }
                Err((back, Errno::EWOULDBLOCK | Errno::EINTR)) => handle = back,
                Err((_, errno)) => return Err(failed("lock", errno.into())),
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Replaces the state; an empty one leaves no file.
    pub(super) fn save(&self, state: &State) -> Result<(), Error> {
        let path = state_file(&self.directory);
        let failed = |source| Error::RunDirectory { action: "write", path: path.clone(), source };
        if state.is_empty() {
            return match fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed(e)),
                Ok(()) | Err(_) => Ok(()),
            };
        }
        let mut text = serde_json::to_string_pretty(state).map_err(|e| failed(e.into()))?;
        text.push('\n');
        let mut file = tempfile::Builder::new()
            .prefix(".realserver-")
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(&self.directory)
            .map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&path).map(drop).map_err(|e| failed(e.error))
    }
}

/// The state in the run directory; an empty one if there is none.
pub(super) fn load(run_dir: &Path) -> Result<State, Error> {
    let path = state_file(run_dir);
    let read = |action, path: &Path, source| Error::RunDirectory { action, path: path.into(), source };
    let own = Path::new("/proc/thread-self/ns/net");
    let namespace = fs::read_link(own).map_err(|e| read("read", own, e))?.to_string_lossy().into_owned();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Ok(State { version: VERSION, namespace, vips: BTreeMap::new(), switches: BTreeMap::new() });
        }
        Err(e) => return Err(read("read", &path, e)),
    };
    let unreadable = |reason| Error::StateUnreadable { path: path.clone(), reason };
    let state: State = serde_json::from_str(&text).map_err(|e| unreadable(e.to_string()))?;
    if state.version != VERSION {
        return Err(unreadable(format!("version {}, not {VERSION}", state.version)));
    }
    if state.namespace != namespace {
        return Err(Error::OtherNamespace { path });
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(vips: BTreeMap<IpAddr, Vip>) -> State {
        State { version: VERSION, namespace: String::new(), vips, switches: BTreeMap::new() }
    }

    fn vip(added: bool) -> Vip {
        Vip { method: Method::Dr, tunnel: Tunnel::Ipip, interfaces: vec!["eth0".into()], everywhere: true, added }
    }

    #[test]
    fn a_state_survives_the_disk_and_an_empty_one_leaves_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let mut state = load(directory.path()).unwrap();
        state.vips.insert("2001:db8::1".parse().unwrap(), vip(true));
        state.switches.insert("net/ipv4/x".into(), Switch { before: "0".into(), set: "1".into() });
        {
            let store = Store::open(&directory.path().join("deeper")).unwrap();
            store.save(&state).unwrap();
            assert_eq!(load(&store.directory).unwrap(), state);
            store.save(&State { vips: BTreeMap::new(), switches: BTreeMap::new(), ..state.clone() }).unwrap();
            store.save(&State { vips: BTreeMap::new(), switches: BTreeMap::new(), ..state.clone() }).unwrap();
        }
        assert_eq!(fs::read_dir(directory.path().join("deeper")).unwrap().count(), 0);
    }

    #[test]
    fn a_foreign_state_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(super::super::STATE_FILE);
        let mut state = load(directory.path()).unwrap();
        state.vips.insert("192.0.2.1".parse().unwrap(), vip(true));
        let refused = |state: &State| {
            fs::write(&file, serde_json::to_string(state).unwrap()).unwrap();
            load(directory.path()).unwrap_err()
        };
        let other = State { namespace: "net:[1]".into(), ..state.clone() };
        assert!(matches!(refused(&other), Error::OtherNamespace { .. }));
        assert!(matches!(refused(&State { version: 9, ..state }), Error::StateUnreadable { .. }));
        fs::write(&file, "{}").unwrap();
        assert!(matches!(load(directory.path()), Err(Error::StateUnreadable { .. })));
    }

    #[test]
    fn a_union_remembers_what_either_side_added() {
        let address = "192.0.2.1".parse().unwrap();
        let old = state([(address, vip(true))].into());
        let new = state([(address, vip(false)), ("192.0.2.2".parse().unwrap(), vip(true))].into());
        let union = old.union(&new);
        assert!(union.vips[&address].added);
        assert_eq!(union.vips.len(), 2);
    }
}
