//! The run directory's own bpffs, in which programs, links and maps outlive the daemon.

use super::Error;
use rustix::{
    fs::statfs,
    io::Errno,
    mount::{MountFlags, mount},
};
use std::{ffi::CString, fs, io, path::Path};

/// BPF_FS_MAGIC.
const MAGIC: u64 = 0xcafe_4a11;

/// Makes `directory` a bpffs, unless it is one.
pub(super) fn ensure(directory: &Path) -> Result<(), Error> {
    fs::create_dir_all(directory).map_err(|e| Error::file(directory, e))?;
    if is_bpffs(directory)? {
        return Ok(());
    }
    let mode = CString::from(c"mode=0700");
    mount("bpf", directory, "bpf", MountFlags::empty(), Some(mode.as_c_str()))
        .map_err(|e| Error::file(directory, refused(e)))
}

/// Why there is no bpffs. Who may not mount one is told what to do.
fn refused(error: Errno) -> io::Error {
    if error != Errno::PERM {
        return error.into();
    }
    io::Error::other(
        "to mount a bpffs here needs CAP_SYS_ADMIN; mount one before (mount -t bpf bpf DIRECTORY, then chown), or run as root",
    )
}

/// Whether `directory` is a bpffs.
pub(super) fn is_bpffs(directory: &Path) -> Result<bool, Error> {
    let found = statfs(directory).map_err(|e| Error::file(directory, io::Error::from(e)))?;
    Ok(found.f_type as u64 == MAGIC)
}

/// Removes all pins of `directory`, and with them what only they kept.
pub(super) fn clear(directory: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(directory).map_err(|e| Error::file(directory, e))? {
        let path = entry.map_err(|e| Error::file(directory, e))?.path();
        // Names with a dot are the kernel's own.
        if path.extension().is_some() {
            continue;
        }
        fs::remove_file(&path).map_err(|e| Error::file(path, e))?;
    }
    Ok(())
}
