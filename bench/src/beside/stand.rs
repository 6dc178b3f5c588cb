//! A way made to stand on the lab's director, and taken away again. Only inside the lab's namespaces.

use super::{
    program::Redirect,
    ways::{self, Service, TABLE, Way},
};
use anyhow::{Context as _, Result, ensure};
use relvs_lab::{Lab, Node, Process, director::Director};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Flows that relvs has room for.
const FLOWS: u32 = 1 << 18;
/// Where Debian's nginx has its stream module.
const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";
/// How long is waited for what was started.
const LIMIT: Duration = Duration::from_secs(15);

/// Why a way cannot be measured on this machine; `None` if it can.
pub(super) fn absent(way: Way) -> Option<String> {
    let missing = |program: &str| (!is_installed(program)).then(|| format!("not here: no program {program}"));
    match way {
        Way::Ipvs(_) if !Path::new("/proc/net/ip_vs").exists() => {
            Some("not here: this kernel has no module ip_vs".to_owned())
        }
        Way::Ipvs(_) => missing("ipvsadm"),
        Way::Nftables(_) => missing("nft"),
        Way::Haproxy => missing("haproxy"),
        Way::NginxStream => missing("nginx"),
        Way::Envoy => Some("not here: Debian has no package of it".to_owned()),
        Way::Direct | Way::Redirect | Way::Forward | Way::Route | Way::Relvs(_) => None,
    }
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).any(|directory| directory.join(program).is_file())
}

/// A way that stands. Dropping it ends its processes; [`Standing::end`] takes away the rest as well.
pub(super) struct Standing<'a> {
    lab: &'a Lab,
    way: Way,
    service: Service,
    process: Option<Process>,
    director: Option<Director>,
    redirect: Option<Redirect>,
}

impl<'a> Standing<'a> {
    /// Sets it up on d1. `relvs` is the program.
    pub(super) fn up(lab: &'a Lab, relvs: &Path, way: Way, service: &Service) -> Result<Self> {
        let node = lab.director(1)?;
        let mut standing =
            Standing { lab, way, service: service.clone(), process: None, director: None, redirect: None };
        match way {
            Way::Direct | Way::Forward | Way::Envoy => {}
            Way::Redirect => {
                let (into, out) = service.interfaces.split_first().context("no interfaces")?;
                let first = indices(node, out)?;
                standing.redirect = Some(node.with(|| Redirect::attach(into, first, out.len() as u8))??);
            }
            Way::Route => drop(node.ip(&ways::route(service))?),
            Way::Nftables(choice) => {
                let file = lab.write_file("beside.nft", &ways::nftables(service, choice))?;
                node.check("nft", ["-f".as_ref(), file.as_os_str()])?;
            }
            Way::Ipvs(method) => {
                for line in ways::ipvsadm(service, method) {
                    node.check("ipvsadm", line.split_whitespace())?;
                }
            }
            Way::Relvs(method) => {
                let file = lab.write_file("beside.toml", &ways::relvs(service, method, FLOWS))?;
                let file = file.to_str().context("the configuration's path is not UTF-8")?;
                let mut director = Director::new(lab, node.name(), relvs)?.arguments(["--config", file]);
                director.start()?;
                standing.director = Some(director);
            }
            Way::Haproxy => {
                let file = lab.write_file("haproxy.cfg", &ways::haproxy(service))?;
                let mut command = Command::new("haproxy");
                command.arg("-db").arg("-f").arg(file);
                standing.process = Some(node.start(command)?);
            }
            Way::NginxStream => standing.process = Some(nginx_stream(lab, node, service)?),
        }
        Ok(standing)
    }

    /// The process groups of the director's programs.
    pub(super) fn groups(&self) -> Vec<u32> {
        let director = self.director.as_ref().and_then(|director| director.process().ok());
        self.process.iter().chain(director).map(Process::pid).collect()
    }

    /// What its programs have printed, for an error.
    pub(super) fn said(&self) -> String {
        let process = self.process.as_ref().map(Process::output).unwrap_or_default();
        let director = self.director.as_ref().map(Director::log).unwrap_or_default();
        format!("{process}{director}").trim().to_owned()
    }

    /// Takes it away.
    pub(super) fn end(mut self) -> Result<()> {
        let node = self.lab.director(1)?;
        if let Some(mut process) = self.process.take() {
            process.kill()?;
        }
        if let Some(mut director) = self.director.take() {
            let log = director.log();
            let status = director.terminate()?;
            ensure!(status.success(), "relvs run: {status}: {}", log.trim());
        }
        drop(self.redirect.take());
        match self.way {
            Way::Route => drop(node.ip(&format!("route delete {}/32", self.service.vip))?),
            Way::Nftables(_) => drop(node.check("nft", ["delete", "table", "ip", TABLE])?),
            Way::Ipvs(_) => drop(node.check("ipvsadm", ["-C"])?),
            Way::Direct
            | Way::Redirect
            | Way::Forward
            | Way::Relvs(_)
            | Way::Haproxy
            | Way::NginxStream
            | Way::Envoy => {}
        }
        Ok(())
    }
}

fn nginx_stream(lab: &Lab, node: &Node, service: &Service) -> Result<Process> {
    let directory = lab.directory().join("nginx-stream");
    std::fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    let module = Path::new(STREAM_MODULE).exists().then_some(STREAM_MODULE);
    let text = ways::nginx_stream(service, module, &directory.display().to_string());
    let file = lab.write_file("nginx-stream/nginx.conf", &text)?;
    let mut command = Command::new("nginx");
    command.arg("-e").arg(directory.join("error.log")).arg("-c").arg(file);
    node.start(command)
}

/// The number of an interface of a node, and whether those of the others follow it.
pub(super) fn indices(node: &Node, interfaces: &[String]) -> Result<u32> {
    let mut numbers = Vec::new();
    for interface in interfaces {
        let shown = node.ip(&format!("-o link show dev {interface}"))?;
        let number = shown.split(':').next().and_then(|word| word.trim().parse::<u32>().ok());
        numbers.push(number.with_context(|| format!("`ip link` printed no number: {shown}"))?);
    }
    let follow = numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    numbers.first().copied().filter(|_| follow).with_context(|| format!("{interfaces:?} have the numbers {numbers:?}"))
}

/// Asks again and again until it is so, at most [`LIMIT`].
pub(super) fn until(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    while !is_so()? {
        ensure!(Instant::now() < deadline, "{what}: not within {} s", LIMIT.as_secs());
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
