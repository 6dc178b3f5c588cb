//! Checkers: `TCP_CHECK`, `HTTP_GET` and the others, as checks of a server.

use super::{Around, settings::Given};
use crate::{
    keepalived::{
        Statement,
        keywords::Context,
        reading::{Reading, keep},
    },
    report::{Fault, quoted},
};
use relvs_model::health::{
    Check, DnsProbe, DnsType, FileProbe, HttpProbe, HttpVersion, MiscProbe, PingProbe, Probe, SmtpProbe, StatusRange,
    Target, Timing, Tls, UdpProbe,
};

/// What a checker says besides its own.
#[derive(Clone, Default)]
struct Said {
    given: Given,
    target: Target,
}

/// Reads a checker; none if the statement is none. A checker with several paths or hosts is several checks.
pub(super) fn checker(
    name: &str,
    statement: &Statement,
    server: &Given,
    around: &Around,
    reading: &mut Reading<'_>,
) -> Option<Vec<Check>> {
    Some(match name {
        "TCP_CHECK" => simple(Context::Tcp, Probe::Tcp, statement, server, reading),
        "PING_CHECK" => simple(Context::Ping, Probe::Ping(PingProbe::default()), statement, server, reading),
        "HTTP_GET" => http(None, statement, server, reading),
        "SSL_GET" => http(Some(around.tls.clone()), statement, server, reading),
        "SMTP_CHECK" => smtp(statement, server, reading),
        "DNS_CHECK" => dns(statement, server, reading),
        "UDP_CHECK" => udp(statement, server, reading),
        "MISC_CHECK" => misc(statement, server, reading),
        "FILE_CHECK" => file(statement, around, reading),
        _ => return None,
    })
}

/// Takes what all checkers say. Gives whether the keyword was one of that.
fn common(keyword: &str, statement: &Statement, said: &mut Said, reading: &mut Reading<'_>) -> bool {
    match keyword {
        "connect_ip" => keep(&mut said.target.address, reading.address(statement, 0)),
        "connect_port" => keep(&mut said.target.port, reading.integer(statement, 0, 1..=u16::MAX)),
        "bindto" => keep(&mut said.target.from, reading.address(statement, 0)),
        "bind_port" => keep(&mut said.target.from_port, reading.integer(statement, 0, 1..=u16::MAX)),
        "bind_if" => keep(&mut said.target.interface, reading.word(statement, 0, "an interface").map(str::to_owned)),
        "fwmark" => said.target.mark = reading.integer(statement, 0, 0..=u32::MAX).unwrap_or(said.target.mark),
        _ => return said.given.take(keyword, statement, reading),
    }
    true
}

/// Reads the keywords of a checker: those of all, and those that are its own.
fn each<'d>(
    context: Context,
    statement: &Statement,
    reading: &mut Reading<'d>,
    mut own: impl FnMut(&str, &Statement, &mut Reading<'d>),
) -> Said {
    let mut said = Said::default();
    for line in reading.block(statement) {
        if let Some(keyword) = reading.keyword(context, line)
            && !common(keyword, line, &mut said, reading)
        {
            own(keyword, line, reading);
        }
    }
    said
}

fn simple(
    context: Context,
    probe: Probe,
    statement: &Statement,
    server: &Given,
    reading: &mut Reading<'_>,
) -> Vec<Check> {
    let said = each(context, statement, reading, |_, _, _| {});
    let timing = said.given.within(server).timing(1, 1_000);
    vec![Check { probe, target: said.target, timing }]
}

/// A conversation has the time for each of its phases, as keepalived counts it: for connecting, and for the rest.
fn phases(timing: Timing) -> Timing {
    Timing { connect_timeout_ms: timing.timeout_ms, timeout_ms: timing.timeout_ms.saturating_mul(2), ..timing }
}

