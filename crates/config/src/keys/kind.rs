//! What the value of a key may be.

use super::Table;

/// What the value of a key may be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Text of this form, which is shown by examples.
    Text {
        /// What it is: "an address".
        what: &'static str,
        /// Values as they would be written.
        examples: &'static [&'static str],
    },
    /// One of these words.
    Words(fn() -> Vec<&'static str>),
    /// A whole number within both.
    Integer {
        /// The smallest.
        least: u32,
        /// The largest.
        most: u32,
    },
    /// A whole number within both, which may be negative.
    Signed {
        /// The smallest.
        least: i32,
        /// The largest.
        most: i32,
    },
    /// True or false.
    Boolean,
    /// A time of 1 second to 31 days: a number of seconds, or text with a unit.
    Duration,
    /// A time in milliseconds: a number of seconds, or text with a unit, of this length at least.
    Pause {
        /// The least, in milliseconds.
        least_ms: u32,
    },
    /// An array.
    Array(&'static Kind),
    /// One value, or an array of them.
    OneOrMore(&'static Kind),
    /// Any of these.
    Either(&'static [Kind]),
    /// A section that is written once, or a table in braces.
    Table(&'static Table),
    /// Sections, each with double brackets.
    Tables(&'static Table),
    /// The names under net.ipv4.vs, which [`settings`](super::settings) lists.
    Settings(&'static Table),
}

impl Kind {
    /// The range of a whole number, where one is allowed that is not a duration.
    pub(crate) fn range(&self) -> Option<(u32, u32)> {
        match self {
            Kind::Integer { least, most } => Some((*least, *most)),
            Kind::Either(kinds) => kinds.iter().find_map(Kind::range),
            Kind::Array(kind) | Kind::OneOrMore(kind) => kind.range(),
            Kind::Text { .. } | Kind::Words(_) | Kind::Boolean | Kind::Duration | Kind::Pause { .. } => None,
            Kind::Signed { .. } | Kind::Table(_) | Kind::Tables(_) | Kind::Settings(_) => None,
        }
    }

    /// The tables that it may be.
    pub fn tables(&self) -> Vec<&'static Table> {
        match self {
            Kind::Table(table) | Kind::Tables(table) | Kind::Settings(table) => vec![table],
            Kind::Either(kinds) => kinds.iter().flat_map(Kind::tables).collect(),
            Kind::Array(kind) | Kind::OneOrMore(kind) => kind.tables(),
            Kind::Text { .. } | Kind::Words(_) | Kind::Integer { .. } | Kind::Boolean => Vec::new(),
            Kind::Duration | Kind::Pause { .. } | Kind::Signed { .. } => Vec::new(),
        }
    }
}
