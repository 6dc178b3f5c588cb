//! Files that hold the daemon's process id, for those who send it signals.
//!
//! One that another daemon left behind is replaced; one of a daemon that runs is not.

use crate::files;
use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process,
};

/// The daemons that such a file may be of.
const DAEMONS: [&str; 2] = ["relvs", "keepalived"];

/// Files with this process's id, which go with it.
#[derive(Debug, Default)]
pub(crate) struct PidFiles(Vec<PathBuf>);

impl PidFiles {
    /// Writes them.
    ///
    /// # Errors
    ///
    /// One is of a daemon that runs, or cannot be written. None is left.
    pub(crate) fn write(paths: &[PathBuf]) -> Result<Self, String> {
        let mut written = PidFiles::default();
        for path in paths {
            if let Some(other) = owner(path) {
                let path = path.display();
                return Err(format!("{path}: {other} runs already; end it first, or name another file"));
            }
            let write = |file: &mut io::BufWriter<&fs::File>| writeln!(file, "{}", process::id());
            let readable = |path: &Path| fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644));
            let done = files::replace(path, write).and_then(|_| readable(path));
            done.map_err(|error| format!("{}: {error}", path.display()))?;
            written.0.push(path.clone());
        }
        Ok(written)
    }
}

impl Drop for PidFiles {
    fn drop(&mut self) {
        for path in &self.0 {
            if number(path) == Some(process::id()) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

fn number(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The daemon that runs and has this file; none if it is left over, or of a process that is no such daemon.
fn owner(path: &Path) -> Option<String> {
    let number = number(path).filter(|number| *number != process::id())?;
    let name = fs::read_to_string(format!("/proc/{number}/comm")).ok()?;
    DAEMONS.contains(&name.trim()).then(|| format!("{} with the process id {number}", name.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_this_process_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        // Of a process that is none of these daemons.
        fs::write(&path, "1\n").unwrap();
        let files = PidFiles::write(std::slice::from_ref(&path)).unwrap();
        assert_eq!(number(&path), Some(process::id()));
        drop(files);
        assert!(!path.exists());
        // Whoever took its place keeps it.
        let files = PidFiles::write(std::slice::from_ref(&path)).unwrap();
        fs::write(&path, "1\n").unwrap();
        drop(files);
        assert!(path.exists());
        assert!(PidFiles::write(&[folder.path().join("none/pid")]).is_err());
    }
}
