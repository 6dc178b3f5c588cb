//! Parts of requests of HTTP: judged by the library that sends them, so that what it would refuse is refused here.

use crate::host;
use crate::report::{Fault, quoted};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue, Uri};

/// A whole address: `http://` or `https://`, a host, and what follows.
pub(crate) fn url(text: &str) -> Result<(), Fault> {
    let not = |why: &str| Fault::new(format!("{} is not an address of HTTP: {why}", quoted(text)));
    let shape = "write it as in \"https://hooks.example.org/relvs\"";
    if text.contains('#') {
        return Err(not("what follows `#` is not sent").help("leave it out"));
    }
    let uri: Uri = text.parse().map_err(|_| not("it has characters that none has, or no host").help(shape))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(not("it does not begin with http:// or https://").help(shape));
    }
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Err(
            not("a user has no place in it").help("say who you are by a header, as in \"Authorization: Bearer …\"")
        );
    }
    let host = uri.host().unwrap_or_default();
    host::host(host.trim_start_matches('[').trim_end_matches(']'))?;
    let port = authority.get(host.len()..).and_then(|rest| rest.strip_prefix(':'));
    if port.is_some_and(|port| port.parse::<u16>().ok().is_none_or(|port| port == 0)) {
        return Err(not("its port is not a number from 1 to 65535"));
    }
    Ok(())
}

/// What is asked for at a host: a path, and its query.
pub(crate) fn path(text: &str) -> Result<(), Fault> {
    let not = |help: &str| Err(Fault::new(format!("{} is not a path", quoted(text))).help(help));
    if !text.starts_with('/') {
        return not("a path begins with `/`");
    }
    if let Some((before, _)) = text.split_once('#') {
        return not(&format!("what follows `#` is not sent; write {}", quoted(before)));
    }
    match PathAndQuery::try_from(text) {
        Ok(_) => Ok(()),
        Err(_) => not("write spaces and the like as `%20`"),
    }
}

/// Whose site is asked for: a host, with or without a port.
pub(crate) fn authority(text: &str) -> Result<(), Fault> {
    let authority: Option<Authority> = text.parse().ok();
    let host = authority.as_ref().map_or("", |authority| authority.host());
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let port = text.get(host.len()..).unwrap_or_default();
    let port_fits = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    if authority.is_some() && port_fits && host::host(bare).is_ok() {
        return Ok(());
    }
    let fault = Fault::new(format!("{} is not a host, with or without a port", quoted(text)));
    Err(fault.help("write it as in \"www.example.org\""))
}

/// A header field: `Name: value`.
pub(crate) fn header(text: &str) -> Result<(String, String), Fault> {
    let parts = text.split_once(':').map(|(name, value)| (name, value.trim()));
    let fits = |(name, value): &(&str, &str)| {
        HeaderName::from_bytes(name.as_bytes()).is_ok() && HeaderValue::from_str(value).is_ok()
    };
    match parts.filter(fits) {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(Fault::new(format!("{} is not a header", quoted(text))).help("write \"Name: value\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_http() {
        for good in [
            "http://localhost",
            "https://hooks.example.org/relvs?room=1&x=%20",
            "HTTPS://[2001:db8::1]:8443/",
            "http://192.0.2.7:80/a",
        ] {
            assert!(url(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", "no host"),
            ("hooks.example.org", "does not begin"),
            ("/relvs", "does not begin"),
            ("ftp://a/", "does not begin"),
            ("http://", "no host"),
            ("http:///x", "no host"),
            ("http://a b/", "characters"),
            ("http://a/b c", "characters"),
            ("http://user:secret@a/", "user"),
            ("http://a/#b", "not sent"),
            ("http://a:0/", "port"),
            ("http://a:70000/", "port"),
            ("http://a:x/", ""),
            ("http://10.0.0.300/", "neither"),
            ("http://[::g]/", ""),
        ] {
            let said = url(bad).expect_err(bad).message;
            assert!(said.contains(why), "{bad}: {said}");
        }
    }

    #[test]
    fn paths_and_sites() {
        for good in ["/", "/healthz?a=b&c=%20", "/a;b=c/{d}", "/é"] {
            assert!(path(good).is_ok(), "{good}");
        }
        for bad in ["", "healthz", "/a b", "/a#b", "/a\nb", "/<a>", "*"] {
            assert!(path(bad).is_err(), "{bad}");
        }
        for good in ["www.example.org", "a:8080", "192.0.2.7:80", "[2001:db8::1]", "[2001:db8::1]:8443"] {
            assert!(authority(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a@b", "a/b", "a:", "a:x", "a:70000", "http://a", "a\r\nb", "10.0.0.300"] {
            assert!(authority(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn headers() {
        assert_eq!(header("X-Token:  a b ").ok(), Some(("X-Token".to_owned(), "a b".to_owned())));
        assert_eq!(header("X-Empty:").ok(), Some(("X-Empty".to_owned(), String::new())));
        for bad in ["", "X", ": a", "X Y: a", "X: a\r\nY: b", "é: a"] {
            assert!(header(bad).is_err(), "{bad}");
        }
    }
}
