//! `[service.check]` and `[service.server.check]`: what is asked, whom, and how often.

use super::director::interface_name;
use super::script::{command, name};
use super::section::{Section, wrong_type};
use super::value::{file, headers, judged, small, text};
use crate::draft::{CheckDraft, Given};
use crate::host::{domain, host};
use crate::report::{Fault, Report, quoted};
use crate::web;
use relvs_model::health::{
    Check, DnsProbe, DnsType, FileProbe, GrpcProbe, HttpProbe, HttpVersion, MiscProbe, PingProbe, Probe, Script,
    SmtpProbe, StatusRange, Target, Timing, Tls, UdpProbe,
};
use std::net::IpAddr;
use toml::de::DeValue;

/// The types of checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Tcp,
    Http,
    Https,
    Smtp,
    Dns,
    Udp,
    Ping,
    Misc,
    File,
    Grpc,
}

use Type::{Dns, File, Grpc, Http, Https, Misc, Ping, Smtp, Tcp, Udp};

/// The words for types.
pub(crate) const CHECKS: [(&str, Type); 10] = [
    ("tcp", Tcp),
    ("http", Http),
    ("https", Https),
    ("smtp", Smtp),
    ("dns", Dns),
    ("udp", Udp),
    ("ping", Ping),
    ("misc", Misc),
    ("file", File),
    ("grpc", Grpc),
];

/// The words for versions of HTTP.
pub(crate) const HTTP_VERSIONS: [(&str, HttpVersion); 3] =
    [("1.0", HttpVersion::Http10), ("1.1", HttpVersion::Http11), ("2", HttpVersion::Http2)];

/// The words for types of DNS queries.
pub(crate) const RECORDS: [(&str, DnsType); 12] = [
    ("A", DnsType::A),
    ("AAAA", DnsType::Aaaa),
    ("CNAME", DnsType::Cname),
    ("MX", DnsType::Mx),
    ("NS", DnsType::Ns),
    ("SOA", DnsType::Soa),
    ("TXT", DnsType::Txt),
    ("PTR", DnsType::Ptr),
    ("SRV", DnsType::Srv),
    ("ANY", DnsType::Any),
    ("DNSKEY", DnsType::Dnskey),
    ("RRSIG", DnsType::Rrsig),
];

/// Bytes of the largest datagram: 65535 less the headers of IPv4 and UDP.
const DATAGRAM_MAX: usize = 65_507;

const NET: &[Type] = &[Tcp, Http, Https, Smtp, Dns, Udp, Ping, Grpc];
const PORT: &[Type] = &[Tcp, Http, Https, Smtp, Dns, Udp, Grpc];
const WEB: &[Type] = &[Http, Https];
const TLS: &[Type] = &[Https, Smtp, Grpc];

/// Which types have which keys; those that are not here are every check's.
const KEYS: [(&str, &[Type]); 40] = [
    ("connect_timeout", PORT),
    ("address", NET),
    ("port", PORT),
    ("from", NET),
    ("from_port", PORT),
    ("interface", NET),
    ("mark", NET),
    ("through_data_path", NET),
    ("path", &[Http, Https, File]),
    ("method", WEB),
    ("host", &[Http, Https, Grpc]),
    ("headers", WEB),
    ("status", WEB),
    ("digest", WEB),
    ("regex", WEB),
    ("regex_no_match", WEB),
    ("version", WEB),
    ("tls", TLS),
    ("server_name", TLS),
    ("sni", TLS),
    ("verify", TLS),
    ("ca", TLS),
    ("certificate", TLS),
    ("key", TLS),
    ("helo", &[Smtp]),
    ("record", &[Dns]),
    ("name", &[Dns]),
    ("expect", &[Dns, Udp]),
    ("tcp", &[Dns]),
    ("payload", &[Udp]),
    ("require_reply", &[Udp]),
    ("min_reply_length", &[Udp]),
    ("max_reply_length", &[Udp]),
    ("size", &[Ping]),
    ("command", &[Misc]),
    ("user", &[Misc]),
    ("group", &[Misc]),
    ("dynamic", &[Misc]),
    ("weight", &[File]),
    ("service", &[Grpc]),
];

