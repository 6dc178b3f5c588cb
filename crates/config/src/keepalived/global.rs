//! `global_defs`: what counts for all, and the defaults of virtual routers.

use super::{
    Statement,
    keywords::Context,
    reading::{Reading, keep},
};
use crate::report::Fault;
use relvs_model::{
    Timeouts,
    health::Mail,
    vrrp::{Announcements, Version},
};

/// The longest of times: a day.
const LONGEST_MS: u32 = 86_400_000;

/// What counts for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Globals {
    /// How the machine is called in mails (router_id).
    pub router_id: Option<String>,
    /// As whom scripts are run that do not say it (script_user).
    pub script_user: Option<(String, Option<String>)>,
    /// Mail about virtual routers, unless they say otherwise (smtp_alert_vrrp, smtp_alert).
    pub alert_vrrp: bool,
    /// Mail about servers, unless they say otherwise (smtp_alert_checker, smtp_alert).
    pub alert_checker: Option<bool>,
}

/// Who is told of what happens.
#[derive(Default)]
pub(super) struct Told {
    /// lvs_notify_fifo, or notify_fifo
    pub(super) checker_fifo: Option<String>,
    /// vrrp_notify_fifo, or notify_fifo
    pub(super) vrrp_fifo: Option<String>,
    pub(super) mail: Option<Mail>,
}

/// Defaults of virtual routers and services.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    pub(super) interface: Option<String>,
    pub(super) version: Version,
    pub(super) strict: bool,
    pub(super) skip_check_adv_addr: bool,
    pub(super) check_unicast_src: bool,
    pub(super) v3_checksum_as_v2: bool,
    pub(super) lower_prio_no_advert: bool,
    pub(super) higher_prio_send_advert: bool,
    pub(super) owner_ignore_adverts: bool,
    pub(super) down_timer_adverts: u8,
    pub(super) notify_priority_changes: bool,
    pub(super) announcements: Announcements,
    pub(super) startup_delay_ms: u32,
    pub(super) log_all_failures: bool,
    /// Of IPVS (lvs_timeouts).
    pub(super) timeouts: Timeouts,
}

impl Default for Defaults {
    fn default() -> Self {
        Defaults {
            interface: None,
            version: Version::V2,
            strict: false,
            skip_check_adv_addr: false,
            check_unicast_src: false,
            v3_checksum_as_v2: false,
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            owner_ignore_adverts: false,
            down_timer_adverts: 3,
            notify_priority_changes: false,
            announcements: Announcements::default(),
            startup_delay_ms: 0,
            log_all_failures: false,
            timeouts: Timeouts::default(),
        }
    }
}

/// Mail as it is written.
#[derive(Default)]
struct MailDraft {
    to: Vec<String>,
    from: Option<String>,
    server: Option<(String, u16)>,
    helo: Option<String>,
    timeout_ms: Option<u32>,
}

