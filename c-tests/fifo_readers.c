/*
 * fifo_readers [keep|reopen]: one reader of a named FIFO after the other leaves. Each is a peer of its own, and gets its
 * line, once; the program keeps its descriptor, or opens the FIFO again for each.
 */
#include "check.h"

enum { READERS = 3 };

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	char path[64], byte;
	struct stat stat;
	int fd = -1;
	snprintf(path, sizeof path, "fifo.%d", getpid());
	CHECK(mkfifo(path, 0600) == 0);
	for (int i = 0; i < READERS; i++) {
		int reader = open(path, O_RDONLY | O_NONBLOCK);
		CHECK(reader >= 0);
		if (fd < 0 || strcmp(argv[1], "reopen") == 0) {
			close(fd);
			fd = open(path, O_WRONLY);
		}
		CHECK(fd >= 0 && fstat(fd, &stat) == 0);
		CHECK(write(fd, "x", 1) == 1 && read(reader, &byte, 1) == 1);
		usleep(20000);
		close(reader);
		say("expect transport=pipe cause=reader-gone errno=EPIPE peer=pipe:[%lu] fd=%d call=write",
		    (unsigned long)stat.st_ino, fd);
		for (int times = 0; times < 3; times++)
			CHECK_FAILS(write(fd, "x", 1), EPIPE);
	}
	unlink(path);
	return 0;
}