/// A check, unless something of it was not understood.
pub(super) fn read(section: &Section<'_>, report: &mut Report) -> Option<CheckDraft> {
    let before = report.problems.len();
    section.finish(report);
    let of = section.word("type", "check", &CHECKS, &[], report);
    if let Given::Absent = of {
        section.missing("type", "type = \"tcp\"", report);
    }
    let place = match &of {
        Given::Is(_, span) => span.clone(),
        Given::Absent | Given::Wrong => section.span.clone(),
    };
    // All is read, so that all that is wrong is said at once.
    let timing = timing(section, report);
    let target = target(section, report);
    let tls = tls(section, report);
    let probes = probes(section, &timing, tls, report);
    let Given::Is(of, _) = of else { return None };
    misplaced(section, of, report);
    let probe = match of {
        Tcp => Some(Probe::Tcp),
        Http => Some(Probe::Http(HttpProbe { tls: None, ..probes.http })),
        Https => Some(Probe::Http(HttpProbe { tls: Some(probes.tls.clone().unwrap_or_default()), ..probes.http })),
        Smtp => Some(Probe::Smtp(probes.smtp)),
        Dns => Some(Probe::Dns(probes.dns)),
        Udp => Some(Probe::Udp(probes.udp)),
        Ping => Some(Probe::Ping(probes.ping)),
        Misc => {
            needed(section, "command", "command = [\"/usr/local/bin/check\"]", probes.misc.map(Probe::Misc), report)
        }
        File => needed(section, "path", "path = \"/run/weight\"", probes.file.map(Probe::File), report),
        Grpc => Some(Probe::Grpc(probes.grpc)),
    };
    if section.is_broken() || report.has_error_since(before) {
        return None;
    }
    Some(CheckDraft { check: Check { probe: probe?, target, timing }, place, needs_port: PORT.contains(&of) })
}

/// What a type cannot do without.
fn needed<T>(section: &Section<'_>, key: &str, example: &str, value: Option<T>, report: &mut Report) -> Option<T> {
    if value.is_none() && section.get(key).is_none() {
        section.missing(key, example, report);
    }
    value
}

/// Reports keys of other types.
fn misplaced(section: &Section<'_>, of: Type, report: &mut Report) {
    let name = |of: &Type| CHECKS.iter().find(|(_, known)| known == of).map_or("", |(name, _)| name);
    for (key, span) in section.names() {
        let Some((_, whose)) = KEYS.iter().find(|(known, whose)| *known == key && !whose.contains(&of)) else {
            continue;
        };
        let whose = whose.iter().map(name).collect::<Vec<_>>().join(", ");
        report.error(
            &span,
            Fault::new(format!("`{key}` is for {whose} checks, not for {}", name(&of))).help("remove it"),
        );
    }
}

fn timing(section: &Section<'_>, report: &mut Report) -> Timing {
    let default = Timing::default();
    let mut pause = |key: &str, default: u32| section.pause(key, report).or(default).unwrap_or(default);
    let interval_ms = pause("interval", default.interval_ms);
    let timeout_ms = pause("timeout", default.timeout_ms);
    let connect_timeout_ms = pause("connect_timeout", 0);
    let retry_interval_ms = pause("retry_interval", default.retry_interval_ms.min(interval_ms));
    let warmup_ms = pause("warmup", interval_ms);
    let fall = section.integer("fall", report).or(default.fall).unwrap_or(default.fall);
    let rise = section.integer("rise", report).or(default.rise).unwrap_or(default.rise);
    let mut flag = |key: &str| section.boolean(key, report).or(false).unwrap_or(false);
    Timing {
        interval_ms,
        timeout_ms,
        connect_timeout_ms,
        fall,
        rise,
        retry_interval_ms,
        warmup_ms,
        fast_recovery: flag("fast_recovery"),
        alpha: flag("alpha"),
        log_all_failures: flag("log_all_failures"),
    }
}

