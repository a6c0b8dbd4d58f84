/*
 * small_stack CASE: a peer vanishes where there is little stack.
 *   thread     a thread with the smallest stack that there is; musl allows less than the kernel needs for its signal frame
 *   usual      an alternate signal stack of 8 KiB, the value of SIGSTKSZ for decades
 *   alternate  one with 4 KiB above what the kernel needs for its signal frame
 *   measured   how much of a painted one the library's handler uses beyond the kernel's signal frame: at most 1.5 KiB (stack_use has each sink)
 */
#include "check.h"

#include <sys/auxv.h>
#include <sys/mman.h>

static struct connection c;

static void *fail(void *arg)
{
	(void)arg;
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	return NULL;
}

enum { PAINTED = 65536, PAINT = 0xa5 };

static unsigned char painted[PAINTED];

/* How much of the painted stack has been used. */
static size_t used(void)
{
	size_t lowest = 0;
	while (lowest < PAINTED && painted[lowest] == PAINT)
		lowest++;
	memset(painted, PAINT, PAINTED);
	return PAINTED - lowest;
}

static void nothing(int signal)
{
	(void)signal;
}

static void measure(void)
{
	memset(painted, PAINT, PAINTED);
	CHECK(sigaltstack(&(stack_t){.ss_sp = painted, .ss_size = PAINTED}, NULL) == 0);
	CHECK(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = nothing, .sa_flags = SA_ONSTACK}, NULL) == 0);
	CHECK(raise(SIGUSR1) == 0);
	size_t frame = used();
	/* write and dprintf leave everything to the handler. The first failure is logged, the others are not. */
	for (int i = 0; i < 3; i++) {
		CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
		size_t beyond = used() - frame;
		say("stack of the handler, failure %d: %zu bytes beyond the kernel's %zu", i + 1, beyond, frame);
		CHECK(beyond <= 1536);
	}
	struct dead_pipe dead = dead_pipe();
	expect_dead_pipe(&dead, STDIO);
	CHECK(dprintf(dead.fd, "x") == -1);
	size_t beyond = used() - frame;
	say("stack of the handler, a pipe: %zu bytes", beyond);
	CHECK(beyond <= 1536);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	c = dead_tcp("v4");
	expect_dead(&c, "write", "");
	if (strcmp(argv[1], "thread") == 0) {
		pthread_t thread;
		pthread_attr_t small;
		CHECK(pthread_attr_init(&small) == 0);
		size_t least = getauxval(AT_MINSIGSTKSZ) + 4096, size = (size_t)sysconf(_SC_THREAD_STACK_MIN);
		CHECK(pthread_attr_setstacksize(&small, size > least ? size : least) == 0);
		CHECK(pthread_create(&thread, &small, fail, NULL) == 0);
		CHECK(pthread_join(thread, NULL) == 0);
		return 0;
	}
	if (strcmp(argv[1], "measured") == 0) {
		measure();
		return 0;
	}
	/* The stack ends at a page that cannot be written. */
	size_t page = 4096, size = strcmp(argv[1], "usual") == 0 ? 8192 : getauxval(AT_MINSIGSTKSZ) + 4096;
	size_t mapped = (size + page - 1) / page * page + page;
	char *memory = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	CHECK(mprotect(memory, page, PROT_NONE) == 0);
	CHECK(sigaltstack(&(stack_t){.ss_sp = memory + mapped - size, .ss_size = size}, NULL) == 0);
	fail(NULL);
	return 0;
}
