//! Schedulers, by name, and the flags that some of them have.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use utoipa::ToSchema;

/// How a server is chosen for a new flow. The names are IPVS's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheduler {
    /// One after the other.
    Rr,
    /// One after the other, in proportion to the weights.
    Wrr,
    /// The fewest flows.
    Lc,
    /// The fewest flows for its weight.
    #[default]
    Wlc,
    /// The server that the destination address had last, unless it is overloaded: for caches.
    Lblc,
    /// One of the servers that the destination address has: for caches.
    Lblcr,
    /// By the destination address.
    Dh,
    /// By the source address.
    Sh,
    /// The shortest expected delay.
    Sed,
    /// An idle one, else the shortest expected delay.
    Nq,
    /// The heaviest one that is there.
    Fo,
    /// The heaviest one whose active flows are not more than its weight.
    Ovf,
    /// By the source address, such that few flows move when servers do (Maglev).
    Mh,
    /// The better of two that were drawn at random.
    Twos,
}

impl Scheduler {
    /// All that exist.
    pub const ALL: [Scheduler; 14] = [
        Scheduler::Rr,
        Scheduler::Wrr,
        Scheduler::Lc,
        Scheduler::Wlc,
        Scheduler::Lblc,
        Scheduler::Lblcr,
        Scheduler::Dh,
        Scheduler::Sh,
        Scheduler::Sed,
        Scheduler::Nq,
        Scheduler::Fo,
        Scheduler::Ovf,
        Scheduler::Mh,
        Scheduler::Twos,
    ];

    /// The name in configuration files and listings.
    pub const fn name(self) -> &'static str {
        match self {
            Scheduler::Rr => "rr",
            Scheduler::Wrr => "wrr",
            Scheduler::Lc => "lc",
            Scheduler::Wlc => "wlc",
            Scheduler::Lblc => "lblc",
            Scheduler::Lblcr => "lblcr",
            Scheduler::Dh => "dh",
            Scheduler::Sh => "sh",
            Scheduler::Sed => "sed",
            Scheduler::Nq => "nq",
            Scheduler::Fo => "fo",
            Scheduler::Ovf => "ovf",
            Scheduler::Mh => "mh",
            Scheduler::Twos => "twos",
        }
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Scheduler {
    type Err = ();
    fn from_str(s: &str) -> Result<Self, ()> {
        Scheduler::ALL.into_iter().find(|m| m.name() == s).ok_or(())
    }
}

/// Three switches whose meaning is the scheduler's (ipvsadm's `-b`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
#[schema(value_type = Vec<String>)]
pub struct SchedulerFlags(u8);

impl SchedulerFlags {
    /// None.
    pub const NONE: Self = SchedulerFlags(0);
    /// `flag-1`; sh and mh: take another server where the chosen one is not available.
    pub const FALLBACK: Self = SchedulerFlags(1);
    /// `flag-2`; sh and mh: the source port counts too.
    pub const PORT: Self = SchedulerFlags(2);
    /// `flag-3`; no scheduler has a meaning for it.
    pub const THIRD: Self = SchedulerFlags(4);

    /// Each flag with its name where the scheduler is not asked.
    const ALL: [(Self, &str); 3] = [(Self::FALLBACK, "flag-1"), (Self::PORT, "flag-2"), (Self::THIRD, "flag-3")];
    /// Each flag that a scheduler has a name of its own for.
    const OWN: [(Scheduler, Self, &str); 4] = [
        (Scheduler::Sh, Self::FALLBACK, "sh-fallback"),
        (Scheduler::Sh, Self::PORT, "sh-port"),
        (Scheduler::Mh, Self::FALLBACK, "mh-fallback"),
        (Scheduler::Mh, Self::PORT, "mh-port"),
    ];

    /// Those of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        SchedulerFlags(self.0 | other.0)
    }

    /// Whether all of these are there.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Every name that a flag has in configuration files.
    pub fn all_names() -> impl Iterator<Item = &'static str> {
        Self::OWN.into_iter().map(|(.., name)| name).chain(Self::ALL.into_iter().map(|(_, name)| name))
    }

    /// The flag of this name, and the scheduler whose name for it that is, if it is not anyone's.
    pub fn named(name: &str) -> Option<(Self, Option<Scheduler>)> {
        let own = Self::OWN.into_iter().find(|(.., own)| *own == name);
        own.map(|(scheduler, flag, _)| (flag, Some(scheduler))).or_else(|| {
            let any = Self::ALL.into_iter().find(|(_, any)| *any == name);
            any.map(|(flag, _)| (flag, None))
        })
    }

    /// Their names, as ipvsadm lists them with this scheduler.
    pub fn names(self, scheduler: Scheduler) -> Vec<&'static str> {
        let name = |(flag, any): (Self, &'static str)| {
            let own = Self::OWN.into_iter().find(|(whose, own, _)| *whose == scheduler && *own == flag);
            own.map_or(any, |(.., name)| name)
        };
        Self::ALL.into_iter().filter(|(flag, _)| self.has(*flag)).map(name).collect()
    }
}

impl From<SchedulerFlags> for Vec<String> {
    fn from(flags: SchedulerFlags) -> Self {
        let set = SchedulerFlags::ALL.into_iter().filter(|(flag, _)| flags.has(*flag));
        set.map(|(_, name)| name.to_owned()).collect()
    }
}

impl TryFrom<Vec<String>> for SchedulerFlags {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Self, String> {
        names.into_iter().try_fold(SchedulerFlags::NONE, |flags, name| match SchedulerFlags::named(&name) {
            Some((flag, _)) => Ok(flags.with(flag)),
            None => Err(format!("no scheduler has a flag `{name}`")),
        })
    }
}
