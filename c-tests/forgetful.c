/*
 * forgetful CASE: the program destroys what it was started with.
 *   environment  clearenv(): the settings from the start still apply
 *   memory       the environment's and the arguments' bytes are overwritten, as setproctitle() does: the name stays
 *   name         prctl(PR_SET_NAME)
 *   child        a program started without an environment does not load the library: it dies of SIGPIPE
 *   root         chroot to an empty directory (needs root): no file can be opened there, but the program lives
 */
#include "check.h"

#include <sys/prctl.h>

extern char **environ;

static void overwrite(int argc, char **argv)
{
	for (char **variable = environ; *variable; variable++)
		memset(*variable, 'x', strlen(*variable));
	for (int i = 0; i < argc; i++)
		memset(argv[i], 'x', strlen(argv[i]));
}

static void start_child(void)
{
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		execle("/proc/self/exe", "forgetful", "unprotected", NULL, (char *[]){NULL});
		_exit(FAILED);
	}
	int status;
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	const char *kind = argv[1];
	struct connection c = dead_tcp("v4");
	if (strcmp(kind, "environment") == 0) {
		CHECK(clearenv() == 0);
	} else if (strcmp(kind, "memory") == 0) {
		overwrite(argc, argv);
	} else if (strcmp(kind, "name") == 0) {
		CHECK(prctl(PR_SET_NAME, "another") == 0);
	} else if (strcmp(kind, "child") == 0) {
		start_child();
	} else if (strcmp(kind, "root") == 0) {
		CHECK((mkdir("empty", 0700) == 0 || errno == EEXIST) && chroot("empty") == 0 && chdir("/") == 0);
	} else if (strcmp(kind, "unprotected") == 0) {
		CHECK(sigpipe_in("SigCgt") == 0 && sigpipe_in("SigIgn") == 0);
	}
	if (strcmp(kind, "unprotected") != 0)
		expect_dead(&c, "write", "");
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	return 0;
}
