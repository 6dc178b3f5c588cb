//! The body of an answer: read to its end, compared as it comes, never kept longer than needed.

use super::{Reason, course::Course, http};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use md5::{Digest as _, Md5};
use std::sync::Arc;

/// A longer body is a failure: a check is no download.
const BODY_MAX: usize = 16 << 20;
/// A longer body is not searched: it would have to be in memory at once.
const SEARCHED_MAX: usize = 1 << 20;

/// What a body must be.
pub(super) struct Wants<'a> {
    /// Its MD5, in hexadecimal.
    pub(super) digest: Option<&'a str>,
    /// It must match.
    pub(super) matching: Option<Arc<regex::bytes::Regex>>,
    /// It must not match.
    pub(super) not_matching: Option<Arc<regex::bytes::Regex>>,
}

/// Reads a body and says whether it is as it should be. Without any wish it must only be whole.
pub(super) async fn judge(mut body: Incoming, wants: &Wants<'_>, course: &Course) -> Result<(), Reason> {
    let searched = wants.matching.is_some() || wants.not_matching.is_some();
    let (mut digest, mut kept, mut length) = (wants.digest.map(|_| Md5::new()), Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| http::reason(&e))?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        course.read(data.len());
        if length > BODY_MAX {
            return Err(format!("the body is longer than {} MiB", BODY_MAX >> 20));
        }
        if let Some(digest) = &mut digest {
            digest.update(&data);
        }
        if searched {
            if length > SEARCHED_MAX {
                return Err(format!("the body is longer than {} MiB, too long to be searched", SEARCHED_MAX >> 20));
            }
            kept.extend_from_slice(&data);
        }
    }
    if let (Some(digest), Some(expected)) = (digest, wants.digest) {
        compare(&digest.finalize(), expected)?;
    }
    if let Some(pattern) = &wants.matching
        && !pattern.is_match(&kept)
    {
        return Err(format!("the body does not match `{pattern}`"));
    }
    if let Some(pattern) = &wants.not_matching
        && pattern.is_match(&kept)
    {
        return Err(format!("the body matches `{pattern}`"));
    }
    Ok(())
}

fn compare(digest: &[u8], expected: &str) -> Result<(), Reason> {
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    if digest.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(format!("the body's digest is {digest}, expected {}", expected.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_written_as_genhash_does() {
        let digest = Md5::digest(b"hello\n");
        assert_eq!(compare(&digest, "B1946AC92492D2347C6235B4D2611184"), Ok(()));
        let why = compare(&digest, "00000000000000000000000000000000").unwrap_err();
        assert!(why.contains("b1946ac92492d2347c6235b4d2611184"), "{why}");
    }
}
