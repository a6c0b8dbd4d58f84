/* vanished_pipe CALL pipe|fifo: the reader of a pipe is gone. */
#include "calls.h"

static struct dead_pipe dead_fifo(void)
{
	char path[64];
	struct stat stat;
	struct dead_pipe dead;
	snprintf(path, sizeof path, "fifo.%d", getpid());
	CHECK(mkfifo(path, 0600) == 0);
	int reader = open(path, O_RDONLY | O_NONBLOCK);
	CHECK(reader >= 0);
	dead.fd = open(path, O_WRONLY);
	CHECK(dead.fd >= 0);
	close(reader);
	unlink(path);
	CHECK(fstat(dead.fd, &stat) == 0);
	snprintf(dead.name, sizeof dead.name, "pipe:[%lu]", (unsigned long)stat.st_ino);
	return dead;
}

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	const struct call *call = call_named(argv[1]);
	struct dead_pipe dead = strcmp(argv[2], "fifo") == 0 ? dead_fifo() : dead_pipe();
	char bytes[64] = {0};

	expect_dead_pipe(&dead, call->logged);
	CHECK_FAILS(call->run(dead.fd, bytes, sizeof bytes), EPIPE);
	CHECK_FAILS(call->run(dead.fd, bytes, sizeof bytes), EPIPE);
	return 0;
}
