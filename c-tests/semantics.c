/*
 * semantics FLAG: a handler that the program installed works as its flags say when SIGPIPE is sent on purpose.
 *   nodefer    SIGPIPE is not blocked in the handler: it nests
 *   deferred   without the flag it does not
 *   resethand  the handler runs for one signal; the second one kills
 *   onstack    runs on the alternate stack
 *   restart    an interrupted read goes on
 *   norestart  an interrupted read fails with EINTR
 *   semaphore  the same of sem_timedwait(3): musl waits on unless its sigaction has once set a handler without SA_RESTART
 *   jumps      left by siglongjmp, again and again
 */
#include "check.h"

#include <semaphore.h>
#include <setjmp.h>
#include <time.h>

static volatile sig_atomic_t ran, depth, deepest;
/* Where the handler's frame was: a number, as nothing is there when it is looked at. */
static volatile uintptr_t frame;
static sigjmp_buf back;

static int lies_in(const char *stack, size_t size, uintptr_t address)
{
	return address > (uintptr_t)stack && address < (uintptr_t)stack + size;
}

static void nest(int signal)
{
	char here;
	frame = (uintptr_t)&here;
	if (++depth > deepest)
		deepest = depth;
	if (++ran < 3)
		raise(signal);
	depth--;
}

static void count(int signal)
{
	char here;
	(void)signal;
	frame = (uintptr_t)&here;
	ran++;
}

static void jump(int signal)
{
	(void)signal;
	ran++;
	siglongjmp(back, 1);
}

static void install(void (*handler)(int), int flags)
{
	CHECK(sigaction(SIGPIPE, &(struct sigaction){.sa_handler = handler, .sa_flags = flags}, NULL) == 0);
}

/* Waits for a semaphore that nobody posts, while a child sends SIGPIPE. */
static int interrupted_wait(void)
{
	sem_t semaphore;
	struct timespec end;
	CHECK(sem_init(&semaphore, 0, 0) == 0 && clock_gettime(CLOCK_REALTIME, &end) == 0);
	end.tv_sec += 2;
	pid_t parent = getpid(), child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		usleep(100000);
		kill(parent, SIGPIPE);
		_exit(0);
	}
	int result = sem_timedwait(&semaphore, &end), error = errno;
	waitpid(child, NULL, 0);
	errno = error;
	return result;
}

/* Reads one byte from a child that first sends SIGPIPE, then writes. */
static ssize_t interrupted_read(void)
{
	int ends[2];
	char byte;
	CHECK(pipe(ends) == 0);
	pid_t parent = getpid(), child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		usleep(100000);
		kill(parent, SIGPIPE);
		usleep(100000);
		put(ends[1], "x", 1);
		_exit(0);
	}
	ssize_t result = read(ends[0], &byte, 1);
	int error = errno;
	waitpid(child, NULL, 0);
	errno = error;
	return result;
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	const char *kind = argv[1];
	static char stack[65536];

	if (strcmp(kind, "nodefer") == 0) {
		install(nest, SA_NODEFER);
		raise(SIGPIPE);
		CHECK(ran == 3 && deepest == 3);
	} else if (strcmp(kind, "deferred") == 0) {
		install(nest, 0);
		raise(SIGPIPE);
		CHECK(ran == 3 && deepest == 1);
	} else if (strcmp(kind, "resethand") == 0) {
		struct sigaction now;
		install(count, SA_RESETHAND);
		raise(SIGPIPE);
		CHECK(ran == 1);
		CHECK(sigaction(SIGPIPE, NULL, &now) == 0);
		say("same after the first: default %d flags %#x", now.sa_handler == SIG_DFL, (unsigned)now.sa_flags);
		raise(SIGPIPE);
		CHECK(!"killed");
	} else if (strcmp(kind, "onstack") == 0) {
		CHECK(sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL) == 0);
		install(count, SA_ONSTACK);
		raise(SIGPIPE);
		CHECK(ran == 1 && lies_in(stack, sizeof stack, frame));
		install(count, 0);
		raise(SIGPIPE);
		CHECK(ran == 2 && !lies_in(stack, sizeof stack, frame));
	} else if (strcmp(kind, "restart") == 0) {
		install(count, SA_RESTART);
		CHECK(interrupted_read() == 1);
		CHECK(ran == 1);
	} else if (strcmp(kind, "norestart") == 0) {
		install(count, 0);
		CHECK_FAILS(interrupted_read(), EINTR);
		CHECK(ran == 1);
	} else if (strcmp(kind, "semaphore") == 0) {
		install(count, 0);
		CHECK_FAILS(interrupted_wait(), EINTR);
		CHECK(ran == 1);
	} else {
		install(jump, 0);
		for (volatile int i = 1; i <= 3; i++) {
			if (sigsetjmp(back, 1) == 0)
				raise(SIGPIPE);
			CHECK(ran == i);
		}
	}
	return 0;
}
