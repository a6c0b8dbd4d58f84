//! Two tables of fixed size, lock-free: the connections that were reported, and the addresses of failed connects.
//!
//! Both are looked up by the connection's key. A hash gives the place, and a newer entry replaces an older one if there
//! is no room. No operation waits: a thread or a signal handler that comes in between finds each word whole.

use crate::sync::{AtomicU64, array, constructor};
use crate::versioned::{Versioned, words_of};
use core::sync::atomic::Ordering::*;

/// Entries that compete for the same places.
const WAYS: usize = 4;

/// The connections that were reported, at most `SETS * 4`. A connection that others drive out is forgotten, and would
/// be reported again.
pub struct Seen<const SETS: usize> {
    sets: [[AtomicU64; WAYS]; SETS],
}

impl<const SETS: usize> Seen<SETS> {
    constructor! {
        /// An empty table.
        pub fn new() -> Self {
            Seen { sets: array![array![AtomicU64::new(0); WAYS]; SETS] }
        }
    }

    fn set(&self, key: u64) -> &[AtomicU64] {
        match self.sets.get(hash(key) as usize % SETS.max(1)) {
            Some(set) => set,
            None => &[],
        }
    }

    /// Enters `key`; true if it was not there. If two threads enter the same key at the same time, exactly one gets
    /// true. That holds in a full set too, because a key always takes the same place there.
    pub fn insert(&self, key: u64) -> bool {
        let key = key.max(1);
        let set = self.set(key);
        for place in set {
            match place.compare_exchange(0, key, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(there) if there == key => return false,
                Err(_) => {}
            }
        }
        match set.get((hash(key) >> 32) as usize % WAYS) {
            Some(place) => place.swap(key, Relaxed) != key,
            None => true,
        }
    }

    /// Whether `key` was entered, and not driven out since.
    pub fn contains(&self, key: u64) -> bool {
        let key = key.max(1);
        self.set(key).iter().any(|place| place.load(Relaxed) == key)
    }
}

/// Socket addresses of the internet families: 28 bytes are enough for IPv6.
pub const ADDRESS: usize = 28;
const WORDS: usize = ADDRESS.div_ceil(8);

/// The addresses that failed or unfinished connects were headed for, the last one of each socket.
pub struct Targets<const ENTRIES: usize> {
    /// The key, then the address.
    entries: [Versioned<{ 1 + WORDS }>; ENTRIES],
}

impl<const ENTRIES: usize> Targets<ENTRIES> {
    constructor! {
        /// An empty table.
        pub fn new() -> Self {
            Targets { entries: array![Versioned::new(); ENTRIES] }
        }
    }

    fn entry(&self, key: u64) -> Option<&Versioned<{ 1 + WORDS }>> {
        self.entries.get(hash(key) as usize % ENTRIES.max(1))
    }

    /// Remembers the first 28 bytes of `address` for the socket `key`. If another thread is writing the same entry at
    /// that moment, that thread's address stays.
    pub fn remember(&self, key: u64, address: &[u8]) {
        if let Some(entry) = self.entry(key) {
            let address = address.get(..ADDRESS).unwrap_or(address);
            entry.write(core::iter::once(key).chain(words_of(address)));
        }
    }

    /// The address remembered for the socket `key`, padded with zeros.
    pub fn recall(&self, key: u64) -> Option<[u8; ADDRESS]> {
        let [there, words @ ..] = self.entry(key)?.read()?;
        if there != key {
            return None;
        }
        let mut address = [0; ADDRESS];
        for (to, word) in address.chunks_mut(8).zip(words) {
            for (to, from) in to.iter_mut().zip(word.to_ne_bytes()) {
                *to = from;
            }
        }
        Some(address)
    }
}

/// The key of a connection that has no cookie: a pipe or FIFO that was last written to at `written` (nanoseconds).
///
/// The top bits are 10: cookies are small numbers that count up, and no key is `u64::MAX`. The other 62 are a hash, so two
/// pipes have the same key with a probability of one in 4e18.
pub fn file_key(dev: u64, ino: u64, written: u64) -> u64 {
    // The constants of SplitMix64.
    let mixed = [dev, ino, written].iter().fold(0_u64, |hash, word| {
        let hash = (hash ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ hash >> 31
    });
    mixed >> 2 | 1 << 63
}

/// Fibonacci hashing, because socket cookies and inode numbers count up.
fn hash(key: u64) -> u64 {
    let mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 29
}

#[cfg(all(test, loom))]
mod models;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Pipes that lie next to each other, and writes that follow each other.
    #[test]
    fn keys_of_files() {
        let mut keys = std::collections::HashSet::new();
        for dev in [0x0f, 0x1b, 0xfe00] {
            for ino in 10_060_000..10_060_100 {
                for written in [0, 1, 2, 1_795_542_268_016_962_085, 1_795_542_268_020_962_085] {
                    let key = file_key(dev, ino, written);
                    assert_eq!(key >> 62, 0b10, "no cookie, and not u64::MAX");
                    assert_eq!(key, file_key(dev, ino, written));
                    assert!(keys.insert(key), "{dev} {ino} {written}");
                }
            }
        }
    }

    #[test]
    fn seen_once() {
        let seen = Seen::<64>::new();
        for key in 1..=100 {
            assert!(!seen.contains(key));
            assert!(seen.insert(key), "{key}");
            assert!(seen.contains(key));
            assert!(!seen.insert(key), "{key}");
        }
    }

    #[test]
    fn the_newest_is_always_there() {
        let seen = Seen::<4>::new();
        for key in 1..10_000 {
            assert!(seen.insert(key));
            assert!(seen.contains(key));
        }
    }

    #[test]
    fn one_of_many_threads_is_the_first() {
        for filled in [0, 10_000] {
            let seen = Seen::<16>::new();
            for key in 0..filled {
                seen.insert(1_000_000 + key);
            }
            for key in 1..200 {
                let first = std::thread::scope(|s| {
                    let all: Vec<_> = (0..4).map(|_| s.spawn(|| seen.insert(key))).collect();
                    all.into_iter().map(|t| t.join().unwrap()).filter(|&new| new).count()
                });
                assert_eq!(first, 1, "key {key}");
            }
        }
    }

    #[test]
    fn targets() {
        let targets = Targets::<8>::new();
        assert_eq!(targets.recall(5), None);
        targets.remember(5, &[7; 16]);
        let mut expected = [0; ADDRESS];
        expected[..16].fill(7);
        assert_eq!(targets.recall(5), Some(expected));
        targets.remember(5, &[9; 28]);
        assert_eq!(targets.recall(5), Some([9; 28]));
        assert_eq!(targets.recall(6), None);
    }
}