/// Reads all `global_defs`.
pub(super) fn global(blocks: &[&Statement], reading: &mut Reading<'_>) -> (Globals, Defaults, Told) {
    let (mut globals, mut defaults, mut mail) = (Globals::default(), Defaults::default(), MailDraft::default());
    let (mut alert, mut alert_vrrp, mut min_garp) = (None, None, false);
    let (mut fifo, mut vrrp_fifo, mut lvs_fifo) = (None, None, None);
    let lines: Vec<&Statement> = blocks.iter().flat_map(|block| reading.block(block)).collect();
    for &line in &lines {
        let Some(keyword) = reading.keyword(Context::Global, line) else { continue };
        match keyword {
            "router_id" => keep(&mut globals.router_id, text(line, reading)),
            "notification_email" => {
                let words = reading.block(line).iter().flat_map(|to| std::iter::once(&to.keyword).chain(&to.arguments));
                let before = mail.to.len();
                mail.to.extend(words.map(|word| word.text.clone()));
                if line.block.is_some() && mail.to.len() == before {
                    let fault = Fault::new("notification_email names nobody");
                    reading.complaint(line.keyword.place, fault.help("add an address, or remove the block"));
                }
            }
            "notification_email_from" => keep(&mut mail.from, text(line, reading)),
            "smtp_server" => keep(&mut mail.server, server(line, reading)),
            "smtp_helo_name" => keep(&mut mail.helo, text(line, reading)),
            "smtp_connect_timeout" => keep(&mut mail.timeout_ms, reading.whole_seconds(line, 1..=LONGEST_MS)),
            "smtp_alert" => keep(&mut alert, reading.boolean(line)),
            "smtp_alert_vrrp" => keep(&mut alert_vrrp, reading.boolean(line)),
            "smtp_alert_checker" => keep(&mut globals.alert_checker, reading.boolean(line)),
            "script_user" => keep(&mut globals.script_user, reading.user(line)),
            "lvs_timeouts" => timeouts(line, &mut defaults.timeouts, reading),
            "notify_fifo" => keep(&mut fifo, text(line, reading)),
            "vrrp_notify_fifo" => keep(&mut vrrp_fifo, text(line, reading)),
            "lvs_notify_fifo" => keep(&mut lvs_fifo, text(line, reading)),
            // One that says no does not take another back.
            "vrrp_min_garp" => min_garp |= reading.boolean(line).unwrap_or(false),
            _ => vrrp(keyword, line, &mut defaults, reading),
        }
    }
    if min_garp {
        // They are what holds where nothing is said, wherever it stands.
        let unsaid = |keyword: &str| lines.iter().all(|line| line.keyword.text != keyword);
        let usual = &mut defaults.announcements;
        for (keyword, value, least) in [
            ("vrrp_garp_master_repeat", &mut usual.repeat, 1),
            ("vrrp_garp_master_delay", &mut usual.delay_ms, 0),
            ("vrrp_garp_master_refresh_repeat", &mut usual.refresh_repeat, 0),
        ] {
            if unsaid(keyword) {
                *value = least;
            }
        }
    }
    globals.alert_vrrp = alert_vrrp.or(alert).unwrap_or(false);
    globals.alert_checker = globals.alert_checker.or(alert);
    let (vrrp_fifo, checker_fifo) = (vrrp_fifo.or_else(|| fifo.clone()), lvs_fifo.or(fifo));
    let told = Told { checker_fifo, vrrp_fifo, mail: mail.made(&globals) };
    (globals, defaults, told)
}

impl MailDraft {
    /// Without recipients or a server nobody is written to.
    fn made(self, globals: &Globals) -> Option<Mail> {
        let (server, port) = self.server?;
        if self.to.is_empty() {
            return None;
        }
        let name = globals.router_id.as_deref().unwrap_or("localhost");
        Some(Mail {
            server,
            port,
            from: self.from.unwrap_or_else(|| format!("keepalived@{name}")),
            to: self.to,
            helo: self.helo,
            encryption: relvs_model::health::Encryption::None,
            login: None,
            timeout_ms: self.timeout_ms.unwrap_or(30_000),
        })
    }
}

/// Defaults of virtual routers.
fn vrrp(keyword: &str, line: &Statement, defaults: &mut Defaults, reading: &mut Reading<'_>) {
    let announcements = &mut defaults.announcements;
    let switch = match keyword {
        "vrrp_strict" => &mut defaults.strict,
        "vrrp_skip_check_adv_addr" => &mut defaults.skip_check_adv_addr,
        "vrrp_check_unicast_src" => &mut defaults.check_unicast_src,
        "v3_checksum_as_v2" => &mut defaults.v3_checksum_as_v2,
        "vrrp_lower_prio_no_advert" => &mut defaults.lower_prio_no_advert,
        "vrrp_higher_prio_send_advert" => &mut defaults.higher_prio_send_advert,
        "vrrp_owner_ignore_adverts" => &mut defaults.owner_ignore_adverts,
        "vrrp_notify_priority_changes" => &mut defaults.notify_priority_changes,
        "checker_log_all_failures" => &mut defaults.log_all_failures,
        // Mail is of servers that come and go, not of their checks, with no_checker_emails or without.
        "no_checker_emails" | "enable_script_security" | "include_check" => return,
        "default_interface" => return keep(&mut defaults.interface, text(line, reading)),
        "vrrp_version" => {
            let versions = [("2", Version::V2), ("3", Version::V3)];
            defaults.version = reading.choice(line, 0, &versions).unwrap_or(defaults.version);
            return;
        }
        "vrrp_down_timer_adverts" => {
            let found = reading.integer(line, 0, 1..=100);
            defaults.down_timer_adverts = found.unwrap_or(defaults.down_timer_adverts);
            return;
        }
        "vrrp_startup_delay" => {
            never(line, reading);
            defaults.startup_delay_ms = reading.seconds(line, 0, 0..=LONGEST_MS).unwrap_or(0);
            return;
        }
        "vrrp_gna_interval" => {
            never(line, reading);
            announcements.gna_interval_ms = reading.seconds(line, 0, 0..=1_000_000).unwrap_or(0);
            return;
        }
        "vrrp_garp_interval" => {
            never(line, reading);
            announcements.garp_interval_ms = reading.seconds(line, 0, 0..=1_000_000).unwrap_or(0);
            return;
        }
        _ => {
            if let Some(own) = keyword.strip_prefix("vrrp_") {
                announcement(own, line, announcements, reading);
            }
            return;
        }
    };
    *switch = reading.boolean(line).unwrap_or(*switch);
}

