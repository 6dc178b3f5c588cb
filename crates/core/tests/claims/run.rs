//! One packet's run through the core: it is told what memory answered the last time as far as that is known, and says
//! what it asks next.
//!
//! What a run does depends on nothing but these answers, so a CPU in the middle of a packet is a list of answers. To go
//! on it runs anew from the beginning; what it asks after the first question without an answer is not heard. Between two
//! stages all that a packet knows is in its frame and in its CPU's own memory: a run begins there too, and what was
//! answered before is forgotten.

use crate::{
    fault::{Before, Exchange, Planted},
    frames::Wire,
    scene::{Ends, Scene},
};
use relvs_core::{Block, table::load::TEMPLATES};
use std::cell::{Cell, RefCell};

/// What a run asks of the memory that is shared. Words are numbered as in the scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Load {
        word: usize,
    },
    Store {
        word: usize,
        value: u64,
    },
    Exchange {
        word: usize,
        old: u64,
        new: u64,
    },
    /// Whatever is there.
    Put {
        word: usize,
        new: u64,
    },
    /// To a destination's counts: order does not matter, and nobody reads them meanwhile.
    Add {
        destination: usize,
        count: Count,
        value: u64,
    },
}

impl Ask {
    /// The word that it may change.
    pub(crate) fn writes(self) -> Option<usize> {
        match self {
            Ask::Store { word, .. } | Ask::Exchange { word, .. } | Ask::Put { word, .. } => Some(word),
            Ask::Load { .. } | Ask::Add { .. } => None,
        }
    }
}

/// Which count of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    Flows,
    Templates,
}

/// What memory answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    /// A load's value, or why an exchange was not made.
    Value(u64),
    Done,
}

/// Where a run has come.
pub(crate) enum Stop {
    Asks(Ask),
    Ends(Ends),
    Goes(Start),
}

/// Where a run begins: before a packet, or between two of its stages.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Start {
    /// Number of the stage; none: the fast path.
    pub(crate) stage: Option<usize>,
    pub(crate) frame: Wire,
    /// Memory that is the CPU's own, or does not change.
    pub(crate) own: Vec<u64>,
    pub(crate) before: Before,
}

pub(crate) struct Run<'a> {
    pub(crate) scene: &'a Scene,
    /// The destination that the scheduler gives.
    pub(crate) chosen: usize,
    pub(crate) now: u16,
    answers: &'a [Answer],
    known: Cell<usize>,
    asked: Cell<Option<Ask>>,
    own: RefCell<Vec<u64>>,
    planted: Planted,
    /// Which words of the flow tables anybody writes.
    shared: &'a [Option<u8>],
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        scene: &'a Scene,
        (chosen, now): (usize, u16),
        start: &Start,
        answers: &'a [Answer],
        shared: &'a [Option<u8>],
    ) -> Self {
        Run {
            scene,
            chosen,
            now,
            answers,
            known: Cell::new(0),
            asked: Cell::default(),
            own: RefCell::new(start.own.clone()),
            planted: Planted::new(scene.fault, start.before.clone()),
            shared,
        }
    }

    /// What it asked first of what is not answered yet.
    pub(crate) fn asked(&self) -> Option<Ask> {
        self.asked.get()
    }

    /// Where it goes on.
    pub(crate) fn start(&self, stage: usize, frame: Wire) -> Start {
        Start { stage: Some(stage), frame, own: self.own.borrow().clone(), before: self.planted.before() }
    }

    pub(crate) fn part(&'a self, at: usize) -> Part<'a> {
        Part { run: self, at }
    }

    fn ask(&self, ask: Ask) -> Option<Answer> {
        let known = self.known.get();
        self.known.set(known + 1);
        let answer = self.answers.get(known).copied();
        if answer.is_none() && self.asked.get().is_none() {
            self.asked.set(Some(ask));
        }
        answer
    }

    fn load(&self, word: usize) -> u64 {
        let layout = &self.scene.layout;
        if word >= layout.flows {
            return self.own.borrow()[word - layout.flows];
        }
        if let Some(value) = self.planted.load(layout, word) {
            return value;
        }
        let image = self.scene.image[word];
        // What nobody writes is as it was.
        let answer = self.shared[word].and_then(|_| self.ask(Ask::Load { word }));
        let value = if let Some(Answer::Value(value)) = answer { value } else { image };
        self.planted.loaded(layout, word, value)
    }

    fn store(&self, word: usize, value: u64) {
        let layout = &self.scene.layout;
        if word >= layout.flows {
            self.own.borrow_mut()[word - layout.flows] = value;
            return;
        }
        let value = self.planted.store(layout, word, value);
        self.ask(Ask::Store { word, value });
    }

    fn exchange(&self, word: usize, old: u64, new: u64) -> Result<(), u64> {
        let layout = &self.scene.layout;
        if word >= layout.flows {
            let seen = self.load(word);
            if seen != old {
                return Err(seen);
            }
            self.store(word, new);
            return Ok(());
        }
        let ask = match self.planted.exchange(layout, word, old, new) {
            Exchange::Asked(old, new) => Ask::Exchange { word, old, new },
            Exchange::Blind(new) => Ask::Put { word, new },
            Exchange::Skipped => return Ok(()),
        };
        match self.ask(ask) {
            Some(Answer::Done) => Ok(()),
            Some(Answer::Value(value)) => Err(value),
            None => Err(!old),
        }
    }

    fn add(&self, word: usize, value: u64) -> u64 {
        let loads = self.scene.layout.loads;
        if word >= loads && word < self.scene.layout.request {
            let count = if (word - loads) % 4 == TEMPLATES { Count::Templates } else { Count::Flows };
            if self.planted.counts(value) {
                self.ask(Ask::Add { destination: (word - loads) / 4, count, value });
            }
            return 0;
        }
        let before = self.load(word);
        self.store(word, before.wrapping_add(value));
        before
    }
}

/// Some words of a run's memory.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    run: &'a Run<'a>,
    at: usize,
}

impl Block for Part<'_> {
    fn load(self, word: usize) -> u64 {
        self.run.load(self.at + word)
    }
    fn store(self, word: usize, value: u64) {
        self.run.store(self.at + word, value);
    }
    fn compare_exchange(self, word: usize, old: u64, new: u64) -> Result<(), u64> {
        self.run.exchange(self.at + word, old, new)
    }
    fn fetch_add(self, word: usize, value: u64) -> u64 {
        self.run.add(self.at + word, value)
    }
}
