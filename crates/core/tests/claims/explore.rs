//! Every interleaving of a scene, and of each everything that a load may give.
//!
//! A state is the memory and where each CPU is in its jobs; states that were seen before are not gone on from. A step
//! that no other CPU could notice, and whose answer none could change, is taken alone.

use crate::{
    layout::DESTINATIONS,
    memory::{Eyes, Memory, WORDS},
    rules,
    run::{Answer, Ask, Start, Stop},
    scene::{Ends, Job, Scene},
};
use relvs_core::{
    flow::control::{self, CLAIMED, FREE, LIVE, PHASE},
    table::load::COUNTS,
};
use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
    rc::Rc,
};

/// CPUs and user space.
pub(crate) const CPUS: usize = 4;
/// Jobs of one of them.
pub(crate) const JOBS: usize = 3;

/// Ways that are gone before a search.
const WALKS: usize = 500;

/// What was seen of a scene.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) states: u64,
    /// States in which everybody is through.
    pub(crate) ends: u64,
    /// Packets' different runs, by what memory answered.
    pub(crate) runs: u64,
    /// Shared words.
    pub(crate) words: u64,
    /// How often it began anew.
    pub(crate) begun: u64,
}

/// Where a run of a job is: what it asks next, or how it ended, and where it is after each answer.
struct Node {
    stop: Stop,
    start: Rc<Start>,
    parent: usize,
    answer: Answer,
    next: Vec<(Answer, u32)>,
}

/// A CPU, or user space.
#[derive(Clone, Copy)]
struct Cpu {
    job: u8,
    node: u32,
}

/// The whole of it at a moment.
#[derive(Clone)]
pub(crate) struct State {
    cpus: [Cpu; CPUS],
    eyes: [Eyes; CPUS],
    memory: Memory,
    /// Destinations' counts, as they were added up.
    pub(crate) counts: [[u64; 2]; DESTINATIONS],
    /// How jobs ended.
    pub(crate) ends: [[Option<Ends>; JOBS]; CPUS],
    /// Some flow was displaced or expired.
    pub(crate) lost: bool,
}

/// Why an exploration stops before its end.
enum Halt {
    /// A word is written that was thought not to be, or a CPU writes one that was not known to be its.
    Learned,
    Broken(String),
}

/// Which words of the flow tables which job writes, as far as is known.
#[derive(Default)]
struct Words {
    /// A word's number among those that are shared.
    of: Vec<Option<u8>>,
    count: usize,
    /// By CPU and job: bits of the words that it writes.
    writes: [[u32; JOBS]; CPUS],
}

pub(crate) struct Explorer<'a> {
    scene: &'a Scene,
    words: Words,
    nodes: Vec<Node>,
    roots: HashMap<(usize, u8, Rc<Start>), u32>,
    visited: HashSet<u128, BuildHasherDefault<Same>>,
    seen: Seen,
    most: u64,
}

/// What is hashed already.
#[derive(Default)]
struct Same(u64);

