//! Files of the run directory: what is written outlives a crash, and there is one daemon at a time.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::Path,
};

/// Writes a file anew, so that a reader and a crash see the old content or the new. Gives its size.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> io::Result<u64> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let file = tempfile::NamedTempFile::new_in(directory)?;
    let mut writer = BufWriter::with_capacity(1 << 16, file.as_file());
    write(&mut writer)?;
    writer.flush()?;
    drop(writer);
    file.as_file().sync_all()?;
    let file = file.persist(path).map_err(|e| e.error)?;
    File::open(directory)?.sync_all()?;
    Ok(file.metadata()?.len())
}

/// Adds `bytes` behind the first `length` bytes of a file. On errors that is all it has, as far as that can be.
pub(crate) fn append(path: &Path, length: u64, bytes: &[u8]) -> io::Result<()> {
    let is_new = !path.exists();
    let mut file = File::options().create(true).append(true).open(path)?;
    if file.metadata()?.len() < length {
        return Err(io::Error::other("it is shorter than it was left"));
    }
    file.set_len(length)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_data());
    let written = written.and_then(|()| if is_new { directory(path)?.sync_all() } else { Ok(()) });
    if written.is_err() {
        let _ = file.set_len(length);
    }
    written
}

/// Leaves the first `length` bytes of a file that may be there.
pub(crate) fn cut(path: &Path, length: u64) -> io::Result<()> {
    match File::options().write(true).open(path) {
        Ok(file) => file.set_len(length).and_then(|()| file.sync_data()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && length == 0 => Ok(()),
        Err(error) => Err(error),
    }
}

fn directory(path: &Path) -> io::Result<File> {
    File::open(path.parent().unwrap_or(Path::new(".")))
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
