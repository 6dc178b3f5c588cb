//! The director's virtual routers: begun when its tables are written, told of its health, and ended before its tables are.
//!
//! It decides nothing about them (`proto::vrrp` does) and touches no packet of theirs (`vrrp`). What is in force is written
//! down, so that addresses which a daemon that was killed left behind are removed by the next, whatever that is configured
//! to have.

use super::{Director, Error};
use crate::{
    files,
    health::Voice,
    vrrp::{Vrrp, remove_virtual_mac},
};
use relvs_dataplane::{VirtualMacs, answer_for_none};
use relvs_model::{
    ServiceKey,
    vrrp::{Instance, Settings, Status, TrackSource, Version, VirtualAddress},
};
use relvs_net::Network;
use relvs_proto::vrrp::{Command, Notification, Outcome, Refused};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// What is in force, for the next daemon.
const FILE: &str = "vrrp.json";
/// The health of the director itself that is no service's.
const DATA_PATH: &str = "data-path";
/// At the end, nobody waits longer for another master: version 3 waits for as long as an interval.
const PATIENCE_MS: u32 = 3_000;

/// Virtual routers at work.
pub(super) struct Routers {
    running: Option<Vrrp>,
    /// When they began to run.
    began: SystemTime,
    settings: Settings,
    /// What they were told of the director's health.
    told: BTreeMap<TrackSource, bool>,
    /// Tells the programs which virtual MAC addresses are this machine's.
    macs: VirtualMacs,
    path: PathBuf,
}

impl Routers {
    /// None yet.
    pub(super) fn new(run_dir: &Path, macs: VirtualMacs) -> Self {
        let (path, told) = (run_dir.join(FILE), BTreeMap::new());
        Routers { running: None, began: SystemTime::now(), settings: Settings::default(), told, macs, path }
    }

    /// Starts them; `voice` tells those who are told of everything.
    fn start(&mut self, settings: &Settings, voice: Voice) -> Result<(), Error> {
        let macs = self.macs.clone();
        let answers = move |index, is_ipv6, router_id, on| {
            if let Err(other) = macs.answer_for(index, is_ipv6, router_id, on) {
                tracing::error!(
                    "interface #{index}: its index shares a place with that of #{other}, which is served: packets to the \
                     virtual MAC of virtual router {router_id} are not forwarded"
                );
            }
        };
        let counts = voice.counts();
        let told = move |notification: &Notification| {
            tracing::info!("virtual router: {notification}");
            if let Some(event) = notification.to_event() {
                voice.tell(event);
            }
        };
        (self.running, self.began) = (Some(Vrrp::start_counted(settings, told, answers, counts)?), SystemTime::now());
        Ok(())
    }

    /// Begins with these. Addresses that an earlier daemon left are removed.
    fn begin(&mut self, settings: &Settings, voice: Voice) -> Result<(), Error> {
        let before = self.remembered();
        // First those that are to be: where another process has one of them, nothing was removed from it.
        if !settings.instances.is_empty() {
            self.start(settings, voice)?;
        }
        remove(&before, settings)?;
        self.go_on_with(settings);
        Ok(())
    }

    /// Brings them to these settings, or leaves everything as it was.
    fn apply(&mut self, settings: &Settings, voice: Voice) -> Result<(), Error> {
        match &self.running {
            None if settings.instances.is_empty() => {}
            None => self.start(settings, voice)?,
            Some(running) if *settings != self.settings => running.apply(settings)?,
            Some(_) => return Ok(()),
        }
        if settings.instances.is_empty()
            && let Some(running) = self.running.take()
        {
            running.stop(false);
        }
        self.go_on_with(settings);
        Ok(())
    }

    /// What would change by these, a line each.
    pub(super) fn changes(&self, settings: &Settings) -> Vec<String> {
        self.settings.changes(settings)
    }

