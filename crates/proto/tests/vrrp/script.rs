//! The words of recorded cases: settings, what happens, and what the machine does, as text.

use relvs_model::vrrp::{
    InitialState, Instance, Settings, SyncGroup, TrackSource, Tracked, Unicast, UnicastPeer, Version, VirtualAddress,
    VirtualMac,
};
use relvs_proto::vrrp::{
    Action, Command, Datagram, Input, Outcome, Router,
    packet::{Advert, Authentication, Form, Packet},
};
use std::{collections::BTreeMap, net::IpAddr, time::Duration};

/// `key=value` and single words; a value of several is separated by commas.
fn options(words: &str) -> BTreeMap<&str, &str> {
    words.split_whitespace().map(|word| word.split_once('=').unwrap_or((word, ""))).collect()
}

fn list<T: std::str::FromStr>(text: &str) -> Vec<T> {
    text.split(',').map(|word| word.parse().unwrap_or_else(|_| panic!("`{word}` in `{text}`"))).collect()
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("`{text}` is no number"))
}

fn ms(seconds: &str) -> u32 {
    (number::<f64>(seconds) * 1e3).round() as u32
}

/// `script:name:weight`, with `:reverse`.
fn tracked(text: &str) -> Tracked {
    let mut parts = text.split(':');
    let (kind, name) = (parts.next().unwrap(), parts.next().unwrap_or_default().to_owned());
    let weight = parts.next().map_or(0, number);
    Tracked { source: source(kind, name), weight, reverse: parts.next().is_some() }
}

fn source(kind: &str, name: String) -> TrackSource {
    match kind {
        "interface" => TrackSource::Interface(name),
        "script" => TrackSource::Script(name),
        "file" => TrackSource::File(name),
        "process" => TrackSource::Process(name),
        "health" => TrackSource::Health(name),
        other => panic!("`{other}` is nothing to track"),
    }
}

fn instance(words: &str) -> Instance {
    let mut instance = Instance {
        name: "web".into(),
        interface: "eth0".into(),
        router_id: 51,
        addresses: vec![VirtualAddress::new("192.0.2.100".parse().unwrap())],
        ..Instance::default()
    };
    instance.announcements.delay_ms = 0;
    instance.announcements.repeat = 1;
    instance.announcements.lower_prio_repeat = Some(0);
    for (key, value) in options(words) {
        match key {
            "name" => instance.name = value.into(),
            "interface" => instance.interface = value.into(),
            "id" => instance.router_id = number(value),
            "version" => instance.version = if value == "2" { Version::V2 } else { Version::V3 },
            "state" => instance.state = if value == "MASTER" { InitialState::Master } else { InitialState::Backup },
            "priority" => instance.priority = number(value),
            "every" => instance.advert_interval_ms = ms(value),
            "nopreempt" => instance.nopreempt = true,
            "preempt-delay" => instance.preempt_delay_ms = ms(value),
            "pass" => instance.auth_pass = Some(value.into()),
            "addresses" => instance.addresses = list(value).into_iter().map(VirtualAddress::new).collect(),
            "excluded" => instance.excluded = list(value).into_iter().map(VirtualAddress::new).collect(),
            "source" => instance.source = Some(number(value)),
            "peers" => {
                let unicast = instance.unicast.get_or_insert_with(Unicast::default);
                unicast.peers = list(value).into_iter().map(UnicastPeer::new).collect();
            }
            "check-source" => instance.unicast.get_or_insert_with(Unicast::default).check_source = true,
            "strict" => instance.strict = true,
            "plain" => instance.v3_checksum_as_v2 = true,
            "lower-prio-no-advert" => instance.lower_prio_no_advert = true,
            "higher-prio-send-advert" => instance.higher_prio_send_advert = true,
            "owner-ignores" => instance.owner_ignore_adverts = true,
            "down-adverts" => instance.down_timer_adverts = number(value),
            "repeat" => instance.announcements.repeat = number(value),
            "delay" => instance.announcements.delay_ms = ms(value),
            "refresh" => instance.announcements.refresh_ms = ms(value),
            "lower-repeat" => instance.announcements.lower_prio_repeat = Some(number(value)),
            "garp-interval" => instance.announcements.garp_interval_ms = ms(value),
            "track" => instance.track = value.split(',').map(tracked).collect(),
            "untracked" => instance.dont_track_primary = true,
            "virtual-mac" => instance.virtual_mac = Some(VirtualMac::default()),
            "arbiter" => instance.arbiter = Some(tracked(value).source),
            "tell-priorities" => instance.notify.priority_changes = true,
            other => panic!("`{other}` is no setting of a router"),
        }
    }
    instance
}

