//! Where the daemon listens, as its configuration says: opened before a change is made, and closed again if it is not made.

use super::{
    Asker, Shared,
    access::{self, Keys},
    connections::{self, Listening},
    door::{Pace, Setup},
};
use nix::unistd::{Gid, Group};
use relvs_model::{Api, Listeners as Wanted, Place, SocketMode};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::TcpListener,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{runtime::Handle, sync::watch, task::JoinHandle};

/// Connections at once: to the control socket, to the API over TCP, for metrics.
const MOST: [usize; 3] = [128, 64, 32];
/// Requests over TCP: so many a second, and so many at once.
const PACE: (f64, f64) = (200.0, 400.0);

/// What is listened on.
pub(crate) struct Listeners {
    /// Beside the director's loop.
    handle: Handle,
    shared: Shared,
    socket: PathBuf,
    open: BTreeMap<Place, Open>,
    /// Whose the control socket is now.
    owner: Owner,
}

struct Open {
    setup: watch::Sender<Arc<Setup>>,
    task: JoinHandle<()>,
}

/// Whose the control socket is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Owner {
    /// None leaves it as it is.
    group: Option<Gid>,
    mode: SocketMode,
}

/// Sockets that are bound, and what is to hold at each. Dropped, they are closed again.
pub(crate) struct Prepared {
    fresh: BTreeMap<Place, Fresh>,
    setups: BTreeMap<Place, Setup>,
    owner: Owner,
}

enum Fresh {
    Tcp(TcpListener),
    Unix(UnixListener, Removed),
}

/// A socket's file, which goes when this does.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Listeners {
    /// Nothing is listened on yet. `socket` is the control socket's path.
    pub(crate) fn new(handle: Handle, asker: Asker, socket: PathBuf) -> Self {
        Listeners { handle, shared: Shared::new(asker), socket, open: BTreeMap::new(), owner: Owner::default() }
    }

    /// Opens what is wanted and not open yet, reads the files, and judges all of it. Nothing that is listened on changes.
    ///
    /// # Errors
    ///
    /// One line each.
    pub(crate) fn prepare(&self, wanted: &Wanted) -> Result<Prepared, Vec<String>> {
        let mut errors = Vec::new();
        let owner = owner(&wanted.api).map_err(|error| errors.push(error)).unwrap_or_default();
        let mut setups = BTreeMap::new();
        for address in &wanted.api.listen {
            match self.shared.over_tcp(&wanted.api, *address) {
                Ok(setup) => drop(setups.insert(Place::Tcp(*address), setup)),
                Err(error) => {
                    errors.push(error);
                    break;
                }
            }
        }
        for place in &wanted.metrics.listen {
            if setups.insert(place.clone(), self.shared.for_metrics(place, wanted.metrics.servers)).is_some() {
                errors.push(format!("[metrics] and [api] both listen on {place}; give them an address each"));
            }
        }
        let mut fresh = BTreeMap::new();
        for place in setups.keys().filter(|place| !self.open.contains_key(place)) {
            match bind(place, owner) {
                Ok(listener) => drop(fresh.insert(place.clone(), listener)),
                Err(error) => errors.push(format!("{place} cannot be listened on: {error}")),
            }
        }
        if self.socket.exists() {
            // It is there already: whether it can be given away shows when it is.
            errors.extend(given(&self.socket, owner).err());
        }
        if errors.is_empty() {
            return Ok(Prepared { fresh, setups, owner });
        }
        self.restore();
        Err(errors)
    }

    /// The control socket is whose it was before [`Listeners::prepare`].
    pub(crate) fn restore(&self) {
        if self.socket.exists()
            && let Err(error) = given(&self.socket, self.owner)
        {
            tracing::error!("{error}");
        }
    }

    /// What was prepared holds from now on: for new connections at once, and the others end after their request.
    pub(crate) fn commit(&mut self, prepared: Prepared) {
        let Prepared { mut fresh, setups, owner } = prepared;
        self.owner = owner;
        let gone: BTreeSet<Place> = self.open.keys().filter(|place| !setups.contains_key(place)).cloned().collect();
        for place in gone {
            if let Some(open) = self.open.remove(&place) {
                open.task.abort();
                tracing::info!("{place}: no longer listened on");
            }
        }
        for (place, setup) in setups {
            let setup = Arc::new(setup);
            match (self.open.get(&place), fresh.remove(&place)) {
                (Some(open), _) => drop(open.setup.send_replace(setup)),
                (None, Some(listener)) => {
                    tracing::info!("{}: listened on", setup.name);
                    self.open.insert(place, self.start(listener, setup));
                }
                (None, None) => {}
            }
        }
    }

    fn start(&self, listener: Fresh, setup: Arc<Setup>) -> Open {
        let name = setup.name.clone();
        let (sender, receiver) = watch::channel(setup);
        let task = self.handle.spawn(async move {
            let (listening, _removed) = match listener {
                Fresh::Tcp(listener) => (tokio::net::TcpListener::from_std(listener).map(Listening::Tcp), None),
                Fresh::Unix(listener, file) => {
                    (tokio::net::UnixListener::from_std(listener).map(Listening::Unix), Some(file))
                }
            };
            match listening {
                Ok(listening) => connections::serve(listening, receiver).await,
                Err(error) => tracing::error!("{name}: {error}"),
            }
        });
        Open { setup: sender, task }
    }

    /// Opens the control socket, and serves it. One that a killed daemon left is removed: the caller holds the run
    /// directory.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub(crate) fn open_control(&mut self) -> Result<(), String> {
        let cannot = |error: io::Error| format!("{}: {error}", self.socket.display());
        match fs::remove_file(&self.socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&self.socket).map_err(cannot)?;
        listener.set_nonblocking(true).map_err(cannot)?;
        given(&self.socket, self.owner)?;
        let listener = Fresh::Unix(listener, Removed(self.socket.clone()));
        let open = self.start(listener, Arc::new(self.shared.control(MOST[0])));
        // It is not in `open`: no configuration closes it.
        drop(self.handle.spawn(async move {
            let Open { setup, task } = open;
            let _ = task.await;
            drop(setup);
        }));
        Ok(())
    }
}

