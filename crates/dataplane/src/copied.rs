//! A record's words as they were read, for the core's functions that read records.

/// Words that nobody changes any more.
#[derive(Clone, Copy, Debug)]
pub struct Copied<'a>(pub &'a [u64]);

impl relvs_core::Block for Copied<'_> {
    fn load(self, word: usize) -> u64 {
        self.0.get(word).copied().unwrap_or(0)
    }
    fn store(self, _: usize, _: u64) {}
    fn compare_exchange(self, word: usize, _: u64, _: u64) -> Result<(), u64> {
        Err(self.load(word))
    }
    fn fetch_add(self, word: usize, _: u64) -> u64 {
        self.load(word)
    }
}
