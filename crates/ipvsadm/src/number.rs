//! Numbers and addresses as the C library reads and writes them: strtol(3), atoi(3), inet_aton(3), inet_pton(3),
//! inet_ntop(3). Rust's own are stricter, or write some addresses otherwise. It looks up no names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What strtol skips before a number.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// strtol to the base of ten: the number, held at the ends of its range, and what stands behind it. None if there is no
/// number.
fn strtol(text: &str) -> Option<(i64, bool, &str)> {
    let body = text.trim_start_matches(|c: char| c.is_ascii() && is_space(c as u8));
    let (negative, body) = match body.strip_prefix('-') {
        Some(body) => (true, body),
        None => (false, body.strip_prefix('+').unwrap_or(body)),
    };
    let digits = body.len() - body.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits == 0 {
        return None;
    }
    let (digits, rest) = body.split_at(digits);
    let limit = if negative { i64::MIN } else { i64::MAX };
    let signed = if negative { format!("-{digits}") } else { digits.to_owned() };
    let number: Option<i64> = signed.parse().ok();
    Some((number.unwrap_or(limit), number.is_none(), rest))
}

/// The whole text as a number from `least` to `most`.
pub(crate) fn within(text: &str, least: i64, most: i64) -> Option<i64> {
    match strtol(text)? {
        (number, false, "") if (least..=most).contains(&number) => Some(number),
        _ => None,
    }
}

/// What the text begins with as a number of 32 bits; 0 if it begins with none.
pub(crate) fn atoi(text: &str) -> i32 {
    let number = strtol(text).map_or(0, |(number, ..)| number);
    // The C library cuts it off likewise.
    (number & 0xffff_ffff) as u32 as i32
}

/// An IPv4 address in one to four parts, each decimal, octal or hexadecimal; the last fills what is left.
pub(crate) fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let mut rest = text;
    let mut address = 0_u32;
    for part in 0..4_u32 {
        let (value, behind) = unsigned(rest)?;
        if let Some(next) = behind.strip_prefix('.') {
            if part == 3 || value > 0xff {
                return None;
            }
            address |= value << (24 - 8 * part);
            rest = next;
            continue;
        }
        if !(behind.is_empty() || behind.bytes().next().is_some_and(is_space)) {
            return None;
        }
        let most = u32::MAX >> (8 * part);
        return (value <= most).then(|| Ipv4Addr::from(address | value));
    }
    None
}

/// A number of 32 bits that begins with a digit; `0x` makes it hexadecimal, another `0` octal.
fn unsigned(text: &str) -> Option<(u32, &str)> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let hexadecimal = text.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    let hexadecimal = hexadecimal && text[2..].starts_with(|c: char| c.is_ascii_hexdigit());
    let (base, digits) = match text {
        _ if hexadecimal => (16, &text[2..]),
        _ if text.starts_with('0') => (8, text),
        _ => (10, text),
    };
    let length = digits.len() - digits.trim_start_matches(|c: char| c.is_digit(base)).len();
    let (digits, rest) = digits.split_at(length);
    Some((u32::from_str_radix(digits, base).ok()?, rest))
}

/// An address as inet_ntop writes it: where the first six words of an IPv6 address are 0, the last two are written as
/// IPv4.
pub(crate) fn inet_ntop(address: IpAddr) -> String {
    match address {
        IpAddr::V6(six) => match six.segments() {
            [0, 0, 0, 0, 0, 0, high, _] if high != 0 => {
                let [.., a, b, c, d] = six.octets();
                format!("::{}", Ipv4Addr::new(a, b, c, d))
            }
            _ => six.to_string(),
        },
        IpAddr::V4(four) => four.to_string(),
    }
}

/// An IPv6 address as inet_pton reads it.
pub(crate) fn inet_pton6(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok()
}

/// An IPv4 address as inet_pton reads it.
pub(crate) fn inet_pton4(text: &str) -> Option<Ipv4Addr> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, number) in [("7", Some(7)), (" +7", Some(7)), ("\t007", Some(7)), ("10", Some(10))] {
            assert_eq!(within(text, 0, 10), number, "{text}");
        }
        for text in ["", " ", "+", "-1", "11", "7 ", "0x7", "99999999999999999999", "1.5", "- 7"] {
            assert_eq!(within(text, 0, 10), None, "{text}");
        }
        for (text, number) in [("64x", 64), ("x", 0), ("4294967360", 64), ("-1", -1), ("99999999999999999999", -1)] {
            assert_eq!(atoi(text), number, "{text}");
        }
    }

    #[test]
    fn ipv4_addresses_are_read_in_every_old_way() {
        let read = |text| inet_aton(text).map(|address| address.to_string());
        for (text, address) in [
            ("10.0.0.1", "10.0.0.1"),
            ("10.1", "10.0.0.1"),
            ("10.0.258", "10.0.1.2"),
            ("24", "0.0.0.24"),
            ("0xffffff00", "255.255.255.0"),
            ("010.0.0.1", "8.0.0.1"),
            ("0", "0.0.0.0"),
            ("10.0.0.1 and more", "10.0.0.1"),
        ] {
            assert_eq!(read(text).as_deref(), Some(address), "{text}");
        }
        for text in
            ["", ".", "10.", "10.0.0.256", "10.256.1", "1.2.3.4.5", "08", "0x", "4294967296", "+1", " 1", "1.2.3.4."]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn addresses_are_written_as_c_writes_them() {
        for (text, written) in [
            ("::1", "::1"),
            ("::", "::"),
            ("::1.2.3.4", "::1.2.3.4"),
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
            ("::1:0", "::0.1.0.0"),
            ("FD00:0:0::0100", "fd00::100"),
            ("1:0:2:0:0:3:0:4", "1:0:2::3:0:4"),
        ] {
            assert_eq!(inet_ntop(text.parse().unwrap()), written);
        }
    }
}
