//! A few threads in every order, by loom: scripts/loom.

use super::*;
use loom::sync::Arc;
use loom::thread;

#[test]
fn two_threads_take_exactly_what_there_is() {
    loom::model(|| {
        let throttle = Arc::new(Throttle::new());
        let take_two = |throttle: &Throttle| {
            let rate = Rate {
                burst: 3,
                per_second: 1,
            };
            (0..2).filter(|_| throttle.allows(SECOND_NS, rate)).count()
        };
        let other = {
            let throttle = Arc::clone(&throttle);
            thread::spawn(move || take_two(&throttle))
        };
        assert_eq!(take_two(&throttle) + other.join().unwrap(), 3);
    });
}