    /// Once a second: what has ended by a fault begins anew.
    pub(super) fn tend(&mut self) {
        let Some(running) = &mut self.running else { return };
        match running.tend(&self.settings) {
            Ok(false) => {}
            Ok(true) => {
                self.told.clear();
                self.began = SystemTime::now();
            }
            Err(error) => tracing::error!("virtual routers: {error}"),
        }
    }

    fn go_on_with(&mut self, settings: &Settings) {
        self.settings.clone_from(settings);
        // What is tracked now may not have been before.
        self.told.clear();
        let written = if settings.instances.is_empty() {
            fs::remove_file(&self.path).or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
        } else {
            let write =
                |file: &mut io::BufWriter<&fs::File>| serde_json::to_writer(file, settings).map_err(io::Error::other);
            files::replace(&self.path, write).map(drop)
        };
        if let Err(error) = written {
            tracing::error!("{}: {error}; addresses may stay behind when this daemon is killed", self.path.display());
        }
    }

    /// What the daemon before had in force, if it has not ended in order.
    fn remembered(&self) -> Settings {
        match fs::read(&self.path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::warn!("{}: {error}; addresses of an earlier daemon may be left", self.path.display());
                Settings::default()
            }),
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!("{}: {error}; addresses of an earlier daemon may be left", self.path.display());
                }
                Settings::default()
            }
        }
    }

    /// The health that somebody tracks.
    fn wanted(&self) -> BTreeSet<TrackSource> {
        let groups = self.settings.groups.iter().flat_map(|group| &group.track);
        let tracked = self.settings.instances.iter().flat_map(|instance| &instance.track).chain(groups);
        let arbiters = self.settings.instances.iter().filter_map(|instance| instance.arbiter.as_ref());
        let all = tracked.map(|tracked| &tracked.source).chain(arbiters);
        all.filter(|source| matches!(source, TrackSource::Health(_))).cloned().collect()
    }

    fn tell(&mut self, source: TrackSource, well: bool) {
        let Some(running) = &self.running else { return };
        if self.told.get(&source) == Some(&well) {
            return;
        }
        let outcome = if well { Outcome::Well } else { Outcome::Failed };
        if let Err(error) = running.tracked(source.clone(), outcome) {
            tracing::error!("virtual routers: {error}");
        }
        self.told.insert(source, well);
    }

    fn end(&mut self) {
        let Some(running) = self.running.take() else { return };
        let slow = |version, interval| version == Version::V3 && interval > PATIENCE_MS;
        let mut all = self.settings.instances.iter();
        running.stop(!all.any(|instance| slow(instance.spoken_version(), instance.advert_interval_ms)));
        self.go_on_with(&Settings::default());
    }
}

impl Director {
    /// Begins with the virtual routers: what they give this machine is served already.
    pub(super) fn begin_routers(&mut self, settings: &Settings) -> Result<(), Error> {
        answer_for_none(&self.kernel);
        self.routers.begin(settings, self.health.voice())?;
        self.tell_routers();
        Ok(())
    }

    /// The virtual routers as they are to be and as they are, and the moment from which their times count.
    pub(crate) fn routers(&self) -> Result<(&Settings, Status, SystemTime), Error> {
        let status = self.routers.running.as_ref().map(Vrrp::status).transpose()?.unwrap_or_default();
        Ok((&self.routers.settings, status, self.routers.began))
    }

    /// Brings the virtual routers to these settings, or leaves everything as it was. Gives what changed, a line each.
    pub(super) fn apply_routers(&mut self, settings: &Settings) -> Result<Vec<String>, Error> {
        let changes = self.routers.changes(settings);
        self.routers.apply(settings, self.health.voice())?;
        self.tell_routers();
        for change in &changes {
            tracing::info!("applied: {change}");
        }
        Ok(changes)
    }

    /// Tells the virtual routers how this director is, as far as they depend on it.
    pub(super) fn tell_routers(&mut self) {
        for source in self.routers.wanted() {
            let TrackSource::Health(name) = &source else { continue };
            let well = match name.parse() {
                Ok(key) => self.has_quorum(key),
                Err(_) => name == DATA_PATH && self.unserved().is_ok_and(|reasons| reasons.is_empty()),
            };
            self.routers.tell(source, well);
        }
    }

