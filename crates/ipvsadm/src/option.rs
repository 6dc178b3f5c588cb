//! The one table of options: names, arguments, and which command takes which. Parser, help, man page and completions
//! read it; it decides nothing.
//!
//! Source: ipvsadm(8) and the behaviour of ipvsadm 1.31. The order of [`Id`] is the order in which the original looks for
//! options that a command lacks or does not take, so it decides which of several faults is told.

/// What a command line asks for. Its first option says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `-A`
    AddService,
    /// `-E`
    EditService,
    /// `-D`
    DeleteService,
    /// `-C`
    Flush,
    /// `-L`
    List,
    /// `-a`
    AddServer,
    /// `-d`
    DeleteServer,
    /// `-e`
    EditServer,
    /// `--set`
    Set,
    /// `--start-daemon`
    StartDaemon,
    /// `--stop-daemon`
    StopDaemon,
    /// `-R`
    Restore,
    /// `-S`
    Save,
    /// `-Z`
    Zero,
}

impl Kind {
    /// The name in messages: that of the long option, but for `--clear`.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::AddService => "add-service",
            Kind::EditService => "edit-service",
            Kind::DeleteService => "delete-service",
            Kind::Flush => "flush",
            Kind::List => "list",
            Kind::AddServer => "add-server",
            Kind::DeleteServer => "delete-server",
            Kind::EditServer => "edit-server",
            Kind::Set => "set",
            Kind::StartDaemon => "start-daemon",
            Kind::StopDaemon => "stop-daemon",
            Kind::Restore => "restore",
            Kind::Save => "save",
            Kind::Zero => "zero",
        }
    }
}

/// Whether a command takes an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It needs it.
    Must,
    /// It takes it.
    May,
    /// It takes it, and no other that it takes in this way.
    Alone,
}

const OF_SERVICES: &[(Kind, Use)] = &[(Kind::AddService, Use::May), (Kind::EditService, Use::May)];
const OF_SERVERS: &[(Kind, Use)] = &[(Kind::AddServer, Use::May), (Kind::EditServer, Use::May)];
const OF_LISTINGS: &[(Kind, Use)] = &[(Kind::List, Use::May)];
const A_LISTING: &[(Kind, Use)] = &[(Kind::List, Use::Alone)];
const OF_DAEMONS: &[(Kind, Use)] = &[(Kind::StartDaemon, Use::May)];
const ADDRESS: &[(Kind, Use)] = &[
    (Kind::AddService, Use::Must),
    (Kind::EditService, Use::Must),
    (Kind::DeleteService, Use::Must),
    (Kind::AddServer, Use::Must),
    (Kind::DeleteServer, Use::Must),
    (Kind::EditServer, Use::Must),
    (Kind::List, Use::Alone),
    (Kind::Zero, Use::May),
];
const SERVER: &[(Kind, Use)] =
    &[(Kind::AddServer, Use::Must), (Kind::DeleteServer, Use::Must), (Kind::EditServer, Use::Must)];

macro_rules! ids {
    ($($(#[doc = $doc:literal])+ $id:ident = $name:literal, $uses:expr;)+) => {
        /// What an option says; several options may say the same thing in different ways, and a command line may say each
        /// thing once.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Id {
            $($(#[doc = $doc])+ $id,)+
        }

        impl Id {
            /// All, in the order in which they are judged.
            pub const ALL: &[Id] = &[$(Id::$id,)+];

            /// The name in messages.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Id::$id => $name,)+
                }
            }

            /// The commands that take it.
            pub const fn uses(self) -> &'static [(Kind, Use)] {
                match self {
                    $(Id::$id => $uses,)+
                }
            }
        }
    };
}

