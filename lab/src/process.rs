//! A process started inside a node: killed with everything it started when its guard is dropped.
//!
//! Each is the leader of a process group of its own, so that a master's workers go with it; only groups that were started here are ever
//! signalled.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::netns;

/// Longest time between two looks whether a process has ended.
const POLL_MAX: Duration = Duration::from_millis(10);

/// After SIGKILL the rest of a group is waited for this long.
const GROUP_END: Duration = Duration::from_secs(2);

/// A running process; dropping it kills its process group and waits for it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    what: String,
    log: PathBuf,
    kill_on_drop: bool,
}

impl Process {
    /// Starts `command` in the namespace; standard output and error go to the file `log`, input is empty.
    pub(crate) fn start(namespace: &str, mut command: Command, log: &Path) -> Result<Self> {
        use std::os::unix::process::CommandExt;
        let what = describe(&command);
        let file = File::create(log).with_context(|| log.display().to_string())?;
        let errors = file.try_clone().context("log file")?;
        command.stdin(Stdio::null()).stdout(file).stderr(errors).process_group(0);
        let child = spawn(namespace, command)?;
        Ok(Self { child, what, log: log.to_owned(), kill_on_drop: true })
    }

    /// Its process id, which is its process group's id too.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far, for messages.
    #[must_use]
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Signals the process alone, not its group.
    ///
    /// # Errors
    /// The process has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        nix::sys::signal::kill(self.group(), signal).with_context(|| format!("{}: cannot send {signal}", self.what))
    }

    /// Signals the process and all that it started: SIGSTOP makes a server that accepts and never answers, SIGCONT one that goes on.
    ///
    /// # Errors
    /// All of them have ended.
    pub fn signal_group(&self, signal: Signal) -> Result<()> {
        killpg(self.group(), signal).with_context(|| format!("{}: cannot send {signal}", self.what))
    }

    /// SIGKILL to the group, and waits: the process leaves no goodbye, as in a crash.
    ///
    /// # Errors
    /// It could not be waited for.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        // The group may have ended by itself.
        let _ = killpg(self.group(), Signal::SIGKILL);
        let status = self.child.wait().with_context(|| self.what.clone())?;
        // Its workers are not our children: only that their group is gone tells that their sockets are.
        let deadline = Instant::now() + GROUP_END;
        while is_alive(self.group()) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        Ok(status)
    }

    /// SIGTERM, then waits at most `limit` for the end.
    ///
    /// # Errors
    /// It still ran at the limit (and was killed).
    pub fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        if self.is_running() {
            self.signal(Signal::SIGTERM)?;
        }
        match self.wait(limit)? {
            Some(status) => Ok(status),
            None => {
                self.kill()?;
                bail!("{}: still running {limit:?} after SIGTERM; killed", self.what)
            }
        }
    }

    /// Waits at most `limit`; `None` when it still runs.
    ///
    /// # Errors
    /// It could not be waited for.
    pub fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        wait(&mut self.child, limit).with_context(|| self.what.clone())
    }

    /// Lets the process outlive the guard and this program.
    pub fn leave_running(mut self) {
        self.kill_on_drop = false;
    }

    fn group(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.kill_on_drop {
            let _ = self.kill();
        }
    }
}

/// Whether a process of the group runs. One that ended keeps nothing, but stays in the group until init looks at it, which may take seconds.
fn is_alive(group: Pid) -> bool {
    if killpg(group, None).is_err() {
        return false;
    }
    let Ok(entries) = std::fs::read_dir("/proc") else { return true };
    entries.flatten().any(|entry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // proc_pid_stat(5): after the name in parentheses come state, parent and process group.
        let Some((_, rest)) = stat.rsplit_once(')') else { return false };
        let mut fields = rest.split_whitespace();
        let state = fields.next();
        fields.nth(1).and_then(|text| text.parse().ok()) == Some(group.as_raw()) && !matches!(state, Some("Z" | "X"))
    })
}

/// Runs `command` in the namespace to its end and collects what it prints; `input` is its standard input. Killed at `limit`.
pub(crate) fn run(namespace: &str, mut command: Command, input: &str, limit: Duration) -> Result<Output> {
    let what = describe(&command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(namespace, command)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        // Three pipes at once: a process that fills one while another is waited for would hang.
        scope.spawn(|| {
            // A process may end without reading its input.
            let _ = stdin.map(|mut pipe| pipe.write_all(input.as_bytes()));
        });
        let stdout = scope.spawn(|| read_all(stdout));
        let stderr = scope.spawn(|| read_all(stderr));
        let status = match wait(&mut child, limit).with_context(|| what.clone())? {
            Some(status) => status,
            None => {
                child.kill().with_context(|| what.clone())?;
                child.wait().with_context(|| what.clone())?;
                bail!("{what}: not done within {limit:?}; killed");
            }
        };
        let stdout = stdout.join().unwrap_or_default();
        let stderr = stderr.join().unwrap_or_default();
        Ok(Output { status, stdout, stderr })
    })
}

/// Becomes `command`, inside the namespace: terminal, signals and exit status are its own. Returns only when that fails.
pub(crate) fn replace(namespace: &str, mut command: Command) -> Result<std::convert::Infallible> {
    use std::os::unix::process::CommandExt;
    netns::enter(namespace)?;
    let program = command.get_program().to_string_lossy().into_owned();
    Err(cannot_run(&program, &command.exec()))
}

fn read_all(pipe: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        // What came before an error is still worth showing.
        let _ = pipe.read_to_end(&mut bytes);
    }
    bytes
}

fn spawn(namespace: &str, mut command: Command) -> Result<Child> {
    let program = command.get_program().to_string_lossy().into_owned();
    let started = inside(namespace, || command.spawn())?;
    started.map_err(|error| cannot_run(&program, &error))
}

fn cannot_run(program: &str, error: &std::io::Error) -> anyhow::Error {
    match (error.kind(), package(program)) {
        (ErrorKind::NotFound, Some(package)) => anyhow!("{program} is not installed: apt-get install {package}"),
        _ => anyhow!("cannot run {program}: {error}"),
    }
}

/// The Debian package of a program that the lab calls.
fn package(program: &str) -> Option<&'static str> {
    Some(match program {
        "ip" => "iproute2",
        "ethtool" => "ethtool",
        "nft" => "nftables",
        "nginx" => "nginx-light",
        "curl" => "curl",
        _ => return None,
    })
}

/// Runs `f` on a thread of its own inside the namespace and waits for it; a panic goes on in the caller.
pub(crate) fn inside<T: Send>(namespace: &str, f: impl FnOnce() -> T + Send) -> Result<T> {
    thread::scope(|scope| {
        let thread = scope.spawn(|| netns::enter(namespace).map(|()| f()));
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn wait(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(POLL_MAX);
    }
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(std::ffi::OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
