/*
 * waiting_sender CASE CALL: a unix stream whose peer shuts its reading while the sender waits for room in the buffer. The
 * call fails with EPIPE, and the kernel sends no SIGPIPE (net/unix/af_unix.c, sock_alloc_send_pskb). The next call
 * fails with EPIPE and SIGPIPE as ever.
 *   default  the program lives on, with one event
 *   handler  the program's own handler does not run
 *   pending  SIGPIPE is blocked: none is pending
 */
#include "calls.h"
#include "counted.h"

static int far;
static pid_t sender;
static volatile sig_atomic_t ran;

static void handler(int signal)
{
	(void)signal;
	ran++;
}

/* The state of a thread, as /proc/PID/task/TID/stat shows it: S while it sleeps. */
static char state_of(pid_t tid)
{
	char path[64], text[512];
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	ssize_t length = read(fd, text, sizeof text - 1);
	CHECK(length > 0);
	close(fd);
	text[length] = 0;
	char *end = strrchr(text, ')');
	CHECK(end && end[1] == ' ');
	return end[2];
}

static void *shut_reading(void *arg)
{
	(void)arg;
	for (int asleep = 0; asleep < 20; usleep(5000))
		asleep = state_of(sender) == 'S' ? asleep + 1 : 0;
	CHECK(shutdown(far, SHUT_RD) == 0);
	return NULL;
}

static int is_pending(void)
{
	sigset_t pending;
	CHECK(sigpending(&pending) == 0);
	return sigismember(&pending, SIGPIPE);
}

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	const char *kind = argv[1];
	const struct call *call = call_named(argv[2]);
	char bytes[4096] = {0};
	int ends[2];
	pthread_t thread;
	sigset_t sigpipe;
	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	if (strcmp(kind, "handler") == 0)
		CHECK(signal(SIGPIPE, handler) == SIG_DFL);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	far = ends[1];
	while (syscall(SYS_sendto, ends[0], bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0) > 0)
		;
	CHECK(errno == EAGAIN);
	sender = gettid();
	/* The other thread has SIGPIPE blocked, so that a signal sent to the process could only come here. */
	CHECK(pthread_sigmask(SIG_BLOCK, &sigpipe, NULL) == 0);
	CHECK(pthread_create(&thread, NULL, shut_reading, NULL) == 0);
	if (strcmp(kind, "pending") != 0)
		CHECK(pthread_sigmask(SIG_UNBLOCK, &sigpipe, NULL) == 0);

	CHECK_FAILS(call->run(ends[0], bytes, sizeof bytes), EPIPE);
	CHECK(!is_pending());
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(!is_pending());
	CHECK(ran == 0);
	CHECK_COUNTED(1);
	/* Its own shutdown(SHUT_WR) would leave the sockets in the same state: either cause will do. */
	say("expect transport=unix errno=EPIPE fd=%d call=%s handler=", ends[0], call->logged);
	if (strcmp(kind, "pending") == 0) {
		CHECK_FAILS(call->run(ends[0], bytes, sizeof bytes), EPIPE);
		CHECK(is_pending());
		CHECK_COUNTED(2);
	}
	return 0;
}
