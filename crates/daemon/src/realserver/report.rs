//! What was done or found, line by line, for people. It prints nothing itself.

use std::fmt;

/// How good a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing; perhaps intended.
    Warning,
    /// Traffic goes astray.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Error => "error",
        })
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How good it is.
    pub level: Level,
    /// What, and where.
    pub text: String,
    /// What helps, if something is to be done.
    pub remedy: Option<String>,
}

impl Line {
    pub(super) fn ok(text: impl Into<String>) -> Self {
        Line { level: Level::Ok, text: text.into(), remedy: None }
    }

    pub(super) fn warning(text: impl Into<String>) -> Self {
        Line { level: Level::Warning, text: text.into(), remedy: None }
    }

    pub(super) fn error(text: impl Into<String>) -> Self {
        Line { level: Level::Error, text: text.into(), remedy: None }
    }

    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8} {}", self.level, self.text)?;
        match &self.remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

/// All findings of one command, in the order in which they are to be read. It displays as one line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The findings.
    pub lines: Vec<Line>,
}

impl Report {
    /// The worst of them; ok if there is none.
    pub fn level(&self) -> Level {
        self.lines.iter().map(|line| line.level).max().unwrap_or(Level::Ok)
    }

    /// The command's exit code: 1 if anything is wrong.
    pub fn exit_code(&self) -> u8 {
        u8::from(self.level() == Level::Error)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
