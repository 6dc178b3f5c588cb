//! Network namespaces without a name, for tests: nothing of them is left when the process ends, however it ends.

use std::{
    fs::File,
    io,
    os::fd::AsRawFd,
    panic::resume_unwind,
    process::{self, Command, Output},
    thread,
};

use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace, with its loopback interface up. It exists as long as this value or a process in it.
#[derive(Debug)]
pub struct Namespace {
    handle: File,
}

impl Namespace {
    /// Makes one; the calling thread stays where it is. Needs CAP_SYS_ADMIN.
    pub fn new() -> io::Result<Namespace> {
        let handle = thread::scope(|scope| {
            let made = scope.spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET)?;
                File::open("/proc/thread-self/ns/net")
            });
            made.join().unwrap_or_else(|panic| resume_unwind(panic))
        })?;
        let namespace = Namespace { handle };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// Runs a closure on a thread of its own inside, and hands on its panic.
    pub fn run<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> io::Result<T> {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(&self.handle, CloneFlags::CLONE_NEWNET)?;
                Ok(inside())
            });
            thread.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// A path by which another process of this machine finds it while this one lives, as for `ip link set x netns PATH`.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.handle.as_raw_fd())
    }

    /// Runs ip(8) inside with arguments separated by blanks, and returns what it printed. A failure is an error with
    /// its text.
    pub fn ip(&self, arguments: &str) -> io::Result<String> {
        let output = self.run(|| Command::new("ip").args(arguments.split_whitespace()).output())??;
        text(&output).map_err(|reason| io::Error::other(format!("ip {arguments}: {reason}")))
    }
}

fn text(output: &Output) -> Result<String, String> {
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}
