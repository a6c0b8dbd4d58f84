//! Counters of one process. They live in the page that forked children lose ([`crate::process`]), so a child counts
//! for itself.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use nopipe_core::event::Cause;

/// All counters.
pub struct Stats {
    /// Events by cause, in the order of [`Cause`].
    events: [AtomicU64; Cause::COUNT],
    /// Failed calls, the first of each connection included.
    failures: AtomicU64,
    /// SIGPIPEs of which nothing more could be learned.
    unattributed: AtomicU64,
    /// Lines that a sink did not take.
    dropped: AtomicU64,
    /// The part of `dropped` that no line has told yet.
    untold: AtomicU64,
}

impl Stats {
    /// All zero.
    pub const fn new() -> Self {
        Stats {
            events: [const { AtomicU64::new(0) }; Cause::COUNT],
            failures: AtomicU64::new(0),
            unattributed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            untold: AtomicU64::new(0),
        }
    }

    /// One more event.
    pub fn event(&self, cause: Cause) {
        if let Some(counter) = self.events.get(cause as usize) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// One more failed call.
    pub fn failure(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    /// One more SIGPIPE that could not be told from others.
    pub fn unattributed(&self) {
        self.unattributed.fetch_add(1, Relaxed);
    }

    /// One more line was lost, and with it the news of `told` others.
    pub fn drop_line(&self, told: u64) {
        self.dropped.fetch_add(1, Relaxed);
        self.untold.fetch_add(told + 1, Relaxed);
    }

    /// How many lost lines no line has told yet; from now on they count as told.
    pub fn take_untold(&self) -> u64 {
        if self.untold.load(Relaxed) == 0 {
            return 0;
        }
        self.untold.swap(0, Relaxed)
    }
}
