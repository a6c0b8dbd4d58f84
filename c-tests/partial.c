/*
 * partial CASE: a call writes a part before the other end goes: the kernel sends SIGPIPE *and* returns the count. The
 * connection gets one line: at once where the signal handler sees it, else when the next call fails with EPIPE.
 *   pipe      write of 1 MiB to a pipe whose reader leaves midway
 *   sendfile  1 MiB to a connection that the peer has closed: the answer to the first part is a RST
 *   sendmmsg  two messages to such a connection: the second one fails
 */
#include "calls.h"

static char big[1 << 20];

static void *read_a_part(void *arg)
{
	int fd = *(int *)arg;
	char bytes[4096];
	for (int i = 0; i < 32; i++)
		CHECK(read(fd, bytes, sizeof bytes) > 0);
	close(fd);
	return NULL;
}

static void pipe_write(void)
{
	int ends[2];
	struct stat stat;
	struct dead_pipe dead;
	pthread_t reader;
	CHECK(pipe(ends) == 0);
	CHECK(fstat(ends[1], &stat) == 0);
	dead.fd = ends[1];
	snprintf(dead.name, sizeof dead.name, "pipe:[%lu]", (unsigned long)stat.st_ino);
	CHECK(pthread_create(&reader, NULL, read_a_part, &ends[0]) == 0);
	errno = 1234;
	ssize_t wrote = write(dead.fd, big, sizeof big);
	CHECK(wrote > 0 && wrote < (ssize_t)sizeof big);
	CHECK(errno == 1234);
	pthread_join(reader, NULL);
	expect_dead_pipe(&dead, "write");
	CHECK_FAILS(write(dead.fd, big, sizeof big), EPIPE);
}

static void send_file(void)
{
	struct connection c = tcp("v4");
	int file = file_of(big, sizeof big);
	leave_by_close(&c);
	ssize_t sent = sendfile(c.fd, file, NULL, sizeof big);
	CHECK(sent > 0 && sent < (ssize_t)sizeof big);
	say("expect cause=closed call=sendfile peer=%s fd=%d errno=EPIPE", c.peer, c.fd);
	CHECK_FAILS(sendfile(c.fd, file, NULL, sizeof big), EPIPE);
}

static void send_messages(void)
{
	struct connection c = tcp("v4");
	struct iovec part = {big, 100};
	struct mmsghdr messages[2] = {{.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}},
				      {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}}};
	leave_by_close(&c);
	CHECK(sendmmsg(c.fd, messages, 2, 0) == 1);
	say("expect cause=closed call=" SENDMMSG " peer=%s fd=%d errno=EPIPE undelivered=100", c.peer, c.fd);
	CHECK_FAILS(sendmmsg(c.fd, messages, 2, 0), EPIPE);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	if (strcmp(argv[1], "pipe") == 0)
		pipe_write();
	else if (strcmp(argv[1], "sendfile") == 0)
		send_file();
	else
		send_messages();
	return 0;
}
