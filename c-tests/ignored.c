/*
 * ignored CASE: SIGPIPE is ignored, by inheritance or by the program: the kernel really ignores it, exec passes that
 * on, and the peer is logged all the same.
 *   inherited   (the harness starts the program so)
 *   set         the program sets SIG_IGN
 *   defaulted   the program sets SIG_IGN, then SIG_DFL
 */
#include "check.h"

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	struct sigaction now;
	if (strcmp(argv[1], "inherited") != 0)
		CHECK(signal(SIGPIPE, SIG_IGN) == SIG_DFL);
	CHECK(sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_IGN);
	CHECK(sigpipe_in("SigIgn") == 1);
	CHECK(sigpipe_in("SigCgt") == 0);
	if (strcmp(argv[1], "defaulted") == 0) {
		CHECK(signal(SIGPIPE, SIG_DFL) == SIG_IGN);
		CHECK(sigpipe_in("SigIgn") == 0);
	}

	struct connection c = dead_tcp("v4"), d = dead_tcp("v4");
	expect_dead(&c, "write", "handler=");
	expect_dead(&d, "sendmsg", "handler=");
	struct iovec part = {"x", 1};
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	CHECK_FAILS(sendmsg(d.fd, &(struct msghdr){.msg_iov = &part, .msg_iovlen = 1}, 0), EPIPE);
	return 0;
}
