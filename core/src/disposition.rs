//! The SIGPIPE action that the program believes in.
//!
//! # How it stays correct
//!
//! A `sigaction` call may be interrupted by a handler that calls `sigaction` itself, in the same thread, and may never
//! be resumed (longjmp); other threads may set and read at the same time. So nobody locks, and nobody waits for
//! anybody:
//!
//! * A writer takes a ticket and claims the slot that belongs to it (a compare-exchange of the slot's mark; a slot that
//!   is published or claimed is passed over with a new ticket), fills it, and publishes the ticket by a
//!   compare-exchange from the ticket whose action it has read: so it knows exactly which action it replaced.
//! * A reader copies the slot of the published ticket, and again if the slot's mark says that it has changed.
//! * A claim that is `STALE` tickets old belongs to a writer that a longjmp took away; its slot is claimed anew.
//!
//! What remains: a writer that only slept, in the middle of its four stores, while others took `STALE` tickets.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*, fence};

const SLOTS: usize = 64;
/// A claim that was not completed while so many tickets were taken is taken for abandoned.
const STALE: usize = 100 * SLOTS;
/// In a mark: claimed, being written.
const CLAIMED: usize = 1 << (usize::BITS - 1);
/// A reader gives up after so many changes under its eyes and takes what it has.
const TRIES: usize = 1000;

/// One action, in the kernel's form: sigaction(2), `struct kernel_sigaction`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Action {
    /// SIG_DFL (0), SIG_IGN (1) or the address of a function.
    pub handler: u64,
    pub flags: u64,
    pub restorer: u64,
    /// Signal 1 is bit 0.
    pub mask: u64,
}

/// The published action and the slots.
pub struct Disposition {
    published: AtomicUsize,
    next: AtomicUsize,
    slots: [Slot; SLOTS],
}

struct Slot {
    /// The ticket whose action is here; with `CLAIMED`, the ticket that is being written.
    mark: AtomicUsize,
    words: [AtomicU64; 4],
}

/// Which publication an action came from: equal tickets, equal actions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticket(usize);

impl Disposition {
    /// Default action, nothing ever set: all zeros, as the kernel starts with it.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Disposition {
            published: AtomicUsize::new(0),
            next: AtomicUsize::new(1),
            slots: [const {
                Slot {
                    mark: AtomicUsize::new(0),
                    words: [const { AtomicU64::new(0) }; 4],
                }
            }; SLOTS],
        }
    }

    fn slot(&self, ticket: usize) -> &Slot {
        // SLOTS is not zero, and the remainder is less: never out of bounds.
        &self.slots[ticket % SLOTS]
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
            let before = slot.mark.load(Acquire);
            last = (slot.read(), Ticket(ticket));
            fence(Acquire);
            if before == ticket && slot.mark.load(Relaxed) == ticket {
                break;
            }
        }
        last
    }

    /// Makes `action` hold; returns the action that held before, and the new ticket.
    pub fn replace(&self, action: Action) -> (Action, Ticket) {
        loop {
            let (old, ticket) = self.get();
            if let Some(new) = self.replace_if(ticket, action) {
                return (old, new);
            }
        }
    }

    /// Makes `action` hold if `expected` still holds; the new ticket if it did.
    pub fn replace_if(&self, expected: Ticket, action: Action) -> Option<Ticket> {
        let ticket = self.fill(action);
        self.published
            .compare_exchange(expected.0, ticket, AcqRel, Relaxed)
            .ok()
            .map(|_| Ticket(ticket))
    }

    /// Writes `action` to a slot of its own; its ticket.
    fn fill(&self, action: Action) -> usize {
        loop {
            let ticket = self.next.fetch_add(1, Relaxed) & !CLAIMED;
            let slot = self.slot(ticket);
            let there = slot.mark.load(Acquire);
            let abandoned = ticket.wrapping_sub(there & !CLAIMED) > STALE;
            if (there & CLAIMED != 0 && !abandoned) || ticket % SLOTS == self.published.load(Acquire) % SLOTS {
                continue;
            }
            let claim = ticket | CLAIMED;
            if slot.mark.compare_exchange(there, claim, AcqRel, Relaxed).is_err() {
                continue;
            }
            fence(Release);
            slot.write(action);
            if slot.mark.compare_exchange(claim, ticket, AcqRel, Relaxed).is_ok() {
                return ticket;
            }
        }
    }
}

impl Slot {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn action(n: u64) -> Action {
        Action {
            handler: n,
            flags: n,
            restorer: n,
            mask: n,
        }
    }

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
        for n in 0..10 * SLOTS as u64 {
            disposition.fill(action(1000 + n));
            // One that was taken away in the middle of its stores.
            let ticket = disposition.next.fetch_add(1, Relaxed);
            if ticket % SLOTS != disposition.ticket().0 % SLOTS {
                disposition.slot(ticket).mark.store(ticket | CLAIMED, Relaxed);
            }
            assert_eq!(disposition.get().0, action(1));
        }
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
