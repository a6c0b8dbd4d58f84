//! A few threads in every order, by loom: scripts/loom.

use super::*;
use loom::sync::Arc;
use loom::thread;

/// Two threads enter `key` in a set that holds `there`, and a third enters `other`: exactly one of the two is the
/// first.
fn check_first(there: &'static [u64], key: u64, other: u64) {
    loom::model(move || {
        let seen = Arc::new(Seen::<1>::new());
        for &key in there {
            assert!(seen.insert(key));
        }
        let enter = |key| {
            let seen = Arc::clone(&seen);
            thread::spawn(move || seen.insert(key))
        };
        let (same, another) = (enter(key), enter(other));
        let first = seen.insert(key);
        assert!(another.join().unwrap(), "{other} was new");
        assert!(same.join().unwrap() != first, "one of two is the first");
        assert!(seen.contains(key) && seen.contains(other));
    });
}

/// The place that `key` takes in a full set.
fn place(key: u64) -> u64 {
    (hash(key) >> 32) % WAYS as u64
}

#[test]
fn one_is_the_first_where_there_is_room() {
    check_first(&[1, 2], 8, 9);
}

#[test]
fn one_is_the_first_for_the_last_free_place() {
    let other = (9..).find(|&other| place(other) != place(8)).unwrap();
    check_first(&[1, 2, 3], 8, other);
}

#[test]
fn one_is_the_first_in_a_full_set() {
    let other = (9..).find(|&other| place(other) != place(8)).unwrap();
    check_first(&[1, 2, 3, 4], 8, other);
}

/// An address comes back as it was remembered, for the same key, and never as a mixture.
fn check_recall(first: (u64, u8), second: (u64, u8)) {
    loom::model(move || {
        let targets = Arc::new(Targets::<1>::new());
        targets.remember(first.0, &[first.1; ADDRESS]);
        let writer = {
            let targets = Arc::clone(&targets);
            thread::spawn(move || targets.remember(second.0, &[second.1; ADDRESS]))
        };
        for (key, _) in [first, second] {
            if let Some(address) = targets.recall(key) {
                let possible = [first, second].map(|(k, byte)| (k == key).then_some([byte; ADDRESS]));
                assert!(possible.contains(&Some(address)), "{key}: {address:?}");
            }
        }
        writer.join().unwrap();
        assert_eq!(targets.recall(second.0), Some([second.1; ADDRESS]));
    });
}

#[test]
fn a_socket_that_connects_again() {
    check_recall((5, 1), (5, 2));
}

#[test]
fn two_sockets_in_one_entry() {
    check_recall((5, 1), (6, 2));
}

#[test]
fn two_that_remember_at_once() {
    loom::model(|| {
        let targets = Arc::new(Targets::<1>::new());
        let writer = {
            let targets = Arc::clone(&targets);
            thread::spawn(move || targets.remember(5, &[1; ADDRESS]))
        };
        targets.remember(6, &[2; ADDRESS]);
        writer.join().unwrap();
        let recalled = [5, 6].map(|key| targets.recall(key));
        assert!(
            matches!(recalled, [Some(a), None] if a == [1; ADDRESS])
                || matches!(recalled, [None, Some(a)] if a == [2; ADDRESS])
        );
    });
}
