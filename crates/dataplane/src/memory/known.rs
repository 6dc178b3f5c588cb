//! A table by keys of `K` words and with values of `V`, of a fixed size: who is new may displace who is oldest.

use super::{
    cells::{Cells, cells, zeroed},
    lock,
};
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Release},
    },
};

pub(super) struct Known<const K: usize, const V: usize> {
    values: Vec<AtomicU64>,
    places: Mutex<Places<K>>,
}

struct Places<const K: usize> {
    of: HashMap<[u64; K], u32>,
    /// Oldest first.
    order: VecDeque<[u64; K]>,
    room: u32,
}

impl<const K: usize, const V: usize> Known<K, V> {
    /// Empty, with room for so many.
    pub(super) fn new(room: u32) -> Self {
        let places = Places { of: HashMap::new(), order: VecDeque::new(), room };
        Known { values: zeroed(room as usize * V), places: Mutex::new(places) }
    }

    /// What is known by this key.
    pub(super) fn find(&self, key: &[u64; K]) -> Option<Cells<'_, V>> {
        cells(&self.values, *lock(&self.places).of.get(key)?)
    }

    /// Makes this known.
    pub(super) fn insert(&self, key: &[u64; K], value: &[u64; V]) {
        let mut places = lock(&self.places);
        let place = match places.of.get(key) {
            Some(place) => *place,
            None => {
                let place = places.free();
                places.of.insert(*key, place);
                places.order.push_back(*key);
                place
            }
        };
        for (word, value) in self.values.iter().skip(place as usize * V).zip(value) {
            word.store(*value, Release);
        }
    }
}

impl<const K: usize> Places<K> {
    fn free(&mut self) -> u32 {
        if self.of.len() < self.room as usize {
            return self.of.len() as u32;
        }
        self.order.pop_front().and_then(|oldest| self.of.remove(&oldest)).unwrap_or(0)
    }
}
