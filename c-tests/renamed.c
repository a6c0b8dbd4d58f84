/*
 * renamed CASE (NOPIPE_ONLY names it): the program starts itself again with an argv[0] that differs from the name that
 * the kernel keeps, as the interpreter of a script has two names.
 *   odd     a name with characters that the log replaces
 *   script  a child of the same name sees that its parent is under the library, and ends by SIGPIPE as pipelines do
 */
#include "check.h"

static void start_as(const char *name, const char *stage)
{
	execl("/proc/self/exe", name, stage, NULL);
	_exit(FAILED);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	const char *kind = argv[1];
	if (strcmp(kind, "odd") == 0)
		start_as("my pr\xc3\xb6g+", "peer");
	if (strcmp(kind, "script") == 0)
		start_as("interpreter", "parent");
	if (strcmp(kind, "peer") == 0) {
		struct connection c = dead_tcp("v4");
		expect_dead(&c, "write", "program=my_pr__g_");
		CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
		return 0;
	}
	if (strcmp(kind, "child") == 0) {
		CHECK_FAILS(write(1, "x", 1), EPIPE);
		return 0;
	}
	struct dead_pipe dead = dead_pipe();
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		CHECK(dup2(dead.fd, 1) == 1);
		start_as(argv[0], "child");
	}
	wait_for_sigpipe(child);
	return 0;
}
