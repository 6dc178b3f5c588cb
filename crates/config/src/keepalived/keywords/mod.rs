//! Every keyword of keepalived.conf by the block in which it stands, and what becomes of it here.
//!
//! The readers go by this table, and so do the suggestions for misspelt words and the pages that compare. The names are
//! those of `keepalived.conf(5)`, versions 2.0 to 2.4.

mod check;
mod global;
mod service;
mod values;
mod vrrp;

pub(in crate::keepalived) use values::Shape;

use crate::names::nearest;

/// What becomes of a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It does what it does in keepalived.
    Works,
    /// It works in another way; half a sentence says how.
    Differs(&'static str),
    /// It does nothing here; half a sentence says why.
    Ignored(&'static str),
    /// An older word for this one.
    Obsolete(&'static str),
    /// keepalived knows it no longer and leaves it out, though files have it; half a sentence says what to do.
    Gone(&'static str),
}

/// A keyword in one kind of block.
#[derive(Clone, Copy, Debug)]
pub struct Keyword {
    /// The word.
    pub name: &'static str,
    /// What becomes of it.
    pub support: Support,
}

/// A kind of block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Context {
    /// Outside all blocks.
    Top,
    /// `global_defs`
    Global,
    /// `vrrp_instance`
    Instance,
    /// `authentication` of an instance
    Authentication,
    /// `auth_hmac` of an instance
    Hmac,
    /// `vrrp_sync_group`
    SyncGroup,
    /// `vrrp_script`
    Script,
    /// `vrrp_track_process`
    Process,
    /// `track_file`, `vrrp_track_file`
    TrackFile,
    /// `track_group`
    TrackGroup,
    /// `garp_group`
    GarpGroup,
    /// `virtual_server`
    Service,
    /// `real_server`
    Server,
    /// `TCP_CHECK`
    Tcp,
    /// `HTTP_GET`, `SSL_GET`
    Http,
    /// `url` of these
    Url,
    /// `SMTP_CHECK`
    Smtp,
    /// `host` of it
    SmtpHost,
    /// `DNS_CHECK`
    Dns,
    /// `UDP_CHECK`
    Udp,
    /// `PING_CHECK`
    Ping,
    /// `MISC_CHECK`
    Misc,
    /// `FILE_CHECK`
    File,
    /// `BFD_CHECK`
    Bfd,
    /// `SSL`
    Ssl,
}

impl Context {
    /// All of them, in the manual's order.
    pub const ALL: [Context; 25] = [
        Context::Top,
        Context::Global,
        Context::TrackFile,
        Context::Process,
        Context::Script,
        Context::SyncGroup,
        Context::GarpGroup,
        Context::TrackGroup,
        Context::Instance,
        Context::Authentication,
        Context::Hmac,
        Context::Service,
        Context::Server,
        Context::Tcp,
        Context::Http,
        Context::Url,
        Context::Ssl,
        Context::Smtp,
        Context::SmtpHost,
        Context::Dns,
        Context::Udp,
        Context::Ping,
        Context::Misc,
        Context::File,
        Context::Bfd,
    ];

    /// How the block begins.
    pub const fn name(self) -> &'static str {
        match self {
            Context::Top => "",
            Context::Global => "global_defs",
            Context::Instance => "vrrp_instance",
            Context::Authentication => "authentication",
            Context::Hmac => "auth_hmac",
            Context::SyncGroup => "vrrp_sync_group",
            Context::Script => "vrrp_script",
            Context::Process => "vrrp_track_process",
            Context::TrackFile => "track_file",
            Context::TrackGroup => "track_group",
            Context::GarpGroup => "garp_group",
            Context::Service => "virtual_server",
            Context::Server => "real_server",
            Context::Tcp => "TCP_CHECK",
            Context::Http => "HTTP_GET, SSL_GET",
            Context::Url => "url",
            Context::Smtp => "SMTP_CHECK",
            Context::SmtpHost => "host",
            Context::Dns => "DNS_CHECK",
            Context::Udp => "UDP_CHECK",
            Context::Ping => "PING_CHECK",
            Context::Misc => "MISC_CHECK",
            Context::File => "FILE_CHECK",
            Context::Bfd => "BFD_CHECK",
            Context::Ssl => "SSL",
        }
    }

    /// The keywords that may stand in it.
    pub fn keywords(self) -> impl Iterator<Item = &'static Keyword> {
        let parts: [&'static [Keyword]; 3] = match self {
            Context::Top => [global::TOP, &[], &[]],
            Context::Global => [global::GLOBAL, &[], &[]],
            Context::Instance => [vrrp::INSTANCE, vrrp::NOTIFY, vrrp::TRACK],
            Context::Authentication => [vrrp::AUTHENTICATION, &[], &[]],
            Context::Hmac => [vrrp::HMAC, &[], &[]],
            Context::SyncGroup => [vrrp::SYNC_GROUP, vrrp::NOTIFY, vrrp::TRACK],
            Context::Script => [vrrp::SCRIPT, &[], &[]],
            Context::Process => [vrrp::PROCESS, &[], &[]],
            Context::TrackFile => [vrrp::TRACK_FILE, &[], &[]],
            Context::TrackGroup => [vrrp::TRACK_GROUP, &[], &[]],
            Context::GarpGroup => [vrrp::GARP_GROUP, &[], &[]],
            Context::Service => [service::SERVICE, check::TIMING, &[]],
            Context::Server => [service::SERVER, check::TIMING, check::CHECKS],
            Context::Tcp | Context::Ping | Context::SmtpHost => [check::TARGET, check::TIMING, check::GONE],
            Context::Http => [check::HTTP, check::TARGET, check::TIMING],
            Context::Url => [check::URL, &[], &[]],
            Context::Smtp => [check::SMTP, check::TARGET, check::TIMING],
            Context::Dns => [check::DNS, check::TARGET, check::TIMING],
            Context::Udp => [check::UDP, check::TARGET, check::TIMING],
            Context::Misc => [check::MISC, check::TIMING, &[]],
            Context::File => [check::FILE, &[], &[]],
            Context::Bfd => [check::BFD, &[], &[]],
            Context::Ssl => [check::SSL, &[], &[]],
        };
        parts.into_iter().flatten()
    }

    /// The keyword of this name.
    pub fn keyword(self, name: &str) -> Option<&'static Keyword> {
        self.keywords().find(|keyword| keyword.name == name)
    }

    /// Those that do something in some version of keepalived.
    fn known(self) -> impl Iterator<Item = &'static Keyword> {
        self.keywords().filter(|keyword| !matches!(keyword.support, Support::Gone(_)))
    }

    /// The keyword that was probably meant.
    pub(super) fn nearest(self, name: &str) -> Option<&'static str> {
        // Checkers are written in capitals, and meant by whoever writes them small.
        let small: Vec<(String, &'static str)> =
            self.known().map(|keyword| (keyword.name.to_lowercase(), keyword.name)).collect();
        let found = nearest(name, small.iter().map(|(small, _)| small.as_str()))?;
        small.iter().find(|(small, _)| small == found).map(|(_, name)| *name)
    }

    /// Where the keyword may stand, if not here: a block is often closed too early.
    pub(super) fn of(name: &str) -> Option<Context> {
        let stands = |context: &Context| context.known().any(|keyword| keyword.name == name);
        Context::ALL.into_iter().find(|context| *context != Context::Top && stands(context))
    }
}

