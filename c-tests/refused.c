/*
 * refused CASE FAMILY CALL: connect fails, and the program writes all the same.
 *   blocking  connect fails with ECONNREFUSED
 *   checked   non-blocking; the program reads SO_ERROR, then writes
 *   unchecked non-blocking; the first write fails with ECONNREFUSED
 *   retried   refused, then the same socket connects: that peer vanishes
 *   reused    refused and closed; then the descriptor number belongs to a connection whose peer vanishes
 *   fastopen  no connect: a first send with MSG_FASTOPEN is refused
 *   never     connect was not even called: there is no address to name
 */
#include "calls.h"

int main(int argc, char **argv)
{
	CHECK(argc == 4);
	const char *kind = argv[1];
	const struct call *call = call_named(argv[3]);
	char text[64] = "text";
	struct sockaddr_storage target;
	socklen_t length;
	char name[64];

	/* A port where nobody listens: bound, so that nobody else gets it. */
	length = loopback(argv[2], &target);
	int holder = socket(target.ss_family, SOCK_STREAM, 0);
	CHECK(holder >= 0);
	CHECK(bind(holder, (struct sockaddr *)&target, length) == 0);
	CHECK(getsockname(holder, (struct sockaddr *)&target, &length) == 0);
	name_of(holder, name);

	int fd = socket(target.ss_family, SOCK_STREAM, 0);
	CHECK(fd >= 0);
	if (strcmp(kind, "blocking") == 0) {
		CHECK_FAILS(connect(fd, (struct sockaddr *)&target, length), ECONNREFUSED);
	} else if (strcmp(kind, "fastopen") == 0) {
		CHECK_FAILS(sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&target, length), ECONNREFUSED);
	} else if (strcmp(kind, "never") != 0) {
		CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
		CHECK_FAILS(connect(fd, (struct sockaddr *)&target, length), EINPROGRESS);
		wait_for(fd, POLLOUT);
	}
	if (strcmp(kind, "reused") == 0) {
		struct connection c = dead_tcp(argv[2]);
		CHECK(dup2(c.fd, fd) == fd);
		c.fd = fd;
		expect_dead(&c, SEND, "");
		CHECK_FAILS(send(fd, "x", 1, 0), EPIPE);
		return 0;
	}
	if (strcmp(kind, "retried") == 0) {
		struct connection c = {.fd = fd};
		int listener = listen_on(argv[2], &target, &length);
		CHECK(fcntl(fd, F_SETFL, 0) == 0);
		errno = 0;
		if (connect(fd, (struct sockaddr *)&target, length) != 0) /* the first may report the refusal */
			CHECK(errno == ECONNREFUSED && connect(fd, (struct sockaddr *)&target, length) == 0);
		c.far = accept(listener, NULL, NULL);
		CHECK(c.far >= 0);
		name_of(c.far, c.peer);
		name_of(fd, c.local);
		deliver(&c, DELIVERED);
		leave_by_close(&c);
		lose(&c, LOST);
		expect_dead(&c, SEND, "");
		CHECK_FAILS(send(fd, "x", 1, 0), EPIPE);
		return 0;
	}
	if (strcmp(kind, "checked") == 0) {
		int error;
		socklen_t size = sizeof error;
		CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == ECONNREFUSED);
	} else if (strcmp(kind, "unchecked") == 0) {
		CHECK_FAILS(send(fd, "x", 1, 0), ECONNREFUSED);
	}

	say("expect transport=tcp cause=never-connected errno=EPIPE call=%s fd=%d peer=%s", call->logged, fd,
	    strcmp(kind, "never") == 0 ? "unknown" : name);
	CHECK_FAILS(call->run(fd, text, sizeof text), EPIPE);
	CHECK_FAILS(call->run(fd, text, sizeof text), EPIPE);
	return 0;
}
