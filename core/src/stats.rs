//! The counters of one process, laid out so that another process can read them (`nopipe status`).
//!
//! The library exports one [`Block`] as the ELF symbol [`SYMBOL`]. All of it is atomic words that only grow, but for the
//! ring of the last peers, whose entries are [`Versioned`]: of two threads that have to write the same entry at the same
//! moment, one gives up and its peer is missing there. A reader copies the block twice and keeps an entry that did not
//! change. A forked child finds the block all zero and signs it anew: a block that another process has signed counts as
//! zero.

use crate::event::Cause;
use crate::line::Line;
use crate::sync::{AtomicU64, array, constructor};
use crate::versioned::{Versioned, agreed, words_of};
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, Ordering::*};

/// The name of the exported block.
pub const SYMBOL: &str = "nopipe_stats";
/// The first word of a block.
pub const MAGIC: u64 = u64::from_le_bytes(*b"nopipe\0\0");
/// The layout that this file describes. A reader refuses another.
pub const VERSION: u32 = 1;
/// The number of peers that are kept.
pub const PEERS: usize = 16;
/// The number of bytes of a peer's name that are kept.
pub const NAME: usize = 112;

/// The counters. `repr(C)`, because this is an interface between processes, perhaps of different versions.
#[repr(C)]
pub struct Block {
    magic: AtomicU64,
    version: AtomicU32,
    /// The process that has signed it.
    pid: AtomicU32,
    /// When it was signed, seconds since the epoch.
    since: AtomicU64,
    /// Events by cause, in the order of [`Cause`].
    events: [AtomicU64; Cause::COUNT],
    /// In the order of [`Counter`].
    counters: [AtomicU64; Counter::COUNT],
    peers: Ring<PEERS, ENTRY>,
}

/// The same on every CPU: the launcher of a 64-bit machine reads the counters of 32-bit programs.
#[cfg(not(loom))]
const _: () = assert!(
    size_of::<Block>() == 24 + 8 * (Cause::COUNT + Counter::COUNT + 1 + PEERS * (1 + ENTRY))
        && offset_of!(Block, events) == 24
        && align_of::<Block>() == 8
);

/// The last `LENGTH` peers, in entries of `WORDS` words: when the peer vanished, in nanoseconds since the epoch; the number
/// of the cause; the peer's name, zeros after its end.
#[repr(C)]
struct Ring<const LENGTH: usize, const WORDS: usize> {
    /// Peers ever entered.
    entered: AtomicU64,
    entries: [Versioned<WORDS>; LENGTH],
}

/// Where in an entry the name begins, in words.
const NAME_AT: usize = 2;
/// Words of an entry.
const ENTRY: usize = NAME_AT + NAME / 8;

/// Declares the counters: each with one sentence on what it counts, which is its help text too, its key and its label.
macro_rules! counters {
    ($($(#[doc = $help:literal])+ $variant:ident: $key:literal, $label:literal;)+) => {
        /// What is counted, beside the events.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Counter {
            $($(#[doc = $help])+ $variant,)+
        }

        impl Counter {
            /// All counters, in the order in which a block holds them.
            pub const ALL: [Counter; [$(Counter::$variant),+].len()] = [$(Counter::$variant),+];

            /// The name in JSON; in Prometheus `nopipe_KEY_total`.
            pub const fn key(self) -> &'static str {
                match self {
                    $(Counter::$variant => $key,)+
                }
            }

            /// The name in text.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Counter::$variant => $label,)+
                }
            }

            /// One sentence on what is counted.
            pub const fn help(self) -> &'static str {
                match self {
                    // The blank after the slashes of a doc comment.
                    $(Counter::$variant => concat!($($help),+).trim_ascii_start(),)+
                }
            }
        }
    };
}

// A new counter changes the layout of the block: it takes a new VERSION, and a row in docs/status.md.
counters! {
    /// Connections that failed.
    Connections: "connections", "connections";
    /// Calls that failed, the first of each connection included.
    Failures: "failed_writes", "failed writes";
    /// Bytes written that the peers have not acknowledged.
    Undelivered: "undelivered_bytes", "undelivered bytes";
    /// SIGPIPEs and failures whose connection could not be found out.
    Unattributed: "unattributed", "unattributed";
    /// Events that became a line of the log.
    Lines: "lines", "lines logged";
    /// Events without a line: the rate limit.
    Suppressed: "suppressed", "suppressed";
    /// Events without a line: the log did not take it.
    Dropped: "dropped", "dropped";
    /// Events without a line: NOPIPE_LEVEL or NOPIPE_LOG=none wants none.
    Unwanted: "unwanted", "unwanted";
}

