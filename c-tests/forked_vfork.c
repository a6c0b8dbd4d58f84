/*
 * forked_vfork HOW: a forked child calls vfork before it does anything else that matters, as posix_spawn and Python's
 * subprocess do. What the grandchild sets for SIGPIPE is the grandchild's: the child reads back what it inherited, and
 * survives a vanished peer. HOW is
 *   fork    fork(2)
 *   bare    _Fork(3), which calls no atfork handler
 *   clone   clone(2) by syscall(2)
 *   daemon  daemon(3): in musl, no symbol sees its forks
 */
#include "check.h"

#include <sys/prctl.h>

pid_t _Fork(void);

/* What the child inherits, and what the grandchild sets. */
static void (*inherited)(int) = SIG_IGN, (*set)(int) = SIG_DFL;

static void run_child(struct connection *c)
{
	struct sigaction now;
	pid_t child = vfork();
	if (child == 0) {
		sigaction(SIGPIPE, &(struct sigaction){.sa_handler = set}, NULL);
		_exit(0);
	}
	wait_for_success(child);
	CHECK(sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == inherited);
	CHECK(signal(SIGPIPE, SIG_DFL) == inherited);
	char more[32];
	snprintf(more, sizeof more, "pid=%d", getpid());
	expect_dead(c, "write", more);
	CHECK_FAILS(write(c->fd, "x", 1), EPIPE);
	_exit(0);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	const char *how = argv[1];
	if (strcmp(how, "daemon") == 0) {
		inherited = SIG_DFL;
		set = SIG_IGN;
	}
	CHECK(signal(SIGPIPE, inherited) == SIG_DFL);
	struct connection c = dead_tcp("v4");
	/* A daemon's parents end before it does. */
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
	pid_t child = strcmp(how, "clone") == 0  ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)
		      : strcmp(how, "bare") == 0 ? _Fork()
						 : fork();
	CHECK(child >= 0);
	if (child == 0) {
		if (strcmp(how, "daemon") == 0)
			CHECK(daemon(1, 1) == 0);
		run_child(&c);
	}
	int status;
	while (waitpid(-1, &status, 0) > 0) {
		if (WIFSIGNALED(status))
			_exit(128 + WTERMSIG(status));
		CHECK(WEXITSTATUS(status) == 0);
	}
	return 0;
}
