//! Another process reads the memory of processes, because that may take for ever.
//!
//! The memory may be a page of a file system whose server does not answer (FUSE, NFS) or that userfaultfd(2) never
//! fills in. Then the read waits in the kernel, partly so that not even SIGKILL ends it. A thread that waits so would keep
//! this program from ending. A child does not: it is killed, and left alone.
//!
//! The child is this program, as `nopipe read-memory`. It gets a number on each line of its standard input, and answers
//! each by one line of JSON.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, set_parent_process_death_signal};
use serde_json::{Value, json};

use super::proc::Folder;
use super::process::{Block, Failure, Report};
use crate::error::{self, Error, Exit};
use crate::output::visible;

/// The name of the subcommand.
pub const SUBCOMMAND: &str = "read-memory";

/// Reads processes, each within a time.
#[derive(Default)]
pub struct Reader {
    child: Option<Answering>,
}

struct Answering {
    child: Child,
    questions: ChildStdin,
    answers: Receiver<String>,
}

impl Reader {
    /// The counters of the process `pid`.
    ///
    /// Fails as [`Block::read`] and [`Block::decode`] do, and with [`Exit::Unanswered`] after `patience`.
    pub fn read(&mut self, pid: i32, patience: Duration) -> Result<Report, Failure> {
        let mut child = match self.child.take() {
            Some(child) => child,
            None => Answering::start()
                .map_err(Error::while_doing("starting another nopipe"))
                .map_err(Failure::before)?,
        };
        match child.ask(pid, patience) {
            Ok(answer) => {
                self.child = Some(child);
                from_answer(pid, &answer)?.decode()
            }
            Err(why) => {
                // It is dropped and not waited for.
                let _ = child.child.kill();
                Err(Failure::before(match why {
                    RecvTimeoutError::Timeout => unanswered(pid, patience),
                    RecvTimeoutError::Disconnected => Error::new(
                        Exit::Other,
                        format!("process {pid}: the nopipe that was to read it has ended"),
                    ),
                }))
            }
        }
    }
}

fn unanswered(pid: i32, patience: Duration) -> Error {
    let name = Folder::open(pid).and_then(|folder| folder.name()).unwrap_or_default();
    let message = format!(
        "process {pid} ({}): its memory could not be read within {} seconds",
        visible(&name),
        patience.as_secs()
    );
    Error::new(Exit::Unanswered, message)
}

impl Answering {
    fn start() -> io::Result<Answering> {
        // What the child keeps open must not keep others waiting: a pipe that this program writes to, for instance.
        let mut child = Command::new("/proc/self/exe")
            .arg(SUBCOMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(questions), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("no pipes"));
        };
        let (sender, answers) = channel();
        // Ends when the child does, or with this program.
        thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Answering {
            child,
            questions,
            answers,
        })
    }

    fn ask(&mut self, pid: i32, patience: Duration) -> Result<String, RecvTimeoutError> {
        let question = writeln!(self.questions, "{pid}");
        question.map_err(|_| RecvTimeoutError::Disconnected)?;
        self.answers.recv_timeout(patience)
    }
}

/// The child: answers until its standard input ends.
pub fn serve() -> error::Result<()> {
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    for line in io::stdin().lines() {
        let line = line.map_err(Error::while_doing("standard input"))?;
        let pid = line.parse().map_err(Error::while_doing(&line))?;
        let mut answer = to_answer(&Block::read(pid));
        answer.push('\n');
        let mut output = io::stdout().lock();
        let written = output.write_all(answer.as_bytes()).and_then(|()| output.flush());
        written.map_err(Error::while_doing("standard output"))?;
    }
    Ok(())
}

fn to_answer(result: &Result<Block, Failure>) -> String {
    match result {
        Ok(block) => json!({"program": block.program, "own_pid": block.own_pid, "bytes": block.bytes}),
        Err(Failure { error, is_loaded }) => {
            json!({"exit": error.exit.status(), "message": error.to_string(), "is_loaded": is_loaded})
        }
    }
    .to_string()
}

fn from_answer(pid: i32, answer: &str) -> Result<Block, Failure> {
    let answer = serde_json::from_str(answer).map_err(Error::while_doing("the other nopipe's answer"));
    let answer: Value = answer.map_err(Failure::before)?;
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(message) = answer.get("message") {
        return Err(Failure {
            error: Error::new(Exit::from_status(number(&answer["exit"])), text(message)),
            is_loaded: answer["is_loaded"] == true,
        });
    }
    let byte = |value: &Value| u8::try_from(number(value)).unwrap_or(0);
    Ok(Block {
        pid,
        program: text(&answer["program"]),
        own_pid: u32::try_from(number(&answer["own_pid"])).unwrap_or(0),
        bytes: answer["bytes"].as_array().into_iter().flatten().map(byte).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let block = Block {
            pid: 1,
            program: "a\"\\\u{e4}".into(),
            own_pid: u32::MAX,
            bytes: (0..=255).collect(),
        };
        let again = from_answer(1, &to_answer(&Ok(block))).unwrap();
        assert_eq!(
            (again.pid, again.program.as_str(), again.own_pid),
            (1, "a\"\\\u{e4}", u32::MAX)
        );
        assert_eq!(again.bytes, (0..=255).collect::<Vec<u8>>());
        for (exit, is_loaded) in Exit::ALL.into_iter().zip([true, false].into_iter().cycle()) {
            let error = Error::new(exit, "why");
            let again = from_answer(1, &to_answer(&Err(Failure { error, is_loaded }))).unwrap_err();
            assert_eq!((again.error.exit, again.is_loaded), (exit, is_loaded));
            assert_eq!(again.error.to_string(), "why");
        }
        assert_eq!(from_answer(1, "{").unwrap_err().error.exit, Exit::Other);
        let empty = from_answer(1, "{}").unwrap();
        assert_eq!(empty.decode().unwrap_err().error.exit, Exit::OtherVersion);
    }
}