impl Counter {
    /// How many counters there are.
    pub const COUNT: usize = Self::ALL.len();
}

impl<const LENGTH: usize, const WORDS: usize> Ring<LENGTH, WORDS> {
    constructor! {
        fn new() -> Self {
            Ring {
                entered: AtomicU64::new(0),
                entries: array![Versioned::new(); LENGTH],
            }
        }
    }

    /// Enters one more, in the place of the oldest.
    fn enter(&self, cause: Cause, peer: &str, time: u64) {
        let number = self.entered.fetch_add(1, Relaxed);
        if let Some(entry) = self.entries.get(number as usize % LENGTH.max(1)) {
            entry.write([time, cause as u64].into_iter().chain(words_of(peer.as_bytes())));
        }
    }
}

impl Block {
    constructor! {
        /// All zero: nobody has signed it.
        pub fn new() -> Self {
            Block {
                magic: AtomicU64::new(0),
                version: AtomicU32::new(0),
                pid: AtomicU32::new(0),
                since: AtomicU64::new(0),
                events: array![AtomicU64::new(0); Cause::COUNT],
                counters: array![AtomicU64::new(0); Counter::COUNT],
                peers: Ring::new(),
            }
        }
    }

    /// Signs the block: process `pid` counts here from `since` on (seconds since the epoch).
    pub fn sign(&self, pid: u32, since: u64) {
        self.since.store(since, Relaxed);
        self.version.store(VERSION, Relaxed);
        self.magic.store(MAGIC, Relaxed);
        self.pid.store(pid, Release);
    }

    /// The process that has signed it; 0: none.
    pub fn pid(&self) -> u32 {
        self.pid.load(Relaxed)
    }

    /// Counts `n` more.
    pub fn add(&self, counter: Counter, n: u64) {
        if let Some(place) = self.counters.get(counter as usize) {
            place.fetch_add(n, Relaxed);
        }
    }

    /// The count so far.
    pub fn get(&self, counter: Counter) -> u64 {
        self.counters
            .get(counter as usize)
            .map_or(0, |place| place.load(Relaxed))
    }

    /// Counts an event, and keeps its peer in the ring; `time` is in nanoseconds since the epoch.
    pub fn event(&self, cause: Cause, peer: &str, time: u64) {
        if let Some(counter) = self.events.get(cause as usize) {
            counter.fetch_add(1, Relaxed);
        }
        self.peers.enter(cause, peer, time);
    }
}

/// What another process reads.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// When counting began, seconds since the epoch; 0: nothing was counted yet.
    pub since: u64,
    /// By cause, in the order of [`Cause::ALL`].
    pub events: [u64; Cause::COUNT],
    /// By counter, in the order of [`Counter::ALL`].
    pub counters: [u64; Counter::COUNT],
    /// The last peers, the newest first.
    pub peers: [Option<LastPeer>; PEERS],
}

/// One of the last peers.
#[derive(Debug)]
pub struct LastPeer {
    /// Nanoseconds since the epoch.
    pub time: u64,
    /// Why the call failed.
    pub cause: Cause,
    /// Its address, as the field `peer` shows it.
    pub name: Line<NAME>,
}

/// Why a block cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unreadable {
    /// It is shorter than a block.
    Short,
    /// It does not begin as a block does.
    NoBlock,
    /// It has this version, not [`VERSION`].
    Version(u32),
}

impl Snapshot {
    /// The count at the time of the reading.
    pub fn get(&self, counter: Counter) -> u64 {
        self.counters.get(counter as usize).copied().unwrap_or(0)
    }