fn http(tls: Option<Tls>, statement: &Statement, server: &Given, reading: &mut Reading<'_>) -> Vec<Check> {
    let mut tls = tls;
    // Without enable_sni no name is asked for.
    let (mut sni, mut sni_name) = (false, None);
    let mut version = HttpVersion::Http10;
    let mut fast_recovery = false;
    let mut urls = Vec::new();
    let mut closes = false;
    let said = each(Context::Http, statement, reading, |keyword, line, reading| match keyword {
        "http_protocol" => {
            let versions = [
                ("1.0", (HttpVersion::Http10, false)),
                ("1.0C", (HttpVersion::Http10, true)),
                ("1.0c", (HttpVersion::Http10, true)),
                ("1.1", (HttpVersion::Http11, false)),
            ];
            (version, closes) = reading.choice(line, 0, &versions).unwrap_or((version, closes));
        }
        "enable_sni" => sni = reading.boolean(line).unwrap_or(sni),
        "sni_name" => keep(&mut sni_name, reading.word(line, 0, "a name").map(str::to_owned)),
        "fast_recovery" => fast_recovery = reading.boolean(line).unwrap_or(fast_recovery),
        "url" => urls.extend(url(line, reading)),
        _ => {}
    });
    if urls.is_empty() {
        let fault = Fault::new(format!("`{}` has no `url`", statement.keyword.text));
        reading.fault(statement.keyword.place, fault.help("add `url { path / }`; the check is left out"));
    }
    if let Some(tls) = &mut tls {
        tls.no_sni = !sni && sni_name.is_none();
        tls.name = sni_name;
    }
    let given = said.given.within(server);
    let timing = Timing { fast_recovery, ..phases(given.timing(1, 3_000)) };
    let probes = urls.into_iter().map(|mut probe| {
        probe.host = probe.host.or_else(|| given.virtualhost.clone());
        probe.version = version;
        if closes {
            probe.headers.push(("Connection".to_owned(), "close".to_owned()));
        }
        Probe::Http(HttpProbe { tls: tls.clone(), ..probe })
    });
    probes.map(|probe| Check { probe, target: said.target.clone(), timing }).collect()
}

fn url(statement: &Statement, reading: &mut Reading<'_>) -> Option<HttpProbe> {
    let mut probe = HttpProbe::default();
    let (mut pattern, mut options, mut none, mut has_path) = (None, String::new(), false, false);
    for line in reading.block(statement) {
        match reading.keyword(Context::Url, line) {
            Some("path") => {
                if let Some(path) = reading.word(line, 0, "a path") {
                    has_path = true;
                    path.clone_into(&mut probe.path);
                }
            }
            Some("digest") => probe.digest = digest(line, reading).or(probe.digest.take()),
            Some("status_code") => {
                for at in 0..line.arguments.len().max(1) {
                    probe.status.extend(status(line, at, reading));
                }
            }
            Some("virtualhost") => keep(&mut probe.host, reading.word(line, 0, "a name").map(str::to_owned)),
            Some("regex") => keep(&mut pattern, reading.word(line, 0, "a regular expression").map(str::to_owned)),
            Some("regex_no_match") => none = reading.boolean(line).unwrap_or(none),
            Some("regex_options") => options = line.arguments.iter().filter_map(|word| option(&word.text)).collect(),
            _ => {}
        }
    }
    let pattern = pattern.map(|text| if options.is_empty() { text } else { format!("(?{options}){text}") });
    if none {
        probe.regex_no_match = pattern;
    } else {
        probe.regex = pattern;
    }
    if !has_path {
        let fault = Fault::new("`url` has no `path`");
        reading.fault(statement.keyword.place, fault.help("add `path /`; the url is left out"));
    }
    has_path.then_some(probe)
}

/// An option of PCRE as a flag of a regular expression.
fn option(name: &str) -> Option<char> {
    match name {
        "caseless" => Some('i'),
        "multiline" => Some('m'),
        "dotall" => Some('s'),
        "extended" => Some('x'),
        "ungreedy" => Some('U'),
        _ => None,
    }
}

fn digest(line: &Statement, reading: &mut Reading<'_>) -> Option<String> {
    let digest = reading.word(line, 0, "an MD5 digest")?.to_lowercase();
    if digest.len() == 32 && digest.chars().all(|c| c.is_ascii_hexdigit()) {
        return Some(digest);
    }
    let fault = Fault::new(format!("{} is no MD5 digest: it has 32 hexadecimal digits", quoted(&digest)));
    let help = "write what `genhash` or `curl -s URL | md5sum` prints; until then the check fails";
    reading.fault(Reading::place(line, 0), fault.help(help));
    Some(digest)
}

