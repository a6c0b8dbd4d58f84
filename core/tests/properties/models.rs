//! The tables, one call after the other, against simple models.

use nopipe_core::disposition::{Action, Disposition};
use nopipe_core::runaway::{Runaways, Step, WINDOW_MS};
use nopipe_core::table::{ADDRESS, Seen, Targets};
use nopipe_core::throttle::{Rate, Throttle};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

/// Few keys, so that they meet again; also the largest and the smallest.
fn key() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 1..40_u64, 1 => Just(0), 1 => Just(u64::MAX)]
}

proptest! {
    #[test]
    fn seen_knows_what_it_was_told(keys in vec(key(), 0..200)) {
        let seen = Seen::<4>::new();
        let mut told = HashSet::new();
        for key in keys {
            let known = seen.contains(key);
            // 0 and 1 share an entry: no cookie is 0.
            prop_assert!(!known || told.contains(&key.max(1)));
            prop_assert_eq!(seen.insert(key), !known);
            prop_assert!(seen.contains(key));
            told.insert(key.max(1));
        }
    }

    #[test]
    fn seen_forgets_none_of_four(keys in vec(1..=4_u64, 0..50)) {
        let seen = Seen::<1>::new();
        let mut told = HashSet::new();
        for key in keys {
            prop_assert_eq!(seen.insert(key), told.insert(key));
        }
    }

    #[test]
    fn targets_give_the_last_address_or_none(steps in vec((key(), vec(any::<u8>(), 0..40), key()), 0..100)) {
        let targets = Targets::<8>::new();
        let mut last = HashMap::new();
        for (key, address, other) in steps {
            let mut padded = [0; ADDRESS];
            padded.iter_mut().zip(&address).for_each(|(to, from)| *to = *from);
            targets.remember(key, &address);
            last.insert(key, padded);
            prop_assert_eq!(targets.recall(key), Some(padded));
            if let Some(recalled) = targets.recall(other) {
                prop_assert_eq!(Some(&recalled), last.get(&other));
            }
        }
    }

    #[test]
    fn a_disposition_holds_one_action(steps in vec((any::<[u64; 4]>(), 0..3), 0..300)) {
        let disposition = Disposition::new();
        let mut holds = Action::default();
        let mut ticket = disposition.ticket();
        for ([handler, flags, restorer, mask], step) in steps {
            let action = Action { handler, flags, restorer, mask };
            match step {
                0 => {
                    prop_assert_eq!(disposition.replace(action).0, holds);
                    holds = action;
                }
                1 => {
                    let is_old = disposition.ticket() != ticket;
                    let replaced = disposition.replace_if(ticket, action);
                    prop_assert_eq!(replaced.is_none(), is_old);
                    holds = if is_old { holds } else { action };
                }
                _ => ticket = disposition.ticket(),
            }
            prop_assert_eq!(disposition.get(), (holds, disposition.ticket()));
        }
    }

    /// Up to four connections have a place each: the result for one depends only on its own failures.
    #[test]
    fn a_runaway_has_failed_often(steps in vec((1..=4_u64, 0..4000_u64), 0..400), limit in 1..20_u32) {
        let table = Runaways::<1>::new();
        let mut failures = HashMap::<u64, Vec<u64>>::new();
        let mut now = 1;
        for (key, pause) in steps {
            // Mostly without a pause.
            now += pause.saturating_sub(3900) * 100;
            let times = failures.entry(key).or_default();
            times.push(now);
            let lately = times.iter().filter(|&&time| now - time <= WINDOW_MS).count();
            match table.count(key, now, limit) {
                Step::Calm => {}
                Step::SetsIn => prop_assert!(lately >= limit as usize),
                Step::GoesOn(pause_ms) => prop_assert!(times.len() > limit as usize && (1..=100).contains(&pause_ms)),
            }
        }
    }

    /// A bucket that counts the other way: the tokens in it.
    #[test]
    fn a_throttle_is_a_token_bucket(
        pauses in vec(prop_oneof![3 => 0..1000_u64, 1 => 0..3_000_000_000_u64], 0..300),
        burst in 1..30_u32,
        per_second in 1..2000_u32,
    ) {
        let throttle = Throttle::new();
        let token = 1_000_000_000 / u64::from(per_second);
        let full = token * u64::from(burst);
        let (mut now, mut bucket) = (0, full);
        for pause in pauses {
            now += pause;
            bucket = full.min(bucket + pause);
            let expected = bucket >= token;
            prop_assert_eq!(throttle.allows(now, Rate { burst, per_second }), expected);
            bucket -= if expected { token } else { 0 };
        }
    }
}
