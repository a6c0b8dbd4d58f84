/*
 * rwf_nosignal CASE FAR: pwritev2(2) with RWF_NOSIGNAL (Linux 6.18) fails with EPIPE and raises no SIGPIPE, however often.
 *   counts   2000 failures: all are counted
 *   slowed   the same with nothing but the dead connection, as under inetd: natively the program lives, at full speed
 *   blocked  the same with SIGPIPE blocked: none is pending, and none comes when it is unblocked
 *   handler  the program's own handler does not run
 *   FAR      tcp, pipe
 */
#include "counted.h"

#include <sys/uio.h>
#include <time.h>

#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x100
#endif

enum { FAILURES_MADE = 2000 };

static volatile sig_atomic_t ran;

static void handler(int signal)
{
	(void)signal;
	ran++;
}

static double seconds(void)
{
	struct timespec now;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	const char *kind = argv[1];
	int fd, is_tcp = strcmp(argv[2], "tcp") == 0;
	sigset_t sigpipe, pending;
	if (is_tcp) {
		struct connection c = dead_tcp("v4");
		expect_dead(&c, "pwritev2", "handler=");
		fd = c.fd;
	} else {
		struct dead_pipe dead = dead_pipe();
		expect_dead_pipe(&dead, "pwritev2");
		fd = dead.fd;
	}
	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	if (strcmp(kind, "blocked") == 0)
		CHECK(sigprocmask(SIG_BLOCK, &sigpipe, NULL) == 0);
	if (strcmp(kind, "handler") == 0)
		CHECK(signal(SIGPIPE, handler) == SIG_DFL);
	if (strcmp(kind, "slowed") == 0 || strcmp(kind, "blocked") == 0)
		CHECK(dup2(fd, 0) == 0 && (is_tcp || dup2(fd, 1) == 1));

	char bytes[64] = {0};
	struct iovec part = {bytes, sizeof bytes};
	double before = seconds();
	for (int i = 0; i < FAILURES_MADE; i++) {
		CHECK_FAILS(pwritev2(fd, &part, 1, -1, RWF_NOSIGNAL), EPIPE);
		CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGPIPE));
	}
	CHECK(seconds() - before < 5);
	if (strcmp(kind, "blocked") == 0)
		CHECK(sigprocmask(SIG_UNBLOCK, &sigpipe, NULL) == 0);
	CHECK(ran == 0);
	CHECK_COUNTED(FAILURES_MADE);
	return 0;
}
