//! What a reader of keepalived.conf must know of this machine.

use relvs_config::keepalived::Host;
use relvs_net::{Error, Network};

/// This machine: the first part of its name or another `config_id`, its environment, its interfaces, and a random seed.
///
/// # Errors
///
/// The interfaces could not be listed.
pub fn host(config_id: Option<&str>) -> Result<Host, Error> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let config_id = config_id.unwrap_or_else(|| name.split('.').next().unwrap_or_default()).to_owned();
    let mut seed = [0; 8];
    // Early at boot there may be fewer bytes: numbers that look less random.
    let _ = rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty());
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let interfaces = Network::open()?.links()?.into_iter().map(|link| link.name).collect();
    Ok(Host {
        config_id,
        seed: u64::from_ne_bytes(seed),
        environment: variables.collect(),
        interfaces: Some(interfaces),
    })
}
