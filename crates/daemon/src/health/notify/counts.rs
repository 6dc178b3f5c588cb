//! How often somebody was told, and how often not.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// By which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Script,
    Fifo,
    Mail,
    Webhook,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was taken; a script has ended with 0.
    Sent,
    /// It was not, after all attempts.
    Failed,
    /// Too much waited before it.
    Dropped,
}

/// Events told, by way and fate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(Arc<[[AtomicU64; 3]; 4]>);

impl Counts {
    /// So many more.
    pub(crate) fn add(&self, way: Way, fate: Fate, number: usize) {
        if let Some(count) = self.0.get(way as usize).and_then(|fates| fates.get(fate as usize)) {
            count.fetch_add(number as u64, Relaxed);
        }
    }

    /// All of them.
    pub(crate) fn figures(&self) -> Told {
        let names = ["script", "fifo", "mail", "webhook"].into_iter().zip(self.0.iter());
        Told(names.map(|(name, fates)| (name, fates.each_ref().map(|count| count.load(Relaxed)))).collect())
    }
}

/// Events that were told by each way: sent, failed and dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told(pub Vec<(&'static str, [u64; 3])>);
