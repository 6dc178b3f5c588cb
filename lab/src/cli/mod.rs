//! `relvs lab`: the arguments, and what each command does.

mod demo;
mod next;
mod up;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use relvs_model::Method;

use crate::lab::Lab;
use crate::plan::{Role, Topology};
use crate::process;
use crate::registry::{self, Found, Status};
use crate::table::write_table;
use crate::traffic::{Serve, serve_forever};

/// Lay out, look into and remove topologies in network namespaces.
#[derive(Debug, Subcommand)]
pub enum LabCommand {
    /// Send real requests through NAT, DR and TUN, take a server and the director away, and say what held.
    Demo(Demo),
    /// Lay out a topology with running servers, and leave it standing.
    Up(Up),
    /// Open a shell in a node, or run one command there.
    Shell(Shell),
    /// Remove a lab: its processes, namespaces and files.
    Down(Down),
    /// Show the labs of this machine.
    List,
    /// Serve HTTP and UDP echo under a name (what `up` runs on the servers).
    #[command(hide = true)]
    Serve(ServeArguments),
}

/// Arguments of `relvs lab demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Leave the labs standing at the end, and say what to do with them.
    #[arg(long)]
    pub keep: bool,
    /// Print the results as JSON instead of tables; what is being done goes to standard error.
    #[arg(long)]
    pub json: bool,
    /// The relvs program for director and servers [default: this program].
    #[arg(long, value_name = "PATH")]
    pub relvs: Option<PathBuf>,
}

/// Arguments of `relvs lab up`.
#[derive(Debug, Args)]
pub struct Up {
    /// How client, directors and servers are connected.
    #[arg(long, value_enum, default_value = "one-armed")]
    pub topology: Topology,
    /// Servers on the LAN.
    #[arg(long, default_value_t = 3)]
    pub servers: u8,
    /// Directors.
    #[arg(long, default_value_t = 1)]
    pub directors: u8,
    /// Prepare the servers for this forwarding method and run a director with it.
    #[arg(long, value_parser = method_names())]
    pub method: Option<Method>,
    /// Run the director d1 with this relvs.toml instead of a generated one.
    #[arg(long, value_name = "FILE")]
    pub director_config: Option<PathBuf>,
    /// Virtual addresses of d1 [default: the topology's first, IPv4 and IPv6].
    #[arg(long, value_name = "IP")]
    pub vip: Vec<std::net::IpAddr>,
    /// The relvs program for director and servers [default: this program].
    #[arg(long, value_name = "PATH")]
    pub relvs: Option<PathBuf>,
}

fn method_names() -> impl TypedValueParser<Value = Method> {
    PossibleValuesParser::new(Method::ALL.map(Method::name))
        .try_map(|name| name.parse::<Method>().map_err(|()| format!("no method {name}")))
}

/// Arguments of `relvs lab shell`.
#[derive(Debug, Args)]
pub struct Shell {
    /// Short name of the node: c, r, sw, d1, s1.
    pub node: String,
    /// The lab, if there are several.
    #[arg(long, value_name = "NAME")]
    pub lab: Option<String>,
    /// Command to run instead of a shell.
    #[arg(last = true)]
    pub command: Vec<String>,
}

/// Arguments of `relvs lab down`.
#[derive(Debug, Args)]
pub struct Down {
    /// The lab; not needed when there is only one.
    #[arg(conflicts_with = "all")]
    pub name: Option<String>,
    /// Every lab, and what killed tests left; never the lab of a test that is still running.
    #[arg(long)]
    pub all: bool,
}

/// Arguments of `relvs lab serve`.
#[derive(Debug, Args)]
pub struct ServeArguments {
    /// The name said in every answer.
    #[arg(long)]
    pub name: String,
    /// Port for HTTP on every address.
    #[arg(long)]
    pub http: Vec<u16>,
    /// Port for UDP echo on every address.
    #[arg(long)]
    pub udp: Vec<u16>,
    /// Address and port for HTTP.
    #[arg(long)]
    pub http_on: Vec<SocketAddr>,
    /// Address and port for UDP echo.
    #[arg(long)]
    pub udp_on: Vec<SocketAddr>,
}

