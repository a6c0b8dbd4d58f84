/*
 * runaway CASE CALL [COUNT]: a program that writes on and on to a vanished peer and never looks at the result. Without
 * SIGPIPE it would use a whole CPU for ever: it exits with BUSY if it uses more than a tenth of one.
 *   main        the process that was started
 *   pipe        the same, on a pipe: nobody slows it down (BUSY)
 *   inetd       its standard input and output are the connection, as under inetd or tcpserver
 *   stdin       only its standard input is
 *   blocked     as inetd, with SIGPIPE blocked: without the library it would not end either (BUSY)
 *   worker      it was forked for this connection; it also has its parent's listener and one more dead connection
 *   prefork     it was forked, and has another client that is still connected
 *   background  it has forked itself into the background: its parent is init
 *   twice       the same by two forks; the session's leader is gone
 *   reaped      the same where a service manager adopts orphans: its parent is in another session
 *   service     a worker that was forked by a process in the background
 *   ignored     SIGPIPE is ignored: without the library it runs on, too (BUSY)
 *   handler     a handler of its own ends it (HANDLER_RAN)
 *   spared      the same where that handler does not run: it might as well do nothing (BUSY)
 *   count       COUNT failures and no more: nothing happens
 *   different   1500 peers vanish, one after the other, the program closes each after two failures
 * A process that serves one connection (inetd, stdin, worker, service) ends after five seconds; it exits if it does not.
 */
#include "calls.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>

enum { BUSY = 8, WINDOW = 1, /* seconds */ LEFT_AFTER = 9 };

static const struct call *call;
static int ends_alone;  /* it serves one connection: it must end before LEFT_AFTER seconds have gone */
static int report = -1; /* where a process in the background tells how it ends */

