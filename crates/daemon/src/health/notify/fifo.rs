//! A FIFO with a line for each event. The kernel's pipe is the queue: nobody reading, it keeps the first lines that fit.

use super::counts::Fate;
use rustix::{
    fs::{CWD, FileType, Mode, OFlags, Stat, fstat, mkfifoat, open, stat, unlink},
    io::{Errno, write},
};
use std::os::fd::OwnedFd;

/// Whom it is made for: the daemon's own user.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Writes lines whole, and never waits.
pub(crate) struct Fifo {
    path: String,
    pipe: Option<OwnedFd>,
    made: bool,
    failed: bool,
    lost: u64,
}

impl Fifo {
    /// Opens the FIFO, and makes it if there is none. What is wrong is said; it is tried again with each line.
    pub(crate) fn new(path: String) -> Self {
        let mut fifo = Fifo { path, pipe: None, made: false, failed: false, lost: 0 };
        fifo.open();
        fifo
    }

    fn open(&mut self) {
        let path = self.path.as_str();
        match mkfifoat(CWD, path, MODE) {
            Ok(()) => self.made = true,
            Err(Errno::EXIST) => self.made = false,
            Err(error) => return self.fail(&error.to_string()),
        }
        // For reading too: so opening does not wait for a reader, and the lines stay when one goes.
        let opened = open(path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
        match opened.and_then(|pipe| Ok((fstat(&pipe)?, pipe))) {
            Ok((found, pipe)) if FileType::from_raw_mode(found.st_mode) == FileType::Fifo => self.pipe = Some(pipe),
            Ok(_) => self.fail("it is no FIFO"),
            Err(error) => self.fail(&error.to_string()),
        }
    }

    fn fail(&mut self, why: &str) {
        if !std::mem::replace(&mut self.failed, true) {
            tracing::error!("FIFO {}: {why}; events are not written to it", self.path);
        }
    }

    /// Writes a line, or counts it as lost.
    pub(crate) fn write(&mut self, line: &str) -> Fate {
        // Someone may have removed it, or put another in its place, as one does who writes to the same.
        if self.pipe.as_ref().is_none_or(|pipe| !is_at(pipe, &self.path)) {
            self.pipe = None;
            self.open();
        }
        let Some(pipe) = &self.pipe else { return Fate::Failed };
        // As short as it is it is written whole or not at all (PIPE_BUF).
        match write(pipe, format!("{line}\n").as_bytes()) {
            Ok(_) => {
                self.failed = false;
                if self.lost > 0 {
                    tracing::warn!("FIFO {}: {} lines were lost: nobody read them", self.path, self.lost);
                    self.lost = 0;
                }
                Fate::Sent
            }
            Err(Errno::AGAIN) => {
                if self.lost == 0 {
                    tracing::warn!("FIFO {}: it is full, lines are lost: nobody reads it", self.path);
                }
                self.lost += 1;
                Fate::Dropped
            }
            Err(error) => {
                self.pipe = None;
                self.fail(&error.to_string());
                Fate::Failed
            }
        }
    }
}

/// Whether this is what the path leads to.
fn is_at(pipe: &OwnedFd, path: &str) -> bool {
    let same = |(one, other): (Stat, Stat)| (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino);
    fstat(pipe).and_then(|one| Ok((one, stat(path)?))).is_ok_and(same)
}

impl Drop for Fifo {
    fn drop(&mut self) {
        if self.made && self.pipe.as_ref().is_some_and(|pipe| is_at(pipe, &self.path)) {
            // Whoever reads it keeps what is in it.
            let _ = unlink(self.path.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, io::Read as _, os::unix::fs::OpenOptionsExt as _};

    fn reader(path: &str) -> fs::File {
        let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
        fs::OpenOptions::new().read(true).custom_flags(nonblocking).open(path).unwrap()
    }

    #[test]
    fn without_a_reader_lines_wait_and_then_are_lost() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo").display().to_string();
        let mut fifo = Fifo::new(path.clone());
        for number in 0..20_000 {
            fifo.write(&format!("VS [192.0.2.100]:tcp:{number} UP"));
        }
        let lost = fifo.lost;
        assert!((1..20_000).contains(&lost), "{lost}");
        let mut text = vec![0; 1 << 20];
        let length = reader(&path).read(&mut text).unwrap();
        let text = String::from_utf8(text[..length].to_vec()).unwrap();
        assert!(text.starts_with("VS [192.0.2.100]:tcp:0 UP\n") && text.ends_with(" UP\n"), "whole lines");
        assert_eq!(text.lines().count() as u64, 20_000 - lost);
        fifo.write("VS x UP");
        assert_eq!(fifo.lost, 0, "there is room again");
        assert_eq!(fifo.write("VS x DOWN"), Fate::Sent);
        drop(fifo);
        assert!(!fs::exists(&path).unwrap(), "it was made here");
    }

    #[test]
    fn another_in_its_place_is_written_to_and_left_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo").display().to_string();
        let (mut one, mut other) = (Fifo::new(path.clone()), Fifo::new(path.clone()));
        one.write("first");
        drop(one);
        assert!(!fs::exists(&path).unwrap(), "it was made by the first");
        other.write("second");
        drop(Fifo::new(path.clone()));
        let mut text = [0; 100];
        let length = reader(&path).read(&mut text).unwrap();
        assert_eq!(&text[..length], b"second\n");
        fs::remove_file(&path).unwrap();
        let third = Fifo::new(path.clone());
        drop(other);
        assert!(fs::exists(&path).unwrap(), "it is the third's");
        drop(third);
    }

    #[test]
    fn what_is_no_fifo_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "text").unwrap();
        let mut fifo = Fifo::new(path.display().to_string());
        assert_eq!(fifo.write("VS x UP"), Fate::Failed);
        drop(fifo);
        assert_eq!(fs::read_to_string(&path).unwrap(), "text");
        drop(Fifo::new(directory.path().join("none/fifo").display().to_string()));
    }
}
