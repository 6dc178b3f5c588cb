//! The keys of relvs.toml: one table of all sections, from which the reader knows what is allowed where, and from which
//! the reference page, the man page and the schema for editors are made.
//!
//! What a key's value means to the director is the model's; how it is read is `toml_file`'s. A key that stands here and
//! is never read, or is read and does not stand here, fails the test in `toml_file`.

/// A key of this version: its name, what its value may be, what holds without it, what it means.
macro_rules! key {
    ($name:literal, $kind:expr, $default:expr, $meaning:literal) => {
        Key { name: $name, kind: $kind, default: $default, meaning: $meaning, since: "0.1" }
    };
}

mod common;
mod health;
mod kind;
mod listeners;
mod notify;
mod tables;
mod vrrp;

pub use common::SCRIPT;
pub use health::{CHECK, DAMPING, SORRY};
pub use kind::Kind;
pub use listeners::{API, METRICS};
pub use notify::{MAIL, NOTIFY, WEBHOOK};
pub use tables::{DIRECTOR, IPVS, PERSISTENCE, ROOT, RULE, SERVER, SERVICE, TIMEOUTS, TUNNEL};
pub use vrrp::{
    ADDRESS, ANNOUNCEMENTS, ARBITER, INSTANCE, PEER, SYNC_GROUP, TRACK, TRACK_FILE, TRACK_PING, TRACK_PROCESS,
    TRACK_SCRIPT, VIRTUAL_ROUTE, VIRTUAL_RULE, VRRP,
};

use crate::sysctl::does_nothing;
use relvs_model::Settings;

/// One section, or one table in braces.
#[derive(Debug)]
pub struct Table {
    /// Its name in messages, as its header is written: `[director]`, `[[service]]`.
    pub title: &'static str,
    /// What it is for, in a sentence or two.
    pub about: &'static str,
    /// Its keys, in the order of the reference.
    pub keys: &'static [Key],
    /// Keys that only a later version knows. They are refused by name.
    pub later: &'static [&'static str],
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// What holds where it is not written.
    pub default: Default,
    /// What it does. Text in backticks is written as it stands.
    pub meaning: &'static str,
    /// The first version that reads it.
    pub since: &'static str,
}

/// What holds where a key is not written.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// It must be written.
    Required,
    /// This value, as it would be written.
    Is(fn() -> String),
    /// What these words say.
    Words(&'static str),
}

impl Table {
    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The names of its keys.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }

    /// This table and those within it, from the outside in, in the order of the reference. One that stands in several
    /// places comes once.
    pub fn all(&'static self) -> Vec<&'static Table> {
        let mut found = vec![self];
        for table in self.keys.iter().flat_map(|key| key.kind.tables()).flat_map(Table::all) {
            if !found.iter().any(|known| std::ptr::eq(*known, table)) {
                found.push(table);
            }
        }
        found
    }
}

/// A setting under `[ipvs]`, whose names and values are the kernel's.
#[derive(Debug)]
pub struct Setting {
    /// The name under net.ipv4.vs.
    pub name: &'static str,
    /// What it may be, in words.
    pub expected: String,
    /// Where it is not written, as `sysctl` shows it.
    pub default: String,
    /// What it does in IPVS.
    pub meaning: &'static str,
    /// Why it does nothing here; none if it acts.
    pub does_nothing: Option<&'static str>,
}

/// All settings under `[ipvs]`, those that act first.
pub fn settings() -> Vec<Setting> {
    let entries = Settings::default().entries();
    let described = entries.into_iter().filter_map(|(name, default)| {
        let (meaning, expected) = Settings::described(name)?;
        Some(Setting { name, expected, default, meaning, does_nothing: does_nothing(name) })
    });
    let mut settings: Vec<Setting> = described.collect();
    settings.sort_by_key(|setting| setting.does_nothing.is_some());
    settings
}