/// The settings that the head lines of a case say.
pub(crate) fn settings(heads: &[String]) -> Settings {
    let mut settings = Settings::default();
    for head in heads {
        match head.split_once(' ').unwrap_or((head, "")) {
            ("router", words) => settings.instances.push(instance(words)),
            ("group", words) => {
                let mut words = words.split_whitespace().map(str::to_owned);
                let name = words.next().unwrap_or_default();
                settings.groups.push(SyncGroup { name, members: words.collect(), ..SyncGroup::default() });
            }
            ("startup-delay", seconds) => settings.startup_delay_ms = ms(seconds),
            _ => panic!("`{head}`"),
        }
    }
    settings
}

/// A machine to which things happen.
pub(crate) struct Run {
    router: Router,
    settings: Settings,
}

impl Run {
    pub(crate) fn new(settings: &Settings) -> Self {
        Run { router: Router::new(settings), settings: settings.clone() }
    }

    /// Lets time pass up to a moment, and that moment's timers.
    pub(crate) fn until(&mut self, at: Duration) -> Vec<String> {
        let mut said = Vec::new();
        for _ in 0..10_000 {
            match self.router.poll_timeout() {
                Some(next) if next <= at => {
                    self.router.handle_timeout(next);
                    said.extend(self.said(next));
                    assert!(self.router.poll_timeout().is_none_or(|after| after > next), "a timer that does not end");
                }
                _ => return said,
            }
        }
        panic!("too many timers: {said:?}");
    }

    /// Other settings.
    pub(crate) fn reload(&mut self, at: Duration, heads: &[String]) -> Vec<String> {
        self.settings = settings(heads);
        self.router.reconfigure(at, &self.settings);
        self.said(at)
    }

    /// Something happens.
    pub(crate) fn happens(&mut self, at: Duration, what: &str) -> Vec<String> {
        let words: Vec<&str> = what.split_whitespace().collect();
        let mut handle = |input| self.router.handle(at, input);
        match words[..] {
            // All that an instance needs, and the beginning.
            ["start"] => {
                for instance in &self.settings.instances {
                    handle(Input::Interface { name: &instance.interface, up: true });
                    let is_ipv6 = instance.is_ipv6();
                    let address = if is_ipv6 { "fe80::1" } else { "192.0.2.1" }.parse().ok();
                    handle(Input::Source { interface: &instance.interface, is_ipv6, address });
                }
                handle(Input::Start);
            }
            ["begin"] => handle(Input::Start),
            ["stop"] => handle(Input::Stop { hand_over: false }),
            ["stop", "hand-over"] => handle(Input::Stop { hand_over: true }),
            ["up", name] => handle(Input::Interface { name, up: true }),
            ["down", name] => handle(Input::Interface { name, up: false }),
            ["source", interface, address] => {
                let address: Option<IpAddr> = address.parse().ok();
                let is_ipv6 = address.is_some_and(|address| address.is_ipv6());
                handle(Input::Source { interface, is_ipv6, address });
            }
            [kind, name, "well"] => {
                handle(Input::Tracked { source: &source(kind, name.into()), outcome: Outcome::Well });
            }
            [kind, name, "failed"] => {
                handle(Input::Tracked { source: &source(kind, name.into()), outcome: Outcome::Failed });
            }
            [kind, name, "says", says] => {
                let outcome = Outcome::Number(number(says));
                handle(Input::Tracked { source: &source(kind, name.into()), outcome });
            }
            ["claim", address] => {
                handle(Input::Claimed { interface: "eth0", address: number(address), by: [2, 0, 0, 0, 0, 9] });
            }
            ["claim", address, "virtual-mac"] => {
                handle(Input::Claimed { interface: "eth0", address: number(address), by: [0, 0, 0x5e, 0, 1, 51] });
            }
            ["lost", address] => handle(Input::AddressLost { interface: "eth0", address: number(address) }),
            ["failover", name] => return self.command(at, name, Command::FailOver),
            ["maintain", name] => return self.command(at, name, Command::Maintain),
            ["release", name] => return self.command(at, name, Command::Release),
            ["show"] => return self.shown(at),
            ["end"] => {}
            ["hear", from, ref options @ ..] => self.hear(at, number(from), &options.join(" ")),
            _ => panic!("`{what}` is nothing that happens"),
        }
        self.said(at)
    }

    fn command(&mut self, at: Duration, name: &str, command: Command) -> Vec<String> {
        match self.router.command(at, name, command) {
            Ok(()) => self.said(at),
            Err(refused) => vec![format!("refused: {refused}")],
        }
    }

