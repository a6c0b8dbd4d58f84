//! The SIGPIPE action that the program set, as it sees it.
//!
//! # How it stays correct
//!
//! A `sigaction` call may be interrupted by a handler that calls `sigaction` itself, in the same thread, and may never
//! be resumed (longjmp); other threads may set and read at the same time. So there is no lock, and no thread waits for
//! another:
//!
//! * A writer takes a ticket and claims the slot that belongs to it (a compare-exchange of the slot's mark; if the slot
//!   is published or claimed, it takes a new ticket). It fills the slot and publishes the ticket by a compare-exchange
//!   from the ticket whose action it has read, so it knows exactly which action it replaced. It gives up the claim
//!   after that, so a thread that finds the slot unclaimed also sees whether it is published. A ticket is published at
//!   most once.
//! * A reader copies the slot of the published ticket, and again if the slot's mark says that it has changed.
//! * If a longjmp takes a writer away, its claim stays. A writer that has passed over `PATIENCE` slots, because every
//!   slot is claimed, takes a claimed one.
//!
//! One race remains: a writer sleeps in the middle of its four stores while another writer loses its patience and takes
//! its slot. For that, all slots except the published one must be claimed at the same time.

use crate::sync::{AtomicU64, array, constructor, fence};
use core::sync::atomic::Ordering::*;

/// Few under loom, so that a slot is used again within a short run.
const SLOTS: u64 = if cfg!(loom) { 3 } else { 64 };
/// A writer that has passed over this number of slots takes the claims for abandoned.
const PATIENCE: u64 = 100 * SLOTS;
/// In a mark: claimed, until it is decided whether the ticket is published.
const CLAIMED: u64 = 1 << 63;
/// A reader that has seen this number of changes gives up and takes what it has.
const TRIES: usize = if cfg!(loom) { 20 } else { 1000 };

/// One action, in the kernel's form: sigaction(2), `struct kernel_sigaction`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Action {
    /// SIG_DFL (0), SIG_IGN (1) or the address of a function.
    pub handler: u64,
    /// `SA_*`, sigaction(2).
    pub flags: u64,
    /// Where the handler returns to; set with `SA_RESTORER` only, 0 otherwise.
    pub restorer: u64,
    /// Signal 1 is bit 0.
    pub mask: u64,
}

/// The published action and the slots.
pub struct Disposition {
    published: AtomicU64,
    /// The ticket taken last. It begins at 0, the ticket that is published from the start: a static that is all zeros takes
    /// no room in the file.
    taken: AtomicU64,
    slots: [Slot; SLOTS as usize],
}

struct Slot {
    /// The ticket whose action is in this slot, or is being written to it.
    mark: AtomicU64,
    words: [AtomicU64; 4],
}

/// Which publication an action came from: equal tickets, equal actions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticket(u64);

impl Disposition {
    constructor! {
        /// The default action, never set: all zeros, as in the kernel at the start.
        pub fn new() -> Self {
            Disposition {
                published: AtomicU64::new(0),
                taken: AtomicU64::new(0),
                slots: array![Slot::new(); SLOTS as usize],
            }
        }
    }

    fn slot(&self, ticket: u64) -> &Slot {
        // SLOTS is not zero, and the remainder is less: never out of bounds.
        &self.slots[(ticket % SLOTS) as usize]
    }

    /// The ticket of the action that holds now.
    pub fn ticket(&self) -> Ticket {
        Ticket(self.published.load(Acquire))
    }

    /// The action that holds now, and its ticket.
    pub fn get(&self) -> (Action, Ticket) {
        let mut last = (Action::default(), Ticket(0));
        for _ in 0..TRIES {
            let ticket = self.published.load(Acquire);
            let slot = self.slot(ticket);
            if slot.ticket() != ticket {
                continue;
            }
            last = (slot.read(), Ticket(ticket));
            fence(Acquire);
            if slot.ticket() == ticket {
                break;
            }
        }
        last
    }

    /// Sets `action`; returns the previous action and the new ticket.
    pub fn replace(&self, action: Action) -> (Action, Ticket) {
        loop {
            let (old, ticket) = self.get();
            if let Some(new) = self.replace_if(ticket, action) {
                return (old, new);
            }
        }
    }

