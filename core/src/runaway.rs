//! Programs that never look at the result of a write: too many failures on one connection to be an accident.
//!
//! One word for each connection holds the time at which its present burst began and the number of its failures, so that
//! one compare-exchange changes both. If two threads count at the same moment, one count may be lost; nothing waits.
//! Connections share places by their hash; the one with the fewest failures gives way.

use crate::sync::{AtomicU64, array, constructor};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// A burst ends at this age if it has not become a runaway; a runaway ends after being calm for this time.
/// Milliseconds.
pub const WINDOW_MS: u64 = 10_000;
/// The number of failures in one burst that makes a runaway, unless the settings give another.
pub const DEFAULT_LIMIT: u32 = 1000;
/// The largest limit that can be set.
pub const LARGEST_LIMIT: u32 = 1_000_000;
/// The longest pause after one failure, milliseconds.
const LONGEST_PAUSE_MS: u64 = 100;

const WAYS: usize = 4;
/// The low bits of a state hold the count, the high bits the time in milliseconds.
const COUNT_BITS: u32 = 24;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// What a failure means for the guard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Nothing unusual.
    Calm,
    /// This failure makes a runaway: warn, and judge the process.
    SetsIn,
    /// The runaway goes on: pause for this number of milliseconds.
    GoesOn(u64),
}

/// The connections with the most recent failures.
pub struct Runaways<const SETS: usize> {
    sets: [[Entry; WAYS]; SETS],
}

struct Entry {
    key: AtomicU64,
    state: AtomicU64,
}

impl Entry {
    constructor! {
        fn new() -> Self {
            Entry { key: AtomicU64::new(0), state: AtomicU64::new(0) }
        }
    }
}

impl<const SETS: usize> Runaways<SETS> {
    constructor! {
        /// An empty table.
        pub fn new() -> Self {
            Runaways { sets: array![array![Entry::new(); WAYS]; SETS] }
        }
    }

    /// Counts one failure of connection `key` at `now_ms` (milliseconds of any clock that does not go back).
    pub fn count(&self, key: u64, now_ms: u64, limit: u32) -> Step {
        let Some(entry) = self.entry(key.max(1)) else {
            return Step::Calm;
        };
        let before = entry.state.load(Relaxed);
        let (after, step) = next(before, now_ms, limit.clamp(1, LARGEST_LIMIT));
        match entry.state.compare_exchange(before, after, Relaxed, Relaxed) {
            Ok(_) => step,
            // Another thread has counted. Not every count can be lost for long.
            Err(_) => Step::Calm,
        }
    }

    fn entry(&self, key: u64) -> Option<&Entry> {
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let set = self.sets.get(hash as usize % SETS.max(1))?;
        if let Some(entry) = set.iter().find(|entry| entry.key.load(Acquire) == key) {
            return Some(entry);
        }
        let weakest = set.iter().min_by_key(|entry| entry.state.load(Relaxed) & COUNT_MASK)?;
        // In this order: a thread that finds the new key must not go on from the old key's failures.
        weakest.state.store(0, Relaxed);
        weakest.key.store(key, Release);
        Some(weakest)
    }
}

fn next(state: u64, now_ms: u64, limit: u32) -> (u64, Step) {
    let (since, count) = (state >> COUNT_BITS, state & COUNT_MASK);
    let limit = u64::from(limit);
    let packed = |since: u64, count: u64| since << COUNT_BITS | count.min(COUNT_MASK);
    let step_at = |count| if count == limit { Step::SetsIn } else { Step::Calm };
    if count == 0 || now_ms.saturating_sub(since) > WINDOW_MS {
        return (packed(now_ms, 1), step_at(1));
    }
    if count < limit {
        return (packed(since, count + 1), step_at(count + 1));
    }
    // From here on `since` is the time of the last failure.
    let pause = 1_u64.checked_shl((count - limit) as u32).unwrap_or(LONGEST_PAUSE_MS);
    let counted = (count + 1).min(limit + 10);
    (packed(now_ms, counted), Step::GoesOn(pause.min(LONGEST_PAUSE_MS)))
}

#[cfg(all(test, loom))]
mod models;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_tight_loop_is_a_runaway_once() {
        let table = Runaways::<4>::new();
        for n in 1..1000 {
            assert_eq!(table.count(7, 5_000 + n / 100, 1000), Step::Calm, "{n}");
        }
        assert_eq!(table.count(7, 5_010, 1000), Step::SetsIn);
        let pauses: Vec<_> = (0..9).map(|_| table.count(7, 5_010, 1000)).collect();
        let expected = [1, 2, 4, 8, 16, 32, 64, 100, 100].map(Step::GoesOn);
        assert_eq!(pauses, expected);
        // It stays one as long as it does not calm down, and is a new one after that.
        let mut now = 5_010;
        for _ in 0..1000 {
            now += 100;
            assert_eq!(table.count(7, now, 1000), Step::GoesOn(100));
        }
        assert_eq!(table.count(7, now + 10_001, 1000), Step::Calm);
    }

    #[test]
    fn a_heartbeat_is_none() {
        let table = Runaways::<4>::new();
        for second in 1..100_000 {
            assert_eq!(table.count(7, second * 1000, 1000), Step::Calm);
        }
    }

    #[test]
    fn different_connections_are_none() {
        let table = Runaways::<4>::new();
        for key in 1..100_000 {
            assert_eq!(table.count(key, 1000, 1000), Step::Calm);
        }
    }

    #[test]
    fn one_among_many_is_found() {
        let table = Runaways::<4>::new();
        let mut found = 0;
        for n in 0..100_000 {
            table.count(1000 + n, 1000, 1000);
            found += u32::from(table.count(7, 1000, 1000) == Step::SetsIn);
        }
        assert_eq!(found, 1);
    }

    #[test]
    fn the_smallest_limit() {
        let table = Runaways::<4>::new();
        assert_eq!(table.count(7, 1, 1), Step::SetsIn);
        assert_eq!(table.count(7, 1, 1), Step::GoesOn(1));
    }
}
