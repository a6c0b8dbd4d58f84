/*
 * readback: what every function that sets a disposition returns, and what sigaction shows afterwards: bit for bit as
 * without the library. All lines are `same` lines.
 */
#include "check.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
typedef void handler_fn(int);
handler_fn *bsd_signal(int signal, handler_fn *handler);
int __sigaction(int signal, const struct sigaction *action, struct sigaction *old);

static void handler_a(int signal)
{
	(void)signal;
}

static void handler_b(int signal)
{
	(void)signal;
}

static const char *name(handler_fn *handler)
{
	return handler == SIG_DFL     ? "SIG_DFL"
	       : handler == SIG_IGN   ? "SIG_IGN"
	       : handler == SIG_HOLD  ? "SIG_HOLD"
	       : handler == SIG_ERR   ? "SIG_ERR"
	       : handler == handler_a ? "a"
	       : handler == handler_b ? "b"
				      : "something else";
}

/* A structure that no call has written to: what a call does not write must stay as it is. */
static struct sigaction blank(void)
{
	struct sigaction action;
	memset(&action, 0xaa, sizeof action);
	return action;
}

/*
 * The whole structure, except addresses. The restorer is libc's, the same for every signal; musl writes none. Only the 64
 * signals that exist are compared in the mask: glibc fills the rest of it from its own stack.
 */
/* On aarch64 glibc has no restorer, and hands the kernel what lies by chance on its own stack. */
#ifdef __aarch64__
enum { RESTORER_IS_KNOWN = 0 };
#else
enum { RESTORER_IS_KNOWN = 1 };
#endif

static void show(const char *what, const struct sigaction *action)
{
	struct sigaction other = blank();
	uint64_t mask;
	struct sigaction by_signal;
	CHECK(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = handler_a}, NULL) == 0);
	CHECK(sigaction(SIGUSR1, NULL, &other) == 0);
	/* Before glibc 2.34 there are two: sigaction(2) is libpthread's, signal(2) is libc's. */
	CHECK(signal(SIGUSR1, handler_a) != SIG_ERR && sigaction(SIGUSR1, NULL, &by_signal) == 0);
	memcpy(&mask, &action->sa_mask, sizeof mask);
	say("same   %s: handler %s flags %#x restorer %s mask %#lx", what, name(action->sa_handler),
	    (unsigned)action->sa_flags,
	    !RESTORER_IS_KNOWN                                                                         ? "any"
	    : action->sa_restorer == other.sa_restorer || action->sa_restorer == by_signal.sa_restorer ? "libc's"
	    : action->sa_restorer                                                                      ? "other"
												       : "none",
	    (unsigned long)mask);
}

static void show_current(void)
{
	struct sigaction now = blank();
	sigset_t blocked;
	errno = 1234;
	CHECK(sigaction(SIGPIPE, NULL, &now) == 0);
	CHECK(errno == 1234);
	show("now", &now);
	CHECK(sigprocmask(SIG_BLOCK, NULL, &blocked) == 0);
	say("same   blocked %d", sigismember(&blocked, SIGPIPE));
}

static void through_signal(const char *function, handler_fn *(*set)(int, handler_fn *))
{
	handler_fn *sequence[] = {handler_a, handler_b, SIG_IGN, handler_a, SIG_ERR, SIG_DFL, SIG_HOLD, SIG_DFL};
	for (size_t i = 0; i < sizeof sequence / sizeof *sequence; i++) {
		errno = 1234;
		handler_fn *before = set(SIGPIPE, sequence[i]);
		say("same %s(SIGPIPE, %s) = %s errno %d", function, name(sequence[i]), name(before), errno);
		show_current();
	}
	int bad[] = {-1, 0, SIGKILL, SIGSTOP, 32, 65, 1000};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		errno = 1234;
		handler_fn *before = set(bad[i], handler_a);
		say("same %s(%d, a) = %s errno %d", function, bad[i], name(before), errno);
	}
	handler_fn *before = set(SIGUSR2, handler_b);
	say("same %s(SIGUSR2, b) = %s", function, name(before));
	set(SIGUSR2, SIG_DFL);
	sigset_t sigpipe;
	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	CHECK(sigprocmask(SIG_UNBLOCK, &sigpipe, NULL) == 0);
}

