/*
 * untouched CASE: errno, SO_ERROR and results are the kernel's.
 *   start     errno is 0 when main begins, and no new descriptor is open
 *   success   a call that succeeds leaves errno alone, whatever the call
 *   so_error  the socket's pending error is there for the program to read
 *   others    failures that have nothing to do with a peer
 */
#include "calls.h"

#include <dirent.h>

static int errno_at_main;

static int pending_error(int fd)
{
	int error;
	socklen_t length = sizeof error;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0);
	return error;
}

static void start(void)
{
	CHECK(errno_at_main == 0);
	DIR *directory = opendir("/proc/self/fd");
	int count = 0;
	CHECK(directory);
	while (readdir(directory))
		count++;
	say("same %d entries in /proc/self/fd", count);
}

static void success(void)
{
	char bytes[64];
	memset(bytes, 'x', sizeof bytes);
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		int ends[2];
		struct connection c = tcp("v4");
		int fd = c.fd;
		if (calls[i].run == call_tee || calls[i].run == call_vmsplice) {
			CHECK(pipe(ends) == 0);
			fd = ends[1];
		}
		errno = 1234;
		ssize_t sent = calls[i].run(fd, bytes, sizeof bytes);
		CHECK(sent == sizeof bytes);
		CHECK(errno == 1234);
	}
}

static void so_error(void)
{
	/* This one is reset and not written to yet; then another connection's peer vanishes. */
	struct connection c = tcp("v4"), d = tcp("v4");
	leave_by_reset(&c);
	leave_by_reset(&d);
	say("expect cause=reset peer=%s errno=ECONNRESET", d.peer);
	CHECK_FAILS(send(d.fd, "x", 1, MSG_NOSIGNAL), ECONNRESET);
	CHECK(pending_error(d.fd) == 0); /* the failed call has taken it */
	CHECK(pending_error(c.fd) == ECONNRESET);
	CHECK(pending_error(c.fd) == 0);
	say("expect cause=closed peer=%s errno=EPIPE", c.peer);
	CHECK_FAILS(send(c.fd, "x", 1, MSG_NOSIGNAL), EPIPE);

	/* A socket that a failed call leaves with an error of its own. */
	struct connection e = dead_tcp("v4");
	expect_dead(&e, "send", "");
	CHECK_FAILS(send(e.fd, "x", 1, MSG_NOSIGNAL), EPIPE);
	say("same SO_ERROR after EPIPE: %d", pending_error(e.fd));
}

static void others(void)
{
	char bytes[65536] = {0};
	struct connection c = tcp("v4");
	int file = open("/dev/null", O_RDONLY);
	int udp = socket(AF_INET, SOCK_DGRAM, 0);
	int reader[2];
	void *volatile nowhere = (void *)1; /* volatile: the compiler would warn */
	CHECK(file >= 0 && udp >= 0 && pipe(reader) == 0);
	CHECK_FAILS(write(-1, bytes, 1), EBADF);
	CHECK_FAILS(write(file, bytes, 1), EBADF);
	CHECK_FAILS(write(reader[0], bytes, 1), EBADF);
	CHECK_FAILS(write(c.fd, nowhere, 1), EFAULT);
	CHECK_FAILS(send(-1, bytes, 1, 0), EBADF);
	CHECK_FAILS(send(file, bytes, 1, 0), ENOTSOCK);
	CHECK_FAILS(send(udp, bytes, 1, 0), EDESTADDRREQ);
	CHECK_FAILS(writev(c.fd, nowhere, 2000), EINVAL);
	CHECK_FAILS(splice(file, NULL, udp, NULL, 1, 0), EINVAL);
	CHECK_FAILS(sendfile(c.fd, udp, NULL, 1), EINVAL);
	CHECK_FAILS(tee(file, udp, 1, 0), EINVAL);
	CHECK_FAILS(connect(-1, NULL, 0), EBADF);
	CHECK(fcntl(c.fd, F_SETFL, O_NONBLOCK) == 0);
	while (write(c.fd, bytes, sizeof bytes) > 0)
		;
	CHECK(errno == EAGAIN);
	CHECK_FAILS(send(c.fd, bytes, 1, 0), EAGAIN);

	/* A datagram that nobody receives: its error comes with the next call. */
	struct sockaddr_storage nobody;
	socklen_t length = loopback("v4", &nobody);
	int holder = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(bind(holder, (struct sockaddr *)&nobody, length) == 0);
	CHECK(getsockname(holder, (struct sockaddr *)&nobody, &length) == 0);
	CHECK(close(holder) == 0);
	CHECK(connect(udp, (struct sockaddr *)&nobody, length) == 0);
	CHECK(send(udp, bytes, 1, 0) == 1);
	wait_for(udp, 0);
	CHECK_FAILS(send(udp, bytes, 1, 0), ECONNREFUSED);
}

int main(int argc, char **argv)
{
	errno_at_main = errno;
	CHECK(argc == 2);
	if (strcmp(argv[1], "start") == 0)
		start();
	else if (strcmp(argv[1], "success") == 0)
		success();
	else if (strcmp(argv[1], "so_error") == 0)
		so_error();
	else
		others();
	return 0;
}
