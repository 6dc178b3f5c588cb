//! A command line to what it asks for, or to the message and exit code of ipvsadm 1.31.
//!
//! Faults are found in the original's order: each option by itself as it comes, then words that are left over, then
//! what the command lacks or does not take, then what does not fit together. Whether a service or server is there is for
//! [`apply`](crate::apply) to say.

use crate::{
    Change, Command, Daemon, DaemonRole, Failure, Format, Id, Kind, Listed, Listing, Names, ServerSpec, ServiceSpec,
    Tunnel, TunnelChecksum, Use, endpoint,
    names::cut,
    number::{atoi, inet_pton4, inet_pton6, within},
    option::{Entry, Role},
    popt::Words,
    tunnel,
};
use relvs_model::{Method, Netmask, Persistence, Protocol, Scheduler, SchedulerFlags, ServiceKey};
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

/// The largest weight and threshold: those of the kernel's signed numbers.
const LARGEST: i64 = i32::MAX as i64;
/// Bytes of names that the kernel and the original hold; longer ones are cut off.
const SCHEDULER_LENGTH: usize = 15;
const ENGINE_LENGTH: usize = 16;
const INTERFACE_LENGTH: usize = 15;
const FLAGS_LENGTH: usize = 127;
/// The largest UDP payload of an IPv4 packet.
const MAX_LENGTH: i64 = 65535 - 20 - 8;

/// Reads a command line without its first word, which is `program`. An empty one asks for the table.
///
/// # Errors
///
/// It is no command line. The failure has the original's message, in which `program` may be named, and exit code.
pub fn parse(program: &str, arguments: &[String], names: &dyn Names) -> Result<Command, Failure> {
    if arguments.is_empty() {
        return Ok(Command::List(Listing { of: Listed::Services, format: Format::default() }));
    }
    let mut words = Words::new(arguments);
    let first = words.option().ok().flatten().ok_or_else(|| Failure::try_help(program))?;
    let mut draft = match first.0.role {
        Role::Command(kind) => Draft::new(kind),
        Role::Help => return Ok(Command::Help),
        Role::Version => return Ok(Command::Version),
        Role::Says(_) | Role::Six | Role::Sort => return Err(Failure::try_help(program)),
    };
    draft.role = role(draft.kind, first.1.as_deref())?;
    loop {
        match words.option() {
            Ok(None) => break,
            Ok(Some((entry, value))) => draft.take(entry, value.as_deref(), words.current(), names)?,
            Err(wrong) => {
                let stderr = format!("{}: {}\n", words.current(), wrong.text());
                return Err(Failure { stderr, exit: 255, ends: false });
            }
        }
    }
    draft.finish(&words.leftovers)
}

fn role(kind: Kind, value: Option<&str>) -> Result<DaemonRole, Failure> {
    match (kind, value) {
        (Kind::StartDaemon | Kind::StopDaemon, Some("backup")) => Ok(DaemonRole::Backup),
        (Kind::StartDaemon, Some(other)) if other != "master" => {
            Err(Failure::line("illegal start-daemon parameter specified"))
        }
        (Kind::StopDaemon, Some(other)) if other != "master" => Err(Failure::line("illegal start_daemon specified")),
        _ => Ok(DaemonRole::Master),
    }
}

/// A command line that is not read to its end yet.
struct Draft {
    kind: Kind,
    role: DaemonRole,
    said: BTreeSet<Id>,
    format: Format,
    protocol: Option<Protocol>,
    /// The service's address, if it has one.
    address: Option<IpAddr>,
    port: u16,
    /// The service's mark and whether it is IPv6's.
    mark: Option<(u32, bool)>,
    scheduler: String,
    flags: String,
    timeout_s: Option<u32>,
    netmask: Netmask,
    engine: String,
    server: Option<SocketAddr>,
    method: Method,
    weight: u32,
    upper_threshold: u32,
    lower_threshold: u32,
    tunnel: tunnel::Draft,
    daemon: Daemon,
}

