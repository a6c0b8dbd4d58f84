/*
 * one_client CASE: a process that serves one connection, its standard input and output as under inetd, and writes on
 * blindly when the client has gone.
 *
 * It goes on for ever, and does nothing else: natively SIGPIPE ends it, and so it must in the end. LEFT if it does not.
 *   tick      50 failures a second
 *   stdin     the same, and only its standard input is the connection
 *   stdout    the same, and only its standard output is
 *   endless   as fast as it can
 *
 * It is done soon: it must not be ended before, nor held up.
 *   burst     20,000 failures at once, as a program of stdio makes with a large file
 *   short     500 a second for four seconds
 *
 * It goes on, but does something besides, or is no one-connection worker: never ended, whatever its result was natively.
 *   heartbeat  8 failures a second
 *   child      it has a child
 *   listener   it has a listener
 *   other      it has another client, who lives
 *   file       it has a file open for writing
 *   cpu        it computes for 9 ms before each write
 *   storage    it writes another file now and then
 *   stream     only its standard output is dead, and that is a unix stream (journald's, node's)
 *   journal    the same for a main program with a listener that writes 5,000 lines to it at once
 *
 * Natively that is no reason to end:
 *   handled    tick, with an empty handler of its own
 *   blocked    tick, with SIGPIPE blocked
 */
#include "check.h"

#include <time.h>

enum { LEFT = 8, FOREVER = 13, LONG = 8 /* seconds: one rule knows 5, one 10 */ };

static int out = 1; /* what it writes to */

static double seconds(void)
{
	struct timespec now;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void nothing(int signal)
{
	(void)signal;
}

static void compute(double for_seconds)
{
	struct timespec used;
	double until = -1, now;
	do {
		CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0);
		now = (double)used.tv_sec + (double)used.tv_nsec / 1e9;
		until = until < 0 ? now + for_seconds : until;
	} while (now < until);
}

/* To the disk, where /proc/self/io counts it; not kept open. */
static void store(void)
{
	static char bytes[8192];
	int file = open("stored", O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(file >= 0);
	put(file, bytes, sizeof bytes);
	fsync(file);
	close(file);
}

/* Fails `per_second` times a second for so long; 0: as often as it can. */
static void fail_on(int per_second, double for_seconds, void (*besides)(void))
{
	double before = seconds(), now = before, did = before;
	while ((now = seconds()) - before < for_seconds) {
		(void)!write(out, "tick\n", 5);
		if (besides && now - did > 0.3) {
			besides();
			did = now;
		}
		if (per_second > 0)
			usleep(1000000 / (unsigned)per_second);
	}
}

static void expect_one_line(const struct connection *c)
{
	say_to(2,
	       "expect transport=tcp cause=closed errno=EPIPE peer=%s local=%s fd=%d delivered=%d undelivered=%d call=write",
	       c->peer, c->local, out, DELIVERED, LOST);
}

/* The connection is standard input, output or both, and nothing else. */
static void serve(struct connection *c, int on_stdin, int on_stdout)
{
	if (on_stdin)
		CHECK(dup2(c->fd, 0) == 0);
	if (on_stdout)
		CHECK(dup2(c->fd, 1) == 1);
	out = on_stdout ? 1 : 0;
	close(c->fd);
	expect_one_line(c);
}

static int listener(void)
{
	struct sockaddr_storage address;
	socklen_t length;
	return listen_on("v4", &address, &length);
}

/* Standard output is a unix stream whose reader is gone. */
static void lose_stdout(void)
{
	int ends[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	CHECK(dup2(ends[0], 1) == 1);
	close(ends[0]);
	close(ends[1]);
	say_to(2, "expect transport=unix cause=closed errno=EPIPE fd=1 call=write");
}

static void live_on(const char *kind)
{
	if (strcmp(kind, "stream") == 0) {
		lose_stdout();
		return fail_on(50, LONG, NULL);
	}
	if (strcmp(kind, "journal") == 0) {
		struct sockaddr_storage address;
		socklen_t length;
		char byte;
		int on = listen_on("v4", &address, &length), client = socket(AF_INET, SOCK_STREAM, 0);
		lose_stdout();
		double before = seconds();
		for (int i = 0; i < 5000; i++)
			(void)!write(1, "a line of the log\n", 18);
		CHECK(seconds() - before < 4);
		CHECK(connect(client, (struct sockaddr *)&address, length) == 0);
		int fd = accept(on, NULL, NULL);
		CHECK(write(fd, "x", 1) == 1 && read(client, &byte, 1) == 1);
		return;
	}
	struct connection c = dead_tcp("v4");
	serve(&c, 1, 1);
	if (strcmp(kind, "heartbeat") == 0)
		return fail_on(8, FOREVER, NULL);
	if (strcmp(kind, "listener") == 0)
		listener();
	else if (strcmp(kind, "other") == 0)
		CHECK(tcp("v4").fd >= 0);
	else if (strcmp(kind, "file") == 0)
		CHECK(open("kept", O_CREAT | O_WRONLY, 0600) >= 0);
	else if (strcmp(kind, "cpu") == 0) {
		for (double before = seconds(); seconds() - before < LONG;) {
			compute(0.009);
			fail_on(1000, 0.0005, NULL);
		}
		return;
	} else if (strcmp(kind, "storage") == 0)
		return fail_on(50, LONG, store);
	else if (strcmp(kind, "handled") == 0)
		CHECK(signal(SIGPIPE, nothing) == SIG_DFL);
	else if (strcmp(kind, "blocked") == 0) {
		sigset_t sigpipe;
		sigemptyset(&sigpipe);
		sigaddset(&sigpipe, SIGPIPE);
		CHECK(sigprocmask(SIG_BLOCK, &sigpipe, NULL) == 0);
	} else if (strcmp(kind, "child") == 0) {
		int life[2];
		CHECK(pipe2(life, O_CLOEXEC) == 0);
		pid_t child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			/* It ends with its parent. */
			for (int fd = 0; fd < 16; fd++)
				if (fd != life[0])
					close(fd);
			char byte;
			(void)!read(life[0], &byte, 1);
			_exit(0);
		}
		CHECK(dup2(life[1], 2) == 2); /* nothing that is open for writing at 3 or above */
		close(life[0]);
		close(life[1]);
	} else
		CHECK(!"a case");
	fail_on(50, LONG, NULL);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	const char *kind = argv[1];
	int is_stdin = strcmp(kind, "stdin") == 0, is_stdout = strcmp(kind, "stdout") == 0;
	if (strcmp(kind, "tick") == 0 || strcmp(kind, "endless") == 0 || is_stdin || is_stdout) {
		struct connection c = dead_tcp("v4");
		serve(&c, !is_stdout, !is_stdin);
		fail_on(strcmp(kind, "endless") == 0 ? 0 : 50, FOREVER, NULL);
		return LEFT;
	}
	if (strcmp(kind, "burst") == 0 || strcmp(kind, "short") == 0) {
		struct connection c = dead_tcp("v4");
		serve(&c, 1, 1);
		double before = seconds();
		if (strcmp(kind, "burst") == 0)
			for (int i = 0; i < 20000; i++)
				(void)!write(1, "a piece of a large file", 23);
		else
			fail_on(500, 4, NULL);
		CHECK(seconds() - before < 4.9);
		/* Clean-up work. */
		store();
		CHECK(unlink("stored") == 0);
		return 0;
	}
	live_on(kind);
	return 0;
}
