//! Waiting for a socket with a deadline. It never sleeps past it, and a signal does not end it early.

use std::{
    os::fd::BorrowedFd,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

/// Waits until `fd` has something to read; `false` when the deadline passed first.
pub(crate) fn readable(fd: BorrowedFd<'_>, deadline: Instant) -> Result<bool, Errno> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Rounded up: a wait of 0 ms with time left would spin.
        let milliseconds = u16::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        match poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], PollTimeout::from(milliseconds)) {
            Ok(0) if left > Duration::from_millis(u64::from(milliseconds)) => {}
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(Errno::EINTR) if !left.is_zero() => {}
            Err(Errno::EINTR) => return Ok(false),
            Err(errno) => return Err(errno),
        }
    }
}
