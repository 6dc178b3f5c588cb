//! The built-in servers as a process of their own, `relvs lab serve`, so that they can outlive the program that started them.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::node::Node;
use crate::process::Process;

/// A server listens at the latest after this.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Starts it under the node's name: HTTP on these ports (at least one) of every address, UDP echo on one. Gives it before it listens:
/// see [`wait`]. `program` is relvs.
pub(crate) fn start(node: &Node, program: &Path, http: &[u16], udp: u16) -> Result<Process> {
    let mut command = Command::new(program);
    command.args(["lab", "serve", "--name", node.name(), "--udp", &udp.to_string()]);
    for port in http {
        command.args(["--http", &port.to_string()]);
    }
    node.start(command)
}

/// Waits until it accepts connections on that port.
pub(crate) fn wait(node: &Node, process: &mut Process, port: u16) -> Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    let target = node.sockets(port)[1];
    while node.with(|| TcpStream::connect_timeout(&target, START_LIMIT))?.is_err() {
        if !process.is_running() || Instant::now() >= deadline {
            bail!("{}: the server did not come up: {}", node.name(), process.output().trim());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
