/*
 * daemon CASE: the program closes every descriptor and uses the numbers again, as daemons do. No line of the library may
 * ever go into one of its files.
 *   others  descriptors from 3 on
 *   all     also standard input, output and error, whatever they were
 */
#include "check.h"

enum { FILES = 40 };

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	int first = strcmp(argv[1], "all") == 0 ? 0 : 3;
	int told = dup(1);
	CHECK(told >= 0);
	CHECK(dup2(told, 200) == 200); /* to tell the harness by */

	/* One line while the old descriptors are there. */
	struct connection before = dead_tcp("v4");
	say("expect peer=%s call=write", before.peer);
	CHECK_FAILS(write(before.fd, "x", 1), EPIPE);

	for (int fd = first; fd < 200; fd++)
		close(fd);
	for (int fd = first; fd < FILES; fd++) {
		char name[16];
		snprintf(name, sizeof name, "data.%d", fd);
		CHECK(open(name, O_RDWR | O_CREAT | O_APPEND, 0600) == fd);
	}
	for (int i = 0; i < 5; i++) {
		struct connection c = dead_tcp("v4");
		say_to(200, "expect peer=%s call=write fd=%d", c.peer, c.fd);
		CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
		CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
		close(c.fd);
	}
	for (int fd = first; fd < FILES; fd++) {
		struct stat stat;
		CHECK(fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_size == 0);
	}
	/* Nothing is open but what the program has opened. */
	for (int fd = FILES; fd < 200; fd++)
		CHECK_FAILS(fcntl(fd, F_GETFD), EBADF);
	return 0;
}
