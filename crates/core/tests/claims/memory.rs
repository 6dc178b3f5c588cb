//! Memory as CPUs with weak ordering see it: each word's history, and of each CPU how far it has surely come in each.
//!
//! A load may give any value that is not older than what its CPU has seen of that word. A value carries what its writer
//! had seen at its last full barrier, or when it was written, if the write releases; who reads it with acquire, or reads
//! it and then passes a barrier, has seen that too. All full barriers have an order, and each has seen what those before
//! it had. That is C11's and allows more than x86 does, and what arm64 does with ldapr, str and a fully ordered exchange.
//! Not in it: a load that is performed after a store that follows it. The protocol's stores all follow an exchange.

/// Shared words that a scene may have.
pub(crate) const WORDS: usize = 24;

/// How far into each word's history.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct View(pub(crate) [u8; WORDS]);

impl View {
    pub(crate) const START: View = View([0; WORDS]);
    const ALL: View = View([u8::MAX; WORDS]);

    fn join(&mut self, other: &View) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = (*mine).max(theirs);
        }
    }
}

impl View {
    /// The part that the first so many words have.
    pub(crate) fn feed(&self, words: usize, mut to: impl FnMut(u64)) {
        for eight in self.0[..words.next_multiple_of(8)].as_chunks::<8>().0 {
            to(u64::from_le_bytes(*eight));
        }
    }
}

/// How far a CPU has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Eyes {
    /// What it has seen for sure.
    pub(crate) now: View,
    /// What it will have seen when it passes a barrier.
    pub(crate) next: View,
    /// What it had seen at the last one: its stores carry that.
    pub(crate) carried: View,
}

impl Eyes {
    pub(crate) const START: Eyes = Eyes { now: View::START, next: View::START, carried: View::START };
    /// Of a CPU that reads no more: it holds nothing back.
    pub(crate) const CLOSED: Eyes = Eyes { now: View::ALL, next: View::ALL, carried: View::ALL };

    pub(crate) fn views(&self) -> [&View; 3] {
        [&self.now, &self.next, &self.carried]
    }
}

/// What an operation orders besides its own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Relaxed,
    Acquire,
    Both,
    /// A full barrier.
    Full,
}

impl Order {
    fn acquires(self) -> bool {
        matches!(self, Order::Acquire | Order::Both | Order::Full)
    }
    fn releases(self) -> bool {
        matches!(self, Order::Both | Order::Full)
    }
}

/// What the operations of [`relvs_core::Block`] order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    pub(crate) load: Order,
    pub(crate) store: Order,
    /// One that replaces.
    pub(crate) exchange: Order,
    /// One that does not.
    pub(crate) failed: Order,
}

impl Machine {
    /// What the protocol needs, and no more.
    pub(crate) const ORDERED: Machine =
        Machine { load: Order::Acquire, store: Order::Relaxed, exchange: Order::Full, failed: Order::Relaxed };
}

#[derive(Clone, Copy)]
struct Value {
    value: u64,
    seen: View,
}

/// The words' histories. What no CPU can read any more is forgotten.
#[derive(Clone)]
pub(crate) struct Memory {
    /// All words' values, word by word, oldest first.
    values: Vec<Value>,
    /// How many each word has.
    lengths: [u8; WORDS],
    barriers: View,
}

impl Memory {
    pub(crate) fn new(words: impl Iterator<Item = u64>) -> Self {
        let values: Vec<Value> = words.map(|value| Value { value, seen: View::START }).collect();
        let mut lengths = [0; WORDS];
        lengths[..values.len()].fill(1);
        Memory { values, lengths, barriers: View::START }
    }

    fn begin(&self, word: usize) -> usize {
        self.lengths[..word].iter().map(|length| usize::from(*length)).sum()
    }

    /// The newest value.
    pub(crate) fn last(&self, word: usize) -> u64 {
        self.values[self.begin(word) + usize::from(self.lengths[word]) - 1].value
    }

