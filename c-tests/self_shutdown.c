/*
 * self_shutdown CASE: no peer has vanished.
 *   tcp, unix  the program itself shut down its sending side, then writes
 *   half       the peer shut down its sending side only: it still gets its whole response, and nothing is logged
 */
#include "check.h"

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	if (strcmp(argv[1], "unix") == 0) {
		int ends[2];
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
		CHECK(shutdown(ends[0], SHUT_WR) == 0);
		say("expect transport=unix cause=self-shutdown errno=EPIPE fd=%d call=write", ends[0]);
		CHECK_FAILS(write(ends[0], "x", 1), EPIPE);
		return 0;
	}
	struct connection c = tcp("v4");
	deliver(&c, DELIVERED);
	if (strcmp(argv[1], "half") == 0) {
		CHECK(shutdown(c.far, SHUT_WR) == 0);
		wait_for(c.fd, POLLRDHUP);
		char bytes[100000] = {0};
		CHECK(write(c.fd, bytes, sizeof bytes) == sizeof bytes);
		CHECK(recv(c.far, bytes, sizeof bytes, MSG_WAITALL) == sizeof bytes);
		return 0;
	}
	CHECK(shutdown(c.fd, SHUT_WR) == 0);
	say("expect transport=tcp cause=self-shutdown errno=EPIPE peer=%s fd=%d call=write", c.peer, c.fd);
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	return 0;
}
