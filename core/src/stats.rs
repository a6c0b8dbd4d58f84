//! The counters of one process, laid out so that another process can read them (`nopipe status`).
//!
//! The library exports one [`Block`] as the ELF symbol [`SYMBOL`]. All of it is atomic words that only grow, but for the
//! ring of the last peers, whose entries carry a sequence number: odd while one is being written, and changed by it. A
//! forked child finds the block all zero and signs it anew: a block that another process has signed counts as zero.

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
/// How many peers are kept.
pub const PEERS: usize = 16;
/// Bytes of a peer's name that are kept.
pub const NAME: usize = 112;

/// The counters. `repr(C)`: this is an interface between processes, maybe of different versions.
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
    /// Connections that failed.
    connections: AtomicU64,
    /// Failed calls, the first of each connection included.
    failures: AtomicU64,
    /// Bytes written that the peers have not acknowledged.
    undelivered: AtomicU64,
    /// SIGPIPEs and failures of which nothing more could be learned.
    unattributed: AtomicU64,
    /// Events that became a line.
    lines: AtomicU64,
    /// Events without a line: the rate limit.
    suppressed: AtomicU64,
    /// Events without a line: a sink did not take it.
    dropped: AtomicU64,
    /// Events without a line: the settings want none.
    unwanted: AtomicU64,
    /// Peers ever entered in the ring.
    entered: AtomicU64,
    peers: [Entry; PEERS],
}

#[repr(C)]
struct Entry {
    sequence: AtomicU64,
    /// Nanoseconds since the epoch.
    time: AtomicU64,
    cause: AtomicU64,
    /// The peer's name, zeros behind its end.
    name: [AtomicU64; NAME / 8],
}

/// What is counted one by one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counter {
    /// Connections that failed.
    Connections,
    /// Failed calls, the first of each connection included.
    Failures,
    /// Bytes written that the peers have not acknowledged.
    Undelivered,
    /// SIGPIPEs and failures of which nothing more could be learned.
    Unattributed,
    /// Events that became a line.
    Lines,
    /// Events without a line: the rate limit.
    Suppressed,
    /// Events without a line: a sink did not take it.
    Dropped,
    /// Events without a line: the settings want none.
    Unwanted,
}

impl Block {
    /// All zero: nobody has signed it.
    #[allow(clippy::new_without_default, reason = "a static is made by name, never by default")]
    pub const fn new() -> Self {
        Block {
            magic: AtomicU64::new(0),
            version: AtomicU32::new(0),
            pid: AtomicU32::new(0),
            since: AtomicU64::new(0),
            events: [const { AtomicU64::new(0) }; Cause::COUNT],
            connections: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            undelivered: AtomicU64::new(0),
            unattributed: AtomicU64::new(0),
            lines: AtomicU64::new(0),
            suppressed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            unwanted: AtomicU64::new(0),
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

    /// The process `pid` counts here from `since` (seconds since the epoch) on.
    pub fn sign(&self, pid: u32, since: u64) {
        self.since.store(since, Relaxed);
        self.version.store(VERSION, Relaxed);
        self.magic.store(MAGIC, Relaxed);
        self.pid.store(pid, Release);
    }

    /// Who has signed it; 0: nobody.
    pub fn pid(&self) -> u32 {
        self.pid.load(Relaxed)
    }

    fn counter(&self, counter: Counter) -> &AtomicU64 {
        match counter {
            Counter::Connections => &self.connections,
            Counter::Failures => &self.failures,
            Counter::Undelivered => &self.undelivered,
            Counter::Unattributed => &self.unattributed,
            Counter::Lines => &self.lines,
            Counter::Suppressed => &self.suppressed,
            Counter::Dropped => &self.dropped,
            Counter::Unwanted => &self.unwanted,
        }
    }

    /// Counts `n` more.
    pub fn add(&self, counter: Counter, n: u64) {
        self.counter(counter).fetch_add(n, Relaxed);
    }

    /// The count so far.
    pub fn get(&self, counter: Counter) -> u64 {
        self.counter(counter).load(Relaxed)
    }

    /// Counts an event, and keeps its peer among the last; `time` in nanoseconds since the epoch.
    pub fn event(&self, cause: Cause, peer: &str, time: u64) {
        if let Some(counter) = self.events.get(cause as usize) {
            counter.fetch_add(1, Relaxed);
        }
        let number = self.entered.fetch_add(1, Relaxed);
        let Some(entry) = self.peers.get(number as usize % PEERS) else {
            return;
        };
        // Odd from here on; if another thread has gone once around and is writing too, neither entry counts.
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

/// What a reader gets.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Since when it is counted, seconds since the epoch; 0: nothing was counted yet.
    pub since: u64,
    /// Events by cause, in the order of [`Cause`].
    pub events: [u64; Cause::COUNT],
    /// Connections that failed.
    pub connections: u64,
    /// Failed calls, the first of each connection included.
    pub failures: u64,
    /// Bytes written that the peers have not acknowledged.
    pub undelivered: u64,
    /// SIGPIPEs and failures of which nothing more could be learned.
    pub unattributed: u64,
    /// Events that became a line.
    pub lines: u64,
    /// Events without a line: the rate limit.
    pub suppressed: u64,
    /// Events without a line: a sink did not take it.
    pub dropped: u64,
    /// Events without a line: the settings want none.
    pub unwanted: u64,
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
            // Just forked, and not signed yet.
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
            connections: word(offset_of!(Block, connections)),
            failures: word(offset_of!(Block, failures)),
            undelivered: word(offset_of!(Block, undelivered)),
            unattributed: word(offset_of!(Block, unattributed)),
            lines: word(offset_of!(Block, lines)),
            suppressed: word(offset_of!(Block, suppressed)),
            dropped: word(offset_of!(Block, dropped)),
            unwanted: word(offset_of!(Block, unwanted)),
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
        let words = block.events.iter().chain([
            &block.connections,
            &block.failures,
            &block.undelivered,
            &block.unattributed,
            &block.lines,
            &block.suppressed,
            &block.dropped,
            &block.unwanted,
            &block.entered,
        ]);
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
        assert_eq!((read.since, read.failures, read.undelivered), (1000, 30, 12_345));
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
        assert_eq!(Snapshot::decode(&bytes_of(&block), 43).unwrap().failures, 0);
        let mut bytes = bytes_of(&block);
        assert_eq!(Snapshot::decode(&bytes[1..], 42).unwrap_err(), Unreadable::Short);
        bytes[offset_of!(Block, version)] = 9;
        assert_eq!(Snapshot::decode(&bytes, 42).unwrap_err(), Unreadable::Version(9));
        bytes[0] ^= 1;
        assert_eq!(Snapshot::decode(&bytes, 42).unwrap_err(), Unreadable::NoBlock);
    }
}
