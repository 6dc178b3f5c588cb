//! relvs inside a lab: its daemon on a director, `realserver` on servers, and a configuration for both. Everything goes through the program's
//! command line, as an administrator would do it.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use relvs_model::Method;

use crate::lab::Lab;
use crate::node::Node;
use crate::process::Process;

/// The control socket answers at the latest after this.
const START_LIMIT: Duration = Duration::from_secs(60);
/// A daemon ends at the latest so long after SIGTERM.
const END_LIMIT: Duration = Duration::from_secs(30);

/// One virtual service of a written configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// VIP and port.
    pub listen: SocketAddr,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// `rr`, `wrr` and so on.
    pub scheduler: &'static str,
    /// For all its servers.
    pub method: Method,
    /// RIPs with their weights; the port is the service's.
    pub servers: Vec<(IpAddr, u32)>,
}

/// The text of a relvs.toml.
#[must_use]
pub fn configuration(interfaces: &[&str], services: &[Service]) -> String {
    let names: Vec<String> = interfaces.iter().map(|name| format!("\"{name}\"")).collect();
    let mut text = format!("[director]\ninterfaces = [{}]\nflows = 65_536\n", names.join(", "));
    for service in services {
        let Service { listen, protocol, scheduler, method, .. } = service;
        let method = method.name();
        let _ = write!(
            text,
            "\n[[service]]\nlisten = \"{listen}/{protocol}\"\nscheduler = \"{scheduler}\"\nmethod = \"{method}\"\n"
        );
        for (address, weight) in &service.servers {
            let _ = write!(text, "\n[[service.server]]\naddress = \"{address}\"\nweight = {weight}\n");
        }
    }
    text
}

/// The daemon of one director node, over several starts; killed when dropped.
#[derive(Debug)]
pub struct Director {
    node: Node,
    program: PathBuf,
    run_dir: PathBuf,
    arguments: Vec<String>,
    process: Option<Process>,
}

impl Director {
    /// Not started yet, without a configuration. `program` is relvs.
    ///
    /// # Errors
    /// There is no such node, or its run directory cannot be made.
    pub fn new(lab: &Lab, node: &str, program: &Path) -> Result<Self> {
        let run_dir = lab.run_dir(node);
        std::fs::create_dir_all(&run_dir).with_context(|| run_dir.display().to_string())?;
        let node = lab.node(node)?.clone();
        Ok(Self { node, program: program.to_owned(), run_dir, arguments: Vec::new(), process: None })
    }

    /// With more arguments of `relvs run`, such as `--config FILE`.
    #[must_use]
    pub fn arguments<I: Into<String>>(mut self, arguments: impl IntoIterator<Item = I>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Starts the daemon and waits until its control socket answers.
    ///
    /// # Errors
    /// It runs already, could not be started, ended, or did not answer in time; with what it printed.
    pub fn start(&mut self) -> Result<()> {
        ensure!(!self.is_running(), "{}: the director runs already", self.node.name());
        let mut command = Command::new(&self.program);
        command.arg("run").args(&self.arguments).arg("--run-dir").arg(&self.run_dir);
        let mut process = self.node.start(command)?;
        let deadline = Instant::now() + START_LIMIT;
        let socket = self.run_dir.join("control.sock");
        // A socket file that a killed daemon left refuses connections.
        while UnixStream::connect(&socket).is_err() {
            if !process.is_running() || Instant::now() >= deadline {
                bail!("{}: relvs run did not come up: {}", self.node.name(), process.output().trim());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.process = Some(process);
        Ok(())
    }

    /// Whether the daemon runs.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::is_running)
    }

    /// The daemon's process.
    ///
    /// # Errors
    /// It was never started, or was ended here.
    pub fn process(&self) -> Result<&Process> {
        self.process.as_ref().with_context(|| format!("{}: the director is not started", self.node.name()))
    }

    /// SIGKILL, as a crash.
    ///
    /// # Errors
    /// It is not started.
    pub fn kill(&mut self) -> Result<()> {
        self.process()?;
        self.process.take().map_or(Ok(()), |mut process| process.kill().map(drop))
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// It is not started, or did not end in time.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.process()?;
        let mut process = self.process.take().context("the director is not started")?;
        process.terminate(END_LIMIT)
    }

    /// SIGHUP: reads its configuration again.
    ///
    /// # Errors
    /// It is not started.
    pub fn reload(&self) -> Result<()> {
        self.process()?.signal(Signal::SIGHUP)
    }

    /// What the daemon printed since its last start.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::output).unwrap_or_default()
    }

    /// Runs relvs on the same node with the same run directory: `status`, `apply FILE`.
    ///
    /// # Errors
    /// It could not be started, or took too long. Its exit status is in the output.
    pub fn relvs<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Result<Output> {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("RELVS_RUN_DIR", &self.run_dir);
        self.node.run_command(command, "")
    }

    /// Lets the daemon outlive this program; gives its process id.
    ///
    /// # Errors
    /// It is not started.
    pub fn leave_running(mut self) -> Result<u32> {
        let process = self.process.take().context("the director is not started")?;
        let pid = process.pid();
        process.leave_running();
        Ok(pid)
    }
}

/// Runs `relvs realserver VERB` on a server for these VIPs: `up`, `down`, `check`; `method` is DR or TUN.
///
/// # Errors
/// It could not be started. Its exit status is in the output.
pub fn realserver(
    lab: &Lab,
    node: &Node,
    program: &Path,
    verb: &str,
    vips: &[IpAddr],
    method: Method,
) -> Result<Output> {
    let mut command = Command::new(program);
    command.args(["realserver", verb]);
    if verb != "down" {
        command.args(["--method", method.name()]);
    }
    for vip in vips {
        command.arg("--vip").arg(vip.to_string());
    }
    if let Some(port) = node.ports().first().filter(|_| verb != "down") {
        command.args(["--interface", &port.interface]);
    }
    command.arg("--run-dir").arg(lab.run_dir(node.name()));
    node.run_command(command, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_the_contracts() {
        let service = Service {
            listen: "[2001:db8:2::100]:80".parse().unwrap(),
            protocol: "tcp",
            scheduler: "wrr",
            method: Method::Dr,
            servers: vec![("2001:db8:2::11".parse().unwrap(), 2)],
        };
        let expected = "[director]\ninterfaces = [\"eth0\"]\nflows = 65_536\n\n[[service]]\nlisten = \"[2001:db8:2::100]:80/tcp\"\n\
                        scheduler = \"wrr\"\nmethod = \"dr\"\n\n[[service.server]]\naddress = \"2001:db8:2::11\"\nweight = 2\n";
        assert_eq!(configuration(&["eth0"], &[service]), expected);
    }
}
