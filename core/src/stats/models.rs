//! A few threads in every order, by loom: scripts/loom.

use super::*;
use loom::sync::Arc;
use loom::thread;

/// A ring of one entry, so that each peer is written where the last one was. Its name has one word: with all fourteen the
/// model takes hours.
type One = Ring<1, { NAME_AT + 1 }>;

/// Two threads enter peers, and another process reads: a peer is one of them, whole.
#[test]
fn a_peer_is_never_a_mixture() {
    loom::model(|| {
        let ring = Arc::new(One::new());
        let enter = |cause, peer, time| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || ring.enter(cause, peer, time))
        };
        let writers = [enter(Cause::Reset, "first", 1), enter(Cause::Closed, "other", 2)];
        let entry = &ring.entries[0];
        check([entry.copy(true), entry.copy(true)]);
        for writer in writers {
            writer.join().unwrap();
        }
        assert_eq!(ring.entered.load(Relaxed), 2);
        assert!(check([entry.copy(true), entry.copy(true)]), "nobody writes any more");
    });
}

/// Whether there is a peer; it must be one of the two.
fn check([first, second]: [Vec<u8>; 2]) -> bool {
    let Some(peer) = agreed(&first, &second).and_then(LastPeer::decode) else {
        return false;
    };
    let LastPeer { time, cause, name } = peer;
    assert!(
        [(1, Cause::Reset, "first"), (2, Cause::Closed, "other")].contains(&(time, cause, name.as_str())),
        "{time} {cause:?} {name:?}"
    );
    true
}
