//! A few threads in every order, by loom: scripts/loom.

use super::*;
use loom::sync::Arc;
use loom::thread;

type Entry = Versioned<2>;

/// Whoever finds two different numbers has a mixture of two writers.
fn whole(words: [u64; 2]) -> u64 {
    assert_eq!(words[0], words[1], "torn");
    words[0]
}

fn write(entry: &Arc<Entry>, numbers: &'static [u64]) -> thread::JoinHandle<()> {
    let entry = Arc::clone(entry);
    thread::spawn(move || numbers.iter().for_each(|&number| entry.write([number; 2])))
}

#[test]
fn two_writers_and_a_reader() {
    loom::model(|| {
        let entry = Arc::new(Entry::new());
        entry.write([1; 2]);
        let writers = [write(&entry, &[2]), write(&entry, &[3])];
        if let Some(words) = entry.read() {
            assert!([1, 2, 3].contains(&whole(words)));
        }
        for writer in writers {
            writer.join().unwrap();
        }
        let last = entry.read().expect("nobody writes any more");
        assert!([2, 3].contains(&whole(last)), "one of them has written");
    });
}

/// Two writers and a reader in another process. It copies in one order, twice.
fn check_copies(upwards: bool) {
    loom::model(move || {
        let entry = Arc::new(Entry::new());
        let writers = [write(&entry, &[1, 2]), write(&entry, &[3])];
        let copies = [entry.copy(upwards), entry.copy(upwards)];
        if let Some(words) = agreed(&copies[0], &copies[1]) {
            assert_eq!(words[..8], words[8..], "torn");
        }
        for writer in writers {
            writer.join().unwrap();
        }
        let last = entry.copy(upwards);
        assert!(agreed(&last, &last).is_some(), "nobody writes any more");
    });
}

#[test]
fn copies_upwards() {
    check_copies(true);
}

#[test]
fn copies_downwards() {
    check_copies(false);
}
