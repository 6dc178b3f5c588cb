//! The protocol's safeguards, each of which can be taken out. The core stays as it is: what it asks of memory, or what
//! memory answers, is changed so that it is as if the safeguard were not there.

use crate::layout::Layout;
use relvs_core::{
    Zone,
    flow::{
        Link,
        control::{self, CLAIMED, FREE, GENERATION, LIVE, PHASE, TENTATIVE},
    },
    table::load,
};
use std::{cell::RefCell, collections::BTreeMap};

/// What is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// A free record is claimed by a store.
    Claim,
    /// A record is displaced whatever has become of it since it was looked at.
    Displace,
    /// A claim does not raise the generation.
    Generation,
    /// A reader does not look at the control word again.
    SecondLook,
    /// A record is its partner's whatever generation it has.
    Link,
    /// An inserter does not look for rivals.
    Rivals,
    /// An inserter sees only those rivals that are live.
    Tentative,
    /// The lower of two rivals lets the higher one be.
    Kill,
    /// A tentative record becomes live whatever has become of it.
    Live,
    /// Who has opened a flow does not look whether it has settled meanwhile.
    LookAtSettled,
    /// A record is freed whatever has become of it.
    Free,
    /// A packet's time and state are stored whatever has become of the record.
    Touch,
    /// Who was not first keeps what it has claimed.
    Release,
    /// Of NAT's two records the second stays when the first is lost or ends.
    Both,
    /// Who ends a flow leaves it counted.
    Unbind,
    /// Who finds that a rival was first leaves its own flow counted.
    Bind,
    /// A settled flow stays in the young table.
    LeaveYoung,
}

/// An exchange as it is asked of memory.
pub(crate) enum Exchange {
    /// As it was asked.
    Asked(u64, u64),
    /// Whatever is there.
    Blind(u64),
    /// Not at all: the core is told that it was done.
    Skipped,
}

/// A fault in one run, and what of the run it depends on.
pub(crate) struct Planted {
    fault: Option<Fault>,
    state: RefCell<Before>,
}

/// What a run has done so far, as far as a fault depends on it.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Before {
    /// This run's tentative record.
    tentative: Option<usize>,
    /// Records that this run has claimed and not yet given back.
    claimed: Vec<usize>,
    /// It has opened a flow.
    opened: bool,
    /// The last word that was loaded, if it is no control word.
    body: Option<usize>,
    /// Where the last link that was seen leads, and the generation that it says.
    link: Option<(usize, u8)>,
    /// Control words as they were seen last.
    looks: BTreeMap<usize, u64>,
}

impl Planted {
    pub(crate) fn new(fault: Option<Fault>, before: Before) -> Self {
        Planted { fault, state: RefCell::new(before) }
    }

    /// What a run that goes on from here must know.
    pub(crate) fn before(&self) -> Before {
        if self.fault.is_some() { self.state.borrow().clone() } else { Before::default() }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// What a load gives without asking.
    pub(crate) fn load(&self, layout: &Layout, word: usize) -> Option<u64> {
        if !layout.is_control(word) {
            self.state.borrow_mut().body = Some(word);
            return None;
        }
        let mut state = self.state.borrow_mut();
        let body = state.body.take();
        let rival = state.tentative.is_some_and(|own| own != word);
        let settled = state.opened && layout.zone(word) == Zone::Settled;
        if self.is(Fault::Rivals) && rival || self.is(Fault::LookAtSettled) && settled {
            return Some(FREE);
        }
        let again = body.is_some_and(|body| body > word && body < word + layout.record);
        if self.is(Fault::SecondLook) && again { state.looks.get(&word).copied() } else { None }
    }

    /// What a load gives of what memory says.
    pub(crate) fn loaded(&self, layout: &Layout, word: usize, value: u64) -> u64 {
        let mut state = self.state.borrow_mut();
        if layout.is_link(word) {
            let link = Link(value);
            let leads = |place| (layout.place(layout.zone(word), place as usize), link.generation());
            state.link = link.place().map(leads);
        }
        if !layout.is_control(word) {
            return value;
        }
        state.looks.insert(word, value);
        let rival = state.tentative.is_some_and(|own| own != word);
        if self.is(Fault::Tentative) && rival && value & PHASE == TENTATIVE {
            return value & !PHASE | CLAIMED;
        }
        if self.is(Fault::Link)
            && let Some((partner, generation)) = state.link
            && partner == word
        {
            return value & !GENERATION | u64::from(generation) << GENERATION.trailing_zeros();
        }
        value
    }

    /// What a store writes.
    pub(crate) fn store(&self, layout: &Layout, word: usize, value: u64) -> u64 {
        const OF_LINK: u64 = 0xff << 28;
        if self.is(Fault::Generation) && layout.is_link(word) { value & !OF_LINK } else { value }
    }

    /// What an exchange asks.
    pub(crate) fn exchange(&self, layout: &Layout, word: usize, old: u64, new: u64) -> Exchange {
        if !layout.is_control(word) {
            return Exchange::Asked(old, new);
        }
        let mut state = self.state.borrow_mut();
        let own = state.claimed.contains(&word);
        let (from, to) = (old & PHASE, new & PHASE);
        if state.tentative == Some(word) {
            state.tentative = None;
        }
        if to == TENTATIVE {
            state.tentative = Some(word);
        }
        if to == CLAIMED {
            state.claimed.push(word);
        }
        if to == LIVE && from == TENTATIVE && new & control::REPLY == 0 && layout.zone(word) == Zone::Young {
            state.opened = true;
        }
        let blind = match (from, to) {
            (FREE, CLAIMED) => self.is(Fault::Claim),
            (LIVE, CLAIMED) => self.is(Fault::Displace),
            (TENTATIVE, LIVE) => self.is(Fault::Live),
            (LIVE, FREE) => self.is(Fault::Free),
            (LIVE, LIVE) => self.is(Fault::Touch),
            _ => false,
        };
        let skipped = match (from, to) {
            (TENTATIVE, FREE) if !own => self.is(Fault::Kill),
            (CLAIMED | TENTATIVE, FREE) => self.is(Fault::Release),
            (LIVE, FREE) if old & control::REPLY != 0 => self.is(Fault::Both),
            (LIVE, FREE) => self.is(Fault::LeaveYoung) && layout.zone(word) == Zone::Young,
            _ => false,
        };
        let mask = if self.is(Fault::Generation) { !GENERATION } else { !0 };
        if skipped {
            Exchange::Skipped
        } else if blind {
            Exchange::Blind(new & mask)
        } else {
            Exchange::Asked(old & mask, new & mask)
        }
    }

    /// Whether a change of a count is made.
    pub(crate) fn counts(&self, share: u64) -> bool {
        let falls = share == load::ACTIVE.wrapping_neg() || share == load::INACTIVE.wrapping_neg();
        !(self.is(Fault::Unbind) && falls || self.is(Fault::Bind) && falls && self.lost())
    }

    /// Whether this run has claimed a record and has not opened a flow.
    fn lost(&self) -> bool {
        let state = self.state.borrow();
        !state.claimed.is_empty() && !state.opened
    }
}
