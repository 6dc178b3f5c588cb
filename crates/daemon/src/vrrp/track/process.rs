//! Processes that must run (vrrp_track_process).
//!
//! /proc is looked through once a second, which needs no right and misses nothing, and those that were found are watched by
//! pidfd_open(2): so an end is seen at once, and a beginning within a second. The proc connector, which keepalived uses, tells of a
//! beginning at once too, but only to who has CAP_NET_ADMIN in the machine's first namespaces, and not in a container.

use super::{Line, waitable};
use relvs_model::vrrp::{TrackProcess, TrackSource};
use relvs_proto::vrrp::Outcome;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::{fs, future::poll_fn, os::fd::OwnedFd, task::Poll, time::Duration};
use tokio::io::unix::AsyncFd;

/// From one look to the next.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Not sooner than this after the last look, however many end.
const PAUSE: Duration = Duration::from_millis(20);
/// So many are watched for their end; that of others is seen by the next look.
const WATCHED_MAX: usize = 256;
/// The kernel keeps so many bytes of a process's name (`TASK_COMM_LEN`, without its end).
const NAME_MAX: usize = 15;

/// Tells which of them run, now and whenever that changes.
pub(super) async fn watch(processes: Vec<TrackProcess>, line: Line) {
    let mut known: Vec<Option<Outcome>> = vec![None; processes.len()];
    loop {
        let wanted = processes.clone();
        let Ok((counts, pids)) = tokio::task::spawn_blocking(move || look(&wanted)).await else {
            tokio::time::sleep(LOOK_AGAIN).await;
            continue;
        };
        for ((process, count), known) in processes.iter().zip(counts).zip(&mut known) {
            let outcome = if count >= process.quorum { Outcome::Well } else { Outcome::Failed };
            if *known != Some(outcome) {
                let source = TrackSource::Process(process.name.clone());
                tracing::info!("{source}: {count} run, {} are needed", process.quorum);
                line.report(&source, outcome);
                *known = Some(outcome);
            }
        }
        let ends = pids.into_iter().filter_map(|pid| pidfd_open(pid, PidfdFlags::NONBLOCK).ok());
        let ends: Vec<AsyncFd<OwnedFd>> = ends.filter_map(waitable).collect();
        let one_ends = poll_fn(|context| {
            let ended = ends.iter().any(|end| end.poll_read_ready(context).is_ready());
            if ended { Poll::Ready(()) } else { Poll::Pending }
        });
        let _ = tokio::time::timeout(LOOK_AGAIN, one_ends).await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// How many of each run, and some of those.
fn look(processes: &[TrackProcess]) -> (Vec<u32>, Vec<Pid>) {
    let (mut counts, mut pids) = (vec![0; processes.len()], Vec::new());
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else { continue };
        let of = |file: &str| format!("/proc/{}/{file}", pid.as_raw_nonzero());
        // A process that ends meanwhile is none.
        let Ok(stat) = fs::read(of("stat")) else { continue };
        let Some(seen) = Seen::of_stat(&stat) else { continue };
        let by_path = |wanted: &[u8]| {
            let line = fs::read(of("cmdline")).unwrap_or_default();
            let first = line.split(|&byte| byte == 0).next().unwrap_or_default();
            first == wanted || fs::read_link(of("exe")).is_ok_and(|exe| exe.as_os_str().as_encoded_bytes() == wanted)
        };
        let mut matched = false;
        for (process, count) in processes.iter().zip(&mut counts) {
            if seen.is(process.process.as_bytes(), by_path) {
                *count += 1;
                matched = true;
            }
        }
        if matched && pids.len() < WATCHED_MAX {
            pids.push(pid);
        }
    }
    (counts, pids)
}

/// A process that runs, by the name that the kernel has of it.
#[derive(Debug, PartialEq, Eq)]
struct Seen<'a>(&'a [u8]);

impl<'a> Seen<'a> {
    /// Of proc_pid_stat(5): number, name in parentheses (which may have some in it), state. None if it has ended.
    fn of_stat(stat: &'a [u8]) -> Option<Self> {
        let from = stat.iter().position(|&byte| byte == b'(')? + 1;
        let to = stat.iter().rposition(|&byte| byte == b')')?;
        let state = stat.get(to + 2)?;
        let name = stat.get(from..to)?;
        (!b"ZXx".contains(state)).then_some(Seen(name))
    }

    /// A path is that of its program, or as it was called; anything else its name, of which 15 bytes count.
    fn is(&self, wanted: &[u8], by_path: impl Fn(&[u8]) -> bool) -> bool {
        if wanted.contains(&b'/') { by_path(wanted) } else { self.0 == wanted.get(..NAME_MAX).unwrap_or(wanted) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_name_or_its_path() {
        let seen = |stat: &'static str| Seen::of_stat(stat.as_bytes());
        assert_eq!(seen("12 (nginx) S 1 12"), Some(Seen(b"nginx")));
        assert_eq!(seen("12 (a) b) R 1"), Some(Seen(b"a) b")));
        assert_eq!((seen("12 (nginx) Z 1"), seen("12 (nginx"), seen("")), (None, None, None));
        let never = |_: &[u8]| panic!("its path is not looked at");
        assert!(Seen(b"nginx").is(b"nginx", never) && !Seen(b"nginx-old").is(b"nginx", never));
        assert!(Seen(b"a-name-that-is-").is(b"a-name-that-is-longer", never));
        assert!(Seen(b"x").is(b"/usr/sbin/nginx", |path| path == b"/usr/sbin/nginx"));
    }

    #[test]
    fn this_process_runs_and_others_do_not() {
        let own = std::env::current_exe().unwrap().display().to_string();
        let of = |process: &str| TrackProcess { name: "p".into(), process: process.into(), quorum: 1 };
        let (counts, pids) = look(&[of(&own), of("/no/such/program"), of("no-such-program")]);
        assert!(counts[0] >= 1 && counts[1..] == [0, 0] && !pids.is_empty(), "{counts:?}");
    }
}