impl Draft {
    fn new(kind: Kind) -> Self {
        Draft {
            kind,
            role: DaemonRole::Master,
            said: BTreeSet::new(),
            format: Format::default(),
            protocol: None,
            address: None,
            port: 0,
            mark: None,
            scheduler: String::new(),
            flags: String::new(),
            timeout_s: None,
            netmask: Netmask::host(true),
            engine: String::new(),
            server: None,
            method: Method::Dr,
            weight: 1,
            upper_threshold: 0,
            lower_threshold: 0,
            tunnel: tunnel::Draft::default(),
            daemon: Daemon {
                role: DaemonRole::Master,
                interface: String::new(),
                sync_id: 0,
                max_length: None,
                group: None,
                port: None,
                ttl: None,
            },
        }
    }

    fn take(&mut self, entry: &Entry, value: Option<&str>, word: &str, names: &dyn Names) -> Result<(), Failure> {
        match entry.role {
            Role::Says(id) => {
                if !self.said.insert(id) {
                    return Err(Failure::line(&format!("multiple '{}' options specified", id.name())));
                }
                self.say(id, entry, value.unwrap_or_default(), value.is_some(), names)
            }
            Role::Six => match &mut self.mark {
                Some((_, six)) => {
                    *six = true;
                    self.netmask = Netmask::host(false);
                    Ok(())
                }
                None => Err(Failure::line("-6 used before -f\n")),
            },
            Role::Sort => Ok(()),
            Role::Command(_) | Role::Help | Role::Version => Err(Failure::line(&format!("invalid option `{word}'"))),
        }
    }

    /// Takes what one option says.
    fn say(&mut self, id: Id, entry: &Entry, value: &str, given: bool, names: &dyn Names) -> Result<(), Failure> {
        let number = |least, most, what: &str| {
            within(value, least, most).ok_or_else(|| Failure::line(&format!("illegal {what} specified")))
        };
        match id {
            Id::Service => self.service(entry, value, names)?,
            Id::Scheduler => self.scheduler = cut(value, SCHEDULER_LENGTH),
            Id::SchedulerFlags => self.flags = cut(value, FLAGS_LENGTH),
            Id::PersistenceEngine => self.engine = cut(value, ENGINE_LENGTH),
            Id::Persistent => {
                self.timeout_s = Some(if given { timeout(value, 1)? } else { Persistence::DEFAULT_TIMEOUT_S });
            }
            Id::Netmask => self.netmask = self.mask(value, names)?,
            Id::Server => self.server = Some(self.endpoint(value, names)?),
            Id::Forward => {
                self.method = match entry.short {
                    Some('i') => Method::Tun,
                    Some('m') => Method::Nat,
                    _ => Method::Dr,
                };
            }
            Id::Weight => self.weight = number(0, LARGEST, "weight")? as u32,
            Id::UpperThreshold => self.upper_threshold = number(0, LARGEST, "u_threshold")? as u32,
            Id::LowerThreshold => self.lower_threshold = number(0, LARGEST, "l_threshold")? as u32,
            Id::McastInterface => self.daemon.interface = cut(value, INTERFACE_LENGTH),
            Id::SyncId => self.daemon.sync_id = number(0, 255, "syncid")? as u8,
            Id::McastGroup => self.daemon.group = Some(group(value)?),
            Id::McastPort => self.daemon.port = Some(number(1, 65535, "mcast-port")? as u16),
            Id::McastTtl => self.daemon.ttl = Some(number(1, 255, "mcast-ttl")? as u8),
            Id::SyncMaxlen => self.daemon.max_length = Some(number(1, MAX_LENGTH, "sync-maxlen")? as u16),
            Id::TunType => {
                self.tunnel.kind =
                    tunnel::Kind::named(value).ok_or_else(|| Failure::line("illegal tunnel type specified"))?;
            }
            Id::TunPort => self.tunnel.port = number(1, 65535, "tunnel port")? as u16,
            Id::TunCsum => self.tunnel.checksum = TunnelChecksum::Plain,
            Id::TunRemCsum => self.tunnel.checksum = TunnelChecksum::Remote,
            Id::Numeric => self.format.numeric = true,
            Id::Stats => self.format.stats = true,
            Id::Rate => self.format.rate = true,
            Id::Thresholds => self.format.thresholds = true,
            Id::PersistentConn => self.format.persistent_conn = true,
            Id::NoSort => self.format.no_sort = true,
            Id::Exact => self.format.exact = true,
            Id::TunInfo => self.format.tun_info = true,
            Id::Json => self.format.json = true,
            // That they were said is all they say.
            Id::Connection | Id::Timeout | Id::Daemon | Id::OnePacket | Id::TunNoCsum | Id::Full => {}
        }
        Ok(())
    }