ids! {
    /// Addresses and ports as numbers.
    Numeric = "numeric", &[(Kind::List, Use::May), (Kind::Save, Use::May)];
    /// Connections are listed.
    Connection = "connection", A_LISTING;
    /// Which service.
    Service = "service-address", ADDRESS;
    /// The scheduler.
    Scheduler = "scheduler", OF_SERVICES;
    /// Persistence and its timeout.
    Persistent = "persistent", OF_SERVICES;
    /// Which clients count as one.
    Netmask = "netmask", OF_SERVICES;
    /// Which server.
    Server = "real-server", SERVER;
    /// The forwarding method.
    Forward = "forwarding-method", OF_SERVERS;
    /// The weight.
    Weight = "weight", OF_SERVERS;
    /// The upper threshold.
    UpperThreshold = "u-threshold", OF_SERVERS;
    /// The lower threshold.
    LowerThreshold = "l-threshold", OF_SERVERS;
    /// The sync daemon's interface.
    McastInterface = "mcast-interface", OF_DAEMONS;
    /// Timeouts are listed.
    Timeout = "timeout", A_LISTING;
    /// Sync daemons are listed.
    Daemon = "daemon", A_LISTING;
    /// With statistics.
    Stats = "stats", OF_LISTINGS;
    /// With rates.
    Rate = "rate", OF_LISTINGS;
    /// With thresholds.
    Thresholds = "thresholds", OF_LISTINGS;
    /// With counts of persistent connections.
    PersistentConn = "persistent-conn", OF_LISTINGS;
    /// Not sorted.
    NoSort = "nosort", OF_LISTINGS;
    /// The sync daemon's number.
    SyncId = "syncid", &[(Kind::StartDaemon, Use::May), (Kind::StopDaemon, Use::May)];
    /// Numbers in full.
    Exact = "exact", OF_LISTINGS;
    /// One-packet scheduling.
    OnePacket = "ops", OF_SERVICES;
    /// The persistence engine.
    PersistenceEngine = "pe", OF_SERVICES;
    /// What is said to the scheduler.
    SchedulerFlags = "sched-flags", OF_SERVICES;
    /// The sync daemon's group.
    McastGroup = "mcast-group", OF_DAEMONS;
    /// The sync daemon's port.
    McastPort = "mcast-port", OF_DAEMONS;
    /// The sync daemon's TTL.
    McastTtl = "mcast-ttl", OF_DAEMONS;
    /// The longest sync message.
    SyncMaxlen = "sync-maxlen", OF_DAEMONS;
    /// With what TUN servers are reached by.
    TunInfo = "tun-info", OF_LISTINGS;
    /// What a TUN server is reached by.
    TunType = "tun-type", OF_SERVERS;
    /// The tunnel's port.
    TunPort = "tun-port", OF_SERVERS;
    /// The tunnel has no checksum.
    TunNoCsum = "tun-nocsum", OF_SERVERS;
    /// The tunnel has a checksum.
    TunCsum = "tun-csum", OF_SERVERS;
    /// The tunnel has a remote checksum.
    TunRemCsum = "tun-remcsum", OF_SERVERS;
    /// As JSON; relvs's own.
    Json = "json", OF_LISTINGS;
    /// Rules that lose nothing; relvs's own.
    Full = "full", &[(Kind::Save, Use::May)];
}

impl Id {
    /// How a command takes it, if it does.
    pub fn use_in(self, kind: Kind) -> Option<Use> {
        self.uses().iter().find(|(other, _)| *other == kind).map(|(_, how)| *how)
    }
}

/// What follows an option; the text names it in help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Nothing.
    None,
    /// Something, in the same word or the next, whatever it begins with.
    Needed(&'static str),
    /// Something in the same word, or in the next one if that does not begin with `-`; or nothing.
    Optional(&'static str),
}

/// What an option does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is the command, as the first option; anywhere else it is an error.
    Command(Kind),
    /// It is said once, to commands that take it.
    Says(Id),
    /// The mark that was named before is IPv6's (`-6`).
    Six,
    /// Nothing, as often as wanted: sorting is the default.
    Sort,
    /// It shows the help, as the first option.
    Help,
    /// It shows the version, as the first option.
    Version,
}

/// An option.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The name after `--`.
    pub long: &'static str,
    /// The letter after `-`.
    pub short: Option<char>,
    /// What follows it.
    pub argument: Argument,
    /// What it does.
    pub role: Role,
    /// What it means, in a few words for help and man page.
    pub meaning: &'static str,
}

const fn entry(
    long: &'static str,
    short: Option<char>,
    argument: Argument,
    role: Role,
    meaning: &'static str,
) -> Entry {
    Entry { long, short, argument, role, meaning }
}

use Argument::{Needed, None as Alone, Optional};
use Role::{Command, Says};

