/*
 * one_shot CASE: with -std=c11 signal() is __sysv_signal(): the handler runs for one signal, the next one finds
 * SIG_DFL.
 *   vanish  ten peers vanish, and the handler does not run
 *   runs    (NOPIPE_HANDLERS=run) ten peers vanish, and the handler runs for the first
 *   raise   the program raises SIGPIPE twice: the second one kills, as without the library
 */
#include "check.h"

void (*iso_signal(int number, void (*handler)(int)))(int); /* parts/iso_signal.c */

static volatile sig_atomic_t ran;

static void count(int number)
{
	(void)number;
	ran++;
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	CHECK(iso_signal(SIGPIPE, count) == SIG_DFL);
	if (strcmp(argv[1], "raise") == 0) {
		raise(SIGPIPE);
		say("same the handler ran %d time", ran);
		raise(SIGPIPE);
		CHECK(!"killed");
	}
	int runs = strcmp(argv[1], "runs") == 0;
	for (int i = 0; i < 10; i++) {
		struct connection c = dead_tcp("v4");
		expect_dead(&c, "write", runs ? "handler=" : "handler=skipped");
		CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	}
	CHECK(ran == runs);
	return 0;
}
