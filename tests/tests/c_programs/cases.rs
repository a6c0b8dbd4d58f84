//! The cases: a command line, and how it must end with and without the library.

use std::fmt;
use std::io::IoSlice;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nopipe_tests::c_program::{Libc, is_for_x86_64, send_shows_arguments};
use nopipe_tests::run::End;
use nopipe_tests::suite::Need;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

pub struct Case {
    /// The program and its arguments.
    pub line: &'static str,
    /// The older kernel to run it on, or what is refused: see `c-tests/on_kernel.c`.
    pub kernel: Option<&'static str>,
    /// What it is built for.
    pub libc: Libc,
    /// Settings of the library.
    pub env: Vec<(&'static str, &'static str)>,
    pub bare: End,
    pub preloaded: End,
    /// Start the program with SIGPIPE ignored.
    pub sigpipe_ignored: bool,
    /// Start the program with a standard output whose reader is gone.
    pub stdout_is_dead: bool,
    /// Nothing is logged, even if the program prints `expect` lines.
    pub silent: bool,
    /// The case sets a bar that a build without optimisation need not reach.
    pub release_only: bool,
    /// The setting that the library must warn of, once.
    pub warning: Option<(&'static str, &'static str)>,
    pub needs: Vec<Need>,
}

impl Case {
    pub fn bare(self, bare: End) -> Self {
        Case { bare, ..self }
    }

    pub fn preloaded(self, preloaded: End) -> Self {
        Case { preloaded, ..self }
    }

    fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.push((name, value));
        self
    }

    fn sigpipe_ignored(self) -> Self {
        Case {
            sigpipe_ignored: true,
            ..self
        }
    }

    fn stdout_is_dead(self) -> Self {
        Case {
            stdout_is_dead: true,
            ..self
        }
    }

    fn release_only(self) -> Self {
        Case {
            release_only: true,
            ..self
        }
    }

    /// A setting that cannot be read: one warning, and the default.
    fn bad_setting(self, name: &'static str, value: &'static str) -> Self {
        let warning = Some((name, value));
        Case { warning, ..self }.env(name, value)
    }

    pub fn needs(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }

    /// A variable that is no setting: one warning, which does not hold its value.
    fn unknown_setting(self, name: &'static str, value: &'static str) -> Self {
        let warning = Some((name, ""));
        Case { warning, ..self }.env(name, value)
    }

    /// On one with a shorter TCP_INFO a process answers in the kernel's place, which looks into the program.
    fn on_kernel(self, kernel: &'static str) -> Self {
        let is_answered = |word| KERNELS.contains(&word) || word == "tcp_info";
        let case = match kernel.split(',').any(is_answered) {
            true => self.needs(Need::Root),
            false => self,
        };
        let kernel = Some(kernel);
        Case { kernel, ..case }.needs(Need::Other(is_simulated))
    }

    pub fn silent(self) -> Self {
        Case { silent: true, ..self }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.env {
            write!(f, "{name}={value} ")?;
        }
        f.write_str(self.line)?;
        if let Some(kernel) = self.kernel {
            write!(f, " (on kernel: {kernel})")?;
        }
        if self.sigpipe_ignored {
            f.write_str(" (SIGPIPE ignored)")?;
        }
        Ok(())
    }
}

const KILLED: End = End::Signal(libc::SIGPIPE);
const FINE: End = End::Exit(0);
/// The program's own handler ran.
const HANDLER_RAN: End = End::Exit(7);
/// SIGPIPE killed a child of the program.
const CHILD_KILLED: End = End::Exit(128 + libc::SIGPIPE);

/// `runaway` used more of the CPU than a throttled program may.
const BUSY: End = End::Exit(8);
/// A write of `eager` succeeded, and its bytes were lost.
const LOST_IT: End = End::Exit(8);
/// `inert` has found a trace of the library.
const TRACE: End = End::Exit(3);
/// `setuid` has found a setting in its environment.
pub const LEFT: End = End::Exit(3);
/// The program has put itself under seccomp, and its filter has killed it.
const FILTERED: End = End::Signal(libc::SIGSYS);

/// Dies bare, lives preloaded.
fn saved(line: &'static str) -> Case {
    Case {
        line,
        kernel: None,
        libc: Libc::Glibc,
        env: Vec::new(),
        bare: KILLED,
        preloaded: FINE,
        sigpipe_ignored: false,
        stdout_is_dead: false,
        silent: false,
        release_only: false,
        warning: None,
        needs: Vec::new(),
    }
}

/// Ends in the same way with and without the library.
fn same(line: &'static str, end: End) -> Case {
    Case {
        bare: end,
        preloaded: end,
        ..saved(line)
    }
}

/// The program's own handler must run, as natively.
fn runs(line: &'static str) -> Case {
    same(line, FINE).env("NOPIPE_HANDLERS", "run")
}

/// These watch the arguments of `send` by a seccomp filter.
const ARGUMENTS: Need = Need::Kernel(
    "a send whose arguments a seccomp filter sees (on i386 they are in memory)",
    send_shows_arguments,
);

pub fn cases() -> Vec<Case> {
    let mut all = calls();
    all.extend(causes());
    all.extend(unhooked());
    all.extend(callers());
    all.extend(peers());
    all.extend(dispositions());
    all.extend(handlers());
    all.extend(on_purpose());
    if cfg!(target_arch = "aarch64") {
        all.extend(by_number());
    }
    all.extend(blocked());
    all.extend(traces());
    all.extend(life());
    all.extend(settings());
    all.extend(runaways());
    all.extend(eager());
    all.extend(seccomp());
    all.extend(only());
    all.extend(found_by_review());
    all.extend(second_review());
    all.extend(second_round_part_two());
    all.extend(older_kernels());
    all.into_iter()
        .map(|case| match case.goes_by_the_clock() {
            true => case.needs(Need::Other(has_its_speed)),
            false => case,
        })
        .collect()
}

