//! A few threads in every order, by loom: scripts/loom.

use super::*;
use loom::sync::Arc;
use loom::thread;

/// The number of an action that `action` made.
fn number(read: Action) -> u64 {
    assert_eq!(read, action(read.handler), "torn");
    read.handler
}

/// Sets one number after the other; returns what each call replaced, and with what.
fn set_all(disposition: &Disposition, numbers: &[u64]) -> Vec<(u64, u64)> {
    let set = |&new: &u64| (number(disposition.replace(action(new)).0), new);
    numbers.iter().map(set).collect()
}

/// Two threads set numbers: nothing is torn, and the replacements form one chain from the first action to the last.
fn check_writers(one: &'static [u64], other: &'static [u64]) {
    loom::model(move || {
        let disposition = Arc::new(Disposition::new());
        let thread = {
            let disposition = Arc::clone(&disposition);
            thread::spawn(move || set_all(&disposition, other))
        };
        let mut steps = set_all(&disposition, one);
        steps.extend(thread.join().unwrap());
        let mut now = 0;
        while let Some(next) = steps.iter().position(|&(old, _)| old == now) {
            now = steps.swap_remove(next).1;
        }
        assert!(steps.is_empty(), "from 0 to {now}, and beside that {steps:?}");
        assert_eq!(number(disposition.get().0), now);
    });
}

/// One thread sets 1, 2, 3, so that it uses a slot again; another reads all the while. (The reader is the thread that
/// loom starts later: for a load, loom only sees the conflict with a store that came before.)
fn check_reader(prepare: fn(&Disposition)) {
    loom::model(move || {
        let disposition = Arc::new(Disposition::new());
        prepare(&disposition);
        let reader = {
            let disposition = Arc::clone(&disposition);
            thread::spawn(move || number(disposition.get().0))
        };
        assert_eq!(set_all(&disposition, &[1, 2, 3]), [(0, 1), (1, 2), (2, 3)]);
        assert!(reader.join().unwrap() <= 3);
        assert_eq!(number(disposition.get().0), 3);
    });
}

#[test]
fn two_writers() {
    check_writers(&[1, 2], &[3, 4]);
}

#[test]
fn a_writer_that_sleeps_until_its_slot_comes_round() {
    check_writers(&[1], &[2, 3, 4]);
}

#[test]
fn a_reader() {
    check_reader(|_| {});
}

#[test]
fn a_reader_beside_a_writer_that_never_came_back() {
    check_reader(|disposition| {
        disposition.fill(action(9));
    });
}