    /// What a CPU can read, with its place in the history. The newest first.
    pub(crate) fn readable(&self, word: usize, eyes: &Eyes) -> impl Iterator<Item = (u8, u64)> + use<'_> {
        let begin = self.begin(word);
        (eyes.now.0[word]..self.lengths[word]).rev().map(move |at| (at, self.values[begin + usize::from(at)].value))
    }

    /// Reads the value at `at`.
    pub(crate) fn read(&mut self, word: usize, at: u8, order: Order, eyes: &mut Eyes) {
        eyes.now.0[word] = eyes.now.0[word].max(at);
        let seen = self.values[self.begin(word) + usize::from(at)].seen;
        if order.acquires() {
            eyes.now.join(&seen);
        }
        eyes.next.join(&seen);
        eyes.next.join(&eyes.now);
        if order == Order::Full {
            self.barrier(eyes);
        }
    }

    /// Appends a value.
    pub(crate) fn write(&mut self, word: usize, value: u64, order: Order, eyes: &mut Eyes) {
        self.append(word, value, order, eyes, View::START);
    }

    /// Replaces the newest value.
    pub(crate) fn replace(&mut self, word: usize, value: u64, order: Order, eyes: &mut Eyes) {
        if order == Order::Full {
            self.barrier(eyes);
        }
        let newest = self.lengths[word] - 1;
        self.read(word, newest, order, eyes);
        // Whoever acquires the new value has seen what the old one carried.
        let carried = self.values[self.begin(word) + usize::from(newest)].seen;
        self.append(word, value, order, eyes, carried);
        if order == Order::Full {
            self.barrier(eyes);
        }
    }

    fn append(&mut self, word: usize, value: u64, order: Order, eyes: &mut Eyes, mut seen: View) {
        let at = self.lengths[word];
        eyes.now.0[word] = at;
        eyes.next.0[word] = at;
        seen.join(if order.releases() { &eyes.now } else { &eyes.carried });
        seen.0[word] = at;
        self.values.insert(self.begin(word) + usize::from(at), Value { value, seen });
        self.lengths[word] += 1;
    }

    fn barrier(&mut self, eyes: &mut Eyes) {
        eyes.now.join(&eyes.next);
        eyes.now.join(&self.barriers);
        eyes.next = eyes.now;
        eyes.carried = eyes.now;
        self.barriers = eyes.now;
    }

    /// Forgets what is older than anything that these can read.
    pub(crate) fn forget(&mut self, cpus: &mut [Eyes]) {
        let mut least = View::ALL;
        for eyes in cpus.iter() {
            for (least, at) in least.0.iter_mut().zip(eyes.now.0) {
                *least = (*least).min(at);
            }
        }
        let mut from = 0;
        let mut any = false;
        for (least, length) in least.0.iter_mut().zip(&mut self.lengths) {
            // The newest stays, even when nobody is left to read.
            *least = (*least).min((*length).max(1) - 1);
            if *least > 0 {
                self.values.drain(from..from + usize::from(*least));
                *length -= *least;
                any = true;
            }
            from += usize::from(*length);
        }
        if !any {
            return;
        }
        let values = self.values.iter_mut().map(|value| &mut value.seen);
        let eyes = cpus.iter_mut().flat_map(|eyes| [&mut eyes.now, &mut eyes.next, &mut eyes.carried]);
        for view in eyes.chain(values).chain([&mut self.barriers]) {
            for (at, gone) in view.0.iter_mut().zip(least.0) {
                *at = if *at == u8::MAX { *at } else { at.saturating_sub(gone) };
            }
        }
    }

    /// All that the future depends on.
    pub(crate) fn feed(&self, words: usize, mut to: impl FnMut(u64)) {
        View(self.lengths).feed(words, &mut to);
        self.barriers.feed(words, &mut to);
        for value in &self.values {
            value.seen.feed(words, &mut to);
            to(value.value);
        }
    }
}
