/*
 * pid_one: in a pid namespace of its own (needs root) the program is pid 1, as in a container. There the kernel
 * drops a SIGPIPE whose action is the default: what kills elsewhere returns here, before and after a peer vanishes.
 */
#include "check.h"

#include <sched.h>

int main(void)
{
	CHECK(unshare(CLONE_NEWPID) == 0);
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		CHECK(getpid() == 1);
		for (int i = 0; i < 2; i++) {
			struct connection c = dead_tcp("v4");
			CHECK(raise(SIGPIPE) == 0);
			CHECK(kill(1, SIGPIPE) == 0);
			expect_dead(&c, "write", "pid=1");
			CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
			CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
		}
		_exit(0);
	}
	wait_for_success(child);
	return 0;
}
