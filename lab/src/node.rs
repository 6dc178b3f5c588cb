//! A node: one namespace and what can be done inside it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::counters::{self, Counters};
use crate::netns;
use crate::plan::{NodePlan, Port, Role};
use crate::process::{self, Process};

/// A command that is not done after this time is killed; give longer-running ones to [`Node::start`].
pub const RUN_LIMIT: Duration = Duration::from_secs(60);

/// One namespace of a [`Lab`](crate::Lab). Clones name the same namespace.
#[derive(Debug, Clone)]
pub struct Node {
    plan: NodePlan,
    namespace: String,
    logs: PathBuf,
}

impl Node {
    pub(crate) fn new(plan: NodePlan, namespace: String, logs: PathBuf) -> Self {
        Self { plan, namespace, logs }
    }

    /// Short name: `c`, `r`, `sw`, `d1`, `s1`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// What it is there for.
    #[must_use]
    pub fn role(&self) -> Role {
        self.plan.role
    }

    /// The namespace's name, as `ip netns` shows it.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its interfaces, as planned.
    #[must_use]
    pub fn ports(&self) -> &[Port] {
        &self.plan.ports
    }

    /// The port on that segment (`outside`, `lan`, `far`).
    ///
    /// # Errors
    /// The node has none there.
    pub fn port_on(&self, segment: &str) -> Result<&Port> {
        let found = self.plan.ports.iter().find(|port| port.segment == segment);
        found.with_context(|| format!("{}: no interface on segment {segment}", self.name()))
    }

    /// The address of its first interface; the unspecified address on the switch, which has none.
    #[must_use]
    pub fn v4(&self) -> Ipv4Addr {
        self.plan.ports.first().map_or(Ipv4Addr::UNSPECIFIED, |port| port.v4)
    }

    /// The address of its first interface; the unspecified address on the switch, which has none.
    #[must_use]
    pub fn v6(&self) -> Ipv6Addr {
        self.plan.ports.first().map_or(Ipv6Addr::UNSPECIFIED, |port| port.v6)
    }

    /// Both addresses of its first interface with this port, IPv4 first.
    #[must_use]
    pub fn sockets(&self, port: u16) -> [SocketAddr; 2] {
        [SocketAddr::new(self.v4().into(), port), SocketAddr::new(self.v6().into(), port)]
    }

    /// Runs `f` on a thread inside the namespace and waits. Sockets made there belong to the namespace wherever they are used later.
    ///
    /// # Errors
    /// The namespace is gone. A panic of `f` goes on in the caller.
    pub fn with<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T> {
        process::inside(&self.namespace, f)
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// No thread could be started; that the namespace is gone comes from joining it.
    pub fn thread<T: Send + 'static>(
        &self,
        name: &str,
        f: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<JoinHandle<Result<T>>> {
        let namespace = self.namespace.clone();
        let builder = std::thread::Builder::new().name(format!("{}-{name}", self.name()));
        builder.spawn(move || netns::enter(&namespace).and_then(|()| f())).context("cannot start a thread")
    }

    /// Runs a program to its end, at most [`RUN_LIMIT`], and gives what it printed and its status.
    ///
    /// # Errors
    /// It could not be started, or was killed at the limit. A status other than 0 is no error here: see [`Node::check`].
    pub fn run<I: AsRef<OsStr>>(&self, program: &str, arguments: impl IntoIterator<Item = I>) -> Result<Output> {
        let mut command = Command::new(program);
        command.args(arguments);
        self.run_command(command, "")
    }

    /// As [`Node::run`], for a prepared command and its standard input.
    ///
    /// # Errors
    /// As [`Node::run`].
    pub fn run_command(&self, command: Command, input: &str) -> Result<Output> {
        process::run(&self.namespace, command, input, RUN_LIMIT)
    }

    /// As [`Node::run`], gives standard output, and a status other than 0 is an error with what the program said.
    ///
    /// # Errors
    /// As [`Node::run`], and when the program fails.
    pub fn check<I: AsRef<OsStr>>(&self, program: &str, arguments: impl IntoIterator<Item = I>) -> Result<String> {
        let mut command = Command::new(program);
        command.args(arguments);
        self.check_command(command, "")
    }

    pub(crate) fn check_command(&self, command: Command, input: &str) -> Result<String> {
        let words: Vec<_> =
            std::iter::once(command.get_program()).chain(command.get_args()).map(OsStr::to_owned).collect();
        let output = self.run_command(command, input)?;
        if !output.status.success() {
            let what = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
            let text = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
            bail!("{}: {what}: {} ({})", self.name(), String::from_utf8_lossy(text).trim(), output.status);
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs one `ip` command, its words separated by spaces.
    ///
    /// # Errors
    /// As [`Node::check`].
    pub fn ip(&self, arguments: &str) -> Result<String> {
        self.check("ip", arguments.split_whitespace())
    }

    /// Starts a program in the background; its output goes to a file of the lab, see [`Process::output`].
    ///
    /// # Errors
    /// It could not be started.
    pub fn start(&self, command: Command) -> Result<Process> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let program =
            std::path::Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = self.logs.join(format!("{}-{program}-{}-{number}.log", self.name(), std::process::id()));
        Process::start(&self.namespace, command, &log)
    }

    /// Sets a key of /proc/sys/net, written with slashes: `ipv4/conf/all/rp_filter`.
    ///
    /// # Errors
    /// The key does not exist or refuses the value.
    pub fn set_sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/net/{key}");
        self.with(|| std::fs::write(&path, value))?.with_context(|| format!("{}: {path} = {value}", self.name()))
    }

    /// Reads a key of /proc/sys/net, without the line end.
    ///
    /// # Errors
    /// The key does not exist.
    pub fn sysctl(&self, key: &str) -> Result<String> {
        let path = format!("/proc/sys/net/{key}");
        let text = self.with(|| std::fs::read_to_string(&path))?.with_context(|| format!("{}: {path}", self.name()))?;
        Ok(text.trim_end().to_owned())
    }

    /// Counters of every interface.
    ///
    /// # Errors
    /// The namespace is gone.
    pub fn all_counters(&self) -> Result<BTreeMap<String, Counters>> {
        self.with(counters::read)?
    }

    /// Counters of one interface.
    ///
    /// # Errors
    /// There is no such interface.
    pub fn counters(&self, interface: &str) -> Result<Counters> {
        let all = self.all_counters()?;
        all.get(interface).copied().with_context(|| format!("{}: no interface {interface}", self.name()))
    }

    /// Administrative up or down. The kernel forgets the routes over an interface that goes down: for a pulled cable see
    /// [`Lab::unplug`](crate::Lab::unplug).
    ///
    /// # Errors
    /// There is no such interface.
    pub fn set_link(&self, interface: &str, up: bool) -> Result<()> {
        let state = if up { "up" } else { "down" };
        self.ip(&format!("link set dev {interface} {state}")).map(drop)
    }
}
