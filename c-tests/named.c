/*
 * named PLACE: every call, through its libc function, to a vanished peer each. The log names the call, wherever it is made:
 *   thread     in a second thread: there are threads, and a call is a cancellation point in earnest
 *   disabled   the same, where the thread has disabled cancellation
 *   handler    in a signal handler, on an alternate stack
 *   top        at the very top of a stack: above it is a page that cannot be touched
 *   coroutine  on a coroutine's stack of 2048 bytes, between two such pages; SIGPIPE's handler has a stack of its own
 */
#include "calls.h"
#include "counted.h"

#include <sys/mman.h>
#ifdef __GLIBC__
#include <ucontext.h>
#endif

enum { CALLS = sizeof calls / sizeof *calls };

static const char *place;
static int fds[CALLS];
static char bytes[64];

static void fail_all(void)
{
	for (int i = 0; i < CALLS; i++)
		CHECK_FAILS(calls[i].run(fds[i], bytes, sizeof bytes), EPIPE);
}

static void *in_thread(void *unused)
{
	if (strcmp(place, "disabled") == 0)
		CHECK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL) == 0);
	fail_all();
	return unused;
}

static void on_signal(int signal)
{
	(void)signal;
	fail_all();
}

static void set_alternate_stack(void)
{
	enum { SIZE = 65536 };
	static char memory[SIZE];
	CHECK(sigaltstack(&(stack_t){.ss_sp = memory, .ss_size = SIZE}, NULL) == 0);
}

#ifdef __GLIBC__
static ucontext_t starter, coroutine;
static ssize_t result;
static int fd, error;
static ssize_t (*run)(int fd, void *bytes, size_t length);

static ssize_t raw_write(int fd, void *bytes, size_t length)
{
	return syscall(SYS_write, fd, bytes, length);
}

/* Light: what it needs itself must not be what matters. */
static void fail_one(void)
{
	errno = 0;
	result = run(fd, bytes, sizeof bytes);
	error = errno;
}

/* On a stack of `size` bytes, which ends with its page. */
static void on_stack(size_t size, int this_fd, ssize_t (*call)(int fd, void *bytes, size_t length))
{
	size_t page = 4096, room = (size + page - 1) / page * page;
	char *memory = mmap(NULL, room + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	CHECK(mprotect(memory + page, room, PROT_READ | PROT_WRITE) == 0);
	CHECK(getcontext(&coroutine) == 0);
	coroutine.uc_stack = (stack_t){.ss_sp = memory + page + room - size, .ss_size = size};
	coroutine.uc_link = &starter;
	makecontext(&coroutine, fail_one, 0);
	fd = this_fd;
	run = call;
	CHECK(swapcontext(&starter, &coroutine) == 0);
	CHECK(result == -1 && error == EPIPE);
	CHECK(munmap(memory, room + 2 * page) == 0);
}

static void fail_on_stacks(size_t size)
{
	set_alternate_stack();
	for (int i = 0; i < CALLS; i++) {
		/* These need more stack themselves. */
		int is_large = calls[i].run == call_dprintf;
		on_stack(is_large ? 65536 : size, fds[i], calls[i].run);
	}
	struct connection c = dead_tcp("v4");
	expect_dead(&c, "libc", "");
	on_stack(size, c.fd, raw_write);
}
#endif

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	place = argv[1];
	for (int i = 0; i < CALLS; i++) {
		const struct call *call = &calls[i];
		if (call->run == call_tee || call->run == call_vmsplice) {
			struct dead_pipe dead = dead_pipe();
			expect_dead_pipe(&dead, call->logged);
			fds[i] = dead.fd;
		} else {
			struct connection c = dead_tcp("v4");
			expect_dead(&c, call->logged, "handler=");
			fds[i] = c.fd;
		}
	}
	if (strcmp(place, "thread") == 0 || strcmp(place, "disabled") == 0) {
		pthread_t thread;
		CHECK(pthread_create(&thread, NULL, in_thread, NULL) == 0);
		CHECK(pthread_join(thread, NULL) == 0);
	} else if (strcmp(place, "handler") == 0) {
		set_alternate_stack();
		CHECK(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_signal, .sa_flags = SA_ONSTACK}, NULL) ==
		      0);
		CHECK(raise(SIGUSR1) == 0);
#ifdef __GLIBC__
	} else if (strcmp(place, "top") == 0) {
		fail_on_stacks(65536);
	} else if (strcmp(place, "coroutine") == 0) {
		fail_on_stacks(2048);
#endif
	} else {
		CHECK(!"such a place");
	}
	/* The handler has known each of them: no hook had to help. */
	CHECK(counted(UNATTRIBUTED) <= 0);
	return 0;
}
