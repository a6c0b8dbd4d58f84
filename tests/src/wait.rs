//! Waits that end.

use std::thread;
use std::time::{Duration, Instant};

/// The pause between two looks.
const POLL: Duration = Duration::from_millis(20);

/// Calls `look` until it finds something, for at most `patience`; `None` if it has found nothing by then. It looks at
/// least once. A `look` that can fail returns `Some(Err(…))`, which ends the wait; see [`Result::transpose`].
pub fn wait_for<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        let found = look();
        if found.is_some() || Instant::now() > deadline {
            return found;
        }
        thread::sleep(POLL);
    }
}
