//! `keepalived.conf(5)`: from files to statements, and from these to the model.
//!
//! [`Document`] is the language, which knows no keyword; [`Keepalived`] is what is meant. Reading never fails: it gives what it understood, and diagnostics, within
//! bounds of time and memory whatever the text says. It opens no file itself: [`Files`] does. Behaviour is that of
//! keepalived 2.2 to 2.4 (lib/parser.c, and the manual page's section ADVANCED CONFIGURATION), but for two things: a block
//! whose keyword is unknown is left out as a whole, where keepalived reads its lines as if they stood outside; and a
//! value that refers to itself is an error.

mod block;
mod comment;
mod definition;
mod global;
mod include;
mod keywords;
mod limits;
mod lvs;
mod meaning;
mod predefined;
mod reader;
mod reading;
mod repeat;
mod text;
mod vrrp;
mod words;

pub use block::Statement;
pub(crate) use comment::begins as comment_begins;
pub use global::Globals;
pub use include::{Files, Found};
pub use keywords::{Context, Keyword, Support};
pub use limits::Limits;
pub use meaning::{Keepalived, Written};
pub use reading::{Remark, Verdict};
pub use text::Place;
pub use words::{Unclosed, Word, shell_words};

use crate::{Diagnostic, Location, Severity};
use reader::Reader;

/// What a reader must know of where it runs.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Compared with the word after `@`: the first part of the host's name, if nothing else is said (`-i`).
    pub config_id: String,
    /// Makes the numbers of `${_RANDOM}`.
    pub seed: u64,
    /// Gives the value of an environment variable, for `${_ENV NAME}`.
    pub environment: std::collections::BTreeMap<String, String>,
    /// The network interfaces that there are; none: that is not known, and not looked at.
    pub interfaces: Option<std::collections::BTreeSet<String>>,
}

/// A file as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Its name, as it was asked for.
    pub name: String,
    /// What is in it. Bytes that are no UTF-8 are replaced.
    pub text: String,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// Every file, in the order in which they were opened; the first is the one that was asked for.
    pub sources: Vec<Source>,
    /// The statements outside any block.
    pub statements: Vec<Statement>,
    /// What is to be said about the language; not about keywords.
    pub diagnostics: Vec<Diagnostic>,
    /// The file that was asked for could not be read.
    pub unread: bool,
    /// There is more than the limits allow: what is here is a part of what is written.
    pub cut: bool,
    /// A file is not there that must be, by `include_check` or the like.
    pub incomplete: bool,
}

impl Document {
    /// Reads a file and what it includes.
    pub fn read(files: &dyn Files, name: &str, host: &Host) -> Document {
        Document::read_within(files, name, host, &Limits::default())
    }

    /// The same within other limits.
    pub fn read_within(files: &dyn Files, name: &str, host: &Host, limits: &Limits) -> Document {
        let mut reader = Reader::open(files, name, host, limits);
        let statements = block::statements(&mut reader, limits);
        let (unread, cut, incomplete) = (reader.is_unread(), reader.is_cut(), reader.is_incomplete());
        let (sources, problems) = reader.close();
        let mut document = Document { sources, statements, diagnostics: Vec::new(), unread, cut, incomplete };
        document.diagnostics =
            problems.into_iter().map(|(severity, place, fault)| document.diagnose(severity, place, fault)).collect();
        document
    }

    /// Something to say about a place.
    pub(crate) fn diagnose(&self, severity: Severity, place: Place, fault: crate::report::Fault) -> Diagnostic {
        let Location { file, line, column, length } = place.location();
        let file = self.sources.get(file).map(|source| source.name.clone()).unwrap_or_default();
        Diagnostic { severity, file, line, column, length, message: fault.message, help: fault.help }
    }

    /// The text of a file by its name, for [`Diagnostic::render`].
    pub fn text(&self, file: &str) -> &str {
        self.sources.iter().find(|source| source.name == file).map_or("", |source| &source.text)
    }
}
