/*
 * blocked CASE CALL: SIGPIPE is blocked in the thread while the peer vanishes.
 *   unblock       later unblocked: without the library it kills then
 *   handler       blocked by the sa_mask of another signal's handler, in which the program writes
 *   ppoll         unblocked by ppoll with another mask
 *   stdio         a flush fails: its descriptor cannot be found out, so there is no line
 *   pending       sigpending shows it
 *   sigtimedwait  takes it back
 *   signalfd      takes it back
 *   libpq         the dance that libpq and others do around each send
 *   raise         a SIGPIPE sent on purpose while blocked kills when it is unblocked
 */
#include "calls.h"

#include <sys/signalfd.h>
#include <time.h>

static sigset_t sigpipe;

static int is_pending(void)
{
	sigset_t pending;
	CHECK(sigpending(&pending) == 0);
	return sigismember(&pending, SIGPIPE);
}

/* PQsecure_write() with pq_block_sigpipe() and pq_reset_sigpipe(), in short. */
static void libpq(const struct call *call, int fd)
{
	sigset_t before;
	int number;
	char bytes[64] = {0};
	CHECK(pthread_sigmask(SIG_BLOCK, &sigpipe, &before) == 0);
	int was_pending = sigismember(&before, SIGPIPE) && is_pending();
	CHECK_FAILS(call->run(fd, bytes, sizeof bytes), EPIPE);
	if (is_pending() && !was_pending)
		CHECK(sigwait(&sigpipe, &number) == 0 && number == SIGPIPE);
	CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}

static int target;
static const struct call *target_call;

static void write_in_handler(int signal)
{
	char bytes[64] = {0};
	(void)signal;
	CHECK_FAILS(target_call->run(target, bytes, sizeof bytes), EPIPE);
}

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	const char *kind = argv[1];
	const struct call *call = call_named(argv[2]);
	struct connection c = dead_tcp("v4");
	siginfo_t info;
	char bytes[64] = {0};
	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);

	if (strcmp(kind, "raise") == 0) {
		CHECK(pthread_sigmask(SIG_BLOCK, &sigpipe, NULL) == 0);
		raise(SIGPIPE);
		CHECK(is_pending());
		CHECK(pthread_sigmask(SIG_UNBLOCK, &sigpipe, NULL) == 0);
		CHECK(!"killed");
	}
	if (strcmp(kind, "stdio") == 0) {
		CHECK(pthread_sigmask(SIG_BLOCK, &sigpipe, NULL) == 0);
		CHECK_FAILS(call->run(c.fd, bytes, sizeof bytes), EPIPE);
		CHECK(is_pending());
		CHECK(pthread_sigmask(SIG_UNBLOCK, &sigpipe, NULL) == 0);
		return 0;
	}
	expect_dead(&c, call->logged, "");
	if (strcmp(kind, "libpq") == 0) {
		libpq(call, c.fd);
		libpq(call, c.fd);
		return 0;
	}
	if (strcmp(kind, "handler") == 0) {
		target = c.fd;
		target_call = call;
		CHECK(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = write_in_handler, .sa_mask = sigpipe},
				NULL) == 0);
		CHECK(raise(SIGUSR1) == 0);
		CHECK(!is_pending());
		return 0;
	}
	CHECK(pthread_sigmask(SIG_BLOCK, &sigpipe, NULL) == 0);
	CHECK_FAILS(call->run(c.fd, bytes, sizeof bytes), EPIPE);
	if (strcmp(kind, "unblock") == 0) {
		errno = 1234;
		CHECK(pthread_sigmask(SIG_UNBLOCK, &sigpipe, NULL) == 0);
		CHECK(errno == 1234);
		CHECK(pthread_sigmask(SIG_BLOCK, &sigpipe, NULL) == 0);
		CHECK_FAILS(call->run(c.fd, bytes, sizeof bytes), EPIPE);
	} else if (strcmp(kind, "ppoll") == 0) {
		sigset_t none;
		sigemptyset(&none);
		CHECK_FAILS(ppoll(NULL, 0, &(struct timespec){.tv_sec = 1}, &none), EINTR);
		CHECK(!is_pending());
	} else if (strcmp(kind, "pending") == 0) {
		CHECK(is_pending());
		CHECK(sigpipe_in("SigPnd") == 1); /* for this thread alone */
		CHECK(sigpipe_in("ShdPnd") == 0);
	} else if (strcmp(kind, "sigtimedwait") == 0) {
		CHECK(sigtimedwait(&sigpipe, &info, &(struct timespec){0}) == SIGPIPE);
		CHECK(info.si_code == SI_USER && info.si_pid == getpid() && info.si_uid == getuid());
		CHECK_FAILS(sigtimedwait(&sigpipe, &info, &(struct timespec){0}), EAGAIN);
	} else {
		struct signalfd_siginfo read_info;
		int fd = signalfd(-1, &sigpipe, SFD_NONBLOCK | SFD_CLOEXEC);
		CHECK(fd >= 0);
		CHECK(read(fd, &read_info, sizeof read_info) == sizeof read_info);
		CHECK(read_info.ssi_signo == SIGPIPE);
	}
	return 0;
}
