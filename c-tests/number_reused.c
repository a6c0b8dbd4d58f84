/*
 * number_reused CALL (NOPIPE_HANDLERS=run): the program's SIGPIPE handler closes the dead connection, and its number
 * becomes a living one before the call returns. That one's peer has not vanished, and must not be named.
 */
#include "calls.h"

static int dead_fd, living_fd;

static void replace(int signal)
{
	(void)signal;
	CHECK(dup2(living_fd, dead_fd) == dead_fd);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	const struct call *call = call_named(argv[1]);
	struct connection dead = dead_tcp("v4"), living = tcp("v4");
	char bytes[64] = {0};
	dead_fd = dead.fd;
	living_fd = living.fd;
	CHECK(signal(SIGPIPE, replace) == SIG_DFL);
	expect_dead(&dead, call->logged, "");
	CHECK_FAILS(call->run(dead.fd, bytes, sizeof bytes), EPIPE);
	CHECK_FAILS(recv(living.far, bytes, sizeof bytes, MSG_DONTWAIT), EAGAIN);
	CHECK(call->run(dead.fd, bytes, sizeof bytes) > 0);
	return 0;
}