fn status(line: &Statement, at: usize, reading: &mut Reading<'_>) -> Option<StatusRange> {
    let word = reading.word(line, at, "a status")?;
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let number = |text: &str| text.parse::<u16>().ok().filter(|number| (100..=999).contains(number));
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => Some(StatusRange { first, last }),
        _ => {
            let fault = Fault::new(format!("{} is no status or range of them", quoted(word)));
            reading.fault(Reading::place(line, at), fault.help("write 200 or 200-299"));
            None
        }
    }
}

fn smtp(statement: &Statement, server: &Given, reading: &mut Reading<'_>) -> Vec<Check> {
    let mut helo = None;
    let mut hosts = Vec::new();
    let said = each(Context::Smtp, statement, reading, |keyword, line, reading| match keyword {
        "helo_name" => keep(&mut helo, reading.word(line, 0, "a name").map(str::to_owned)),
        "host" => hosts.push(each(Context::SmtpHost, line, reading, |_, _, _| {})),
        _ => {}
    });
    let helo = helo.unwrap_or_else(|| "smtpchecker.keepalived.org".to_owned());
    let probe = Probe::Smtp(SmtpProbe { helo, ..SmtpProbe::default() });
    if hosts.is_empty() {
        hosts.push(Said::default());
    }
    let checks = hosts.into_iter().map(|host| {
        let timing = phases(host.given.within(&said.given).within(server).timing(1, 1_000));
        let own = host.target;
        let target = Target {
            address: own.address.or(said.target.address),
            port: own.port.or(said.target.port),
            from: own.from.or(said.target.from),
            from_port: own.from_port.or(said.target.from_port),
            interface: own.interface.or_else(|| said.target.interface.clone()),
            mark: if own.mark == 0 { said.target.mark } else { own.mark },
            through_data_path: false,
        };
        Check { probe: probe.clone(), target, timing }
    });
    checks.collect()
}

fn dns(statement: &Statement, server: &Given, reading: &mut Reading<'_>) -> Vec<Check> {
    let mut probe = DnsProbe::default();
    let said = each(Context::Dns, statement, reading, |keyword, line, reading| match keyword {
        "type" => {
            let types = [
                ("A", DnsType::A),
                ("NS", DnsType::Ns),
                ("CNAME", DnsType::Cname),
                ("SOA", DnsType::Soa),
                ("MX", DnsType::Mx),
                ("TXT", DnsType::Txt),
                ("AAAA", DnsType::Aaaa),
                ("RRSIG", DnsType::Rrsig),
                ("DNSKEY", DnsType::Dnskey),
            ];
            probe.record = reading.choice(line, 0, &types).unwrap_or(probe.record);
        }
        "name" => {
            if let Some(name) = reading.word(line, 0, "a name") {
                if name.trim_end_matches('.').contains("..") || name.starts_with("..") {
                    let fault = Fault::new(format!("{} has an empty label", quoted(name)));
                    reading.fault(Reading::place(line, 0), fault.help("remove one of the dots; it is left out"));
                } else {
                    name.clone_into(&mut probe.name);
                }
            }
        }
        _ => {}
    });
    let given = said.given.within(server);
    let timing = given.timing(3, given.delay_loop_ms());
    vec![Check { probe: Probe::Dns(probe), target: said.target, timing }]
}

