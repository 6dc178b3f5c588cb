//! What comes from outside, read as the daemon reads it: for fuzzing. It has no effect.

use crate::{director, server};
use relvs_api::Failure;
use relvs_control::Control;
use serde::de::DeserializeOwned;

/// A request's body.
///
/// # Errors
///
/// It is not understood, whole or in part.
pub fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    server::parse(bytes)
}

/// What an earlier daemon wrote down of what it applied: all, and lines of what changed since.
pub fn remembered(whole: &[u8], lines: &[u8]) -> Option<Control> {
    director::remembered(whole, lines)
}