    /// Decodes two copies of a block, made one after the other from the memory of process `pid`, as that process itself
    /// numbers it. The numbers are those of the second copy; a peer is `None` if the process was writing it meanwhile.
    pub fn decode(first: &[u8], second: &[u8], pid: u32) -> Result<Snapshot, Unreadable> {
        if first.len().min(second.len()) < size_of::<Block>() {
            return Err(Unreadable::Short);
        }
        let word = |offset: usize| word_at(second, offset);
        let half = |offset: usize| match second.get(offset..).and_then(|rest| rest.first_chunk()) {
            Some(half) => u32::from_ne_bytes(*half),
            None => 0,
        };
        match (word(offset_of!(Block, magic)), half(offset_of!(Block, version))) {
            // Just forked and not signed yet.
            (0, 0) => return Ok(Snapshot::default()),
            (MAGIC, VERSION) => {}
            (MAGIC, other) => return Err(Unreadable::Version(other)),
            _ => return Err(Unreadable::NoBlock),
        }
        if half(offset_of!(Block, pid)) != pid {
            return Ok(Snapshot::default());
        }
        let entered = word(offset_of!(Block, peers) + offset_of!(Ring<PEERS, ENTRY>, entered));
        Ok(Snapshot {
            since: word(offset_of!(Block, since)),
            events: core::array::from_fn(|i| word(offset_of!(Block, events) + i * 8)),
            counters: core::array::from_fn(|i| word(offset_of!(Block, counters) + i * 8)),
            peers: core::array::from_fn(|back| {
                let number = entered.checked_sub(back as u64 + 1)?;
                let entries = offset_of!(Block, peers) + offset_of!(Ring<PEERS, ENTRY>, entries);
                let at = entries + number as usize % PEERS * size_of::<Versioned<ENTRY>>();
                let entry = at..at + size_of::<Versioned<ENTRY>>();
                LastPeer::decode(agreed(first.get(entry.clone())?, second.get(entry)?)?)
            }),
        })
    }
}

impl LastPeer {
    /// From the words of an entry.
    fn decode(words: &[u8]) -> Option<LastPeer> {
        let name = words.get(NAME_AT * 8..)?;
        let length = name.iter().position(|&b| b == 0).unwrap_or(name.len());
        let mut line = Line::new();
        line.push_lossy(name.get(..length)?);
        Some(LastPeer {
            time: word_at(words, 0),
            cause: Cause::from_number(word_at(words, 8))?,
            name: line,
        })
    }
}

/// The word that begins at this byte; 0 beyond the end.
fn word_at(bytes: &[u8], offset: usize) -> u64 {
    match bytes.get(offset..).and_then(|rest| rest.first_chunk()) {
        Some(word) => u64::from_ne_bytes(*word),
        None => 0,
    }
}

