//! `relvs lab up`: a topology with servers, and a director if one is asked for, left standing.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use relvs_model::Method;

use super::{Up, next};
use crate::director::{Director, Service, configuration, realserver};
use crate::lab::Lab;
use crate::node::Node;
use crate::plan::{Gateway, Shape, Topology};
use crate::process::Process;
use crate::registry::Started;
use crate::serving;

/// HTTP on the servers and the VIPs.
pub(super) const HTTP: u16 = 80;
/// UDP echo on the servers and the VIPs.
const UDP: u16 = 53;

pub(super) fn run(arguments: &Up, out: &mut dyn Write) -> Result<ExitCode> {
    if arguments.topology == Topology::TwoArmed {
        let other = arguments.method.filter(|method| *method != Method::Nat);
        ensure!(other.is_none(), "two-armed: replies pass the director, so the method is nat");
    }
    let this = std::env::current_exe().context("the path of this program")?;
    let relvs = arguments.relvs.as_deref().unwrap_or(&this);
    let mut shape = Shape::new(arguments.topology).directors(arguments.directors).servers(arguments.servers);
    if arguments.method == Some(Method::Nat) {
        shape = shape.gateway(Gateway::Director);
    }
    let config =
        arguments.director_config.as_ref().map(|path| path.canonicalize().with_context(|| path.display().to_string()));
    let config = config.transpose()?;
    let lab = Lab::build(&shape)?;
    let vips = if arguments.vip.is_empty() {
        Vec::from(<[IpAddr; 2]>::from(lab.plan().vip(0)))
    } else {
        arguments.vip.clone()
    };
    for vip in &vips {
        lab.add_vip("d1", *vip)?;
    }
    let mut processes = start_servers(&lab, &this)?;
    if let Some(method @ (Method::Dr | Method::Tun)) = arguments.method {
        for server in lab.servers() {
            let output = realserver(&lab, server, relvs, "up", &vips, method)?;
            ensure!(output.status.success(), "{}: {}", server.name(), String::from_utf8_lossy(&output.stderr).trim());
        }
    }
    let config = match (config, arguments.method) {
        (None, Some(method)) => Some(lab.write_file("relvs.toml", &generated(&lab, &vips, method)?)?),
        (given, _) => given,
    };
    let director = config.as_deref().map(|config| start_director(&lab, relvs, config)).transpose()?;
    next::show(out, &lab, &vips, director.is_some())?;
    for (server, process) in &mut processes {
        ensure!(process.is_running(), "{}: the server ended: {}", server.node, process.output().trim());
    }
    let mut started = Vec::new();
    if let Some(director) = director {
        let pid = director.leave_running()?;
        started.push(Started { node: "d1".to_owned(), what: "relvs run".to_owned(), pid });
    }
    for (listed, process) in processes {
        process.leave_running();
        started.push(listed);
    }
    lab.keep(started)?;
    Ok(ExitCode::SUCCESS)
}

fn start_servers(lab: &Lab, this: &Path) -> Result<Vec<(Started, Process)>> {
    let mut processes = Vec::new();
    for server in lab.servers() {
        let process = serving::start(server, this, &[HTTP], UDP)?;
        let started = Started { node: server.name().to_owned(), what: "serve".to_owned(), pid: process.pid() };
        processes.push((started, process));
    }
    for (server, (_, process)) in lab.servers().zip(&mut processes) {
        serving::wait(server, process, HTTP)?;
    }
    Ok(processes)
}

fn start_director(lab: &Lab, relvs: &Path, config: &Path) -> Result<Director> {
    let config = config.to_str().context("the configuration's path is not UTF-8")?;
    let mut director = Director::new(lab, "d1", relvs)?.arguments(["--config", config]);
    director.start()?;
    Ok(director)
}

/// HTTP and UDP echo on every VIP, round robin over the servers of its family; the far server only where a tunnel reaches it.
fn generated(lab: &Lab, vips: &[IpAddr], method: Method) -> Result<String> {
    let lan = |node: &&Node| node.port_on("lan").is_ok();
    let servers: Vec<&Node> = lab.servers().filter(|node| lan(node) || method == Method::Tun).collect();
    let mut services = Vec::new();
    for vip in vips {
        for (port, protocol) in [(HTTP, "tcp"), (UDP, "udp")] {
            let address = |node: &&Node| if vip.is_ipv4() { node.v4().into() } else { node.v6().into() };
            let servers = servers.iter().map(|node| (address(node), 1)).collect();
            services.push(Service { listen: SocketAddr::new(*vip, port), protocol, scheduler: "rr", method, servers });
        }
    }
    let interfaces: Vec<&str> = lab.director(1)?.ports().iter().map(|port| port.interface.as_str()).collect();
    Ok(configuration(&interfaces, &services))
}