const fn works(name: &'static str) -> Keyword {
    Keyword { name, support: Support::Works }
}

const fn differs(name: &'static str, how: &'static str) -> Keyword {
    Keyword { name, support: Support::Differs(how) }
}

const fn ignored(name: &'static str, why: &'static str) -> Keyword {
    Keyword { name, support: Support::Ignored(why) }
}

const fn obsolete(name: &'static str, instead: &'static str) -> Keyword {
    Keyword { name, support: Support::Obsolete(instead) }
}

const fn gone(name: &'static str, instead: &'static str) -> Keyword {
    Keyword { name, support: Support::Gone(instead) }
}

/// Why keywords do nothing, where it is for one reason.
mod why {
    pub(super) const ONE_PROCESS: &str = "there is one process, not one for each task";
    pub(super) const TABLES: &str = "services are in relvs's own tables, not in the kernel's IPVS";
    pub(super) const FIREWALL: &str = "no firewall rules are needed: packets are handled before the firewall";
    pub(super) const SNMP: &str = "there is no SNMP agent; /metrics has what it would show";
    pub(super) const DBUS: &str = "there is no D-Bus interface; the control socket has what it would do";
    pub(super) const BUFFERS: &str = "buffers have the size that is needed";
    pub(super) const BFD: &str = "BFD is not spoken";
    pub(super) const FILES: &str = "state is asked for over the control socket";
    pub(super) const EXTRA_IF: &str = "garp_master_refresh announces every address, on its own interface";
    pub(super) const SCHEDULING: &str =
        "adverts are sent by a thread of its own with real-time priority, where that is allowed";
}
