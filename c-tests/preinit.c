/*
 * preinit: the program calls a hooked function from DT_PREINIT_ARRAY, before any library's constructor. libc does not
 * know the environment yet; the settings are read all the same, later.
 */
#include "check.h"

static void early(void)
{
	signal(SIGUSR1, SIG_IGN);
}

__attribute__((section(".preinit_array"), used)) static void (*const preinit)(void) = early;

int main(void)
{
	CHECK(signal(SIGUSR1, SIG_DFL) == SIG_IGN);
	struct connection c = dead_tcp("v4");
	expect_dead(&c, "write", "");
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	return 0;
}