fn udp(statement: &Statement, server: &Given, reading: &mut Reading<'_>) -> Vec<Check> {
    let mut probe = UdpProbe { max_reply_length: 255, ..UdpProbe::default() };
    let said = each(Context::Udp, statement, reading, |keyword, line, reading| match keyword {
        "payload" => {
            let said = reading.word(line, 0, "the bytes to send").is_some();
            keep(&mut probe.payload, if said { bytes(line, reading) } else { None });
        }
        "require_reply" => {
            probe.require_reply = true;
            if !line.arguments.is_empty() {
                keep(&mut probe.expect, bytes(line, reading));
            }
        }
        "min_reply_length" => {
            probe.min_reply_length = reading.integer(line, 0, 0..=u16::MAX).unwrap_or(probe.min_reply_length);
        }
        "max_reply_length" => {
            probe.max_reply_length = reading.integer(line, 0, 0..=u16::MAX).unwrap_or(probe.max_reply_length);
        }
        _ => {}
    });
    if probe.min_reply_length > probe.max_reply_length {
        let (least, most) = (probe.min_reply_length, probe.max_reply_length);
        let fault = Fault::new(format!("no reply has at least {least} and at most {most} bytes, so the check fails"));
        reading.complaint(statement.keyword.place, fault.help("correct `min_reply_length` or `max_reply_length`"));
    }
    let timing = said.given.within(server).timing(1, 1_000);
    vec![Check { probe: Probe::Udp(probe), target: said.target, timing }]
}

/// Bytes as keepalived reads them: words of hexadecimal digits, of which one with an odd number begins with a 0.
fn bytes(line: &Statement, reading: &mut Reading<'_>) -> Option<String> {
    let mut text = String::new();
    for word in line.rest.trim_matches('"').split_whitespace() {
        if word.chars().any(|c| !c.is_ascii_hexdigit()) {
            let fault = Fault::new(format!("{} has other than hexadecimal digits", quoted(word)));
            reading.fault(Reading::place(line, 0), fault.help("write the bytes as in `0a 1b 2c`; it is left out"));
            return None;
        }
        if word.len() % 2 == 1 {
            text.push('0');
        }
        text.push_str(&word.to_lowercase());
    }
    Some(text)
}

fn misc(statement: &Statement, server: &Given, reading: &mut Reading<'_>) -> Vec<Check> {
    let (mut script, mut timeout_ms, mut dynamic, mut user) = (None, None, false, None);
    let said = each(Context::Misc, statement, reading, |keyword, line, reading| match keyword {
        "misc_path" => keep(&mut script, reading.script(line)),
        "misc_timeout" => keep(&mut timeout_ms, reading.whole_seconds(line, 1..=86_400_000)),
        "misc_dynamic" => dynamic = reading.boolean(line).unwrap_or(dynamic),
        "user" => keep(&mut user, reading.user(line)),
        _ => {}
    });
    let Some(mut script) = script else {
        let fault = Fault::new("MISC_CHECK has no `misc_path`");
        reading.fault(statement.keyword.place, fault.help("add the program to run; the check is left out"));
        return Vec::new();
    };
    if let Some((name, group)) = user {
        (script.user, script.group) = (Some(name), group);
    }
    let given = said.given.within(server);
    let timeout_ms = timeout_ms.unwrap_or_else(|| given.delay_loop_ms());
    script.timeout_ms = timeout_ms;
    let timing = Timing { timeout_ms, ..given.timing(0, 1_000) };
    vec![Check { probe: Probe::Misc(MiscProbe { script, dynamic }), target: said.target, timing }]
}

fn file(statement: &Statement, around: &Around, reading: &mut Reading<'_>) -> Vec<Check> {
    let (mut name, mut weight) = (None, None);
    for line in reading.block(statement) {
        match reading.keyword(Context::File, line) {
            Some("track_file") => name = reading.word(line, 0, "the name of a track_file").map(|name| (name, line)),
            Some("weight") => weight = reading.weight(line, 0, i64::from(i32::MAX)),
            _ => {}
        }
    }
    let Some((name, line)) = name else {
        let fault = Fault::new("FILE_CHECK has no `track_file`");
        reading.fault(statement.keyword.place, fault.help("name a block `track_file`; the check is left out"));
        return Vec::new();
    };
    let Some((path, default)) = around.files.get(name) else {
        let fault = Fault::new(format!("there is no track_file {}", quoted(name)));
        reading.fault(Reading::place(line, 0), fault.help("add the block; the check is left out"));
        return Vec::new();
    };
    let weight = weight.map_or(*default, |(weight, reverse)| if reverse { -weight } else { weight });
    let probe = Probe::File(FileProbe { path: path.clone(), weight });
    let timing = Timing { fall: 1, rise: 1, interval_ms: 1_000, warmup_ms: 0, ..Timing::default() };
    vec![Check { probe, target: Target::default(), timing }]
}
