//! Files of the run directory: written whole or not at all, and one daemon at a time.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

/// Writes `bytes` to `path`, so that a reader and a crash see the old content or the new.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

/// Takes the run directory for this process, until the file is dropped. `None`: another daemon has it.
pub(crate) fn lock(run_dir: &Path) -> io::Result<Option<File>> {
    fs::create_dir_all(run_dir)?;
    let file = File::options().create(true).truncate(false).write(true).open(run_dir.join("lock"))?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