    /// Sets `action` if `expected` is still the published ticket; returns the new ticket if it was.
    pub fn replace_if(&self, expected: Ticket, action: Action) -> Option<Ticket> {
        let ticket = self.fill(action);
        let published = self
            .published
            .compare_exchange(expected.0, ticket, AcqRel, Relaxed)
            .map(|_| Ticket(ticket));
        // Fails if another writer has taken the claim for abandoned.
        let _ = self
            .slot(ticket)
            .mark
            .compare_exchange(ticket | CLAIMED, ticket, Release, Relaxed);
        published.ok()
    }

    /// Claims a slot and writes `action` to it; returns its ticket.
    fn fill(&self, action: Action) -> u64 {
        let mut passed_over = 0;
        loop {
            let ticket = self.taken.fetch_add(1, Relaxed).wrapping_add(1);
            let slot = self.slot(ticket);
            let there = slot.mark.load(Acquire);
            let is_free = there & CLAIMED == 0 || passed_over >= PATIENCE;
            let is_published = self.published.load(Acquire) % SLOTS == ticket % SLOTS;
            passed_over += 1;
            if !is_free || is_published {
                continue;
            }
            let claim = ticket | CLAIMED;
            if slot.mark.compare_exchange(there, claim, AcqRel, Relaxed).is_err() {
                continue;
            }
            fence(Release);
            slot.write(action);
            if slot.mark.load(Relaxed) == claim {
                return ticket;
            }
        }
    }
}

impl Slot {
    constructor! {
        fn new() -> Self {
            Slot { mark: AtomicU64::new(0), words: array![AtomicU64::new(0); 4] }
        }
    }

    fn ticket(&self) -> u64 {
        self.mark.load(Acquire) & !CLAIMED
    }

    fn read(&self) -> Action {
        let [handler, flags, restorer, mask] = &self.words;
        Action {
            handler: handler.load(Relaxed),
            flags: flags.load(Relaxed),
            restorer: restorer.load(Relaxed),
            mask: mask.load(Relaxed),
        }
    }

    fn write(&self, action: Action) {
        let values = [action.handler, action.flags, action.restorer, action.mask];
        for (word, value) in self.words.iter().zip(values) {
            word.store(value, Relaxed);
        }
    }
}

/// An action whose words differ from those of any other action, so that a mixture shows.
#[cfg(test)]
fn action(n: u64) -> Action {
    Action {
        handler: n,
        flags: n,
        restorer: n,
        mask: n,
    }
}

#[cfg(all(test, loom))]
mod models;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_call_gets_what_the_one_before_set() {
        let disposition = Disposition::new();
        assert_eq!(disposition.get().0, action(0));
        for n in 1..1000 {
            assert_eq!(disposition.replace(action(n)).0, action(n - 1));
            assert_eq!(disposition.get().0, action(n));
        }
        let (_, ticket) = disposition.get();
        assert!(disposition.replace_if(ticket, action(7)).is_some());
        assert!(disposition.replace_if(ticket, action(8)).is_none());
        assert_eq!(disposition.get().0, action(7));
    }

    #[test]
    fn writers_that_never_come_back_harm_nobody() {
        let disposition = Disposition::new();
        disposition.replace(action(1));
        for n in 0..10 * SLOTS {
            // Between its last store and its publication.
            disposition.fill(action(1000 + n));
            assert_eq!(disposition.get().0, action(1));
        }
        assert_eq!(disposition.replace(action(2)).0, action(1));
        assert_eq!(disposition.get().0, action(2));
    }

    #[test]
    fn no_torn_action_under_threads() {
        let disposition = Disposition::new();
        std::thread::scope(|s| {
            for thread in 1..=3 {
                let disposition = &disposition;
                s.spawn(move || {
                    for n in 0..20_000 {
                        let (old, _) = disposition.replace(action(thread * 100_000 + n));
                        assert_eq!(old, action(old.handler));
                        let (now, _) = disposition.get();
                        assert_eq!(now, action(now.handler));
                    }
                });
            }
        });
    }
}
