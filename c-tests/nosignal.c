/* nosignal CALL: a program that asks for MSG_NOSIGNAL itself was never in danger, and its peer is logged too. */
#include "check.h"

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	struct connection c = dead_tcp("v4");
	char byte = 0;
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	struct mmsghdr messages = {.msg_hdr = message};

	expect_dead(&c, argv[1], "");
	if (strcmp(argv[1], "send") == 0)
		CHECK_FAILS(send(c.fd, &byte, 1, MSG_NOSIGNAL), EPIPE);
	else if (strcmp(argv[1], "sendto") == 0)
		CHECK_FAILS(sendto(c.fd, &byte, 1, MSG_NOSIGNAL, NULL, 0), EPIPE);
	else if (strcmp(argv[1], "sendmsg") == 0)
		CHECK_FAILS(sendmsg(c.fd, &message, MSG_NOSIGNAL), EPIPE);
	else
		CHECK_FAILS(sendmmsg(c.fd, &messages, 1, MSG_NOSIGNAL), EPIPE);
	return 0;
}