static double cpu_seconds(void)
{
	struct rusage used;
	CHECK(getrusage(RUSAGE_SELF, &used) == 0);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void measure(int signal)
{
	static double before = -1;
	static int left = LEFT_AFTER / WINDOW;
	(void)signal;
	double used = cpu_seconds() - before;
	before += used;
	if (left-- == LEFT_AFTER / WINDOW)
		return;
	char status = used > WINDOW / 10.0 ? BUSY : 0;
	if (ends_alone && left > 0 && status == 0)
		return;
	if (report >= 0)
		put(report, &status, 1);
	_exit(status);
}

static void run_away(int fd)
{
	/* A process that serves one connection may do for a second what it likes. */
	struct itimerval windows = {.it_value = {ends_alone, 500000}, .it_interval.tv_sec = WINDOW};
	char bytes[64] = {0};
	CHECK(sigaction(SIGALRM, &(struct sigaction){.sa_handler = measure, .sa_flags = SA_RESTART}, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &windows, NULL) == 0);
	for (;;)
		call->run(fd, bytes, sizeof bytes);
}

static void expect_warning(int fd, const char *what)
{
	say("expect message=\"libnopipe: runaway: keeps writing to a dead connection: %s\" call=%s fd=%d", what,
	    call->logged, fd);
}

static pid_t fork_checked(void)
{
	pid_t child = fork();
	CHECK(child >= 0);
	return child;
}

/* Goes on in a child, once the parent is gone. */
static void orphaned(void)
{
	pid_t parent = getpid();
	if (fork_checked() > 0)
		_exit(0);
	while (getppid() == parent)
		usleep(1000);
}

static void into_background(int twice)
{
	orphaned();
	CHECK(setsid() >= 0);
	if (twice)
		orphaned();
}

/* Ends as the process at the other end of the pipe does: with the status in its byte, or killed if there is no byte. */
static void end_like(int end)
{
	char status;
	ssize_t length = read(end, &status, 1);
	CHECK(length >= 0);
	_exit(length == 1 ? status : 128 + SIGPIPE);
}

static void in_background(const char *kind, const struct connection *c)
{
	int ends[2];
	CHECK(pipe(ends) == 0);
	if (strcmp(kind, "reaped") == 0)
		CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	if (fork_checked() > 0) {
		close(ends[1]);
		end_like(ends[0]);
	}
	close(ends[0]);
	into_background(strcmp(kind, "twice") == 0);
	if (strcmp(kind, "service") == 0) {
		int status;
		pid_t child = fork_checked();
		if (child == 0)
			run_away(c->fd);
		CHECK(waitpid(child, &status, 0) == child);
		char killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE ? 0 : FAILED;
		put(ends[1], &killed, 1);
		_exit(0);
	}
	report = ends[1];
	run_away(c->fd);
}

static void different(void)
{
	char bytes[64] = {0};
	for (int i = 0; i < 1500; i++) {
		int ends[2];
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
		CHECK(close(ends[1]) == 0);
		CHECK_FAILS(call->run(ends[0], bytes, sizeof bytes), EPIPE);
		CHECK_FAILS(call->run(ends[0], bytes, sizeof bytes), EPIPE);
		CHECK(close(ends[0]) == 0);
	}
}

static void leave(int signal)
{
	(void)signal;
	_exit(HANDLER_RAN);
}

int main(int argc, char **argv)
{
	CHECK(argc == 3 || argc == 4);
	const char *kind = argv[1], *slowed = "slowed down", *ends = "ended by SIGPIPE";
	const char *limited = getenv("NOPIPE_RUNAWAY");
	call = call_named(argv[2]);
	if (strcmp(kind, "different") == 0) {
		different();
		return 0;
	}
	if (strcmp(kind, "pipe") == 0) {
		struct dead_pipe dead = dead_pipe();
		expect_dead_pipe(&dead, call->logged);
		if (limited && strncmp(limited, "kill", 4) == 0)
			expect_warning(dead.fd, ends);
		run_away(dead.fd);
	}

	struct connection c = dead_tcp("v4");
	if (strcmp(kind, "count") == 0) {
		expect_dead(&c, call->logged, "");
		char bytes[64] = {0};
		for (int left = atoi(argv[3]); left > 0; left--)
			CHECK_FAILS(call->run(c.fd, bytes, sizeof bytes), EPIPE);
	} else if (strcmp(kind, "main") == 0) {
		expect_dead(&c, call->logged, "");
		if (!limited || strcmp(limited, "off") != 0)
			expect_warning(c.fd, limited && strncmp(limited, "kill", 4) == 0 ? ends : slowed);
		run_away(c.fd);
	} else if (strcmp(kind, "ignored") == 0) {
		signal(SIGPIPE, SIG_IGN);
		expect_dead(&c, call->logged, "");
		run_away(c.fd);
	} else if (strcmp(kind, "handler") == 0 || strcmp(kind, "spared") == 0) {
		signal(SIGPIPE, leave);
		expect_dead(&c, call->logged, "handler=skipped");
		if (strcmp(kind, "handler") == 0)
			expect_warning(c.fd, ends);
		run_away(c.fd);
	} else if (strcmp(kind, "inetd") == 0 || strcmp(kind, "stdin") == 0 || strcmp(kind, "blocked") == 0) {
		expect_dead(&c, call->logged, "");
		ends_alone = !limited && strcmp(kind, "blocked") != 0;
		if (limited && strncmp(limited, "throttle", 8) == 0)
			expect_warning(c.fd, slowed);
		CHECK(dup2(c.fd, 0) == 0);
		if (strcmp(kind, "stdin") != 0)
			CHECK(dup2(c.fd, 1) == 1);
		if (strcmp(kind, "blocked") == 0) {
			sigset_t sigpipe;
			sigemptyset(&sigpipe);
			sigaddset(&sigpipe, SIGPIPE);
			CHECK(sigprocmask(SIG_BLOCK, &sigpipe, NULL) == 0);
		}
		run_away(c.fd);
	} else if (strcmp(kind, "worker") == 0 || strcmp(kind, "prefork") == 0) {
		int is_prefork = strcmp(kind, "prefork") == 0;
		struct sockaddr_storage address;
		socklen_t length;
		listen_on("v4", &address, &length);
		struct connection other = is_prefork ? tcp("v4") : dead_tcp("v4");
		CHECK(other.fd >= 0);
		expect_dead(&c, call->logged, "");
		ends_alone = !is_prefork;
		if (is_prefork)
			expect_warning(c.fd, slowed);
		pid_t child = fork_checked();
		if (child == 0)
			run_away(c.fd);
		wait_for_success(child);
	} else {
		expect_dead(&c, call->logged, "");
		ends_alone = strcmp(kind, "service") == 0;
		if (!ends_alone)
			expect_warning(c.fd, slowed);
		in_background(kind, &c);
	}
	return 0;
}
