//! Another network namespace for the whole process, before it has begun anything.

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::{fs::File, io, os::fd::AsFd as _, path::Path};

/// Where ip(8) keeps namespaces with names.
const NAMED: &str = "/run/netns";

/// Moves into the namespace that ip(8) knows by this name. Only the calling thread moves, and threads that it starts from then on.
///
/// # Errors
///
/// There is none of this name, or it is not permitted.
pub fn enter_namespace(name: &str) -> io::Result<()> {
    if name.contains('/') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no name as `ip netns list` has them"));
    }
    let file = File::open(Path::new(NAMED).join(name))?;
    Ok(move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?)
}