/// Every call that can fail because a peer is gone.
fn calls() -> Vec<Case> {
    vec![
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
        saved("vanished_tcp __send v4").needs(Need::Other(has_other_send)),
        saved("vanished_tcp sendto v4"),
        saved("vanished_tcp sendmsg v4"),
        saved("vanished_tcp sendmmsg v4"),
        saved("vanished_tcp sendfile v4"),
        saved("vanished_tcp sendfile v6"),
        saved("vanished_tcp sendfile64 v4"),
        saved("vanished_tcp splice v4"),
        saved("time64 sendmsg"),
        saved("time64 sendmmsg"),
        saved("old_stack"),
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
    ]
}

/// What the peer did, and what was tried.
fn causes() -> Vec<Case> {
    vec![
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
        saved("refused blocking v4 send"),
        saved("refused blocking v6 send"),
        saved("refused blocking v4 write"),
        saved("refused blocking v4 dprintf"),
        saved("refused checked v4 send"),
        saved("refused checked v6 send"),
        saved("refused unchecked v4 send"),
        saved("refused retried v4 send"),
        saved("refused reused v4 send"),
        saved("refused never v4 send"),
        saved("silent_peer"),
        saved("partial pipe"),
        saved("partial sendfile"),
        saved("partial sendmmsg"),
    ]
}

/// Calls that no interposed symbol sees.
fn unhooked() -> Vec<Case> {
    vec![
        saved("unhooked fwrite"),
        saved("unhooked fprintf"),
        saved("unhooked dprintf"),
        saved("unhooked syscall_write"),
        saved("unhooked syscall_sendto"),
        saved("unhooked syscall_sendfile"),
        saved("unhooked syscall_splice"),
        saved("unhooked syscall_writev"),
        saved("unhooked syscall_sendmsg"),
        saved("unhooked syscall_sendmmsg"),
        saved("unhooked syscall_send"),
        saved("unhooked dlsym_write"),
        saved("innocent"),
        saved("unhooked asm_write"),
    ]
}

/// Which call it was, where the stack alone shows it; and where the stack would show another one.
fn callers() -> Vec<Case> {
    let mut all = Vec::new();
    for place in ["thread", "disabled", "handler"] {
        all.push(saved(line("named", place)));
    }
    // A build without optimisation needs more stack.
    for place in ["top", "coroutine"] {
        all.push(saved(line("named", place)).release_only());
    }
    for call in [
        "asm",
        "syscall",
        "write",
        "dprintf",
        "msg",
        "write threads",
        "msg threads",
    ] {
        all.push(saved(line("stale_frame", call)).env("NOPIPE_RATE", "1000/1000"));
    }
    all
}

/// Peers that are not TCP peers.
fn peers() -> Vec<Case> {
    vec![
        saved("unix_peer path"),
        saved("unix_peer awkward"),
        saved("unix_peer abstract"),
        saved("unix_peer unnamed"),
        saved("unix_peer server"),
        saved("unix_peer pair"),
        same("unix_peer seqpacket", FINE),
        same("unix_peer dgram", FINE),
        saved("mptcp").needs(Need::Kernel("a kernel with MPTCP", has_mptcp)),
        saved("self_shutdown tcp write"),
        saved("self_shutdown tcp dprintf"),
        saved("self_shutdown unix write"),
        saved("self_shutdown unix dprintf"),
        same("self_shutdown half write", FINE),
        same("self_shutdown udp send", FINE),
        saved("dead_stdout write").stdout_is_dead(),
        saved("dead_stdout stdio").stdout_is_dead(),
        same("dead_stdout write", KILLED)
            .stdout_is_dead()
            .env("NOPIPE_PIPES", "native")
            .silent(),
        same("pipeline dies", FINE),
        same("pipeline popen", FINE),
        saved("pipeline lives")
            .bare(CHILD_KILLED)
            .env("NOPIPE_PIPES", "survive"),
    ]
}

fn has_other_send() -> Result<(), String> {
    match cfg!(target_arch = "aarch64") {
        true => Err("needs __send, which libc has for old programs alone on aarch64".into()),
        false => Ok(()),
    }
}

fn has_mptcp() -> bool {
    use rustix::net::{AddressFamily, SocketType, ipproto, socket};
    socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::MPTCP)).is_ok()
}

/// What the program sets, reads back, and passes on.
fn dispositions() -> Vec<Case> {
    vec![
        same("readback", FINE),
        same("children", FINE),
        same("readback", FINE).sigpipe_ignored(),
        same("children", FINE).sigpipe_ignored(),
        same("ignored inherited", FINE).sigpipe_ignored(),
        same("ignored set", FINE),
        saved("ignored defaulted"),
    ]
}

/// A handler of the program's own, and a peer that vanishes.
fn handlers() -> Vec<Case> {
    vec![
        saved("own_handler counts write").bare(HANDLER_RAN),
        saved("own_handler counts send").bare(HANDLER_RAN),
        saved("own_handler counts splice").bare(HANDLER_RAN),
        saved("own_handler counts dprintf").bare(HANDLER_RAN),
        saved("own_handler exits write").bare(HANDLER_RAN),
        saved("own_handler exits sendmsg").bare(HANDLER_RAN),
        runs("own_handler runs write"),
        runs("own_handler runs writev"),
        runs("own_handler runs send"),
        runs("own_handler runs sendmsg"),
        runs("own_handler runs sendmmsg"),
        runs("own_handler runs sendfile"),
        runs("own_handler runs splice"),
        runs("own_handler jumps write"),
        runs("own_handler jumps send"),
        runs("own_handler jumps splice"),
        saved("one_shot vanish"),
        saved("one_shot runs").env("NOPIPE_HANDLERS", "run"),
        same("one_shot raise", KILLED),
    ]
}

