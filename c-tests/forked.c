/*
 * forked CASE: parent and child.
 *   both   each has a peer of its own; the events carry their pids
 *   known  a connection that the parent has reported is not news in the child
 *   raw    a child by raw clone, where no atfork handler runs
 *   exec   a program that the server starts is under the library too
 */
#include "check.h"

#include <sched.h>

static void meet(struct connection *c)
{
	char more[32];
	snprintf(more, sizeof more, "pid=%d tid=%d", (int)syscall(SYS_getpid), (int)syscall(SYS_gettid));
	expect_dead(c, "write", more);
	CHECK_FAILS(write(c->fd, "x", 1), EPIPE);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	const char *kind = argv[1];
	if (strcmp(kind, "again") == 0) {
		struct connection c = dead_tcp("v4");
		meet(&c);
		return 0;
	}

	struct connection parents = dead_tcp("v4"), childs = dead_tcp("v4");
	if (strcmp(kind, "known") == 0)
		meet(&parents);
	pid_t child = strcmp(kind, "raw") == 0 ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
	CHECK(child >= 0);
	if (child == 0) {
		if (strcmp(kind, "exec") == 0) {
			execl("/proc/self/exe", "forked", "again", NULL);
			_exit(FAILED);
		}
		if (strcmp(kind, "known") == 0)
			CHECK_FAILS(write(parents.fd, "x", 1), EPIPE);
		meet(&childs);
		_exit(0);
	}
	wait_for_success(child);
	if (strcmp(kind, "known") != 0)
		meet(&parents);
	return 0;
}