const ADDRESS_PORT: Argument = Needed("HOST[:PORT]");
const ROLE: Argument = Needed("master|backup");
const COUNT: Argument = Needed("N");
/// Every option, in the order of the help.
pub const OPTIONS: &[Entry] = &[
    entry("add-service", Some('A'), Alone, Command(Kind::AddService), "add a virtual service"),
    entry("edit-service", Some('E'), Alone, Command(Kind::EditService), "give a virtual service these options"),
    entry("delete-service", Some('D'), Alone, Command(Kind::DeleteService), "remove a virtual service and its servers"),
    entry("clear", Some('C'), Alone, Command(Kind::Flush), "remove all virtual services"),
    entry("restore", Some('R'), Alone, Command(Kind::Restore), "carry out rules, one a line, from standard input"),
    entry("save", Some('S'), Alone, Command(Kind::Save), "write the table as rules"),
    entry("add-server", Some('a'), Alone, Command(Kind::AddServer), "add a real server to a virtual service"),
    entry("edit-server", Some('e'), Alone, Command(Kind::EditServer), "give a real server these options"),
    entry("delete-server", Some('d'), Alone, Command(Kind::DeleteServer), "remove a real server"),
    entry("list", Some('L'), Alone, Command(Kind::List), "show the table, or what the options say"),
    entry("list", Some('l'), Alone, Command(Kind::List), "the same"),
    entry("zero", Some('Z'), Alone, Command(Kind::Zero), "set counters to zero: one service's, or all"),
    entry("set", None, Alone, Command(Kind::Set), "set the timeouts TCP TCPFIN UDP, in seconds; 0 leaves one"),
    entry("start-daemon", None, ROLE, Command(Kind::StartDaemon), "start a sync daemon"),
    entry("stop-daemon", None, ROLE, Command(Kind::StopDaemon), "stop a sync daemon"),
    entry("help", Some('h'), Alone, Role::Help, "show this"),
    entry("version", Some('v'), Alone, Role::Version, "show the version"),
    entry("tcp-service", Some('t'), ADDRESS_PORT, Says(Id::Service), "the TCP service at this address"),
    entry("udp-service", Some('u'), ADDRESS_PORT, Says(Id::Service), "the UDP service at this address"),
    entry("sctp-service", None, ADDRESS_PORT, Says(Id::Service), "the SCTP service at this address"),
    entry("fwmark-service", Some('f'), Needed("MARK"), Says(Id::Service), "the service of packets with this mark"),
    entry("ipv6", Some('6'), Alone, Role::Six, "after -f: of IPv6 packets"),
    entry("scheduler", Some('s'), Needed("NAME"), Says(Id::Scheduler), "how a server is chosen (wlc)"),
    entry("sched-flags", Some('b'), Needed("FLAG,..."), Says(Id::SchedulerFlags), "what is said to the scheduler"),
    entry(
        "persistent",
        Some('p'),
        Optional("SECONDS"),
        Says(Id::Persistent),
        "clients keep their server so long (360)",
    ),
    entry("netmask", Some('M'), Needed("MASK"), Says(Id::Netmask), "clients of one network count as one"),
    entry("pe", None, Needed("ENGINE"), Says(Id::PersistenceEngine), "the persistence engine"),
    entry("ops", Some('o'), Alone, Says(Id::OnePacket), "choose a server for every UDP packet"),
    entry("real-server", Some('r'), ADDRESS_PORT, Says(Id::Server), "the real server at this address"),
    entry("gatewaying", Some('g'), Alone, Says(Id::Forward), "by direct routing (the default)"),
    entry("ipip", Some('i'), Alone, Says(Id::Forward), "by a tunnel"),
    entry("masquerading", Some('m'), Alone, Says(Id::Forward), "by NAT"),
    entry("tun-type", None, Needed("ipip|gue|gre"), Says(Id::TunType), "the kind of tunnel (ipip)"),
    entry("tun-port", None, Needed("PORT"), Says(Id::TunPort), "the port of a gue tunnel"),
    entry("tun-nocsum", None, Alone, Says(Id::TunNoCsum), "a tunnel without checksum"),
    entry("tun-csum", None, Alone, Says(Id::TunCsum), "a tunnel with checksum"),
    entry("tun-remcsum", None, Alone, Says(Id::TunRemCsum), "a tunnel with remote checksum"),
    entry("weight", Some('w'), COUNT, Says(Id::Weight), "the server's share; 0 takes no new connections (1)"),
    entry("u-threshold", Some('x'), COUNT, Says(Id::UpperThreshold), "with so many connections it takes no new ones"),
    entry("l-threshold", Some('y'), COUNT, Says(Id::LowerThreshold), "with fewer than these it takes new ones again"),
    entry("numeric", Some('n'), Alone, Says(Id::Numeric), "addresses and ports as numbers"),
    entry("connection", Some('c'), Alone, Says(Id::Connection), "show the connections"),
    entry("timeout", None, Alone, Says(Id::Timeout), "show the timeouts"),
    entry("daemon", None, Alone, Says(Id::Daemon), "show the sync daemons"),
    entry("stats", None, Alone, Says(Id::Stats), "show counters"),
    entry("rate", None, Alone, Says(Id::Rate), "show rates per second"),
    entry("thresholds", None, Alone, Says(Id::Thresholds), "show thresholds"),
    entry("persistent-conn", None, Alone, Says(Id::PersistentConn), "show counts of persistent connections"),
    entry("tun-info", None, Alone, Says(Id::TunInfo), "show tunnels"),
    entry("exact", Some('X'), Alone, Says(Id::Exact), "numbers in full, not in K, M, G, T"),
    entry("nosort", None, Alone, Says(Id::NoSort), "as the table has them"),
    entry("sort", None, Alone, Role::Sort, "sorted, as without it"),
    entry("json", None, Alone, Says(Id::Json), "show it as JSON (relvs's own)"),
    entry("full", None, Alone, Says(Id::Full), "keep thresholds, timeouts and order too (relvs's own)"),
    entry("mcast-interface", None, Needed("INTERFACE"), Says(Id::McastInterface), "the sync daemon's interface (eth0)"),
    entry("syncid", None, Needed("ID"), Says(Id::SyncId), "the sync daemon's number"),
    entry("sync-maxlen", None, Needed("BYTES"), Says(Id::SyncMaxlen), "the longest sync message"),
    entry("mcast-group", None, Needed("ADDRESS"), Says(Id::McastGroup), "the sync daemon's group"),
    entry("mcast-port", None, Needed("PORT"), Says(Id::McastPort), "the sync daemon's port"),
    entry("mcast-ttl", None, Needed("TTL"), Says(Id::McastTtl), "the TTL of sync messages"),
];

