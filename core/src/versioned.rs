//! A few words that are written whole or not at all, without a lock: a sequence lock whose writers never wait.
//!
//! A version counts up by one when a writer begins and by one when it ends: it is odd in between, and 0 before the first.
//!
//! - Two writers at once: the second finds the version odd, or sees it change under its compare-exchange, and gives up.
//!   So no two write at the same time.
//! - A reader keeps what it has read only if the version was even and is still the same. It never waits: it does without.
//! - A writer that never comes back (a longjmp out of a signal handler, the end of its thread) leaves the version odd:
//!   the entry is lost.
//!
//! A reader in another process copies the memory, in an order that it does not choose: see [`agreed`].

use crate::sync::{AtomicU64, array, constructor, fence};
use core::sync::atomic::Ordering::*;

/// `WORDS` words with their version in front. `repr(C)`: another process may read it.
#[repr(C)]
pub struct Versioned<const WORDS: usize> {
    version: AtomicU64,
    words: [AtomicU64; WORDS],
}

impl<const WORDS: usize> Versioned<WORDS> {
    constructor! {
        /// Never written.
        pub fn new() -> Self {
            Versioned { version: AtomicU64::new(0), words: array![AtomicU64::new(0); WORDS] }
        }
    }

    /// Writes the first words of `words`; what lies beyond their end stays. Where another thread is just writing, or has
    /// written meanwhile, that one's words stay.
    pub fn write(&self, words: impl IntoIterator<Item = u64>) {
        let quiet = self.version.load(Relaxed) & !1;
        let begun = self.version.compare_exchange(quiet, quiet | 1, Acquire, Relaxed);
        if begun.is_err() {
            return;
        }
        // Who sees one of the words sees the odd version.
        fence(Release);
        for (to, word) in self.words.iter().zip(words) {
            to.store(word, Relaxed);
        }
        self.version.store(quiet.wrapping_add(2), Release);
    }

    /// The words; `None` if there are none yet, or if another thread is just writing.
    pub fn read(&self) -> Option<[u64; WORDS]> {
        let version = self.version.load(Acquire);
        if !is_settled(version) {
            return None;
        }
        let mut words = [0; WORDS];
        for (to, word) in words.iter_mut().zip(&self.words) {
            *to = word.load(Relaxed);
        }
        fence(Acquire);
        (self.version.load(Relaxed) == version).then_some(words)
    }
}

fn is_settled(version: u64) -> bool {
    version != 0 && version.is_multiple_of(2)
}

/// The words of an entry, as bytes, from two copies of its memory that were made one after the other; `None` if it was
/// never written, or was being written meanwhile.
///
/// The copies must be the same, version and words. The same version is not enough: nobody promises that it is copied
/// first, or last. But nobody wrote between the moment at which it was copied first and the moment at which it was copied
/// again. A word that is copied after the version is right in the first copy, one that is copied before it in the
/// second: where both copies are the same, they are right.
pub fn agreed<'a>(first: &'a [u8], second: &[u8]) -> Option<&'a [u8]> {
    let (version, words) = first.split_first_chunk()?;
    (is_settled(u64::from_ne_bytes(*version)) && first == second).then_some(words)
}

/// `bytes` as words, then zeros without end.
pub fn words_of(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let words = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(chunk) {
            *to = *from;
        }
        u64::from_ne_bytes(word)
    });
    words.chain(core::iter::repeat(0))
}

#[cfg(test)]
impl<const WORDS: usize> Versioned<WORDS> {
    /// What another process copies: the words one after the other, upwards or downwards.
    pub(crate) fn copy(&self, upwards: bool) -> Vec<u8> {
        let mut words = vec![0; 1 + WORDS];
        let mut places: Vec<_> = core::iter::once(&self.version)
            .chain(&self.words)
            .zip(&mut words)
            .collect();
        if !upwards {
            places.reverse();
        }
        for (from, to) in places {
            *to = from.load(Acquire);
        }
        words.into_iter().flat_map(u64::to_ne_bytes).collect()
    }
}

#[cfg(all(test, loom))]
mod models;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let entry = Versioned::<3>::new();
        assert_eq!(entry.read(), None);
        entry.write([1, 2, 3, 4]);
        assert_eq!(entry.read(), Some([1, 2, 3]));
        entry.write(words_of(b"12345678abc"));
        let [first, second, third] = entry.read().unwrap().map(u64::to_ne_bytes);
        assert_eq!((&first, &second, &third), (b"12345678", b"abc\0\0\0\0\0", &[0; 8]));
    }

    #[test]
    fn a_writer_that_never_came_back() {
        let entry = Versioned::<1>::new();
        entry.write([1]);
        entry.version.store(3, Relaxed);
        entry.write([2]);
        assert_eq!((entry.read(), entry.words[0].load(Relaxed)), (None, 1));
    }

    #[test]
    fn from_outside_as_from_inside() {
        assert_eq!(core::mem::offset_of!(Versioned<2>, words), 8);
        let entry = Versioned::<2>::new();
        assert_eq!(agreed(&entry.copy(true), &entry.copy(false)), None);
        entry.write([1, 2]);
        let expected = [1, 2].map(u64::to_ne_bytes).concat();
        assert_eq!(agreed(&entry.copy(true), &entry.copy(false)), Some(&expected[..]));
    }

    #[test]
    fn two_copies() {
        let copy = |version: u64, word: u64| [version, word].map(u64::to_ne_bytes).concat();
        let word = 7_u64.to_ne_bytes();
        assert_eq!(agreed(&copy(2, 7), &copy(2, 7)), Some(&word[..]));
        assert_eq!(agreed(&copy(2, 7), &copy(4, 7)), None);
        assert_eq!(agreed(&copy(2, 7), &copy(2, 8)), None);
        assert_eq!(agreed(&copy(3, 7), &copy(3, 7)), None);
        assert_eq!(agreed(&copy(0, 0), &copy(0, 0)), None);
        assert_eq!(agreed(&[], &[]), None);
    }
}