    /// Whether a service is there and has what it needs. One that is not checked while its VIP is elsewhere is not to blame.
    fn has_quorum(&self, key: ServiceKey) -> bool {
        let known = self.health.monitor.shown_of(key);
        self.control.service(key).is_some() && known.is_none_or(|known| known.up || known.suspended)
    }

    /// Whether this machine may have this address by a virtual router, now or later.
    pub(super) fn shares(&self, address: IpAddr) -> bool {
        let instances = self.routers.settings.instances.iter();
        let mut all = instances.flat_map(|instance| instance.addresses.iter().chain(&instance.excluded));
        all.any(|one| one.address == address)
    }

    /// What can be seen of the virtual routers; none, if there are none.
    pub(crate) fn shown_routers(&self) -> Result<Option<Status>, Error> {
        let Some(running) = &self.routers.running else { return Ok(None) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        match running.status() {
            Ok(status) => Ok(Some(status.at(u64::try_from(now.as_millis()).unwrap_or(u64::MAX)))),
            // Until they have begun anew there are none, and everything else can be seen.
            Err(crate::vrrp::Error::Ended) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// An operator wants something of a virtual router, of a group, or of all.
    pub(crate) fn command_routers(&self, name: Option<&str>, command: Command) -> Result<Result<(), Refused>, Error> {
        let Some(running) = &self.routers.running else {
            return Ok(Err(Refused::Unknown(name.unwrap_or("anything").to_owned())));
        };
        if let Some(name) = name {
            return Ok(running.command(name, command)?);
        }
        let (mut done, mut refused) = (false, None);
        for instance in &self.routers.settings.instances {
            match running.command(&instance.name, command)? {
                Ok(()) => done = true,
                Err(why) => refused = Some(why),
            }
        }
        // Of several it is enough that one can.
        Ok(refused.filter(|_| !done).map_or(Ok(()), Err))
    }

    /// The virtual routers end: others take over, and the addresses are removed.
    pub(super) fn end_routers(&mut self) {
        self.routers.end();
    }
}

/// Takes away the addresses of an earlier daemon that are none of these settings'.
fn remove(before: &Settings, settings: &Settings) -> Result<(), Error> {
    let kept: BTreeSet<(String, IpAddr)> = placed(settings).map(|(name, one)| (name, one.address)).collect();
    let left: Vec<_> = placed(before).filter(|(name, one)| !kept.contains(&(name.clone(), one.address))).collect();
    if left.is_empty() && before.instances.iter().all(|instance| instance.virtual_mac.is_none()) {
        return Ok(());
    }
    let mut network = Network::open()?;
    let kept: BTreeSet<String> = settings.instances.iter().filter_map(Instance::virtual_interface).collect();
    for name in before.instances.iter().filter_map(Instance::virtual_interface).filter(|name| !kept.contains(name)) {
        if let Err(error) = remove_virtual_mac(&mut network, &name) {
            tracing::error!("{error}");
        }
    }
    let links = network.links()?;
    for (name, one) in left {
        let Some(link) = links.iter().find(|link| link.name == name) else { continue };
        match network.remove_address(link.index, one.address, one.prefix_length()) {
            Ok(()) => tracing::info!("{} on {name}: removed; an earlier daemon had left it", one.address),
            Err(error) if error.is_absent() => {}
            Err(error) => tracing::error!("{error}"),
        }
    }
    Ok(())
}

/// All addresses, each with its interface.
fn placed(settings: &Settings) -> impl Iterator<Item = (String, VirtualAddress)> {
    settings.instances.iter().flat_map(|instance| {
        let all = instance.addresses.iter().chain(&instance.excluded);
        let place = |one: &VirtualAddress| (instance.interface_of(one), one.clone());
        all.map(place).collect::<Vec<_>>()
    })
}
