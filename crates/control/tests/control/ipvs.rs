//! IPVS's rr and wrr rebuilt step by step from the description of their behaviour: a list that new servers join at
//! the head, and what each keeps between two choices.

use relvs_model::Scheduler;

type Id = u32;

pub(crate) struct Ipvs {
    scheduler: Scheduler,
    /// Head first.
    list: Vec<(Id, u32)>,
    /// rr: used last. wrr: chosen last in this pass. None is the head of the list.
    pointer: Option<Id>,
    current: i64,
    largest: i64,
    step: i64,
}

impl Ipvs {
    pub(crate) fn new(scheduler: Scheduler) -> Self {
        Ipvs { scheduler, list: Vec::new(), pointer: None, current: 0, largest: 0, step: 1 }
    }

    /// At the beginning of a pass with this current weight.
    pub(crate) fn at_pass(weights: &[u32], current: i64) -> Self {
        let mut ipvs = Ipvs::new(Scheduler::Wrr);
        for (weight, id) in weights.iter().zip(1..) {
            ipvs.add(id, *weight);
        }
        ipvs.current = current;
        ipvs
    }

    pub(crate) fn add(&mut self, id: Id, weight: u32) {
        self.list.insert(0, (id, weight));
        self.changed();
    }

    pub(crate) fn remove(&mut self, id: Id) {
        let at = self.place(id);
        if self.scheduler == Scheduler::Rr && self.pointer == Some(id) {
            self.pointer = if at == 0 { None } else { Some(self.list[at - 1].0) };
        }
        self.list.remove(at);
        self.changed();
    }

    pub(crate) fn edit(&mut self, id: Id, weight: u32) {
        let at = self.place(id);
        self.list[at].1 = weight;
        self.changed();
    }

    pub(crate) fn switch(&mut self, scheduler: Scheduler) {
        self.scheduler = scheduler;
        self.pointer = None;
        self.measure();
        self.current = self.largest;
    }

    fn place(&self, id: Id) -> usize {
        self.list.iter().position(|(other, _)| *other == id).unwrap()
    }

    fn measure(&mut self) {
        let mut step = 0;
        for (_, weight) in &self.list {
            let (mut a, mut b) = (step, i64::from(*weight));
            while b > 0 {
                (a, b) = (b, a % b);
            }
            step = a;
        }
        self.step = step.max(1);
        self.largest = self.list.iter().map(|(_, weight)| i64::from(*weight)).max().unwrap_or(0) - (self.step - 1);
    }

    fn changed(&mut self) {
        if self.scheduler == Scheduler::Rr {
            return;
        }
        self.pointer = None;
        self.measure();
        if self.current > self.largest || self.current == 0 {
            self.current = self.largest;
        } else if self.step > 1 {
            self.current = self.current / self.step * self.step + 1;
        }
    }

    pub(crate) fn arrive(&mut self) -> Option<Id> {
        match self.scheduler {
            Scheduler::Rr => self.rr(),
            Scheduler::Wrr => self.wrr(),
        }
    }

    fn rr(&mut self) -> Option<Id> {
        let after = self.pointer.map_or(0, |id| self.place(id) + 1);
        let around = self.list[after..].iter().chain(&self.list[..after]);
        let chosen = around.into_iter().find(|(_, weight)| *weight > 0)?.0;
        self.pointer = Some(chosen);
        Some(chosen)
    }

    fn wrr(&mut self) -> Option<Id> {
        if self.largest == 0 {
            return None;
        }
        let mut at = self.pointer.map_or(0, |id| self.place(id) + 1);
        loop {
            while let Some((id, weight)) = self.list.get(at) {
                if i64::from(*weight) >= self.current {
                    self.pointer = Some(*id);
                    return Some(*id);
                }
                at += 1;
            }
            at = 0;
            self.current -= self.step;
            if self.current <= 0 {
                self.current = self.largest;
            }
        }
    }
}