fn target(section: &Section<'_>, report: &mut Report) -> Target {
    let mut address = |key: &'static str| -> Option<IpAddr> {
        let Given::Is(text, span) = section.string(key, report) else { return None };
        let address = text.parse().ok();
        if address.is_none() {
            report.error(&span, Fault::new(format!("{} is not an IP address", quoted(text))));
        }
        address
    };
    let (to, from) = (address("address"), address("from"));
    if let (Some(to), Some(from), Given::Is(_, span)) = (to, from, section.value("from"))
        && to.is_ipv4() != from.is_ipv4()
    {
        report.error(&span, Fault::new(format!("{to} is not reached from {from}: one is IPv4, the other IPv6")));
    }
    Target {
        address: to,
        port: small(section, "port", report),
        from,
        from_port: small(section, "from_port", report),
        interface: judged(section, "interface", interface_name, report),
        mark: section.integer("mark", report).or(0).unwrap_or(0),
        through_data_path: section.boolean("through_data_path", report).or(false).unwrap_or(false),
    }
}

/// What is said about TLS, and whether it is wanted at all.
struct TlsDraft {
    wanted: bool,
    tls: Tls,
}

fn tls(section: &Section<'_>, report: &mut Report) -> TlsDraft {
    let mut flag = |key: &str, default: bool| section.boolean(key, report).or(default).unwrap_or(default);
    let (wanted, sni, verify) = (flag("tls", false), flag("sni", true), flag("verify", false));
    let name = judged(section, "server_name", host, report);
    let (ca, certificate, key) =
        (file(section, "ca", report), file(section, "certificate", report), file(section, "key", report));
    for (has, needs) in [("certificate", "key"), ("key", "certificate")] {
        if let (Some(there), None) = (section.get(has), section.get(needs)) {
            let fault = Fault::new(format!("`{has}` without `{needs}`"));
            report.error(&there.span(), fault.help(format!("add `{needs} = \"/etc/relvs/{needs}.pem\"`")));
        }
    }
    if let (Some(ca), false) = (section.get("ca"), verify) {
        report.warning(&ca.span(), Fault::new("`ca` without `verify` does nothing").help("add `verify = true`"));
    }
    TlsDraft { wanted, tls: Tls { name, no_sni: !sni, verify, ca, certificate, key } }
}

/// Each probe, as far as it is described.
struct Probes {
    tls: Option<Tls>,
    http: HttpProbe,
    smtp: SmtpProbe,
    dns: DnsProbe,
    udp: UdpProbe,
    ping: PingProbe,
    misc: Option<MiscProbe>,
    file: Option<FileProbe>,
    grpc: GrpcProbe,
}

fn probes(section: &Section<'_>, timing: &Timing, tls: TlsDraft, report: &mut Report) -> Probes {
    let flag = |key: &str, report: &mut Report| section.boolean(key, report).or(false).unwrap_or(false);
    let path = path(section, report);
    let site = judged(section, "host", web::authority, report);
    let expect = text(section, "expect", report);
    let is = |wanted| matches!(section.value("type"), Given::Is(value, _) if value.as_str() == Some(wanted));
    let wanted = tls.wanted.then(|| tls.tls.clone());
    let udp = UdpProbe {
        payload: hexadecimal(section, "payload", report),
        require_reply: flag("require_reply", report),
        expect: if is("udp") { hexadecimal(section, "expect", report) } else { None },
        min_reply_length: small(section, "min_reply_length", report).unwrap_or(0),
        max_reply_length: small(section, "max_reply_length", report).unwrap_or(0),
    };
    if udp.max_reply_length > 0
        && udp.max_reply_length < udp.min_reply_length
        && let Given::Is(_, span) = section.value("max_reply_length")
    {
        report.error(&span, Fault::new("`max_reply_length` is less than `min_reply_length`"));
    }
    let dns = DnsProbe::default();
    let record = section.word("record", "record", &RECORDS, &[], report).or(dns.record).unwrap_or(dns.record);
    let name_asked = judged(section, "name", domain, report).unwrap_or(dns.name);
    let (user, group) = (name(section, "user", report), name(section, "group", report));
    let dynamic = flag("dynamic", report);
    let misc = command(section, "command", report).map(|(command, _)| MiscProbe {
        script: Script { command, user, group, timeout_ms: timing.timeout_ms },
        dynamic,
    });
    let weight = section.signed("weight", report).or(1).unwrap_or(1);
    Probes {
        http: http(section, path.clone(), site.clone(), report),
        smtp: SmtpProbe {
            helo: judged(section, "helo", helo, report).unwrap_or(SmtpProbe::default().helo),
            tls: wanted.clone(),
        },
        dns: DnsProbe { record, name: name_asked, expect, tcp: flag("tcp", report) },
        udp,
        ping: PingProbe { size: small(section, "size", report).unwrap_or(0) },
        misc,
        file: path.map(|path| FileProbe { path, weight }),
        grpc: GrpcProbe { service: text(section, "service", report).unwrap_or_default(), host: site, tls: wanted },
        tls: Some(tls.tls),
    }
}

