//! The counters of this process. They lie in a page that the kernel wipes in forked children ([`crate::process`]), so
//! that a child counts for itself. The page is the exported symbol `nopipe_stats`, which another process can read
//! ([`nopipe_core::stats`]).
//!
//! unsafe: an exported symbol, and a look at its fields as words.
#![allow(unsafe_code, reason = "as the head says")]

use core::mem::offset_of;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering::Relaxed};
use nopipe_core::stats::{Block, Counter};

/// The size of a page, the largest that kernels for this CPU have: an aarch64 kernel may be built for 64 KiB.
pub const SIZE: usize = if cfg!(target_arch = "aarch64") { 65536 } else { 4096 };

/// The places of one pool ([`crate::slot`]): so many threads can report at the same moment.
pub const PLACES: usize = 32;

/// Who has claimed a place: a pid, or 0.
pub type Claim = AtomicI32;

/// The rows of claims: one for each pool, and one for the tests of the pools.
pub const EVENTS: usize = 0;
/// See [`EVENTS`].
pub const LINES: usize = 1;
const POOLS: usize = 3;

/// What the kernel wipes in forked children.
#[repr(C)]
#[cfg_attr(not(target_arch = "aarch64"), repr(align(4096)))]
#[cfg_attr(target_arch = "aarch64", repr(align(65536)))]
pub struct Own {
    block: Block,
    /// Events without a line that no later line has reported yet: suppressed, dropped.
    untold: [AtomicU64; 2],
    /// Set in a process that started up; wiped in its forked children.
    pub started: AtomicBool,
    /// A SIGPIPE on purpose is on its way ([`crate::purpose`]). A forked child inherits no pending signal.
    pub on_purpose: AtomicBool,
    /// So that the claims begin with a word of their own.
    _rest: [AtomicBool; 6],
    claims: [[Claim; PLACES]; POOLS],
}

// A whole page, so that nothing else is wiped.
const _: () = assert!(size_of::<Own>() == SIZE);

/// The page.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "a C name, which others look for")]
pub static nopipe_stats: Own = Own {
    block: Block::new(),
    untold: [const { AtomicU64::new(0) }; 2],
    started: AtomicBool::new(false),
    on_purpose: AtomicBool::new(false),
    _rest: [const { AtomicBool::new(false) }; 6],
    claims: [const { [const { Claim::new(0) }; PLACES] }; POOLS],
};

/// In a forked child: does what the kernel does where it offers it. The claims stay: another process's count for nothing.
#[cold]
#[inline(never)]
pub fn wipe() {
    const WORDS: usize = offset_of!(Own, claims) / size_of::<AtomicU64>();
    const { assert!(WORDS * size_of::<AtomicU64>() == offset_of!(Own, claims)) };
    let words = (&raw const nopipe_stats).cast::<[AtomicU64; WORDS]>();
    // SAFETY: the first fields, all of them atomic and zero at first, as words. No other thread has begun to use them here.
    unsafe { &*words }.iter().for_each(|word| word.store(0, Relaxed));
}

/// Whether a SIGPIPE that the program has sent itself is on its way (`purpose.rs`). Forked children lose it, as they inherit
/// no pending signal.
pub fn on_purpose() -> &'static AtomicBool {
    &nopipe_stats.on_purpose
}

/// The counters.
pub fn block() -> &'static Block {
    &nopipe_stats.block
}

/// The claims of one pool's places; `pool` is [`EVENTS`] or [`LINES`].
pub fn claims(pool: usize) -> &'static [Claim] {
    nopipe_stats.claims.get(pool).map_or(&[], |row| row.as_slice())
}

/// Adds one to a counter.
pub fn count(counter: Counter) {
    nopipe_stats.block.add(counter, 1);
}

/// Counts an event without a line; `counter` is [`Counter::Suppressed`] or [`Counter::Dropped`].
pub fn event_without_line(counter: Counter) {
    count(counter);
    untold(counter).fetch_add(1, Relaxed);
}

/// Takes the number of events without a line that no later line has reported yet; they count as reported from now on.
pub fn take_untold(counter: Counter) -> u64 {
    match untold(counter).load(Relaxed) {
        0 => 0,
        _ => untold(counter).swap(0, Relaxed),
    }
}

/// Puts `n` back: the line that would have reported them was lost.
pub fn still_untold(counter: Counter, n: u64) {
    untold(counter).fetch_add(n, Relaxed);
}

fn untold(counter: Counter) -> &'static AtomicU64 {
    let [suppressed, dropped] = &nopipe_stats.untold;
    match counter {
        Counter::Suppressed => suppressed,
        _ => dropped,
    }
}
