//! The codec: known bytes, what is written is read, and no bytes make it panic.

use super::*;
use proptest::{collection::vec, prelude::*};
use std::net::{Ipv4Addr, Ipv6Addr};

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));

fn advert(version: Version) -> Advert {
    Advert {
        version,
        router_id: 51,
        priority: 100,
        interval: Duration::from_secs(1),
        authentication: Authentication::None,
        addresses: vec![Ipv4Addr::new(192, 0, 2, 100).into()],
    }
}

#[test]
fn the_bytes_are_those_of_the_rfcs() {
    let password = Advert { authentication: Authentication::password("secret"), ..advert(Version::V2) };
    let bytes = password.bytes(SOURCE, GROUP, Form::Pseudo);
    assert_eq!(bytes[..6], [0x21, 51, 100, 1, 1, 1]);
    assert_eq!(bytes[8..], *b"\xc0\x00\x02\x64secret\0\0");
    // 2133+6401+0101+c000+0264+7365+6372+6574+0000 = 0x284e4, carried 0x84e6; its complement is the checksum.
    assert_eq!(bytes[6..8], 0x7b19_u16.to_be_bytes());
    let plain = advert(Version::V3).bytes(SOURCE, GROUP, Form::Plain);
    // 3133+6401+0064+c000+0264 = 0x157fc, carried 0x57fd.
    assert_eq!(plain, [0x31, 51, 100, 1, 0, 100, 0xa8, 0x02, 192, 0, 2, 100]);
    let pseudo = advert(Version::V3).bytes(SOURCE, GROUP, Form::Pseudo);
    // And c000+0201+e000+0012+0070+000c more: 0x2fa8b, carried 0xfa8d.
    assert_eq!(pseudo[6..8], 0x0572_u16.to_be_bytes());
    assert_eq!(Packet::new(&plain, SOURCE, GROUP).unwrap().form(), Form::Plain);
    assert_eq!(Packet::new(&pseudo, SOURCE, GROUP).unwrap().form(), Form::Pseudo);
}

#[test]
fn what_is_wrong_has_a_name() {
    let good = advert(Version::V3).bytes(SOURCE, GROUP, Form::Pseudo);
    let read = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        Packet::new(&bytes, SOURCE, GROUP).map(|_| ())
    };
    assert_eq!(read(&|_| {}), Ok(()));
    assert_eq!(read(&|bytes| bytes.truncate(7)), Err(Malformed::TooShort(7)));
    assert_eq!(read(&|bytes| bytes.truncate(11)), Err(Malformed::Length { expected: 12, found: 11 }));
    assert_eq!(read(&|bytes| bytes.push(0)), Err(Malformed::Length { expected: 12, found: 13 }));
    assert_eq!(read(&|bytes| bytes[3] = 2), Err(Malformed::Length { expected: 16, found: 12 }));
    assert_eq!(read(&|bytes| bytes[0] = 0x41), Err(Malformed::Version(4)));
    assert_eq!(read(&|bytes| bytes[0] = 0x32), Err(Malformed::Type(2)));
    assert_eq!(read(&|bytes| bytes[2] = 99), Err(Malformed::Checksum));
    let never = Advert { interval: Duration::ZERO, ..advert(Version::V3) }.bytes(SOURCE, GROUP, Form::Plain);
    assert_eq!(Packet::new(&never, SOURCE, GROUP), Err(Malformed::Interval));
    let two = advert(Version::V2).bytes(SOURCE, GROUP, Form::Plain);
    let (from, to) = (Ipv6Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
    assert_eq!(Packet::new(&two, from, to), Err(Malformed::Family));
}

#[test]
fn over_ipv6_the_addresses_are_always_covered() {
    let [from, to]: [IpAddr; 2] = [Ipv6Addr::LOCALHOST.into(), "ff02::12".parse().unwrap()];
    let six = Advert { addresses: vec!["fe80::1".parse().unwrap()], ..advert(Version::V3) };
    let bytes = six.bytes(from, to, Form::Plain);
    assert_eq!(Packet::new(&bytes, from, to).unwrap().form(), Form::Pseudo);
    let other: IpAddr = "ff02::13".parse().unwrap();
    assert_eq!(Packet::new(&bytes, from, other), Err(Malformed::Checksum));
}

fn adverts() -> impl Strategy<Value = (Advert, IpAddr, IpAddr, Form)> {
    let head = (any::<bool>(), any::<bool>(), any::<u8>(), any::<u8>(), 1_u16..4096, any::<Option<[u8; 8]>>());
    let tail = (vec(any::<u128>(), 0..20), any::<u128>(), any::<u128>(), any::<bool>());
    (head, tail).prop_map(|((six, three, router_id, priority, ticks, password), (list, from, to, plain))| {
        let address = |bits: u128| -> IpAddr {
            if six {
                Ipv6Addr::from(bits).into()
            } else {
                Ipv4Addr::from(bits.to_le_bytes().first_chunk().copied().unwrap()).into()
            }
        };
        let three = six || three;
        let advert = Advert {
            version: if three { Version::V3 } else { Version::V2 },
            router_id,
            priority,
            interval: if three {
                Duration::from_millis(10 * u64::from(ticks))
            } else {
                Duration::from_secs(u64::from(ticks % 256))
            },
            authentication: password.filter(|_| !three).map_or(Authentication::None, Authentication::Password),
            addresses: list.into_iter().map(address).collect(),
        };
        let form = if !three || plain && !six { Form::Plain } else { Form::Pseudo };
        (advert, address(from), address(to), form)
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read((advert, from, to, form) in adverts()) {
        let bytes = advert.bytes(from, to, form);
        let packet = Packet::new(&bytes, from, to).unwrap();
        // Where both checksums are the same the first is reported.
        prop_assert!(packet.form() == form || packet.form() == Form::Pseudo || advert.version == Version::V2);
        prop_assert_eq!(packet.advert(), advert);
    }

    #[test]
    fn one_wrong_byte_is_noticed((advert, from, to, form) in adverts(), at in any::<prop::sample::Index>(), by in 1_u8..=255) {
        let mut bytes = advert.bytes(from, to, form);
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        // The other checksum may happen to fit; then the two differ by the addresses alone.
        if let Ok(packet) = Packet::new(&bytes, from, to) {
            prop_assert_ne!(packet.form(), form);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..300), six in any::<bool>(), head in 0_usize..4) {
        let mut bytes = bytes;
        for (to, from) in bytes.iter_mut().zip([0x31, 0x21, 0x31, 0x00].into_iter().skip(head)) {
            *to = from;
        }
        let source: IpAddr = if six { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        let _ = router_id(&bytes);
        if let Ok(packet) = Packet::new(&bytes, source, source) {
            let advert = packet.advert();
            prop_assert_eq!(advert.addresses.len(), packet.addresses().count());
        }
    }
}
