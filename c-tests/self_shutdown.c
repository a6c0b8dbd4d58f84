/*
 * self_shutdown CASE CALL: no peer has vanished.
 *   tcp, unix  the program itself shut down its sending side, then writes
 *   udp        the same, both ways, with a connected UDP socket, which knows no signal
 *   half       the peer shut down its sending side only: it still gets its whole response, and nothing is logged
 */
#include "calls.h"

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	const struct call *call = call_named(argv[2]);
	char text[64] = "text";
	if (strcmp(argv[1], "unix") == 0) {
		int ends[2];
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
		CHECK(shutdown(ends[0], SHUT_WR) == 0);
		say("expect transport=unix cause=self-shutdown errno=EPIPE fd=%d call=%s", ends[0], call->logged);
		CHECK_FAILS(call->run(ends[0], text, sizeof text), EPIPE);
		return 0;
	}
	if (strcmp(argv[1], "udp") == 0) {
		struct sockaddr_storage address;
		socklen_t length = loopback("v4", &address);
		((struct sockaddr_in *)&address)->sin_port = htons(9);
		int fd = socket(AF_INET, SOCK_DGRAM, 0);
		CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&address, length) == 0);
		CHECK(shutdown(fd, SHUT_RDWR) == 0);
		say("expect transport=udp cause=self-shutdown errno=EPIPE peer=127.0.0.1:9 fd=%d call=%s", fd,
		    call->logged);
		CHECK_FAILS(call->run(fd, text, sizeof text), EPIPE);
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
	/* The FIN counts in TCP's sequence numbers, but it is not a byte. */
	say("expect transport=tcp cause=self-shutdown errno=EPIPE peer=%s fd=%d delivered=%d undelivered=0 call=%s",
	    c.peer, c.fd, DELIVERED, call->logged);
	CHECK_FAILS(call->run(c.fd, text, sizeof text), EPIPE);
	CHECK_FAILS(call->run(c.fd, text, sizeof text), EPIPE);
	return 0;
}
