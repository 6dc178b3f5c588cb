//! `relvs realserver up|down|check`.

use clap::{Args, Subcommand, ValueEnum};
use relvs_daemon::{
    PinnedDecapsulator,
    realserver::{self, Error, PROBE_TIME, Report, Request},
};
use relvs_model::{Method, Tunnel};
use std::{net::IpAddr, path::PathBuf, process::ExitCode};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Put VIPs on lo, hidden from ARP; for TUN also take packets out of the tunnel
    Up(Set),
    /// Undo what `up` did, for these VIPs or for all
    Down {
        /// A VIP; without any all of them
        #[arg(long = "vip", value_name = "IP")]
        vips: Vec<IpAddr>,
    },
    /// Say whether VIPs are there, hidden and served
    Check(Set),
}

#[derive(Args)]
pub(crate) struct Set {
    /// A VIP; may be given several times
    #[arg(long = "vip", value_name = "IP", required = true)]
    vips: Vec<IpAddr>,
    /// How the director sends packets here
    #[arg(long, value_enum, default_value = "dr")]
    method: How,
    /// What packets come in, by tun: ipip, gre or gue:PORT
    #[arg(long, value_name = "TUNNEL", default_value = "ipip", value_parser = crate::server::tunnel)]
    tunnel: Tunnel,
    /// An interface that the packets come in on; without any all
    #[arg(long = "interface", value_name = "IF")]
    interfaces: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum How {
    /// Direct routing
    Dr,
    /// Inside another packet
    Tun,
}

pub(crate) fn realserver(command: Command, run_dir: PathBuf) -> ExitCode {
    let mut decapsulator = PinnedDecapsulator::new(run_dir.clone());
    match command {
        Command::Up(set) => show(realserver::up(&set.request(run_dir), &mut decapsulator)),
        Command::Down { vips } => show(realserver::down(&run_dir, &vips.into_iter().collect(), &mut decapsulator)),
        Command::Check(set) => show(realserver::check(&set.request(run_dir), &mut decapsulator, PROBE_TIME)),
    }
}

impl Set {
    fn request(self, run_dir: PathBuf) -> Request {
        let method = match self.method {
            How::Dr => Method::Dr,
            How::Tun => Method::Tun,
        };
        Request {
            vips: self.vips.into_iter().collect(),
            method,
            tunnel: self.tunnel,
            interfaces: self.interfaces,
            run_dir,
        }
    }
}

fn show(result: Result<Report, Error>) -> ExitCode {
    match result {
        Ok(report) => {
            super::say(&report.to_string());
            ExitCode::from(report.exit_code())
        }
        Err(error) => super::complain(&[error.to_string()]),
    }
}
