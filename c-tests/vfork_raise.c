/*
 * vfork_raise: a one-shot handler runs in a vfork child. It is used up only there: the child borrows its parent's
 * memory, not its dispositions.
 */
#include "check.h"

static volatile sig_atomic_t ran;

static void handler(int signal)
{
	(void)signal;
	ran++;
}

int main(void)
{
	struct sigaction now;
	CHECK(sigaction(SIGPIPE, &(struct sigaction){.sa_handler = handler, .sa_flags = SA_RESETHAND}, NULL) == 0);
	pid_t child = vfork();
	if (child == 0) {
		/* raise(3), but musl's would send it to the parent: it knows no thread id but that one's. */
		syscall(SYS_tgkill, syscall(SYS_getpid), syscall(SYS_gettid), SIGPIPE);
		_exit(0);
	}
	wait_for_success(child);
	CHECK(ran == 1);
	CHECK(sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == handler);
	CHECK(raise(SIGPIPE) == 0);
	CHECK(ran == 2);
	CHECK(sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
	return 0;
}