fn http(section: &Section<'_>, path: Option<String>, host: Option<String>, report: &mut Report) -> HttpProbe {
    let default = HttpProbe::default();
    let methods = [("GET", "GET"), ("HEAD", "HEAD")];
    let method = section.word("method", "method", &methods, &[], report).or("GET").unwrap_or("GET");
    let version = section.word("version", "version", &HTTP_VERSIONS, &[], report);
    HttpProbe {
        path: path.unwrap_or(default.path),
        method: method.to_owned(),
        host,
        headers: headers(section, report),
        status: statuses(section, report),
        digest: digest(section, report),
        regex: section.pattern("regex", report),
        regex_no_match: section.pattern("regex_no_match", report),
        version: version.or(default.version).unwrap_or(default.version),
        tls: None,
    }
}

/// The path of a URL or of a file: both begin with a slash.
fn path(section: &Section<'_>, report: &mut Report) -> Option<String> {
    if let Given::Is(of, _) = section.value("type")
        && matches!(of.as_str(), Some("http" | "https"))
    {
        return judged(section, "path", web::path, report);
    }
    let Given::Is(path, span) = section.string("path", report) else { return None };
    if path.starts_with('/') && !path.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Some(path.to_owned());
    }
    let fault = Fault::new(format!("{} is not a path", quoted(path)));
    report.error(&span, fault.help("a path begins with `/`, and has no spaces"));
    None
}

/// What may stand behind HELO: one word.
fn helo(text: &str) -> Result<(), Fault> {
    if !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Ok(());
    }
    Err(Fault::new(format!("{} is no name for HELO", quoted(text))).help("write it as in \"director.example.org\""))
}

fn statuses(section: &Section<'_>, report: &mut Report) -> Vec<StatusRange> {
    let mut found = Vec::new();
    for (value, span) in section.elements("status") {
        let text = match value {
            DeValue::Integer(integer) => integer.as_str(),
            DeValue::String(text) => text,
            DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                report.error(&span, wrong_type("`status`", "statuses like 200 and ranges like \"200-299\"", value));
                continue;
            }
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if first >= 100 && first <= last && last <= 599 => {
                found.push(StatusRange { first, last });
            }
            _ => {
                let fault = Fault::new(format!("{} is not a status from 100 to 599, or a range of them", quoted(text)));
                report.error(&span, fault.help("write 200, or \"200-299\""));
            }
        }
    }
    found
}

fn digest(section: &Section<'_>, report: &mut Report) -> Option<String> {
    let Given::Is(digest, span) = section.string("digest", report) else { return None };
    if digest.len() == 32 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(digest.to_ascii_lowercase());
    }
    report
        .error(&span, Fault::new(format!("{} is not an MD5 sum", quoted(digest))).help("write 32 hexadecimal digits"));
    None
}

/// Bytes.
fn hexadecimal(section: &Section<'_>, key: &str, report: &mut Report) -> Option<String> {
    let Given::Is(text, span) = section.string(key, report) else { return None };
    if text.len() > 2 * DATAGRAM_MAX {
        report.error(
            &span,
            Fault::new(format!("`{key}` has more than the {DATAGRAM_MAX} bytes of the largest datagram")),
        );
        return None;
    }
    if text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(text.to_ascii_lowercase());
    }
    let fault = Fault::new(format!("{} is not bytes in hexadecimal", quoted(text)));
    report.error(&span, fault.help("write two digits for each byte, as in \"70696e67\""));
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::CHECK;

    #[test]
    fn the_keys_of_types_are_in_the_table() {
        for (key, whose) in KEYS {
            assert!(CHECK.key(key).is_some(), "{key}");
            assert!(!whose.is_empty(), "{key}");
        }
    }
}
