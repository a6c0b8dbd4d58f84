/*
 * handler_stack CASE: the handler of SIGUSR1 writes to a vanished peer, on an alternate signal stack. SIGPIPE's frame
 * comes on top of SIGUSR1's. What lies below the alternate stack is the program's own data, and stays.
 *   usual    8 KiB: what SIGSTKSZ was for decades; 16 KiB on aarch64, where a frame has 4.5
 *   tight    what the kernel needs for two frames, and 1000 bytes (aarch64: 1700): too little for a line in SIGPIPE's
 *            handler; the failure is counted
 *   roomy    the same and 4 KiB: there is a line
 */
#include "counted.h"

#include <sys/mman.h>

#ifdef __aarch64__
enum { USUAL = 16384, TIGHT = 1700 };
#else
enum { USUAL = 8192, TIGHT = 1000 };
#endif
enum { BELOW = 65536, PAINT = 0xa5 };

static struct connection c;
static ssize_t result;
static int error;

/* Light: what it needs itself must not be what matters. */
static void fail(int signal)
{
	(void)signal;
	errno = 0;
	result = write(c.fd, "x", 1);
	error = errno;
}

static void nothing(int signal)
{
	(void)signal;
}

static size_t painted(const unsigned char *memory, size_t length)
{
	size_t lowest = 0;
	while (lowest < length && memory[lowest] == PAINT)
		lowest++;
	return lowest;
}

/* What the kernel puts on a signal stack for one handler that does nothing, and that handler's few words. */
static size_t frame(void)
{
	static unsigned char memory[BELOW];
	memset(memory, PAINT, sizeof memory);
	CHECK(sigaltstack(&(stack_t){.ss_sp = memory, .ss_size = sizeof memory}, NULL) == 0);
	CHECK(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = nothing, .sa_flags = SA_ONSTACK}, NULL) == 0);
	CHECK(raise(SIGUSR1) == 0);
	size_t used = sizeof memory - painted(memory, sizeof memory);
	CHECK(used > 0 && used < sizeof memory);
	return used;
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	const char *kind = argv[1];
	size_t size = USUAL, frames = 2 * frame();
	if (strcmp(kind, "tight") == 0)
		size = frames + TIGHT;
	else if (strcmp(kind, "roomy") == 0)
		size = frames + 4096;
	/* The linker's look-up needs more stack than that. */
	struct connection living = tcp("v4");
	CHECK(write(living.fd, "x", 1) == 1);
	c = dead_tcp("v4");
	if (strcmp(kind, "roomy") == 0)
		expect_dead(&c, "write", "");

	unsigned char *memory = mmap(NULL, BELOW + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	memset(memory, PAINT, BELOW);
	CHECK(sigaltstack(&(stack_t){.ss_sp = memory + BELOW, .ss_size = size}, NULL) == 0);
	CHECK(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = fail, .sa_flags = SA_ONSTACK}, NULL) == 0);
	CHECK(raise(SIGUSR1) == 0);
	size_t untouched = painted(memory, BELOW);
	say_to(2, "frames %zu, stack %zu, written below it: %zu bytes", frames, size, BELOW - untouched);
	CHECK(untouched == BELOW);
	CHECK(result == -1 && error == EPIPE);
	CHECK_COUNTED(1);
	return 0;
}
