//! Headers: where their fields are, how they are read and written, and their checksums.
//!
//! Fields are in memory order. Offsets are of RFC 791, 8200, 9293, 768, 792, 4443 and IEEE 802.1Q.

pub mod checksum;
pub mod crc32c;

const _: () = assert!(cfg!(target_endian = "little"), "control words and prebuilt headers assume it");

// One load or store each, where the target allows unaligned access: a sub-array, not byte by byte. The index is a
// constant wherever this is used, so neither the test nor a panic survives.
macro_rules! field {
    ($get:ident, $set:ident, $type:ty, $bytes:literal) => {
        #[doc = concat!("The ", stringify!($bytes), " bytes at `at`, in memory order.")]
        #[inline(always)]
        pub fn $get<const N: usize>(view: &[u8; N], at: usize) -> $type {
            match view.get(at..) {
                Some(rest) => rest.first_chunk::<$bytes>().map_or(0, |b| <$type>::from_ne_bytes(*b)),
                None => 0,
            }
        }
        #[doc = concat!("Writes ", stringify!($bytes), " bytes at `at`, in memory order.")]
        #[inline(always)]
        pub fn $set<const N: usize>(view: &mut [u8; N], at: usize, value: $type) {
            if let Some(bytes) = view.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<$bytes>()) {
                *bytes = value.to_ne_bytes();
            }
        }
    };
}
field!(u16_at, set_u16, u16, 2);
field!(u32_at, set_u32, u32, 4);
field!(u64_at, set_u64, u64, 8);

/// Bytes of an Ethernet header without tags.
pub const ETHERNET: usize = 14;
/// Bytes of a VLAN tag.
pub const VLAN: usize = 4;

/// EtherTypes.
pub mod ethertype {
    /// RFC 894.
    pub const IPV4: u16 = 0x0800_u16.to_be();
    /// RFC 2464.
    pub const IPV6: u16 = 0x86dd_u16.to_be();
    /// A customer's VLAN tag (IEEE 802.1Q).
    pub const VLAN: u16 = 0x8100_u16.to_be();
    /// A provider's (IEEE 802.1ad).
    pub const PROVIDER_VLAN: u16 = 0x88a8_u16.to_be();
}

/// Ports, in memory order unless said otherwise.
pub mod port {
    /// RFC 959: control connections.
    pub const FTP: u16 = 21u16.to_be();
    /// RFC 959: a server's data connections.
    pub const FTP_DATA: u16 = 20u16.to_be();
    /// The first that any program may use, in host order.
    pub const UNPRIVILEGED: u16 = 1024;
}

/// Protocol numbers of the IP header.
pub mod protocol {
    /// IPv6 hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// RFC 792.
    pub const ICMP: u8 = 1;
    /// IPv4 in IP (RFC 2003).
    pub const IPV4: u8 = 4;
    /// RFC 9293.
    pub const TCP: u8 = 6;
    /// RFC 768.
    pub const UDP: u8 = 17;
    /// RFC 9260.
    pub const SCTP: u8 = 132;
    /// IPv6 in IP (RFC 2473).
    pub const IPV6: u8 = 41;
    /// IPv6 routing header.
    pub const ROUTING: u8 = 43;
    /// RFC 2784.
    pub const GRE: u8 = 47;
    /// IPv6 fragment header.
    pub const FRAGMENT: u8 = 44;
    /// RFC 4443.
    pub const ICMPV6: u8 = 58;
    /// IPv6 destination options.
    pub const DESTINATION_OPTIONS: u8 = 60;
}

/// Flags of the TCP header's fourteenth byte.
pub mod tcp {
    /// No more data.
    pub const FIN: u8 = 0x01;
    /// Synchronise.
    pub const SYN: u8 = 0x02;
    /// Reset.
    pub const RST: u8 = 0x04;
    /// Acknowledgement.
    pub const ACK: u8 = 0x10;
    /// Those that decide on a flow's state.
    pub const FLAGS: u8 = FIN | SYN | RST | ACK;
}

/// Flags and offset of the IPv4 header's seventh and eighth byte.
pub mod fragment {
    /// Do not fragment.
    pub const DONT: u16 = 0x4000_u16.to_be();
    /// More follow.
    pub const MORE: u16 = 0x2000_u16.to_be();
    /// The offset, in units of eight bytes.
    pub const OFFSET: u16 = 0x1fff_u16.to_be();
}

/// Flags and version of the GRE header's first two bytes (RFC 2784): there is a checksum, and nothing else.
pub const GRE_CHECKSUM: u16 = 0x8000_u16.to_be();

/// Low 48 bits: a MAC address read as a 64-bit word.
pub const MAC: u64 = 0xffff_ffff_ffff;
