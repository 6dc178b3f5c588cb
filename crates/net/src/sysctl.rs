//! The kernel's network switches under /proc/sys/net, in the network namespace of the calling thread.

use std::{fmt, fs, io, path::PathBuf};

use crate::Error;

/// A switch under /proc/sys/net. Its text form separates with `/`, which sysctl(8) accepts as well as dots and which
/// stays clear when an interface's name has a dot (`net/ipv4/conf/eth0.100/rp_filter`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// A switch of one interface: `Key::interface("ipv4", "eth0", "arp_ignore")`. "all" and "default" are the kernel's
    /// own names for all of them and for those to come. None if a part cannot be one of a path.
    pub fn interface(family: &str, interface: &str, name: &str) -> Option<Key> {
        Key::parse(&format!("net/{family}/conf/{interface}/{name}")).filter(|key| key.0.split('/').count() == 5)
    }

    /// A switch by its text form. None unless it lies under `net/` and has no odd part.
    pub fn parse(text: &str) -> Option<Key> {
        let mut parts = text.split('/');
        let sound = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\0', '\n']);
        (parts.next() == Some("net") && text.len() > 4 && parts.all(sound)).then(|| Key(text.into()))
    }

    fn path(&self) -> PathBuf {
        PathBuf::from("/proc/sys").join(&self.0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The switch's value, without the line's end.
pub fn read(key: &Key) -> Result<String, Error> {
    fs::read_to_string(key.path()).map(|text| text.trim_end().to_owned()).map_err(|e| failed("read", key, e))
}

/// Sets the switch and returns the value it had before.
pub fn write(key: &Key, value: &str) -> Result<String, Error> {
    let before = read(key)?;
    fs::write(key.path(), value).map_err(|e| failed("write", key, e))?;
    Ok(before)
}

fn failed(action: &'static str, key: &Key, source: io::Error) -> Error {
    Error::Sysctl { action, key: key.to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_below_net() {
        let dotted = Key::interface("ipv4", "eth0.100", "rp_filter").unwrap();
        assert_eq!(dotted.to_string(), "net/ipv4/conf/eth0.100/rp_filter");
        assert_eq!(Key::parse("net/ipv4/conf/eth0.100/rp_filter"), Some(dotted));
        for odd in ["net", "net/", "kernel/hostname", "net/../kernel/hostname", "/net/ipv4/x", "net//x", ""] {
            assert_eq!(Key::parse(odd), None, "{odd}");
        }
        assert_eq!(Key::interface("ipv4", "..", "rp_filter"), None);
        assert_eq!(Key::interface("ipv4", "a/b", "rp_filter"), None);
    }
}
