/*
 * outsider CASE: what another library does before the preloaded one has started, or after main; see parts/outsider.c.
 *   write, send, splice  its constructor writes to vanished peers
 *   sigaction, ignore    its constructor sets a disposition, which holds in main
 *   raise                its constructor raises SIGPIPE: that kills, as without the library
 *   destructor           its destructor writes to a vanished peer
 *   late                 the program's own constructor, which runs after the preloaded library's, writes to such a peer
 *   flush                exit() flushes a stream whose peer has vanished
 */
#include "check.h"

void outsider_after_start(void);
const char *outsider_kind(void);

__attribute__((constructor)) static void late(void)
{
	if (strcmp(outsider_kind(), "late") != 0)
		return;
	struct connection c = dead_tcp("v4");
	expect_dead(&c, "write", "");
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	outsider_after_start();
	if (strcmp(argv[1], "flush") == 0) {
		struct connection c = dead_tcp("v4");
		FILE *stream = fdopen(c.fd, "w");
		CHECK(stream);
		CHECK(fputs("bye\n", stream) >= 0);
		expect_dead(&c, STDIO, "");
	}
	return 0;
}
