//! Objects of JSON as they come, a line each.

use crate::{
    Error,
    client::{answer, late},
};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use std::{fmt, marker::PhantomData, time::Duration};
use tokio::{runtime::Runtime, task::JoinHandle, time::timeout};

/// Objects as they come. What is not asked for any more is not sent.
pub struct Lines<T> {
    runtime: Runtime,
    body: Incoming,
    driver: JoinHandle<hyper::Result<()>>,
    limit: Option<Duration>,
    rest: Vec<u8>,
    at: usize,
    of: PhantomData<fn() -> T>,
}

impl<T> Lines<T> {
    /// Of this body, which the task receives; for each part no longer than the limit is waited.
    pub(crate) fn new(
        runtime: Runtime,
        body: Incoming,
        driver: JoinHandle<hyper::Result<()>>,
        limit: Option<Duration>,
    ) -> Self {
        Lines { runtime, body, driver, limit, rest: Vec::new(), at: 0, of: PhantomData }
    }
}

impl<T> fmt::Debug for Lines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned> Iterator for Lines<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = &self.rest[self.at..];
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let object = serde_json::from_slice(&rest[..end]).map_err(answer);
                self.at += end + 1;
                return Some(object);
            }
            self.rest.drain(..self.at);
            self.at = 0;
            let (body, limit) = (&mut self.body, self.limit);
            let part = self.runtime.block_on(async {
                match limit {
                    Some(limit) => timeout(limit, body.frame()).await,
                    None => Ok(body.frame().await),
                }
            });
            match part {
                Err(_) => return Some(Err(late())),
                Ok(None) if self.rest.is_empty() => return None,
                Ok(None) => {
                    self.rest.clear();
                    return Some(Err(answer("it ends in the middle of a line")));
                }
                Ok(Some(Err(error))) => return Some(Err(answer(error))),
                Ok(Some(Ok(frame))) => self.rest.extend(frame.into_data().unwrap_or_default()),
            }
        }
    }
}

impl<T> Drop for Lines<T> {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
