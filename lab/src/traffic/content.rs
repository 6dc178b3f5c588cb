//! The body of a request or an answer, made while it is sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::pattern::{Pattern, piece_at};

/// Pieces a second of a paced body.
const SLOW_PIECES: u64 = 20;

/// A body: a short text, or a pattern at full speed or paced.
pub(crate) enum Content {
    Text(Option<Bytes>),
    Pattern { pattern: Pattern, at: u64, length: u64, pace: Option<Pace> },
}

pub(crate) struct Pace {
    begin: Instant,
    seconds: u64,
    sleep: Pin<Box<Sleep>>,
}

impl Content {
    /// No body.
    pub(crate) const EMPTY: Self = Self::Text(None);

    /// That text.
    pub(crate) fn text(text: String) -> Self {
        Self::Text(Some(Bytes::from(text)))
    }

    /// The first `length` bytes of the pattern of `seed`, spread over `seconds` if given.
    pub(crate) fn pattern(seed: u64, length: u64, seconds: Option<u64>) -> Self {
        let begin = Instant::now();
        let pace = seconds.map(|seconds| Pace { begin, seconds, sleep: Box::pin(sleep_until(begin)) });
        Self::Pattern { pattern: Pattern::new(seed), at: 0, length, pace }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Text(text) => Poll::Ready(text.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pattern { at, length, .. } if at == length => Poll::Ready(None),
            Self::Pattern { pattern, at, length, pace } => {
                let mut size = piece_at(*at, *length);
                if let Some(pace) = pace {
                    if pace.sleep.as_mut().poll(context).is_pending() {
                        return Poll::Pending;
                    }
                    let pieces = pace.seconds * SLOW_PIECES;
                    let step = length.div_ceil(pieces).max(1);
                    size = usize::try_from((*length - *at).min(step)).unwrap_or(size);
                    let done = (*at + size as u64) as f64 / *length as f64;
                    pace.sleep.as_mut().reset(pace.begin + Duration::from_secs(pace.seconds).mul_f64(done));
                }
                let mut piece = vec![0; size];
                pattern.fill(*at, &mut piece);
                *at += size as u64;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from(piece)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_none(),
            Self::Pattern { at, length, .. } => at == length,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Text(text) => text.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Self::Pattern { at, length, .. } => length - at,
        })
    }
}
