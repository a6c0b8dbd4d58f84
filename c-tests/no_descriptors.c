/*
 * no_descriptors: the program has used up its descriptors when a peer vanishes. Nothing hangs, the call fails as it
 * should, and the next line shows that one was dropped.
 */
#include "check.h"

#include <sys/resource.h>

int main(void)
{
	struct connection c = dead_tcp("v4"), d = dead_tcp("v4");
	struct rlimit before, none;
	CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
	none = before;
	none.rlim_cur = 0;
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
	expect_dead(&d, "write", "dropped=1");
	CHECK_FAILS(write(d.fd, "x", 1), EPIPE);
	return 0;
}