impl Entry {
    /// The option with this long name.
    pub fn long(name: &str) -> Option<&'static Entry> {
        OPTIONS.iter().find(|entry| entry.long == name)
    }

    /// The option with this letter.
    pub fn short(letter: char) -> Option<&'static Entry> {
        OPTIONS.iter().find(|entry| entry.short == Some(letter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_letters_are_there_once() {
        for (at, entry) in OPTIONS.iter().enumerate() {
            let twice = OPTIONS[..at].iter().any(|other| entry.short.is_some() && other.short == entry.short);
            assert!(!twice, "{entry:?}");
            let names = OPTIONS.iter().filter(|other| other.long == entry.long).count();
            assert_eq!(names, if entry.long == "list" { 2 } else { 1 }, "{entry:?}");
            assert!(!entry.meaning.ends_with('.') && entry.meaning.len() < 66, "{entry:?}");
        }
    }

    #[test]
    fn every_thing_can_be_said() {
        for id in Id::ALL {
            assert!(OPTIONS.iter().any(|entry| entry.role == Says(*id)), "{id:?}");
            assert!(!id.uses().is_empty(), "{id:?}");
        }
    }

    #[test]
    fn a_command_takes_what_the_manual_says() {
        assert_eq!(Id::Service.use_in(Kind::AddServer), Some(Use::Must));
        assert_eq!(Id::Service.use_in(Kind::Flush), None);
        assert_eq!(Id::SyncId.use_in(Kind::StopDaemon), Some(Use::May));
        assert_eq!(Id::McastTtl.use_in(Kind::StopDaemon), None);
        assert_eq!(Id::Timeout.use_in(Kind::List), Some(Use::Alone));
    }
}
