/* time64 CALL: a program with times of 64 bits (the Makefile says so). 32-bit libc has other names for calls then. */
#include "check.h"

#include <sys/uio.h>

static ssize_t call(const char *name, int fd)
{
	char bytes[64] = {0};
	struct iovec part = {bytes, sizeof bytes};
	struct mmsghdr messages = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};
	if (strcmp(name, "sendmsg") == 0)
		return sendmsg(fd, &messages.msg_hdr, 0);
	return sendmmsg(fd, &messages, 1, 0);
}

int main(int argc, char **argv)
{
	_Static_assert(sizeof(time_t) == 8, "_TIME_BITS");
	CHECK(argc == 2);
	struct connection c = dead_tcp("v4");
	expect_dead(&c, strcmp(argv[1], "sendmsg") == 0 ? "sendmsg" : SENDMMSG, "");
	for (int i = 0; i < 2; i++)
		CHECK_FAILS(call(argv[1], c.fd), EPIPE);
	return 0;
}
