/*
 * forked_vfork fork|clone: a forked child calls vfork before it does anything else that matters, as posix_spawn and Python's
 * subprocess do. What the grandchild sets for SIGPIPE is the grandchild's: the child reads back what it inherited, and
 * survives a vanished peer.
 */
#include "check.h"

static void run_child(struct connection *c)
{
	struct sigaction now;
	pid_t child = vfork();
	if (child == 0) {
		sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
		_exit(0);
	}
	wait_for_success(child);
	CHECK(sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_IGN);
	CHECK(signal(SIGPIPE, SIG_DFL) == SIG_IGN);
	CHECK_FAILS(write(c->fd, "x", 1), EPIPE);
	_exit(0);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	CHECK(signal(SIGPIPE, SIG_IGN) == SIG_DFL);
	struct connection c = dead_tcp("v4");
	pid_t child = strcmp(argv[1], "clone") == 0 ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
	CHECK(child >= 0);
	if (child == 0)
		run_child(&c);
	char more[32];
	snprintf(more, sizeof more, "pid=%d", child);
	expect_dead(&c, "write", more);
	wait_for_success(child);
	return 0;
}