static void through_sigaction(const char *function, int (*set)(int, const struct sigaction *, struct sigaction *))
{
	static const int flags[] = {0,          SA_SIGINFO,   SA_RESTART,   SA_NODEFER, SA_RESETHAND,
				    SA_ONSTACK, SA_NOCLDSTOP, SA_NOCLDWAIT, 0x00000100, 0x00000400,
				    0x00000800, 0x00400000,   0x04000000,   -1,         SA_SIGINFO | SA_RESTART};
	struct sigaction action, old;
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		action = (struct sigaction){.sa_handler = i % 2 ? handler_b : handler_a, .sa_flags = flags[i]};
		if (i % 3 == 1)
			sigfillset(&action.sa_mask);
		else if (i % 3 == 2)
			sigaddset(&action.sa_mask, SIGUSR1);
		old = blank();
		errno = 1234;
		int result = set(SIGPIPE, &action, &old);
		say("same %s(flags %#x) = %d errno %d", function, (unsigned)flags[i], result, errno);
		show("old", &old);
		show_current();
	}
	handler_fn *plain[] = {SIG_IGN, SIG_DFL, SIG_ERR, SIG_DFL};
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
		action = (struct sigaction){.sa_handler = plain[i]};
		old = blank();
		say("same %s(%s) = %d", function, name(plain[i]), set(SIGPIPE, &action, &old));
		show("old", &old);
		show_current();
	}

	/* The old action may land in the structure that holds the new one. */
	action = (struct sigaction){.sa_handler = handler_b, .sa_flags = SA_RESTART};
	CHECK(set(SIGPIPE, &action, &action) == 0);
	show("in place", &action);
	CHECK(set(SIGPIPE, NULL, NULL) == 0);
	show_current();

	int bad[] = {-1, 0, SIGKILL, SIGSTOP, 32, 65, 1000};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		errno = 1234;
		int result = set(bad[i], &action, &old);
		say("same %s(%d) = %d errno %d", function, bad[i], result, errno);
	}
	CHECK(signal(SIGPIPE, SIG_DFL) == handler_b);
}

static void hold_and_ignore(void)
{
	handler_fn *sequence[] = {handler_a, SIG_HOLD, SIG_HOLD, handler_b, SIG_HOLD, SIG_IGN, SIG_DFL};
	for (size_t i = 0; i < sizeof sequence / sizeof *sequence; i++) {
		errno = 1234;
		handler_fn *before = sigset(SIGPIPE, sequence[i]);
		say("same sigset(SIGPIPE, %s) = %s errno %d", name(sequence[i]), name(before), errno);
		show_current();
	}
	int numbers[] = {SIGPIPE, 0, SIGKILL, 65};
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		errno = 1234;
		int result = sigignore(numbers[i]);
		say("same sigignore(%d) = %d errno %d", numbers[i], result, errno);
		show_current();
	}
	signal(SIGPIPE, SIG_DFL);
}

static void interrupt(void)
{
	signal(SIGPIPE, handler_a);
	for (int on = 1; on >= 0; on--) {
		errno = 1234;
		int result = siginterrupt(SIGPIPE, on);
		say("same siginterrupt(SIGPIPE, %d) = %d errno %d", on, result, errno);
		show_current();
		/* It is remembered for later calls of signal(). */
		handler_fn *before = signal(SIGPIPE, handler_b);
		say("same signal(SIGPIPE, b) = %s", name(before));
		show_current();
	}
	siginterrupt(SIGPIPE, 1);
	signal(SIGPIPE, SIG_IGN);
	show_current();
	siginterrupt(SIGPIPE, 0);
	show_current();
	errno = 1234;
	int result = siginterrupt(1000, 1);
	say("same siginterrupt(1000, 1) = %d errno %d", result, errno);
	signal(SIGPIPE, SIG_DFL);
}

int main(void)
{
	say("same at the start");
	show_current();
	through_signal("signal", signal);
	through_signal("bsd_signal", bsd_signal);
	through_signal("ssignal", ssignal);
	through_signal("sysv_signal", sysv_signal);
	through_signal("__sysv_signal", __sysv_signal);
	through_signal("sigset", sigset);
	through_sigaction("sigaction", sigaction);
	through_sigaction("__sigaction", __sigaction);
	hold_and_ignore();
	interrupt();

	signal(SIGPIPE, handler_a);
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		say("same in a forked child");
		show_current();
		signal(SIGPIPE, SIG_IGN);
		_exit(0);
	}
	wait_for_success(child);
	say("same in its parent");
	show_current();
	return 0;
}