/// A SIGPIPE that is sent on purpose.
fn on_purpose() -> Vec<Case> {
    vec![
        same("on_purpose raise default", KILLED),
        same("on_purpose raise ignored", FINE),
        same("on_purpose raise handler", FINE),
        same("on_purpose kill default", KILLED),
        same("on_purpose kill ignored", FINE),
        same("on_purpose kill handler", FINE),
        same("on_purpose killpg default", KILLED),
        same("on_purpose killpg ignored", FINE),
        same("on_purpose killpg handler", FINE),
        same("on_purpose pthread_kill default", KILLED),
        same("on_purpose pthread_kill ignored", FINE),
        same("on_purpose pthread_kill handler", FINE),
        same("on_purpose sigqueue default", KILLED),
        same("on_purpose sigqueue ignored", FINE),
        same("on_purpose sigqueue handler", FINE),
        same("on_purpose tgkill default", KILLED),
        same("on_purpose tgkill ignored", FINE),
        same("on_purpose tgkill handler", FINE),
        same("on_purpose thread default", KILLED),
        same("on_purpose thread ignored", FINE),
        same("on_purpose thread handler", FINE),
        same("on_purpose child default", KILLED),
        same("on_purpose child ignored", FINE),
        same("on_purpose child handler", FINE),
        same("on_purpose timer default", KILLED),
        same("on_purpose timer ignored", FINE),
        same("on_purpose timer handler", FINE),
        same("semantics nodefer", FINE),
        same("semantics deferred", FINE),
        same("semantics onstack", FINE),
        same("semantics restart", FINE),
        same("semantics norestart", FINE),
        same("semantics semaphore", FINE),
        same("semantics jumps", FINE),
        same("semantics resethand", KILLED),
    ]
}

/// What holds only where a signal handler sees the number of a call.
fn by_number() -> Vec<Case> {
    vec![
        same("on_purpose instruction default", KILLED),
        same("on_purpose instruction handler", FINE),
    ]
}

impl Case {
    /// Whether it expects so much work in so much time, of the runaway guard, of the library or of the program.
    fn goes_by_the_clock(&self) -> bool {
        [
            "runaway ",
            "lives_on ",
            "one_client ",
            "supervised orphan",
            "supervised mappings",
        ]
        .iter()
        .any(|start| self.line.starts_with(start))
    }
}

/// Whether a failed call takes less than ten microseconds, in the best of five attempts: usual machines need one or two. An
/// emulated CPU is too slow for what goes by the clock.
fn has_its_speed() -> Result<(), String> {
    const CALLS: u32 = 200;
    let Ok((writer, _)) = UnixStream::pair() else {
        return Ok(());
    };
    let fail = || {
        sendmsg(
            &writer,
            &[IoSlice::new(b"x")],
            &mut SendAncillaryBuffer::default(),
            SendFlags::NOSIGNAL,
        )
    };
    let attempts = (0..5).map(|_| {
        let start = Instant::now();
        (0..CALLS).for_each(|_| assert_eq!(fail(), Err(Errno::PIPE)));
        start.elapsed() / CALLS
    });
    let best = attempts.min().unwrap_or_default();
    match best < Duration::from_micros(10) {
        true => Ok(()),
        false => Err(format!(
            "needs a faster CPU: a failed call takes {} us",
            best.as_micros()
        )),
    }
}

/// `c-tests/on_kernel.c` was only ever tried with these.
fn is_simulated() -> Result<(), String> {
    match is_for_x86_64() {
        true => Ok(()),
        false => Err("needs C programs for x86-64".to_owned()),
    }
}

/// SIGPIPE blocked in the thread.
fn blocked() -> Vec<Case> {
    vec![
        saved("blocked unblock write"),
        saved("blocked unblock send"),
        saved("blocked handler write"),
        saved("blocked handler send"),
        saved("blocked ppoll write"),
        saved("blocked ppoll send"),
        saved("blocked stdio dprintf"),
        same("blocked pending write", FINE),
        same("blocked pending send", FINE),
        same("blocked pending sendmmsg", FINE),
        same("blocked sigtimedwait write", FINE),
        same("blocked sigtimedwait send", FINE),
        same("blocked signalfd write", FINE),
        same("blocked signalfd sendmsg", FINE),
        same("blocked libpq write", FINE),
        same("blocked libpq send", FINE),
        same("blocked libpq sendmsg", FINE),
        same("blocked raise write", KILLED),
    ]
}

/// Nothing else changes, and nothing is left over.
fn traces() -> Vec<Case> {
    vec![
        same("untouched start", FINE),
        same("untouched success", FINE),
        same("untouched so_error", FINE),
        same("untouched others", FINE),
        saved("no_trace 100").env("NOPIPE_RATE", "1000/1000"),
        saved("no_trace 3000").env("NOPIPE_RATE", "10000/1000"),
        saved("no_malloc"),
        saved("duplicates"),
        saved("no_descriptors"),
        saved("small_stack thread").release_only(),
        saved("small_stack usual").release_only(),
        saved("small_stack alternate").release_only(),
        saved("small_stack measured").release_only(),
        saved("daemon others"),
        saved("daemon all"),
        // Its lines go to standard error until the program opens another file there.
        saved("daemon others").env("NOPIPE_LOG", "stderr").silent(),
        saved("daemon all").env("NOPIPE_LOG", "stderr").silent(),
        saved("forgetful environment"),
        saved("forgetful memory"),
        saved("forgetful name"),
        saved("forgetful child"),
        saved("forgetful root").needs(Need::Root).silent(),
        saved("no_proc hidden").needs(Need::Root),
        saved("no_proc unmounted").needs(Need::Root),
        saved("loaded deepbind"),
        saved("loaded dlmopen"),
    ]
}

