//! `[service.check]`

use super::text::{Table, array, command, quoted};
use crate::toml_file::{HTTP_VERSIONS, RECORDS};
use relvs_model::health::{
    Check, DnsProbe, DnsType, HttpProbe, Probe, SmtpProbe, StatusRange, Target, Timing, Tls, UdpProbe,
};

/// A check as a table.
pub(super) fn table(check: &Check) -> Table {
    let Check { probe, target, timing } = check;
    let mut table = Table::default();
    table.text("type", name(probe));
    match probe {
        Probe::Tcp => {}
        Probe::Http(http) => self::http(http, &mut table),
        Probe::Smtp(smtp) => {
            if smtp.helo != SmtpProbe::default().helo {
                table.text("helo", &smtp.helo);
            }
            tls(smtp.tls.as_ref(), &mut table);
        }
        Probe::Dns(dns) => self::dns(dns, &mut table),
        Probe::Udp(udp) => self::udp(udp, &mut table),
        Probe::Ping(ping) => table.unless(0, "size", ping.size),
        Probe::Misc(misc) => {
            table.value("command", command(&misc.script.command));
            table.maybe("user", misc.script.user.as_ref());
            table.maybe("group", misc.script.group.as_ref());
            table.flag("dynamic", misc.dynamic);
        }
        Probe::File(file) => {
            table.text("path", &file.path);
            table.unless(1, "weight", file.weight);
        }
        Probe::Grpc(grpc) => {
            if !grpc.service.is_empty() {
                table.text("service", &grpc.service);
            }
            table.maybe("host", grpc.host.as_ref());
            tls(grpc.tls.as_ref(), &mut table);
        }
    }
    self::target(target, &mut table);
    self::timing(timing, &mut table);
    table
}

fn name(probe: &Probe) -> &'static str {
    match probe {
        Probe::Tcp => "tcp",
        Probe::Http(http) if http.tls.is_some() => "https",
        Probe::Http(_) => "http",
        Probe::Smtp(_) => "smtp",
        Probe::Dns(_) => "dns",
        Probe::Udp(_) => "udp",
        Probe::Ping(_) => "ping",
        Probe::Misc(_) => "misc",
        Probe::File(_) => "file",
        Probe::Grpc(_) => "grpc",
    }
}

fn http(http: &HttpProbe, table: &mut Table) {
    let usual = HttpProbe::default();
    if http.path != usual.path {
        table.text("path", &http.path);
    }
    if http.method != usual.method {
        table.text("method", &http.method);
    }
    table.maybe("host", http.host.as_ref());
    if !http.headers.is_empty() {
        let headers = http.headers.iter().map(|(name, value)| quoted(&format!("{name}: {value}")));
        table.value("headers", array(headers));
    }
    if !http.status.is_empty() {
        let one = |status: &StatusRange| match status {
            StatusRange { first, last } if first == last => first.to_string(),
            StatusRange { first, last } => quoted(&format!("{first}-{last}")),
        };
        table.value("status", array(http.status.iter().map(one)));
    }
    table.maybe("digest", http.digest.as_ref());
    table.maybe("regex", http.regex.as_ref());
    table.maybe("regex_no_match", http.regex_no_match.as_ref());
    if http.version != usual.version
        && let Some((name, _)) = HTTP_VERSIONS.iter().find(|(_, version)| *version == http.version)
    {
        table.text("version", name);
    }
    if let Some(said) = &http.tls {
        of_tls(said, table);
    }
}

/// Of a probe that may be without.
fn tls(tls: Option<&Tls>, table: &mut Table) {
    if let Some(said) = tls {
        table.flag("tls", true);
        of_tls(said, table);
    }
}

fn of_tls(tls: &Tls, table: &mut Table) {
    table.maybe("server_name", tls.name.as_ref());
    table.unless(true, "sni", !tls.no_sni);
    table.flag("verify", tls.verify);
    table.maybe("ca", tls.ca.as_ref());
    table.maybe("certificate", tls.certificate.as_ref());
    table.maybe("key", tls.key.as_ref());
}

fn dns(dns: &DnsProbe, table: &mut Table) {
    let usual = DnsProbe::default();
    if dns.record != DnsType::default()
        && let Some((name, _)) = RECORDS.iter().find(|(_, record)| *record == dns.record)
    {
        table.text("record", name);
    }
    if dns.name != usual.name {
        table.text("name", &dns.name);
    }
    table.maybe("expect", dns.expect.as_ref());
    table.flag("tcp", dns.tcp);
}

fn udp(udp: &UdpProbe, table: &mut Table) {
    table.maybe("payload", udp.payload.as_ref());
    table.flag("require_reply", udp.require_reply);
    table.maybe("expect", udp.expect.as_ref());
    table.unless(0, "min_reply_length", udp.min_reply_length);
    table.unless(0, "max_reply_length", udp.max_reply_length);
}

fn target(target: &Target, table: &mut Table) {
    if let Some(address) = target.address {
        table.text("address", &address.to_string());
    }
    if let Some(port) = target.port {
        table.value("port", port);
    }
    if let Some(from) = target.from {
        table.text("from", &from.to_string());
    }
    if let Some(port) = target.from_port {
        table.value("from_port", port);
    }
    table.maybe("interface", target.interface.as_ref());
    table.unless(0, "mark", target.mark);
    table.flag("through_data_path", target.through_data_path);
}

fn timing(timing: &Timing, table: &mut Table) {
    let usual = Timing::default();
    table.time("interval", timing.interval_ms, usual.interval_ms);
    table.time("timeout", timing.timeout_ms, usual.timeout_ms);
    table.time("connect_timeout", timing.connect_timeout_ms, 0);
    table.unless(usual.fall, "fall", timing.fall);
    table.unless(usual.rise, "rise", timing.rise);
    table.time("retry_interval", timing.retry_interval_ms, usual.retry_interval_ms.min(timing.interval_ms));
    table.time("warmup", timing.warmup_ms, timing.interval_ms);
    table.flag("fast_recovery", timing.fast_recovery);
    table.flag("alpha", timing.alpha);
    table.flag("log_all_failures", timing.log_all_failures);
}
