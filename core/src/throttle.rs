//! The rate limit of lines: a token bucket in one word.
//!
//! The word holds the time at which the bucket would be full again, if nothing more were taken (the "theoretical arrival
//! time" of the generic cell rate algorithm). A line is allowed if that time is less than a full bucket ahead; the time
//! then moves on by one token. A compare-exchange makes both one step. If it fails too often, the line is refused;
//! nothing waits.

use crate::sync::{AtomicU64, constructor};
use core::sync::atomic::Ordering::Relaxed;

/// The largest burst, and the largest number per second, that can be set.
pub const LARGEST: u32 = 1_000_000;
const SECOND_NS: u64 = 1_000_000_000;
const TRIES: usize = 100;

/// The limit: `burst` lines at once, then `per_second` lines a second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// Lines at once, 1 to [`LARGEST`].
    pub burst: u32,
    /// Lines a second after that, 1 to [`LARGEST`].
    pub per_second: u32,
}

impl Rate {
    /// The default.
    pub const DEFAULT: Rate = Rate {
        burst: 20,
        per_second: 5,
    };
}

/// Whether a line may be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// There was a token.
    Allowed,
    /// There was none, as before.
    Refused,
    /// Refused, and none was since the bucket was full: a flood begins.
    FirstRefused,
}

/// One bucket.
pub struct Throttle {
    /// The time in nanoseconds, and below it one bit: something was refused since the bucket was full.
    full_at: AtomicU64,
}

impl Throttle {
    constructor! {
        /// A full bucket.
        pub fn new() -> Self {
            Throttle {
                full_at: AtomicU64::new(0),
            }
        }
    }

    /// Takes a token, if there is one, at `now_ns`: nanoseconds of any clock that does not go back.
    pub fn take(&self, now_ns: u64, rate: Rate) -> Verdict {
        let token = SECOND_NS / u64::from(rate.per_second.max(1));
        let bucket = token * u64::from(rate.burst.max(1));
        let mut there = self.full_at.load(Relaxed);
        for _ in 0..TRIES {
            let (full_at, has_refused) = (there >> 1, there & 1);
            let next = full_at.max(now_ns) + token;
            let (verdict, new) = if next - now_ns <= bucket {
                let has_refused = if full_at > now_ns { has_refused } else { 0 };
                (Verdict::Allowed, next << 1 | has_refused)
            } else if has_refused == 0 {
                (Verdict::FirstRefused, full_at << 1 | 1)
            } else {
                return Verdict::Refused;
            };
            match self.full_at.compare_exchange(there, new, Relaxed, Relaxed) {
                Ok(_) => return verdict,
                Err(other) => there = other,
            }
        }
        Verdict::Refused
    }

    /// Whether [`Throttle::take`] allows it.
    pub fn allows(&self, now_ns: u64, rate: Rate) -> bool {
        self.take(now_ns, rate) == Verdict::Allowed
    }
}

#[cfg(all(test, loom))]
mod models;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_so_many_a_second() {
        let throttle = Throttle::new();
        let start = 77 * SECOND_NS;
        let allowed = |from: u64, count: u64| (0..count).filter(|n| throttle.allows(from + n, Rate::DEFAULT)).count();
        assert_eq!(allowed(start, 1000), 20);
        // A fifth of a second brings one token.
        let in_second = (0..1000).filter(|ms| throttle.allows(start + (1 + ms) * 1_000_000, Rate::DEFAULT));
        assert_eq!(in_second.count(), 5);
        // After a long pause the bucket is full, and not more than full.
        assert_eq!(allowed(start + 1000 * SECOND_NS, 1000), 20);
    }

    #[test]
    fn the_beginning_of_a_flood_is_told_once() {
        let throttle = Throttle::new();
        let start = 77 * SECOND_NS;
        let firsts = |from: u64, milliseconds: u64| {
            let times = (0..milliseconds).map(|ms| from + ms * 1_000_000);
            times
                .filter(|&now| throttle.take(now, Rate::DEFAULT) == Verdict::FirstRefused)
                .count()
        };
        assert_eq!(firsts(start, 10_000), 1);
        // A pause in which the bucket does not fill up.
        assert_eq!(firsts(start + 12 * SECOND_NS, 1000), 0);
        assert_eq!(firsts(start + 30 * SECOND_NS, 1000), 1);
    }

    #[test]
    fn the_smallest_and_the_largest() {
        let rate = |burst, per_second| Rate { burst, per_second };
        let throttle = Throttle::new();
        assert!(throttle.allows(1, rate(1, 1)));
        assert!(!throttle.allows(SECOND_NS, rate(1, 1)));
        assert!(throttle.allows(SECOND_NS + 1, rate(1, 1)));
        let throttle = Throttle::new();
        assert!((0..LARGEST).all(|_| throttle.allows(1, rate(LARGEST, LARGEST))));
        assert!(!throttle.allows(1, rate(LARGEST, LARGEST)));
    }

    #[test]
    fn threads_take_no_more_than_there_is() {
        let throttle = Throttle::new();
        let taken: usize = std::thread::scope(|s| {
            let threads: Vec<_> = (0..4)
                .map(|_| s.spawn(|| (0..1000).filter(|_| throttle.allows(SECOND_NS, Rate::DEFAULT)).count()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 20);
    }
}
