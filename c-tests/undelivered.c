/*
 * undelivered CASE: the counts of bytes.
 *   lost     a whole response was read, the peer closed, the next write is lost
 *   outgoing the same, but the program is the one that connected
 *   unread   the peer closes without having read: the kernel has acknowledged the bytes all the same
 *   stuck    the peer does not read, the send buffer is full, the peer leaves
 */
#include "check.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

static void lost(struct connection c)
{
	char bytes[100] = {0};
	deliver(&c, 48211);
	leave_by_close(&c);
	CHECK(write(c.fd, bytes, sizeof bytes) == sizeof bytes);
	wait_for(c.fd, 0);
	say("expect cause=closed peer=%s local=%s delivered=48211 undelivered=100", c.peer, c.local);
	CHECK_FAILS(write(c.fd, bytes, sizeof bytes), EPIPE);
}

static void unread(void)
{
	struct connection c = tcp("v4");
	char bytes[30000] = {0};
	CHECK(write(c.fd, bytes, sizeof bytes) == sizeof bytes);
	CHECK(recv(c.far, bytes, sizeof bytes, MSG_WAITALL | MSG_PEEK) == sizeof bytes);
	close(c.far);
	wait_for(c.fd, 0);
	say("expect cause=reset peer=%s delivered=30000 undelivered=0", c.peer);
	CHECK_FAILS(write(c.fd, bytes, 1), ECONNRESET);
}

static void stuck(void)
{
	struct connection c = tcp("v4");
	char bytes[65536] = {0};
	long total = 0, undelivered = 0;
	ssize_t sent;
	CHECK(fcntl(c.fd, F_SETFL, O_NONBLOCK) == 0);
	while ((sent = write(c.fd, bytes, sizeof bytes)) > 0)
		total += sent;
	CHECK(errno == EAGAIN);
	leave_by_reset(&c);
	CHECK(syscall(SYS_ioctl, c.fd, SIOCOUTQ, &undelivered) == 0);
	CHECK(undelivered > 0 && undelivered < total);
	say("expect cause=reset peer=%s delivered=%ld undelivered=%ld", c.peer, total - undelivered, undelivered);
	CHECK_FAILS(write(c.fd, bytes, 1), ECONNRESET);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	if (strcmp(argv[1], "lost") == 0)
		lost(tcp("v4"));
	else if (strcmp(argv[1], "outgoing") == 0)
		lost(tcp_outgoing("v4"));
	else if (strcmp(argv[1], "unread") == 0)
		unread();
	else
		stuck();
	return 0;
}
