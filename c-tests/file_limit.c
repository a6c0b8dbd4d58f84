/*
 * file_limit BYTES: the program's files may not grow beyond BYTES (`ulimit -f`, systemd's LimitFSIZE=). A program that
 * writes more is killed by SIGXFSZ: no log line is worth that. It prints nothing, because its output is a file.
 */
#include "check.h"

#include <sys/resource.h>

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	rlim_t bytes = (rlim_t)atoi(argv[1]);
	CHECK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){bytes, bytes}) == 0);
	/* The first line may be cut short; only the next one finds the file full. */
	for (int i = 0; i < 3; i++) {
		struct connection c = dead_tcp("v4");
		sigset_t pending;
		CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
		sigemptyset(&pending); /* the kernel writes 64 signals; glibc before 2.32 compares 1024 */
		CHECK(sigpending(&pending) == 0 && sigisemptyset(&pending));
	}
	return 0;
}
