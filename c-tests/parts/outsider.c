/*
 * A shared library that the program `outsider` needs: its constructor runs before that of a preloaded library, its
 * destructor after main.
 */
#include "../calls.h"

static char arguments[4096], *kind = arguments;
static struct connection left;

static void handler(int signal)
{
	(void)signal;
}

static void disposition_is(void (*expected)(int))
{
	struct sigaction now;
	CHECK(sigaction(SIGPIPE, NULL, &now) == 0);
	CHECK(now.sa_handler == expected);
}

const char *outsider_kind(void)
{
	return kind;
}

void outsider_after_start(void)
{
	disposition_is(strcmp(kind, "sigaction") == 0 ? handler : strcmp(kind, "ignore") == 0 ? SIG_IGN : SIG_DFL);
	if (strcmp(kind, "ignore") == 0)
		CHECK(sigpipe_in("SigIgn") == 1);
}

__attribute__((constructor)) static void before_main(void)
{
	/* glibc would hand over the arguments of main, musl does not. */
	int file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	CHECK(file >= 0 && read(file, arguments, sizeof arguments - 1) > 0);
	close(file);
	kind = arguments + strlen(arguments) + 1;
	if (strcmp(kind, "write") == 0 || strcmp(kind, "send") == 0 || strcmp(kind, "splice") == 0) {
		const struct call *call = call_named(kind);
		struct connection c = dead_tcp("v4");
		char bytes[64] = {0};
		expect_dead(&c, call->logged, "");
		CHECK_FAILS(call->run(c.fd, bytes, sizeof bytes), EPIPE);
		CHECK_FAILS(call->run(c.fd, bytes, sizeof bytes), EPIPE);
	} else if (strcmp(kind, "sigaction") == 0) {
		struct connection c = dead_tcp("v4");
		disposition_is(SIG_DFL);
		CHECK(sigaction(SIGPIPE, &(struct sigaction){.sa_handler = handler}, NULL) == 0);
		disposition_is(handler);
		expect_dead(&c, "write", "handler=skipped");
		CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	} else if (strcmp(kind, "ignore") == 0) {
		struct connection c = dead_tcp("v4");
		CHECK(signal(SIGPIPE, SIG_IGN) == SIG_DFL);
		expect_dead(&c, "write", "");
		CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	} else if (strcmp(kind, "raise") == 0) {
		raise(SIGPIPE); /* on purpose: dies */
	}
}

__attribute__((destructor)) static void after_main(void)
{
	if (strcmp(kind, "destructor") != 0)
		return;
	left = dead_tcp("v4");
	expect_dead(&left, "write", "");
	CHECK_FAILS(write(left.fd, "x", 1), EPIPE);
}
