//! The body of every answer that is not a success.

use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// Why a request failed: the body of every answer that is not a success. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// One line each.
    pub errors: Vec<String>,
    /// For programs.
    #[serde(default)]
    pub code: Code,
    /// The change that could not be made, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<usize>,
    /// With [`Code::Revision`]: the revision that is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

impl Failure {
    /// Of one line.
    pub fn new(code: Code, error: impl fmt::Display) -> Self {
        Failure { errors: vec![error.to_string()], code, change: None, revision: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.errors.join("\n"))
    }
}

impl std::error::Error for Failure {}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request cannot be read.
    Malformed,
    /// No token was shown, or a wrong one.
    Unauthorized,
    /// What was shown allows less.
    Forbidden,
    /// There is nothing at this path, or nothing of this name.
    NotFound,
    /// Not by this method.
    NotAllowed,
    /// The request took too long to come.
    Slow,
    /// The request is larger than any may be.
    TooLarge,
    /// Somebody else has changed the configuration meanwhile.
    Revision,
    /// The service to be added is there.
    ServiceExists,
    /// There is no such service.
    NoService,
    /// The server to be added is there.
    ServerExists,
    /// There is no such server.
    NoServer,
    /// What is asked for cannot be.
    Refused,
    /// More is asked in a second than is answered.
    Limited,
    /// Too much is asked at once, or the director is ending.
    Busy,
    /// It did not work.
    #[default]
    #[serde(other)]
    Failed,
}

impl Code {
    /// The HTTP status that goes with it.
    pub const fn status(self) -> u16 {
        match self {
            Code::Malformed => 400,
            Code::Unauthorized => 401,
            Code::Forbidden => 403,
            Code::NotFound => 404,
            Code::NotAllowed => 405,
            Code::Slow => 408,
            Code::Revision => 412,
            Code::TooLarge => 413,
            Code::ServiceExists | Code::NoService | Code::ServerExists | Code::NoServer | Code::Refused => 422,
            Code::Limited => 429,
            Code::Failed => 500,
            Code::Busy => 503,
        }
    }
}
