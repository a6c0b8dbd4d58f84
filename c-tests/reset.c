/* reset CALL: the peer resets the connection. The first write fails with ECONNRESET, without a signal; the second with EPIPE. */
#include "calls.h"

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	const struct call *call = call_named(argv[1]);
	struct connection c = tcp("v4");
	char bytes[64] = {0};

	deliver(&c, DELIVERED);
	leave_by_reset(&c);
	say("expect transport=tcp cause=reset errno=ECONNRESET peer=%s local=%s fd=%d delivered=%d undelivered=0 call=%s",
	    c.peer, c.local, c.fd, DELIVERED, call->logged);
	CHECK_FAILS(call->run(c.fd, bytes, sizeof bytes), ECONNRESET);
	CHECK_FAILS(call->run(c.fd, bytes, sizeof bytes), EPIPE);
	CHECK_FAILS(call->run(c.fd, bytes, sizeof bytes), EPIPE);
	return 0;
}
