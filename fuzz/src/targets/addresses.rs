//! The words for services: what is understood is written, and read again, as the same.

use relvs_model::{Network, ServiceKey};

pub(super) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(key) = text.parse::<ServiceKey>() {
        assert_eq!(key.to_string().parse::<ServiceKey>().ok(), Some(key), "{text:?}");
    }
    let Some((address, prefix)) = text.split_once('/') else { return };
    if let (Ok(address), Ok(prefix)) = (address.parse(), prefix.parse()) {
        let network = Network::of(address, prefix);
        assert_eq!(Network::of(network.address, prefix), network);
    }
}
