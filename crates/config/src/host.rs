//! Names of hosts and mailboxes: whether they are written as such. Nothing is looked up.

use crate::report::{Fault, quoted};
use std::net::{IpAddr, Ipv4Addr};

/// Bytes of the longest name (RFC 1035, 2.3.4, as text) and of the longest between its dots.
const NAME_MAX: usize = 253;
const LABEL_MAX: usize = 63;
/// Bytes of the longest text before a mailbox's `@` (RFC 5321, 4.5.3.1.1).
const LOCAL_MAX: usize = 64;

/// A host: its name (RFC 1123, 2.1; underscores too, which are in use), or its address.
pub(crate) fn host(text: &str) -> Result<(), Fault> {
    if text.parse::<IpAddr>().is_ok() || is_name(text) {
        return Ok(());
    }
    let fault = Fault::new(format!("{} is neither the name of a host nor an address", quoted(text)));
    Err(match text.rsplit_once(':') {
        Some((before, port)) if host(before).is_ok() && port.parse::<u16>().is_ok() => {
            fault.help("leave the port out of it")
        }
        Some(_) | None => fault.help("write it as in \"www.example.org\" or \"192.0.2.7\""),
    })
}

fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        let of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=LABEL_MAX).contains(&label.len()) && label.chars().all(of_a_name) && !label.starts_with('-')
    };
    let text = text.strip_suffix('.').unwrap_or(text);
    // What ends in a number is an address, and a wrong one.
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= NAME_MAX && text.split('.').all(label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

/// A name that may be asked for in DNS: labels of letters, digits, `-`, `_`, and `*` for all (RFC 1035, 2.3.1; RFC 2782; RFC
/// 4592), or the root.
pub(crate) fn domain(text: &str) -> Result<(), Fault> {
    let label = |label: &str| {
        let of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let fits = label == "*" || label.chars().all(of_a_name) && !label.starts_with('-');
        fits && (1..=LABEL_MAX).contains(&label.len())
    };
    let bare = text.strip_suffix('.').unwrap_or(text);
    if text == "." || bare.len() <= NAME_MAX && bare.split('.').all(label) {
        return Ok(());
    }
    Err(Fault::new(format!("{} is not a domain name", quoted(text))).help("write it as in \"www.example.org\""))
}

/// A mailbox: `name@host`, or `words <name@host>` (RFC 5322, 3.4, without comments and quoted names).
pub(crate) fn mailbox(text: &str) -> Result<(), Fault> {
    let (words, address) = match text.split_once('<') {
        Some((words, rest)) => (words.trim(), rest.strip_suffix('>').unwrap_or_default()),
        None => ("", text),
    };
    let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    let fits = address.rsplit_once('@').is_some_and(|(name, host)| {
        let name_fits =
            name.len() <= LOCAL_MAX && name.split('.').all(|part| !part.is_empty() && part.chars().all(atom));
        name_fits && is_name(host) && !host.ends_with('.') || name_fits && is_literal(host)
    });
    let quoted_words = words.strip_prefix('"').and_then(|words| words.strip_suffix('"'));
    let words_fit = match quoted_words {
        Some(inside) => inside.chars().all(|c| matches!(c, ' '..='~') && c != '"' && c != '\\'),
        None => words.chars().all(|c| atom(c) || c == ' ' || c == '.'),
    };
    if fits && words_fit {
        return Ok(());
    }
    let fault = Fault::new(format!("{} is not a mail address", quoted(text)));
    Err(fault.help("write it as in \"admin@example.org\" or \"relvs <relvs@example.org>\""))
}

/// `[192.0.2.7]`
fn is_literal(text: &str) -> bool {
    let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    inside.is_some_and(|inside| inside.parse::<Ipv4Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses() {
        for good in
            ["localhost", "www.example.org", "example.org.", "a_b.c-d", "7up.example", "192.0.2.7", "2001:db8::7"]
        {
            assert!(host(good).is_ok(), "{good}");
        }
        let (long, longer) = ("a".repeat(63), "a.".repeat(126) + "abc");
        assert!(host(&long).is_ok() && host(&format!("{long}a")).is_err() && host(&longer).is_err());
        for bad in
            ["", ".", "a..b", "-a", "a b", "a:25", "[2001:db8::7]", "10.0.0.300", "http://a", "bücher.example", "a/b"]
        {
            assert!(host(bad).is_err(), "{bad}");
        }
        assert!(host("a.example:25").is_err_and(|fault| fault.help.is_some_and(|help| help.contains("port"))));
    }

    #[test]
    fn domains_are_what_dns_knows() {
        for good in
            [".", "example.org", "example.org.", "_sip._udp.example.org", "*.example.org", "7.2.0.192.in-addr.arpa"]
        {
            assert!(domain(good).is_ok(), "{good}");
        }
        let longest = ["a".repeat(63).as_str(); 3].join(".") + "." + &"b".repeat(61);
        assert!(domain(&longest).is_ok() && domain(&(longest + "b")).is_err());
        for bad in ["", "..", "a..b", ".a", "-a.b", "a b", "é.org", "a*.b", "a/b"] {
            assert!(domain(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn mailboxes_may_have_words_before_them() {
        for good in [
            "root@localhost",
            "a.b+c@example.org",
            "relvs <relvs@example.org>",
            "<a@example.org>",
            "\"L. V. S., Inc.\" <a@example.org>",
            "a@[192.0.2.7]",
        ] {
            assert!(mailbox(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            "@b",
            "a@",
            "a@b c",
            "a b@c",
            "a..b@c",
            ".a@b",
            "a@b@c",
            "a <b",
            "a, b <c@d>",
            "a@b>",
            "é@b",
            "é <a@b>",
            "a\r\nBcc: b <a@b>",
            "\"a\"b\" <a@b>",
            "a@[x]",
            "a@10.0.0.300",
        ] {
            assert!(mailbox(bad).is_err(), "{bad}");
        }
    }
}
