/*
 * mptcp: the peer of a Multipath TCP connection resets it. The kernel's TCP_INFO does not describe this kind of
 * socket: a byte count that cannot be known is left out.
 */
#include "check.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

int main(void)
{
	struct sockaddr_storage address;
	socklen_t length = loopback("v4", &address);
	struct connection c;
	int listener = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
	CHECK(listener >= 0);
	CHECK(bind(listener, (struct sockaddr *)&address, length) == 0);
	CHECK(listen(listener, 1) == 0);
	CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
	c.far = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
	CHECK(connect(c.far, (struct sockaddr *)&address, length) == 0);
	c.fd = accept(listener, NULL, NULL);
	CHECK(c.fd >= 0);
	name_of(c.far, c.peer);
	name_of(c.fd, c.local);
	deliver(&c, DELIVERED);
	leave_by_reset(&c);
	say("expect transport=mptcp cause=reset errno=ECONNRESET peer=%s local=%s call=write fd=%d delivered=", c.peer,
	    c.local, c.fd);
	CHECK_FAILS(write(c.fd, "x", 1), ECONNRESET);
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	return 0;
}
