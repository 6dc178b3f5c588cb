//! A file with a number in it (track_file).
//!
//! Its folder is watched by inotify(7), so it may come, go, be written or be replaced by another. What inotify does not
//! see (the target of a link, another machine's change of a shared folder) is seen by a look every few seconds.

use super::{Line, waitable};
use relvs_model::vrrp::{TrackFile, TrackSource};
use relvs_proto::vrrp::Outcome;
use rustix::fs::{FileType, Mode, OFlags, fstat, inotify, open};
use std::{mem::MaybeUninit, os::fd::OwnedFd, path::Path, time::Duration};
use tokio::io::unix::AsyncFd;

/// From one look to the next, if inotify tells nothing.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// So much of it is read.
const READ_MAX: usize = 128;

/// Tells what the file says, now and whenever that changes.
pub(super) async fn watch(file: TrackFile, line: Line) {
    let source = TrackSource::File(file.name.clone());
    let path = file.path.clone();
    let events = events();
    if events.is_none() {
        tracing::warn!("{source}: no inotify: {path} is looked at every {LOOK_AGAIN:?}");
    }
    let mut last = None;
    loop {
        // The folder is watched before the file is read, so that no change falls between; it may be a new one each time.
        if let Some(events) = &events {
            watch_folder(events.get_ref(), &path);
        }
        let wanted = path.clone();
        // A folder of another machine may not answer.
        let read = tokio::task::spawn_blocking(move || read(&wanted)).await;
        match read.as_deref().map(Outcome::of_file) {
            Ok(Some(outcome)) => {
                if last != Some(outcome) {
                    tracing::info!("{source}: {outcome:?}");
                    line.report(&source, outcome);
                    last = Some(outcome);
                }
            }
            Ok(None) => tracing::warn!("{source}: the number in {path} is too large: it is not taken"),
            Err(_) => tracing::warn!("{source}: {path} was not read"),
        }
        let name = Path::new(&path).file_name();
        match &events {
            Some(events) => {
                let _ = tokio::time::timeout(LOOK_AGAIN, changed(events, name.unwrap_or_default())).await;
            }
            None => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

/// Its beginning; nothing if it is not there, or no file.
fn read(path: &str) -> String {
    // A FIFO without a writer would not open otherwise.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = open(path, flags, Mode::empty()) else { return String::new() };
    if !fstat(&file).is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::RegularFile) {
        return String::new();
    }
    let mut buffer = [0; READ_MAX];
    let length = rustix::io::read(&file, &mut buffer).unwrap_or(0);
    String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned()
}

fn events() -> Option<AsyncFd<OwnedFd>> {
    let flags = inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC;
    waitable(inotify::init(flags).ok()?)
}

/// A folder that is watched already is no error, and one that is not there may come.
fn watch_folder(events: &OwnedFd, path: &str) {
    let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty());
    let flags = inotify::WatchFlags::CLOSE_WRITE
        | inotify::WatchFlags::MODIFY
        | inotify::WatchFlags::MOVE
        | inotify::WatchFlags::CREATE
        | inotify::WatchFlags::DELETE;
    let _ = inotify::add_watch(events, folder.unwrap_or(Path::new(".")), flags);
}

/// Waits until something has happened to the file of this name, or more than the kernel could keep.
async fn changed(events: &AsyncFd<OwnedFd>, name: &std::ffi::OsStr) {
    loop {
        let Ok(mut ready) = events.readable().await else { return };
        let mut buffer = [const { MaybeUninit::uninit() }; 4096];
        let mut reader = inotify::Reader::new(events.get_ref(), &mut buffer);
        let mut concerned = false;
        while let Ok(event) = reader.next() {
            let named = event.file_name().map(|found| found.to_bytes() == name.as_encoded_bytes());
            concerned |= named.unwrap_or(true);
        }
        ready.clear_ready();
        if concerned {
            return;
        }
    }
}
