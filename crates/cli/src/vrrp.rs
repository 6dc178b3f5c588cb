//! `relvs vrrp status|failover|maintenance|release`: who has the addresses, and handing them over.

use clap::{Args, Subcommand, ValueEnum};
use relvs_api::{Client, VrrpCommand, VrrpVerb};
use relvs_model::vrrp::{GroupStatus, InstanceStatus, State, Statistics, Status};
use std::{
    fmt::Write as _,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

/// How often the director is asked how a hand-over goes.
const ASK: Duration = Duration::from_millis(50);
/// The longest that a hand-over takes: two of the longest intervals of version 3.
const PATIENCE: Duration = Duration::from_secs(100);

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show the virtual routers: their states and why, who is master, whom they hear, what is wrong
    Status(Show),
    /// Hand over to another director, which stays master until `release`; exit code 1 if nobody takes over
    Failover(Which),
    /// Take virtual routers out of service, or put them back: meanwhile they take no part
    Maintenance {
        /// Out of service (on), or back (off)
        switch: Switch,
        #[command(flatten)]
        which: Which,
    },
    /// Let virtual routers that were handed over become master again, by their priority
    Release(Which),
}

#[derive(Args)]
pub(crate) struct Show {
    /// For programs
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Which {
    /// A virtual router, with those of its group, or a group; without it all
    name: Option<String>,
    /// For programs
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// Out of service
    On,
    /// Back in service
    Off,
}

pub(crate) fn vrrp(command: Command, client: &Client) -> ExitCode {
    let done = match command {
        Command::Status(Show { json }) => client.vrrp().map_err(|e| e.to_string()).map(|status| match json {
            true => super::say_json(&status),
            false => super::say(&page(&status)),
        }),
        Command::Failover(which) => carry_out(client, VrrpVerb::Failover, which),
        Command::Maintenance { switch: Switch::On, which } => carry_out(client, VrrpVerb::Maintenance, which),
        Command::Maintenance { switch: Switch::Off, which } | Command::Release(which) => {
            carry_out(client, VrrpVerb::Release, which)
        }
    };
    done.unwrap_or_else(|error| super::complain(&[error]))
}

/// Does it, and waits until it is done.
fn carry_out(client: &Client, verb: VrrpVerb, Which { name, json }: Which) -> Result<ExitCode, String> {
    let command = VrrpCommand { command: verb, name: name.clone() };
    let mut status = client.vrrp_command(&command).map_err(|e| e.to_string())?;
    let handed: Vec<String> =
        status.instances.iter().filter(|one| one.handing_over).map(|one| one.name.clone()).collect();
    let begin = Instant::now();
    while status.instances.iter().any(|one| one.handing_over && handed.contains(&one.name)) {
        if begin.elapsed() >= PATIENCE {
            return Err("the hand-over is still under way; `relvs vrrp status` says how it goes".to_owned());
        }
        thread::sleep(ASK);
        status = client.vrrp().map_err(|e| e.to_string())?;
    }
    let stayed = |one: &&InstanceStatus| handed.contains(&one.name) && one.state == State::Master;
    let stayed: Vec<&str> = status.instances.iter().filter(stayed).map(|one| one.name.as_str()).collect();
    if verb == VrrpVerb::Failover && !stayed.is_empty() {
        return Err(format!("nobody took over: {} is still master here", stayed.join(", ")));
    }
    if json {
        return Ok(super::say_json(&status));
    }
    let mut out = String::new();
    for one in &status.instances {
        let _ = writeln!(out, "{}: {}", one.name, state(one, status.now_ms));
    }
    Ok(super::say(&out))
}

/// All there is to say.
fn page(status: &Status) -> String {
    let mut out = String::new();
    if status.instances.is_empty() {
        return "no virtual routers\n".to_owned();
    }
    for (at, one) in status.instances.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        instance(&mut out, one, status.now_ms);
    }
    for GroupStatus { name, members, state, since_ms } in &status.groups {
        let _ =
            writeln!(out, "\ngroup {name} of {}: {state} for {}", members.join(", "), ago(status.now_ms, *since_ms));
    }
    if status.restarts > 0 {
        let _ = writeln!(out, "\nbegun anew {} times after a fault of relvs; the log says which", status.restarts);
    }
    if status.unknown_router > 0 {
        let _ = writeln!(out, "\n{} adverts of virtual routers that are not configured", status.unknown_router);
    }
    out
}

fn instance(out: &mut String, one: &InstanceStatus, now: u64) {
    let _ = writeln!(
        out,
        "{}, {} on {}, version {}: {}",
        one.name,
        one.router_id,
        one.interface,
        one.version.number(),
        state(one, now)
    );
    let addresses: Vec<String> = one.addresses.iter().map(ToString::to_string).collect();
    let _ =
        writeln!(out, "  addresses  {}", if addresses.is_empty() { "none".to_owned() } else { addresses.join(", ") });
    let base = if one.effective_priority == one.base_priority {
        String::new()
    } else {
        format!(", configured {}", one.base_priority)
    };
    let _ = writeln!(out, "  priority   {}{base}", one.effective_priority);
    if let Some(master) = &one.master
        && one.state != State::Master
    {
        let (address, priority) = (master.address, master.priority);
        let _ = writeln!(out, "  master     {address}, priority {priority}, for {}", ago(now, master.since_ms));
    }
    for peer in &one.peers {
        let left = if peer.priority == 0 { ", it left" } else { "" };
        let _ = writeln!(
            out,
            "  heard      {}, priority {}, every {} ms, {} adverts, the last {} ago{left}",
            peer.address,
            peer.priority,
            peer.advert_interval_ms,
            peer.adverts,
            ago(now, peer.heard_ms)
        );
    }
    for condition in &one.conditions {
        let _ = writeln!(
            out,
            "  WRONG      {}: {}, {} times, the last {} ago",
            condition.kind.name(),
            condition.who,
            condition.count,
            ago(now, condition.last_ms)
        );
    }
    let Statistics { advert_sent, advert_rcvd, become_master, timer_late_max_us, .. } = one.statistics;
    let _ = writeln!(
        out,
        "  counted    {advert_sent} adverts sent, {advert_rcvd} received, {become_master} times master; timers late by {:.1} ms at most",
        timer_late_max_us as f64 / 1e3
    );
    let dropped: Vec<String> = (one.statistics.dropped().iter())
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    if !dropped.is_empty() {
        let _ = writeln!(out, "  dropped    {}", dropped.join(", "));
    }
}

/// What it is, since when, and why.
pub(crate) fn state(one: &InstanceStatus, now: u64) -> String {
    let mut text = format!("{} for {}: {}", one.state, ago(now, one.since_ms), one.why);
    for (is, what) in [
        (one.handing_over, "hands over"),
        (one.held, "leaves the other master until it is released"),
        (one.maintenance, "in maintenance"),
    ] {
        if is {
            let _ = write!(text, "; {what}");
        }
    }
    text
}

/// A time in the largest unit that says it.
fn ago(now: u64, moment: u64) -> String {
    let millis = now.saturating_sub(moment);
    match millis / 1000 {
        0..10 => format!("{:.1} s", millis as f64 / 1e3),
        seconds @ 10..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