/// Threads, children, and failures before and after main.
fn life() -> Vec<Case> {
    vec![
        saved("threads own").env("NOPIPE_RATE", "1000/1000"),
        saved("threads shared"),
        saved("threads toggle").env("NOPIPE_RUNAWAY", "off"),
        saved("forked both").bare(CHILD_KILLED),
        saved("forked known"),
        saved("forked raw").bare(CHILD_KILLED),
        saved("forked exec").bare(CHILD_KILLED),
        // Only the survival counts here: level error logs no line.
        saved("forked storm").env("NOPIPE_LEVEL", "error"),
        same("pid_one", FINE).needs(Need::Root),
        saved("in_handler write").env("NOPIPE_RUNAWAY", "off"),
        saved("in_handler sigaction").env("NOPIPE_RUNAWAY", "off"),
        saved("in_handler malloc").env("NOPIPE_RUNAWAY", "off"),
        saved("in_handler dlopen").env("NOPIPE_RUNAWAY", "off"),
        saved("in_handler printf").env("NOPIPE_RUNAWAY", "off"),
        saved("outsider write"),
        saved("outsider send"),
        saved("outsider splice"),
        same("outsider sigaction", FINE),
        same("outsider ignore", FINE),
        same("outsider raise", KILLED),
        saved("outsider late"),
        saved("outsider destructor"),
        saved("outsider flush"),
        same("cancel write", FINE),
        same("cancel writev", FINE),
        same("cancel pwritev2", FINE),
        same("cancel send", FINE),
        same("cancel sendto", FINE),
        same("cancel sendmsg", FINE),
        same("cancel sendmmsg", FINE),
        same("cancel splice", FINE),
        same("cancel vmsplice", FINE),
        same("cancel connect", FINE),
        same("cancel write asynchronous", FINE),
        same("cancel sendmsg asynchronous", FINE),
        same("cancel splice asynchronous", FINE),
        saved("async_cancel write").env("NOPIPE_RUNAWAY", "off"),
        saved("async_cancel send").env("NOPIPE_RUNAWAY", "off"),
        saved("vfork default"),
        same("vfork handler", FINE),
        same("vfork ignored", FINE),
        saved("vfork fails").bare(CHILD_KILLED),
    ]
}

/// The effect of the settings.
fn settings() -> Vec<Case> {
    vec![
        same("vanished_tcp write v6", KILLED)
            .env("NOPIPE_ONLY", "nginx,vanished")
            .silent(),
        saved("vanished_tcp writev v6").env("NOPIPE_ONLY", "nginx,vanished_tcp"),
        saved("vanished_tcp writev v4").env("NOPIPE_LOG", "none").silent(),
        saved("vanished_tcp writev v4").env("NOPIPE_LEVEL", "notice"),
        saved("vanished_tcp writev v4").env("NOPIPE_LEVEL", "warning").silent(),
        saved("reset send").env("NOPIPE_LEVEL", "info"),
        saved("reset send").env("NOPIPE_LEVEL", "notice").silent(),
        saved("vanished_pipe write pipe").env("NOPIPE_LEVEL", "info").silent(),
        saved("reset send").bad_setting("NOPIPE_FORMAT", "xml"),
        saved("reset send").bad_setting("NOPIPE_LEVEL", "loud"),
        saved("reset send").bad_setting("NOPIPE_HANDLERS", "perhaps"),
        saved("reset send").bad_setting("NOPIPE_PIPES", "a \"b\"\n c=d"),
        // An attacker may choose the value of a variable that nobody knows: it is not repeated.
        saved("reset send").unknown_setting("NOPIPE_TYPO", "root::0:0::/:/bin/sh"),
        saved("reset send")
            .bad_setting("NOPIPE_FORMAT", "xml")
            .env("NOPIPE_LEVEL", "warning")
            .silent(),
        saved("forked exec")
            .bare(CHILD_KILLED)
            .bad_setting("NOPIPE_FORMAT", "xml"),
        // An empty value is the same as none.
        saved("reset send").env("NOPIPE_HANDLERS", ""),
    ]
}

/// Programs that never look at the result of a write.
fn runaways() -> Vec<Case> {
    vec![
        saved("runaway main write"),
        saved("runaway main send"),
        saved("runaway main dprintf"),
        saved("runaway pipe write").preloaded(BUSY),
        same("runaway pipe write", KILLED).env("NOPIPE_RUNAWAY", "kill:10"),
        saved("runaway main sendmsg").env("NOPIPE_RUNAWAY", "throttle:10"),
        same("runaway main write", KILLED).env("NOPIPE_RUNAWAY", "kill"),
        same("runaway main send", KILLED).env("NOPIPE_RUNAWAY", "kill:10"),
        saved("runaway main write").env("NOPIPE_RUNAWAY", "off").preloaded(BUSY),
        same("runaway inetd write", KILLED),
        same("runaway inetd send", KILLED),
        same("runaway inetd dprintf", KILLED),
        same("runaway stdin write", KILLED),
        saved("runaway inetd writev").env("NOPIPE_RUNAWAY", "throttle:10"),
        same("runaway inetd write", KILLED).env("NOPIPE_RUNAWAY", "kill:10"),
        same("runaway blocked write", BUSY),
        same("runaway blocked send", BUSY),
        same("runaway worker write", CHILD_KILLED),
        same("runaway worker send", CHILD_KILLED),
        saved("runaway prefork write").bare(CHILD_KILLED),
        saved("runaway background send").bare(CHILD_KILLED),
        saved("runaway twice write").bare(CHILD_KILLED),
        saved("runaway reaped write").bare(CHILD_KILLED),
        same("runaway service write", FINE),
        same("runaway ignored write", BUSY),
        same("runaway handler write", HANDLER_RAN).env("NOPIPE_RUNAWAY", "kill:10"),
        saved("runaway spared write").bare(HANDLER_RAN).preloaded(BUSY),
        saved("runaway count write 999"),
        saved("runaway count send 999"),
        saved("runaway count write 20000").env("NOPIPE_RUNAWAY", "off"),
        // A throttled program would log a warning.
        saved("runaway different write").env("NOPIPE_LEVEL", "warning"),
        saved("runaway different send").env("NOPIPE_LEVEL", "warning"),
    ]
}