    fn service(&mut self, entry: &Entry, value: &str, names: &dyn Names) -> Result<(), Failure> {
        self.protocol = Some(match entry.short {
            Some('u') => Protocol::Udp,
            None => Protocol::Sctp,
            Some(_) => Protocol::Tcp,
        });
        if entry.short == Some('f') {
            let mark = within(value, 1, i64::from(u32::MAX));
            let mark = mark.ok_or_else(|| Failure::line(&format!("invalid fwmark value `{value}' specified")))?;
            self.mark = Some((mark as u32, false));
            return Ok(());
        }
        let (address, port) = endpoint::read(value, self.protocol, names)
            .ok_or_else(|| Failure::line("illegal virtual server address[:port] specified"))?;
        self.address = Some(address);
        self.port = port.unwrap_or(0);
        if address.is_ipv6() {
            self.netmask = Netmask::host(false);
        }
        Ok(())
    }

    fn mask(&self, value: &str, names: &dyn Names) -> Result<Netmask, Failure> {
        if self.is_ipv6() {
            let prefix = u8::try_from(atoi(value)).ok().filter(|prefix| (1..=128).contains(prefix));
            return prefix.map(Netmask::V6).ok_or_else(|| Failure::line("illegal ipv6 netmask specified"));
        }
        let mask = endpoint::ipv4(value, names);
        mask.map(Netmask::V4).ok_or_else(|| Failure::line("illegal virtual server persistent mask specified"))
    }

    /// A server's address. Its port is the service's as far as that is known yet.
    fn endpoint(&self, value: &str, names: &dyn Names) -> Result<SocketAddr, Failure> {
        let (address, port) = endpoint::read(value, self.protocol, names)
            .ok_or_else(|| Failure::line("illegal real server address[:port] specified"))?;
        Ok(SocketAddr::new(address, port.unwrap_or(self.port)))
    }

    fn is_ipv6(&self) -> bool {
        self.mark.map_or_else(|| self.address.is_some_and(|address| address.is_ipv6()), |(_, six)| six)
    }

    /// The service that was named.
    fn key(&self) -> Option<ServiceKey> {
        match self.mark {
            Some((mark, six)) => Some(ServiceKey::mark(mark, six)),
            None => Some(ServiceKey::listen(self.protocol?, self.address?, self.port)),
        }
    }