#[cfg(all(test, loom))]
mod models;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// The bytes as another process would read them.
    fn bytes_of(block: &Block) -> Vec<u8> {
        let mut bytes = vec![0; size_of::<Block>()];
        let mut put = |offset: usize, value: &[u8]| bytes[offset..offset + value.len()].copy_from_slice(value);
        put(offset_of!(Block, magic), &block.magic.load(Relaxed).to_ne_bytes());
        put(offset_of!(Block, version), &block.version.load(Relaxed).to_ne_bytes());
        put(offset_of!(Block, pid), &block.pid.load(Relaxed).to_ne_bytes());
        put(offset_of!(Block, since), &block.since.load(Relaxed).to_ne_bytes());
        let words = block.events.iter().chain(&block.counters).chain([&block.peers.entered]);
        let mut at = offset_of!(Block, events);
        for word in words {
            put(at, &word.load(Relaxed).to_ne_bytes());
            at += 8;
        }
        for entry in &block.peers.entries {
            let copy = entry.copy(true);
            put(at, &copy);
            at += copy.len();
        }
        assert_eq!(at, size_of::<Block>());
        bytes
    }

    /// A block that stands still.
    #[allow(clippy::unwrap_used, reason = "a test that fails by it")]
    fn read(block: &Block) -> Snapshot {
        let bytes = bytes_of(block);
        Snapshot::decode(&bytes, &bytes, 42).unwrap()
    }

    #[test]
    fn what_is_counted_is_read() {
        let block = Block::new();
        block.sign(42, 1000);
        for n in 0..20 {
            block.event(Cause::Closed, &format!("192.0.2.{n}:80"), n);
        }
        block.event(Cause::Reset, &"x".repeat(200), 99);
        block.add(Counter::Failures, 30);
        block.add(Counter::Undelivered, 12_345);
        let read = read(&block);
        assert_eq!(read.since, 1000);
        assert_eq!(
            (read.get(Counter::Failures), read.get(Counter::Undelivered)),
            (30, 12_345)
        );
        assert_eq!(read.events[Cause::Closed as usize], 20);
        let peers: Vec<_> = read.peers.iter().flatten().collect();
        assert_eq!(peers.len(), PEERS);
        assert_eq!((peers[0].name.as_str(), peers[0].time), ("x".repeat(NAME).as_str(), 99));
        assert_eq!(
            (peers[1].name.as_str(), peers[1].cause),
            ("192.0.2.19:80", Cause::Closed)
        );
    }

    #[test]
    fn another_process_or_version() {
        let block = Block::new();
        assert_eq!(read(&block).since, 0);
        block.sign(43, 1000);
        block.add(Counter::Failures, 1);
        assert_eq!(read(&block).get(Counter::Failures), 0);
        let decode = |bytes: &[u8]| Snapshot::decode(bytes, bytes, 43).map(|read| read.get(Counter::Failures));
        let mut bytes = bytes_of(&block);
        assert_eq!(decode(&bytes), Ok(1));
        assert_eq!(decode(&bytes[1..]), Err(Unreadable::Short));
        assert_eq!(Snapshot::decode(&bytes[1..], &bytes, 43).err(), Some(Unreadable::Short));
        bytes[offset_of!(Block, version)] = 9;
        assert_eq!(decode(&bytes), Err(Unreadable::Version(9)));
        bytes[0] ^= 1;
        assert_eq!(decode(&bytes), Err(Unreadable::NoBlock));
    }

    /// The process counts on between the copies: the numbers are the later ones, a peer that has changed is left out.
    #[test]
    fn two_copies() {
        let block = Block::new();
        block.sign(42, 1000);
        for n in 0..PEERS as u64 {
            block.event(Cause::Closed, &format!("192.0.2.{n}:80"), n);
        }
        let first = bytes_of(&block);
        block.event(Cause::Reset, "198.51.100.1:80", 99);
        let second = bytes_of(&block);
        let read = Snapshot::decode(&first, &second, 42).unwrap();
        assert_eq!(read.events[Cause::Reset as usize], 1);
        let times: Vec<_> = read
            .peers
            .iter()
            .map(|peer| peer.as_ref().map(|peer| peer.time))
            .collect();
        let unchanged = (1..PEERS as u64).rev().map(Some);
        assert_eq!(times, [None].into_iter().chain(unchanged).collect::<Vec<_>>());
    }

    /// A writer takes its number before it writes: until then the entry holds the peer of the last round, or nothing.
    #[test]
    fn an_entry_that_is_not_written_yet() {
        let block = Block::new();
        block.sign(42, 1000);
        block.event(Cause::Closed, "192.0.2.1:80", 1);
        block.peers.entered.store(2, Relaxed);
        let names: Vec<_> = read(&block).peers.into_iter().flatten().map(|peer| peer.name).collect();
        assert_eq!(names.iter().map(Line::as_str).collect::<Vec<_>>(), ["192.0.2.1:80"]);
    }

    #[test]
    fn each_counter_counts_for_itself() {
        let block = Block::new();
        block.sign(42, 1000);
        for (n, counter) in (1..).zip(Counter::ALL) {
            block.add(counter, n);
        }
        let read = read(&block);
        for (n, counter) in (1..).zip(Counter::ALL) {
            assert_eq!((block.get(counter), read.get(counter)), (n, n), "{counter:?}");
        }
    }

    #[test]
    fn a_counter_has_one_key_and_one_sentence() {
        for counter in Counter::ALL {
            let same = |other: &&Counter| other.key() == counter.key() || other.label() == counter.label();
            assert_eq!(Counter::ALL.iter().filter(same).count(), 1, "{counter:?}");
            let help = counter.help();
            assert!(
                help.starts_with(|c: char| c.is_ascii_uppercase()) && help.ends_with('.'),
                "{help}"
            );
        }
    }

    /// The layout of version 1, as the library of one day and the launcher of another share it.
    #[test]
    fn layout() {
        assert_eq!(VERSION, 1, "another layout, other numbers");
        let block = [
            offset_of!(Block, magic),
            offset_of!(Block, version),
            offset_of!(Block, pid),
            offset_of!(Block, since),
            offset_of!(Block, events),
            offset_of!(Block, counters),
            offset_of!(Block, peers),
            offset_of!(Block, peers) + offset_of!(Ring<PEERS, ENTRY>, entries),
            size_of::<Block>(),
        ];
        assert_eq!(block, [0, 8, 12, 16, 24, 80, 144, 152, 2328]);
        assert_eq!((size_of::<Versioned<ENTRY>>(), NAME_AT * 8, NAME), (136, 16, 112));
        assert_eq!(
            Counter::ALL,
            [
                Counter::Connections,
                Counter::Failures,
                Counter::Undelivered,
                Counter::Unattributed,
                Counter::Lines,
                Counter::Suppressed,
                Counter::Dropped,
                Counter::Unwanted,
            ]
        );
    }
}
