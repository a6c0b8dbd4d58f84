/* vanished_tcp CALL FAMILY: the peer has closed, and the program goes on writing. */
#include "calls.h"

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	const struct call *call = call_named(argv[1]);
	struct connection c = dead_tcp(argv[2]);
	char bytes[64] = {0};

	expect_dead(&c, call->logged, "handler=");
	CHECK_FAILS(call->run(c.fd, bytes, sizeof bytes), EPIPE);
	CHECK_FAILS(call->run(c.fd, bytes, sizeof bytes), EPIPE);
	return 0;
}