/// How neighbours are told; of an instance or of all. Gives whether the keyword was about that.
pub(super) fn announcement(
    keyword: &str,
    line: &Statement,
    announcements: &mut Announcements,
    reading: &mut Reading<'_>,
) -> bool {
    let whole = 0..=3_600_000;
    match keyword {
        "garp_master_delay" => {
            announcements.delay_ms = reading.whole_seconds(line, whole).unwrap_or(announcements.delay_ms);
        }
        "garp_master_repeat" => {
            announcements.repeat = reading.integer(line, 0, 1..=u32::MAX).unwrap_or(announcements.repeat);
        }
        "garp_master_refresh" => {
            announcements.refresh_ms = reading.whole_seconds(line, 0..=LONGEST_MS).unwrap_or(announcements.refresh_ms);
        }
        "garp_master_refresh_repeat" => {
            let found = reading.integer(line, 0, 1..=u32::MAX);
            announcements.refresh_repeat = found.unwrap_or(announcements.refresh_repeat);
        }
        "garp_lower_prio_delay" => keep(&mut announcements.lower_prio_delay_ms, reading.whole_seconds(line, whole)),
        "garp_lower_prio_repeat" => keep(&mut announcements.lower_prio_repeat, reading.integer(line, 0, 0..=u32::MAX)),
        _ => return false,
    }
    true
}

/// keepalived takes 0 for no value at all, which is what counts without the keyword too.
fn never(line: &Statement, reading: &mut Reading<'_>) {
    if line.arguments.first().is_some_and(|word| word.text.parse() == Ok(0.0)) {
        let fault = Fault::new(format!("keepalived calls 0 invalid for `{}`", line.keyword.text));
        reading.complaint(Reading::place(line, 0), fault.help("remove the line: it is 0 without it"));
    }
}

fn text(line: &Statement, reading: &mut Reading<'_>) -> Option<String> {
    reading.word(line, 0, "a word").map(str::to_owned)
}

fn server(line: &Statement, reading: &mut Reading<'_>) -> Option<(String, u16)> {
    let name = text(line, reading)?;
    let port = match line.arguments.get(1) {
        Some(_) => reading.integer(line, 1, 1..=u16::MAX)?,
        None => 25,
    };
    Some((name, port))
}

/// `tcp SECS`, `tcpfin SECS`, `udp SECS`, in any order.
fn timeouts(line: &Statement, timeouts: &mut Timeouts, reading: &mut Reading<'_>) {
    if line.arguments.is_empty() {
        let fault = Fault::new("`lvs_timeouts` says no time");
        reading.complaint(line.keyword.place, fault.help("write as in `lvs_timeouts tcp 900 tcpfin 120 udp 300`"));
    }
    for at in (0..line.arguments.len()).step_by(2) {
        let choices = [("tcp", 0), ("tcpfin", 1), ("udp", 2)];
        let Some(which) = reading.choice(line, at, &choices) else { return };
        let Some(seconds) = reading.integer(line, at + 1, 1..=Timeouts::LONGEST_S) else { return };
        match which {
            0 => timeouts.tcp_s = seconds,
            1 => timeouts.tcp_fin_s = seconds,
            _ => timeouts.udp_s = seconds,
        }
    }
}