    fn hear(&mut self, at: Duration, from: IpAddr, words: &str) {
        let settings = &self.settings.instances[0];
        let group: IpAddr = if from.is_ipv6() { "ff02::12" } else { "224.0.0.18" }.parse().unwrap();
        let mut advert = Advert {
            version: settings.spoken_version(),
            router_id: settings.router_id,
            priority: 100,
            interval: Duration::from_millis(settings.advert_interval_ms.into()),
            authentication: settings.auth_pass.as_deref().map_or(Authentication::None, Authentication::password),
            addresses: settings.addresses.iter().map(|address| address.address).collect(),
        };
        let (mut to, mut ttl, mut form) = (group, Some(255), Form::Pseudo);
        let (mut interface, mut flip, mut cut) = (settings.interface.clone(), None, 0);
        for (key, value) in options(words) {
            match key {
                "priority" => advert.priority = number(value),
                "every" => advert.interval = Duration::from_millis(ms(value).into()),
                "version" => advert.version = if value == "2" { Version::V2 } else { Version::V3 },
                "id" => advert.router_id = number(value),
                "pass" if value.is_empty() => advert.authentication = Authentication::None,
                "pass" => advert.authentication = Authentication::password(value),
                "kind" => advert.authentication = Authentication::Other(number(value)),
                "addresses" => advert.addresses = list(value),
                "ttl" => ttl = Some(number(value)),
                "to" => to = number(value),
                "plain" => form = Form::Plain,
                "on" => interface = value.into(),
                "flip" => flip = Some(number::<usize>(value)),
                "cut" => cut = number(value),
                other => panic!("`{other}` is nothing an advert has"),
            }
        }
        let mut payload = advert.bytes(from, to, form);
        payload.truncate(payload.len() - cut);
        if let Some(at) = flip {
            payload[at] ^= 0x40;
        }
        let datagram = Datagram { interface: &interface, source: from, destination: to, ttl, payload: &payload };
        self.router.handle(at, Input::Datagram(datagram));
    }

    /// State, waiting time and counts that are not 0.
    fn shown(&self, at: Duration) -> Vec<String> {
        let status = self.router.status(at);
        let mut lines = Vec::new();
        for instance in &status.instances {
            let next = self.router.poll_timeout().map_or_else(|| "none".into(), seconds);
            let master = instance.master.as_ref().map_or_else(|| "none".into(), |master| master.address.to_string());
            lines.push(format!(
                "{} {} priority {} interval {} master {master} next {next}: {}",
                instance.name,
                instance.state,
                instance.effective_priority,
                seconds(Duration::from_millis(instance.master_advert_interval_ms.into())),
                instance.why,
            ));
            for condition in &instance.conditions {
                lines.push(format!("condition {} {} x{}", condition.kind.name(), condition.who, condition.count));
            }
            let counts = format!("{:?}", instance.statistics);
            let counts = counts.trim_start_matches("Statistics {").trim_end_matches('}').split(',');
            let counts: Vec<&str> = counts.map(str::trim).filter(|count| !count.ends_with(": 0")).collect();
            lines.push(format!("counts {}", counts.join(", ")));
        }
        lines.extend(status.groups.iter().map(|group| format!("{} {}", group.name, group.state)));
        if status.unknown_router + status.too_short != 0 {
            lines.push(format!("unknown {}, too short {}", status.unknown_router, status.too_short));
        }
        lines
    }

    /// What the machine does, as lines; equal ones in a row as one.
    fn said(&mut self, at: Duration) -> Vec<String> {
        let mut lines: Vec<(String, usize)> = Vec::new();
        while let Some(action) = self.router.poll() {
            let text = text(&action);
            match lines.last_mut() {
                Some((last, count)) if *last == text => *count += 1,
                _ => lines.push((text, 1)),
            }
        }
        let line = |(text, count): (String, usize)| match count {
            1 => format!("{} {text}", seconds(at)),
            count => format!("{} {text} x{count}", seconds(at)),
        };
        lines.into_iter().map(line).collect()
    }
}

fn seconds(time: Duration) -> String {
    let text = format!("{:.6}", time.as_secs_f64());
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { short.trim_end_matches('.').to_owned() } else { short.to_owned() }
}

fn addresses(instance: &Instance) -> String {
    let all = instance.addresses.iter().chain(&instance.excluded);
    all.map(|address| address.address.to_string()).collect::<Vec<_>>().join(" ")
}

/// What the machine does, in a line.
pub(crate) fn text(action: &Action) -> String {
    match action {
        Action::Transmit(transmit) => {
            let packet = Packet::new(&transmit.payload, transmit.source, transmit.destination).unwrap();
            let list: Vec<String> = packet.addresses().map(|address| address.to_string()).collect();
            format!(
                "send {} -> {} ttl {} v{} id {} priority {} every {} {}",
                transmit.source,
                transmit.destination,
                transmit.ttl,
                packet.version().number(),
                packet.router_id(),
                packet.priority(),
                seconds(packet.interval()),
                list.join(" "),
            )
        }
        Action::AddAddresses(instance) => format!("add {}", addresses(instance)),
        Action::RemoveAddresses(instance) => format!("remove {}", addresses(instance)),
        Action::LeaveVirtualMac(instance) => format!("leave the virtual MAC of {}", instance.name),
        Action::RestoreRoutes(instance) => format!("restore the routes of {}", instance.name),
        Action::Announce { interface, address } => format!("announce {address} on {interface}"),
        Action::Notify(notification) => format!("tell {notification}"),
        Action::Log { name, level, text } => format!("log {level:?} {name}: {text}"),
    }
}