/// `NOPIPE_EAGER=on`, and the same calls without it.
fn eager() -> Vec<Case> {
    let noticed = |line| saved(line).bare(LOST_IT).env("NOPIPE_EAGER", "on");
    vec![
        same("eager first write", LOST_IT),
        same("eager first send", LOST_IT),
        noticed("eager first write"),
        noticed("eager first __write"),
        noticed("eager first writev"),
        noticed("eager first pwritev2"),
        noticed("eager first pwritev64v2"),
        noticed("eager first send"),
        noticed("eager first __send").needs(Need::Other(has_other_send)),
        noticed("eager first sendto"),
        noticed("eager first sendmsg"),
        noticed("eager first sendmmsg"),
        noticed("eager first sendfile"),
        noticed("eager first sendfile64"),
        noticed("eager first splice"),
        // No hook sees the writes of stdio.
        same("eager first dprintf", LOST_IT).env("NOPIPE_EAGER", "on"),
        noticed("eager unix write"),
        // A half-closing client gets its answer, but not with NOPIPE_EAGER=on.
        same("eager half write", FINE),
        same("eager half write", FINE)
            .preloaded(LOST_IT)
            .env("NOPIPE_EAGER", "on"),
        same("eager alive write", FINE).env("NOPIPE_EAGER", "on"),
        same("eager alive send", FINE).env("NOPIPE_EAGER", "on"),
        same("eager sealed write", LOST_IT).env("NOPIPE_EAGER", "on"),
        saved("reset write").env("NOPIPE_EAGER", "on"),
        saved("reset send").env("NOPIPE_EAGER", "on"),
        saved("vanished_tcp write v4").env("NOPIPE_EAGER", "on"),
        saved("vanished_tcp send v4").env("NOPIPE_EAGER", "on"),
        saved("vanished_pipe write pipe").env("NOPIPE_EAGER", "on"),
        saved("self_shutdown tcp write").env("NOPIPE_EAGER", "on"),
    ]
}

/// The program has put itself under seccomp.
fn seccomp() -> Vec<Case> {
    const LIBSECCOMP: Need = Need::SharedObject("libseccomp.so.2", "libseccomp2");
    vec![
        saved("seccomp strict write"),
        saved("seccomp prctl write"),
        saved("seccomp prctl writev"),
        saved("seccomp prctl pwritev2"),
        saved("seccomp prctl send"),
        saved("seccomp prctl sendmsg"),
        saved("seccomp prctl sendmmsg"),
        saved("seccomp syscall write"),
        saved("seccomp syscall send"),
        saved("seccomp libseccomp write").needs(LIBSECCOMP),
        saved("seccomp libseccomp send").needs(LIBSECCOMP),
        saved("seccomp prctl write").env("NOPIPE_EAGER", "on"),
        saved("seccomp thread write"),
        saved("seccomp forks write").bare(CHILD_KILLED),
        saved("seccomp forks send").bare(CHILD_KILLED),
        same("seccomp purpose write", KILLED),
        same("seccomp forbidden write", KILLED).preloaded(FILTERED),
        saved("seccomp inherited write"),
        saved("seccomp inherited send"),
    ]
}

/// `NOPIPE_ONLY` excludes the program: nothing differs from a run without the library.
fn only() -> Vec<Case> {
    let elsewhere = |line, end| same(line, end).env("NOPIPE_ONLY", "elsewhere").silent();
    vec![
        same("inert disposition", FINE).preloaded(TRACE),
        same("inert send", FINE),
        elsewhere("inert disposition", FINE),
        elsewhere("inert send", FINE),
        elsewhere("readback", FINE),
        elsewhere("readback", FINE).sigpipe_ignored(),
        elsewhere("children", FINE),
        elsewhere("vanished_tcp send v4", KILLED),
        elsewhere("vanished_tcp dprintf v4", KILLED),
        elsewhere("vanished_pipe write pipe", KILLED),
        elsewhere("own_handler counts write", HANDLER_RAN),
        elsewhere("own_handler exits send", HANDLER_RAN),
        elsewhere("own_handler runs send", FINE),
        elsewhere("one_shot vanish", KILLED),
        elsewhere("blocked pending write", FINE),
        elsewhere("blocked unblock send", KILLED),
        elsewhere("on_purpose raise default", KILLED),
        elsewhere("refused blocking v4 send", KILLED),
        elsewhere("unix_peer path", KILLED),
        elsewhere("eager first write", LOST_IT).env("NOPIPE_EAGER", "on"),
        elsewhere("runaway worker write", CHILD_KILLED),
    ]
}

/// Bugs found in review that fit no other group.
fn found_by_review() -> Vec<Case> {
    const FASTOPEN: Need = Need::Kernel("TCP Fast Open (net.ipv4.tcp_fastopen)", has_fastopen);
    vec![
        saved("forked_vfork fork").bare(CHILD_KILLED),
        saved("forked_vfork clone").bare(CHILD_KILLED),
        saved("forked_vfork bare").bare(CHILD_KILLED),
        saved("forked_vfork daemon").bare(CHILD_KILLED),
        saved("hostile_start closed"),
        saved("hostile_start nameless"),
        saved("hostile_start unnamed"),
        saved("hostile_start sealed"),
        same("vfork_raise", FINE),
        saved("file_limit 0").silent(),
        saved("file_limit 10").env("NOPIPE_LOG", "stderr").silent(),
        saved("own_iterate"),
        saved("loader_lock").env("NOPIPE_LOG", "none").silent(),
        saved("late_library opened"),
        saved("late_library closed"),
        saved("late_library twice"),
        saved("preinit"),
        runs("number_reused write"),
        runs("number_reused send"),
        runs("number_reused sendmmsg"),
        runs("number_reused sendfile"),
        runs("number_reused splice"),
        runs("number_reused dprintf"),
        same("unroutable", FINE).needs(Need::Root),
        saved("refused fastopen v4 send").needs(FASTOPEN),
        saved("refused fastopen v6 send").needs(FASTOPEN),
        saved("renamed odd").env("NOPIPE_ONLY", "elsewhere, my prög+"),
        same("renamed script", FINE).env("NOPIPE_ONLY", "interpreter"),
    ]
}

/// Whether clients may use TCP Fast Open: bit 0 of the sysctl, Documentation/networking/ip-sysctl.rst.
fn has_fastopen() -> bool {
    let setting = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_fastopen").unwrap_or_default();
    setting.trim().parse::<u32>().is_ok_and(|bits| bits & 1 != 0)
}

// ---- The second review (part 1): hooks that changed calls, stacks, purposes, vfork, seccomp, AT_SECURE, the log file. ----

fn second_review() -> Vec<Case> {
    let mut all = unchanged_calls();
    all.extend(stacks());
    all.extend(purposes());
    all.extend(borrowed_memory());
    all.extend(own_shutdown());
    all.extend(privileges());
    all
}

