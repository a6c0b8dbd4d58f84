/*
 * many_settings CASE: an environment with 10,000 variables of the library's prefix that it does not understand. One warning
 * says so, not 10,000. (The program starts itself again with that environment.)
 *   unknown   10,000 names that are no setting
 *   values    10,000 times a setting with a value that it cannot have; environ(7) may hold a name twice
 */
#include "check.h"

enum { VARIABLES = 10000 };

extern char **environ;

static char texts[VARIABLES][32];
static char *variables[VARIABLES + 1000];

int main(int argc, char **argv)
{
	CHECK(argc == 2 || argc == 3);
	if (argc == 2) {
		int count = 0;
		for (char **own = environ; *own; own++) {
			CHECK(count < 900);
			variables[count++] = *own;
		}
		for (int i = 0; i < VARIABLES; i++) {
			if (strcmp(argv[1], "unknown") == 0)
				snprintf(texts[i], sizeof texts[i], "NOPIPE_V%d=secret%d", i, i);
			else
				snprintf(texts[i], sizeof texts[i], "NOPIPE_HANDLERS=secret%d", i);
			variables[count++] = texts[i];
		}
		execle("/proc/self/exe", "many_settings", argv[1], "started", NULL, variables);
		CHECK(!"exec");
	}
	struct connection c = dead_tcp("v4");
	expect_dead(&c, "write", "");
	say("expect cause= pid=%d", getpid()); /* the warning, whatever its words */
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	return 0;
}
