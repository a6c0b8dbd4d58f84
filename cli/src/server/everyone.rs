//! Every process of the machine, whoever's it is.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::proc::{Folder, running};
use super::process::{Failure, Report};
use super::reader::Reader;
use crate::error::{self, Error, Exit};

/// How long one process may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long all may take. After that none is begun.
const ALL_PATIENCE: Duration = Duration::from_secs(8);
/// A user with so many processes that did not answer has to wait until the others are done.
const SLOW: u32 = 2;

/// What became of one process.
pub struct Answer {
    pub pid: i32,
    /// It runs as the user of this program, and as no other.
    pub is_own: bool,
    pub report: Result<Report, Failure>,
}

struct Waiting {
    pid: i32,
    users: Vec<u32>,
}

/// Reads every process, and returns the answers in ascending order of their numbers.
///
/// Processes that do not answer cannot keep those of other users out: the users with the lowest numbers come first (the
/// system's own, whose services are there), and one whose processes do not answer comes last.
///
/// Fails if `/proc` cannot be listed.
pub fn read_all() -> error::Result<Vec<Answer>> {
    let begin = Instant::now();
    let mut reader = Reader::default();
    let read = |pid| {
        let left = ALL_PATIENCE.saturating_sub(begin.elapsed()).min(PATIENCE);
        match left.is_zero() {
            true => {
                let message = format!("process {pid}: not looked at, since others took too long");
                Err(Failure::before(Error::new(Exit::Unanswered, message)))
            }
            false => reader.read(pid, left),
        }
    };
    let waiting = running().map_err(Error::while_doing("/proc"))?.into_iter().map(|pid| {
        let status = Folder::open(pid).and_then(|folder| folder.status());
        let users = status.map(|status| status.users).unwrap_or_default();
        Waiting { pid, users }
    });
    let mut answers = in_turn(waiting.collect(), read);
    answers.sort_unstable_by_key(|answer| answer.pid);
    Ok(answers)
}

fn in_turn(mut waiting: Vec<Waiting>, mut read: impl FnMut(i32) -> Result<Report, Failure>) -> Vec<Answer> {
    let own = rustix::process::geteuid().as_raw();
    waiting.sort_unstable_by_key(|process| Reverse((process.users.get(1).copied(), process.pid)));
    let mut late = Vec::new();
    let mut slow: HashMap<Option<u32>, u32> = HashMap::new();
    let mut answers = Vec::new();
    while let Some(process) = waiting.pop() {
        let unanswered = slow.entry(process.users.get(1).copied()).or_default();
        if *unanswered >= SLOW {
            late.push(process);
            continue;
        }
        answers.push(answer(own, &process, read(process.pid)));
        if answers.last().is_some_and(is_unanswered) {
            *unanswered += 1;
        }
    }
    answers.extend(late.iter().map(|process| answer(own, process, read(process.pid))));
    answers
}

fn answer(own: u32, process: &Waiting, report: Result<Report, Failure>) -> Answer {
    Answer {
        pid: process.pid,
        // A setuid program is partly its caller's.
        is_own: !process.users.is_empty() && process.users.iter().all(|&user| user == own),
        report,
    }
}

fn is_unanswered(answer: &Answer) -> bool {
    answer
        .report
        .as_ref()
        .is_err_and(|failure| failure.error.exit == Exit::Unanswered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_comes_last() {
        let process = |pid, user| Waiting {
            pid,
            users: vec![user; 4],
        };
        let waiting = vec![
            process(1, 1000),
            process(2, 1000),
            process(3, 1000),
            process(4, 1001),
            process(5, 0),
        ];
        let mut order = Vec::new();
        let answers = in_turn(waiting, |pid| {
            order.push(pid);
            let exit = if pid < 4 { Exit::Unanswered } else { Exit::NotLoaded };
            Err(Failure::before(Error::new(exit, "")))
        });
        assert_eq!(order, [5, 1, 2, 4, 3]);
        assert_eq!(answers.len(), 5);
    }

    #[test]
    fn a_process_that_is_partly_foreign_is_not_own() {
        let own_with = |users: &[u32]| {
            let users = users.to_vec();
            answer(
                0,
                &Waiting { pid: 1, users },
                Err(Failure::before(Error::new(Exit::Other, ""))),
            )
            .is_own
        };
        assert!(own_with(&[0, 0, 0, 0]));
        assert!(!own_with(&[1000, 0, 0, 0]) && !own_with(&[]));
    }
}
