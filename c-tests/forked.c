/*
 * forked CASE: parent and child.
 *   both   each has a peer of its own; the events carry their pids; each counts for itself
 *   known  the child does not report a connection again that the parent has reported
 *   raw    a child by raw clone, where no atfork handler runs
 *   storm  children are forked while threads report: nothing that a thread held stays held in the child
 *   exec   a program that the server starts is under the library too
 */
#include "counted.h"

#include <sched.h>

static void meet(struct connection *c)
{
	char more[32];
	snprintf(more, sizeof more, "pid=%d tid=%d", (int)syscall(SYS_getpid), (int)syscall(SYS_gettid));
	expect_dead(c, "write", more);
	CHECK_FAILS(write(c->fd, "x", 1), EPIPE);
}

static volatile int stop;

static void *report(void *arg)
{
	(void)arg;
	while (!stop) {
		int ends[2];
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
		CHECK(shutdown(ends[1], SHUT_RD) == 0); /* a forked child may hold a copy: closing is not enough */
		CHECK_FAILS(write(ends[0], "x", 1), EPIPE);
		close(ends[0]);
		close(ends[1]);
	}
	return NULL;
}

static void storm(void)
{
	enum { THREADS = 4, CHILDREN = 50 };
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, report, NULL) == 0);
	for (int i = 0; i < CHILDREN; i++) {
		pid_t child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			struct connection c = dead_tcp("v4");
			CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
			_exit(0);
		}
		wait_for_success(child);
	}
	stop = 1;
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	const char *kind = argv[1];
	if (strcmp(kind, "storm") == 0) {
		storm();
		return 0;
	}
	if (strcmp(kind, "again") == 0) {
		struct connection c = dead_tcp("v4");
		meet(&c);
		return 0;
	}

	struct connection of_parent = dead_tcp("v4"), of_child = dead_tcp("v4");
	if (strcmp(kind, "known") == 0)
		meet(&of_parent);
	pid_t child = strcmp(kind, "raw") == 0 ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
	CHECK(child >= 0);
	if (child == 0) {
		if (strcmp(kind, "exec") == 0) {
			execl("/proc/self/exe", "forked", "again", NULL);
			_exit(FAILED);
		}
		if (strcmp(kind, "known") == 0)
			CHECK_FAILS(write(of_parent.fd, "x", 1), EPIPE);
		meet(&of_child);
		CHECK_COUNTED(strcmp(kind, "known") == 0 ? 2 : 1);
		_exit(0);
	}
	wait_for_success(child);
	if (strcmp(kind, "known") != 0)
		meet(&of_parent);
	CHECK_COUNTED(1);
	return 0;
}
