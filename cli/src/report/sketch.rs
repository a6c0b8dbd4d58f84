//! The most frequent of many, in bounded memory: "space-saving" (Metwally, Agrawal, El Abbadi, 2005), with evictions in
//! batches.
//!
//! As long as there are at most [`Sketch::room`] different keys, every number is exact. When there are more, the half that
//! was counted least makes room. A key that comes later may have been one of these, so it starts with an error: the most
//! that any of them can have been counted. Always `count <= truth <= count + error`, and no key is missing whose truth is
//! above [`Sketch::floor`]. The floor is at most 2 / room of all that was counted.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;

/// What is counted for a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Count {
    /// As often it was seen since it was last let in.
    pub events: u64,
    /// It may have been seen as often before.
    pub error: u64,
    /// Bytes that never arrived.
    pub undelivered: u64,
    /// Times that it would have ended the program.
    pub saved: u64,
    /// The last time, microseconds since the epoch.
    pub last: Option<i64>,
}

/// See the module. The hash has a random seed: peers choose their addresses.
pub struct Sketch<K> {
    /// Where in `counts`.
    places: HashMap<K, u32, RandomState>,
    counts: Vec<Count>,
    room: usize,
    floor: u64,
}

impl Count {
    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Count) {
        self.events += other.events;
        self.undelivered += other.undelivered;
        self.saved += other.saved;
        self.last = self.last.max(other.last);
    }
}

impl<K: Hash + Eq + Ord + Clone> Sketch<K> {
    pub fn new(room: usize) -> Self {
        Sketch {
            places: HashMap::default(),
            counts: Vec::new(),
            room,
            floor: 0,
        }
    }

    /// As many different keys are counted exactly.
    pub fn room(&self) -> usize {
        self.room
    }

    /// Whoever was seen more often than this is in it. 0: every number is exact.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// How many keys there are; not exact if there were more than it has room for.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// The count for this key, to be changed. Keys that make room are passed to `left`.
    #[inline]
    pub fn of<Q>(&mut self, key: &Q, left: impl FnMut(K, Count)) -> &mut Count
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let place = match self.places.get(key) {
            Some(&place) => place as usize,
            None => {
                if self.counts.len() >= self.room {
                    self.make_room(left);
                }
                let place = self.counts.len();
                self.places.insert(key.to_owned(), place as u32);
                self.counts.push(Count {
                    error: self.floor,
                    ..Count::default()
                });
                place
            }
        };
        &mut self.counts[place]
    }

    #[cold]
    fn make_room(&mut self, mut left: impl FnMut(K, Count)) {
        let mut most: Vec<u64> = self.counts.iter().map(|count| count.events + count.error).collect();
        let middle = most.len() / 2;
        let (_, &mut median, _) = most.select_nth_unstable(middle);
        self.floor = self.floor.max(median);
        let counts = std::mem::take(&mut self.counts);
        let mut stay = Vec::with_capacity(self.room);
        self.places = std::mem::take(&mut self.places)
            .into_iter()
            .filter_map(|(key, place)| {
                let count = counts[place as usize];
                if count.events + count.error <= median {
                    left(key, count);
                    return None;
                }
                stay.push(count);
                Some((key, stay.len() as u32 - 1))
            })
            .collect();
        self.counts = stay;
    }

    /// All keys and their counts.
    pub fn all(&self) -> impl Iterator<Item = (&K, &Count)> {
        self.places
            .iter()
            .map(|(key, &place)| (key, &self.counts[place as usize]))
    }

    /// The `n` with the highest counts; of equals those with more bytes, then by key.
    pub fn top(&self, n: usize) -> Vec<(K, Count)> {
        let mut all: Vec<(&K, &Count)> = self.all().collect();
        let rank = |(key_a, a): &(&K, &Count), (key_b, b): &(&K, &Count)| {
            let number = |count: &Count| (count.events, count.undelivered);
            number(b).cmp(&number(a)).then_with(|| key_a.cmp(key_b))
        };
        if n < all.len() {
            all.select_nth_unstable_by(n, rank);
            all.truncate(n);
        }
        all.sort_unstable_by(rank);
        all.into_iter().map(|(key, &count)| (key.clone(), count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn truth(keys: &[u8]) -> HashMap<u8, u64> {
        let mut truth = HashMap::new();
        for &key in keys {
            *truth.entry(key).or_insert(0) += 1;
        }
        truth
    }

    proptest! {
        #[test]
        fn bounds_hold(keys in proptest::collection::vec(prop_oneof![0..8_u8, any::<u8>()], 0..2000), room in 2..40_usize) {
            let mut sketch = Sketch::<u8>::new(room);
            for key in &keys {
                sketch.of(key, |_, count| assert!(count.events > 0)).events += 1;
            }
            let truth = truth(&keys);
            prop_assert!(sketch.len() <= room);
            for (key, count) in sketch.top(room) {
                prop_assert!(count.events <= truth[&key] && truth[&key] <= count.events + count.error);
                prop_assert!(count.error <= sketch.floor());
            }
            for (key, &n) in &truth {
                prop_assert!(n <= sketch.floor() || sketch.places.contains_key(key), "{key} {n} {}", sketch.floor());
            }
            prop_assert!(sketch.floor() as usize <= 2 * keys.len() / room);
            if truth.len() <= room {
                prop_assert_eq!(sketch.floor(), 0);
                prop_assert_eq!(sketch.len(), truth.len());
            }
        }
    }

    #[test]
    fn the_top() {
        let mut sketch = Sketch::<String>::new(10);
        for (name, events, undelivered) in [("a", 1, 0), ("b", 2, 5), ("c", 2, 9), ("d", 2, 5)] {
            let count = sketch.of(name, |_, _| ());
            (count.events, count.undelivered) = (events, undelivered);
        }
        let names: Vec<_> = sketch.top(3).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["c", "b", "d"]);
        assert_eq!(sketch.top(9).len(), 4);
    }
}
