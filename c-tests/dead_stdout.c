/*
 * dead_stdout stdio|write: the reader of standard output is gone before the program starts. The expectation goes to
 * standard error.
 */
#include "check.h"

int main(int argc, char **argv)
{
	struct stat stat;
	CHECK(argc == 2);
	CHECK(fstat(1, &stat) == 0 && S_ISFIFO(stat.st_mode));
	say_to(2, "expect transport=pipe cause=reader-gone peer=pipe:[%lu] fd=1 call=%s", (unsigned long)stat.st_ino,
	       strcmp(argv[1], "write") == 0 ? "write" : STDIO);
	if (strcmp(argv[1], "write") == 0) {
		CHECK_FAILS(write(1, "x", 1), EPIPE);
	} else {
		CHECK(fputs("hello", stdout) >= 0);
		CHECK_FAILS(fflush(stdout), EPIPE);
	}
	return 0;
}
