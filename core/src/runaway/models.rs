//! A few threads in every order, by loom: scripts/loom.

use super::*;
use loom::sync::Arc;
use loom::thread;

const NOW: u64 = 1000;
const LIMIT: u32 = 3;

/// Two threads count `key` in a set that holds failures of others; `expected` checks what the two calls returned.
fn check(others: &'static [u64], key: u64, expected: fn([Step; 2]) -> bool) {
    loom::model(move || {
        let table = Arc::new(Runaways::<1>::new());
        for &other in others {
            for _ in 1..LIMIT {
                assert_eq!(table.count(other, NOW, LIMIT), Step::Calm);
            }
        }
        let thread = {
            let table = Arc::clone(&table);
            thread::spawn(move || table.count(key, NOW, LIMIT))
        };
        let steps = [table.count(key, NOW, LIMIT), thread.join().unwrap()];
        assert!(expected(steps), "{steps:?}");
    });
}

#[test]
fn a_new_connection_does_not_inherit_failures() {
    check(&[1, 2, 3, 4], 5, |steps| steps == [Step::Calm; 2]);
}

#[test]
fn it_sets_in_once() {
    check(&[1], 1, |steps| {
        steps.iter().filter(|&&step| step == Step::SetsIn).count() == 1
    });
}

#[test]
fn it_is_judged_once() {
    loom::model(|| {
        let table = Arc::new(Runaways::<1>::new());
        for _ in 0..3 {
            assert_ne!(table.keep_pace(1, NOW, Step::Calm).look, Look::Judge);
        }
        let later = NOW + LASTING_MS;
        let thread = {
            let table = Arc::clone(&table);
            thread::spawn(move || table.keep_pace(1, later, Step::Calm).look)
        };
        let looks = [table.keep_pace(1, later, Step::Calm).look, thread.join().unwrap()];
        assert_eq!(
            looks.iter().filter(|&&look| look == Look::Judge).count(),
            1,
            "{looks:?}"
        );
    });
}

#[test]
fn a_new_connection_does_not_inherit_a_window() {
    loom::model(|| {
        let table = Arc::new(Runaways::<1>::new());
        for other in 1..=4 {
            for _ in 0..3 {
                table.keep_pace(other, NOW, Step::Calm);
            }
        }
        let later = NOW + LASTING_MS;
        let thread = {
            let table = Arc::clone(&table);
            thread::spawn(move || table.keep_pace(5, later, Step::Calm))
        };
        for pace in [table.keep_pace(5, later, Step::Calm), thread.join().unwrap()] {
            assert!(pace.look != Look::Judge && pace.failures <= 2, "{pace:?}");
        }
    });
}
