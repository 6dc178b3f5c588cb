//! Programs that others wrote: run without a shell, for a bounded time, a bounded number at once.
//!
//! Each has a process group of its own, which is ended when the time is over or nobody waits any more. A program that hangs, prints
//! without end or leaves children behind costs a place for its time and nothing else.

use super::rights;
use nix::{
    errno::Errno,
    sys::signal::{Signal, killpg},
    unistd::{Group, Pid, User},
};
use relvs_model::health::Script;
use std::{
    collections::HashSet,
    os::unix::process::ExitStatusExt as _,
    process::Stdio,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
    sync::Semaphore,
};

/// So many run at once; others wait.
const AT_ONCE: usize = 32;
/// So many of them may be such as did not end in time the last time: those that hang must not keep the others waiting.
const SLOW_AT_ONCE: usize = AT_ONCE / 2;
/// So many are remembered as slow.
const SLOW_MAX: usize = 10_000;
/// After SIGTERM a process group has this long before SIGKILL.
const GRACE: Duration = Duration::from_millis(200);
/// After a program's end its last words are waited for this long: a child may have the pipe still.
const LAST_WORDS: Duration = Duration::from_millis(50);
/// The end of what it prints, in bytes.
const KEPT: usize = 512;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Its time was over.
    TimedOut,
}

/// How a program ended, and the last line that it printed, on either output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) how: End,
    pub(crate) said: String,
}

/// The places for running programs.
#[derive(Debug)]
pub(crate) struct Programs {
    places: Semaphore,
    places_for_slow: Semaphore,
    slow: Mutex<HashSet<Script>>,
}

impl Default for Programs {
    fn default() -> Self {
        Programs {
            places: Semaphore::new(AT_ONCE),
            places_for_slow: Semaphore::new(SLOW_AT_ONCE),
            slow: Mutex::default(),
        }
    }
}

impl Programs {
    /// Runs a program with more in its environment, at most so long. An error is why it did not run, half a sentence. When the
    /// future is dropped the process group is killed.
    pub(crate) async fn run(
        &self,
        script: &Script,
        environment: &[(&str, String)],
        limit: Duration,
    ) -> Result<Ending, String> {
        let Some((program, arguments)) = script.command.split_first() else {
            return Err("no program is named".to_owned());
        };
        let _slow = if self.is_slow(script) { Some(self.places_for_slow.acquire().await) } else { None };
        let _place = self.places.acquire().await;
        let (uid, gid) = whose(script).await?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .process_group(0)
            .kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = rights::start(&mut command, uid, gid).map_err(|why| format!("{program}: {why}"))?;
        let group = ProcessGroup::of(&child);
        let (mut out, mut err) = (Tail::default(), Tail::default());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let how = {
            let listen = async {
                tokio::join!(out.listen(stdout), err.listen(stderr));
            };
            tokio::pin!(listen);
            let mut heard = false;
            let ended = async {
                tokio::select! {
                    status = child.wait() => status,
                    () = &mut listen => {
                        heard = true;
                        child.wait().await
                    }
                }
            };
            match tokio::time::timeout(limit, ended).await {
                Ok(status) => {
                    let status = status.map_err(|e| format!("{program}: {e}"))?;
                    group.let_go();
                    if !heard {
                        let _ = tokio::time::timeout(LAST_WORDS, &mut listen).await;
                    }
                    status.code().map(End::Code).or(status.signal().map(End::Signal)).unwrap_or(End::Code(-1))
                }
                Err(_) => {
                    group.send(Signal::SIGTERM);
                    tokio::time::sleep(GRACE).await;
                    // Its leader is not waited for before, so the number is still its own.
                    group.send(Signal::SIGKILL);
                    let _ = child.wait().await;
                    group.let_go();
                    End::TimedOut
                }
            }
        };
        self.remember(script, how == End::TimedOut);
        let said = [err.line(), out.line()].into_iter().find(|line| !line.is_empty()).unwrap_or_default();
        Ok(Ending { how, said })
    }
}

