//! A director that is nothing but a desired state in memory, and command lines run against it.
//!
//! What relvs refuses because it has no such thing is put in by hand, and remembered by the name of its difference: so the
//! rest of a record can be compared to the byte, listings of such things included.

use crate::names::Recorded;
use relvs_ipvsadm::{
    Change, ConnectionView, Denied, Director, Names, Refused, Restore, ServerSpec, ServiceSpec, ServiceView, Session,
    Tunnel, Unsupported, apply, ipvsadm, ipvsadm_restore, ipvsadm_save,
};
use relvs_model::{Server, ServiceKey, State, Timeouts};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeSet, HashMap},
    io,
    net::SocketAddr,
};

/// What a command said and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Output {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) exit: u8,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) state: State,
    engines: HashMap<ServiceKey, String>,
    tunnels: HashMap<(ServiceKey, SocketAddr), Tunnel>,
    /// Names of differences that were met.
    pub(crate) met: BTreeSet<&'static str>,
}

impl Memory {
    /// A director of this state.
    pub(crate) fn of(state: &State) -> Self {
        Memory { state: state.clone(), ..Memory::default() }
    }

    /// Runs one of the three programs; none if it is another.
    pub(crate) fn run(&mut self, words: &[String], stdin: &str, restore: Restore, names: &dyn Names) -> Option<Output> {
        let (program, arguments) = words.split_first()?;
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut session =
            Session { director: self, names, restore, input: &mut stdin.as_bytes(), out: &mut out, err: &mut err };
        let exit = match program.as_str() {
            "ipvsadm" => ipvsadm(program, arguments, &mut session),
            "ipvsadm-save" => ipvsadm_save(program, arguments, &mut session),
            "ipvsadm-restore" => ipvsadm_restore(&mut session),
            _ => return None,
        };
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Some(Output { exit: exit.unwrap(), stdout: text(out), stderr: text(err) })
    }

    /// The same of a line with blanks between its words.
    pub(crate) fn line(&mut self, line: &str, stdin: &str, restore: Restore) -> Option<Output> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        self.run(&words, stdin, restore, &Recorded)
    }

    /// Puts in what relvs has not.
    fn put_in(&mut self, change: &Change, unsupported: &Unsupported) -> Result<(), Refused> {
        self.met.insert(match unsupported {
            Unsupported::Engine(_) => "persistence-engine",
            Unsupported::NoScheduler => "no-scheduler",
            Unsupported::RemoteChecksum => "remote-checksum",
            Unsupported::NoPort { .. } => "port-zero",
            Unsupported::SyncDaemon => "sync-daemon",
        });
        match change {
            Change::AddService(spec) | Change::EditService(spec) if spec.engine.is_some() => {
                let plain = ServiceSpec { engine: None, ..spec.clone() };
                let add = matches!(change, Change::AddService(_));
                let plain = if add { Change::AddService(plain) } else { Change::EditService(plain) };
                apply(&mut self.state, &plain)?;
                self.engines.insert(spec.key, spec.engine.clone().unwrap());
                Ok(())
            }
            Change::AddServer(key, spec) | Change::EditServer(key, spec) => {
                self.put_in_server(*key, spec);
                Ok(())
            }
            _ => Err(Refused::Unsupported(unsupported.clone())),
        }
    }

    fn put_in_server(&mut self, key: ServiceKey, spec: &ServerSpec) {
        let service = self.state.services.iter_mut().find(|service| service.key == key).unwrap();
        let server = Server {
            upper_threshold: spec.upper_threshold,
            lower_threshold: spec.lower_threshold,
            ..Server::new(spec.address.ip(), spec.address.port(), spec.weight, spec.method)
        };
        let same = |one: &Server| one.address == server.address && one.port == server.port;
        match service.servers.iter_mut().find(|one| same(one)) {
            Some(one) => *one = server,
            None => service.servers.push(server),
        }
        self.tunnels.insert((key, spec.address), spec.tunnel);
    }

    fn view(&self, service: &relvs_model::Service) -> ServiceView {
        let mut view = ServiceView::of(service);
        view.engine = self.engines.get(&view.key).cloned();
        for server in &mut view.servers {
            server.tunnel = self.tunnels.get(&(view.key, server.address)).copied().unwrap_or(server.tunnel);
        }
        view
    }
}

impl Director for Memory {
    fn change(&mut self, change: &Change) -> Result<(), Denied> {
        match apply(&mut self.state, change) {
            Err(Refused::Unsupported(unsupported)) => return Ok(self.put_in(change, &unsupported)?),
            Err(refused) => return Err(refused.into()),
            Ok(()) => {}
        }
        // What was put in by hand goes with what it belonged to.
        match change {
            Change::Flush => {
                self.engines.clear();
                self.tunnels.clear();
            }
            Change::EditService(ServiceSpec { key, .. }) => drop(self.engines.remove(key)),
            Change::DeleteService(key) => {
                self.engines.remove(key);
                self.tunnels.retain(|(service, _), _| service != key);
            }
            Change::DeleteServer(key, address) => drop(self.tunnels.remove(&(*key, *address))),
            Change::EditServer(key, spec) => drop(self.tunnels.remove(&(*key, spec.address))),
            _ => {}
        }
        Ok(())
    }

    fn change_all(&mut self, changes: &[Change]) -> Result<(), (usize, Denied)> {
        let before = self.clone();
        for (at, change) in changes.iter().enumerate() {
            if let Err(denied) = self.change(change) {
                *self = before;
                return Err((at, denied));
            }
        }
        Ok(())
    }

    fn services(&mut self) -> Result<Vec<ServiceView>, Denied> {
        Ok(self.state.services.iter().map(|service| self.view(service)).collect())
    }

    fn service(&mut self, key: &ServiceKey) -> Result<ServiceView, Denied> {
        let service = self.state.services.iter().find(|service| service.key == *key);
        Ok(service.map(|service| self.view(service)).ok_or(Refused::NoSuchService)?)
    }

    fn timeouts(&mut self) -> Result<Timeouts, Denied> {
        Ok(self.state.timeouts)
    }

    fn size(&mut self) -> Result<u32, Denied> {
        Ok(4096)
    }

    fn connections(&mut self, _: &mut dyn FnMut(&ConnectionView) -> io::Result<()>) -> Result<(), Denied> {
        Ok(())
    }
}
