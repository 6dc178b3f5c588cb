//! What Prometheus's own libraries say of a process, by their names (proc(5): `/proc/self/stat`, `/proc/self/fd`).

use std::fs;

/// This process. What cannot be read is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Process {
    /// Seconds of CPU time, user and system together.
    pub(crate) cpu_s: Option<f64>,
    /// Bytes of memory that are resident.
    pub(crate) resident: Option<f64>,
    /// Bytes of address space.
    pub(crate) virtual_memory: Option<f64>,
    /// Open file descriptors.
    pub(crate) fds: Option<f64>,
    /// The most that may be open.
    pub(crate) most_fds: Option<f64>,
}

impl Process {
    /// At this moment.
    pub(crate) fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        Process {
            fds: fs::read_dir("/proc/self/fd").ok().map(|open| open.count() as f64),
            most_fds: limits.current.map(|most| most as f64),
            ..Self::of(&stat, rustix::param::clock_ticks_per_second() as f64, rustix::param::page_size() as f64)
        }
    }

    /// What a line of `stat` says.
    fn of(stat: &str, ticks: f64, page: f64) -> Self {
        // The name of the program may hold anything; what follows the last bracket begins with the third field.
        let fields: Vec<&str> = stat.rsplit_once(')').map_or(Vec::new(), |(_, rest)| rest.split_whitespace().collect());
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Process {
            cpu_s: field(14).zip(field(15)).map(|(user, system)| (user + system) / ticks),
            virtual_memory: field(23),
            resident: field(24).map(|pages| pages * page),
            ..Process::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_is_read_whatever_the_program_is_called() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 3 0 100 8192000 300 18446744073709551615";
        let process = Process::of(stat, 100.0, 4096.0);
        assert_eq!((process.cpu_s, process.virtual_memory), (Some(3.0), Some(8_192_000.0)));
        assert_eq!(process.resident, Some(300.0 * 4096.0));
        assert_eq!(Process::of("", 100.0, 4096.0), Process::default());
        let now = Process::now();
        assert!(now.resident > Some(1e5) && now.fds > Some(2.0) && now.most_fds >= now.fds, "{now:?}");
    }
}