/// Calls go to the kernel as the program made them, and nothing is raised or repeated.
fn unchanged_calls() -> Vec<Case> {
    let mut all = Vec::new();
    for call in ["send", "sendto", "sendmsg", "sendmmsg"] {
        all.push(same(line("own_filter living", call), FINE));
        all.push(saved(line("own_filter dead", call)));
        all.push(same(line("own_filter sigwait", call), FINE));
        all.push(same(line("udp_more", call), FINE));
        all.push(same(line("waiting_sender default", call), FINE));
        all.push(same(line("waiting_sender pending", call), FINE));
    }
    let nosignal = |line| same(line, FINE).needs(Need::Kernel("RWF_NOSIGNAL (Linux 6.18)", has_rwf_nosignal));
    all.extend([
        saved("own_filter dead write"),
        same("own_filter sigwait write", FINE),
        same("waiting_sender default write", FINE),
        same("waiting_sender pending write", FINE),
        runs("waiting_sender handler write"),
        runs("waiting_sender handler send"),
        nosignal("rwf_nosignal counts tcp"),
        nosignal("rwf_nosignal counts pipe"),
        nosignal("rwf_nosignal slowed tcp"),
        nosignal("rwf_nosignal slowed pipe"),
        nosignal("rwf_nosignal blocked tcp"),
        nosignal("rwf_nosignal blocked pipe"),
        nosignal("rwf_nosignal handler tcp").env("NOPIPE_HANDLERS", "run"),
        same("unread_address sealed", FINE),
        same("unread_address filter", FINE),
        same("unread_address refused", FINE),
        same("unread_address progress", FINE),
        same("unread_address fastopen", FINE),
        same("unread_address pointer", FINE),
        same("unread_address unmapped", FINE),
    ]);
    all
}

/// Little stack: a coroutine's, a signal handler's.
fn stacks() -> Vec<Case> {
    let mut all = Vec::new();
    for call in ["write", "writev", "send", "sendmsg", "sendmmsg"] {
        all.push(same(line("coroutine 2048", call), FINE).release_only());
    }
    for sink in ["none", "file", "stderr", "journal", "syslog"] {
        for (path, bare) in [("hook", FINE), ("handler", KILLED)] {
            let case = saved(line(&format!("stack_use {path}"), sink))
                .bare(bare)
                .release_only();
            let case = match sink {
                "journal" | "syslog" => case.needs(Need::Root),
                _ => case,
            };
            // The harness reads the log file alone.
            all.extend(match sink {
                "file" => vec![case],
                _ => vec![case.env("NOPIPE_LOG", sink).silent()],
            });
        }
    }
    all.extend([
        same("coroutine 1536 write", FINE).release_only(),
        same("coroutine 3072 write", FINE).release_only(),
        same("coroutine 2048 write", FINE)
            .env("NOPIPE_LOG", "stderr")
            .silent()
            .release_only(),
        same("coroutine 2048 write", FINE)
            .env("NOPIPE_LOG", "auto")
            .silent()
            .release_only(),
        same("stack_use hook stderr", FINE)
            .env("NOPIPE_FORMAT", "json")
            .env("NOPIPE_LOG", "stderr")
            .silent()
            .release_only(),
        // Whether there is a line depends on the room: on the size of the CPU's registers.
        saved("handler_stack usual")
            .env("NOPIPE_LOG", "stderr")
            .silent()
            .release_only(),
        saved("handler_stack tight")
            .env("NOPIPE_LOG", "stderr")
            .silent()
            .release_only(),
        saved("handler_stack roomy").release_only(),
    ]);
    all
}

/// A SIGPIPE on purpose, blocked or for another thread; and calls that look like one.
fn purposes() -> Vec<Case> {
    let mut all = Vec::new();
    for sender in ["raise", "kill", "pidfd", "syscall_kill", "syscall_pidfd"] {
        let row = |case: &str, end| same(line(&format!("purpose_blocked {sender}"), case), end);
        all.extend([
            row("suspend", FINE),
            row("unblock", FINE),
            row("dies", KILLED),
            row("suspended", KILLED),
        ]);
    }
    for sender in ["kill0", "killpg", "tgkill", "sigqueue"] {
        let row = |case: &str, end| same(line(&format!("purpose_blocked {sender}"), case), end);
        all.extend([row("suspend", FINE), row("dies", KILLED)]);
    }
    for sender in ["kill", "killpg", "pidfd", "syscall_kill", "sigqueue"] {
        let row = |case: &str, end| same(line(&format!("purpose_blocked {sender}"), case), end);
        all.extend([row("thread", FINE), row("killed", KILLED), row("both", KILLED)]);
        // What was sent and never arrived must not make a later failure fatal.
        for case in ["ignored", "taken", "dropped"] {
            // The failure that no hook sees is counted without a line.
            all.push(row(case, KILLED).preloaded(FINE));
        }
    }
    all.extend([
        same("on_purpose pidfd default", KILLED),
        same("on_purpose pidfd ignored", FINE),
        same("on_purpose pidfd handler", FINE),
        saved("thirteen raise").bare(CHILD_KILLED).needs(Need::Root),
        saved("thirteen mprotect"),
        saved("thirteen fchmod"),
    ]);
    all
}

/// vfork children, raw clones, and a filter of the program's own.
fn borrowed_memory() -> Vec<Case> {
    let namespaced = |line| same(line, FINE).needs(Need::Root);
    vec![
        saved("raw_clone vfork").bare(CHILD_KILLED),
        saved("raw_clone asm").bare(CHILD_KILLED),
        saved("raw_clone fails").bare(CHILD_KILLED),
        saved("raw_clone twice").bare(CHILD_KILLED),
        namespaced("vfork_namespace ignores"),
        namespaced("vfork_namespace handles"),
        namespaced("vfork_namespace fails"),
        saved("vfork_seccomp vfork"),
        saved("vfork_seccomp clone"),
        saved("vfork_seccomp child"),
        saved("vfork_seccomp parent"),
        same("vfork_seccomp restores", FINE),
        same("sealed_purpose raise", FINE),
        same("sealed_purpose kill", FINE),
        same("sealed_purpose group", FINE),
        same("sealed_purpose parent", FINE),
    ]
}

