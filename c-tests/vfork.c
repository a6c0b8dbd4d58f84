/*
 * vfork CASE: a vfork child borrows its parent's memory, not its dispositions: what it sets for SIGPIPE applies to
 * the program that it starts. The parent's record, its kernel disposition and its counters stay.
 *   default, handler, ignored  the parent's own disposition
 *   fails                      the child writes to a vanished peer; the parent still reports that peer
 */
#include "counted.h"

static void handler(int signal)
{
	(void)signal;
}

static void other_handler(int signal)
{
	(void)signal;
}

static void set_by_signal(void)
{
	signal(SIGPIPE, SIG_IGN);
	CHECK(signal(SIGPIPE, SIG_DFL) == SIG_IGN);
}

static void set_by_sigaction(void)
{
	struct sigaction old;
	CHECK(sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL) == 0);
	CHECK(sigaction(SIGPIPE, &(struct sigaction){.sa_handler = other_handler}, &old) == 0);
	CHECK(old.sa_handler == SIG_IGN);
}

int main(int argc, char **argv)
{
	static void (*const ways[])(void) = {set_by_signal, set_by_sigaction};
	CHECK(argc == 2);
	const char *kind = argv[1];
	void (*own)(int) = strcmp(kind, "handler") == 0 ? handler : strcmp(kind, "ignored") == 0 ? SIG_IGN : SIG_DFL;
	CHECK(signal(SIGPIPE, own) == SIG_DFL);
	int caught = sigpipe_in("SigCgt"), ignored = sigpipe_in("SigIgn");
	struct connection c = dead_tcp("v4");

	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		struct sigaction now;
		pid_t child = vfork();
		if (child == 0) {
			if (strcmp(kind, "fails") == 0)
				CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
			ways[i]();
			_exit(0);
		}
		wait_for_success(child);
		CHECK(sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == own);
		CHECK(sigpipe_in("SigCgt") == caught && sigpipe_in("SigIgn") == ignored);
	}
	CHECK_COUNTED(0);
	expect_dead(&c, "write", strcmp(kind, "handler") == 0 ? "handler=skipped" : "handler=");
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	CHECK_COUNTED(2);
	return 0;
}
