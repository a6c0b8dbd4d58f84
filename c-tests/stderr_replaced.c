/* stderr_replaced: standard error becomes what standard input is (a daemon's /dev/null), then a peer vanishes. */
#include "check.h"

int main(void)
{
	CHECK(dup2(0, 2) == 2);
	struct connection c = dead_tcp("v4");
	expect_dead(&c, "write", "");
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	return 0;
}
