/*
 * coroutine SIZE CALL: a program that ignores SIGPIPE, so that nothing but its own calls needs its stacks, writes to a
 * vanished peer on a coroutine's stack of SIZE bytes. Below it is a page that cannot be touched.
 */
#include "calls.h"
#include "counted.h"

#include <sys/mman.h>
#include <ucontext.h>

static const struct call *call;
static struct connection c;
static ucontext_t starter, coroutine;
static ssize_t result;
static int error;
static char bytes[64];

static void fail(void)
{
	for (int i = 0; i < 3; i++) {
		errno = 0;
		result = call->run(c.fd, bytes, sizeof bytes);
		error = errno;
	}
}

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	size_t page = 4096, size = (size_t)atoi(argv[1]), room = (size + page - 1) / page * page;
	call = call_named(argv[2]);
	CHECK(signal(SIGPIPE, SIG_IGN) == SIG_DFL);
	/* The dynamic linker looks the function up when it is first called, and needs more stack for that. */
	struct connection living = tcp("v4");
	CHECK(call->run(living.fd, bytes, sizeof bytes) == sizeof bytes);
	c = dead_tcp("v4");
	expect_dead(&c, call->logged, "");

	char *memory = mmap(NULL, page + room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	CHECK(mprotect(memory, page, PROT_NONE) == 0);
	CHECK(getcontext(&coroutine) == 0);
	coroutine.uc_stack = (stack_t){.ss_sp = memory + page, .ss_size = size};
	coroutine.uc_link = &starter;
	makecontext(&coroutine, fail, 0);
	CHECK(swapcontext(&starter, &coroutine) == 0);
	CHECK(result == -1 && error == EPIPE);
	CHECK_COUNTED(3);
	return 0;
}