impl Hasher for Same {
    fn write(&mut self, bytes: &[u8]) {
        for eight in bytes.as_chunks::<8>().0 {
            self.0 ^= u64::from_ne_bytes(*eight);
        }
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

/// Every interleaving of `scene`.
///
/// # Errors
///
/// The way to the first state that breaks a rule. It panics if there are more states than `most`.
pub(crate) fn explore(scene: &Scene, most: u64) -> Result<Seen, String> {
    let mut explorer = Explorer {
        scene,
        words: Words { of: vec![None; scene.layout.flows], ..Words::default() },
        nodes: Vec::new(),
        roots: HashMap::new(),
        visited: HashSet::default(),
        seen: Seen::default(),
        most,
    };
    loop {
        explorer.nodes.clear();
        explorer.roots.clear();
        explorer.visited.clear();
        explorer.seen = Seen { begun: explorer.seen.begun + 1, ..Seen::default() };
        match explorer.scout().and_then(|()| explorer.search()) {
            Ok(()) => break,
            Err(Halt::Broken(how)) => return Err(how),
            Err(Halt::Learned) => {}
        }
    }
    explorer.seen.runs = explorer.nodes.iter().filter(|node| matches!(node.stop, Stop::Ends(_))).count() as u64;
    explorer.seen.words = explorer.words.count as u64;
    Ok(explorer.seen)
}

/// A state, and what it came from.
struct Level {
    rest: Vec<(State, Step)>,
    step: Step,
}

/// What one CPU did.
#[derive(Clone, Copy)]
struct Step {
    cpu: usize,
    ask: Option<Ask>,
    answer: Answer,
}

impl Explorer<'_> {
    fn search(&mut self) -> Result<(), Halt> {
        let first = self.first()?;
        let mut path = Vec::new();
        let mut next = vec![(first, Step { cpu: 0, ask: None, answer: Answer::Done })];
        loop {
            match next.pop() {
                Some((state, step)) => {
                    let hash = self.hash(&state);
                    if !self.visited.insert(hash) {
                        continue;
                    }
                    self.seen.states += 1;
                    assert!(self.seen.states <= self.most, "more than {} states", self.most);
                    let following = self.following(&state);
                    let broken = match &following {
                        Ok(following) if following.is_empty() => {
                            self.seen.ends += 1;
                            rules::at_rest(self.scene, &state, |word| self.newest(&state, word)).err()
                        }
                        Err(Halt::Broken(how)) => Some(how.clone()),
                        _ => None,
                    };
                    path.push(Level { rest: std::mem::take(&mut next), step });
                    if let Some(how) = broken {
                        return Err(Halt::Broken(self.tell(&path, &state, &how)));
                    }
                    next = following?;
                }
                None => match path.pop() {
                    Some(level) => next = level.rest,
                    None => return Ok(()),
                },
            }
        }
    }

    /// Goes some ways at random: most of what is to be learned is learned before the search begins, which else would
    /// have to begin anew late.
    fn scout(&mut self) -> Result<(), Halt> {
        let first = self.first()?;
        let mut dice = 1u64;
        for _ in 0..WALKS {
            let mut state = first.clone();
            loop {
                let mut next = self.following(&state)?;
                if next.is_empty() {
                    break;
                }
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state = next.swap_remove((dice >> 33) as usize % next.len()).0;
            }
        }
        Ok(())
    }

    fn first(&mut self) -> Result<State, Halt> {
        let mut image = vec![0; self.words.count];
        for (word, number) in self.words.of.iter().enumerate() {
            if let Some(number) = number {
                image[usize::from(*number)] = self.scene.image[word];
            }
        }
        let counts = |number| [self.scene.image[self.scene.layout.loads + 4 * number + COUNTS], 0];
        let mut state = State {
            cpus: [Cpu { job: 0, node: 0 }; CPUS],
            eyes: std::array::from_fn(|cpu| if cpu < self.scene.jobs.len() { Eyes::START } else { Eyes::CLOSED }),
            memory: Memory::new(image.into_iter()),
            counts: std::array::from_fn(counts),
            ends: [[None; JOBS]; CPUS],
            lost: false,
        };
        for cpu in 0..self.scene.jobs.len() {
            state.cpus[cpu].node = self.root(cpu, 0)?;
        }
        Ok(state)
    }

    fn job(&self, cpu: usize, job: u8) -> Option<Job> {
        self.scene.jobs[cpu].get(usize::from(job)).copied()
    }

    fn root(&mut self, cpu: usize, job: u8) -> Result<u32, Halt> {
        match self.job(cpu, job) {
            Some(what) => self.begin(cpu, job, self.scene.start(what)),
            None => Ok(u32::MAX),
        }
    }

    /// Where a run is at its beginning.
    fn begin(&mut self, cpu: usize, job: u8, start: Start) -> Result<u32, Halt> {
        let key = (cpu, job, Rc::new(start));
        if let Some(root) = self.roots.get(&key) {
            return Ok(*root);
        }
        let root = self.run(cpu, job, &key.2, &[], usize::MAX, Answer::Done)?;
        self.roots.insert(key, root);
        Ok(root)
    }

    /// A run as far as it is known, and what it asks next.
    fn run(
        &mut self,
        cpu: usize,
        job: u8,
        start: &Rc<Start>,
        answers: &[Answer],
        parent: usize,
        answer: Answer,
    ) -> Result<u32, Halt> {
        let Some(what) = self.job(cpu, job) else { return Ok(u32::MAX) };
        let stop = match self.scene.run(what, start, answers, &self.words.of) {
            Stop::Goes(start) => return self.begin(cpu, job, start),
            stop @ (Stop::Asks(_) | Stop::Ends(_)) => stop,
        };
        self.learn(cpu, job, &stop)?;
        self.nodes.push(Node { stop, start: Rc::clone(start), parent, answer, next: Vec::new() });
        Ok(self.nodes.len() as u32 - 1)
    }

    /// Where a run is after this answer.
    fn after(&mut self, cpu: usize, job: u8, node: u32, answer: Answer) -> Result<u32, Halt> {
        let node = node as usize;
        if let Some((_, next)) = self.nodes[node].next.iter().find(|(other, _)| *other == answer) {
            return Ok(*next);
        }
        let mut answers = vec![answer];
        let mut at = node;
        while self.nodes[at].parent != usize::MAX {
            answers.push(self.nodes[at].answer);
            at = self.nodes[at].parent;
        }
        answers.reverse();
        let start = Rc::clone(&self.nodes[node].start);
        let next = self.run(cpu, job, &start, &answers, node, answer)?;
        self.nodes[node].next.push((answer, next));
        Ok(next)
    }

    /// Takes note of what a job writes.
    fn learn(&mut self, cpu: usize, job: u8, stop: &Stop) -> Result<(), Halt> {
        let Stop::Asks(ask) = stop else { return Ok(()) };
        let Some(word) = ask.writes() else { return Ok(()) };
        let words = &mut self.words;
        let mut learned = false;
        let number = match words.of[word] {
            Some(number) => number,
            None => {
                assert!(words.count < WORDS, "more shared words than a view has");
                let number = words.count as u8;
                words.of[word] = Some(number);
                words.count += 1;
                learned = true;
                number
            }
        };
        let writes = &mut words.writes[cpu][usize::from(job)];
        if *writes >> number & 1 == 0 {
            *writes |= 1 << number;
            learned = true;
        }
        if learned { Err(Halt::Learned) } else { Ok(()) }
    }

    fn number(&self, word: usize) -> usize {
        self.words.of[word].map_or(0, usize::from)
    }

    /// The newest value of a word of the flow tables.
    fn newest(&self, state: &State, word: usize) -> u64 {
        match self.words.of[word] {
            Some(number) => state.memory.last(number.into()),
            None => self.scene.image[word],
        }
    }

    /// All states that may come next. None: everybody is through.
    fn following(&mut self, state: &State) -> Result<Vec<(State, Step)>, Halt> {
        let mut next = Vec::new();
        for cpu in 0..self.scene.jobs.len() {
            if self.job(cpu, state.cpus[cpu].job).is_some() && self.is_alone(state, cpu) {
                self.steps(state, cpu, &mut next)?;
                return Ok(next);
            }
        }
        for cpu in 0..self.scene.jobs.len() {
            if self.job(cpu, state.cpus[cpu].job).is_some() {
                self.steps(state, cpu, &mut next)?;
            }
        }
        Ok(next)
    }

    /// Whether nobody could notice this CPU's next step, nor change its answer.
    fn is_alone(&self, state: &State, cpu: usize) -> bool {
        match &self.nodes[state.cpus[cpu].node as usize].stop {
            Stop::Ends(_) | Stop::Asks(Ask::Add { .. }) => true,
            Stop::Asks(Ask::Load { word }) => {
                let bit = 1 << self.number(*word);
                (0..self.scene.jobs.len()).filter(|other| *other != cpu).all(|other| {
                    let from = usize::from(state.cpus[other].job).min(JOBS);
                    self.words.writes[other][from..].iter().all(|writes| writes & bit == 0)
                })
            }
            Stop::Asks(_) | Stop::Goes(_) => false,
        }
    }

    /// The states after the next step of one CPU.
    fn steps(&mut self, state: &State, cpu: usize, next: &mut Vec<(State, Step)>) -> Result<(), Halt> {
        let machine = self.scene.machine;
        let Cpu { node, .. } = state.cpus[cpu];
        let ask = match &self.nodes[node as usize].stop {
            Stop::Ends(ends) => {
                let ends = *ends;
                next.push((self.end(state, cpu, ends)?, Step { cpu, ask: None, answer: Answer::Done }));
                return Ok(());
            }
            Stop::Asks(ask) => *ask,
            Stop::Goes(_) => return Ok(()),
        };
        let mut push = |this: &mut Self, mut new: State, answer| {
            this.go(&mut new, cpu, answer)?;
            new.memory.forget(&mut new.eyes);
            next.push((new, Step { cpu, ask: Some(ask), answer }));
            Ok(())
        };
        match ask {
            Ask::Add { destination, count, value } => {
                let mut new = state.clone();
                let sum = &mut new.counts[destination][count as usize];
                *sum = sum.wrapping_add(value);
                push(self, new, Answer::Done)
            }
            Ask::Store { word, value } => {
                let mut new = state.clone();
                new.memory.write(self.number(word), value, machine.store, &mut new.eyes[cpu]);
                push(self, new, Answer::Done)
            }
            Ask::Load { word } => {
                let number = self.number(word);
                for (at, value) in state.memory.readable(number, &state.eyes[cpu]) {
                    let mut new = state.clone();
                    new.memory.read(number, at, machine.load, &mut new.eyes[cpu]);
                    push(self, new, Answer::Value(value))?;
                }
                Ok(())
            }
            Ask::Exchange { word, old, new: value } => {
                let number = self.number(word);
                if state.memory.last(number) == old {
                    push(self, self.replaced(state, cpu, word, value)?, Answer::Done)?;
                }
                for (at, seen) in state.memory.readable(number, &state.eyes[cpu]) {
                    if seen != old {
                        let mut new = state.clone();
                        new.memory.read(number, at, machine.failed, &mut new.eyes[cpu]);
                        push(self, new, Answer::Value(seen))?;
                    }
                }
                Ok(())
            }
            Ask::Put { word, new: value } => push(self, self.replaced(state, cpu, word, value)?, Answer::Done),
        }
    }

    fn replaced(&self, state: &State, cpu: usize, word: usize, value: u64) -> Result<State, Halt> {
        let mut new = state.clone();
        let number = self.number(word);
        let old = new.memory.last(number);
        new.memory.replace(number, value, self.scene.machine.exchange, &mut new.eyes[cpu]);
        if self.scene.layout.is_control(word) && old & PHASE == LIVE {
            let job = self.job(cpu, state.cpus[cpu].job);
            let expires = matches!(job, Some(Job::Expire { .. }));
            new.lost |= value & PHASE == CLAIMED || value & PHASE == FREE && expires;
            if let Some(how) = job.and_then(|job| rules::lost(job, old, value)) {
                return Err(Halt::Broken(how));
            }
        }
        Ok(new)
    }

    fn go(&mut self, state: &mut State, cpu: usize, answer: Answer) -> Result<(), Halt> {
        let Cpu { job, node } = state.cpus[cpu];
        state.cpus[cpu].node = self.after(cpu, job, node, answer)?;
        Ok(())
    }

    fn end(&mut self, state: &State, cpu: usize, ends: Ends) -> Result<State, Halt> {
        let mut new = state.clone();
        let job = new.cpus[cpu].job;
        new.ends[cpu][usize::from(job)] = Some(ends);
        if ends == Ends::Astray {
            return Err(Halt::Broken(format!("the packet of CPU {cpu} goes astray")));
        }
        new.cpus[cpu] = Cpu { job: job + 1, node: self.root(cpu, job + 1)? };
        if self.job(cpu, job + 1).is_none() {
            new.eyes[cpu] = Eyes::CLOSED;
        }
        new.memory.forget(&mut new.eyes);
        Ok(new)
    }

    fn hash(&self, state: &State) -> u128 {
        let mut sums = [0x9e37_79b9_7f4a_7c15u64, 0xd1b5_4a32_d192_ed03];
        let mut feed = |word: u64| {
            for (sum, factor) in sums.iter_mut().zip([0xff51_afd7_ed55_8ccdu64, 0xc4ce_b9fe_1a85_ec53]) {
                *sum = (*sum ^ word).wrapping_mul(factor);
                *sum ^= *sum >> 29;
            }
        };
        for (cpu, eyes) in state.eyes.iter().enumerate().take(self.scene.jobs.len()) {
            feed(u64::from(state.cpus[cpu].job) << 32 | u64::from(state.cpus[cpu].node));
            for view in eyes.views() {
                view.feed(self.words.count, &mut feed);
            }
            for ends in state.ends[cpu] {
                feed(match ends {
                    None => 0,
                    Some(Ends::Forwarded(number)) => 1 + number as u64,
                    Some(Ends::Passed(reason)) => 1 << 8 | reason as u64,
                    Some(Ends::Dropped(reason)) => 2 << 8 | reason as u64,
                    Some(Ends::Looked) => 3 << 8,
                    Some(Ends::Astray) => 4 << 8,
                });
            }
        }
        state.counts.iter().flatten().copied().for_each(&mut feed);
        feed(state.lost.into());
        state.memory.feed(self.words.count, feed);
        u128::from(sums[0]) << 64 | u128::from(sums[1])
    }

    /// What happened until a state, for people.
    fn tell(&self, path: &[Level], state: &State, how: &str) -> String {
        let mut text = String::new();
        for Level { step: Step { cpu, ask, answer }, .. } in path {
            let place = |word: usize| {
                let record = self.scene.layout.record;
                let from = self.scene.layout.place(self.scene.layout.zone(word), 0);
                format!("{:?} {}.{}", self.scene.layout.zone(word), (word - from) / record, word % record)
            };
            let line = match ask {
                None => "ends".to_owned(),
                Some(Ask::Load { word }) => format!("looks at {}: {}", place(*word), said(*answer)),
                Some(Ask::Store { word, value }) => format!("writes {}: {value:#x}", place(*word)),
                Some(Ask::Exchange { word, old, new }) => {
                    let (old, new) = (said(Answer::Value(*old)), said(Answer::Value(*new)));
                    format!("exchanges {}, {old} for {new}: {}", place(*word), said(*answer))
                }
                Some(Ask::Put { word, new }) => format!("puts {}: {}", place(*word), said(Answer::Value(*new))),
                Some(Ask::Add { destination, count, value }) => {
                    format!("adds {value:#x} to {destination}'s {count:?}")
                }
            };
            text += &format!("  {cpu}: {line}\n");
        }
        format!("{how}; {:?}\n{text}", &state.ends[..self.scene.jobs.len()])
    }
}

/// A control word, for people.
fn said(answer: Answer) -> String {
    let Answer::Value(word) = answer else { return "done".to_owned() };
    let phase = match word & PHASE {
        FREE => "free",
        CLAIMED => "claimed",
        LIVE => "live",
        _ => "tentative",
    };
    let (destination, state) = (control::destination(word), control::state(word));
    format!("{phase}({word:#x}: g{} d{destination} s{state})", control::generation(word))
}
