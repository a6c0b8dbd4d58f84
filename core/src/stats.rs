//! The counters of one process, laid out so that another process can read them (`nopipe status`).
//!
//! The library exports one [`Block`] as the ELF symbol [`SYMBOL`]. All of it is atomic words that only grow, except the
//! ring of the last peers. Each entry of the ring has a sequence number, which is odd while the entry is being written
//! and has another value afterwards. A forked child finds the block all zero and signs it anew. A block that another
//! process has signed counts as zero.

use crate::event::Cause;
use crate::line::Line;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::*, fence};

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
    /// The number of peers ever entered in the ring.
    entered: AtomicU64,
    peers: [Entry; PEERS],
}

#[repr(C)]
struct Entry {
    sequence: AtomicU64,
    /// Nanoseconds since the epoch.
    time: AtomicU64,
    cause: AtomicU64,
    /// The peer's name, padded with zeros.
    name: [AtomicU64; NAME / 8],
}

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

impl Block {
    /// All zero: no process has signed it.
    #[allow(clippy::new_without_default, reason = "const under core, not under loom")]
    pub const fn new() -> Self {
        Block {
            magic: AtomicU64::new(0),
            version: AtomicU32::new(0),
            pid: AtomicU32::new(0),
            since: AtomicU64::new(0),
            events: [const { AtomicU64::new(0) }; Cause::COUNT],
            counters: [const { AtomicU64::new(0) }; Counter::COUNT],
            entered: AtomicU64::new(0),
            peers: [const {
                Entry {
                    sequence: AtomicU64::new(0),
                    time: AtomicU64::new(0),
                    cause: AtomicU64::new(0),
                    name: [const { AtomicU64::new(0) }; NAME / 8],
                }
            }; PEERS],
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
        let number = self.entered.fetch_add(1, Relaxed);
        let Some(entry) = self.peers.get(number as usize % PEERS) else {
            return;
        };
        // Odd from here on. If another thread has gone around the ring and writes the same entry, neither entry counts.
        let sequence = entry.sequence.fetch_add(1, Relaxed);
        fence(Release);
        entry.time.store(time, Relaxed);
        entry.cause.store(cause as u64, Relaxed);
        for (i, word) in entry.name.iter().enumerate() {
            let mut bytes = [0; 8];
            for (to, from) in bytes.iter_mut().zip(peer.bytes().skip(i * 8)) {
                *to = from;
            }
            word.store(u64::from_ne_bytes(bytes), Relaxed);
        }
        entry.sequence.store(sequence | 1, Relaxed);
        entry.sequence.fetch_add(1, Release);
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

    /// Decodes the bytes of a block that was read from process `pid`, as that process itself numbers it.
    pub fn decode(bytes: &[u8], pid: u32) -> Result<Snapshot, Unreadable> {
        if bytes.len() < size_of::<Block>() {
            return Err(Unreadable::Short);
        }
        let word = |offset: usize| match bytes.get(offset..).and_then(|rest| rest.first_chunk()) {
            Some(word) => u64::from_ne_bytes(*word),
            None => 0,
        };
        let half = |offset: usize| match bytes.get(offset..).and_then(|rest| rest.first_chunk()) {
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
        let entered = word(offset_of!(Block, entered));
        Ok(Snapshot {
            since: word(offset_of!(Block, since)),
            events: core::array::from_fn(|i| word(offset_of!(Block, events) + i * 8)),
            counters: core::array::from_fn(|i| word(offset_of!(Block, counters) + i * 8)),
            peers: core::array::from_fn(|back| {
                let number = entered.checked_sub(back as u64 + 1)?;
                let at = offset_of!(Block, peers) + number as usize % PEERS * size_of::<Entry>();
                if word(at + offset_of!(Entry, sequence)) % 2 == 1 {
                    return None;
                }
                let name = bytes.get(at + offset_of!(Entry, name)..)?.get(..NAME)?;
                let length = name.iter().position(|&b| b == 0).unwrap_or(NAME);
                let mut line = Line::new();
                line.push_lossy(name.get(..length)?);
                Some(LastPeer {
                    time: word(at + offset_of!(Entry, time)),
                    cause: Cause::from_number(word(at + offset_of!(Entry, cause)))?,
                    name: line,
                })
            }),
        })
    }
}

#[cfg(test)]
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
        let words = block.events.iter().chain(&block.counters).chain([&block.entered]);
        let mut at = offset_of!(Block, events);
        for word in words {
            put(at, &word.load(Relaxed).to_ne_bytes());
            at += 8;
        }
        assert_eq!(at, offset_of!(Block, peers));
        for entry in &block.peers {
            for word in [&entry.sequence, &entry.time, &entry.cause]
                .into_iter()
                .chain(&entry.name)
            {
                put(at, &word.load(Relaxed).to_ne_bytes());
                at += 8;
            }
        }
        assert_eq!(at, size_of::<Block>());
        bytes
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
        let read = Snapshot::decode(&bytes_of(&block), 42).unwrap();
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
        assert_eq!(Snapshot::decode(&bytes_of(&block), 42).unwrap().since, 0);
        block.sign(42, 1000);
        block.add(Counter::Failures, 1);
        assert_eq!(
            Snapshot::decode(&bytes_of(&block), 43).unwrap().get(Counter::Failures),
            0
        );
        let mut bytes = bytes_of(&block);
        assert_eq!(Snapshot::decode(&bytes[1..], 42).unwrap_err(), Unreadable::Short);
        bytes[offset_of!(Block, version)] = 9;
        assert_eq!(Snapshot::decode(&bytes, 42).unwrap_err(), Unreadable::Version(9));
        bytes[0] ^= 1;
        assert_eq!(Snapshot::decode(&bytes, 42).unwrap_err(), Unreadable::NoBlock);
    }

    #[test]
    fn each_counter_counts_for_itself() {
        let block = Block::new();
        block.sign(42, 1000);
        for (n, counter) in (1..).zip(Counter::ALL) {
            block.add(counter, n);
        }
        let read = Snapshot::decode(&bytes_of(&block), 42).unwrap();
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
            offset_of!(Block, entered),
            offset_of!(Block, peers),
            size_of::<Block>(),
        ];
        assert_eq!(block, [0, 8, 12, 16, 24, 80, 144, 152, 2328]);
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
