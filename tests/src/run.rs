//! Runs a command that can neither hang the tests nor outlive them.
//!
//! Each command leads a process group of its own; the group is killed when the guard goes, and the leader is also
//! killed by the kernel should the thread that started it die first.
//!
//! Unsafe: one `pre_exec` for each thing the child does to itself between fork and exec.

use std::fmt;
use std::fs::File;
use std::io::{self, PipeWriter, Read, Seek};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, set_parent_process_death_signal};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited, with this status.
    Exit(i32),
    /// A signal killed it: its number.
    Signal(i32),
    /// It was killed here, when its time was up.
    TimedOut,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Exit(code) => write!(f, "exit {code}"),
            End::Signal(number) => write!(f, "signal {number}"),
            End::TimedOut => f.write_str("timed out"),
        }
    }
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        match status.signal() {
            Some(number) => End::Signal(number),
            None => End::Exit(status.code().expect("a process that was not killed has exited")),
        }
    }
}

/// What a command did.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// What it wrote on standard output; bytes that are no UTF-8 are replaced.
    pub stdout: String,
    /// The same for standard error.
    pub stderr: String,
}

/// Runs `command` to its end, at most for `timeout`, with nothing on standard input. Output goes through files: a
/// grandchild that keeps one open cannot hold us up.
pub fn run(command: &mut Command, timeout: Duration) -> io::Result<Outcome> {
    let mut stdout = tempfile::tempfile()?;
    let outcome = run_with_stdout(command, Stdio::from(stdout.try_clone()?), timeout)?;
    Ok(Outcome {
        stdout: contents(&mut stdout)?,
        ..outcome
    })
}

/// The same, but standard output goes to `stdout`, and [`Outcome::stdout`] stays empty.
pub fn run_with_stdout(command: &mut Command, stdout: Stdio, timeout: Duration) -> io::Result<Outcome> {
    let mut stderr = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr.try_clone()?);
    let end = Process::spawn(command)?.wait(timeout)?.unwrap_or(End::TimedOut);
    Ok(Outcome {
        end,
        stdout: String::new(),
        stderr: contents(&mut stderr)?,
    })
}

/// The same, but standard output is a pipe whose reader is gone before the program starts.
pub fn run_with_dead_stdout(command: &mut Command, timeout: Duration) -> io::Result<Outcome> {
    run_with_stdout(command, dead_pipe()?.into(), timeout)
}

/// The writing end of a pipe whose reader is gone.
pub fn dead_pipe() -> io::Result<PipeWriter> {
    // The reader is closed here.
    let (_, writer) = io::pipe()?;
    Ok(writer)
}

fn contents(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A running process and its group. Both are killed when this goes out of scope.
pub struct Process {
    child: Child,
    pid: Pid,
}

impl Process {
    /// Starts `command` as the leader of a new process group, with SIGPIPE at its default (std sees to that), and without
    /// descriptors that whoever started the tests has left open: the library looks at what a program has open.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        command.process_group(0);
        // SAFETY: the closure makes two system calls and does not allocate.
        unsafe {
            command.pre_exec(|| {
                // Linux 5.11; without it they are left open.
                libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
                Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
            });
        }
        let child = command.spawn()?;
        let pid = Pid::from_child(&child);
        Ok(Process { child, pid })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child itself, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How it ended, or `None` if it still runs after `timeout`. When it has ended, the rest of its group is killed.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<Option<End>> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(Some(status.into()));
        }
        // A pidfd becomes readable at the end without reaping: the group's number cannot have been reused yet.
        let pidfd = pidfd_open(self.pid, PidfdFlags::empty())?;
        if !readable(&pidfd, timeout)? {
            return Ok(None);
        }
        let _ = kill_process_group(self.pid, Signal::KILL);
        Ok(Some(self.child.wait()?.into()))
    }

    /// Whether it is still running.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_alive() {
            let _ = kill_process_group(self.pid, Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

fn readable(fd: &impl std::os::fd::AsFd, timeout: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Makes `command` start with SIGPIPE ignored, as under `nohup`-like parents and many language runtimes.
pub fn ignore_sigpipe(command: &mut Command) {
    // SAFETY: signal(2) is async-signal-safe and the closure does not allocate. It runs after std has set SIGPIPE to
    // its default.
    unsafe {
        command.pre_exec(|| match libc::signal(libc::SIGPIPE, libc::SIG_IGN) {
            libc::SIG_ERR => Err(io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
}
