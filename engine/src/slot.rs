//! Memory for what is too large for a stack: a coroutine has 2 KiB, an alternate signal stack not much more.
//!
//! A [`Pool`] is a static with a few places. A thread claims one for the moment in which it builds an event or a line,
//! with all signals blocked, so no handler can come in between, and no longjmp can leave a place claimed. Nothing waits: if
//! no place is free, the event is counted as dropped.
//!
//! # Fork
//!
//! A forked child has a copy of the places that other threads of its parent held at that moment, and those threads are
//! not there to give them back. The claims lie in the page that a forked child finds empty ([`crate::page`]). Before
//! Linux 4.14 the kernel does not empty it: so a claim is the pid of the process that made it, and another process's
//! claim counts for nothing.
//!
//! unsafe: shared memory that the claim makes exclusive.
#![allow(unsafe_code, reason = "as the head says")]

use crate::page::{self, Claim, PLACES};
use crate::process;
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::Ordering::*;

/// [`PLACES`] places for a `T`; `CLAIMS`: which row of claims is this pool's own ([`page::claims`]). Where a `T` is all
/// zeros the pool takes no room in the library's file.
pub struct Pool<T, const CLAIMS: usize> {
    places: [UnsafeCell<T>; PLACES],
}

// SAFETY: a place is used by the one thread that has claimed it.
unsafe impl<T: Send, const CLAIMS: usize> Sync for Pool<T, CLAIMS> {}

impl<T, const CLAIMS: usize> Pool<T, CLAIMS> {
    /// Free places, which hold `places`.
    pub const fn new(places: [UnsafeCell<T>; PLACES]) -> Self {
        Pool { places }
    }

    /// A free place, as its last user has left it; `None` if all are taken. The caller has blocked signals, and they stay
    /// blocked until the place is given back.
    pub fn claim(&self) -> Option<Claimed<'_, T>> {
        // The pid is not known where only a warning is written, or before Linux 4.14 in a child that has not looked yet.
        let own = process::known_pid().max(1);
        for (claim, place) in page::claims(CLAIMS).iter().zip(&self.places) {
            let there = claim.load(Relaxed);
            if there != own && claim.compare_exchange(there, own, Acquire, Relaxed).is_ok() {
                return Some(Claimed { claim, place });
            }
        }
        None
    }
}

/// A place that is this thread's alone until it is dropped.
pub struct Claimed<'a, T> {
    claim: &'a Claim,
    place: &'a UnsafeCell<T>,
}

impl<T> Deref for Claimed<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: claimed, so nobody else has a reference.
        unsafe { &*self.place.get() }
    }
}

impl<T> DerefMut for Claimed<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.place.get() }
    }
}

impl<T> Drop for Claimed<'_, T> {
    fn drop(&mut self) {
        self.claim.store(0, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_once_and_again_when_it_is_free() {
        // A row that nothing else of this crate's tests uses.
        static POOL: Pool<u32, 2> = Pool::new([const { UnsafeCell::new(0) }; PLACES]);
        let mut all: Vec<_> = std::iter::from_fn(|| POOL.claim()).collect();
        assert_eq!(all.len(), PLACES);
        for (number, place) in (1..).zip(&mut all) {
            **place = number;
        }
        assert!(
            all.iter().zip(1..).all(|(place, number)| **place == number),
            "each is its own"
        );
        drop(all.remove(7));
        assert_eq!(POOL.claim().map(|place| *place), Some(8), "the one that is free");
        drop(all);
        // What another process has claimed is free.
        for claim in page::claims(2) {
            claim.store(i32::MAX, Relaxed);
        }
        assert_eq!(
            std::iter::from_fn(|| POOL.claim().map(core::mem::forget)).count(),
            PLACES
        );
        assert!(POOL.claim().is_none());
    }
}