/// `NOPIPE_EAGER=on` in a program that has shut down its own reading.
fn own_shutdown() -> Vec<Case> {
    let mut all = Vec::new();
    for call in ["write", "writev", "send", "sendmsg", "sendfile", "splice"] {
        all.push(same(line("eager deaf", call), FINE).env("NOPIPE_EAGER", "on"));
        all.push(saved(line("eager gone", call)).bare(LOST_IT).env("NOPIPE_EAGER", "on"));
    }
    all
}

/// What an attacker may arrange: the environment of a setuid program, the place of the log file.
fn privileges() -> Vec<Case> {
    let root = |line| same(line, FINE).silent().needs(Need::Root);
    let mut all = vec![
        root("setuid environment").bare(LEFT),
        root("setuid child").bare(LEFT),
        root("setuid root"),
        root("setuid unknown"),
        saved("many_settings unknown"),
        saved("many_settings values"),
    ];
    for case in [
        "new", "own", "roots", "rootlink", "chain", "shared", "foreign", "hardlink", "symlink", "folder", "above",
        "open", "loop",
    ] {
        let case = root(line("log_file", case)).bare(KILLED);
        all.push(case.env("NOPIPE_LOG", "file:/mnt/folder/log"));
    }
    all
}

/// The program and its arguments, for rows that are made in a loop.
fn line(start: &str, last: &str) -> &'static str {
    format!("{start} {last}").leak()
}

/// pwritev2(2): Linux 6.18.
fn has_rwf_nosignal() -> bool {
    use rustix::io::{ReadWriteFlags, pwritev2};
    const RWF_NOSIGNAL: u32 = 0x100;
    let null = std::fs::File::options().write(true).open("/dev/null");
    let flags = ReadWriteFlags::from_bits_retain(RWF_NOSIGNAL);
    null.is_ok_and(|null| pwritev2(null, &[IoSlice::new(b"x")], 0, flags).is_ok())
}

// ---- Second round, part 2: what a hostile review has found. Begin. ----

/// Deaths, the runaway guard, the truth of events, and the log: items 4 to 19 of that review. `tests/second_round.rs` has
/// what needs other sinks.
fn second_round_part_two() -> Vec<Case> {
    let as_root = |case: Case| case.needs(Need::Root);
    let with_io_uring = |case: Case| case.needs(Need::Kernel("io_uring", has_io_uring));
    vec![
        // 4: an old kernel, and standard error a pipe that fills up.
        saved("stuck_stderr").env("NOPIPE_LOG", "stderr").silent(),
        // 5: supervisors that the library is not in.
        as_root(saved("supervised other_user").bare(CHILD_KILLED)),
        same("supervised mappings", FINE).release_only(),
        saved("supervised orphan").bare(CHILD_KILLED).release_only(),
        saved("supervised jumps").bare(CHILD_KILLED),
        // 8: who lives on natively.
        same("lives_on handler", FINE),
        same("lives_on raw", FINE),
        same("lives_on asm", FINE),
        same("lives_on shown", FINE),
        saved("lives_on pipe").release_only(),
        // 9 and 10: one client, who has gone. One line is all there is to say, and no warning.
        same("one_client tick", KILLED),
        same("one_client stdin", KILLED),
        same("one_client stdout", KILLED),
        same("one_client endless", KILLED),
        same("one_client tick", KILLED).env("NOPIPE_LEVEL", "warning").silent(),
        same("one_client endless", KILLED)
            .env("NOPIPE_LEVEL", "warning")
            .silent(),
        saved("one_client burst"),
        saved("one_client short"),
        saved("one_client heartbeat"),
        saved("one_client child"),
        saved("one_client listener"),
        saved("one_client other"),
        saved("one_client file"),
        saved("one_client cpu"),
        saved("one_client storage"),
        saved("one_client stream"),
        saved("one_client journal"),
        same("one_client handled", FINE),
        same("one_client blocked", FINE),
        // 11: the descriptor is another thread's by now.
        same("replaced living ECONNRESET write", FINE),
        same("replaced living ECONNRESET send", FINE).needs(ARGUMENTS),
        same("replaced living ETIMEDOUT send", FINE).needs(ARGUMENTS),
        same("replaced gone ECONNRESET write", FINE),
        same("replaced gone ETIMEDOUT sendto", FINE).needs(ARGUMENTS),
        same("replaced gone EPIPE write", FINE),
        same("replaced living EPIPE send", FINE).needs(ARGUMENTS),
        same("replaced file ECONNRESET write", FINE),
        same("replaced pipe ECONNRESET write", FINE),
        same("counted_once reset", FINE).env("NOPIPE_LOG", "none"),
        saved("counted_once closed").env("NOPIPE_LOG", "none"),
        // 12: io_uring.
        with_io_uring(saved("io_uring write tcp")),
        with_io_uring(saved("io_uring write pipe")),
        with_io_uring(saved("io_uring writev tcp")),
        with_io_uring(saved("io_uring submit tcp")),
        with_io_uring(saved("io_uring submit pipe")),
        with_io_uring(saved("io_uring complete tcp")),
        with_io_uring(same("io_uring poll tcp", FINE)),
        // 13: nobody has vanished.
        as_root(same("unreachable packet", FINE)),
        as_root(same("unreachable raw", FINE)),
        as_root(same("unreachable ping", FINE)),
        as_root(same("unreachable unchecked", FINE)),
        as_root(saved("unreachable checked")),
        same("unreachable timeout", FINE),
        saved("unreachable late"),
        // 14: whose pid is that?
        as_root(saved("peer_pid reused")),
        as_root(saved("peer_pid namespace").bare(CHILD_KILLED)),
        as_root(saved("peer_pid visible").bare(CHILD_KILLED)),
        // 15: a FIFO's readers.
        saved("fifo_readers keep"),
        saved("fifo_readers reopen"),
        // 18: the library's descriptors, and other threads.
        saved("stolen_number closed tcp"),
        saved("stolen_number closed unix"),
        saved("stolen_number closed pipe"),
        saved("stolen_number forked"),
        saved("stolen_number asked"),
        saved("old_kernel"),
    ]
}

/// Whether everybody may use it, io_uring_setup(2); Linux 6.6 has the setting.
fn has_io_uring() -> bool {
    std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").is_ok_and(|setting| setting.trim() == "0")
}

