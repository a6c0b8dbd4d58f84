//! The cases: what is run, and how it must end with and without the library.

use std::fmt;

use nopipe_tests::run::End;

pub struct Case {
    /// The program and its arguments.
    pub line: &'static str,
    /// Settings of the library.
    pub env: &'static [(&'static str, &'static str)],
    pub bare: End,
    pub preloaded: End,
    /// Start the program with SIGPIPE ignored.
    pub sigpipe_ignored: bool,
    /// Start the program with a standard output whose reader is gone.
    pub stdout_is_dead: bool,
    /// Why this cannot be run here.
    pub skip: Option<&'static str>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.env {
            write!(f, "{name}={value} ")?;
        }
        f.write_str(self.line)?;
        if self.sigpipe_ignored {
            f.write_str(" (SIGPIPE ignored)")?;
        }
        match self.skip {
            Some(reason) => write!(f, " (SKIPPED: {reason})"),
            None => Ok(()),
        }
    }
}

/// SIGPIPE, and a program's failed CHECK or reported handler (`c-tests/check.h`).
const KILLED: End = End::Signal(libc::SIGPIPE);
const FINE: End = End::Exit(0);
const FAILED: End = End::Exit(99);
const HANDLER_RAN: End = End::Exit(7);

/// Dies bare, lives preloaded.
fn saved(line: &'static str) -> Case {
    Case {
        line,
        env: &[],
        bare: KILLED,
        preloaded: FINE,
        sigpipe_ignored: false,
        stdout_is_dead: false,
        skip: None,
    }
}

/// Ends in the same way with and without.
fn same(line: &'static str, end: End) -> Case {
    Case {
        bare: end,
        preloaded: end,
        ..saved(line)
    }
}

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        // Every call, on a peer that has closed.
        saved("vanished_tcp write v4"),
        saved("vanished_tcp write v6"),
        saved("vanished_tcp write mapped"),
        saved("vanished_tcp __write v4"),
        saved("vanished_tcp writev v4"),
        saved("vanished_tcp pwritev2 v4"),
        saved("vanished_tcp pwritev64v2 v4"),
        saved("vanished_tcp send v4"),
        saved("vanished_tcp send v6"),
        saved("vanished_tcp send mapped"),
        saved("vanished_tcp __send v4"),
        saved("vanished_tcp sendto v4"),
        saved("vanished_tcp sendmsg v4"),
        saved("vanished_tcp sendmmsg v4"),
        saved("vanished_tcp sendfile v4"),
        saved("vanished_tcp sendfile v6"),
        saved("vanished_tcp sendfile64 v4"),
        saved("vanished_tcp splice v4"),
        same("nosignal send", FINE),
        same("nosignal sendto", FINE),
        same("nosignal sendmsg", FINE),
        same("nosignal sendmmsg", FINE),
        saved("vanished_pipe write pipe"),
        saved("vanished_pipe writev pipe"),
        saved("vanished_pipe pwritev2 pipe"),
        saved("vanished_pipe sendfile pipe"),
        saved("vanished_pipe splice pipe"),
        saved("vanished_pipe tee pipe"),
        saved("vanished_pipe vmsplice pipe"),
        saved("vanished_pipe write fifo"),
        // What the peer did, and what was tried.
        saved("reset write"),
        saved("reset writev"),
        saved("reset send"),
        saved("reset sendto"),
        saved("reset sendmsg"),
        saved("reset sendmmsg"),
        saved("reset sendfile"),
        saved("reset splice"),
        saved("undelivered lost"),
        saved("undelivered outgoing"),
        same("undelivered unread", FINE),
        same("undelivered stuck", FINE),
        saved("refused blocking v4"),
        saved("refused blocking v6"),
        saved("refused checked v4"),
        saved("refused checked v6"),
        saved("refused unchecked v4"),
        saved("refused never v4"),
        saved("partial pipe"),
        saved("partial sendfile"),
        saved("partial sendmmsg"),
        // Calls that no interposed symbol sees.
        saved("unhooked fwrite"),
        saved("unhooked fprintf"),
        saved("unhooked dprintf"),
        saved("unhooked syscall_write"),
        saved("unhooked syscall_sendto"),
        saved("unhooked syscall_sendfile"),
        saved("unhooked syscall_splice"),
        saved("unhooked asm_write"),
    ];
    cases.sort_by_key(|case| case.line);
    cases
}