/// Does what the command says; what is for the user goes to `out`.
///
/// # Errors
/// One line: what, where, what to do.
pub fn run(command: LabCommand, out: &mut dyn Write) -> Result<ExitCode> {
    match command {
        LabCommand::Demo(arguments) => demo::run(&arguments, out),
        LabCommand::Up(arguments) => up::run(&arguments, out),
        LabCommand::Shell(arguments) => shell(&arguments),
        LabCommand::Down(arguments) => down(&arguments, out),
        LabCommand::List => list(out),
        LabCommand::Serve(arguments) => serve(arguments),
    }
}

/// The lab meant when none is named: the only one that `up` made.
fn chosen(name: Option<&str>) -> Result<String> {
    if let Some(name) = name {
        return Ok(name.to_owned());
    }
    let labs: Vec<Found> = registry::list()?.into_iter().filter(|lab| lab.status == Status::Up).collect();
    match labs.as_slice() {
        [] => bail!("no lab is up: start one with `relvs lab up`"),
        [lab] => Ok(lab.name.clone()),
        several => {
            let names: Vec<&str> = several.iter().map(|lab| lab.name.as_str()).collect();
            bail!("several labs are up ({}): name one", names.join(", "))
        }
    }
}

fn shell(arguments: &Shell) -> Result<ExitCode> {
    let lab = Lab::open(&chosen(arguments.lab.as_deref())?)?;
    let node = lab.node(&arguments.node)?;
    let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    let mut command = match arguments.command.split_first() {
        Some((program, rest)) => {
            let mut command = Command::new(program);
            command.args(rest);
            command
        }
        None => Command::new(shell),
    };
    command.env("RELVS_LAB", lab.name()).env("RELVS_NODE", node.name());
    // Without it `relvs realserver up` in several servers would write into the one /run that they share.
    if matches!(node.role(), Role::Director | Role::Server) {
        command.env("RELVS_RUN_DIR", lab.run_dir(node.name()));
    }
    match process::replace(node.namespace(), command)? {}
}

fn down(arguments: &Down, out: &mut dyn Write) -> Result<ExitCode> {
    let names = if arguments.all {
        let labs = registry::list()?.into_iter().filter(|lab| !matches!(lab.status, Status::Owned(_)));
        labs.map(|lab| lab.name).collect()
    } else {
        let name = chosen(arguments.name.as_deref())?;
        let lab = registry::list()?.into_iter().find(|lab| lab.name == name);
        match lab.with_context(|| format!("no lab {name}: see `relvs lab list`"))?.status {
            Status::Owned(pid) => bail!("lab {name} belongs to the running process {pid}, which removes it itself"),
            Status::Up | Status::Leftover => vec![name],
        }
    };
    if names.is_empty() {
        writeln!(out, "no lab to remove")?;
    }
    for name in names {
        registry::remove(&name).with_context(|| format!("lab {name}"))?;
        writeln!(out, "removed lab {name}")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn list(out: &mut dyn Write) -> Result<ExitCode> {
    let mut rows = Vec::new();
    for lab in registry::list()? {
        let status = match lab.status {
            Status::Up => "up".to_owned(),
            Status::Owned(pid) => format!("in use by process {pid}"),
            Status::Leftover => "leftover".to_owned(),
        };
        let state = lab.state.as_ref();
        let topology = state.and_then(|state| state.plan.as_ref()).and_then(|plan| plan.topology.to_possible_value());
        let processes = state.map_or(&[][..], |state| &state.processes);
        let processes: Vec<String> =
            processes.iter().map(|one| format!("{} {} ({})", one.node, one.what, one.pid)).collect();
        let namespaces = lab.namespaces.len().to_string();
        rows.push(vec![
            lab.name,
            status,
            topology.map(|value| value.get_name().to_owned()).unwrap_or_default(),
            namespaces,
            processes.join(", "),
        ]);
    }
    write_table(out, &["lab", "status", "topology", "namespaces", "processes"], &rows)?;
    Ok(ExitCode::SUCCESS)
}

fn serve(arguments: ServeArguments) -> Result<ExitCode> {
    let mut serve = Serve::new(&arguments.name);
    for port in arguments.http {
        serve = serve.http(port);
    }
    for port in arguments.udp {
        serve = serve.udp(port);
    }
    serve.http.extend(arguments.http_on);
    serve.udp.extend(arguments.udp_on);
    serve_forever(&serve).map(|()| ExitCode::SUCCESS)
}