// ---- Second round, part 2. End. ----

// ---- Older kernels. ----

/// What older kernels or containers refuse, one thing at a time; what stands for something that is refused, with it.
const REFUSALS: [&str; 18] = [
    "wipeonfork",
    "wipeonfork,dontfork",
    "wipeonfork,kcmp",
    "kcmp",
    "kcmp_permission",
    "so_peername",
    "so_cookie",
    "so_peerpidfd",
    "pwritev2",
    "rwf_append",
    "waitid_wall",
    "tid_address",
    "process_vm_readv",
    "statx",
    "getrandom",
    "close_range,pidfd_open",
    "clone3",
    "tcp_info",
];

/// Three older kernels, and the oldest without CONFIG_CHECKPOINT_RESTORE.
const KERNELS: [&str; 4] = ["3.10", "3.10,kcmp,tid_address", "4.4", "4.19"];

/// The programs that depend on what older kernels lack, with each refusal alone and on each older kernel.
fn older_kernels() -> Vec<Case> {
    let mut all = Vec::new();
    for what in REFUSALS.into_iter().chain(KERNELS) {
        all.extend(sensitive().into_iter().map(|case| case.on_kernel(what)));
    }
    for kernel in KERNELS {
        all.extend(usual().into_iter().map(|case| case.on_kernel(kernel)));
    }
    all.extend([
        // The last resort: neither a witness nor kcmp.
        saved("vfork default").on_kernel("3.10,dontfork,kcmp"),
        saved("vfork fails").bare(CHILD_KILLED).on_kernel("3.10,dontfork,kcmp"),
        saved("forked both").bare(CHILD_KILLED).on_kernel("3.10,dontfork,kcmp"),
        saved("forked_vfork fork")
            .bare(CHILD_KILLED)
            .on_kernel("3.10,dontfork,kcmp"),
        // The address of a connect that failed is remembered by the cookie, or by the inode.
        saved("refused retried v4 send").on_kernel("3.10"),
        saved("refused retried v4 send").on_kernel("so_cookie"),
        saved("refused blocking v6 send").on_kernel("so_cookie,so_peername"),
        saved("refused checked v4 send").on_kernel("so_cookie,so_peername"),
        saved("refused unchecked v4 send").on_kernel("so_peername,tcp_info"),
        saved("unreachable late").on_kernel("so_cookie,tcp_info"),
        // Nobody knows whether there was a peer: the cause is not that there never was one.
        saved("nameless closed").on_kernel("so_peername"),
        saved("nameless never").on_kernel("so_peername"),
        saved("nameless shutdown").on_kernel("so_peername"),
        same("nameless reset", FINE).on_kernel("so_peername"),
        saved("peer_pid reused").needs(Need::Root).on_kernel("so_peerpidfd"),
        // The guard asks whether there is a child.
        same("one_client tick", KILLED).on_kernel("waitid_wall"),
        saved("one_client child").on_kernel("waitid_wall"),
        // A vfork child's filter.
        saved("vfork_seccomp child").on_kernel("wipeonfork,tid_address"),
    ]);
    all
}

/// They hang on who is a forked or a vfork child, on what a connection is known by, and on how the log is written.
fn sensitive() -> Vec<Case> {
    vec![
        saved("vfork default"),
        same("vfork handler", FINE),
        same("vfork ignored", FINE),
        saved("vfork fails").bare(CHILD_KILLED),
        saved("forked both").bare(CHILD_KILLED),
        saved("forked known"),
        saved("forked raw").bare(CHILD_KILLED),
        saved("forked_vfork fork").bare(CHILD_KILLED),
        saved("forked_vfork clone").bare(CHILD_KILLED),
        saved("daemon all"),
        saved("refused blocking v4 send"),
    ]
}

/// What every kernel does.
fn usual() -> Vec<Case> {
    vec![
        saved("vanished_tcp write v4"),
        saved("vanished_tcp send v6"),
        saved("vanished_tcp dprintf mapped"),
        saved("vanished_pipe write pipe"),
        saved("vanished_pipe write fifo"),
        saved("reset write"),
        saved("unhooked fwrite"),
        saved("unix_peer path"),
        same("unix_peer seqpacket", FINE),
        saved("self_shutdown tcp write"),
        saved("self_shutdown unix dprintf"),
        same("self_shutdown udp send", FINE),
        same("children", FINE),
        same("children", FINE).sigpipe_ignored(),
        same("readback", FINE),
        saved("own_handler counts write").bare(HANDLER_RAN),
        runs("own_handler runs send"),
        same("on_purpose raise default", KILLED),
        same("on_purpose kill handler", FINE),
        same("purpose_blocked kill suspend", FINE),
        saved("blocked unblock write"),
        same("blocked signalfd write", FINE),
        saved("threads shared"),
        saved("forked exec").bare(CHILD_KILLED),
        saved("forked storm").env("NOPIPE_LEVEL", "error"),
        same("vfork_raise", FINE),
        saved("raw_clone vfork").bare(CHILD_KILLED),
        saved("raw_clone asm").bare(CHILD_KILLED),
        saved("raw_clone fails").bare(CHILD_KILLED),
        saved("raw_clone twice").bare(CHILD_KILLED),
        same("vfork_namespace ignores", FINE).needs(Need::Root),
        same("vfork_namespace fails", FINE).needs(Need::Root),
        saved("vfork_seccomp vfork"),
        saved("vfork_seccomp parent"),
        saved("refused checked v4 send"),
        saved("refused unchecked v4 send"),
        saved("refused never v4 send"),
        saved("duplicates"),
        saved("no_trace 100").env("NOPIPE_RATE", "1000/1000"),
        saved("fifo_readers keep"),
        saved("daemon others").env("NOPIPE_LOG", "stderr").silent(),
        saved("dead_stdout write").stdout_is_dead(),
        same("pipeline dies", FINE),
        same("runaway inetd write", KILLED),
        saved("partial pipe"),
        saved("seccomp forks send").bare(CHILD_KILLED),
        same("untouched start", FINE),
        same("untouched so_error", FINE),
    ]
}
