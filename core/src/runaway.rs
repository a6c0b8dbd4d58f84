//! Programs that never look at the result of a write: too many failures on one connection to be an accident.
//!
//! Two questions, and one word of each connection for either, so that one compare-exchange changes all that belongs
//! together. If two threads count at the same moment, one count may be lost; nothing waits.
//!
//! * **How many?** ([`Runaways::count`]) The word holds the time at which the present burst began and the number of its
//!   failures. It says from when on failures are slowed down.
//! * **For how long?** ([`Runaways::keep_pace`]) Time tells an endless writer from one that is done soon; a number does
//!   not: a shell that prints a long list fails 5,000 times in 0.2 s, and has work to do after that. The word holds when
//!   the failures began, how many there were, and in how many seconds there were at least ten. It says when the process
//!   is to be judged.
//!
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
/// The number of failures within the present window from which a process is judged.
pub const FEWEST: u32 = if cfg!(loom) { 3 } else { 100 };
/// The age of the first of them from which a process is judged. Milliseconds.
pub const LASTING_MS: u64 = 5_000;
/// The number of seconds of that window that had [`IN_A_SECOND`] failures. A burst and a late farewell are two.
const FULL_SECONDS: u64 = if cfg!(loom) { 1 } else { 4 };
/// Fewer failures in a second are a heartbeat.
const IN_A_SECOND: u64 = if cfg!(loom) { 2 } else { 10 };
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

/// How the failures of one connection are spread over time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// What this failure asks for.
    pub look: Look,
    /// The number of failures in the present window, at most 1000: a failure that was slowed down counts for two.
    pub failures: u32,
    /// The age of the first of them. Milliseconds.
    pub age_ms: u64,
    /// [`Runaways::slow_down`] was called for this connection, and it has not been calm since.
    pub is_slow: bool,
}

/// What a failure asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// Nothing.
    Away,
    /// It might become an endless writer: look at what the process does, to compare with it later.
    First,
    /// It has failed at least [`FEWEST`] times, for [`LASTING_MS`] or longer, and all along: judge the process. A new
    /// window begins.
    Judge,
}

/// The connections with the most recent failures.
pub struct Runaways<const SETS: usize> {
    sets: [[Entry; WAYS]; SETS],
}

struct Entry {
    key: AtomicU64,
    state: AtomicU64,
    pace: AtomicU64,
}