impl Programs {
    fn is_slow(&self, script: &Script) -> bool {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner).contains(script)
    }

    fn remember(&self, script: &Script, slow: bool) {
        let mut known = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        if !slow {
            known.remove(script);
        } else if known.len() < SLOW_MAX {
            known.insert(script.clone());
        }
    }
}

/// The numbers of the user and the group that it is run as.
async fn whose(script: &Script) -> Result<(Option<u32>, Option<u32>), String> {
    let (user, group) = (script.user.clone(), script.group.clone());
    if user.is_none() && group.is_none() {
        return Ok((None, None));
    }
    // Who is asked may be a server that does not answer.
    tokio::task::spawn_blocking(move || numbers(user.as_deref(), group.as_deref()))
        .await
        .map_err(|_| "the user was not looked up".to_owned())?
}

fn numbers(user: Option<&str>, group: Option<&str>) -> Result<(Option<u32>, Option<u32>), String> {
    let mut found = (None, None);
    if let Some(name) = user {
        let user = match name.parse() {
            Ok(number) => User::from_uid(nix::unistd::Uid::from_raw(number)),
            Err(_) => User::from_name(name),
        };
        let user = user.map_err(|e| format!("user {name}: {e}"))?.ok_or_else(|| format!("there is no user {name}"))?;
        found = (Some(user.uid.as_raw()), Some(user.gid.as_raw()));
    }
    if let Some(name) = group {
        let group = match name.parse() {
            Ok(number) => Group::from_gid(nix::unistd::Gid::from_raw(number)),
            Err(_) => Group::from_name(name),
        };
        let group =
            group.map_err(|e| format!("group {name}: {e}"))?.ok_or_else(|| format!("there is no group {name}"))?;
        found.1 = Some(group.gid.as_raw());
    }
    Ok(found)
}

/// A process group that is killed when nobody waits for it any more.
struct ProcessGroup(std::cell::Cell<Option<Pid>>);

impl ProcessGroup {
    fn of(child: &Child) -> Self {
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
        ProcessGroup(std::cell::Cell::new(pid))
    }

    fn send(&self, signal: Signal) {
        if let Some(pid) = self.0.get()
            && let Err(error) = killpg(pid, signal)
            && error != Errno::ESRCH
        {
            tracing::warn!("process group {pid}: {signal} could not be sent: {error}");
        }
    }

    /// The leader was waited for: the number may soon be another's.
    fn let_go(&self) {
        self.0.set(None);
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.send(Signal::SIGKILL);
    }
}

/// The end of what is printed.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    async fn listen(&mut self, pipe: Option<impl AsyncRead + Unpin>) {
        let Some(mut pipe) = pipe else { return };
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
            self.0.extend_from_slice(buffer.get(..length).unwrap_or_default());
            let surplus = self.0.len().saturating_sub(KEPT);
            self.0.drain(..surplus);
        }
    }

    fn line(&self) -> String {
        let text = String::from_utf8_lossy(&self.0);
        text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_names_or_numbers() {
        assert_eq!(numbers(Some("root"), None), Ok((Some(0), Some(0))));
        assert_eq!(numbers(Some("0"), Some("root")), Ok((Some(0), Some(0))));
        assert_eq!(numbers(Some("nobody-here"), None), Err("there is no user nobody-here".to_owned()));
        assert_eq!(numbers(None, Some("nobody-here")), Err("there is no group nobody-here".to_owned()));
    }

    #[test]
    fn the_last_line_that_says_something() {
        let line = |text: &[u8]| Tail(text.to_vec()).line();
        assert_eq!(line(b"first\n\nlast one \n\n"), "last one");
        assert_eq!((line(b""), line(b"\xffx")), (String::new(), "\u{fffd}x".to_owned()));
    }
}
