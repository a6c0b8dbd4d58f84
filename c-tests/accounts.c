/*
 * accounts CASE: for tests of the log. `expect` lines say who vanished; one line on standard output says how each was
 * accounted for: lines, suppressed, dropped.
 *   peers N  N peers vanish, one after the other
 *   hangup   the same for one, after the terminal that is standard error was hung up (its other end is descriptor 3)
 *   flush N  the same for N, and the last one more at exit, when libc flushes a stream that nobody has flushed
 *   forks N  N children, forked first, lose one each, one child after the other
 *   flood N  N peers at once; then SIGTERM ends the program
 */
#include "counted.h"

static void lose_one(void)
{
	struct connection c = dead_tcp("v4");
	expect_dead(&c, "write", "");
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	close(c.fd);
}

int main(int argc, char **argv)
{
	CHECK(argc >= 2);
	int peers = argc > 2 ? atoi(argv[2]) : 1;
	if (strcmp(argv[1], "hangup") == 0) {
		struct pollfd terminal = {.fd = 2, .events = 0};
		CHECK(isatty(2) && close(3) == 0);
		CHECK(poll(&terminal, 1, 5000) == 1 && terminal.revents & POLLHUP);
	}
	if (strcmp(argv[1], "forks") == 0) {
		int go[2], status;
		char byte;
		CHECK(pipe(go) == 0);
		for (int i = 0; i < peers; i++) {
			pid_t child = fork();
			CHECK(child >= 0);
			if (child == 0) {
				CHECK(read(go[0], &byte, 1) == 1);
				lose_one();
				_exit(0);
			}
		}
		for (int i = 0; i < peers; i++) {
			CHECK(write(go[1], "x", 1) == 1);
			CHECK(wait(&status) > 0 && status == 0);
		}
		return 0;
	}
	for (int i = 0; i < peers; i++)
		lose_one();
	if (strcmp(argv[1], "flood") == 0)
		kill(getpid(), SIGTERM);
	say("accounts %ld %ld %ld", counted(LINES), counted(SUPPRESSED), counted(DROPPED));
	if (strcmp(argv[1], "flush") == 0) {
		struct connection c = dead_tcp("v4");
		FILE *stream = fdopen(c.fd, "w");
		CHECK(stream && fputs("bye\n", stream) >= 0);
		expect_dead(&c, "write", "");
	}
	return 0;
}
