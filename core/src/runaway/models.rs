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