    fn finish(mut self, leftovers: &[String]) -> Result<Command, Failure> {
        let timeouts = if self.kind == Kind::Set { Some(set(leftovers)?) } else { None };
        let rest = if timeouts.is_some() { leftovers.get(3) } else { leftovers.first() };
        if let Some(word) = rest {
            return Err(Failure::line(&format!("unexpected argument {word}")));
        }
        let flags = scheduler_flags(&self.flags, &self.scheduler)?;
        check(Id::ALL, |id| id.use_in(self.kind), &self.said, &format!("'{}' command", self.kind.name()))?;
        if self.scheduler.is_empty() {
            self.scheduler = Scheduler::default().name().to_owned();
        }
        // What the command needs has been said, or `check` had failed.
        let missing = || Failure::line("You need to supply the 'service-address' option");
        let key = self.key();
        let change = match self.kind {
            Kind::AddService => Change::AddService(self.service_spec(key.ok_or_else(missing)?, flags)?),
            Kind::EditService => Change::EditService(self.service_spec(key.ok_or_else(missing)?, flags)?),
            Kind::DeleteService => Change::DeleteService(key.ok_or_else(missing)?),
            Kind::Flush => Change::Flush,
            Kind::AddServer => {
                let key = key.ok_or_else(missing)?;
                Change::AddServer(key, self.server_spec(&key)?)
            }
            Kind::EditServer => {
                let key = key.ok_or_else(missing)?;
                Change::EditServer(key, self.server_spec(&key)?)
            }
            Kind::DeleteServer => Change::DeleteServer(key.ok_or_else(missing)?, self.server.ok_or_else(missing)?),
            Kind::Set => timeouts.ok_or_else(missing)?,
            // The original takes the address of all zeros and no port for none at all.
            Kind::Zero => {
                let nothing = |key: &ServiceKey| key.address().is_some_and(|a| a.is_unspecified()) && key.port() == 0;
                Change::Zero(key.filter(|key| !nothing(key)))
            }
            Kind::StartDaemon => {
                let interface = match self.daemon.interface.as_str() {
                    "" => "eth0".to_owned(),
                    named => named.to_owned(),
                };
                Change::StartDaemon(Daemon { role: self.role, interface, ..self.daemon })
            }
            Kind::StopDaemon => Change::StopDaemon(self.role),
            Kind::Restore => return Ok(Command::Restore),
            Kind::Save => {
                return Ok(Command::Save { numeric: self.format.numeric, full: self.said.contains(&Id::Full) });
            }
            Kind::List => return Ok(Command::List(Listing { of: self.listed(key)?, format: self.format })),
        };
        Ok(Command::Change(change))
    }

    fn service_spec(&self, key: ServiceKey, flags: SchedulerFlags) -> Result<ServiceSpec, Failure> {
        let one_packet = self.said.contains(&Id::OnePacket);
        if let ServiceKey::Listen(listen) = key {
            if listen.port == 0 && self.timeout_s.is_none() {
                return Err(Failure::line("Zero port specified for non-persistent service"));
            }
            if one_packet && listen.protocol != Protocol::Udp {
                return Err(Failure::line("One-Packet Scheduling is only for UDP virtual services"));
            }
        }
        Ok(ServiceSpec {
            key,
            scheduler: self.scheduler.clone(),
            flags,
            persistence: self.timeout_s.map(|timeout_s| Persistence { timeout_s, netmask: self.netmask }),
            one_packet,
            engine: Some(self.engine.clone()).filter(|engine| !engine.is_empty()),
        })
    }

    fn server_spec(&self, key: &ServiceKey) -> Result<ServerSpec, Failure> {
        let mut address = self.server.unwrap_or_else(|| SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));
        if self.method != Method::Nat && self.mark.is_none() {
            address.set_port(key.port());
        }
        if address.is_ipv4() != key.is_ipv4() && self.method != Method::Tun {
            return Err(Failure::line("Different address family is allowed only for tunneling servers"));
        }
        if self.said.iter().any(|id| tunnel::IDS.contains(id)) && self.method != Method::Tun {
            return Err(Failure::line("Tunnel options conflict with forward method"));
        }
        tunnel::check(self.tunnel.kind, &self.said)?;
        Ok(ServerSpec {
            address,
            method: self.method,
            tunnel: if self.method == Method::Tun { self.tunnel.tunnel() } else { Tunnel::Ipip },
            weight: self.weight,
            upper_threshold: self.upper_threshold,
            lower_threshold: self.lower_threshold,
        })
    }

    fn listed(&self, key: Option<ServiceKey>) -> Result<Listed, Failure> {
        let said = |id| self.said.contains(&id);
        let other = said(Id::Connection) || said(Id::Timeout) || said(Id::Daemon);
        if other && (said(Id::Stats) || said(Id::Rate) || said(Id::Thresholds))
            || (said(Id::Timeout) || said(Id::Daemon)) && said(Id::PersistentConn)
        {
            return Err(Failure::line("options conflicts in the list command"));
        }
        Ok(match key {
            _ if said(Id::Connection) => Listed::Connections,
            Some(key) => Listed::Service(key),
            None if said(Id::Timeout) => Listed::Timeouts,
            None if said(Id::Daemon) => Listed::Daemons,
            None => Listed::Services,
        })
    }
}

