//! A real Linux kernel with IPVS, to ask what it decides: User-Mode Linux of Debian's package, booted in two seconds on any Debian machine.
//!
//! The machine's own files are the guest's, read-only; one folder can be written by both. The guest is one process tree of this user, has no
//! network but what it makes itself, and is gone when the call returns. Kernel code runs natively, so what IPVS decides is real; it never
//! says anything about time. Sources: the kernel's Documentation/virt/uml, ipvsadm(8).

mod exchange;

pub use exchange::{ANSWERS, CASES, ask, folder};

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// What is mounted and loaded before the program runs.
const INIT: &str = include_str!("init.sh");
/// The guest's kernel, found by this process' PATH, and its package.
const KERNEL: (&str, &str) = ("linux.uml", "user-mode-linux");
/// Programs of the guest, and the Debian packages that bring them.
const NEEDS: [(&str, &str); 6] = [
    ("ipvsadm", "ipvsadm"),
    ("modprobe", "kmod"),
    ("ip", "iproute2"),
    ("sysctl", "procps"),
    ("iptables-legacy", "iptables"),
    ("mount", "mount"),
];
/// The guest's memory lies in a file: in this directory, if it can be written, and otherwise in that for temporary files.
const MEMORY_IN: &str = "/dev/shm";
/// How often the guest's end is looked for.
const TICK: Duration = Duration::from_millis(20);
/// What a guest that is told to end may take for it.
const GRACE: Duration = Duration::from_secs(2);

/// Where the guest finds [`Guest::folder`].
pub const FOLDER: &str = "/run/folder";

/// A program to run as root under a real kernel.
#[derive(Debug, Clone)]
pub struct Guest {
    /// The executable, of this machine's files. It is the guest's first process' only child.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables of its environment.
    pub environment: Vec<(String, String)>,
    /// The one folder that it can write; it finds it at [`FOLDER`].
    pub folder: PathBuf,
    /// Memory of the guest, in MiB.
    pub memory: u32,
    /// After this time it is ended.
    pub limit: Duration,
}

/// Why no kernel can be asked here; or `None`. Tests then say that they are skipped.
///
/// # Errors
/// None can be asked, and this is CI, where none may be skipped.
pub fn absent() -> Result<Option<String>> {
    let why = if nix::unistd::geteuid().is_root() {
        missing()
    } else {
        Some("a real kernel IPVS is asked by root alone".to_owned())
    };
    match why {
        Some(why) if std::env::var_os("CI").is_some_and(|ci| ci == "true") => bail!("CI without the oracle: {why}"),
        why => Ok(why),
    }
}

/// The packages that are missing here, as a sentence with the remedy; or `None`.
#[must_use]
pub fn missing() -> Option<String> {
    let directories = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let there = |program: &str| directories.iter().any(|directory| Path::new(directory).join(program).exists());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let kernel = std::env::split_paths(&path).any(|directory| directory.join(KERNEL.0).exists());
    let lacking = NEEDS.iter().filter(|(program, _)| !there(program));
    let packages: Vec<&str> =
        (!kernel).then_some(&KERNEL).into_iter().chain(lacking).map(|(_, package)| *package).collect();
    (!packages.is_empty()).then(|| {
        let packages = packages.join(" ");
        format!("a real kernel IPVS needs: apt-get install --no-install-recommends {packages}")
    })
}

impl Guest {
    /// Boots, runs the program, and gives what it and the kernel printed.
    ///
    /// # Errors
    /// Nothing could be started; the time was over; or the program failed: then the error has what was printed.
    pub fn run(&self) -> Result<String> {
        let work = Work::new(&self.folder)?;
        let (init, console) = (work.0.join("init"), work.0.join("console"));
        fs::write(&init, self.script(&work.0)).with_context(|| init.display().to_string())?;
        fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).with_context(|| init.display().to_string())?;
        let output = File::create(&console).with_context(|| console.display().to_string())?;
        let memory_in = if Path::new(MEMORY_IN).is_dir() { PathBuf::from(MEMORY_IN) } else { std::env::temp_dir() };
        let child = Command::new(KERNEL.0)
            .arg(format!("mem={}M", self.memory))
            .args(["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "con=null", "con0=fd:0,fd:1", "quiet"])
            .args(["panic=-1", &format!("init={}", init.display())])
            .args(["umid=guest", &format!("uml_dir={}/", work.0.display())])
            .env("TMPDIR", memory_in)
            .stdin(Stdio::null())
            .stderr(output.try_clone().context("console")?)
            .stdout(output)
            .process_group(0)
            .spawn()
            .context("linux.uml: cannot be started")?;
        let ended = Running(child).wait(self.limit)?;
        let printed = String::from_utf8_lossy(&fs::read(&console).unwrap_or_default()).into_owned();
        let status = fs::read_to_string(work.0.join("status")).ok().and_then(|text| text.trim().parse::<i32>().ok());
        match (ended, status) {
            (false, _) => bail!("the guest did not end within {:?}\n{printed}", self.limit),
            (true, Some(0)) => Ok(printed),
            (true, Some(status)) => bail!("{} ended with {status}\n{printed}", self.program.display()),
            (true, None) => bail!("the guest ended before {} did\n{printed}", self.program.display()),
        }
    }

    /// The first process. Its status goes out by the folder, where the host moves it from.
    fn script(&self, work: &Path) -> String {
        let program = quoted(&self.program.to_string_lossy());
        let arguments: Vec<String> = self.arguments.iter().map(|argument| quoted(argument)).collect();
        let folder = quoted(&self.folder.to_string_lossy());
        let status = work.file_name().unwrap_or_default().to_string_lossy();
        let variables: Vec<String> =
            self.environment.iter().map(|(name, value)| format!("{name}={} ", quoted(value))).collect();
        let call = format!("{}{program} {}", variables.concat(), arguments.join(" "));
        format!(
            "#!/bin/sh\nFOLDER={folder} NAME=oracle\n{INIT}\n{call} </dev/null\necho $? >{FOLDER}/{status}/status\n\
             sync\necho o >/proc/sysrq-trigger\nsleep 20\n"
        )
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The launcher's own files, inside the guest's folder; removed with the value.
struct Work(PathBuf);

impl Work {
    fn new(folder: &Path) -> Result<Self> {
        let path = folder.join(format!("guest-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        Ok(Work(path))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The guest's processes, which are a group of their own; ended with the value.
struct Running(Child);

impl Running {
    /// Whether it ended by itself.
    fn wait(mut self, limit: Duration) -> Result<bool> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if self.0.try_wait().context("linux.uml")?.is_some() {
                return Ok(true);
            }
            sleep(TICK);
        }
        Ok(false)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Ok(group) = i32::try_from(self.0.id()).map(Pid::from_raw) else { return };
        if matches!(self.0.try_wait(), Ok(Some(_))) {
            return;
        }
        let _ = killpg(group, Signal::SIGTERM);
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline && !matches!(self.0.try_wait(), Ok(Some(_))) {
            sleep(TICK);
        }
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.0.wait();
    }
}
