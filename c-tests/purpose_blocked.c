/*
 * purpose_blocked SENDER CASE: the program sends itself a SIGPIPE while SIGPIPE is blocked, or while only another thread
 * can take it. What it has arranged happens when the signal arrives, as natively.
 *   SENDER  raise, kill, kill0 (the own process group), killpg, tgkill, sigqueue, pidfd (pidfd_send_signal(2)); the same by
 *           the system call itself: syscall_kill, syscall_pidfd
 *   suspend    its own handler runs in sigsuspend
 *   unblock    its own handler runs when the signal is unblocked
 *   dies       the default: it dies when the signal is unblocked
 *   suspended  the default: it dies in sigsuspend
 *   thread     its own handler runs in another thread, the only one that has SIGPIPE unblocked
 *   killed     the default: that other thread's kills the process
 *   both       a peer has vanished as well, and has left a SIGPIPE of its own
 *   ignored    it was ignored when it was sent: it never arrives, and has no influence on a peer that vanishes later
 *   taken      sigtimedwait took it: the same
 *   dropped    it was pending when SIGPIPE was set to be ignored: the same
 */
#include "check.h"

#include <time.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#define SYS_pidfd_send_signal 424
#endif

int pidfd_send_signal(int pidfd, int signal, siginfo_t *info, unsigned flags) __attribute__((weak));

static volatile sig_atomic_t ran;
static volatile pid_t ran_in;
static sigset_t sigpipe, none;

static void handler(int signal)
{
	CHECK(signal == SIGPIPE);
	ran++;
	ran_in = gettid();
}

static int is_pending(void)
{
	sigset_t pending;
	CHECK(sigpending(&pending) == 0);
	return sigismember(&pending, SIGPIPE);
}

static void send_sigpipe(const char *sender)
{
	pid_t self = getpid();
	if (strcmp(sender, "raise") == 0) {
		CHECK(raise(SIGPIPE) == 0);
	} else if (strcmp(sender, "kill") == 0) {
		CHECK(kill(self, SIGPIPE) == 0);
	} else if (strcmp(sender, "kill0") == 0) {
		CHECK(kill(0, SIGPIPE) == 0);
	} else if (strcmp(sender, "killpg") == 0) {
		CHECK(killpg(getpgrp(), SIGPIPE) == 0);
	} else if (strcmp(sender, "tgkill") == 0) {
		CHECK(syscall(SYS_tgkill, self, gettid(), SIGPIPE) == 0);
	} else if (strcmp(sender, "sigqueue") == 0) {
		CHECK(sigqueue(self, SIGPIPE, (union sigval){.sival_int = 1}) == 0);
	} else if (strcmp(sender, "syscall_kill") == 0) {
		CHECK(syscall(SYS_kill, self, SIGPIPE) == 0);
	} else {
		int is_function = strcmp(sender, "pidfd") == 0;
		CHECK(is_function || strcmp(sender, "syscall_pidfd") == 0);
		int fd = (int)syscall(SYS_pidfd_open, self, 0);
		CHECK(fd >= 0);
		if (is_function && pidfd_send_signal)
			CHECK(pidfd_send_signal(fd, SIGPIPE, NULL, 0) == 0);
		else
			CHECK(syscall(SYS_pidfd_send_signal, fd, SIGPIPE, NULL, 0) == 0);
		close(fd);
	}
}

static void block(void)
{
	CHECK(pthread_sigmask(SIG_BLOCK, &sigpipe, NULL) == 0);
}

static void unblock(void)
{
	CHECK(pthread_sigmask(SIG_UNBLOCK, &sigpipe, NULL) == 0);
}

static volatile int stop;
static volatile pid_t taker;

static void *take(void *arg)
{
	(void)arg;
	unblock();
	taker = gettid();
	while (!stop)
		usleep(1000);
	return NULL;
}

/* A peer vanishes while SIGPIPE is blocked: one by a call that a hook sees, one by a call that none sees. */
static void spared(void)
{
	struct connection hooked = dead_tcp("v4"), unhooked = dead_tcp("v4");
	expect_dead(&hooked, "write", "");
	block();
	CHECK_FAILS(write(hooked.fd, "x", 1), EPIPE);
	unblock();
	block();
	CHECK(dprintf(unhooked.fd, "x") == -1);
	unblock();
	CHECK(!is_pending());
}

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	const char *sender = argv[1], *kind = argv[2];
	sigemptyset(&none);
	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	int handles = strcmp(kind, "suspend") == 0 || strcmp(kind, "unblock") == 0 || strcmp(kind, "thread") == 0;
	if (handles)
		CHECK(sigaction(SIGPIPE, &(struct sigaction){.sa_handler = handler}, NULL) == 0);
	/* One group for the senders that reach a whole one; the tests' is that of this process already. */
	CHECK(getpgrp() == getpid() || setpgid(0, 0) == 0);

	if (strcmp(kind, "ignored") == 0) {
		CHECK(signal(SIGPIPE, SIG_IGN) == SIG_DFL);
		send_sigpipe(sender);
		CHECK(signal(SIGPIPE, SIG_DFL) == SIG_IGN);
		spared();
		return 0;
	}
	block();
	if (strcmp(kind, "thread") == 0 || strcmp(kind, "killed") == 0) {
		pthread_t thread;
		CHECK(pthread_create(&thread, NULL, take, NULL) == 0);
		while (!taker)
			usleep(1000);
		send_sigpipe(sender);
		for (int i = 0; i < 500 && !ran; i++)
			usleep(1000);
		stop = 1;
		CHECK(pthread_join(thread, NULL) == 0);
		CHECK(handles); /* else killed */
		CHECK(ran == 1 && ran_in == taker);
		return 0;
	}
	if (strcmp(kind, "both") == 0) {
		struct connection c = dead_tcp("v4");
		expect_dead(&c, "write", "");
		CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	}
	send_sigpipe(sender);
	CHECK(is_pending() && ran == 0);
	if (strcmp(kind, "taken") == 0) {
		CHECK(sigtimedwait(&sigpipe, NULL, &(struct timespec){0}) == SIGPIPE);
		unblock();
		spared();
		return 0;
	}
	if (strcmp(kind, "dropped") == 0) {
		CHECK(signal(SIGPIPE, SIG_IGN) == SIG_DFL);
		CHECK(!is_pending());
		CHECK(signal(SIGPIPE, SIG_DFL) == SIG_IGN);
		unblock();
		spared();
		return 0;
	}
	if (strcmp(kind, "suspend") == 0 || strcmp(kind, "suspended") == 0)
		CHECK_FAILS(sigsuspend(&none), EINTR);
	else
		unblock();
	CHECK(handles); /* else killed */
	CHECK(ran == 1);
	CHECK(!is_pending());
	return 0;
}