impl Entry {
    constructor! {
        fn new() -> Self {
            Entry { key: AtomicU64::new(0), state: AtomicU64::new(0), pace: AtomicU64::new(0) }
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

    /// Notes one failure of connection `key` at `now_ms`, as [`Runaways::count`] has just done; `step` is what that
    /// returned.
    pub fn keep_pace(&self, key: u64, now_ms: u64, step: Step) -> Pace {
        let Some(entry) = self.entry(key.max(1)) else {
            return Window::default().pace(Look::Away, 0);
        };
        let before = entry.pace.load(Relaxed);
        let (after, pace) = Window::unpacked(before).with_failure(now_ms, step != Step::Calm);
        match entry.pace.compare_exchange(before, after.packed(), Relaxed, Relaxed) {
            Ok(_) => pace,
            // Another thread has noted one: it has been asked to look, if anybody is to.
            Err(_) => Pace {
                look: Look::Away,
                ..pace
            },
        }
    }

    /// From now on, until it is calm, `key` is slow ([`Pace::is_slow`]).
    pub fn slow_down(&self, key: u64) {
        if let Some(entry) = self.entry(key.max(1)) {
            let before = entry.pace.load(Relaxed);
            let slow = Window {
                is_slow: true,
                ..Window::unpacked(before)
            };
            // Lost if another thread fails at this moment: then it is judged once more.
            let _ = entry.pace.compare_exchange(before, slow.packed(), Relaxed, Relaxed);
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
        weakest.pace.store(0, Relaxed);
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

/// The second word of an entry: failures since a time, second by second.
#[derive(Clone, Copy, Default)]
struct Window {
    /// When it began. The low 32 bits of a time in milliseconds: they come again after 49 days.
    since: u32,
    /// The number of failures, at most [`MOST`]; 0: no window has begun.
    failures: u64,
    /// The second of the window in which the last failure was.
    second: u64,
    /// The number of failures in that second, at most [`IN_A_SECOND`].
    in_second: u64,
    /// The number of seconds that had [`IN_A_SECOND`] failures.
    full: u64,
    is_slow: bool,
}

/// More failures of one window are not counted.
const MOST: u64 = DEFAULT_LIMIT as u64;

impl Window {
    fn unpacked(word: u64) -> Self {
        let nibble = |at: u32| word >> at & 0xf;
        Window {
            since: (word >> 32) as u32,
            failures: word & 0x3ff,
            second: nibble(12),
            in_second: nibble(16),
            full: nibble(20),
            is_slow: nibble(24) != 0,
        }
    }

    fn packed(self) -> u64 {
        u64::from(self.since) << 32
            | u64::from(self.is_slow) << 24
            | self.full << 20
            | self.in_second << 16
            | self.second << 12
            | self.failures
    }

    /// With one more failure; `is_runaway`: it is one of too many.
    fn with_failure(mut self, now_ms: u64, is_runaway: bool) -> (Self, Pace) {
        let now = now_ms as u32;
        // Another thread may have read the clock earlier, and comes later.
        let age = match now.wrapping_sub(self.since) {
            negative @ 0x8000_0000.. if negative > u32::MAX - 1000 => 0,
            age => u64::from(age),
        };
        self.is_slow &= is_runaway;
        let (age, second) = match self.failures {
            1.. if age <= WINDOW_MS => (age, age / 1000),
            _ => {
                self = Window {
                    since: now,
                    is_slow: self.is_slow,
                    ..Self::default()
                };
                (0, 0)
            }
        };
        if second != self.second {
            (self.second, self.in_second) = (second, 0);
        }
        let weight = if self.is_slow { 2 } else { 1 };
        let was_full = self.in_second >= IN_A_SECOND;
        self.failures = (self.failures + weight).min(MOST);
        self.in_second = (self.in_second + weight).min(IN_A_SECOND);
        let is_newly_full = !was_full && self.in_second >= IN_A_SECOND;
        self.full += u64::from(is_newly_full);
        if self.failures >= FEWEST.into() && age >= LASTING_MS && self.full >= FULL_SECONDS {
            let anew = Window {
                is_slow: self.is_slow,
                ..Self::default()
            };
            return (anew, self.pace(Look::Judge, age));
        }
        let look = match is_newly_full && self.full == 1 {
            true => Look::First,
            false => Look::Away,
        };
        (self, self.pace(look, age))
    }

    fn pace(&self, look: Look, age_ms: u64) -> Pace {
        Pace {
            look,
            failures: self.failures as u32,
            age_ms,
            is_slow: self.is_slow,
        }
    }
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

    /// When a writer that fails at these times (milliseconds since the first) is looked at first, and judged.
    fn looks(times: impl IntoIterator<Item = u64>) -> (Vec<u64>, Vec<(u64, u32)>) {
        const START: u64 = 1 << 32; // where the low half wraps
        let table = Runaways::<4>::new();
        let (mut first, mut judged) = (Vec::new(), Vec::new());
        for time in times {
            let now = START - 3_000 + time;
            let step = table.count(7, now, 1000);
            let pace = table.keep_pace(7, now, step);
            match pace.look {
                Look::Away => {}
                Look::First => first.push(time),
                Look::Judge => judged.push((time, pace.failures)),
            }
        }
        (first, judged)
    }

    #[test]
    fn an_endless_writer_is_judged_after_five_seconds() {
        // 50 a second.
        let (first, judged) = looks((0..600).map(|n| n * 20));
        assert_eq!(first, [180, 5_200, 10_220]);
        assert_eq!(judged, [(5_000, 251), (10_020, 251)]);
        // As quickly as it can.
        let (_, judged) = looks((0..600_000).map(|n| n / 100));
        assert_eq!(judged, [(5_000, 1000)]);
        // 500 at once every two seconds: the fourth full second is the seventh.
        let (_, judged) = looks((0..5_000).map(|n| n / 500 * 2000));
        assert_eq!(judged.first(), Some(&(6_000, 1000)));
    }

    #[test]
    fn who_is_done_soon_is_not_judged() {
        assert_eq!(looks((0..20_000).map(|n| n / 100)).1, []);
        assert_eq!(looks((0..2_000).map(|n| n * 2)).1, []);
        // A burst, clean-up work of six seconds, and a farewell.
        let burst = (0..5_000).map(|n| n / 25);
        assert_eq!(looks(burst.clone().chain([6_000, 6_001])).1, []);
        // The same with a line about each step of the clean-up.
        assert_eq!(looks(burst.chain((0..20).map(|n| 1_000 + n * 400))).1, []);
    }

    #[test]
    fn a_heartbeat_is_not_judged() {
        // Just below ten a second, and slower ones.
        for every in [112, 125, 200, 1000, 60_000] {
            assert_eq!(looks((0..5_000).map(|n| n * every)), (vec![], vec![]), "{every}");
        }
        // A heartbeat after a burst.
        let burst = (0..5_000).map(|n| n / 25);
        assert_eq!(looks(burst.chain((0..1_000).map(|n| 500 + n * 125))).1, []);
    }

    #[test]
    fn a_slow_runaway_is_judged_again() {
        let table = Runaways::<4>::new();
        let (mut now, mut judged) = (1_000, 0);
        for n in 0..3_000 {
            // As the pauses make it.
            now += if n < 1_000 { 1 } else { 101 };
            let step = table.count(7, now, 1000);
            let pace = table.keep_pace(7, now, step);
            assert_eq!(pace.is_slow, n > 1_000, "{n}");
            if n == 1_000 {
                table.slow_down(7);
            }
            judged += u32::from(pace.look == Look::Judge);
        }
        assert!((20..50).contains(&judged), "{judged}");
        now += WINDOW_MS + 1;
        let step = table.count(7, now, 1000);
        assert!(!table.keep_pace(7, now, step).is_slow, "it was calm");
    }

    #[test]
    fn a_clock_read_earlier() {
        let table = Runaways::<4>::new();
        assert_eq!(table.keep_pace(7, 10_000, Step::Calm).age_ms, 0);
        assert_eq!(table.keep_pace(7, 9_999, Step::Calm).failures, 2);
        assert_eq!(table.keep_pace(7, 10_500, Step::Calm).age_ms, 500);
    }

    #[test]
    fn a_window_is_what_was_packed() {
        let largest = Window {
            since: u32::MAX,
            failures: MOST,
            second: WINDOW_MS / 1000,
            in_second: IN_A_SECOND,
            full: WINDOW_MS / 1000 + 1,
            is_slow: true,
        };
        let word = largest.packed();
        assert_eq!(Window::unpacked(word).packed(), word);
        assert_eq!(Window::unpacked(word).failures, MOST);
        assert_eq!(Window::unpacked(word).full, WINDOW_MS / 1000 + 1);
    }

    #[test]
    fn the_smallest_limit() {
        let table = Runaways::<4>::new();
        assert_eq!(table.count(7, 1, 1), Step::SetsIn);
        assert_eq!(table.count(7, 1, 1), Step::GoesOn(1));
    }
}
