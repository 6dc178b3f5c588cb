//! Who used how much processor time: process groups, the kernel's own softirq threads, and the whole machine.
//!
//! The kernel counts a packet's work in softirq as the time of whatever runs at that moment: over veth that is nearly always the process
//! that sent the packet. So the time of all the lab's processes together holds the forwarding as well. Sources: proc_pid_stat(5),
//! proc_stat(5), the kernel's Documentation/scheduler/sched-stats.rst (schedstat).

use anyhow::{Context as _, Result};
use std::fs;

/// Ticks a second in /proc (USER_HZ).
const TICKS: f64 = 100.0;

/// Seconds of the whole machine.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct System {
    /// Not idle, softirq included.
    pub(super) busy: f64,
    /// In softirq, by the ticks that hit it.
    pub(super) softirq: f64,
}

impl System {
    /// Since the machine's start.
    pub(super) fn now() -> Result<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").context("/proc/stat")?).context("/proc/stat has no line `cpu`")
    }

    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<f64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
        let [user, nice, system, _idle, _wait, irq, softirq, ..] = ticks[..] else { return None };
        Some(System { busy: (user + nice + system + irq + softirq) / TICKS, softirq: softirq / TICKS })
    }

    /// What was used since an earlier look.
    pub(super) fn since(self, earlier: Self) -> Self {
        System { busy: self.busy - earlier.busy, softirq: self.softirq - earlier.softirq }
    }
}

/// Seconds that the processes of these groups have run, all threads.
pub(super) fn groups(groups: &[u32]) -> f64 {
    processes()
        .filter(|(_, stat)| stat.group.is_some_and(|group| groups.contains(&group)))
        .map(|(pid, _)| ran(pid))
        .sum()
}

/// Seconds that the kernel's softirq threads have run: on all CPUs, or on one.
pub(super) fn softirq_threads(cpu: Option<usize>) -> f64 {
    let name = |stat: &Stat| match cpu {
        Some(cpu) => stat.name == format!("ksoftirqd/{cpu}"),
        None => stat.name.starts_with("ksoftirqd/"),
    };
    processes().filter(|(_, stat)| name(stat)).map(|(pid, _)| ran(pid)).sum()
}

/// Seconds of this process' children that have ended and were waited for.
pub(super) fn children() -> Result<f64> {
    let text = fs::read_to_string("/proc/self/stat").context("/proc/self/stat")?;
    let stat = Stat::parse(&text).context("/proc/self/stat is not as proc_pid_stat(5) says")?;
    Ok(stat.children / TICKS)
}

/// What is wanted of /proc/PID/stat.
#[derive(Debug, PartialEq)]
struct Stat {
    name: String,
    /// The process group; the kernel's threads have none.
    group: Option<u32>,
    /// Ticks of waited-for children.
    children: f64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        let (before, after) = text.rsplit_once(')')?;
        let name = before.split_once('(')?.1.to_owned();
        let words: Vec<&str> = after.split_whitespace().collect();
        // The state, field 3, is the first after the name.
        let field = |number: usize| words.get(number - 3)?.parse::<f64>().ok();
        let group = words.get(2)?.parse().ok().filter(|group| *group != 0);
        Some(Stat { name, group, children: field(16)? + field(17)? })
    }
}

fn processes() -> impl Iterator<Item = (u32, Stat)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        // One that has just ended is none.
        Some((pid, Stat::parse(&fs::read_to_string(entry.path().join("stat")).ok()?)?))
    })
}

/// Seconds that the threads of a process have run: the first number of schedstat is in nanoseconds.
fn ran(pid: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let times = tasks.filter_map(|task| first_number(&fs::read_to_string(task.path().join("schedstat")).ok()?));
    times.sum::<f64>() / 1e9
}

fn first_number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_be_called_anything() {
        let text = "42 (a) b (c) S 1 17 17 0 -1 4194560 1 2 3 4 50 60 7 8 20 0 1 0 100 1 1";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(stat, Stat { name: "a) b (c".to_owned(), group: Some(17), children: 15.0 });
        assert_eq!(Stat::parse("nothing"), None);
    }

    #[test]
    fn idle_and_waiting_time_is_not_busy() {
        let text = "cpu  100 200 300 9999 9999 10 50 7 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
        let system = System::parse(text).unwrap();
        assert_eq!(system, System { busy: 6.6, softirq: 0.5 });
        assert_eq!(system.since(System { busy: 6.0, softirq: 0.5 }).softirq, 0.0);
        assert_eq!(System::parse("cpu  1 2"), None);
    }

    #[test]
    fn this_process_has_run() {
        // Busy until the kernel has counted some of it.
        let mut sum = 0_u64;
        while ran(std::process::id()) == 0.0 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(System::now().unwrap().busy > 0.0);
    }
}
