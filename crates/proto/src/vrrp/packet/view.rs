//! Received bytes, looked at in place.

use super::{ADVERTISEMENT, Advert, Authentication, Form, HEADER, Malformed, PASSWORD, checksum};
use relvs_model::vrrp::Version;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

/// The virtual router that a packet is about, if it is long enough to say: whose counters count what is wrong with it.
pub fn router_id(bytes: &[u8]) -> Option<u8> {
    bytes.get(1).copied().filter(|_| bytes.len() >= HEADER)
}

/// The bytes of a whole advert with a right checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    header: &'a [u8; HEADER],
    addresses: &'a [u8],
    password: [u8; PASSWORD],
    version: Version,
    is_ipv6: bool,
    form: Form,
}

impl<'a> Packet<'a> {
    /// Looks at what came after the IP header, from `source` to `destination`. Checks what every reader must: version,
    /// type, length, checksum (in both forms where version 3 leaves doubt), and that the interval can be.
    pub fn new(bytes: &'a [u8], source: IpAddr, destination: IpAddr) -> Result<Self, Malformed> {
        let is_ipv6 = source.is_ipv6();
        let (header, rest) = bytes.split_first_chunk::<HEADER>().ok_or(Malformed::TooShort(bytes.len()))?;
        let version = match header[0] >> 4 {
            2 if is_ipv6 => return Err(Malformed::Family),
            2 => Version::V2,
            3 => Version::V3,
            other => return Err(Malformed::Version(other)),
        };
        if header[0] & 0x0f != ADVERTISEMENT {
            return Err(Malformed::Type(header[0] & 0x0f));
        }
        let size = usize::from(header[3]) * if is_ipv6 { 16 } else { 4 };
        let tail = if version == Version::V2 { PASSWORD } else { 0 };
        let expected = HEADER + size + tail;
        let wrong = Malformed::Length { expected, found: bytes.len() };
        let (addresses, rest) = rest.split_at_checked(size).filter(|_| bytes.len() == expected).ok_or(wrong)?;
        let password = rest.first_chunk::<PASSWORD>().copied().unwrap_or_default();
        let forms = [Form::Pseudo, Form::Plain].map(|form| form.of(version, is_ipv6));
        let right = |form: &Form| checksum::of(bytes, version, *form, source, destination) == 0;
        let form = forms.into_iter().find(right).ok_or(Malformed::Checksum)?;
        let packet = Packet { header, addresses, password, version, is_ipv6, form };
        if version == Version::V3 && packet.interval().is_zero() {
            return Err(Malformed::Interval);
        }
        Ok(packet)
    }

    /// The protocol's version.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The virtual router.
    pub const fn router_id(&self) -> u8 {
        self.header[1]
    }

    /// The sender's priority; 0: it leaves.
    pub const fn priority(&self) -> u8 {
        self.header[2]
    }

    /// From one of its adverts to the next. The reserved bits of version 3 are not looked at.
    pub const fn interval(&self) -> Duration {
        match self.version {
            Version::V2 => Duration::from_secs(self.header[5] as u64),
            Version::V3 => {
                Duration::from_millis(u16::from_be_bytes([self.header[4] & 0x0f, self.header[5]]) as u64 * 10)
            }
        }
    }

    /// Version 2's authentication.
    pub const fn authentication(&self) -> Authentication {
        match (self.version, self.header[4]) {
            (Version::V3, _) | (Version::V2, 0) => Authentication::None,
            (Version::V2, 1) => Authentication::Password(self.password),
            (Version::V2, other) => Authentication::Other(other),
        }
    }

    /// Which checksum it has.
    pub const fn form(&self) -> Form {
        self.form
    }

    /// The virtual router's addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<'a> {
        let (is_ipv6, size) = if self.is_ipv6 { (true, 16) } else { (false, 4) };
        self.addresses.chunks_exact(size).filter_map(move |bytes| {
            if is_ipv6 {
                Some(Ipv6Addr::from(*bytes.first_chunk::<16>()?).into())
            } else {
                Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?).into())
            }
        })
    }

    /// What it says.
    pub fn advert(&self) -> Advert {
        Advert {
            version: self.version,
            router_id: self.router_id(),
            priority: self.priority(),
            interval: self.interval(),
            authentication: self.authentication(),
            addresses: self.addresses().collect(),
        }
    }
}
