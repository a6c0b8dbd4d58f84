/*
 * nameless CASE (for on_kernel so_peername): the kernel refuses SO_PEERNAME, as emulators and sandboxes do.
 *   closed    the peer has closed: it is unknown, and nothing says that there never was one
 *   reset     the same with a reset
 *   never     no connect: nobody knows whether there was a peer, so that is not the cause
 *   shutdown  the program itself has shut down its writing: getpeername(2) knows the peer, which is still there
 */
#include "check.h"

int main(int argc, char **argv)
{
	char bytes[64];
	socklen_t length = sizeof bytes;
	CHECK(argc == 2);
	const char *kind = argv[1];
	struct connection c = tcp("v4");
	CHECK_FAILS(getsockopt(c.fd, SOL_SOCKET, 28 /* SO_PEERNAME */, bytes, &length), ENOPROTOOPT);
	if (strcmp(kind, "reset") == 0) {
		leave_by_reset(&c);
		say("expect cause=reset peer=unknown errno=ECONNRESET fd=%d", c.fd);
		CHECK_FAILS(write(c.fd, "x", 1), ECONNRESET);
		return 0;
	}
	if (strcmp(kind, "closed") == 0) {
		leave_by_close(&c);
		lose(&c, LOST);
		say("expect cause=closed peer=unknown undelivered=%d fd=%d", LOST, c.fd);
	} else if (strcmp(kind, "shutdown") == 0) {
		CHECK(shutdown(c.fd, SHUT_WR) == 0);
		say("expect cause=self-shutdown peer=%s fd=%d", c.peer, c.fd);
	} else {
		close(c.fd);
		c.fd = socket(AF_INET, SOCK_STREAM, 0);
		CHECK(c.fd >= 0);
		say("expect cause=closed peer=unknown fd=%d", c.fd);
	}
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	return 0;
}