impl Shared {
    fn over_tcp(&self, api: &Api, address: std::net::SocketAddr) -> Result<Setup, String> {
        Ok(Setup {
            name: format!("API on {address}"),
            most: MOST[1],
            tls: access::tls(api)?,
            keys: Keys::read(api)?,
            pace: Some(Pace::new(PACE.0, PACE.1)),
            ..self.control(MOST[1])
        })
    }

    fn for_metrics(&self, place: &Place, servers: bool) -> Setup {
        let routes = self.scraped(servers);
        let name = format!("metrics on {place}");
        Setup { name, most: MOST[2], tls: None, keys: Keys::default(), pace: None, routes, requests: None }
    }
}

fn owner(api: &Api) -> Result<Owner, String> {
    let group = api.group.as_deref().map(|name| {
        let by_name = Group::from_name(name).ok().flatten().map(|group| group.gid);
        let number = || name.parse().ok().map(Gid::from_raw);
        by_name.or_else(number).ok_or_else(|| format!("[api]: there is no group `{name}`; `getent group` lists them"))
    });
    Ok(Owner { group: group.transpose()?, mode: api.mode })
}

/// Gives a socket's file to its owner's group.
fn given(path: &Path, owner: Owner) -> Result<(), String> {
    let cannot = |error: io::Error| format!("{}: {error}", path.display());
    let group = owner.group.unwrap_or_else(nix::unistd::getegid).as_raw();
    // A service manager may forbid to give files away: where nothing is given, nothing is asked.
    if fs::metadata(path).map_err(cannot)?.gid() != group {
        std::os::unix::fs::chown(path, None, Some(group)).map_err(cannot)?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(owner.mode.bits())).map_err(cannot)
}

fn bind(place: &Place, owner: Owner) -> Result<Fresh, String> {
    let text = |error: io::Error| error.to_string();
    match place {
        Place::Tcp(address) => {
            let listener = TcpListener::bind(address).map_err(text)?;
            listener.set_nonblocking(true).map_err(text)?;
            Ok(Fresh::Tcp(listener))
        }
        Place::Unix(path) => {
            let left = fs::symlink_metadata(path).ok();
            match left.map(|left| left.file_type().is_socket() && UnixStream::connect(path).is_err()) {
                // A daemon that was killed left it.
                Some(true) => fs::remove_file(path).map_err(text)?,
                Some(false) => return Err("it is there already, and in use or no socket".to_owned()),
                None => {}
            }
            let listener = UnixListener::bind(path).map_err(text)?;
            let removed = Removed(path.clone());
            listener.set_nonblocking(true).map_err(text)?;
            given(path, owner)?;
            Ok(Fresh::Unix(listener, removed))
        }
    }
}