/// Whether a command or a tunnel has what it needs, and nothing that it does not take. `of` is what messages call it.
pub(crate) fn check(
    ids: &[Id],
    uses: impl Fn(Id) -> Option<Use>,
    said: &BTreeSet<Id>,
    of: &str,
) -> Result<(), Failure> {
    let mut alone: Option<Id> = None;
    for id in ids {
        let name = id.name();
        let text = match (uses(*id), said.contains(id)) {
            (Some(Use::Must), false) => format!("You need to supply the '{name}' option for the {of}"),
            (None, true) => format!("Illegal '{name}' option with the {of}"),
            (Some(Use::Alone), true) => match alone.replace(*id) {
                None => continue,
                Some(last) => format!("The option '{name}' conflicts with the '{}' option in the {of}", last.name()),
            },
            (None | Some(Use::May | Use::Alone), false) | (Some(Use::May | Use::Must), true) => continue,
        };
        return Err(Failure::line(&text));
    }
    Ok(())
}

/// A timeout in seconds.
fn timeout(text: &str, least: i64) -> Result<u32, Failure> {
    let seconds = within(text, least, i64::from(Persistence::MAX_TIMEOUT_S));
    let seconds = seconds.ok_or_else(|| Failure::line(&format!("invalid timeout value `{text}' specified")))?;
    Ok(seconds as u32)
}

fn set(words: &[String]) -> Result<Change, Failure> {
    let [tcp, tcp_fin, udp, ..] = words else {
        return Err(Failure::line("--set option requires 3 timeout values"));
    };
    Ok(Change::SetTimeouts { tcp_s: timeout(tcp, 0)?, tcp_fin_s: timeout(tcp_fin, 0)?, udp_s: timeout(udp, 0)? })
}

fn group(text: &str) -> Result<IpAddr, Failure> {
    let (version, address) = if text.contains(':') {
        ("IPv6", inet_pton6(text).map(IpAddr::V6))
    } else {
        ("IPv4", inet_pton4(text).map(IpAddr::V4))
    };
    address
        .filter(IpAddr::is_multicast)
        .ok_or_else(|| Failure::line(&format!("invalid {version} mcast-group `{text}'")))
}

/// Flags with commas between them.
fn scheduler_flags(text: &str, scheduler: &str) -> Result<SchedulerFlags, Failure> {
    if text.is_empty() {
        return Ok(SchedulerFlags::NONE);
    }
    let scheduler = if scheduler.is_empty() { Scheduler::default().name() } else { scheduler };
    let mut flags = SchedulerFlags::NONE;
    let mut any = false;
    for name in text.split(',').filter(|name| !name.is_empty()) {
        any = true;
        let (flag, whose) =
            SchedulerFlags::named(name).ok_or_else(|| Failure::line(&format!("invalid scheduler flag `{name}'")))?;
        if whose.is_some_and(|whose| whose.name() != scheduler) {
            return Err(Failure::line(&format!("incompatible scheduler flag `{name}'")));
        }
        flags = flags.with(flag);
    }
    if any { Ok(flags) } else { Err(Failure::line(&format!("invalid scheduler flag `{text}'"))) }
}
