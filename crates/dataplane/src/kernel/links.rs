//! Attaching the director to interfaces. A link is pinned, so that it outlives the daemon, and switched to the next
//! daemon's program by one system call: no frame finds the interface without a program.

use super::{Error, Kernel, load::xdp};
use aya::programs::{
    ProgramError, Xdp,
    links::{FdLink, PinnedLink},
    xdp::{XdpLink, XdpLinkId, XdpMode},
};
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// The longest wait for the kernel to let go of a program that was detached.
const LETTING_GO: Duration = Duration::from_millis(200);

/// Where in the receive path a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the driver.
    Native,
    /// In the stack's hook for drivers that cannot.
    Generic,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Native => "native",
            Mode::Generic => "generic",
        })
    }
}

impl Mode {
    const ALL: [Mode; 2] = [Mode::Native, Mode::Generic];

    pub(super) fn flag(self) -> XdpMode {
        match self {
            Mode::Native => XdpMode::Driver,
            Mode::Generic => XdpMode::Skb,
        }
    }
}

/// The pin of an interface's link. The mode is in its name, as a link does not tell it.
fn pin(pins: &Path, prefix: &str, index: u32, mode: Mode) -> PathBuf {
    pins.join(format!("{prefix}-{index}-{mode}"))
}

/// The interface and mode of a pin's name.
fn named(path: &Path, prefix: &str) -> Option<(u32, Mode)> {
    let name = path.file_name()?.to_str()?;
    let (index, mode) = name.strip_prefix(prefix)?.strip_prefix('-')?.split_once('-')?;
    Some((index.parse().ok()?, Mode::ALL.into_iter().find(|m| m.to_string() == mode)?))
}

/// Every pinned link whose name begins so.
pub(super) fn pinned(pins: &Path, prefix: &str) -> Result<Vec<(u32, Mode, PathBuf)>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(pins).map_err(|e| Error::file(pins, e))? {
        let path = entry.map_err(|e| Error::file(pins, e))?.path();
        if let Some((index, mode)) = named(&path, prefix) {
            found.push((index, mode, path));
        }
    }
    Ok(found)
}

const PREFIX: &str = "link";

/// The interfaces that a run directory's director is attached to, by its pins alone: nothing is loaded. None if it left
/// none, or they may not be read.
pub fn left_attached(directory: &Path) -> Vec<u32> {
    pinned(&directory.join("bpf"), PREFIX).unwrap_or_default().into_iter().map(|(index, ..)| index).collect()
}

impl Kernel {
    /// The interfaces that an earlier daemon left attached.
    ///
    /// # Errors
    ///
    /// The bpffs refused.
    pub fn attached(&self) -> Result<Vec<(u32, Mode)>, Error> {
        let Some(pins) = &self.pins else { return Ok(Vec::new()) };
        Ok(pinned(pins, PREFIX)?.into_iter().map(|(index, mode, _)| (index, mode)).collect())
    }

    /// Attaches the director to an interface, or switches the link that an earlier daemon left.
    ///
    /// # Errors
    ///
    /// The kernel refused: no such interface, another program there, or a driver without native XDP.
    pub fn attach(&mut self, name: &str, index: u32, mode: Mode) -> Result<(), Error> {
        let pins = self.pins.clone();
        attach_program(&mut self.bpf, "director", pins.as_deref().map(|p| (p, PREFIX)), name, index, mode)
    }

    /// Takes the director off an interface.
    ///
    /// # Errors
    ///
    /// The bpffs refused.
    pub fn detach(&mut self, index: u32) -> Result<(), Error> {
        let Some(pins) = &self.pins else { return Ok(()) };
        for (_, _, path) in pinned(pins, PREFIX)?.into_iter().filter(|(i, ..)| *i == index) {
            fs::remove_file(&path).map_err(|e| Error::file(path, e))?;
        }
        Ok(())
    }
}

impl Kernel {
    /// Takes the director off every interface and gives up its tables.
    ///
    /// # Errors
    ///
    /// The bpffs refused.
    pub fn discard(self) -> Result<(), Error> {
        let Some(pins) = &self.pins else { return Ok(()) };
        // Links first: no frame meets half of a director.
        for (_, _, path) in pinned(pins, PREFIX)? {
            fs::remove_file(&path).map_err(|e| Error::file(path, e))?;
        }
        super::bpffs::clear(pins)
    }
}

/// Attaches a program, by the link pinned for this interface and mode if there is one.
pub(super) fn attach_program(
    bpf: &mut aya::Ebpf,
    program: &str,
    pins: Option<(&Path, &str)>,
    name: &str,
    index: u32,
    mode: Mode,
) -> Result<(), Error> {
    let refused = |reason: String| Error::Attach { interface: name.to_owned(), reason };
    let program = xdp(bpf, program)?;
    let Some((pins, prefix)) = pins else {
        program.attach_to_if_index(index, mode.flag()).map_err(|e| refused(Error::chain(&e)))?;
        return Ok(());
    };
    let path = pin(pins, prefix, index, mode);
    if path.exists() {
        let link = PinnedLink::from_pin(&path).map_err(|e| refused(Error::chain(&e)))?;
        let link = XdpLink::try_from(FdLink::from(link)).map_err(|e| refused(Error::chain(&e)))?;
        match program.attach_to_link(link) {
            Ok(id) => {
                // The pin keeps it; what we hold of it may go.
                drop(program.take_link(id).map_err(|e| refused(Error::chain(&e)))?);
                return Ok(());
            }
            // The interface went away and came back: its link leads nowhere.
            Err(_) => fs::remove_file(&path).map_err(|e| Error::file(&path, e))?,
        }
    }
    let id = attach_patiently(program, index, mode).map_err(|e| refused(Error::chain(&e)))?;
    let link = program.take_link(id).map_err(|e| refused(Error::chain(&e)))?;
    let link = FdLink::try_from(link).map_err(|e| refused(Error::chain(&e)))?;
    link.pin(&path).map_err(|e| refused(Error::chain(&e)))?;
    Ok(())
}

/// Attaches to an interface that may just have been left: the kernel lets go of a link some time after its pin is
/// gone, and has no other program there until then.
fn attach_patiently(program: &mut Xdp, index: u32, mode: Mode) -> Result<XdpLinkId, ProgramError> {
    let deadline = Instant::now() + LETTING_GO;
    loop {
        match program.attach_to_if_index(index, mode.flag()) {
            Err(ProgramError::SyscallError(error)) if is_taken(&error.io_error) && Instant::now() < deadline => {
                thread::sleep(LETTING_GO / 20);
            }
            other => return other,
        }
    }
}

/// Whether there is another program, in the same mode or in another.
fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::AlreadyExists)
}
