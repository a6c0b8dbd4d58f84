/*
 * no_trace N: N peers vanish (by reset, by close, from pipes), and the process stays as it was: the same descriptors,
 * one thread, the same blocked signals.
 */
#include "check.h"

#include <dirent.h>

static int entries(const char *path)
{
	DIR *directory = opendir(path);
	int count = 0;
	CHECK(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	int peers = atoi(argv[1]);
	int before = entries("/proc/self/fd");
	for (int i = 0; i < peers; i++) {
		if (i % 3 == 0) {
			struct dead_pipe dead = dead_pipe();
			expect_dead_pipe(&dead, "write");
			CHECK_FAILS(write(dead.fd, "x", 1), EPIPE);
			close(dead.fd);
			continue;
		}
		struct connection c = i % 3 == 1 ? dead_tcp("v4") : tcp("v6");
		if (i % 3 == 1) {
			expect_dead(&c, "write", "");
			CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
		} else {
			leave_by_reset(&c);
			say("expect cause=reset peer=%s", c.peer);
			CHECK_FAILS(send(c.fd, "x", 1, 0), ECONNRESET);
		}
		close(c.fd);
	}
	CHECK(entries("/proc/self/fd") == before);
	CHECK(entries("/proc/self/task") == 2 + 1);
	CHECK(sigpipe_in("SigBlk") == 0);
	return 0;
}
